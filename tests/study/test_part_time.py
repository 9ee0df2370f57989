"""Who has begun to work again part-time is compared with those who have, and nobody else."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from pipeline import database
from pipeline.study.cohort import candidates
from tests.study.worlds import PROTOCOL, World, after

START = "2022-01-10"
TREATED, FULL, FROM_50, FROM_90 = 1, 2, 3, 4


def territory(treated_part_time_from: int | None = None) -> World:
    """One accompanied on elapsed day 70, and comparisons on full leave, on part-time from day 50 and from day 90."""
    world = World()
    platform = world.platform("001")
    for person, part_time in ((TREATED, treated_part_time_from), (FULL, None), (FROM_50, 50), (FROM_90, 90)):
        world.person(person, "001" if person == TREATED else "059")
        world.leave(person, START, 150, part_time_from=part_time)
    world.case(TREATED, platform, after(START, 70))
    return world


def units(world: World, estimand: str) -> list[dict[str, Any]]:
    with database.connect() as connection:
        found: list[dict[str, Any]] = candidates(
            connection, PROTOCOL, world.open(connection), estimand
        ).units.to_pylist()
    return found


def on_day(world: World, elapsed: int) -> dict[int, bool]:
    """Comparison persons at risk on an elapsed day, and whether part-time had begun before it."""
    return {
        unit["person"]: unit["part_time_begun"]
        for unit in units(world, "ATT")
        if unit["arm"] == "comparison" and unit["risk_from"] <= elapsed <= unit["risk_until"]
    }


@pytest.mark.parametrize(
    ("elapsed", "begun"),
    [
        (50, {FULL: False, FROM_50: False, FROM_90: False}),  # it begins that day: before it, nobody knows
        (51, {FULL: False, FROM_50: True, FROM_90: False}),
        (90, {FULL: False, FROM_50: True, FROM_90: False}),
        (91, {FULL: False, FROM_50: True, FROM_90: True}),
    ],
)
def test_a_comparison_is_on_full_leave_until_the_day_after_its_part_time_began(
    elapsed: int, begun: dict[int, bool]
) -> None:
    assert on_day(territory(), elapsed) == begun


@pytest.mark.parametrize(("part_time_from", "begun"), [(None, False), (69, True), (70, False), (100, False)])
def test_the_accompanied_stand_as_they_did_before_first_contact(part_time_from: int | None, begun: bool) -> None:
    (one,) = (unit for unit in units(territory(part_time_from), "ATT") if unit["arm"] == "treated")
    assert one["time_zero"] == dt.date.fromisoformat(str(after(START, 70)))
    assert one["part_time_begun"] is begun


def test_at_the_trigger_both_arms_stand_as_they_did_before_it() -> None:
    begun = {unit["person"]: unit["part_time_begun"] for unit in units(territory(), "ITT")}
    assert begun == {TREATED: False, FULL: False, FROM_50: True, FROM_90: False}
