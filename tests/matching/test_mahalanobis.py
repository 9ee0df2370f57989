"""Mahalanobis coordinates measure what the textbook measures; matching in many boxes is matching by full scan."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from pipeline.matching.mahalanobis import indicators, mahalanobis_space
from pipeline.matching.nearest import nearest_neighbour
from pipeline.matching.problem import caliper_width
from pipeline.matching.result import MatchVerificationError, UnmatchedReason


def drawn(seed: int, n: int = 200, p: int = 3) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    treated = draw.random(n) < 0.3
    mixed = draw.normal(size=(n, p)) @ draw.normal(size=(p, p))
    return mixed * [1, 50, 0.01][:p] + treated[:, None], treated


def pooled(covariates: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Covariance within the arms, each about its own mean, by numpy."""
    arms = [covariates[treated], covariates[~treated]]
    scatter = sum((len(arm) - 1) * np.atleast_2d(np.cov(arm, rowvar=False)) for arm in arms)
    return np.asarray(scatter / (len(covariates) - 2))


def distances(space: np.ndarray, treated: np.ndarray) -> np.ndarray:
    return cdist(space[treated], space[~treated])


@pytest.mark.parametrize("p", [1, 2, 3])
def test_distances_are_mahalanobis_distances_under_the_covariance_within_the_arms(p: int) -> None:
    covariates, treated = drawn(p, p=p)
    inverse = np.linalg.inv(pooled(covariates, treated))
    expected = cdist(covariates[treated], covariates[~treated], "mahalanobis", VI=inverse)
    np.testing.assert_allclose(distances(mahalanobis_space(covariates, treated), treated), expected, rtol=1e-9)


def test_collinear_columns_are_measured_by_the_generalised_inverse() -> None:
    covariates, treated = drawn(5)
    redundant = np.column_stack([covariates, covariates[:, 0] + covariates[:, 1]])
    # Scaled as the method scales: the generalised inverse, unlike the inverse, depends on units.
    scaled = (redundant - redundant.mean(axis=0)) / redundant.std(axis=0, ddof=1)
    inverse = np.linalg.pinv(pooled(scaled, treated), rcond=1e-8, hermitian=True)
    gaps = scaled[treated][:, None] - scaled[~treated][None]
    expected = np.sqrt(np.einsum("tcj,jk,tck->tc", gaps, inverse, gaps))
    np.testing.assert_allclose(distances(mahalanobis_space(redundant, treated), treated), expected, rtol=1e-7)


def test_a_column_that_never_varies_changes_no_distance() -> None:
    covariates, treated = drawn(6)
    space = mahalanobis_space(np.column_stack([covariates, np.full(len(treated), 7.0)]), treated)
    np.testing.assert_array_equal(space, mahalanobis_space(covariates, treated))
    assert not mahalanobis_space(np.ones((4, 2)), np.array([True, False, True, False])).any()


def test_a_factor_of_two_modalities_weighs_as_its_indicator() -> None:
    covariates, treated = drawn(7, p=2)
    codes = np.random.default_rng(7).integers(0, 2, len(treated))
    as_factor = mahalanobis_space(np.hstack([covariates, indicators(codes)]), treated)
    as_number = mahalanobis_space(np.column_stack([covariates, codes.astype(float)]), treated)
    assert indicators(codes).shape == (len(treated), 2)
    # The same neighbours, whatever the scale.
    nearest = [distances(space, treated).argmin(axis=1) for space in (as_factor, as_number)]
    assert (nearest[0] == nearest[1]).mean() > 0.9


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_row_order_never_changes_a_coordinate_by_a_bit(seed: int, other: int) -> None:
    covariates, treated = drawn(seed, n=40)
    covariates = covariates.round(1)
    order = np.random.default_rng(other).permutation(len(treated))
    moved = mahalanobis_space(covariates[order], treated[order])
    assert moved.tobytes() == mahalanobis_space(covariates, treated)[order].tobytes()


@pytest.mark.parametrize(
    ("covariates", "treated", "message"),
    [
        ([[1.0], [2.0], [np.nan]], [True, False, False], "missing or infinite"),
        ([[1.0], [2.0], [3.0]], [True, True, True], "treated units and controls"),
        ([[1.0], [2.0], [3.0]], [True, False], "one row per treatment mark"),
    ],
)
def test_what_cannot_be_measured_is_refused(covariates: Any, treated: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mahalanobis_space(np.array(covariates), np.array(treated))


def full_scan(space: np.ndarray, treated: np.ndarray, score: np.ndarray, caliper: float, ratio: int) -> np.ndarray:
    """Controls taken by each treated unit, round by round, by looking at everybody each time; -1 for none."""
    own, theirs = np.flatnonzero(treated), np.flatnonzero(~treated)
    rank = np.argsort(np.lexsort((np.arange(len(score)), space[:, 0])))
    free = np.ones(len(theirs), dtype=bool)
    out = np.full((len(own), ratio), -1)
    racing = own[np.lexsort((own, -score[own]))]
    place = np.cumsum(treated) - 1
    for turn in range(ratio):
        kept = []
        for unit in racing:
            near = np.flatnonzero(free & (np.abs(score[theirs] - score[unit]) <= caliper))
            if not len(near):
                continue
            square = ((space[theirs[near]] - space[unit]) ** 2).cumsum(axis=1)[:, -1]
            steps = rank[theirs[near]] - rank[unit]
            chosen = near[np.lexsort((-steps, -np.abs(steps), square))[0]]
            out[place[unit], turn], free[chosen] = chosen, False
            kept.append(unit)
        racing = np.array(kept, dtype=int)
    return out


@pytest.mark.parametrize(("seed", "digits"), [(1, 1), (2, 0), (3, 6)])
def test_the_nearest_within_the_caliper_is_found_among_thousands(seed: int, digits: int) -> None:
    """Rounded covariates make many controls equally near."""
    covariates, treated = drawn(seed, n=4_000, p=2)
    covariates = (covariates / covariates.std(axis=0)).round(digits)
    score = covariates.sum(axis=1) + np.random.default_rng(seed).normal(size=len(treated))
    space, row = mahalanobis_space(covariates, treated), np.arange(len(treated))
    caliper = caliper_width(score, 0.1)
    result = nearest_neighbour(
        score[treated],
        score[~treated],
        space_treated=space[treated],
        space_control=space[~treated],
        caliper=caliper,
        ratio=2,
        tie_treated=row[treated],
        tie_control=row[~treated],
    )
    expected = full_scan(space, treated, score, caliper, 2)
    chosen = np.full_like(expected, -1)
    chosen[result.pairs.treated, result.pairs.round - 1] = result.pairs.control
    np.testing.assert_array_equal(chosen, expected)
    assert (expected[:, 1] >= 0).mean() > 0.5


def test_a_caliper_on_a_covariate_binds_beside_the_one_on_the_score() -> None:
    question: dict[str, Any] = {
        "caliper": 0.5,
        "covariates_treated": [[30.0], [60.0]],
        "covariates_control": [[36.0], [31.0]],
        "tie_treated": [0, 1],
        "tie_control": [2, 3],
    }
    result = nearest_neighbour([1.0, 0.9], [1.0, 0.8], covariate_calipers=[5], **question)
    assert list(zip(result.pairs.treated, result.pairs.control, strict=True)) == [(0, 1)]
    assert result.reason.tolist() == [0, UnmatchedReason.CALIPER]
    assert "caliper on covariate 1: 5" in result.summary()
    with pytest.raises(ValueError, match="covariates_treated and covariates_control are needed together"):
        nearest_neighbour([1.0, 0.9], [1.0, 0.8], **{**question, "covariates_control": None})


def test_a_pair_beyond_the_caliper_on_a_covariate_is_refused() -> None:
    result = nearest_neighbour(
        [1.0],
        [1.0],
        covariates_treated=[[30.0]],
        covariates_control=[[34.0]],
        covariate_calipers=[5],
        tie_treated=[0],
        tie_control=[1],
    )
    with pytest.raises(MatchVerificationError, match="caliper on a covariate"):
        dataclasses.replace(result, problem=dataclasses.replace(result.problem, covariate_calipers=(3.0,)))
