"""Leaves follow the national anchors, and insured differ as real ones do."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.simulation import World
from pipeline.simulation.allowance import appears
from pipeline.simulation.config import first_day
from pipeline.simulation.paths import END_OF_RIGHTS, SICKNESS
from pipeline.simulation.population import NEVER


def incident(world: World) -> np.ndarray:
    """Leaves that start after the first delivery, a year before the last one."""
    leaves = world.observed.leaves
    return (leaves.start >= first_day(world.config.first_delivery)) & (leaves.start < world.config.last_known_day - 365)


@pytest.mark.parametrize(("day", "share"), [(7, 0.60), (30, 0.24), (90, 0.115), (180, 0.055), (365, 0.018)])
def test_the_share_still_on_leave_is_near_the_national_anchor(quiet: World, day: int, share: float) -> None:
    leaves = quiet.observed.leaves
    length = (leaves.end - leaves.start + 1)[incident(quiet)]
    # Twenty thousand insured in forty départements that differ: a tenth of the share, and more on rare long leaves.
    assert np.mean(length > day) == pytest.approx(share, rel=0.10 if day <= 180 else 0.25)


def test_the_hazard_of_ending_declines(quiet: World) -> None:
    leaves = quiet.observed.leaves
    length = (leaves.end - leaves.start + 1)[incident(quiet)]
    edges = [0, 3, 7, 14, 30, 60, 90, 180]
    alive = np.array([np.mean(length > edge) for edge in edges])
    hazard = -np.diff(np.log(alive)) / np.diff(edges)
    assert np.all(np.diff(hazard) < 0)


def test_leaves_last_longer_with_age(quiet: World) -> None:
    leaves = quiet.observed.leaves
    shown = incident(quiet) & appears(leaves)
    age = quiet.people.age(2021.5)[leaves.person]
    length = leaves.end - leaves.start + 1
    means = [length[shown & (age >= low) & (age < low + 10)].mean() for low in (25, 35, 45, 55)]
    assert means == sorted(means)
    assert 1.6 < means[-1] / means[0] < 3.0


def test_past_leave_predicts_future_leave(quiet: World) -> None:
    leaves = quiet.observed.leaves
    middle = first_day(quiet.config.start_month)
    shown = appears(leaves)

    def days(low: int, high: int) -> np.ndarray:
        overlap = np.minimum(leaves.end + 1, high) - np.maximum(leaves.start, low)
        return np.bincount(leaves.person[shown], weights=np.maximum(overlap, 0)[shown], minlength=quiet.people.count)

    past, future = days(middle - 730, middle), days(middle, middle + 365)
    assert future[past > 60].mean() > 2 * future[past == 0].mean()


def test_sickness_outside_long_illness_never_exceeds_its_rights(quiet: World) -> None:
    leaves = quiet.observed.leaves
    scheme = np.minimum(quiet.people.ald_start, quiet.observed.fates.long_illness)
    outside = (leaves.risk == SICKNESS) & (scheme[leaves.person] == NEVER)
    assert (leaves.end - leaves.start + 1)[outside].max() <= 360 + 3
    assert np.any(leaves.cause[outside] == END_OF_RIGHTS)


def test_leaves_of_a_person_never_touch(quiet: World) -> None:
    leaves = quiet.observed.leaves
    same = leaves.person[1:] == leaves.person[:-1]
    gap = leaves.start[1:] - leaves.end[:-1] - 1
    assert gap[same].min() >= 5


def test_nothing_happens_after_death_or_retirement(quiet: World) -> None:
    leaves, fates = quiet.observed.leaves, quiet.observed.fates
    over = np.minimum(np.minimum(fates.death, fates.retirement), fates.invalidity)
    assert np.all(leaves.end < over[leaves.person])
    assert np.sum(fates.death != NEVER) > 20


def test_départements_differ_more_than_chance(quiet: World) -> None:
    leaves, home = quiet.observed.leaves, quiet.people.home
    shown = incident(quiet) & appears(leaves)
    long = ((leaves.end - leaves.start + 1) > 60).astype(float)
    groups = [long[shown & (home[leaves.person] == d)] for d in range(len(quiet.territory.codes))]
    groups = [g for g in groups if len(g) > 300]
    share = long[shown].mean()
    scores = [(g.mean() - share) / np.sqrt(share * (1 - share) / len(g)) for g in groups]
    assert np.var(scores) > 1.3


def test_more_than_a_month_of_leave_costs_work_more_often_to_women(quiet: World) -> None:
    leaves, jobs = quiet.observed.leaves, quiet.observed.jobs
    shown = incident(quiet) & ((leaves.end - leaves.start + 1) > 30)
    lost = np.zeros(quiet.people.count, dtype=bool)
    during = (jobs.code > 2) & (jobs.day >= first_day(quiet.config.first_delivery))
    lost[jobs.person[during]] = True
    concerned = np.zeros(quiet.people.count, dtype=bool)
    concerned[leaves.person[shown]] = True
    women, men = quiet.people.sex == 2, quiet.people.sex == 1
    assert lost[concerned].mean() > 1.2 * lost[~concerned].mean()
    assert lost[concerned & women].mean() > lost[concerned & men].mean()
