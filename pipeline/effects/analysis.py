"""One estimand ready to be analysed: the matched sample and its outcomes as arrays in member order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.effects.difference import Difference, matched_difference
from pipeline.effects.sample import BoolArray, FloatArray, MatchedSample
from pipeline.matching.passage import Passage
from pipeline.protocol import Inference

OUTCOME_UNITS = {
    "days_on_leave": "day",
    "days_on_leave_change": "day",
    "days_full_leave": "day",
    "sustained_return_to_work": "share",
    "employed": "share",
    "allowance_eur": "eur",
}
"""Outcome -> unit, in the order in which they are published."""


@dataclass(frozen=True, slots=True)
class Horizon:
    """Outcomes of every member at one horizon.

    Attributes:
        days: length of the horizon.
        complete: bool[n], followed to the horizon.
        outcomes: outcome -> float64[n]; nan where unknown.
        euros: column of the table `outcomes` in euros -> float64[n], what savings add up.
    """

    days: int
    complete: BoolArray
    outcomes: dict[str, FloatArray]
    euros: dict[str, FloatArray]

    def known(self, outcome: str) -> BoolArray:
        """bool[n]: members whose outcome is complete and known."""
        return self.complete & np.isfinite(self.outcomes[outcome])


@dataclass(frozen=True)
class Analysis:
    """The matched sample of one estimand with its outcomes.

    Attributes:
        estimand: ITT or ATT.
        members: rows of `members`, ordered by member.
        units: the unit of each member (its characteristics before time zero).
        horizons: months -> outcomes.
        event: str[n] or None, first competing event.
        event_day: float64[n], its day since time zero, nan without.
        followed_days: int64[n], days after time zero on which events are known.
        rule: levels and cluster minima.
    """

    estimand: str
    members: pa.Table
    units: pa.Table
    horizons: dict[int, Horizon]
    event: NDArray[np.object_]
    event_day: FloatArray
    followed_days: NDArray[np.int64]
    rule: Inference

    @cached_property
    def sample(self) -> MatchedSample:
        """The matched sample, départements as clusters."""
        return MatchedSample.from_memberships(
            self.members["set_id"].to_numpy(),
            pc.equal(self.members["arm"], "treated").to_numpy(zero_copy_only=False),
            self.members["department_code"].to_numpy(zero_copy_only=False),
            self.members["person"].to_numpy(),
        )

    def measured(self, outcome: str, months: int, among: BoolArray | None = None) -> tuple[FloatArray, BoolArray]:
        """An outcome at a horizon, and the members whose outcome is known: float64[n] and bool[n].

        Args:
            outcome: one of `OUTCOME_UNITS`. The change of days is what an individual difference in differences compares
                (Abadie 2005 within matched sets).
            months: horizon.
            among: bool[n], members that may count.
        """
        horizon = self.horizons[months]
        change = outcome == "days_on_leave_change"
        read = "days_on_leave" if change else outcome
        values, known = horizon.outcomes[read], horizon.known(read)
        if change:
            values = values - self.members["days_before"].to_numpy().astype(np.float64)
        return values, known if among is None else known & among

    def difference(self, outcome: str, months: int, among: BoolArray | None = None) -> Difference:
        """Treated minus comparison at a horizon, over members whose outcome is known; arguments as `measured`."""
        return matched_difference(
            self.sample, *self.measured(outcome, months, among),
            level=self.rule.level, minimum_clusters=self.rule.minimum_departments,
        )  # fmt: skip


def analysis(
    passage: Passage, members: pa.Table, units: pa.Table, outcomes: pa.Table, events: pa.Table,
    horizons_days: dict[int, int], rule: Inference,
) -> Analysis:  # fmt: skip
    """Assemble an estimand from its tables.

    Args:
        passage: the gate's leave to read outcomes of the estimand.
        members: table `members`.
        units: table `units`.
        outcomes: table `outcomes`.
        events: table `events`.
        horizons_days: months -> days.
        rule: inference section of the protocol.
    """
    estimand = passage.estimand
    mine = members.filter(pc.equal(members["estimand"], estimand)).sort_by("member")
    own = units.filter(pc.equal(units["estimand"], estimand)).sort_by("unit")
    described = own.take(pa.array(np.searchsorted(own["unit"].to_numpy(), mine["unit"].to_numpy())))
    happened = events.filter(pc.equal(events["estimand"], estimand)).sort_by("member")
    return_day, followed = _numbers(happened["return_day"]), happened["followed_days"].to_numpy()
    found: dict[int, Horizon] = {}
    for months, days in sorted(horizons_days.items()):
        table = outcomes.filter(
            pc.and_(pc.equal(outcomes["estimand"], estimand), pc.equal(outcomes["horizon_months"], months))
        ).sort_by("member")
        on_leave, part_time = _numbers(table["days_on_leave"]), _numbers(table["days_part_time"])
        values = {
            "days_on_leave": on_leave,
            "days_full_leave": on_leave - part_time,
            # A return is known some weeks after its first day, so that its horizon is complete later than the others.
            "sustained_return_to_work": np.where(followed >= days, (return_day < days).astype(np.float64), np.nan),
            "employed": _numbers(table["employed"]),
            "allowance_eur": _numbers(table["allowance_eur"]),
        }
        complete = table["complete"].to_numpy(zero_copy_only=False).astype(np.bool_)
        euros = {name: _numbers(table[name]) for name in table.column_names if name.endswith("_eur")}
        found[months] = Horizon(days, complete, values, euros)
    return Analysis(
        estimand, mine, described, found,
        happened["event"].to_numpy(zero_copy_only=False), _numbers(happened["event_day"]),
        followed, rule,
    )  # fmt: skip


def _numbers(column: pa.ChunkedArray) -> FloatArray:
    values: FloatArray = pc.cast(column, pa.float64()).to_numpy()
    return values
