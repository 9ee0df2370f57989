"""Power, E-values, tests read together and placebos."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_samples import drawn_sample
from hypothesis import given
from hypothesis import strategies as st

from pipeline.effects.difference import matched_difference
from pipeline.effects.jackknife import Estimate, contrast, student_quantile, two_sided_p
from pipeline.effects.placebo import Placebo, placebo_family
from pipeline.effects.power import minimum_detectable_effect
from pipeline.effects.sensitivity import (
    e_value_of_difference,
    e_value_of_log_ratio,
    e_value_of_ratio,
    holm,
    outcome_standard_deviation,
)


def estimate(value: float, se: float, df: float = 13) -> Estimate:
    reach = student_quantile(0.975, df) * se
    return Estimate(value, se, value - reach, value + reach, df)


def too_few(value: float) -> Estimate:
    return Estimate(value, math.nan, math.nan, math.nan, 1.0, reason="too_few_clusters")


def test_with_many_departements_the_least_effect_seen_is_2_8_standard_errors():
    assert minimum_detectable_effect(estimate(0, 5, df=1e6)) == pytest.approx(2.8 * 5, rel=1e-3)


def test_the_power_at_the_least_effect_seen_is_eighty_per_cent():
    rng = np.random.default_rng(3)
    df, worlds = 13, 200_000
    least = minimum_detectable_effect(estimate(0, 1.0, df))
    statistic = (least + rng.normal(size=worlds)) / np.sqrt(rng.chisquare(df, worlds) / df)
    # Bloom's sum of two quantiles approaches the non-central t; the rest is the approximation.
    assert np.mean(statistic > student_quantile(0.975, df)) == pytest.approx(0.80, abs=0.02)


def test_the_value_of_the_effect_is_not_read_by_the_power():
    assert minimum_detectable_effect(estimate(-40, 5)) == minimum_detectable_effect(estimate(0, 5))
    assert math.isnan(minimum_detectable_effect(too_few(-40)))


def test_e_value_of_the_published_example():
    # VanderWeele & Ding 2017: a risk ratio of 3.9 (1.8 to 8.7) has E-values 7.26 and 3.0.
    found = e_value_of_ratio(3.9, 1.8, 8.7)
    assert (round(found.point, 2), round(found.bound, 1)) == (7.26, 3.0)


@given(st.floats(0.05, 20), st.floats(1.01, 3))
def test_an_e_value_is_the_same_for_a_ratio_and_its_inverse(ratio, spread):
    one = e_value_of_ratio(ratio, ratio / spread, ratio * spread)
    other = e_value_of_ratio(1 / ratio, 1 / ratio / spread, spread / ratio)
    assert one.point == pytest.approx(other.point)
    assert one.bound == pytest.approx(other.bound)
    assert 1 <= one.bound <= one.point


def test_an_interval_that_holds_no_effect_needs_nothing_unmeasured():
    assert e_value_of_difference(estimate(-5, 10), 100).bound == 1
    assert e_value_of_log_ratio(estimate(0.1, 0.3)).bound == 1


def test_an_effect_without_interval_has_a_point_and_no_bound():
    found = e_value_of_difference(too_few(-20), 100)
    assert found.point > 1 and math.isnan(found.bound)


def test_a_difference_of_half_a_standard_deviation_is_a_ratio_of_1_58():
    expected = e_value_of_ratio(math.exp(0.91 * 0.5), 1, 3).point
    assert e_value_of_difference(estimate(50, 1), 100).point == pytest.approx(expected)
    assert e_value_of_difference(estimate(-50, 1), 100).point == pytest.approx(expected)
    assert math.isnan(e_value_of_difference(estimate(50, 1), 0).point)


def test_the_standard_deviation_is_that_within_arms():
    sample = drawn_sample(4000, 5, 9, most_controls=1)
    outcome = np.random.default_rng(1).normal(0, 30, sample.n_rows) + 500 * sample.treated
    arms = [outcome[sample.treated], outcome[~sample.treated]]
    assert outcome_standard_deviation(sample, outcome) == pytest.approx(math.sqrt(sum(a.var() for a in arms) / 2))


def test_holm_on_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_leaves_out_what_cannot_be_carried():
    found = holm([0.03, math.nan, 0.02])
    assert found[[0, 2]] == pytest.approx([0.04, 0.04])
    assert math.isnan(found[1])
    assert np.isnan(holm([math.nan])).all()
    assert holm([]).size == 0


@given(st.floats(-50, 50), st.floats(0.1, 20), st.integers(2, 40))
def test_a_p_value_is_below_five_per_cent_just_when_the_interval_leaves_zero_out(value, se, df):
    found = estimate(value, se, df)
    assert (two_sided_p(found) < 0.05) == (found.ci_low > 0 or found.ci_high < 0)


def test_an_effect_that_is_always_the_same_is_told_from_zero():
    assert two_sided_p(estimate(0, 0)) == 1
    assert two_sided_p(estimate(3, 0)) == 0


def test_placebos_are_judged_together():
    weak = estimate(5, 2)  # alone: p = 0.027
    alone = placebo_family([Placebo("placebo_opening", "ITT", weak, "24 months earlier")])
    assert alone[0].passed is False
    family = placebo_family(
        [Placebo(f"outcome_{i}", "ITT", weak if i == 0 else estimate(0.1, 2), "") for i in range(4)]
    )
    assert [row.passed for row in family] == [True] * 4
    assert family[0].ci_low > 0  # its own interval is shown as it is


def test_a_placebo_that_the_data_cannot_carry_has_no_verdict_and_leaves_the_others_as_they_are():
    strong = estimate(9, 2)
    rows = placebo_family(
        [
            Placebo("placebo_opening", "ITT", None, "no history before the placebo date"),
            Placebo("placebo_departments", "ITT", too_few(3), "comparison départements taken as designated"),
            Placebo("prior_days", "ITT", strong, "days on leave before"),
        ]
    )
    assert [row.passed for row in rows] == [None, None, False]
    assert math.isnan(rows[0].difference) and rows[0].description == "no history before the placebo date"
    assert rows[1].difference == 3 and "too_few_clusters" in rows[1].description
    assert rows[2].adjusted_p == pytest.approx(two_sided_p(strong))


def test_a_contrast_needs_draws():
    sample = drawn_sample(100, 5, 5)
    found = matched_difference(sample, np.arange(sample.n_rows))
    with pytest.raises(ValueError, match="replicates"):
        contrast(found.estimate, found.individual)
