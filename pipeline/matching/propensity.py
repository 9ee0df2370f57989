"""The propensity score: the probability of being treated given what was known before time zero, by maximum likelihood.

The score used for matching is its logit, the linear predictor (Rosenbaum & Rubin 1985, American Statistician 39:33).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from scipy.linalg import LinAlgWarning, lapack
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from pipeline.matching.content import content_order
from pipeline.matching.kernels import compiled
from pipeline.matching.problem import Bool, Float64

COLLINEARITY_TOLERANCE = 1e-7
"""A column whose part unexplained by the columns before it is below this share of its length is dropped (R's lm)."""

EXTREME_PROBABILITY = 1e-8
"""Fitted probabilities nearer than this to 0 or 1 are counted: many of them say that the arms hardly overlap."""

_CLEARLY_INDEPENDENT = 1e-3
_GRADIENT_TOLERANCE = 1e-10
_MAXIMUM_ITERATIONS = 100


class PropensityError(ValueError):
    """The data cannot carry a propensity score; the message says what is wrong with them."""


@dataclass(frozen=True, eq=False)
class DroppedColumn:
    """A covariate left out of the model, and why: ``constant``, ``collinear`` or ``separates``."""

    name: str
    reason: Literal["constant", "collinear", "separates"]


@dataclass(frozen=True, eq=False)
class PropensityFit:
    """A fitted propensity score.

    Attributes:
        logit: Linear predictor of each unit, float64[n]: the distance to match on.
        names: Columns in the model, in order.
        coefficients: Log odds per unit of the original column, float64[len(names)].
        intercept: Log odds where every column is 0.
        dropped: Columns left out, with the reason.
        n_extreme: Units with a fitted probability within `EXTREME_PROBABILITY` of 0 or 1.
    """

    logit: Float64
    names: tuple[str, ...]
    coefficients: Float64
    intercept: float
    dropped: tuple[DroppedColumn, ...]
    n_extreme: int

    @property
    def probability(self) -> Float64:
        """Fitted probability of being treated, float64[n]."""
        return np.asarray(expit(self.logit), dtype=np.float64)

    def linear_predictor(self, covariates: Float64, names: Sequence[str]) -> Float64:
        """The score of any units, fitted or not; the same row gives the same bits wherever it lies.

        Args:
            covariates: float64[n, p].
            names: The p names; those of the model among them.

        Returns:
            float64[n].
        """
        position = {name: column for column, name in enumerate(names)}
        score = np.full(len(covariates), self.intercept)
        for name, coefficient in zip(self.names, self.coefficients, strict=True):
            score += coefficient * covariates[:, position[name]]
        return score


def logit_scores(
    covariates: Float64,
    treated: Bool,
    weights: Float64 | None = None,
    *,
    names: Sequence[str] | None = None,
    separated: Literal["raise", "drop"] = "raise",
) -> PropensityFit:
    """Fit a logistic regression of treatment on the covariates by maximum likelihood, without penalty.

    Columns are standardised first (which changes no fitted value). Constant columns are dropped, then columns that are
    linear combinations of those before them, in column order. The units are summed in an order that depends on their
    content alone and on one thread, so that row order and the number of cores never change a bit of the result.

    Args:
        covariates: float64[n, p], no missing value, measured before time zero.
        treated: bool[n].
        weights: float64[n] positive case weights, or None for 1.
        names: Names of the p columns for messages and reports; ``x0``, ``x1``, ... by default.
        separated: What to do with a column that alone tells the arms apart (every unit on one side of a value, or every
            holder of a modality, is in one arm): its coefficient has no finite estimate. Refuse, or drop the column.

    Returns:
        The fit.

    Raises:
        PropensityError: When an arm is empty, a value is not finite, no column varies, or the arms are separated.
        ValueError: When shapes disagree.
    """
    n, p = _checked_shape(covariates, treated, weights)
    labels = tuple(f"x{j}" for j in range(p)) if names is None else tuple(names)
    if len(labels) != p:
        raise ValueError(f"{len(labels)} names for {p} columns.")
    _refuse_impossible(covariates, treated, weights, labels)
    low, high = _ranges(covariates, treated)
    varies = high.max(axis=0) > low.min(axis=0)
    dropped = [DroppedColumn(labels[j], "constant") for j in np.flatnonzero(~varies)]
    # One column alone separates the arms, completely or with ties at the border (Albert & Anderson 1984).
    apart = varies & ((low[1] >= high[0]) | (high[1] <= low[0]))
    if apart.any() and separated == "raise":
        culprits = ", ".join(labels[j] for j in np.flatnonzero(apart))
        raise PropensityError(
            f"the arms are separated by {culprits}: some value or modality occurs in one arm only, so that no "
            "finite coefficient exists. Merge modalities, restrict the sample, or leave the column out."
        )
    dropped += [DroppedColumn(labels[j], "separates") for j in np.flatnonzero(apart)]
    kept = np.flatnonzero(varies & ~apart)
    if not len(kept):
        raise PropensityError("no covariate is left to model treatment on: all are constant or were dropped.")
    order = content_order(covariates, treated.astype(np.float64), *(() if weights is None else (weights,)))
    standard, y = covariates[order], treated[order]
    if len(kept) < p:
        standard = standard[:, kept]
    w = None if weights is None else weights[order]
    with threadpool_limits(limits=1):
        centre = np.average(standard, axis=0, weights=w)
        standard -= centre
        scale = np.sqrt(_mean_squares(standard, w))
        standard /= scale
        free = _independent_columns(standard)
        if not free.all():
            dropped += [DroppedColumn(labels[j], "collinear") for j in kept[~free]]
            kept, standard, centre, scale = kept[free], standard[:, free], centre[free], scale[free]
        model = _maximum_likelihood(standard, y, w)
        scores = np.empty(n)
        scores[order] = model.decision_function(standard)
    if scores[treated].min() > scores[~treated].max():
        raise PropensityError(
            "a combination of covariates separates the arms completely: every treated unit scores above every control, "
            "so that no finite estimate exists and no control is comparable."
        )
    coefficients = model.coef_[0] / scale
    extreme = np.abs(scores) > -np.log(EXTREME_PROBABILITY)
    return PropensityFit(
        logit=scores,
        names=tuple(labels[j] for j in kept),
        coefficients=coefficients,
        intercept=float(model.intercept_[0] - coefficients @ centre),
        dropped=tuple(dropped),
        n_extreme=int(extreme.sum()),
    )


def _checked_shape(covariates: Float64, treated: Bool, weights: Float64 | None) -> tuple[int, int]:
    if covariates.ndim != 2:
        raise ValueError("covariates must be a matrix, one row per unit and one column per covariate.")
    n, p = covariates.shape
    if treated.shape != (n,) or treated.dtype != np.bool_:
        raise ValueError("treated must be a boolean array with one value per row of covariates.")
    if weights is not None and weights.shape != (n,):
        raise ValueError("weights must have one value per row of covariates.")
    return n, p


def _refuse_impossible(covariates: Float64, treated: Bool, weights: Float64 | None, labels: Sequence[str]) -> None:
    n_treated = int(treated.sum())
    if n_treated == 0:
        raise PropensityError("there is no treated unit: nothing to compare.")
    if n_treated == len(treated):
        raise PropensityError("there is no control: every unit is treated.")
    missing = ~np.isfinite(covariates).all(axis=0)
    if missing.any():
        culprits = ", ".join(labels[int(j)] for j in np.flatnonzero(missing))
        raise PropensityError(
            f"values are missing or infinite in {culprits}: give them a value or a missing-indicator."
        )
    if weights is not None and not (np.isfinite(weights).all() and (weights > 0).all()):
        raise PropensityError("weights must be positive and finite.")


def _ranges(covariates: Float64, treated: Bool) -> tuple[Float64, Float64]:
    """Smallest and largest value of each column in each arm, both float64[2, p], controls first."""
    low, high = np.full((2, covariates.shape[1]), np.inf), np.full((2, covariates.shape[1]), -np.inf)
    _widen(covariates, treated, low, high)
    return low, high


@compiled
def _widen(covariates: Float64, treated: Bool, low: Float64, high: Float64) -> None:
    for i in range(covariates.shape[0]):
        arm = 1 if treated[i] else 0
        for j in range(covariates.shape[1]):
            low[arm, j] = min(low[arm, j], covariates[i, j])
            high[arm, j] = max(high[arm, j], covariates[i, j])


def _mean_squares(values: Float64, weights: Float64 | None) -> Float64:
    """Weighted mean of the squares of each column, float64[p]."""
    if weights is None:
        return np.asarray(np.einsum("ij,ij->j", values, values) / len(values), dtype=np.float64)
    return np.asarray(np.einsum("ij,ij,i->j", values, values, weights) / weights.sum(), dtype=np.float64)


def _maximum_likelihood(standard: Float64, treated: Bool, weights: Float64 | None) -> Any:
    """The fitted model: from the share treated, and from zero where the iterations lose their way from there.

    The treated are few: iterations from an even chance are mostly spent on the intercept.

    Raises:
        PropensityError: they lose it from zero too.
    """
    model: Any = cast(Any, LogisticRegression)(
        C=np.inf, solver="newton-cholesky", tol=_GRADIENT_TOLERANCE, max_iter=_MAXIMUM_ITERATIONS, warm_start=True
    )
    share = float(treated.mean() if weights is None else weights[treated].sum() / weights.sum())
    for intercept in (np.log(share / (1 - share)), 0.0):
        model.coef_, model.intercept_ = np.zeros((1, standard.shape[1])), np.array([intercept])
        with warnings.catch_warnings():
            # A Hessian without curvature is a way lost, too: what follows is slow and may end anywhere.
            warnings.simplefilter("error", ConvergenceWarning)
            warnings.simplefilter("error", LinAlgWarning)
            try:
                return model.fit(standard, treated, sample_weight=weights)
            except (ConvergenceWarning, LinAlgWarning) as warning:
                lost = warning
    raise PropensityError(
        "maximum likelihood did not converge: a combination of covariates nearly separates the arms."
    ) from lost


def _independent_columns(standard: Float64) -> Bool:
    """Which columns add something to those before them: bool[p]. Columns come centred and of unit variance."""
    p = standard.shape[1]
    correlation = standard.T @ standard / len(standard)
    # A Cholesky factor of the correlations holds, on its diagonal, the part of each column that those before it leave
    # unexplained: quick, but half the digits. Where it is far from nothing everywhere, there is nothing to look into.
    root, failed = lapack.dpotrf(correlation, lower=True)
    if not failed and (np.diag(root) > _CLEARLY_INDEPENDENT).all():
        return np.ones(p, dtype=np.bool_)
    # The triangular factor has the columns' lengths and angles, in p × p instead of n × p.
    factor: Float64 = np.asarray(np.linalg.qr(standard, mode="r"))
    basis = np.empty((factor.shape[0], 0))
    free = np.zeros(p, dtype=np.bool_)
    for j in range(p):
        column = factor[:, j]
        # Twice, since one pass of Gram-Schmidt loses orthogonality where columns are nearly collinear (Kahan).
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length > COLLINEARITY_TOLERANCE * np.linalg.norm(column):
            free[j] = True
            basis = np.column_stack([basis, rest / length])
    return free
