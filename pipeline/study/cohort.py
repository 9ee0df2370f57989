"""The step `cohort`: who could be in, when the clock starts, what was known before it.

Everything here concerns one person at a time, so that persons are taken in parts: memory is that of a part. The
prognostic score alone is learnt from all comparison persons together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import database
from pipeline.database import Connection
from pipeline.leave.step import window_path
from pipeline.leave.window import Window
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.study.prognosis import Prognosis, PrognosisError
from pipeline.study.step import COHORT, ESTIMANDS, FLOW_COLUMNS, Calendar, calendar, days_after, open_study
from pipeline.tables.intermediate import ELIGIBILITY, UNITS
from pipeline.tables.model import Table

REASONS = (
    "invalidity_pension_without_leave", "not_on_leave", "trigger_not_reached", "neither_prolonged_nor_frequent",
    "unknown_department", "history_too_short", "start_not_observed", "age_unknown_or_under", "dead", "retired",
    "on_invalidity_pension", "not_employed", "platform_not_open",
)  # fmt: skip
"""Reasons a candidate is turned away, in the order in which they are asked."""
POPULATION = {
    ("ITT", "treated"): "on_leave", ("ITT", "comparison"): "on_leave",
    ("ATT", "treated"): "accompanied", ("ATT", "comparison"): "on_leave",
}  # fmt: skip
"""First step of the flow: whom it starts from."""
SOURCES = ("persons", "person_history", "employment", "leave_spells", "leave_days", "leave_payments")
"""What is read person by person; `accompanied` is small and read whole."""
PERSONS_AT_ONCE = 1_000_000
"""Persons judged at a time (about 2 GB)."""
Met = Literal["first_contact", "agreement", "refusal"]
CONTACTED: dict[Met, str] = {
    "first_contact": "FROM first_contacts",
    "agreement": "SELECT * REPLACE (agreement_date AS first_contact) FROM first_contacts",
    "refusal": "FROM first_contacts UNION ALL FROM refusals",
}
"""The moment at which somebody is met by a platform -> table `contacted`: first contact, unless varied."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Candidates of one estimand.

    Attributes:
        units: the eligible, columns of the table `units` without `estimand` and `prognosis`, ordered by unit.
        eligibility: columns of the table `eligibility` without `estimand`: every person, once per arm.
    """

    units: pa.Table
    eligibility: pa.Table


def parameters(protocol: Protocol, dates: Calendar, estimand: str) -> dict[str, object]:
    """Named parameters of the `.sql` files, but those that `find_accompanied` and the parts add."""
    study = protocol.study
    return {
        "estimand": estimand,
        "trigger_days": study.trigger_days,
        "prolonged_days": study.prolonged_days,
        "frequent_leaves": study.frequent_leaves,
        "frequent_days": study.frequent_days,
        "minimum_age": study.minimum_age,
        "earliest_opening": dates.earliest_opening,
        "history_from": dates.history_from,
    }


def find_accompanied(connection: Connection, met: Met = "first_contact") -> dict[str, object]:
    """Table `accompanied` over everyone; returns `first_quarter`, in which the first of their leaves began.

    Args:
        connection: with the study's views open.
        met: the moment taken as time zero. `refusal` adds to the accompanied those who refused, without agreement date.
    """
    database.create(connection, "first_contacts", database.sql(__file__, "first_contacts"))
    if met == "refusal":
        standing(connection)
        database.create(connection, "refusals", database.sql(__file__, "refusals"))
    database.create(connection, "contacted", CONTACTED[met])
    database.create(connection, "accompanied", database.sql(__file__, "accompanied"))
    first = database.scalar(
        connection, "SELECT coalesce(min(date_trunc('quarter', start_date)), DATE '2999-12-31') FROM accompanied"
    )
    return {"first_quarter": first}


def look_back(connection: Connection, values: dict[str, object]) -> None:
    """Tables `standing`, `history` and `part_time_starts`, the same for both estimands."""
    standing(connection)
    for name in ("history", "part_time_starts"):
        database.create(connection, name, database.sql(__file__, name), values)


def standing(connection: Connection) -> None:
    """Table `standing`: what the register says of each person from day to day."""
    database.create(connection, "standing", database.sql(__file__, "standing"))


def judge(connection: Connection, values: dict[str, object], first_unit: int = 0) -> Candidates:
    """Candidates of one estimand among the persons that the views show.

    Reads the tables of `find_accompanied` and `look_back`; leaves `early` and `judged`, in which each candidate has its
    reason.
    """
    connection.register("reasons", pa.table({"reason": REASONS, "rank": pa.array(range(len(REASONS)), pa.int64())}))
    values = values | {"first_unit": first_unit, "eligible_rank": len(REASONS)}
    database.create(
        connection, "candidates", database.sql(__file__, f"{str(values['estimand']).lower()}_candidates"), values
    )
    for name in ("early", "judged", "eligibility", "units"):
        database.create(connection, name, database.sql(__file__, name), values)
    return Candidates(
        connection.sql("SELECT * FROM units ORDER BY unit").to_arrow_table(),
        connection.sql("SELECT * FROM eligibility ORDER BY arm, person").to_arrow_table(),
    )


def candidates(
    connection: Connection, protocol: Protocol, dates: Calendar, estimand: str, met: Met = "first_contact"
) -> Candidates:
    """Candidates of one estimand, all persons at once; no prognostic score yet."""
    values = parameters(protocol, dates, estimand) | find_accompanied(connection, met)
    look_back(connection, values)
    return judge(connection, values)


def build_cohort(run: Run) -> StepReport:
    """Write `units` for both estimands, `eligibility` and the calendar."""
    report = StepReport()
    home, release = run.home, run.release
    with database.connect(home.scratch) as connection:
        open_study(connection, home, release)
        dates = calendar(connection, run.protocol, Window.load(window_path(home, release)))
        dates.save(home.artefact(release, COHORT, "calendar", "json"))
        report.warnings += write_cohort(connection, run, dates)
        report.figures |= declared_exceptions(connection)
        units = database.parquet(home.artefact(release, COHORT, "units"))
        for estimand, arm, n in connection.execute(
            f"SELECT estimand, arm, count(*) FROM {units} GROUP BY ALL ORDER BY ALL"
        ).fetchall():
            report.rows[f"{estimand} {arm}"] = n
        flow = cohort_flow(connection, database.parquet(home.artefact(release, COHORT, "eligibility")))
    flow.to_parquet(home.artefact(release, COHORT, "flow"))
    report.figures |= {key: value.isoformat() for key, value in asdict(dates).items()}
    report.tables["Persons turned away"] = flow[flow["n_lost"] > 0].reset_index(drop=True)
    return report


def declared_exceptions(connection: Connection) -> dict[str, float | int | str | None]:
    """How many persons the two declared exceptions to "nothing after time zero decides who is in" concern.

    Reads the table `accompanied` and the view `withdrawals`.
    """
    questions = {
        "accompanied": "SELECT count(*) FROM accompanied",
        "accompanied whose agreement came after first contact": "SELECT count(*) FROM accompanied "
        "WHERE agreement_date > first_contact",
        "cases withdrawn, out of both arms": "SELECT coalesce(sum(withdrawals), 0) FROM withdrawals",
    }
    return {name: int(database.scalar(connection, query)) for name, query in questions.items()}


def write_cohort(connection: Connection, run: Run, dates: Calendar) -> list[str]:
    """Write `units` and `eligibility` part by part; the prognostic score is learnt in between.

    Returns:
        Warnings.
    """
    persons = int(database.scalar(connection, "SELECT coalesce(max(person), 0) + 1 FROM persons"))
    number = -(-persons // PERSONS_AT_ONCE)
    common = find_accompanied(connection)
    targets = {name: run.home.artefact(run.release, COHORT, name) for name in ("units", "eligibility")}
    with database.parts_of(targets) as folders, tempfile.TemporaryDirectory(dir=run.home.scratch) as held:
        written: list[tuple[str, Path]] = []
        units = dict.fromkeys(ESTIMANDS, 0)
        for part in range(number):
            first, last = part * persons // number, (part + 1) * persons // number - 1
            with database.narrowed(connection, SOURCES, first, last):
                for estimand in ESTIMANDS:
                    run.progress("judging eligibility", len(written), len(ESTIMANDS) * number)
                    values = parameters(run.protocol, dates, estimand) | common
                    if estimand == ESTIMANDS[0]:
                        look_back(connection, values)
                    found = judge(connection, values, units[estimand])
                    units[estimand] += len(found.units)
                    file = Path(held) / f"{estimand}-{part:03}.parquet"
                    pq.write_table(found.units, file)
                    written.append((estimand, file))
                    eligibility = rows_of(ELIGIBILITY, found.eligibility, estimand)
                    pq.write_table(eligibility, folders["eligibility"] / file.name, compression="zstd")
        run.progress("learning the prognosis", 0, len(written))
        itt = [file for estimand, file in written if estimand == "ITT"]
        try:
            known = learners(run.protocol, (pq.read_table(file) for file in itt))
            prognosis, warnings = learn(connection, run.protocol, dates, known), []
        except PrognosisError as error:
            prognosis, warnings = None, [f"no prognostic score: {error}"]
        for done, (estimand, file) in enumerate(written):
            run.progress("writing the cohort", done, len(written))
            scored = score(pq.read_table(file), prognosis)
            pq.write_table(rows_of(UNITS, scored, estimand), folders["units"] / file.name, compression="zstd")
    run.progress("writing the cohort", len(written), len(written))
    return warnings


def rows_of(table: Table, found: pa.Table, estimand: str) -> pa.Table:
    """Rows of an intermediate table that has a column `estimand`."""
    named = found.append_column("estimand", pa.array([estimand] * len(found), pa.string()))
    return named.select(table.names).cast(table.schema)


def learners(protocol: Protocol, itt: Iterable[pa.Table]) -> pa.Table:
    """Eligible ITT comparison units, no more than the protocol wants: those of the persons of the lowest numbers.

    Persons are numbered by a keyed hash of who they are, so that the first are as good as drawn.

    Args:
        protocol: the study protocol.
        itt: eligible ITT units, in parts.
    """
    comparison = pa.concat_tables([units.filter(pc.equal(units["arm"], "comparison")) for units in itt])
    return comparison.sort_by("person").slice(0, protocol.matching.prognosis_learners)


def learn(connection: Connection, protocol: Protocol, dates: Calendar, known: pa.Table) -> Prognosis:
    """The prognosis, learnt on comparison persons with a complete year.

    Args:
        connection: with the study's views open.
        protocol: the study protocol.
        dates: the study's calendar.
        known: eligible ITT comparison units, as `learners` gives them.

    Raises:
        PrognosisError: too few of them.
    """
    members = pa.table(
        {
            "member": pa.array(np.arange(len(known))),
            "person": known["person"],
            "time_zero": known["time_zero"],
        }
    )
    measured = days_after(connection, dates, members, protocol.study.primary_horizon_days)
    complete = measured["complete"].to_numpy(zero_copy_only=False)
    return Prognosis.learn(
        known.filter(pa.array(complete)),
        measured["days_on_leave"].to_numpy().astype(np.float64)[complete],
        protocol.matching.prognosis_folds,
    )


def score(units: pa.Table, prognosis: Prognosis | None) -> pa.Table:
    """Units with their column `prognosis`; 0 for all where nothing could be learnt."""
    scores = np.zeros(len(units)) if prognosis is None else prognosis.scores(units)
    return units.append_column("prognosis", pa.array(scores, pa.float64()))


def cohort_flow(connection: Connection, eligibility: str) -> pd.DataFrame:
    """From the persons on leave, or accompanied, to the eligible: who enters, is lost and leaves each step.

    Args:
        connection: an open database.
        eligibility: the table `eligibility`, as SQL.

    Returns:
        Columns `FLOW_COLUMNS`.
    """
    counted = connection.execute(
        f"SELECT estimand, arm, reason, count(*) FROM {eligibility} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    lost = {(estimand, arm, reason): int(n) for estimand, arm, reason, n in counted}
    rows: list[tuple[str, str, str, str, int, int, int]] = []
    for estimand, arm in POPULATION:
        left = sum(n for (e, a, _), n in lost.items() if (e, a) == (estimand, arm))
        if not left:
            continue
        rows.append((estimand, arm, POPULATION[estimand, arm], "all", left, 0, left))
        for reason in REASONS:
            n = lost.get((estimand, arm, reason), 0)
            if n:
                rows.append((estimand, arm, "eligibility", reason, left, n, left - n))
                left -= n
        rows.append((estimand, arm, "eligible", "all", left, 0, left))
    return pd.DataFrame(rows, columns=list(FLOW_COLUMNS))
