"""What can be deduced of a masked cell: no more and no less than by trying every whole solution."""

from __future__ import annotations

import itertools
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipeline.disclosure import bounds as bounds_module
from pipeline.disclosure.bounds import bounds
from pipeline.disclosure.tables import round_counts

K = 3


def two_way(parts: np.ndarray) -> tuple[np.ndarray, sparse.csr_array]:
    """Values with both margins, cell by cell, and the sums that hold between them."""
    full = np.vstack([parts, parts.sum(axis=0)])
    full = np.hstack([full, full.sum(axis=1, keepdims=True)])
    number = np.arange(full.size).reshape(full.shape)
    lines = [*number, *number.T]
    matrix = np.zeros((len(lines), full.size))
    for row, line in enumerate(lines):
        matrix[row, line[:-1]], matrix[row, line[-1]] = 1, -1
    return full.ravel().astype(float), sparse.csr_array(matrix)


def three_way(parts: np.ndarray) -> tuple[np.ndarray, sparse.csr_array]:
    """The cells of a cube and their sums over each axis: a system whose vertices need not be whole numbers."""
    full = parts
    for axis in range(3):
        full = np.concatenate([full, full.sum(axis=axis, keepdims=True)], axis=axis)
    number = np.arange(full.size).reshape(full.shape)
    lines = [np.moveaxis(number, axis, -1).reshape(-1, full.shape[axis]) for axis in range(3)]
    matrix = np.zeros((sum(map(len, lines)), full.size))
    for row, line in enumerate(itertools.chain(*lines)):
        matrix[row, line[:-1]], matrix[row, line[-1]] = 1, -1
    return full.ravel().astype(float), sparse.csr_array(matrix)


def seen(values: np.ndarray, masked: np.ndarray, base: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The interval that the published figure of each cell leaves, by trying every count."""
    every = np.arange(most + 1)
    shown = round_counts(values.astype(np.int64), base, K)
    fits = round_counts(every, base, K)[None, :] == shown[:, None]
    low, high = fits.argmax(axis=1).astype(float), most - fits[:, ::-1].argmax(axis=1).astype(float)
    return np.where(masked, 0, low), np.where(masked, most, high)


def by_trying(matrix: sparse.csr_array, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest value of every cell over all whole solutions: a search without any programme.

    Totals follow from parts, so only the cells that no sum has for its total are tried.
    """
    dense = matrix.toarray().astype(int)
    totals = {int(np.flatnonzero(row < 0)[0]) for row in dense}
    inner = [cell for cell in range(len(low)) if cell not in totals]
    rows = {total: row for row in dense for total in np.flatnonzero(row < 0)}
    order = sorted(totals, key=lambda total: len(set(np.flatnonzero(rows[total] > 0)) & totals))
    grids = np.meshgrid(*[np.arange(low[cell], high[cell] + 1) for cell in inner], indexing="ij")
    solution = np.zeros((grids[0].size, len(low)), int)
    for cell, grid in zip(inner, grids, strict=True):
        solution[:, cell] = grid.ravel()
    for total in order:
        solution[:, total] = solution @ np.where(rows[total] > 0, 1, 0)
    fits = (solution @ dense.T == 0).all(axis=1) & (solution >= low).all(axis=1) & (solution <= high).all(axis=1)
    return solution[fits].min(axis=0), solution[fits].max(axis=0)


flags = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@settings(max_examples=60, deadline=None)
@given(draw=flags, base=st.sampled_from([1, 2, 5]))
def test_the_interval_of_a_masked_cell_is_that_of_trying_every_whole_solution(draw, base):
    values, matrix = two_way(draw.integers(0, 7, (2, 2)))
    masked = (draw.random(len(values)) < 0.5) | (values < K)
    low, high = seen(values, masked, base, 30)
    high[[0, 1, 3, 4]] = np.minimum(high[[0, 1, 3, 4]], 8)  # so that what is tried stays few
    found = bounds(matrix, low, high, masked)
    least, most = by_trying(matrix, low, high)
    assert (found.low[masked] == least[masked]).all() and (found.high[masked] == most[masked]).all()
    assert found.exact[masked].all() and found.possible.all()


@settings(max_examples=40, deadline=None)
@given(draw=flags)
def test_whole_numbers_are_minded_where_the_sums_alone_would_allow_halves(draw):
    values, matrix = three_way(draw.integers(0, 3, (2, 2, 2)))
    masked = draw.random(len(values)) < 0.6
    low, high = np.where(masked, 0, values), np.where(masked, np.maximum(values, 2), values)
    found = bounds(matrix, low, high, masked)
    least, most = by_trying(matrix, low, high)
    assert (found.low[masked] == least[masked]).all() and (found.high[masked] == most[masked]).all()


@settings(max_examples=25, deadline=None)
@given(draw=flags, base=st.sampled_from([1, 5]), asked=st.sampled_from([1.0, 4.0, 10.0, np.inf]))
def test_the_truth_lies_in_every_interval_whatever_is_asked_and_however_large_the_system_may_be(draw, base, asked):
    shape = tuple(draw.integers(2, 4, 3))
    values, matrix = three_way(draw.poisson(draw.gamma(1, 6), shape))
    masked = (values < K) | (draw.random(len(values)) < draw.uniform(0, 0.6))
    low, high = seen(values, masked, base, int(values.max()) + 10)
    high[masked] = np.inf
    limits = {"WHOLE_LIMIT": int(draw.choice([20, 60, 6_000])), "COMPLETE_FIRST": int(draw.choice([0, 600]))}
    with mock.patch.multiple(bounds_module, **limits):
        known, unknown = (bounds(matrix, low, high, masked, asked=asked, start=s) for s in (values, None))
    for found in (known, unknown):
        assert found.possible.all()
        assert (found.outer_low <= values).all() and (values <= found.outer_high).all()
    assert (known.low <= values).all() and (values <= known.high).all()
    # Two ways to the same attacker: neither proves too narrow what the other proves wide.
    for one, other in ((known, unknown), (unknown, known)):
        assert not (masked & (one.high - one.low >= asked) & (other.outer_high - other.outer_low < asked)).any()
        assert not (one.low < other.outer_low - 1e-9)[masked].any()
        assert not (one.high > other.outer_high + 1e-9)[masked].any()


@settings(max_examples=60, deadline=None)
@given(draw=flags)
def test_a_cell_that_the_others_determine_is_told_to_the_unit(draw):
    values, matrix = two_way(draw.integers(0, 40, (3, 3)))
    masked = np.zeros(len(values), bool)
    masked[draw.integers(0, len(values))] = True
    found = bounds(matrix, np.where(masked, 0, values), np.where(masked, np.inf, values), masked, asked=float(K - 1))
    assert (found.outer_low[masked] == values[masked]).all() and (found.outer_high[masked] == values[masked]).all()


def test_a_cell_that_no_sum_holds_has_no_upper_end():
    found = bounds(sparse.csr_array((0, 2)), np.array([0.0, 5.0]), np.array([np.inf, 7.0]), np.array([True, False]))
    assert found.outer_low[0] == 0 and found.outer_high[0] > 20 and found.possible.all()


def test_figures_that_contradict_the_sums_teach_nothing():
    values, matrix = two_way(np.array([[20, 30], [40, 50]]))
    masked = np.arange(len(values)) == 0
    low = np.where(masked, 0, values)
    low[2] += 1  # the total of its row: its column says another figure
    found = bounds(matrix, low, np.where(masked, np.inf, low), masked)
    assert not found.possible[0] and np.isnan(found.low[0])


def test_a_contradiction_elsewhere_does_not_stop_the_attacker():
    values, matrix = two_way(np.array([[20, 30], [40, 50]]))
    masked = np.arange(len(values)) == 0
    low = np.where(masked, 0, values)
    low[-1] += 1
    found = bounds(matrix, low, np.where(masked, np.inf, low), masked)
    assert (found.low[0], found.high[0]) == (20, 20)


def test_what_is_proven_wide_costs_fewer_programmes_than_two_a_cell():
    rng = np.random.default_rng(0)
    values, matrix = two_way(rng.poisson(20, (30, 30)))
    masked = np.zeros((31, 31), bool)
    masked[:30, :30] = rng.random((30, 30)) < 0.4
    masked = masked.ravel()
    low, high = np.where(masked, 0, values), np.where(masked, np.inf, values)
    found = bounds(matrix, low, high, masked, asked=10.0)
    assert (found.high - found.low >= 10)[masked].mean() > 0.9
    assert found.programmes < masked.sum() / 10


def test_broken_numbers_of_a_cube_are_mended_and_do_not_spoil_the_rest():
    rng = np.random.default_rng(0)
    shape = (9, 9, 9)
    values, matrix = three_way(rng.poisson(6, shape))
    masked = np.zeros(np.array(shape) + 1, bool)
    masked[:-1, :-1, :-1] = rng.random(shape) < 0.5
    masked = masked.ravel()
    low, high = np.where(masked, 0, values), np.where(masked, np.inf, values)
    mended = bounds(matrix, low, high, masked, asked=4.0, start=values)
    with mock.patch.object(bounds_module._Audit, "_mended", lambda self, around, x: x):
        spoilt = bounds(matrix, low, high, masked, asked=4.0, start=values)
    assert (mended.high - mended.low >= 4)[masked].mean() > 0.99
    assert mended.programmes < spoilt.programmes / 2


def test_values_known_to_be_taken_need_no_programme_again():
    values, matrix = two_way(np.random.default_rng(0).poisson(20, (12, 12)))
    masked = np.zeros((13, 13), bool)
    masked[:5, :5] = True
    low, high = np.where(masked.ravel(), 0, values), np.where(masked.ravel(), np.inf, values)
    before = bounds(matrix, low, high, masked.ravel(), asked=4.0, start=values)
    taken = np.where(masked.ravel(), before.low, np.nan), np.where(masked.ravel(), before.high, np.nan)
    again = bounds(matrix, low, high, masked.ravel(), asked=4.0, start=values, taken=taken)
    assert before.programmes > 0 and again.programmes == 0
    assert (again.low == before.low).all() and (again.high == before.high).all()


@pytest.mark.parametrize("base", [1, 5])
def test_the_order_of_cells_and_sums_means_nothing(base):
    rng = np.random.default_rng(3)
    values, matrix = two_way(rng.poisson(6, (5, 4)))
    masked = values < 6
    low, high = seen(values, masked, base, 200)
    cells, sums = rng.permutation(len(values)), rng.permutation(matrix.shape[0])
    first = bounds(matrix, low, high, masked)
    second = bounds(sparse.csr_array(matrix[sums][:, cells]), low[cells], high[cells], masked[cells])
    assert (first.low[cells] == second.low).all() and (first.high[cells] == second.high).all()
