"""The study from leaves to one difference, under any protocol: what the specification curve and the placebos run.

Nothing is written: the study's views are opened once, and each variant goes through the same functions as the release.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.database import Connection
from pipeline.effects.difference import Difference, matched_difference
from pipeline.effects.sample import MatchedSample
from pipeline.matching.propensity import PropensityError
from pipeline.matching.units import Design, Matched, eligible, match_units
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.study.cohort import Met, candidates, learn, learners, rows_of, score
from pipeline.study.prognosis import PrognosisError
from pipeline.study.step import COHORT, ESTIMANDS, Calendar, days_after
from pipeline.tables.intermediate import UNITS

NOT_POSSIBLE = (PropensityError, PrognosisError)
"""The data cannot carry the variant."""


def units_under(connection: Connection, protocol: Protocol, dates: Calendar) -> dict[str, pa.Table]:
    """Eligible units of both estimands, with their prognostic score.

    Raises:
        PrognosisError: too few comparison persons to learn from.
    """
    found = {estimand: candidates(connection, protocol, dates, estimand).units for estimand in ESTIMANDS}
    prognosis = learn(connection, protocol, dates, learners(protocol, [found["ITT"]]))
    return {name: rows_of(UNITS, score(units, prognosis), name) for name, units in found.items()}


def released_units(run: Run, estimand: str) -> pa.Table:
    """Eligible units of one estimand as the release has them."""
    return eligible(pq.read_table(run.home.artefact(run.release, COHORT, "units")), estimand)


def days_difference(
    connection: Connection, protocol: Protocol, dates: Calendar, matched: Matched, estimand: str, months: int
) -> Difference:
    """Days on leave over a horizon, treated minus comparison, for any matching."""
    members = matched.members(estimand)
    measured = days_after(connection, dates, members, protocol.study.horizons_days[months])
    sample = MatchedSample.from_memberships(
        members["set_id"].to_numpy(),
        pc.equal(members["arm"], "treated").to_numpy(zero_copy_only=False),
        members["department_code"].to_numpy(zero_copy_only=False),
        members["person"].to_numpy(),
    )
    return matched_difference(
        sample,
        measured["days_on_leave"].to_numpy().astype(np.float64),
        measured["complete"].to_numpy(zero_copy_only=False).astype(np.bool_),
        level=protocol.inference.level,
        minimum_clusters=protocol.inference.minimum_departments,
    )


def variant(
    connection: Connection, protocol: Protocol, dates: Calendar, units: pa.Table, estimand: str, design: Design
) -> Difference:
    """The headline's difference with another way of comparing the same units.

    Raises:
        PropensityError: an arm is empty.
    """
    matched = match_units(units, protocol, design)
    return days_difference(connection, protocol, dates, matched, estimand, protocol.study.primary_horizon_months)


def units_met(connection: Connection, protocol: Protocol, dates: Calendar, known: pa.Table, met: Met) -> pa.Table:
    """Eligible units of the ATT with another moment as time zero, scored by the release's own prognosis.

    Args:
        connection: with the study's views open.
        protocol: the study protocol.
        dates: the study's calendar.
        known: released units of the ITT, from which the prognosis is learnt.
        met: `agreement`, or `refusal`: then the treated are those who refused, and nobody else.

    Raises:
        PrognosisError: too few comparison persons to learn from.
    """
    prognosis = learn(connection, protocol, dates, learners(protocol, [known]))
    units = candidates(connection, protocol, dates, "ATT", met).units
    if met == "refusal":
        # The accompanied were there too, so that nobody is a comparison once accompanied.
        refused = connection.sql("SELECT person FROM refusals").to_arrow_table()["person"].combine_chunks()
        units = units.filter(pc.or_(pc.equal(units["arm"], "comparison"), pc.is_in(units["person"], refused)))
    return rows_of(UNITS, score(units, prognosis), "ATT")


def refused(
    connection: Connection, protocol: Protocol, dates: Calendar, known: pa.Table
) -> tuple[Difference | None, int]:
    """Those who refused to be accompanied, taken as if accompanied from that day on, compared as the ATT's treated are.

    No programme acted on them, so that a difference from persons who look alike is what sets apart those who refuse
    from those who accept, or an effect of the contact itself: the ATT assumes neither.

    Args:
        connection: with the study's views open.
        protocol: the study protocol.
        dates: the study's calendar.
        known: released units of the ITT, from which the prognosis is learnt.

    Returns:
        The difference, None with fewer persons than the protocol's `refusal_minimum_persons`, and their number:
        analysed where there is a difference, else eligible.
    """
    try:
        units = units_met(connection, protocol, dates, known, "refusal")
        asked = pc.sum(pc.equal(units["arm"], "treated")).as_py() or 0
        if asked < protocol.inference.refusal_minimum_persons:
            return None, asked
        found = variant(connection, protocol, dates, units, "ATT", Design.of(protocol.matching))
    except NOT_POSSIBLE:
        return None, 0
    enough = found.n_treated >= protocol.inference.refusal_minimum_persons
    return (found if enough else None), found.n_treated


def placebo_departments(
    connection: Connection, protocol: Protocol, dates: Calendar, units: pa.Table
) -> tuple[Difference | None, int]:
    """Comparison départements played as if they were designated, against the others.

    As many as there are designated ones, at most a third of the comparison départements; drawn with the protocol's
    seed from the sorted codes.

    Returns:
        The difference (None when the data cannot carry it) and the number of départements played.
    """
    comparison = units.filter(pc.equal(units["arm"], "comparison"))
    codes = np.unique(comparison["department_code"].to_numpy(zero_copy_only=False).astype(str))
    designated = units.filter(pc.equal(units["arm"], "treated"))["department_code"].unique()
    played = min(len(designated), len(codes) // 3)
    if played < protocol.inference.minimum_departments:
        return None, played
    chosen = np.random.default_rng(protocol.seeds.placebo_departments).choice(codes, played, replace=False)
    arm = np.where(
        np.isin(comparison["department_code"].to_numpy(zero_copy_only=False).astype(str), chosen),
        "treated",
        "comparison",
    )
    position = comparison.schema.get_field_index("arm")
    recast = comparison.set_column(position, "arm", pa.array(arm))
    try:
        return variant(connection, protocol, dates, recast, "ITT", Design.of(protocol.matching)), played
    except NOT_POSSIBLE:
        return None, played


def placebo_opening(connection: Connection, protocol: Protocol, dates: Calendar) -> Difference | None:
    """Platforms played as if they had opened earlier, followed only while none of them was open.

    The entry window of each département is its real one, moved `placebo_shift_months` back and cut so that every
    follow-up of the primary horizon ends before the first opening anywhere.

    Returns:
        The difference, or None when there is not enough history before the placebo date.
    """
    shift, days = protocol.inference.placebo_shift_months, protocol.study.primary_horizon_days
    last = dates.earliest_opening - dt.timedelta(days=days)
    connection.execute(
        "CREATE OR REPLACE TEMP VIEW designated AS SELECT department_code, "
        f"CAST(min(opening_date) - to_months({shift}) AS DATE) AS opening_date, DATE '{last}' AS closing_date "
        "FROM platforms GROUP BY department_code"
    )
    earlier = months_before(dates.earliest_opening, shift)
    moved = replace(dates, earliest_opening=earlier, follow_up_end=dates.earliest_opening)
    try:
        units = units_under(connection, protocol, moved)["ITT"]
        found = variant(connection, protocol, moved, units, "ITT", Design.of(protocol.matching))
        return found if found.n_treated else None
    except NOT_POSSIBLE:
        return None


def months_before(day: dt.date, months: int) -> dt.date:
    """The same day of the month, so many months before (the last day of a shorter month)."""
    number = day.year * 12 + day.month - 1 - months
    first = dt.date(number // 12, number % 12 + 1, 1)
    following = dt.date((number + 1) // 12, (number + 1) % 12 + 1, 1)
    return first + dt.timedelta(days=min(day.day, (following - first).days) - 1)
