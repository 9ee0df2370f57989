"""The study's calendar and what it reads; the step `outcomes`: what happened after time zero."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home
from pipeline.identity.step import paths as pseudonymised
from pipeline.leave.ceilings import in_year, tariffs
from pipeline.leave.step import STEP as LEAVE
from pipeline.leave.window import Window, months_after
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.study import sectors
from pipeline.tables.intermediate import EVENTS, OUTCOMES, STATES, of_step

COHORT, OUTCOMES_STEP, MATCHING = "cohort", "outcomes", "matching"
ESTIMANDS = ("ITT", "ATT")
FLOW_COLUMNS = ("estimand", "arm", "step", "reason", "n_entering", "n_lost", "n_leaving")
"""Of a flow: persons entering, lost and leaving each step, by estimand and arm; consecutive steps join up."""
NO_PLATFORM = dt.date(2999, 12, 31)
DESIGNATED = """
    CREATE OR REPLACE TEMP VIEW designated AS
    SELECT department_code, min(opening_date) AS opening_date,
           CASE WHEN bool_or(closing_date IS NULL) THEN NULL ELSE max(closing_date) END AS closing_date
    FROM platforms GROUP BY department_code"""
"""A département with several platforms over time is open from the first opening to the last closing."""
AGREED_CASES = """
    CREATE OR REPLACE TEMP VIEW agreed_cases AS
    SELECT person, case_number, min(event_date) AS agreement_date
    FROM agreements
    WHERE scope = 'accompaniment' AND event = 'agreement'
    GROUP BY person, case_number"""
"""Cases whose accompaniment was agreed, and when first: nobody else is accompanied."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The dates that bound a study.

    Attributes:
        last_flow: last payment flow delivered.
        follow_up_end: from it on nothing is used as an outcome.
        earliest_opening: first opening of a platform anywhere.
        history_from: first time zero with enough months of payment lines before it.
    """

    last_flow: dt.date
    follow_up_end: dt.date
    earliest_opening: dt.date
    history_from: dt.date

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps({k: v.isoformat() for k, v in asdict(self).items()}), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calendar:
        """Read what `save` wrote."""
        return cls(**{k: dt.date.fromisoformat(v) for k, v in json.loads(path.read_text(encoding="utf-8")).items()})


def calendar(connection: Connection, protocol: Protocol, window: Window) -> Calendar:
    """The study's calendar: the window of the payment lines, and the view `platforms`."""
    ((earliest_opening,),) = connection.execute(
        "SELECT coalesce(min(opening_date), $never) FROM platforms", {"never": NO_PLATFORM}
    ).fetchall()
    history = protocol.study.history_months + 1  # the first flow is dated to the month after its payments
    return Calendar(
        window.last_flow, window.complete_until, earliest_opening, months_after(window.first_payment, history)
    )


def open_study(connection: Connection, home: Home, release: str) -> None:
    """Views of everything the study reads, the views `designated` and `agreed_cases`, and the macro `sector_of`."""
    for name, path in pseudonymised(home, release).items():
        database.view(connection, name, path)
    for table in of_step(LEAVE):
        database.view(connection, table.name, home.artefact(release, LEAVE, table.name))
    connection.execute(sectors.macro())
    for view in (DESIGNATED, AGREED_CASES):
        connection.execute(view)


def days_after(connection: Connection, dates: Calendar, members: pa.Table, days: int) -> pa.Table:
    """Days on leave of members in the `days` days from time zero on.

    Args:
        connection: with the study's views open.
        dates: the study's calendar.
        members: columns `member`, `person`, `time_zero`; shape (n, 3) or wider.
        days: length of the horizon.

    Returns:
        n rows ordered by member: `member, complete, days_on_leave, days_part_time`.
    """
    connection.register("members", members)
    parameters = {"days": days, "follow_up_end": dates.follow_up_end}
    database.create(connection, "days_after", database.sql(__file__, "days_after"), parameters)
    return connection.sql("SELECT * FROM days_after ORDER BY member").to_arrow_table()


def outcomes_of(connection: Connection, protocol: Protocol, dates: Calendar, members: pa.Table, days: int) -> pa.Table:
    """Outcomes of members over a horizon.

    Args:
        connection: with the study's views open.
        protocol: the study protocol.
        dates: the study's calendar.
        members: columns `member`, `person`, `time_zero`, `status`, `wage`; shape (n, 5) or wider.
        days: length of the horizon.

    Returns:
        n rows ordered by member: `member, complete, days_on_leave, days_part_time, allowance_eur, sickness_eur,
        work_injury_eur, part_time_eur, same_tariff_eur, invalidity_eur, employed`; the three kinds of allowances add up
        to `allowance_eur`, to the cent.

    Raises:
        ValueError: no ceiling of the protocol's tariff year is known.
    """
    days_after(connection, dates, members, days)
    savings = protocol.savings
    prices = tariffs(savings.tariff_year, dates.last_flow)
    connection.register("tariffs", prices)
    parameters = {
        "days": days,
        "employee_maximum": in_year(savings.tariff_year).employee,
        "tolerance": protocol.leave.maximum_tolerance_eur,
        "tariffs_from": prices["month"][0].as_py(),
        "tariffs_until": prices["month"][-1].as_py(),
        "share_1": savings.invalidity_share_category_1,
        "share_2": savings.invalidity_share_category_2,
        "share_3": savings.invalidity_share_category_3,
    }
    database.create(connection, "outcomes", database.sql(__file__, "outcomes"), parameters)
    return connection.sql("SELECT * FROM outcomes ORDER BY member").to_arrow_table()


def measure_outcomes(run: Run) -> StepReport:
    """Write `outcomes` at every horizon, `events` and `states` for the members of matched sets."""
    report = StepReport()
    dates = Calendar.load(run.home.artefact(run.release, COHORT, "calendar", "json"))
    members = pq.read_table(run.home.artefact(run.release, MATCHING, "members"))
    measured: list[pa.Table] = []
    happened: list[pa.Table] = []
    lived: list[pa.Table] = []
    with database.connect(run.home.scratch) as connection:
        open_study(connection, run.home, run.release)
        for estimand in sorted(ESTIMANDS):
            mine = members.filter(pc.equal(members["estimand"], estimand))
            for months, days in sorted(run.protocol.study.horizons_days.items()):
                run.progress(
                    "measuring outcomes", len(measured), len(ESTIMANDS) * len(run.protocol.study.horizons_days)
                )
                table = outcomes_of(connection, run.protocol, dates, mine, days)
                table = table.append_column("horizon_months", pa.array([months] * len(table), pa.int64()))
                measured.append(_labelled(table, estimand).select(OUTCOMES.names).cast(OUTCOMES.schema))
            _histories(connection, run.protocol, dates, mine)
            for declared, parts in ((EVENTS, happened), (STATES, lived)):
                table = _followed(connection, declared.name, run.protocol, dates)
                parts.append(_labelled(table, estimand).select(declared.names).cast(declared.schema))
    for declared, parts in ((OUTCOMES, measured), (EVENTS, happened), (STATES, lived)):
        whole = pa.concat_tables(parts)
        pq.write_table(whole, run.home.artefact(run.release, OUTCOMES_STEP, declared.name), compression="zstd")
        report.rows[declared.name] = len(whole)
    analysed_flow(members, pa.concat_tables(measured), run.protocol).to_parquet(
        run.home.artefact(run.release, OUTCOMES_STEP, "flow")
    )
    complete = (
        pa.concat_tables(measured).to_pandas().groupby(["estimand", "horizon_months"])["complete"].agg(["sum", "size"])
    )
    report.tables["Members with a complete horizon"] = complete.reset_index()
    return report


def analysed_flow(members: pa.Table, outcomes: pa.Table, protocol: Protocol) -> pd.DataFrame:
    """From the matched to the analysed at the main horizon; joins up with the flow of the matching.

    Args:
        members: rows of the table `members`.
        outcomes: rows of the table `outcomes`.
        protocol: the main horizon.

    Returns:
        Columns `FLOW_COLUMNS`.
    """
    with database.connect() as connection:
        connection.register("members", members)
        connection.register("outcomes", outcomes)
        counted = connection.execute(
            database.sql(__file__, "analysed"), {"horizon_months": protocol.study.primary_horizon_months}
        ).fetchall()
    rows: list[tuple[str, str, str, str, int, int, int]] = []
    for estimand, arm, left, *lost in counted:
        for reason, n in zip(("horizon_not_reached", "no_complete_comparison"), lost, strict=True):
            rows.append((estimand, arm, "analysis", reason, left, n, left - n))
            left -= n
        rows.append((estimand, arm, "analysed", "all", left, 0, left))
    return pd.DataFrame(rows, columns=list(FLOW_COLUMNS))


def _labelled(table: pa.Table, estimand: str) -> pa.Table:
    return table.append_column("estimand", pa.array([estimand] * len(table), pa.string()))


HISTORIES = ("gaps", "month_ends", "returns", "job_losses", "ends_of_rights")
"""What events and states are made of, each defined once, in an order in which each can read those before it."""


def _histories(connection: Connection, protocol: Protocol, dates: Calendar, members: pa.Table) -> None:
    """Register `members` and create the temporary tables `HISTORIES` of their persons."""
    connection.register("members", members)
    for name in HISTORIES:
        database.create(connection, name, database.sql(__file__, name), _clocks(protocol, dates))


def _followed(connection: Connection, name: str, protocol: Protocol, dates: Calendar) -> pa.Table:
    """Table `events` or `states` of the members registered by `_histories`, ordered by its key."""
    database.create(connection, name, database.sql(__file__, name), _clocks(protocol, dates))
    return connection.sql(
        f"SELECT * FROM {name} ORDER BY member{', first_day' * (name == STATES.name)}"
    ).to_arrow_table()


def _clocks(protocol: Protocol, dates: Calendar) -> dict[str, object]:
    """Named parameters of the `.sql` files on what happens after time zero."""
    sustained = protocol.study.sustained_return_days
    return {
        "sustained_return_days": sustained,
        "follow_up_end": dates.follow_up_end,
        # A return on this day would be known one day too late.
        "known_until": dates.follow_up_end - dt.timedelta(days=sustained - 1),
        "last_state_day": last_state_day(protocol),
    }


def last_state_day(protocol: Protocol) -> int:
    """Last day after time zero on which states are told: that of the longest horizon, or later where one is read."""
    study = protocol.study
    return max(max(study.horizons_days.values()) - 1, study.primary_horizon_days, 7 * protocol.inference.curve_weeks)


def events_of(connection: Connection, protocol: Protocol, dates: Calendar, members: pa.Table) -> pa.Table:
    """The first competing event of each member (Aalen-Johansen: a return after another event does not count).

    Returns:
        n rows ordered by member: `member, event, event_day, followed_days, return_day`; days since time zero, event
        and return empty where nothing happened while events are known, `followed_days` after time zero.
    """
    _histories(connection, protocol, dates, members)
    return _followed(connection, EVENTS.name, protocol, dates)


def states_of(connection: Connection, protocol: Protocol, dates: Calendar, members: pa.Table) -> pa.Table:
    """The state of each member on each day from its time zero on; meaning and priority: `states.sql`.

    Args:
        connection: with the study's views open.
        protocol: the study protocol.
        dates: the study's calendar.
        members: columns `member`, `person`, `time_zero`; shape (n, 3) or wider.

    Returns:
        Rows `member, first_day, last_day, state, as_compared` ordered by member and day: the intervals of a member,
        both ends included, are a partition of the days 0 to `last_state_day`; neighbours differ in state or, within a
        `crpe`, in `as_compared`.
    """
    _histories(connection, protocol, dates, members)
    return _followed(connection, STATES.name, protocol, dates)
