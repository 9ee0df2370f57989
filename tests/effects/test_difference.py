"""The effect is a difference of matched means, whatever the order of the rows and the origin of the scale."""

from __future__ import annotations

import math
from time import perf_counter

import numpy as np
import pytest
import statsmodels.api as sm
from drawn_samples import drawn_sample, samples, shuffled
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.effects.difference import (
    difference_in_differences,
    individual_interval,
    matched_difference,
    matched_log_ratio,
)
from pipeline.effects.jackknife import contrast, jackknife, jackknife_many, two_sided_p
from pipeline.effects.sample import MatchedSample


def days(sample: MatchedSample, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 366, sample.n_rows).astype(float)


def difference_of_means(sample: MatchedSample, outcome: np.ndarray):
    arm = sample.treated
    return lambda w: np.average(outcome[arm], weights=w[arm]) - np.average(outcome[~arm], weights=w[~arm])


def test_the_difference_is_treated_minus_the_mean_of_its_controls():
    sample = MatchedSample.from_memberships(
        np.array([1, 1, 1, 2, 2]),
        np.array([True, False, False, True, False]),
        np.array(["75", "13", "69", "59", "13"], dtype=object),
        np.array([10, 11, 12, 13, 11]),
    )
    found = matched_difference(sample, np.array([100, 120, 160, 50, 40]))
    assert (found.value_treated, found.value_comparison, found.estimate.value) == (75, 90, -15)
    assert (found.n_treated, found.n_comparison, found.n_sets) == (2, 2, 2)


def test_the_interval_of_two_arms_is_the_stratified_jackknife_over_departements():
    sample = drawn_sample(300, 5, 9)
    outcome = days(sample)
    found = matched_difference(sample, outcome, variance="two_arms").estimate
    statistic = difference_of_means(sample, outcome)
    codes = range(len(sample.department_codes))
    without = np.array([statistic(sample.weights(d)) for d in codes])
    variance = sum((arm.size - 1) / arm.size * np.sum((arm - arm.mean()) ** 2) for arm in (without[:5], without[5:]))
    assert found.se == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert found.ci_high - found.value == pytest.approx(2.7764451051977987 * math.sqrt(variance))  # t(4), 97.5 %
    assert found.df == 4
    assert found.n_treated_departments == 5


@given(sample=samples(), seed=st.integers(0, 99))
@settings(deadline=None)
def test_the_sparse_road_and_the_plain_road_give_one_jackknife(sample, seed):
    outcome = days(sample, seed)
    fast, plain = matched_difference(sample, outcome).estimate, jackknife(sample, difference_of_means(sample, outcome))
    assert fast.value == pytest.approx(plain.value, abs=1e-9)
    assert fast.reason == plain.reason
    assert fast.se == pytest.approx(plain.se, abs=1e-9, nan_ok=True)
    assert fast.replicates.value == pytest.approx(plain.replicates.value, abs=1e-9, nan_ok=True)


@given(sample=samples(), constant=st.integers(-1000, 1000))
def test_a_constant_added_to_every_outcome_leaves_the_difference(sample, constant):
    outcome = days(sample)
    before, after = matched_difference(sample, outcome), matched_difference(sample, outcome + constant)
    assert after.estimate.value == pytest.approx(before.estimate.value, abs=1e-9)
    assert after.estimate.se == pytest.approx(before.estimate.se, abs=1e-9, nan_ok=True)
    assert after.value_treated == pytest.approx(before.value_treated + constant)


@given(sample=samples(), seed=st.integers(0, 99))
@settings(deadline=None)
def test_the_order_of_rows_changes_not_one_bit(sample, seed):
    outcome = np.random.default_rng(seed).normal(size=sample.n_rows)
    other, order = shuffled(sample, seed)
    one, two = matched_difference(sample, outcome), matched_difference(other, outcome[order])
    assert np.array_equal(
        [one.estimate.value, one.estimate.se, one.individual.se],
        [two.estimate.value, two.estimate.se, two.individual.se],
        equal_nan=True,
    )
    assert np.array_equal(one.estimate.replicates.value, two.estimate.replicates.value, equal_nan=True)


@given(sample=samples(), effect=st.integers(-60, 60))
def test_an_effect_given_to_every_treated_is_found_exactly(sample, effect):
    outcome = days(sample)
    without = matched_difference(sample, outcome).estimate
    with_effect = matched_difference(sample, outcome + effect * sample.treated).estimate
    assert with_effect.value - without.value == pytest.approx(effect, abs=1e-9)
    assert with_effect.se == pytest.approx(without.se, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize(("departments", "carried"), [(14, True), (5, True), (3, True), (2, False), (1, False)])
def test_fewer_than_three_treated_departements_carry_no_interval(departments, carried):
    sample = drawn_sample(400, departments, 26)
    found = matched_difference(sample, days(sample)).estimate
    assert math.isfinite(found.value)
    assert math.isfinite(found.ci_low) is carried
    assert found.reason == (None if carried else "too_few_clusters")
    assert math.isnan(two_sided_p(found)) is not carried


def test_fewer_than_three_comparison_departements_carry_no_interval_either():
    sample = drawn_sample(400, 14, 2)
    assert matched_difference(sample, days(sample)).estimate.reason == "too_few_clusters"


def test_nobody_eligible_gives_no_effect_and_says_so():
    sample = drawn_sample(50, 4, 5)
    found = matched_difference(sample, days(sample), np.zeros(sample.n_rows, dtype=bool))
    assert math.isnan(found.estimate.value)
    assert found.estimate.reason == "no_pairs"
    assert (found.n_treated, found.n_comparison, found.n_sets) == (0, 0, 0)


def test_a_missing_outcome_that_counts_is_refused_and_one_that_does_not_count_is_not_read():
    sample = drawn_sample(50, 4, 5)
    outcome = days(sample)
    outcome[3] = np.nan
    with pytest.raises(ValueError, match="1 memberships that count have no outcome"):
        matched_difference(sample, outcome)
    assert math.isfinite(matched_difference(sample, outcome, np.isfinite(outcome)).estimate.value)


def test_a_constant_difference_between_arms_before_time_zero_is_no_change():
    sample = drawn_sample(200, 6, 8)
    before = days(sample)
    found = difference_in_differences(sample, before + 10 + 7 * sample.treated, before + 7 * sample.treated)
    assert found.estimate.value == pytest.approx(0, abs=1e-12)
    assert found.value_treated == pytest.approx(10)


def test_the_interval_clustered_on_sets_is_that_of_the_weighted_regression():
    sample = drawn_sample(250, 6, 8, seed=3)
    outcome, weights = days(sample), sample.weights()
    fit = sm.WLS(outcome, sm.add_constant(sample.treated.astype(float)), weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": sample.set_code, "use_correction": True}
    )
    found = individual_interval(sample, outcome)
    assert found.value == pytest.approx(fit.params[1], rel=1e-10)
    assert found.se == pytest.approx(fit.bse[1], rel=1e-10)
    assert found.method == "pair_clustered_individual_level_only"


def test_a_set_belongs_to_the_stratum_of_its_treated():
    sample = drawn_sample(400, 8, 9)
    outcome = days(sample)
    sex = np.random.default_rng(5).choice(np.array(["f", "m"], dtype=object), sample.n_rows)
    found = {label: matched_difference(sample, outcome, sample.of_treated(sex) == label) for label in ("f", "m")}
    for label, difference in found.items():
        sets = np.isin(sample.set_id, sample.set_id[sample.treated & (sex == label)])
        alone = matched_difference(sample, outcome, sets).estimate
        assert (difference.estimate.value, difference.estimate.se) == (alone.value, alone.se)
    assert found["f"].n_sets + found["m"].n_sets == sample.n_sets


def test_two_strata_are_compared_with_the_draws_they_share():
    sample = drawn_sample(600, 8, 9)
    outcome = days(sample)
    sex = np.where(np.arange(sample.n_rows) % 2 == 0, "f", "m").astype(object)
    strata = {label: matched_difference(sample, outcome, sample.of_treated(sex) == label) for label in ("f", "m")}
    found = contrast(strata["f"].estimate, strata["m"].estimate)
    in_stratum = [sample.of_treated(sex) == label for label in ("f", "m")]
    plain = jackknife(
        sample,
        lambda w: (
            difference_of_means(sample, outcome)(w * in_stratum[0])
            - difference_of_means(sample, outcome)(w * in_stratum[1])
        ),
    )
    assert (found.value, found.se) == pytest.approx((plain.value, plain.se))


def test_several_statistics_share_their_draws():
    sample = drawn_sample(300, 6, 9)
    outcome = days(sample)
    one = difference_of_means(sample, outcome)
    double, single = jackknife_many(sample, lambda w: np.array([2 * one(w), one(w)]))
    assert double.se == pytest.approx(2 * single.se)
    assert single.linear(2).ci_low == pytest.approx(double.ci_low)
    assert single.linear(-1, 5).ci_high == pytest.approx(5 - single.ci_low)


def test_a_ratio_of_shares_is_measured_on_the_logarithm():
    sample = drawn_sample(500, 6, 9)
    returned = (np.random.default_rng(1).random(sample.n_rows) < 0.4 + 0.2 * sample.treated).astype(float)
    means = matched_difference(sample, returned)
    found = matched_log_ratio(sample, returned)
    assert math.exp(found.value) == pytest.approx(means.value_treated / means.value_comparison)
    assert found.ci_low < found.value < found.ci_high
    assert matched_log_ratio(sample, np.zeros(sample.n_rows)).reason == "no_pairs"


@pytest.mark.slow
def test_four_hundred_thousand_memberships_over_a_hundred_departements_take_two_seconds_at_most():
    sample = drawn_sample(100_000, 14, 86, most_controls=5)
    outcome = days(sample)
    matched_difference(sample, outcome)
    started = perf_counter()
    matched_difference(sample, outcome)
    assert perf_counter() - started < 2


@given(sample=samples(), seed=st.integers(0, 99))
@settings(deadline=None)
def test_a_cell_leaves_a_departement_out_of_the_sets_of_one_treated_departement(sample, seed):
    table, weights = sample.replicate_weights(), sample.weights()
    of_treated = sample.of_treated(sample.department)
    for r, (inside, department) in enumerate(zip(table.overlap.within, table.overlap.department, strict=True)):
        expected = np.where(of_treated == inside, sample.weights(int(department)), weights)
        assert np.array_equal(table.overlap.dense(r), expected)
    outcome = days(sample, seed)
    fast = matched_difference(sample, outcome, variance="two_way").estimate
    plain = jackknife(sample, difference_of_means(sample, outcome), variance="two_way")
    assert fast.se == pytest.approx(plain.se, abs=1e-6, nan_ok=True)
    assert fast.replicates.cell == plain.replicates.cell


def test_the_two_way_interval_counts_the_noise_of_controls_once():
    sample = drawn_sample(600, 14, 26)
    outcome = days(sample)
    found = {name: matched_difference(sample, outcome, variance=name).estimate for name in ("two_arms", "two_way")}
    assert found["two_way"].value == found["two_arms"].value
    assert found["two_way"].se < found["two_arms"].se
    assert found["two_way"].method == "jackknife_two_way_departement_t"
    assert contrast(found["two_way"], found["two_way"].linear(0.5)).se == pytest.approx(found["two_way"].se / 2)
