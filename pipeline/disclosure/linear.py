"""Which unknowns of a sparse linear system are determined by it, and which could be told without telling others.

The unknowns are masked cells, the equations the sums they stand in. Only the pattern of the sums matters, not the
published values, so the answers hold for rounded tables too. An unknown is determined when every solution of the
homogeneous system is zero there; a random solution then tells determined unknowns from others.

Elimination is done modulo a prime: exact integers, no rounding. The coefficients here are small, so a rank that falls
modulo a prime of this size is not met by chance, and a free unknown is drawn zero with a chance of one in two thousand
million: it would be taken for a determined one, which masks too much and never too little.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import sparse

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

PRIME = 2_147_483_629
_SEED = 20_260


def determined(matrix: sparse.csr_array) -> Flags:
    """Unknowns that the equations determine uniquely.

    Args:
        matrix: `(equations, unknowns)`, integer coefficients, without repeated entries.

    Returns:
        bool `(unknowns,)`.
    """
    if not matrix.shape[0] or not matrix.shape[1]:
        return np.zeros(matrix.shape[1], np.bool_)
    order, start, columns, values = _reduced(matrix)
    drawn = np.random.default_rng(_SEED).integers(1, PRIME, matrix.shape[1])
    result = np.zeros(matrix.shape[1], np.bool_)
    result[order] = _solution(start, columns, values, drawn) == 0
    return result


def null_space(matrix: sparse.csr_array) -> Ints:
    """A basis of the solutions of the homogeneous system, modulo `PRIME`.

    Args:
        matrix: `(equations, unknowns)`, integer coefficients, without repeated entries.

    Returns:
        int64 `(unknowns, freedom)`: the unknowns in terms of the free ones. Dense.
    """
    order, start, columns, values = _reduced(matrix)
    basis = np.empty((matrix.shape[1], int((start[:-1] == start[1:]).sum())), np.int64)
    basis[order] = _basis(start, columns, values, basis.shape[1])
    return basis


def tellable(basis: Ints, secret: Ints, candidates: Ints) -> Flags:
    """Unknowns that can be told, one after the other, without determining a secret.

    The Gaussian elimination suppression of Langsrud (GaussSuppression): an unknown is told unless a secret's row of the
    basis is a multiple of its own, since then the one tells the other. What is left untold could not be told.

    Args:
        basis: `(unknowns + groups, freedom)`, modulo `PRIME`, changed in place; a row per unknown, and per further
            combination that is to stay secret.
        secret: rows that must not become zero.
        candidates: rows to tell, in the order in which they are wanted.

    Returns:
        bool `(len(candidates),)`.
    """
    return np.asarray(_tell(basis, secret, candidates))


def _reduced(matrix: sparse.csr_array) -> tuple[Ints, Ints, Ints, Ints]:
    """Echelon form in a good order of unknowns: their order, then rows of the form by place of their first unknown."""
    matrix = sparse.csr_array(matrix)
    matrix.sort_indices()
    by_column = sparse.csc_array(matrix)
    order = _elimination_order(
        *(a.astype(np.int64) for a in (matrix.indptr, matrix.indices, by_column.indptr, by_column.indices))
    )
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    lengths = np.diff(matrix.indptr)
    rows = np.argsort(lengths, kind="stable")
    start, columns, values = _echelon(
        matrix.indptr.astype(np.int64), place[matrix.indices], matrix.data.astype(np.int64) % PRIME, rows, len(order)
    )
    return order, start, columns, values


@njit(cache=True)
def _elimination_order(indptr: Ints, indices: Ints, column_start: Ints, column_rows: Ints) -> Ints:
    """Unknowns of one equation first (the equation only defines them), again and again; then by number of equations."""
    unknowns = len(column_start) - 1
    degree = column_start[1:] - column_start[:-1]
    gone = np.zeros(len(indptr) - 1, np.bool_)
    placed = np.zeros(unknowns, np.bool_)
    order = np.empty(unknowns, np.int64)
    done = 0
    ready = [c for c in range(unknowns) if degree[c] == 1]
    while len(ready):
        c = ready.pop()
        if placed[c] or degree[c] != 1:
            continue
        placed[c] = True
        order[done] = c
        done += 1
        for t in range(column_start[c], column_start[c + 1]):
            row = column_rows[t]
            if not gone[row]:
                gone[row] = True
                for e in range(indptr[row], indptr[row + 1]):
                    degree[indices[e]] -= 1
                    if degree[indices[e]] == 1:
                        ready.append(indices[e])
    rest = np.flatnonzero(~placed)
    order[done:] = rest[np.argsort(degree[rest], kind="mergesort")]
    return order


@njit(cache=True)
def _echelon(indptr: Ints, place: Ints, data: Ints, rows: Ints, unknowns: int) -> tuple[Ints, Ints, Ints]:
    """Row by row: `columns[start[j]:start[j + 1]]` and `values` are the row whose first unknown is `j`, without it.

    A row is stored divided by its first coefficient. Unknowns without a row are free: an empty slice marks them, and a
    determined one has a row with a zero coefficient, so that its slice is not empty.
    """
    first = np.full(unknowns, -1, np.int64)
    last = np.full(unknowns, -1, np.int64)
    pool = np.empty(max(16, 2 * len(place)), np.int64)
    coefficients = np.empty(len(pool), np.int64)
    used = 0
    dense = np.zeros(unknowns, np.int64)
    for row in rows:
        heap = [np.int64(place[e]) for e in range(indptr[row], indptr[row + 1])]
        for e in range(indptr[row], indptr[row + 1]):
            dense[place[e]] = data[e]
        heapify(heap)
        while len(heap):
            j = heappop(heap)
            value = dense[j]
            if value == 0:
                continue
            dense[j] = 0
            if first[j] >= 0:
                for t in range(first[j], last[j]):
                    c = pool[t]
                    before = dense[c]
                    dense[c] = (before - value * coefficients[t]) % PRIME
                    if before == 0 and dense[c] != 0:
                        heappush(heap, c)
                continue
            inverse = _inverse(value)
            if used + len(heap) + 1 > len(pool):
                longer = 2 * len(pool) + len(heap) + 1
                old, old_coefficients = pool, coefficients
                pool, coefficients = np.empty(longer, np.int64), np.empty(longer, np.int64)
                pool[:used], coefficients[:used] = old[:used], old_coefficients[:used]
            first[j] = used
            for c in heap:
                if dense[c] != 0:
                    pool[used], coefficients[used] = c, dense[c] * inverse % PRIME
                    dense[c] = 0
                    used += 1
            if used == first[j]:
                pool[used], coefficients[used] = j, 0
                used += 1
            last[j] = used
            break
    start = np.zeros(unknowns + 1, np.int64)
    columns = np.empty(used, np.int64)
    values = np.empty(used, np.int64)
    for unknown in range(unknowns):
        end = start[unknown]
        for t in range(first[unknown], last[unknown]):
            columns[end], values[end] = pool[t], coefficients[t]
            end += 1
        start[unknown + 1] = end
    return start, columns, values


@njit(cache=True)
def _solution(start: Ints, columns: Ints, values: Ints, drawn: Ints) -> Ints:
    """The solution in which the free unknowns take the values drawn."""
    x = drawn.copy()
    for j in range(len(x) - 1, -1, -1):
        if start[j] < start[j + 1]:
            total = np.int64(0)
            for t in range(start[j], start[j + 1]):
                total = (total + values[t] * (x[columns[t]] if values[t] else 0)) % PRIME
            x[j] = (PRIME - total) % PRIME
    return x


@njit(cache=True)
def _basis(start: Ints, columns: Ints, values: Ints, freedom: int) -> Ints:
    unknowns = len(start) - 1
    basis = np.zeros((unknowns, freedom), np.int64)
    free = np.int64(freedom)
    for j in range(unknowns - 1, -1, -1):
        if start[j] == start[j + 1]:
            free -= 1
            basis[j, free] = 1
        for t in range(start[j], start[j + 1]):
            if values[t]:
                for f in range(freedom):
                    if basis[columns[t], f]:
                        basis[j, f] = (basis[j, f] - values[t] * basis[columns[t], f]) % PRIME
    return basis


@njit(cache=True)
def _tell(basis: Ints, secret: Ints, candidates: Ints) -> Flags:
    freedom = basis.shape[1]
    told = np.zeros(len(candidates), np.bool_)
    # The first coefficient of a secret's row, wherever it moves: only rows that start alike can be multiples.
    first = np.empty(len(secret), np.int64)
    for s in range(len(secret)):
        first[s] = _first(basis[secret[s]])
    for place in range(len(candidates)):
        mine = basis[candidates[place]]
        start = _first(mine)
        if start == freedom:
            told[place] = True
            continue
        inverse = _inverse(mine[start])
        tells = False
        for s in range(len(secret)):
            if first[s] == start:
                other = basis[secret[s]]
                factor = other[start] * inverse % PRIME
                tells = True
                for f in range(start + 1, freedom):
                    if (mine[f] * factor - other[f]) % PRIME != 0:
                        tells = False
                        break
                if tells:
                    break
        if tells:
            continue
        told[place] = True
        support = np.flatnonzero(mine)
        taken = mine[support] * inverse % PRIME
        for row in range(basis.shape[0]):
            factor = basis[row, start]
            if factor != 0:
                for i in range(len(support)):
                    basis[row, support[i]] = (basis[row, support[i]] - factor * taken[i]) % PRIME
        for s in range(len(secret)):
            if first[s] == start:
                first[s] = _first(basis[secret[s]])
    return told


@njit(cache=True)
def _first(row: Ints) -> int:
    for f in range(len(row)):
        if row[f] != 0:
            return f
    return len(row)


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
