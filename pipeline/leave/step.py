"""The step `leave`: spells, days, euros and ends of leaves from every payment line delivered up to the release."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home
from pipeline.identity.step import paths as pseudonymised
from pipeline.leave import comparison, plausibility
from pipeline.leave.window import Window, observed
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.tables import codes
from pipeline.tables.intermediate import LEAVE_FLAGS, of_step

STEP = "leave"
LINES_AT_ONCE = 25_000_000
"""Payment lines rebuilt at a time, of whole persons: a part fits in memory (about 3 GB) and is not sorted on disk."""
SOURCES = ("payment_lines", "persons", "employment")
SQL = ("allowance_lines", "netted_lines", "leave_spells", "leave_days", "leave_payments", "leave_ends")
"""The `.sql` files in the order they run; each makes the table of its name."""
NETTING, BY_GAP = SQL[:2], SQL[2:4]
"""What does not hang on the gap rule and comes first; leaves and their days, which do."""
WRITTEN = tuple(table for table in of_step(STEP) if table.name in SQL)
"""Tables written part by part."""


def parameters(protocol: Protocol, window: Window) -> dict[str, object]:
    """Named parameters of the `.sql` files."""
    leave = protocol.leave
    return {
        "gap_days": leave.gap_days,
        "sickness_waiting_days": leave.sickness_waiting_days,
        "rights_days": leave.rights_days,
        "rights_window_days": leave.rights_window_days,
        "ald_rights_days": leave.ald_rights_days,
        "sustained_return_days": protocol.study.sustained_return_days,
        "first_payment": window.first_payment,
        "complete_until": window.complete_until,
    }


def rebuild(connection: Connection, protocol: Protocol) -> Window:
    """Temporary tables of `SQL` from the views `payment_lines`, `persons` and `employment`, all persons at once.

    Returns:
        What the payment lines let one see.
    """
    window, _ = observed(connection, protocol)
    _kinds(connection)
    _rebuild(connection, parameters(protocol, window))
    return window


@contextmanager
def other_gap_rules(connection: Connection, protocol: Protocol) -> Iterator[Callable[[Protocol], None]]:
    """Leaves and their days under one gap rule after another; the released ones show again at the end.

    Lines are netted once for all rules. What was paid does not hang on the rule, and how leaves ended is not told.

    Yields:
        A function that makes the temporary tables `leave_spells` and `leave_days` under a protocol's gap rule.
    """
    window, _ = observed(connection, protocol)
    _kinds(connection)
    try:
        _rebuild(connection, parameters(protocol, window), NETTING)

        def under(changed: Protocol) -> None:
            _rebuild(connection, parameters(changed, window), BY_GAP)

        yield under
    finally:
        forget(connection)


def rebuild_spells(connection: Connection, protocol: Protocol) -> Iterator[int]:
    """Temporary table `leave_spells` from the view `payment_lines`, part by part; yields how many leaves it holds."""
    window, _ = observed(connection, protocol)
    for _ in _parts(connection, ("payment_lines",)):
        yield _rebuild(connection, parameters(protocol, window), SQL[:3])


def _parts(connection: Connection, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Narrow the views to the persons of one part after the other; yields its number and how many there are.

    Persons are numbered in no order that means anything, so that equal ranges of numbers hold about equal work.
    """
    lines, last = connection.execute("SELECT count(*), coalesce(max(person), 0) + 1 FROM payment_lines").fetchall()[0]
    number = max(1, math.ceil(lines / LINES_AT_ONCE))
    _kinds(connection)
    # The order of rows within a part is set where it is written; keeping another one on the way costs memory.
    connection.execute("SET preserve_insertion_order = false")
    for part in range(number):
        with database.narrowed(connection, names, part * last // number, (part + 1) * last // number - 1):
            yield part, number
    connection.execute("SET preserve_insertion_order = true")
    forget(connection)


def forget(connection: Connection) -> None:
    """Drop what `rebuild` made: views of the same names show again."""
    for name in SQL:
        connection.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _rebuild(connection: Connection, values: dict[str, object], names: Sequence[str] = SQL) -> int:
    """Run the `.sql` files; returns the rows of the last."""
    rows = 0
    for name in names:
        rows = database.create(connection, name, database.sql(__file__, name), values)
    return rows


def _kinds(connection: Connection) -> None:
    """Enumerated types of the lines: sorting and grouping by a byte costs a third of doing so by a text."""
    for name, listed in (
        ("leave_risk", [code.code for code in codes.RISK]),
        ("line_kind", ["waiting", "full", "part_time"]),
    ):
        values = ", ".join(database.quoted(code) for code in dict.fromkeys(listed))
        connection.execute(f"CREATE TYPE IF NOT EXISTS {name} AS ENUM ({values})")


def rebuild_leaves(run: Run) -> StepReport:
    """Write the leave tables of a release, part by part: all lines of so many persons at a time."""
    report = StepReport()
    with database.connect(run.home.scratch) as connection:
        for name in SOURCES:
            database.view(connection, name, pseudonymised(run.home, run.release)[name])
        window, arrived = observed(connection, run.protocol)
        window.save(window_path(run.home, run.release))
        report.rows |= write_leaves(connection, run, window)
        report.figures |= {
            "last payment flow": window.last_flow.isoformat(),
            "payment lag, months": window.payment_lag_months,
            "leaves complete until": window.complete_until.isoformat(),
        }
        report.tables["Lines arrived, by months since the last paid day"] = arrived.round(4).reset_index()
        for table in WRITTEN:
            database.view(connection, table.name, run.home.artefact(run.release, STEP, table.name))
        plausibility.flag(connection, run.protocol)
        report.rows[LEAVE_FLAGS.name] = database.write(
            connection,
            f"SELECT {LEAVE_FLAGS.select} FROM leave_flags ORDER BY {', '.join(LEAVE_FLAGS.key)}",
            run.home.artefact(run.release, STEP, LEAVE_FLAGS.name),
        )
        report.tables["Durations of closed leaves"] = _durations(connection)
        report.tables["How leaves ended"] = connection.sql(
            "SELECT end_reason, count(*) AS leaves FROM leave_ends GROUP BY ALL ORDER BY leaves DESC, end_reason"
        ).df()
        plausibility.told(connection, run.home.artefact(run.release, STEP, plausibility.FLAGGED_ROWS), report)
        leaves = run.home.artefact(run.release, STEP, comparison.LEAVES)
        comparison.compare(connection, window, run.protocol.disclosure.k, leaves, report)
    return report


def write_leaves(connection: Connection, run: Run, window: Window) -> dict[str, int]:
    """Write every table of the step from the views `SOURCES`, part by part; returns table -> rows."""
    rows = {table.name: 0 for table in WRITTEN}
    with database.parts_of({name: run.home.artefact(run.release, STEP, name) for name in rows}) as folders:
        for part, number in _parts(connection, SOURCES):
            run.progress("rebuilding leaves", part, number)
            _rebuild(connection, parameters(run.protocol, window))
            for table in WRITTEN:
                query = f"SELECT {table.select} FROM {table.name} ORDER BY {', '.join(table.key)}"
                rows[table.name] += database.write(connection, query, folders[table.name] / f"part-{part:03}.parquet")
            run.progress("rebuilding leaves", part + 1, number)
    return rows


def window_path(home: Home, release: str) -> Path:
    """Where the step keeps the window of a release."""
    return home.artefact(release, STEP, "window", "json")


def _durations(connection: Connection) -> pd.DataFrame:
    """Classes of duration, to be held against national orders of magnitude."""
    found: pd.DataFrame = connection.sql("""
        SELECT risk,
               CASE WHEN days <= 7 THEN '1 to 7 days' WHEN days <= 30 THEN '8 to 30 days'
                    WHEN days <= 90 THEN '31 to 90 days'
                    WHEN days <= 180 THEN '91 to 180 days' WHEN days <= 365 THEN '181 to 365 days'
                    ELSE 'over 365 days' END AS duration,
               count(*) AS leaves, round(avg(days), 1) AS mean_days
        FROM leave_spells WHERE NOT censored GROUP BY ALL ORDER BY risk, min(days)""").df()
    return found
