"""Doubly robust estimates: exact without each département, and right where the weights or the regression is."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from drawn_samples import drawn_sample, samples, shuffled
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.effects.adjustment import adjusted_difference, weighted_difference
from pipeline.effects.difference import matched_difference
from pipeline.effects.sample import MatchedSample


def covariates(sample: MatchedSample, seed: int = 0) -> np.ndarray:
    """A number of large scale, a category told twice (redundant) and a rare indicator."""
    rng = np.random.default_rng(seed)
    wage = rng.normal(2000, 400, sample.n_rows)
    category = rng.integers(0, 3, sample.n_rows)
    rare = (rng.random(sample.n_rows) < 0.05).astype(float)
    return np.column_stack([wage, category == 0, category == 1, category == 2, rare]).astype(float)


def by_statsmodels(outcome: np.ndarray, design: np.ndarray, treated: np.ndarray, weights: np.ndarray) -> float:
    """The treated's mean less what weighted least squares on the controls predicts for them."""
    x = np.column_stack([np.ones(len(design)), design])
    kept = weights > 0
    controls, own = kept & ~treated, kept & treated
    fit = sm.WLS(outcome[controls], x[controls], weights=weights[controls]).fit()
    return float(np.average(outcome[own] - fit.predict(x[own]), weights=weights[own]))


def test_the_regression_is_fitted_again_without_each_departement():
    sample, rng = drawn_sample(400, 5, 9, seed=1), np.random.default_rng(2)
    known, outcome = covariates(sample), rng.normal(100, 30, sample.n_rows)
    outcome += 0.05 * known[:, 0]
    found = adjusted_difference(sample, outcome, known, variance="two_arms").estimate
    full_rank = known[:, [0, 1, 2, 4]]  # the third category is what the two others are not
    assert found.value == pytest.approx(by_statsmodels(outcome, full_rank, sample.treated, sample.weights()), abs=1e-8)
    for position, code in enumerate(found.replicates.department):
        without = sample.weights(sample.department_codes.index(code))
        expected = by_statsmodels(outcome, full_rank, sample.treated, without)
        assert found.replicates.value[position] == pytest.approx(expected, abs=1e-8)


def test_cells_of_the_two_way_variance_are_fitted_again_too():
    sample = drawn_sample(60, 3, 3, seed=4)
    known = covariates(sample)[:, [0, 1, 2]]
    outcome = np.random.default_rng(5).normal(size=sample.n_rows)
    found = adjusted_difference(sample, outcome, known).estimate
    table = sample.replicate_weights().overlap
    assert found.replicates.cell_value.size == table.department.size > 0
    for r in range(table.department.size):
        expected = by_statsmodels(outcome, known, sample.treated, table.dense(r))
        assert found.replicates.cell_value[r] == pytest.approx(expected, abs=1e-8)


@given(sample=samples(), seed=st.integers(0, 50))
@settings(max_examples=50)
def test_with_covariates_that_never_vary_it_is_the_matched_difference(sample, seed):
    outcome = np.random.default_rng(seed).normal(100, 30, sample.n_rows)
    plain = matched_difference(sample, outcome)
    found = adjusted_difference(sample, outcome, np.full((sample.n_rows, 2), 7.0))
    assert found.estimate.value == pytest.approx(plain.estimate.value, abs=1e-9)
    assert found.estimate.se == pytest.approx(plain.estimate.se, abs=1e-9, nan_ok=True)
    assert (found.n_treated, found.n_comparison) == (plain.n_treated, plain.n_comparison)


def test_what_the_outcome_owes_to_a_covariate_is_taken_off():
    sample, rng = drawn_sample(2000, 6, 9, seed=3), np.random.default_rng(3)
    severity = rng.normal(size=sample.n_rows) + 0.3 * sample.treated  # left unbalanced by the matching
    outcome = 100 + 20 * severity - 5 * sample.treated + rng.normal(size=sample.n_rows)
    assert matched_difference(sample, outcome).estimate.value > 0
    found = adjusted_difference(sample, outcome, severity[:, None]).estimate
    assert found.value == pytest.approx(-5, abs=0.2)
    assert found.se < matched_difference(sample, outcome).estimate.se


def test_a_modality_that_nobody_has_without_a_departement_has_no_coefficient_there():
    sample = drawn_sample(300, 4, 6, seed=8)
    last = sample.department == len(sample.department_codes) - 1
    only_there = np.zeros((sample.n_rows, 1))
    only_there[last & (np.random.default_rng(1).random(sample.n_rows) < 0.5)] = 1
    only_there[np.flatnonzero(sample.treated)[:3]] = 1
    outcome = np.random.default_rng(2).normal(100, 10, sample.n_rows)
    found = adjusted_difference(sample, outcome, only_there, variance="two_arms").estimate
    plain = matched_difference(sample, outcome, variance="two_arms").estimate
    left_out = found.replicates.department.index(sample.department_codes[-1])
    assert found.replicates.value[left_out] == pytest.approx(plain.replicates.value[left_out], abs=1e-9)


@given(seed=st.integers(0, 20))
@settings(max_examples=10)
def test_the_order_of_rows_changes_no_bit(seed):
    sample = drawn_sample(40, 4, 5, seed=seed)
    known, outcome = covariates(sample, seed), np.random.default_rng(seed).normal(size=sample.n_rows)
    again, order = shuffled(sample, seed)
    one = adjusted_difference(sample, outcome, known).estimate
    two = adjusted_difference(again, outcome[order], known[order]).estimate
    assert (one.value, one.ci_low, one.ci_high) == (two.value, two.ci_low, two.ci_high)


def test_covariates_of_other_rows_and_missing_outcomes_are_refused():
    sample = drawn_sample(10, 3, 3)
    with pytest.raises(ValueError, match="one line per membership"):
        adjusted_difference(sample, np.zeros(sample.n_rows), np.zeros((3, 1)))
    with pytest.raises(ValueError, match="no outcome"):
        adjusted_difference(sample, np.full(sample.n_rows, np.nan), np.zeros((sample.n_rows, 1)))


def drawn_units(n: int = 20_000, seed: int = 0, effect: float = -10.0) -> dict[str, np.ndarray]:
    """Units where severity leads to treatment and to long leaves, on a straight and on a bent line."""
    rng = np.random.default_rng(seed)
    severity = rng.normal(size=n)
    odds = np.exp(-1.5 + 0.8 * severity)
    treated = rng.random(n) < odds / (1 + odds)
    department = np.where(treated, rng.integers(0, 7, n), 10 + rng.integers(0, 15, n)).astype(str).astype(object)
    noise = rng.normal(0, 20, n)
    return {
        "treated": treated, "odds": odds, "department": department, "person": np.arange(n), "severity": severity,
        "straight": 100 + 30 * severity + effect * treated + noise,
        "bent": 100 + 30 * severity + 15 * severity**2 + effect * treated + noise,
    }  # fmt: skip


def estimated(units: dict[str, np.ndarray], outcome: str, weights: np.ndarray, known: np.ndarray) -> float:
    names = ("treated", "department", "person")
    treated, department, person = (units[name] for name in names)
    return weighted_difference(treated, weights, department, person, units[outcome], known).estimate.value


def test_it_is_right_where_the_weights_or_the_regression_is():
    units = drawn_units()
    right, none = units["severity"][:, None], np.zeros((len(units["treated"]), 1))
    even = np.ones(len(units["treated"]))
    assert estimated(units, "bent", units["odds"], right) == pytest.approx(-10, abs=2)  # the weights alone
    assert estimated(units, "straight", even, right) == pytest.approx(-10, abs=2)  # the regression alone
    assert estimated(units, "straight", even, none) > 5  # neither


def test_odds_weights_without_covariates_are_a_weighted_mean_without_each_departement():
    units = drawn_units(2000, seed=2)
    treated, odds, outcome = units["treated"], units["odds"], units["straight"]
    found = weighted_difference(
        treated, odds, units["department"], units["person"], outcome, np.zeros((2000, 1))
    ).estimate  # fmt: skip

    def by_hand(kept: np.ndarray) -> float:
        controls = kept & ~treated
        return outcome[kept & treated].mean() - np.average(outcome[controls], weights=odds[controls])

    assert found.value == pytest.approx(by_hand(np.ones(2000, dtype=bool)))
    for position, code in enumerate(found.replicates.department):
        assert found.replicates.value[position] == pytest.approx(by_hand(units["department"] != code))
        assert found.replicates.is_treated[position] == (int(code) < 10)


def test_the_augmented_estimate_without_a_departement_fits_its_regression_again():
    units = drawn_units(1500, seed=5)
    treated, odds, outcome, known = (units[name] for name in ("treated", "odds", "bent", "severity"))
    found = weighted_difference(treated, odds, units["department"], units["person"], outcome, known[:, None]).estimate
    x = sm.add_constant(known)
    for position, code in enumerate(found.replicates.department):
        kept = units["department"] != code
        controls = kept & ~treated
        residual = outcome - sm.OLS(outcome[controls], x[controls]).fit().predict(x)
        expected = residual[kept & treated].mean() - np.average(residual[controls], weights=odds[controls])
        assert found.replicates.value[position] == pytest.approx(expected)


def test_the_order_of_units_changes_no_bit():
    units = drawn_units(500, seed=3)
    known = np.column_stack([units["severity"], units["person"] % 3 == 0]).astype(float)
    order = np.random.default_rng(1).permutation(500)
    one, two = (
        weighted_difference(
            units["treated"][rows], units["odds"][rows], units["department"][rows], units["person"][rows],
            units["bent"][rows], known[rows],
        ).estimate
        for rows in (np.arange(500), order)
    )  # fmt: skip
    assert (one.value, one.ci_low, one.ci_high) == (two.value, two.ci_low, two.ci_high)


def test_units_without_outcome_and_odds_that_are_none_are_refused():
    units = drawn_units(100)
    arguments = [units["treated"], units["odds"], units["department"], units["person"]]
    with pytest.raises(ValueError, match="no outcome"):
        weighted_difference(*arguments, np.full(100, np.nan), np.zeros((100, 1)))
    with pytest.raises(ValueError, match="positive"):
        weighted_difference(
            units["treated"], np.zeros(100), units["department"], units["person"], np.zeros(100), np.zeros((100, 1))
        )
