"""Coordinates in which the plain distance between two units is the Mahalanobis distance between their covariates.

As MatchIt 4.7.2 measures it (`mahalanobis_dist`): columns standardised over the full sample, covariance pooled within
the arms (Rubin 1980, Biometrics 36:293), its inverse by a pivoted Cholesky factor. Covariates in whole numbers give
many controls at equal distance, which only the last bit of the coordinates tells apart. So that every machine tells
them apart alike, and as R does, the steps are R's own: sums in extended precision, linear algebra as LAPACK's reference
writes it, one operation at a time.
"""

import numpy as np

from pipeline.matching.content import content_order
from pipeline.matching.kernels import compiled
from pipeline.matching.problem import Bool, Float64, Int64

SMALLEST_RANGE = float(np.sqrt(np.finfo(np.float64).eps))
"""A column that ranges over less does not vary and is left out."""
SMALLEST_DETERMINANT = 1e-8
"""Determinant of the pooled covariance of the standardised columns at or below which columns may be collinear."""
SMALLEST_EIGENVALUE = 1e-8
"""What is left of the covariance below this share of its largest part is taken for rounding, if columns may be so."""


def mahalanobis_space(covariates: Float64, treated: Bool) -> Float64:
    """Coordinates of every unit, to match in with `nearest.nearest_neighbour`.

    Args:
        covariates: float64[n, p], no missing value. A factor enters as all its indicators (`indicators`).
        treated: bool[n].

    Returns:
        float64[n, d]: Euclidean distances are Mahalanobis distances. d counts the columns that vary; collinear ones
        add nothing to any distance.

    Raises:
        ValueError: When shapes disagree, an arm is empty, or a value is not finite.
    """
    if covariates.ndim != 2 or treated.shape != (len(covariates),) or covariates.shape[1] == 0:
        raise ValueError("covariates must be a matrix with at least one column and one row per treatment mark.")
    if not treated.any() or treated.all() or len(treated) < 3:
        raise ValueError("the Mahalanobis distance needs treated units and controls, three units at least.")
    if not np.isfinite(covariates).all():
        raise ValueError("covariates of the Mahalanobis distance hold missing or infinite values.")
    varies = np.ptp(covariates, axis=0) >= SMALLEST_RANGE
    if not varies.any():
        return np.zeros((len(covariates), 1))
    order = content_order(covariates, treated.astype(np.float64))
    standard = covariates[np.ix_(order, varies)]
    for column in standard.T:
        column -= _mean(column)
        column /= np.sqrt(float((column**2).astype(np.longdouble).sum()) / (len(column) - 1))
    inverse = _inverse(_pooled_covariance(standard, treated[order]))
    factor = _factor(inverse, len(inverse) * 2.0**-53)
    space = np.empty((len(covariates), len(factor)))
    space[order] = _product(standard, factor)
    return space


def indicators(codes: Int64) -> Float64:
    """Columns of a factor for `mahalanobis_space`: every modality's indicator over √2.

    Two units that differ on the factor are then as far apart as two values of a 0/1 column (as `optmatch` and MatchIt
    have it).

    Args:
        codes: int64[n], one code per modality.

    Returns:
        float64[n, k], modalities by ascending code.
    """
    return np.asarray((codes[:, None] == np.unique(codes)) * (1 / np.sqrt(2.0)), dtype=np.float64)


def _mean(values: Float64) -> float:
    return float(values.astype(np.longdouble).sum() / np.longdouble(len(values)))


def _pooled_covariance(standard: Float64, treated: Bool) -> Float64:
    """Covariance about the means of the arms, n − 2 degrees of freedom, float64[p, p]."""
    n, p = standard.shape
    within = standard.copy()
    for arm in (treated, ~treated):
        for j in range(p):
            within[arm, j] -= _mean(within[arm, j])
    columns = [column.astype(np.longdouble) for column in within.T]
    covariance = np.empty((p, p))
    for j in range(p):
        for k in range(j + 1):
            covariance[j, k] = covariance[k, j] = float((columns[j] * columns[k]).sum() / np.longdouble(n - 1))
    return np.asarray(covariance * (n - 1) / (n - 2), dtype=np.float64)


def _inverse(covariance: Float64) -> Float64:
    """Inverse, or the generalised inverse where columns are collinear.

    With UᵀU the covariance and U of full row rank, the latter is Uᵀ(UUᵀ)⁻²U.
    """
    if np.linalg.det(covariance) > SMALLEST_DETERMINANT:
        return _solve_identity(covariance)
    root = _factor(covariance, SMALLEST_EIGENVALUE)
    root = root[root.any(axis=1)]
    half = _product(_solve_identity(_product(root, root)), np.ascontiguousarray(root.T))
    return _product(np.ascontiguousarray(half.T), np.ascontiguousarray(half.T))


@compiled
def _solve_identity(matrix: Float64) -> Float64:
    """Inverse by Gaussian elimination with partial pivoting (LAPACK's dgesv on the identity), element by element."""
    p = len(matrix)
    a, out = matrix.copy(), np.eye(p)
    for k in range(p):
        pivot = k
        for i in range(k + 1, p):
            if abs(a[i, k]) > abs(a[pivot, k]):
                pivot = i
        for j in range(p):
            a[k, j], a[pivot, j] = a[pivot, j], a[k, j]
            out[k, j], out[pivot, j] = out[pivot, j], out[k, j]
        reciprocal = 1.0 / a[k, k]
        for i in range(k + 1, p):
            a[i, k] = a[i, k] * reciprocal
            for j in range(k + 1, p):
                a[i, j] = a[i, j] - a[i, k] * a[k, j]
    for c in range(p):
        for k in range(p):
            for i in range(k + 1, p):
                out[i, c] = out[i, c] - out[k, c] * a[i, k]
        for k in range(p - 1, -1, -1):
            out[k, c] = out[k, c] / a[k, k]
            for i in range(k):
                out[i, c] = out[i, c] - out[k, c] * a[i, k]
    return out


@compiled
def _factor(matrix: Float64, tolerance: float) -> Float64:
    """Upper factor U with UᵀU = matrix, largest pivots first, columns in their own order (LAPACK's dpstf2).

    Rows beyond the numerical rank, where no more than ``tolerance`` times the largest pivot is left, are zero.
    """
    p = len(matrix)
    a = matrix.copy()
    place = np.arange(p)
    taken = np.zeros(p)
    largest = 0.0
    for j in range(p):
        largest = max(largest, a[j, j])
    smallest = tolerance * largest
    rank = p
    for j in range(p):
        pivot, left = j, -np.inf
        for i in range(j, p):
            if j > 0:
                taken[i] = taken[i] + a[j - 1, i] * a[j - 1, i]
            if a[i, i] - taken[i] > left:
                pivot, left = i, a[i, i] - taken[i]
        if j > 0 and left <= smallest:
            rank = j
            break
        if pivot != j:
            a[pivot, pivot] = a[j, j]
            for i in range(j):
                a[i, j], a[i, pivot] = a[i, pivot], a[i, j]
            for i in range(pivot + 1, p):
                a[j, i], a[pivot, i] = a[pivot, i], a[j, i]
            for i in range(j + 1, pivot):
                a[j, i], a[i, pivot] = a[i, pivot], a[j, i]
            taken[j], taken[pivot] = taken[pivot], taken[j]
            place[j], place[pivot] = place[pivot], place[j]
        a[j, j] = np.sqrt(left)
        reciprocal = 1.0 / a[j, j]
        for k in range(j + 1, p):
            total = 0.0
            for i in range(j):
                total = total + a[i, k] * a[i, j]
            a[j, k] = (a[j, k] - total) * reciprocal
    factor = np.zeros((p, p))
    for i in range(rank):
        for k in range(i, p):
            factor[i, place[k]] = a[i, k]
    return factor


@compiled
def _product(left: Float64, right: Float64) -> Float64:
    """Left · rightᵀ, terms added in the order of the columns."""
    out = np.zeros((len(left), len(right)))
    for i in range(len(left)):
        for k in range(len(right)):
            for j in range(left.shape[1]):
                out[i, k] = out[i, k] + left[i, j] * right[k, j]
    return out
