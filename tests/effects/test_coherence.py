"""The effect on all, held against the share accompanied times the effect on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_samples import drawn_analysis, drawn_sample

from pipeline import database
from pipeline.effects.coherence import coherence, complier_effect, uptake
from pipeline.effects.difference import matched_difference
from pipeline.effects.jackknife import Estimate, combined, contrast
from pipeline.effects.sample import MatchedSample
from tests.study.worlds import PROTOCOL, World, day


def drawn_effects(share: float, effect: float, other: float = 0.0) -> tuple[Estimate, Estimate, Estimate]:
    """ITT, ATT and share accompanied where accompaniment moves days by `effect` and a platform all by `other`."""
    seed = 0
    rng = np.random.default_rng(seed)
    sample = drawn_sample(4000, 8, 12, seed=seed)
    accompanied = sample.treated & (rng.random(sample.n_rows) < share)
    outcome = rng.normal(200, 20, sample.n_rows) + effect * accompanied + other * sample.treated
    only = drawn_sample(1500, 8, 12, seed=seed + 1)
    theirs = rng.normal(200, 20, only.n_rows) + (effect + other) * only.treated
    return (
        matched_difference(sample, outcome).estimate,
        matched_difference(only, theirs).estimate,
        matched_difference(sample, accompanied.astype(float)).estimate,
    )


def test_all_through_the_accompanied_leaves_no_distance():
    itt, att, share = drawn_effects(0.3, -20)
    through, distance = coherence(itt, att, share)
    assert through.value == share.value * att.value == pytest.approx(-6, abs=1)
    assert distance.value == itt.value - through.value
    assert distance.ci_low < 0 < distance.ci_high


def test_what_a_platform_changes_for_the_others_is_the_distance():
    _, distance = coherence(*drawn_effects(0.3, -20, other=-8))
    assert distance.value == pytest.approx(-8 * 0.7, abs=1.5)
    assert distance.ci_high < 0


def test_each_departement_is_left_out_of_all_three_at_once():
    itt, att, share = drawn_effects(0.3, -20)
    _, distance = coherence(itt, att, share)
    for code, value in zip(distance.replicates.department, distance.replicates.value, strict=True):
        parts = [dict(zip(e.replicates.department, e.replicates.value, strict=True))[code] for e in (itt, share, att)]
        assert value == pytest.approx(parts[0] - parts[1] * parts[2])


def test_the_effect_on_those_accompanied_because_of_a_platform_is_the_wald_ratio():
    itt, _, share = drawn_effects(0.3, -20)
    found = complier_effect(itt, share, minimum_uptake=0.05)
    assert found.value == pytest.approx(itt.value / share.value) == pytest.approx(-20, abs=4)
    assert found.ci_low < -20 < found.ci_high


def test_under_the_least_share_accompanied_no_ratio_is_told():
    itt, _, share = drawn_effects(0.03, -20)
    assert complier_effect(itt, share, minimum_uptake=0.05) is None
    assert complier_effect(itt, share, minimum_uptake=0.01) is not None


def test_without_anyone_accompanied_in_a_replicate_no_interval_is_pretended():
    sample = drawn_sample(200, 4, 6)
    first = sample.treated & (sample.department == 0)
    share = matched_difference(sample, first.astype(float)).estimate
    itt = matched_difference(sample, np.arange(sample.n_rows)).estimate
    found = complier_effect(itt, share, minimum_uptake=0.0)
    assert math.isfinite(found.value) and math.isnan(found.ci_low)


def test_a_function_of_two_estimates_needs_their_draws():
    sample = drawn_sample(100, 5, 5)
    found = matched_difference(sample, np.arange(sample.n_rows))
    with pytest.raises(ValueError, match="replicates"):
        combined(found.estimate, found.individual, np.multiply)
    assert combined(found.estimate, found.estimate, np.subtract).value == contrast(found.estimate, found.estimate).value


def test_the_share_accompanied_counts_agreed_contacts_within_the_horizon():
    world = World()
    platform = world.platform("001")
    for person in range(1, 7):
        world.person(person, "001" if person < 5 else "059")
    world.case(1, platform, "2022-03-01")
    world.case(2, platform, "2023-06-01")  # more than a year after
    world.case(3, platform, "2022-03-01", agreed=False)
    sample = MatchedSample.from_memberships(
        np.array([1, 1, 2, 2, 3, 3, 4, 4]), np.array([True, False] * 4),
        np.array(["001", "059"] * 4, dtype=object), np.array([1, 5, 2, 6, 3, 5, 4, 6]),
    )  # fmt: skip
    found = drawn_analysis(sample, np.zeros(8), time_zero=np.array([day("2022-03-11")] * 8))
    with database.connect() as connection:
        world.open(connection)
        told = uptake(connection, PROTOCOL, found)
    assert (told.n_treated, told.n_accompanied, told.share.value) == (4, 1, 0.25)
