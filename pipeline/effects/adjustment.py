"""Doubly robust estimates: what the comparison leaves of the covariates, a regression takes off.

Both learn the outcome on comparison persons alone, m0(x), so that the treated's covariates are never read together with
their outcomes, and estimate the effect on the treated

    mean over the treated of (y - m0(x))  -  weighted mean over the comparison of (y - m0(x)).

It is right where either the weights or the regression is (Robins, Rotnitzky & Zhao 1994; for matched samples Abadie &
Imbens 2011, Ho, Imai, King & Stuart 2007).

- `adjusted_difference`: in matched sets, weighted as `matched_difference` weighs them.
- `weighted_difference` (AIPW for the treated): over all comparison persons with a treated one in their exact stratum,
  weighted by the odds of the propensity; the regression is not weighted.

The intervals leave out one département at a time like every other. The regression is fitted again without each; its
normal equations are sums over persons, so that all replicates come from one pass, without approximation. Matching
and propensity stay those of the whole sample, as they do for the effect itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from pipeline.effects.difference import Difference, individual_interval
from pipeline.effects.jackknife import DEFAULT_VARIANCE, Replicates, Variance, interval, replicates_of
from pipeline.effects.sample import BoolArray, FloatArray, MatchedSample, ReplicateWeights

_TOLERANCE = 1e-9
"""Relative size under which a direction of the covariates does not vary (columns have unit variance)."""


def adjusted_difference(
    sample: MatchedSample,
    outcome: NDArray[np.generic],
    covariates: FloatArray,
    eligible: BoolArray | None = None,
    *,
    level: float = 0.95,
    minimum_clusters: int = 3,
    variance: Variance = DEFAULT_VARIANCE,
) -> Difference:
    """Difference of matched means, adjusted by a regression fitted to the controls.

    With an intercept and the matching weights, the controls' weighted residuals are zero on average: the effect is the
    treated's mean less what the regression predicts for them.

    Args:
        sample: the matched sample.
        outcome: real[n].
        covariates: float64[n, p], known before time zero; columns may be redundant.
        eligible: bool[n], rows whose outcome is known and counts.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.
        variance: how the two arms' variances are joined, see ``pipeline.effects.jackknife``.

    Returns:
        The difference; its `value_comparison` is what the regression predicts for the treated, its `individual`
        interval that of the residuals, the regression held fixed.

    Raises:
        ValueError: an outcome that counts is missing, or covariates have not one line per membership.
    """
    if covariates.ndim != 2 or covariates.shape[0] != sample.n_rows:
        raise ValueError("Covariates have one line per membership.")
    table = sample.replicate_weights(eligible)
    values = np.asarray(outcome, dtype=np.float64)
    if not np.isfinite(values[table.rows]).all():
        raise ValueError("A membership that counts has no outcome: leave it out with `eligible`.")
    design = _design(covariates, table.rows)
    whole, without = _adjusted(table, values, design)
    cells = _adjusted(table.overlap, values, design)[1] if variance == "two_way" else None
    treated, coefficients = whole
    predicted = design @ coefficients
    of_treated = table.arm_rows(True)
    estimate = interval(
        float(treated), replicates_of(sample, table, without, cells), level=level, minimum_clusters=minimum_clusters
    )
    value = float(np.mean(values[of_treated])) if of_treated.size else float("nan")
    return Difference(
        estimate=estimate,
        individual=individual_interval(sample, values - predicted, eligible, level=level),
        value_treated=value,
        value_comparison=value - float(treated),
        n_treated=_persons(sample, of_treated),
        n_comparison=_persons(sample, table.arm_rows(False)),
        n_sets=round(table.sets[0]),
    )


def weighted_difference(
    treated: BoolArray,
    weights: FloatArray,
    department: NDArray[np.object_],
    person: NDArray[np.integer],
    outcome: NDArray[np.generic],
    covariates: FloatArray,
    *,
    level: float = 0.95,
    minimum_clusters: int = 3,
) -> Difference:
    """Augmented inverse-probability weighting for the effect on the treated.

    Args:
        treated: bool[n], one row per unit.
        weights: float64[n], odds of the propensity of the comparison units, read up to a factor; not read elsewhere.
        department: str[n].
        person: int[n], for counting persons.
        outcome: real[n], known for all.
        covariates: float64[n, p], what the regression adjusts for.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.

    Returns:
        The difference, without an interval at the individual level.

    Raises:
        ValueError: an outcome is missing or a weight of the comparison is not positive.
    """
    values = np.asarray(outcome, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("A unit has no outcome: leave it out.")
    if not (weights[~treated] > 0).all():
        raise ValueError("Odds are positive.")
    codes, place = np.unique(department.astype(np.str_), return_inverse=True)
    # Sums follow département, arm and person, whatever the order given.
    order = np.lexsort((values, person, treated, place))
    treated, values, place = treated[order], values[order], place[order]
    design, odds = _design(covariates[order], np.arange(order.size)), np.where(treated, 1.0, weights[order])
    width, cuts = design.shape[1], np.searchsorted(2 * place + treated, np.arange(2 * codes.size + 1))
    gram, cross = np.zeros((codes.size, width, width)), np.zeros((codes.size, width))
    mean_parts = np.zeros((codes.size, 2, 2 + width))  # of each arm: odds, outcome and design weighted by them
    with threadpool_limits(limits=1):  # more threads would add up in another order
        for group in range(2 * codes.size):
            rows, (code, arm) = slice(cuts[group], cuts[group + 1]), divmod(group, 2)
            x, y, w = design[rows], values[rows], odds[rows]
            mean_parts[code, arm] = np.concatenate([[w.sum(), w @ y], w @ x])
            if arm == 0:
                gram[code], cross[code] = x.T @ x, y @ x

    def effect(left_out: NDArray[np.integer]) -> float:
        keep = np.ones(codes.size, dtype=np.bool_)
        keep[left_out] = False
        beta = _solve(gram[keep].sum(axis=0)[None], cross[keep].sum(axis=0)[None])[0]
        sums = mean_parts[keep].sum(axis=0)
        if (sums[:, 0] <= 0).any():
            return float("nan")
        residual = (sums[:, 1] - sums[:, 2:] @ beta) / sums[:, 0]
        return float(residual[1] - residual[0])

    is_treated = np.diff(cuts)[1::2] > 0
    whole = effect(np.empty(0, dtype=np.int64))
    draws = Replicates(
        tuple(str(code) for code in codes), is_treated, np.array([effect(np.array([d])) for d in range(codes.size)])
    )
    estimate = interval(whole, draws, level=level, minimum_clusters=minimum_clusters)
    value = float(values[treated].mean()) if treated.any() else float("nan")
    people = person[order]
    nothing = interval(float("nan"), draws, level=level, minimum_clusters=minimum_clusters)
    return Difference(
        estimate=estimate, individual=nothing, value_treated=value, value_comparison=value - whole,
        n_treated=np.unique(people[treated]).size, n_comparison=np.unique(people[~treated]).size,
        n_sets=int(treated.sum()),
    )  # fmt: skip


def _design(covariates: FloatArray, rows: NDArray[np.integer]) -> FloatArray:
    """An intercept and the covariates, numbers centred and scaled over the rows that count.

    Indicators are not centred: one that nobody has in a replicate is then zero there, and has no coefficient.
    """
    known = covariates[rows]
    if not rows.size:
        return np.hstack([np.ones((len(covariates), 1)), covariates])
    indicator = ((known == 0) | (known == 1)).all(axis=0)
    centre = np.where(indicator, 0.0, known.mean(axis=0))
    scale = known.std(axis=0)
    varies = scale > _TOLERANCE * np.maximum(np.abs(centre), 1.0)
    scaled = np.where(varies, (covariates - centre) / np.where(varies, scale, 1.0), 0.0)
    return np.hstack([np.ones((len(covariates), 1)), scaled])


def _adjusted(
    table: ReplicateWeights, values: FloatArray, design: FloatArray
) -> tuple[tuple[float, FloatArray], FloatArray]:
    """The whole sample's effect and coefficients, and the effect on each replicate."""
    control, treated = table.arm_rows(False), table.arm_rows(True)
    x, y = design[control], values[control]
    grams = [table.totals(x * x[:, [j]], False) for j in range(design.shape[1])]
    cross = table.totals(x * y[:, None], False)
    means = table.totals(np.hstack([values[treated][:, None], design[treated]]), True)
    sets, sets_of_replicate = table.sets
    whole = _solve(np.stack([g[0] for g in grams])[None], cross[0][None])[0]
    without = _solve(np.stack([g[1] for g in grams], axis=1), cross[1])
    totals = means[1][:, 0] - np.einsum("rp,rp->r", means[1][:, 1:], without)
    effects = np.divide(totals, sets_of_replicate, out=np.full(totals.shape, np.nan), where=sets_of_replicate > 0)
    effect = (float(means[0][0]) - float(means[0][1:] @ whole)) / sets if sets > 0 else float("nan")
    return (effect, whole), effects


def _solve(gram: FloatArray, cross: FloatArray) -> FloatArray:
    """float64[r, p]: least-squares coefficients of r normal equations, of least norm where covariates are redundant."""
    inverse = np.linalg.pinv(gram, rcond=_TOLERANCE, hermitian=True)
    solved: FloatArray = np.einsum("rpq,rq->rp", inverse, cross)
    return solved


def _persons(sample: MatchedSample, rows: NDArray[np.integer]) -> int:
    mask = np.zeros(sample.n_rows, dtype=np.bool_)
    mask[rows] = True
    return sample.count_persons(mask)
