"""The propensity score: the probability of being treated given what was known before time zero, by maximum likelihood.

The score used for matching is its logit, the linear predictor (Rosenbaum & Rubin 1985, American Statistician 39:33).
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from pipeline.matching.problem import Bool, Float64, Int64

COLLINEARITY_TOLERANCE = 1e-7
"""A column whose part unexplained by the columns before it is below this share of its length is dropped (R's lm)."""

EXTREME_PROBABILITY = 1e-8
"""Fitted probabilities nearer than this to 0 or 1 are counted: many of them say that the arms hardly overlap."""

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
    order = _content_order(covariates, treated, weights)
    x, y = covariates[order], treated[order]
    w = np.ones(n) if weights is None else weights[order]
    with threadpool_limits(limits=1):
        centre = np.average(x, axis=0, weights=w)
        scale = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=w))
        varies = x.max(axis=0) > x.min(axis=0)
        dropped = [DroppedColumn(labels[j], "constant") for j in np.flatnonzero(~varies)]
        kept = np.flatnonzero(varies)
        apart = np.array([_separates(x[:, j], y) for j in kept], dtype=np.bool_)
        if apart.any() and separated == "raise":
            culprits = ", ".join(labels[j] for j in kept[apart])
            raise PropensityError(
                f"the arms are separated by {culprits}: some value or modality occurs in one arm only, so that no "
                "finite coefficient exists. Merge modalities, restrict the sample, or leave the column out."
            )
        dropped += [DroppedColumn(labels[j], "separates") for j in kept[apart]]
        kept = kept[~apart]
        standard = (x[:, kept] - centre[kept]) / scale[kept]
        free = _independent_columns(standard)
        dropped += [DroppedColumn(labels[j], "collinear") for j in kept[~free]]
        kept, standard = kept[free], standard[:, free]
        if not len(kept):
            raise PropensityError("no covariate is left to model treatment on: all are constant or were dropped.")
        model: Any = cast(Any, LogisticRegression)(
            C=np.inf, solver="newton-cholesky", tol=_GRADIENT_TOLERANCE, max_iter=_MAXIMUM_ITERATIONS
        )
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                model.fit(standard, y, sample_weight=None if weights is None else w)
            except ConvergenceWarning as warning:
                raise PropensityError(
                    "maximum likelihood did not converge: a combination of covariates nearly separates the arms."
                ) from warning
        scores = np.empty(n)
        scores[order] = model.decision_function(standard)
    if scores[treated].min() > scores[~treated].max():
        raise PropensityError(
            "a combination of covariates separates the arms completely: every treated unit scores above every control, "
            "so that no finite estimate exists and no control is comparable."
        )
    coefficients = model.coef_[0] / scale[kept]
    extreme = np.abs(scores) > -np.log(EXTREME_PROBABILITY)
    return PropensityFit(
        logit=scores,
        names=tuple(labels[j] for j in kept),
        coefficients=coefficients,
        intercept=float(model.intercept_[0] - coefficients @ centre[kept]),
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


def _content_order(covariates: Float64, treated: Bool, weights: Float64 | None) -> Int64:
    """An order of the rows that depends on what they hold, not on where they lie.

    Rows are sorted by a 64-bit mix of their content (SplitMix64's finaliser, Steele et al. 2014): rows that tie are the
    same row, bar collisions of probability n²/2⁶⁵.
    """
    columns = [*covariates.T, treated.astype(np.float64)]
    if weights is not None:
        columns.append(weights)
    mixed = np.zeros(len(treated), dtype=np.uint64)
    for column in columns:
        # Adding 0.0 makes -0.0 and 0.0 the same bits.
        mixed = (mixed ^ np.ascontiguousarray(column + 0.0).view(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return np.argsort(mixed, kind="stable")


def _separates(column: Float64, treated: Bool) -> bool:
    """Whether one column alone separates the arms, completely or with ties at the border (Albert & Anderson 1984)."""
    own, theirs = column[treated], column[~treated]
    return bool(own.min() >= theirs.max() or own.max() <= theirs.min())


def _independent_columns(standard: Float64) -> Bool:
    """Which columns add something to those before them: bool[p]. Columns come centred and of unit variance."""
    # The triangular factor has the columns' lengths and angles, in p × p instead of n × p.
    factor: Float64 = np.asarray(np.linalg.qr(standard, mode="r"))
    basis = np.empty((factor.shape[0], 0))
    free = np.zeros(standard.shape[1], dtype=np.bool_)
    for j in range(standard.shape[1]):
        column = factor[:, j]
        # Twice, since one pass of Gram-Schmidt loses orthogonality where columns are nearly collinear (Kahan).
        rest = column - basis @ (basis.T @ column)
        rest = rest - basis @ (basis.T @ rest)
        length = np.linalg.norm(rest)
        if length > COLLINEARITY_TOLERANCE * np.linalg.norm(column):
            free[j] = True
            basis = np.column_stack([basis, rest / length])
    return free
