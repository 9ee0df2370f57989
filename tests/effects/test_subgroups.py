"""Interactions: the effect in one half of the persons minus the effect in the other, all read together."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from drawn_samples import drawn_analysis, drawn_sample
from pydantic import ValidationError

from pipeline.effects.difference import matched_difference
from pipeline.effects.sample import MatchedSample
from pipeline.effects.sensitivity import holm
from pipeline.effects.subgroups import HALVES, interactions
from pipeline.protocol import Inference, Protocol, Subgroup
from pipeline.tables import codes

RULE = Protocol.load().inference


def characteristics(sample: MatchedSample, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = sample.n_rows
    return {
        "risk": rng.choice(["sickness", "work_injury"], n), "status": rng.choice(["employee", "self_employed"], n),
        "sex": rng.choice(["female", "male"], n), "age": rng.integers(20, 62, n), "ald": rng.random(n) < 0.3,
        "employer_size": rng.choice(np.array(["1_9", "10_49", "50_249", "250_plus", None], dtype=object), n),
    }  # fmt: skip


def interactions_of(sample: MatchedSample, outcome: np.ndarray, known: dict[str, np.ndarray], rule: Inference = RULE):
    found = drawn_analysis(sample, outcome, **known)
    return {each.subgroup: each for each in interactions(found, rule.subgroups, "days_on_leave", 12, rule)}


def test_the_interaction_is_the_difference_of_the_two_effects_and_of_their_draws():
    sample, rng = drawn_sample(600, 8, 12, seed=1), np.random.default_rng(1)
    known, outcome = characteristics(sample), rng.normal(100, 30, sample.n_rows)
    found = interactions_of(sample, outcome, known)["sex"].estimate
    of_treated = sample.of_treated(known["sex"])
    women, men = (matched_difference(sample, outcome, of_treated == sex).estimate for sex in ("female", "male"))
    assert found.value == pytest.approx(women.value - men.value)
    assert found.n_treated_departments == 8
    # Controls are shared within a set alone, so that the two halves are nearly independent.
    assert found.se == pytest.approx(math.hypot(women.se, men.se), rel=0.5)


def test_a_half_that_gains_more_is_found_and_the_others_are_not():
    sample, rng = drawn_sample(3000, 10, 15, seed=2), np.random.default_rng(2)
    known = characteristics(sample)
    young = sample.of_treated(known["age"]) < 50
    outcome = rng.normal(100, 20, sample.n_rows) - 15 * (sample.treated & young)
    found = interactions_of(sample, outcome, known)
    assert found["age_50"].estimate.ci_high < 0
    assert found["age_50"].p_holm < 0.01
    assert all(found[name].p_holm > 0.05 for name in RULE.subgroups if name != "age_50")


def test_the_p_values_are_adjusted_together():
    sample, rng = drawn_sample(600, 8, 12, seed=5), np.random.default_rng(5)
    known, outcome = characteristics(sample), rng.normal(100, 30, sample.n_rows)
    alone = [
        interactions_of(sample, outcome, known, RULE.model_copy(update={"subgroups": [name]}))[name].p_holm
        for name in RULE.subgroups
    ]
    together = interactions_of(sample, outcome, known)
    assert [together[name].p_holm for name in RULE.subgroups] == pytest.approx(holm(alone).tolist())


def test_with_fewer_than_six_treated_departements_there_is_an_interval_and_no_p_value():
    sample = drawn_sample(600, 5, 12, seed=3)
    outcome = np.random.default_rng(3).normal(size=sample.n_rows)
    for each in interactions_of(sample, outcome, characteristics(sample)).values():
        assert math.isfinite(each.estimate.ci_low) and math.isnan(each.p_holm)


def test_a_half_in_too_few_departements_leaves_the_interaction_without_interval():
    sample = drawn_sample(600, 8, 12, seed=3)
    known = characteristics(sample) | {"ald": sample.of_treated(sample.department) < 2}
    found = interactions_of(sample, np.random.default_rng(3).normal(size=sample.n_rows), known)["ald"]
    assert (found.estimate.reason, math.isnan(found.estimate.ci_low)) == ("too_few_clusters", True)
    assert math.isnan(found.p_holm) and math.isfinite(found.estimate.value)


def test_the_persons_behind_are_those_of_the_smaller_half_and_who_is_in_neither_is_left_out():
    sample = drawn_sample(500, 8, 12, seed=6)
    known = characteristics(sample)
    found = interactions_of(sample, np.zeros(sample.n_rows), known)["employer_size"]
    size = known["employer_size"][sample.treated]
    small, large = (int(np.isin(size, sizes).sum()) for sizes in (["1_9", "10_49"], ["50_249", "250_plus"]))
    assert found.n_treated == min(small, large)
    assert small + large < sample.n_sets


def test_every_subgroup_has_its_halves_and_its_published_name():
    assert set(HALVES) == set(get_args(Subgroup))
    published = {code.code for code in codes.SPECIFICATION}
    assert {f"interaction_{name}_{e}" for name in HALVES for e in ("itt", "att")} <= published


def test_no_more_than_eight_are_specified_and_none_twice():
    given = RULE.model_dump()
    for wrong in (["sex"] * 9, ["sex", "sex"], ["height"]):
        with pytest.raises(ValidationError, match="subgroups"):
            Inference.model_validate(given | {"subgroups": wrong})
