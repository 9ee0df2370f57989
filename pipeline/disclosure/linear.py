"""Which unknowns of a sparse linear system are determined by it: what subtraction can give back.

The unknowns are masked cells, the equations the sums they stand in. An unknown is determined when its unit vector lies
in the row space of the system; only the pattern of the sums matters, not the published values, so the answer holds
for rounded tables too.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import lsmr

PRIME = 2_147_483_629
"""Elimination is done modulo this prime: exact integers, no rounding. A coefficient matrix whose rational rank falls
modulo a prime of this size is not met by chance; the coefficients here are small."""

DENSE_LIMIT = 20_000_000
"""Largest rows x columns eliminated exactly; beyond it (tens of thousands of entangled masked cells in one component)
the unknowns are tested with random null vectors, in floating point, to 1e-6."""


def determined(matrix: sparse.csr_array) -> npt.NDArray[np.bool_]:
    """Unknowns that the equations determine uniquely.

    Args:
        matrix: `(equations, unknowns)`, integer coefficients.

    Returns:
        bool `(unknowns,)`.
    """
    equations, unknowns = matrix.shape
    result = np.zeros(unknowns, np.bool_)
    if not equations or not unknowns:
        return result
    parts, label = connected_components(_bipartite(matrix), directed=False)
    rows_of, columns_of = label[:equations], label[equations:]
    row_order, column_order = np.argsort(rows_of, kind="stable"), np.argsort(columns_of, kind="stable")
    row_cut = np.searchsorted(rows_of[row_order], np.arange(parts + 1))
    column_cut = np.searchsorted(columns_of[column_order], np.arange(parts + 1))
    for part in range(parts):
        rows = row_order[row_cut[part] : row_cut[part + 1]]
        columns = column_order[column_cut[part] : column_cut[part + 1]]
        if not len(rows) or not len(columns):
            continue
        block = matrix[rows][:, columns]
        if len(rows) * len(columns) <= DENSE_LIMIT:
            result[columns] = _eliminate(np.ascontiguousarray(block.toarray().astype(np.int64) % PRIME))
        else:
            result[columns] = _no_freedom(block)
    return result


def _bipartite(matrix: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array(sparse.block_array([[None, matrix], [matrix.T, None]], format="csr"))


def _no_freedom(matrix: sparse.csr_array) -> npt.NDArray[np.bool_]:
    """Unknowns at zero in two random vectors of the null space (fixed seed): almost surely the determined ones."""
    still = np.ones(matrix.shape[1], np.bool_)
    generator = np.random.default_rng(20_260)
    floats = matrix.astype(np.float64)
    for _ in range(2):
        start = generator.standard_normal(matrix.shape[1])
        solution = lsmr(floats, floats @ start, atol=1e-13, btol=1e-13, maxiter=20_000)[0]
        still &= np.abs(start - solution) < 1e-6
    return still


@njit(cache=True)
def _eliminate(a: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Gauss-Jordan modulo `PRIME`, in place; a pivot alone in its row is determined."""
    rows, columns = a.shape
    pivot_of = np.full(rows, -1, np.int64)
    done = 0
    for j in range(columns):
        found = -1
        for i in range(done, rows):
            if a[i, j] != 0:
                found = i
                break
        if found < 0:
            continue
        if found != done:
            for c in range(columns):
                a[found, c], a[done, c] = a[done, c], a[found, c]
        inverse = _inverse(a[done, j])
        for c in range(j, columns):
            a[done, c] = a[done, c] * inverse % PRIME
        for i in range(rows):
            factor = a[i, j]
            if i != done and factor != 0:
                for c in range(j, columns):
                    if a[done, c] != 0:
                        a[i, c] = (a[i, c] - factor * a[done, c]) % PRIME
        pivot_of[done] = j
        done += 1
        if done == rows:
            break
    result = np.zeros(columns, np.bool_)
    for i in range(done):
        if np.count_nonzero(a[i]) == 1:
            result[pivot_of[i]] = True
    return result


@njit(cache=True)
def _inverse(value: np.int64) -> np.int64:
    """`value ** (PRIME - 2)` modulo `PRIME` (Fermat)."""
    result = np.int64(1)
    power = value % PRIME
    exponent = PRIME - 2
    while exponent:
        if exponent & 1:
            result = result * power % PRIME
        power = power * power % PRIME
        exponent >>= 1
    return result
