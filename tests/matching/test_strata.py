"""Coarsened exact matching: cells hold what looks alike, strata hold both arms, weights follow from the counts."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.matching.balance import balance_by_group, balance_table
from pipeline.matching.result import Comparison, MatchVerificationError, UnmatchedReason
from pipeline.matching.strata import StrataResult, coarsened_exact


def of_one_column(values: list[float], arms: str, cutpoints: Any) -> StrataResult:
    """Arms as a string of t and c."""
    treated = np.array([arm == "t" for arm in arms])
    return coarsened_exact(np.array(values)[:, None], treated, names=["age"], cutpoints=cutpoints)


def test_controls_weigh_as_many_as_the_treated_of_their_stratum() -> None:
    result = of_one_column([1, 1, 2, 1, 1, 1, 1, 9], "tttcccct", [5])
    assert result.n_strata == 1
    assert result.treated_weights.tolist() == [1, 1, 1, 0]
    np.testing.assert_allclose(result.control_weights, [0.75] * 4)
    np.testing.assert_allclose(result.scaled_control_weights, [1.0] * 4)
    assert result.unmatched_reason.tolist() == [0, 0, 0, UnmatchedReason.NO_CANDIDATE]
    assert result.stacked_strata(np.array([True] * 3 + [False] * 4 + [True])).tolist() == [0] * 7 + [-1]


def test_a_value_at_a_cut_point_goes_into_the_higher_bin() -> None:
    result = of_one_column([4.9, 5, 4.9, 5], "ttcc", [5])
    assert result.bins_treated.tolist() == [[0], [1]]
    assert result.n_strata == 2


def test_numbers_are_cut_by_sturges_unless_told_otherwise() -> None:
    # Sturges for 16 values: 5 bins of width 3 between 0 and 15.
    values = [float(value) for value in range(16)]
    result = of_one_column(values, "tc" * 8, {})
    bins = np.empty(16, dtype=int)
    bins[0::2], bins[1::2] = result.bins_treated[:, 0], result.bins_control[:, 0]
    assert bins.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4]


@pytest.mark.parametrize(
    ("cutpoints", "bins"),
    [(2, [0, 0, 1, 1]), (1, [0, 0, 0, 0]), (0, [0, 1, 2, 3]), ("q2", [0, 0, 1, 1]), ([8, 2], [0, 1, 1, 2])],
)
def test_a_number_may_be_cut_otherwise(cutpoints: Any, bins: list[int]) -> None:
    result = of_one_column([0, 2, 6, 10], "tctc", {"age": cutpoints})
    assert [*result.bins_treated[:, 0], *result.bins_control[:, 0]] == [bins[0], bins[2], bins[1], bins[3]]


def test_categories_must_be_equal_as_they_are() -> None:
    treated = np.array([True, False, False])
    result = coarsened_exact(np.zeros((3, 1)), treated, categories=np.array([[1], [1], [2]]))
    np.testing.assert_array_equal(result.control_weights, [1, 0])


@pytest.mark.parametrize(
    ("cutpoints", "message"),
    [
        ({"wage": 3}, "no covariate: wage"),
        ({"age": "deciles"}, "no way of cutting"),
        ({"age": -1}, "cannot be"),
        ({"age": [np.nan]}, "finite"),
    ],
)
def test_ways_of_cutting_that_mean_nothing_are_refused(cutpoints: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of_one_column([1, 2], "tc", cutpoints)


def test_the_summary_reads_like_any_other_comparison() -> None:
    result: Comparison = of_one_column([1, 1, 9], "tct", [5])
    assert result.summary().splitlines()[:3] == [
        "coarsened exact matching",
        " - cells: 2",
        " - strata with both arms: 1",
    ]
    assert result.share_matched == 0.5
    assert result.effective_sample_size == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stratum_control": np.array([-1, -1])}, "hold no control"),
        ({"stratum_treated": np.array([-1, -1]), "stratum_control": np.array([-1, -1])}, "was left out"),
        ({"bins_control": np.array([[0], [1]])}, "mixes cells"),
        ({"stratum_control": np.array([0])}, "no cell or no stratum"),
        ({"stratum_treated": np.array([0, 1]), "stratum_control": np.array([0, 1])}, "in two strata"),
    ],
)
def test_broken_strata_are_refused(change: dict[str, Any], message: str) -> None:
    honest = of_one_column([1, 1, 1, 1], "ttcc", [5])
    with pytest.raises(MatchVerificationError, match=message):
        dataclasses.replace(honest, **change)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32))
def test_every_stratum_is_balanced_and_row_order_never_matters(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n = int(draw.integers(2, 120))
    covariates, categories = draw.normal(size=(n, 2)).round(1), draw.integers(0, 3, (n, 1))
    treated = draw.random(n) < 0.4
    treated[:2] = True, False
    result = coarsened_exact(covariates, treated, cutpoints=3, categories=categories)
    # Weighted counts of the cells' categories agree exactly between the arms.
    for category in range(3):
        of_controls = result.control_weights[categories[~treated, 0] == category].sum()
        assert of_controls == pytest.approx(result.treated_weights[categories[treated, 0] == category].sum())
    order = draw.permutation(n)
    moved = coarsened_exact(covariates[order], treated[order], cutpoints=3, categories=categories[order])
    assert moved.stacked_strata(treated[order]).tolist() == result.stacked_strata(treated)[order].tolist()
    assert moved.stacked_weights(treated[order]).tobytes() == result.stacked_weights(treated)[order].tobytes()


def test_balance_is_told_by_group_as_for_pairs() -> None:
    draw = np.random.default_rng(3)
    covariates, treated = draw.normal(size=(300, 2)), draw.random(300) < 0.3
    result = coarsened_exact(covariates, treated)
    group = draw.integers(0, 2, int(treated.sum()))
    by_group = balance_by_group(covariates, ["a", "b"], treated, result, {g: group == g for g in (0, 1)})
    own = result.control_weights_of(group == 0)
    weights = np.zeros(300)
    weights[treated], weights[~treated] = result.treated_weights * (group == 0), own
    means = [np.average(covariates[arm, 0], weights=weights[arm]) for arm in (treated, ~treated)]
    assert by_group[0].rows[0].mean_treated_after == pytest.approx(means[0])
    assert by_group[0].rows[0].mean_control_after == pytest.approx(means[1])
    whole = balance_table(covariates, ["a", "b"], treated, result.stacked_weights(treated))
    assert abs(whole.rows[0].smd_after) < abs(whole.rows[0].smd_before) + 0.05
