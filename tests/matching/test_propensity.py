"""The propensity score: what it refuses, what it drops, and that nothing but the data decides it."""

import warnings

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from pipeline.matching.propensity import PropensityError, logit_scores


def sample(n: int = 400, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    covariates = np.column_stack([draw.normal(45, 10, n), draw.lognormal(7, 0.4, n), draw.integers(0, 2, n)])
    treated = draw.random(n) < expit((covariates[:, 0] - 50) / 10)
    return covariates, treated


def test_at_the_maximum_of_likelihood_the_scores_reproduce_every_treated_total() -> None:
    covariates, treated = sample()
    fit = logit_scores(covariates, treated)
    excess = treated - fit.probability
    assert abs(excess.sum()) < 1e-6
    np.testing.assert_allclose(covariates.T @ excess / covariates.sum(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(fit.logit, fit.intercept + covariates @ fit.coefficients, atol=1e-9)


def test_a_weight_of_two_is_a_unit_counted_twice() -> None:
    covariates, treated = sample()
    twice = np.arange(len(treated)) < 100
    weighted = logit_scores(covariates, treated, np.where(twice, 2.0, 1.0))
    repeated = logit_scores(np.vstack([covariates, covariates[:100]]), np.concatenate([treated, treated[:100]]))
    np.testing.assert_allclose(weighted.logit, repeated.logit[: len(treated)], atol=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_row_order_never_changes_a_bit(seed: int) -> None:
    covariates, treated = sample()
    order = np.random.default_rng(seed).permutation(len(treated))
    straight = logit_scores(covariates, treated)
    moved = logit_scores(covariates[order], treated[order])
    assert moved.logit.tobytes() == straight.logit[order].tobytes()


def test_constant_and_collinear_columns_are_dropped_and_named() -> None:
    covariates, treated = sample()
    wider = np.column_stack([covariates, np.full(len(treated), 4.0), covariates[:, 0] - 3 * covariates[:, 2]])
    fit = logit_scores(wider, treated, names=["age", "wage", "sex", "country", "age_less_sex"])
    assert [(column.name, column.reason) for column in fit.dropped] == [
        ("country", "constant"),
        ("age_less_sex", "collinear"),
    ]
    assert fit.names == ("age", "wage", "sex")
    np.testing.assert_allclose(fit.logit, logit_scores(covariates, treated).logit, atol=1e-9)


def test_a_modality_found_in_one_arm_only_is_named_and_refused_or_dropped() -> None:
    covariates, treated = sample()
    rare = np.zeros(len(treated))
    rare[np.flatnonzero(~treated)[:5]] = 1
    wider, names = np.column_stack([covariates, rare]), ["age", "wage", "sex", "apprentice"]
    with pytest.raises(PropensityError, match="separated by apprentice"):
        logit_scores(wider, treated, names=names)
    fit = logit_scores(wider, treated, names=names, separated="drop")
    assert [(column.name, column.reason) for column in fit.dropped] == [("apprentice", "separates")]
    assert np.isfinite(fit.logit).all()


def test_arms_told_apart_by_a_combination_of_covariates_are_refused() -> None:
    draw = np.random.default_rng(5)
    covariates = draw.normal(size=(200, 2))
    with pytest.raises(PropensityError, match="combination of covariates"):
        logit_scores(covariates, covariates.sum(axis=1) > 0)


def test_what_the_data_lack_is_said_in_plain_words() -> None:
    covariates, treated = sample()
    with pytest.raises(PropensityError, match="no treated unit"):
        logit_scores(covariates, np.zeros(len(treated), dtype=np.bool_))
    with pytest.raises(PropensityError, match="no control"):
        logit_scores(covariates, np.ones(len(treated), dtype=np.bool_))
    with pytest.raises(PropensityError, match="no covariate is left"):
        logit_scores(np.ones((len(treated), 1)), treated)
    covariates[7, 1] = np.nan
    with pytest.raises(PropensityError, match="missing or infinite in wage"):
        logit_scores(covariates, treated, names=["age", "wage", "sex"])


def test_a_modality_that_is_rare_in_one_arm_does_not_lead_the_iterations_astray() -> None:
    rng = np.random.default_rng(4)
    n, treated = 20_000, np.arange(20_000) < 1_000
    rare = np.where(treated, rng.random(n) < 0.05, np.arange(n) == n - 1).astype(float)  # one control alone has it
    covariates = np.column_stack([rare, rng.normal(size=(n, 3)) + 0.3 * treated[:, None]])
    weights = np.where(treated, 1.0, rng.integers(1, 60, n))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a Hessian without curvature, and another solver in its place
        fit = logit_scores(covariates, treated, weights)
    expected = sm.GLM(treated, sm.add_constant(covariates), family=sm.families.Binomial(), freq_weights=weights).fit()
    assert fit.coefficients == pytest.approx(expected.params[1:], abs=1e-6)


def test_a_rare_arm_with_long_tails_and_heavy_weights_has_its_maximum_found() -> None:
    draw = np.random.default_rng(12)
    n = 5_000
    covariates = draw.lognormal(0, 1.2, (n, 3))
    treated = draw.random(n) < 0.01 * (1 + np.minimum(covariates[:, 0], 5))
    weights = np.where(treated, 1.0, draw.integers(1, 28, n))
    fit = logit_scores(covariates, treated, weights)
    other = sm.GLM(treated.astype(float), sm.add_constant(covariates), sm.families.Binomial(), freq_weights=weights)
    expected = other.fit(tol=1e-14)
    np.testing.assert_allclose([fit.intercept, *fit.coefficients], expected.params, rtol=1e-6)
