"""The study from leaves to one difference, under any protocol: what the specification curve and the placebos run.

Nothing is written: the study's views are opened once, and each variant goes through the same functions as the release.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.database import Connection
from pipeline.effects.difference import Difference, matched_difference
from pipeline.effects.sample import MatchedSample
from pipeline.leave.step import rebuild
from pipeline.matching.propensity import PropensityError
from pipeline.matching.units import Design, Matched, match_units
from pipeline.protocol import Protocol
from pipeline.study.cohort import candidates, learn, learners, rows_of, score
from pipeline.study.prognosis import PrognosisError
from pipeline.study.step import ESTIMANDS, Calendar, outcomes_of
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


def units_with_gap(connection: Connection, protocol: Protocol, dates: Calendar) -> dict[str, pa.Table]:
    """As `units_under`, leaves being rebuilt first under the protocol's own gap rule.

    The views of the released leaves are covered by temporary tables until `pipeline.leave.step.forget` is called.
    """
    rebuild(connection, protocol)
    return units_under(connection, protocol, dates)


def days_difference(
    connection: Connection, protocol: Protocol, dates: Calendar, matched: Matched, estimand: str, months: int
) -> Difference:
    """Days on leave over a horizon, treated minus comparison, for any matching."""
    members = matched.members(estimand)
    measured = outcomes_of(connection, protocol, dates, members, protocol.study.horizons_days[months])
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
    earlier = _months_before(dates.earliest_opening, shift)
    moved = replace(dates, earliest_opening=earlier, follow_up_end=dates.earliest_opening)
    try:
        units = units_under(connection, protocol, moved)["ITT"]
        matched = match_units(units, protocol, Design.of(protocol.matching))
        found = days_difference(connection, protocol, moved, matched, "ITT", protocol.study.primary_horizon_months)
        return found if found.n_treated else None
    except NOT_POSSIBLE:
        return None


def _months_before(day: dt.date, months: int) -> dt.date:
    """The same day of the month, so many months before (the last day of a shorter month)."""
    number = day.year * 12 + day.month - 1 - months
    first = dt.date(number // 12, number % 12 + 1, 1)
    following = dt.date((number + 1) // 12, (number + 1) % 12 + 1, 1)
    return first + dt.timedelta(days=min(day.day, (following - first).days) - 1)
