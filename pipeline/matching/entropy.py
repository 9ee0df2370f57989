"""Entropy balancing: the weights nearest to some base weights that give the controls the treated units' moments.

Hainmueller 2012, Political Analysis 20:25. The weights minimise the relative entropy to the base under exact moment
conditions; the dual is smooth, convex, and has one variable per moment. In the sample they equal the weights of a
logistic propensity fitted by those moment conditions, which makes the estimate doubly robust (Zhao & Percival 2017,
Journal of Causal Inference 5:1).
"""

from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from typing import Any

import numpy as np
from scipy import optimize
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from pipeline.matching.content import content_order
from pipeline.matching.problem import Bool, Float64, Int64
from pipeline.matching.result import Comparison, refuse, require

TOLERANCE = 1e-8
"""Largest gap allowed between a moment of the weighted controls and of the treated, in SDs of the controls."""
_ITERATIONS = 500
_LAST_STEPS = 10


class EntropyError(ValueError):
    """No weights balance these arms; the message says why in one sentence."""


@dataclass(frozen=True, eq=False)
class WeightingResult(Comparison):
    """Controls weighted to the moments of all treated units.

    Attributes:
        n_treated: Treated units; all of them count, none is left out.
        weights: Control weights, float64[n_control], that sum to ``n_treated``; 0 where the base weight is 0.
        moments: Names of the balanced moments.
        based: Whether base weights other than 1 were given.
        standard: The moments of each control less those of the treated, in SDs, float64[n_control, k]: looked at when
            the result is made, and not kept.

    Raises:
        MatchVerificationError: At construction, when a weight is negative, the sum is wrong, or a moment is not met.
    """

    n_treated: int
    weights: Float64
    moments: tuple[str, ...]
    based: bool
    standard: InitVar[Float64]

    def __post_init__(self, standard: Float64) -> None:
        require(np.isfinite(self.weights).all().item(), "a weight is not finite")
        refuse(self.weights < 0, "are negative", "weights")
        require(standard.shape == (len(self.weights), len(self.moments)), "moments and weights do not have one shape")
        total = float(self.weights.sum())
        require(abs(total - self.n_treated) <= 1e-9 * self.n_treated, "control weights do not sum to the treated units")
        refuse(np.abs(self.weights @ standard) > TOLERANCE * total, "are not met", "moments")

    @property
    def treated_weights(self) -> Float64:
        """float64[n_treated]: 1 each."""
        return np.ones(self.n_treated)

    @property
    def control_weights(self) -> Float64:
        """The weights."""
        return self.weights

    @property
    def unmatched_reason(self) -> Int64:
        """Nobody is left out."""
        return np.zeros(self.n_treated, dtype=np.int64)

    @property
    def method(self) -> tuple[str, ...]:
        """The title, the moments and the base."""
        base = "base weights: given" if self.based else "base weights: 1"
        return ("entropy balancing", f"moments balanced: {len(self.moments)}", base)


def entropy_weights(
    covariates: Float64,
    treated: Bool,
    *,
    names: Sequence[str] | None = None,
    moments: int = 1,
    base: Float64 | None = None,
) -> WeightingResult:
    """Weight the controls so that their covariates have the treated units' means.

    Units are summed in an order of content and on one thread: row order and cores never change a bit.

    Args:
        covariates: float64[n, p], no missing value.
        treated: bool[n].
        names: Names of the p columns; ``x0``, ``x1``, ... by default.
        moments: 1 for means, 2 for means and variances.
        base: Weights to stay near to, float64[n_control], 1 each when None: those of a matching make its balance exact.
            Controls of base weight 0 stay out.

    Returns:
        The verified weights.

    Raises:
        EntropyError: When the treated moments are out of the controls' reach, or the search does not converge.
        ValueError: When shapes disagree, an arm is empty, or a value is out of range.
    """
    n, p = covariates.shape
    labels = tuple(f"x{j}" for j in range(p)) if names is None else tuple(names)
    if treated.shape != (n,) or len(labels) != p or moments not in (1, 2):
        raise ValueError("covariates must be [n, p], with p names, n treatment marks, and one or two moments.")
    if not treated.any() or treated.all() or not np.isfinite(covariates).all():
        raise ValueError("entropy balancing needs treated units, controls and finite values.")
    n_treated, n_control = int(treated.sum()), int((~treated).sum())
    start = np.ones(n_control) if base is None else base
    if start.shape != (n_control,) or not (np.isfinite(start).all() and (start >= 0).all() and start.any()):
        raise ValueError("base weights must be finite, not negative, one per control, and not all 0.")
    offered = start > 0
    own, theirs = covariates[treated], covariates[~treated][offered]
    own = own[content_order(own)]
    order = content_order(theirs, start[offered])
    theirs, share = theirs[order], start[offered][order]
    share = share / share.sum()
    if moments == 2:
        # About the treated mean: the means being equal, so are then the variances.
        centre = own.mean(axis=0)
        own, theirs = np.hstack([own, (own - centre) ** 2]), np.hstack([theirs, (theirs - centre) ** 2])
        labels = (*labels, *(f"{name}, squared" for name in labels))
    target, deviation = own.mean(axis=0), theirs.std(axis=0)
    beyond = (target < theirs.min(axis=0)) | (target > theirs.max(axis=0))
    if beyond.any():
        raise EntropyError(_out_of_reach([labels[j] for j in np.flatnonzero(beyond)]))
    varies = deviation > 0
    standard = (theirs[:, varies] - target[varies]) / deviation[varies]
    kept = tuple(labels[j] for j in np.flatnonzero(varies))
    with threadpool_limits(limits=1):
        weights = _solve(standard, share, kept) if kept else share
        out, shown = np.zeros(n_control), np.zeros((n_control, len(kept)))
        place = np.flatnonzero(offered)[order]
        out[place], shown[place] = weights * n_treated, standard
        return WeightingResult(n_treated, out, kept, base is not None, shown)


def _solve(standard: Float64, share: Float64, names: Sequence[str]) -> Float64:
    """Weights, summing to 1, nearest to ``share`` under which every column has mean 0."""
    log_share = np.log(share)

    def weights(slope: Float64) -> Float64:
        index = standard @ slope + log_share
        return np.asarray(np.exp(index - logsumexp(index)), dtype=np.float64)

    def value(slope: Float64) -> float:
        return float(logsumexp(standard @ slope + log_share))

    def gradient(slope: Float64) -> Float64:
        return np.asarray(weights(slope) @ standard, dtype=np.float64)

    def hessian(slope: Float64) -> Float64:
        w = weights(slope)
        mean = w @ standard
        return np.asarray((standard * w[:, None]).T @ standard - np.outer(mean, mean), dtype=np.float64)

    def apart(slope: Float64) -> bool:
        # Were the target a mean of controls, a weighted mean of these indices would be 0: all below it tell it is not.
        return bool((standard @ slope).max() < 0)

    def stop(intermediate_result: Any) -> None:
        if apart(intermediate_result.x) or np.abs(gradient(intermediate_result.x)).max() <= TOLERANCE / 100:
            raise StopIteration

    found: Any = optimize.minimize(
        value,
        np.zeros(standard.shape[1]),
        jac=gradient,
        hess=hessian,
        method="trust-exact",
        callback=stop,
        options={"gtol": TOLERANCE / 100, "maxiter": _ITERATIONS},
    )
    slope = found.x
    # The last digits: values that differ by less than their rounding no longer guide, gradients still do.
    for _ in range(_LAST_STEPS):
        gap = gradient(slope)
        better = slope - np.linalg.lstsq(hessian(slope), gap, rcond=None)[0]
        if not np.abs(gradient(better)).max() < np.abs(gap).max():
            break
        slope = better
    gap = np.abs(gradient(slope))
    if apart(slope) or (gap > TOLERANCE / 2).any():
        worst = [names[j] for j in np.argsort(-gap, kind="stable")[:3] if gap[j] > TOLERANCE / 2] or list(names[:3])
        if (standard @ slope).max() <= TOLERANCE * np.abs(standard @ slope).max():
            raise EntropyError(_out_of_reach(worst))
        raise EntropyError(
            f"entropy balancing did not converge: {', '.join(worst)} stayed off by up to {gap.max():.2g} SD."
        )
    return weights(slope)


def _out_of_reach(names: Sequence[str]) -> str:
    return (
        "no weights on the controls give them the treated moments, which lie outside the controls' convex hull or on "
        f"its edge, farthest in {', '.join(names)}."
    )
