"""Entropy weights: the treated moments exactly, as near to the base weights as that allows, or a plain refusal."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from pipeline.matching.entropy import TOLERANCE, EntropyError, WeightingResult, entropy_weights
from pipeline.matching.nearest import nearest_neighbour
from pipeline.matching.result import Comparison, MatchVerificationError


def drawn(seed: int, n: int = 400, p: int = 3, gap: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    treated = np.arange(n) < n // 4
    return draw.gamma(2.0, 1.0, (n, p)) * [1, 100, 0.01][:p] * (1 + gap * treated[:, None]), treated


def weighted(values: np.ndarray, result: Comparison) -> np.ndarray:
    return np.asarray(np.average(values, axis=0, weights=result.control_weights))


def test_the_controls_get_the_treated_means_and_nobody_is_left_out() -> None:
    covariates, treated = drawn(1)
    result = entropy_weights(covariates, treated)
    np.testing.assert_allclose(weighted(covariates[~treated], result), covariates[treated].mean(axis=0), rtol=1e-8)
    assert result.control_weights.sum() == pytest.approx(treated.sum())
    assert (result.control_weights > 0).all()
    assert result.share_matched == 1


def test_two_moments_give_the_treated_variances_too() -> None:
    covariates, treated = drawn(2, gap=0.1)
    result = entropy_weights(covariates, treated, moments=2)
    spread = weighted((covariates[~treated] - covariates[treated].mean(axis=0)) ** 2, result)
    np.testing.assert_allclose(spread, covariates[treated].var(axis=0), rtol=1e-7)
    assert result.moments == ("x0", "x1", "x2", "x0, squared", "x1, squared", "x2, squared")


def test_the_weights_are_those_of_the_problem_as_it_is_stated() -> None:
    """Relative entropy minimised over the weights themselves, by another method (SLSQP)."""
    covariates, treated = drawn(3, n=60, p=2)
    base = np.random.default_rng(3).uniform(0.5, 2, int((~treated).sum()))
    theirs, target = covariates[~treated], covariates[treated].mean(axis=0)
    share = base / base.sum()
    scaled = (theirs - target) / theirs.std(axis=0)
    stated: Any = optimize.minimize(
        lambda w: float((w * np.log(w / share)).sum()),
        share,
        jac=lambda w: np.log(w / share) + 1,
        bounds=[(1e-12, 1)] * len(share),
        constraints=[
            {"type": "eq", "fun": lambda w: w @ scaled, "jac": lambda w: scaled.T},
            {"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones((1, len(w)))},
        ],
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    assert stated.success
    result = entropy_weights(covariates, treated, base=base)
    np.testing.assert_allclose(result.control_weights / treated.sum(), stated.x, atol=1e-7)


def test_one_yes_or_no_covariate_has_the_answer_of_arithmetic() -> None:
    treated = np.array([True] * 4 + [False] * 5)
    holds = np.array([1, 1, 1, 0, 1, 0, 0, 0, 0], dtype=float)[:, None]
    result = entropy_weights(holds, treated)
    np.testing.assert_allclose(result.control_weights, [3, 0.25, 0.25, 0.25, 0.25])


def test_weights_of_a_matching_become_exact_and_stay_near_it() -> None:
    covariates, treated = drawn(4)
    score, row = covariates[:, 0], np.arange(len(treated))
    matching = nearest_neighbour(
        score[treated], score[~treated], ratio=2, tie_treated=row[treated], tie_control=row[~treated]
    )
    result = entropy_weights(covariates, treated, base=matching.control_weights)
    kept = matching.control_weights > 0
    assert (result.control_weights[~kept] == 0).all()
    np.testing.assert_allclose(weighted(covariates[~treated], result), covariates[treated].mean(axis=0), rtol=1e-8)


def test_controls_already_alike_keep_their_base_weights() -> None:
    covariates = np.array([[0.0], [2.0], [0.0], [2.0], [1.0]])
    result = entropy_weights(covariates, np.array([True, True, False, False, False]), base=np.array([1.0, 1.0, 4.0]))
    np.testing.assert_allclose(result.control_weights, [1 / 3, 1 / 3, 4 / 3])


def test_a_column_said_twice_or_the_same_for_all_changes_nothing() -> None:
    covariates, treated = drawn(5)
    more = np.column_stack([covariates, covariates[:, 0] * 2 + covariates[:, 1], np.ones(len(treated))])
    np.testing.assert_allclose(
        entropy_weights(more, treated).control_weights, entropy_weights(covariates, treated).control_weights, rtol=1e-6
    )


@pytest.mark.parametrize("kind", ["one covariate", "two together", "a constant that differs"])
def test_a_target_outside_the_controls_is_refused_in_one_sentence(kind: str) -> None:
    draw = np.random.default_rng(6)
    controls = draw.uniform(-1, 1, (200, 2))
    if kind == "one covariate":
        target = [2.0, 0.0]
    elif kind == "two together":
        controls = controls[controls.sum(axis=1) < 0.5]
        target = [0.9, 0.9]
    else:
        controls[:, 1] = 0.0
        target = [0.0, 0.1]
    covariates = np.vstack([np.tile(target, (3, 1)), controls])
    treated = np.arange(len(covariates)) < 3
    with pytest.raises(EntropyError, match=r"^no weights on the controls .* convex hull .*age") as refusal:
        entropy_weights(covariates, treated, names=["age", "age of the firm"])
    assert str(refusal.value).count(".") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"base": np.array([1.0, -1.0])}, "base weights"),
        ({"base": np.zeros(2)}, "base weights"),
        ({"moments": 3}, "one or two moments"),
        ({"treated": np.array([True, True, True])}, "treated units, controls"),
    ],
)
def test_malformed_questions_are_refused(change: dict[str, Any], message: str) -> None:
    question = {"covariates": np.array([[1.0], [0.0], [2.0]]), "treated": np.array([True, False, False]), **change}
    with pytest.raises(ValueError, match=message):
        entropy_weights(question.pop("covariates"), question.pop("treated"), **question)


def test_weights_that_miss_a_moment_are_refused() -> None:
    covariates, treated = drawn(7)
    honest = entropy_weights(covariates, treated)
    standard = (covariates[~treated] - covariates[treated].mean(axis=0)) / covariates[~treated].std(axis=0)
    assert np.abs(honest.weights @ standard).max() <= TOLERANCE * treated.sum()
    for weights, message in (
        (np.full(len(honest.weights), treated.sum() / len(honest.weights)), "moments are not met"),
        (honest.weights * 2, "do not sum"),
        (-honest.weights, "negative"),
    ):
        with pytest.raises(MatchVerificationError, match=message):
            dataclasses.replace(honest, weights=weights, standard=standard)


def test_the_summary_reads_like_any_other_comparison() -> None:
    result: WeightingResult = entropy_weights(*drawn(8))
    assert result.summary().splitlines()[:3] == ["entropy balancing", " - moments balanced: 3", " - base weights: 1"]
    assert 0 < result.effective_sample_size < 300


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_row_order_never_changes_a_weight_by_a_bit(seed: int) -> None:
    covariates, treated = drawn(seed, n=200)
    order = np.random.default_rng(seed).permutation(len(treated))
    straight = entropy_weights(covariates, treated).stacked_weights(treated)
    moved = entropy_weights(covariates[order], treated[order]).stacked_weights(treated[order])
    assert moved.tobytes() == straight[order].tobytes()
