"""The steps `cohort` (who could be in, what was known before time zero) and `outcomes` (what happened after)."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home
from pipeline.identity.step import paths as pseudonymised
from pipeline.leave.step import STEP as LEAVE
from pipeline.leave.step import window_path
from pipeline.leave.window import Window, months_after
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.study import sectors
from pipeline.study.covariates import CATEGORIES, NUMBERS, matrix
from pipeline.study.prognosis import PrognosisError, prognostic_scores
from pipeline.tables.intermediate import EVENTS, OUTCOMES, UNITS, of_step

COHORT, OUTCOMES_STEP, MATCHING = "cohort", "outcomes", "matching"
ESTIMANDS = ("ITT", "ATT")
REASONS = (
    "not_on_leave", "unknown_department", "history_too_short", "age_unknown_or_under", "dead", "retired",
    "on_invalidity_pension", "not_employed", "neither_prolonged_nor_frequent", "platform_not_open",
)  # fmt: skip
"""Reasons a candidate is turned away, in the order in which they are asked."""
NO_PLATFORM = dt.date(2999, 12, 31)
DESIGNATED = """
    CREATE OR REPLACE TEMP VIEW designated AS
    SELECT department_code, min(opening_date) AS opening_date,
           CASE WHEN bool_or(closing_date IS NULL) THEN NULL ELSE max(closing_date) END AS closing_date
    FROM platforms GROUP BY department_code"""
"""A département with several platforms over time is open from the first opening to the last closing."""


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
    """Views of everything the study reads, and the macro `sector_of`."""
    for name, path in pseudonymised(home, release).items():
        database.view(connection, name, path)
    for table in of_step(LEAVE):
        database.view(connection, table.name, home.artefact(release, LEAVE, table.name))
    connection.execute(sectors.macro())
    connection.execute(DESIGNATED)


def candidates(connection: Connection, protocol: Protocol, dates: Calendar, estimand: str) -> pa.Table:
    """Candidates of one estimand with their covariates, and why some are turned away; no prognostic score yet.

    Returns:
        Columns of the table `units` without `estimand` and `prognosis`, ordered by unit.
    """
    study = protocol.study
    parameters = {
        "estimand": estimand,
        "trigger_days": study.trigger_days,
        "prolonged_days": study.prolonged_days,
        "frequent_leaves": study.frequent_leaves,
        "frequent_days": study.frequent_days,
        "minimum_age": study.minimum_age,
        "earliest_opening": dates.earliest_opening,
        "history_from": dates.history_from,
    }
    database.create(connection, "candidates", database.sql(__file__, f"{estimand.lower()}_candidates"), parameters)
    database.create(connection, "units", database.sql(__file__, "units"), parameters)
    return connection.sql("SELECT * FROM units ORDER BY unit").to_arrow_table()


def outcomes_of(connection: Connection, protocol: Protocol, dates: Calendar, members: pa.Table, days: int) -> pa.Table:
    """Outcomes of members over a horizon.

    Args:
        connection: with the study's views open.
        protocol: the study protocol.
        dates: the study's calendar.
        members: columns `member`, `person`, `time_zero`, `wage`; shape (n, 4) or wider.
        days: length of the horizon.

    Returns:
        n rows ordered by member: `member, complete, days_on_leave, days_part_time, allowance_eur, invalidity_eur,
        employed`.
    """
    connection.register("members", members)
    savings = protocol.savings
    parameters = {
        "days": days,
        "follow_up_end": dates.follow_up_end,
        "share_1": savings.invalidity_share_category_1,
        "share_2": savings.invalidity_share_category_2,
        "share_3": savings.invalidity_share_category_3,
    }
    database.create(connection, "outcomes", database.sql(__file__, "outcomes"), parameters)
    return connection.sql("SELECT * FROM outcomes ORDER BY member").to_arrow_table()


def build_cohort(run: Run) -> StepReport:
    """Write `units` for both estimands, the calendar and the flow up to the matching."""
    report = StepReport()
    with database.connect(run.home.scratch) as connection:
        open_study(connection, run.home, run.release)
        dates = calendar(connection, run.protocol, Window.load(window_path(run.home, run.release)))
        dates.save(run.home.artefact(run.release, COHORT, "calendar", "json"))
        units = {estimand: candidates(connection, run.protocol, dates, estimand) for estimand in ESTIMANDS}
        try:
            scored = with_prognosis(connection, run.protocol, dates, units)
        except PrognosisError as error:
            report.warnings.append(f"no prognostic score: {error}")
            scored = {name: _scored(table, name, np.zeros(len(table))) for name, table in units.items()}
    whole = pa.concat_tables(list(scored.values()))
    pq.write_table(whole, run.home.artefact(run.release, COHORT, "units"), compression="zstd")
    for estimand, table in scored.items():
        kept = table.filter(pc.is_null(table["reason"]))
        for arm in ("treated", "comparison"):
            report.rows[f"{estimand} {arm}"] = pc.sum(pc.equal(kept["arm"], arm)).as_py() or 0
    report.figures |= {key: value.isoformat() for key, value in asdict(dates).items()}
    flow = cohort_flow(whole)
    report.tables["Persons turned away"] = flow[flow["n_lost"] > 0].reset_index(drop=True)
    return report


def _scored(table: pa.Table, estimand: str, scores: np.ndarray) -> pa.Table:
    """Rows of the table `units`."""
    named = table.append_column("estimand", pa.array([estimand] * len(table), pa.string()))
    return named.append_column("prognosis", pa.array(scores, pa.float64())).select(UNITS.names).cast(UNITS.schema)


def with_prognosis(
    connection: Connection, protocol: Protocol, dates: Calendar, units: dict[str, pa.Table]
) -> dict[str, pa.Table]:
    """Complete the rows of `units`: the prognostic score is learnt on ITT comparison persons with a complete year.

    Raises:
        PrognosisError: too few of them.
    """
    itt = units["ITT"]
    eligible = pc.and_(pc.is_null(itt["reason"]), pc.equal(itt["arm"], "comparison"))
    learners = itt.filter(eligible)
    days = protocol.study.primary_horizon_days
    members = pa.table(
        {
            "member": pa.array(np.arange(len(learners))),
            "person": learners["person"],
            "time_zero": learners["time_zero"],
            "wage": learners["wage"],
        }
    )
    measured = outcomes_of(connection, protocol, dates, members, days)
    complete = measured["complete"].to_numpy(zero_copy_only=False)
    # One matrix for all, so that a column missing in one group is missing nowhere else.
    everyone = pa.concat_tables([table.select(_covariate_columns()) for table in (itt, units["ATT"], learners)])
    numbers, _ = matrix(everyone, prognosis=False)
    ends = np.cumsum([len(itt), len(units["ATT"]), len(learners)])
    learning = numbers[ends[1] : ends[2]][complete]
    outcome = measured["days_on_leave"].to_numpy().astype(np.float64)[complete]
    person = learners["person"].to_numpy()[complete]
    found = {}
    for estimand, part in zip(ESTIMANDS, (numbers[: ends[0]], numbers[ends[0] : ends[1]]), strict=True):
        scores = prognostic_scores(
            learning, outcome, person, part, units[estimand]["person"].to_numpy(), protocol.matching.prognosis_folds
        )
        found[estimand] = _scored(units[estimand], estimand, scores)
    return found


def _covariate_columns() -> list[str]:
    return [*NUMBERS, *CATEGORIES, "working_time_share", "employed_before"]


def cohort_flow(units: pa.Table) -> pd.DataFrame:
    """From candidates to eligible: persons entering, lost and leaving each step, by estimand and arm.

    A person with several units is lost only when none of them is eligible, and then at the reason of the unit that came
    furthest in the order of `REASONS`.

    Returns:
        Columns `estimand, arm, step, reason, n_entering, n_lost, n_leaving`; consecutive steps of an arm join up.
    """
    rank = {reason: number for number, reason in enumerate(REASONS)} | {None: len(REASONS)}
    frame = units.select(["estimand", "arm", "person", "reason"]).to_pandas()
    frame["furthest"] = [rank[reason if isinstance(reason, str) else None] for reason in frame["reason"]]
    persons = frame.groupby(["estimand", "arm", "person"])["furthest"].max().reset_index()
    lost = persons.groupby(["estimand", "arm", "furthest"]).size()
    rows = []
    for estimand in ESTIMANDS:
        for arm in ("treated", "comparison"):
            by_reason = [int(lost.get((estimand, arm, number), 0)) for number in range(len(REASONS) + 1)]
            left = sum(by_reason)
            if not left:
                continue
            for reason, n in zip(REASONS, by_reason[:-1], strict=True):
                if n:
                    rows.append((estimand, arm, "eligibility", reason, left, n, left - n))
                    left -= n
            rows.append((estimand, arm, "eligible", "all", left, 0, left))
    columns = ["estimand", "arm", "step", "reason", "n_entering", "n_lost", "n_leaving"]
    return pd.DataFrame(rows, columns=columns)


def measure_outcomes(run: Run) -> StepReport:
    """Write `outcomes` at every horizon and `events` for the members of matched sets."""
    report = StepReport()
    dates = Calendar.load(run.home.artefact(run.release, COHORT, "calendar", "json"))
    members = pq.read_table(run.home.artefact(run.release, MATCHING, "members"))
    measured: list[pa.Table] = []
    happened: list[pa.Table] = []
    with database.connect(run.home.scratch) as connection:
        open_study(connection, run.home, run.release)
        for estimand in ESTIMANDS:
            mine = members.filter(pc.equal(members["estimand"], estimand))
            for months, days in sorted(run.protocol.study.horizons_days.items()):
                run.progress(
                    "measuring outcomes", len(measured), len(ESTIMANDS) * len(run.protocol.study.horizons_days)
                )
                table = outcomes_of(connection, run.protocol, dates, mine, days)
                table = table.append_column("horizon_months", pa.array([months] * len(table), pa.int64()))
                measured.append(_labelled(table, estimand).select(OUTCOMES.names).cast(OUTCOMES.schema))
            happened.append(
                _labelled(events_of(connection, run.protocol, dates, mine), estimand)
                .select(EVENTS.names)
                .cast(EVENTS.schema)
            )
    for table, parts in ((OUTCOMES, measured), (EVENTS, happened)):
        whole = pa.concat_tables(parts)
        pq.write_table(whole, run.home.artefact(run.release, OUTCOMES_STEP, table.name), compression="zstd")
        report.rows[table.name] = len(whole)
    complete = (
        pa.concat_tables(measured).to_pandas().groupby(["estimand", "horizon_months"])["complete"].agg(["sum", "size"])
    )
    report.tables["Members with a complete horizon"] = complete.reset_index()
    return report


def _labelled(table: pa.Table, estimand: str) -> pa.Table:
    return table.append_column("estimand", pa.array([estimand] * len(table), pa.string()))


def events_of(connection: Connection, protocol: Protocol, dates: Calendar, members: pa.Table) -> pa.Table:
    """The first competing event of each member (Aalen-Johansen: a return after another event does not count).

    Returns:
        n rows ordered by member: `member, event, event_day, followed_days, return_day`; days since time zero, event
        and return empty where nothing happened while events are known, `followed_days` after time zero.
    """
    connection.register("members", members)
    parameters = {
        "sustained_return_days": protocol.study.sustained_return_days,
        "follow_up_end": dates.follow_up_end,
    }
    database.create(connection, "events", database.sql(__file__, "events"), parameters)
    return connection.sql("SELECT * FROM events ORDER BY member").to_arrow_table()
