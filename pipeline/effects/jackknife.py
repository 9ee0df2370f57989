"""Uncertainty of an effect: départements are the draws, not persons.

Platforms open by département, so persons of one département share what happens there. The default interval leaves out
one département at a time, in the treated arm and in the comparison arm, and adds the two arms' variances (the
stratified delete-one-group jackknife: Shao & Tu 1995, *The Jackknife and Bootstrap*, section 6.2; Wolter 2007,
chapter 4), with Student's t on one degree of freedom less than there are treated départements (Donald & Lang 2007):

    variance = (G-1)/G sum_g (θ(-g) - mean)² + (C-1)/C sum_c (θ(-c) - mean)²,   θ ± t(G-1) × sqrt(variance)

The interval clustered on matched sets is given beside it as "individual level only": it answers how the effect would
vary over other persons of the same départements, and is too short for anything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit

from pipeline.effects.sample import BoolArray, FloatArray, MatchedSample, ReplicateWeights

JACKKNIFE = "jackknife_departement_t"
PAIR_CLUSTERED = "pair_clustered_individual_level_only"
TOO_FEW_CLUSTERS = "too_few_clusters"
NO_PAIRS = "no_pairs"


@dataclass(frozen=True)
class Replicates:
    """An estimate without each département in turn.

    Attributes:
        department: codes of the départements left out.
        is_treated: bool[r], those that hold treated persons.
        value: float64[r], the estimate without the département.
    """

    department: tuple[str, ...]
    is_treated: BoolArray
    value: FloatArray


@dataclass(frozen=True)
class Estimate:
    """An estimate with its interval; the interval is nan where the data cannot carry one, and ``reason`` says why.

    Attributes:
        value: the estimate, in the unit of the outcome.
        se: standard error.
        ci_low: lower limit.
        ci_high: upper limit.
        df: degrees of freedom of Student's t.
        method: how the interval is made.
        level: confidence level.
        reason: None, ``too_few_clusters`` or ``no_pairs``.
        replicates: the values without each département, when the method leaves départements out.
    """

    value: float
    se: float
    ci_low: float
    ci_high: float
    df: float
    method: str = JACKKNIFE
    level: float = 0.95
    reason: str | None = None
    replicates: Replicates | None = None

    @property
    def n_treated_departments(self) -> int:
        """Départements of the treated arm (0 when the method has no replicates)."""
        return 0 if self.replicates is None else int(np.count_nonzero(self.replicates.is_treated))

    def linear(self, factor: float, shift: float = 0.0) -> Estimate:
        """The estimate of ``factor × θ + shift``, with the same draws; both numbers are known constants."""
        limits = sorted((self.ci_low * factor + shift, self.ci_high * factor + shift))
        draws = self.replicates
        if draws is not None:
            draws = replace(draws, value=draws.value * factor + shift)
        value, se = self.value * factor + shift, self.se * abs(factor)
        return replace(self, value=value, se=se, ci_low=limits[0], ci_high=limits[1], replicates=draws)


def student_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t."""
    return float(stdtrit(df, probability))


def student_probability(value: float, df: float) -> float:
    """Probability that Student's t is at most ``value``."""
    return float(stdtr(df, value))


def stratified_variance(values: FloatArray, is_treated: BoolArray) -> FloatArray:
    """Variance of estimates from their delete-one-département replicates, the two arms being drawn apart.

    Args:
        values: float64[r, q], estimates without each département.
        is_treated: bool[r], the arm of the département left out.

    Returns:
        float64[q].
    """
    return _arm_variance(values[is_treated]) + _arm_variance(values[~is_treated])


def _arm_variance(values: FloatArray) -> FloatArray:
    n = values.shape[0]
    if n < 2:
        return np.full(values.shape[1], np.nan)
    variance: FloatArray = (n - 1) / n * ((values - values.mean(axis=0)) ** 2).sum(axis=0)
    return variance


def one_arm_interval(
    full: FloatArray, values: FloatArray, *, level: float = 0.95, minimum_clusters: int = 3
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Jackknife over the départements of one arm alone, for what is said of that arm.

    Args:
        full: float64[q], estimates of the whole arm.
        values: float64[d, q], estimates without each of its départements.
        level: confidence level.
        minimum_clusters: fewest départements that carry an interval.

    Returns:
        Standard errors, lower and upper limits, float64[q] each; nan below ``minimum_clusters``.
    """
    n = values.shape[0]
    if n < max(minimum_clusters, 2):
        nothing = np.full(full.shape, np.nan)
        return nothing, nothing, nothing
    se = np.sqrt(_arm_variance(values))
    reach = student_quantile(0.5 + level / 2, n - 1) * se
    return se, full - reach, full + reach


def interval(value: float, replicates: Replicates, *, level: float = 0.95, minimum_clusters: int = 3) -> Estimate:
    """Make an estimate of a value and its replicates.

    Args:
        value: estimate of the whole sample.
        replicates: estimates without each département.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval (never below 2).
    """
    treated = int(np.count_nonzero(replicates.is_treated))
    comparison = replicates.is_treated.size - treated
    if math.isnan(value):
        return _without_interval(value, treated, NO_PAIRS, level, replicates)
    if min(treated, comparison) < max(minimum_clusters, 2):
        return _without_interval(value, treated, TOO_FEW_CLUSTERS, level, replicates)
    se = math.sqrt(float(stratified_variance(replicates.value[:, None], replicates.is_treated)[0]))
    reach = student_quantile(0.5 + level / 2, treated - 1) * se
    return Estimate(
        value=value,
        se=se,
        ci_low=value - reach,
        ci_high=value + reach,
        df=float(treated - 1),
        level=level,
        replicates=replicates,
    )


def _without_interval(value: float, treated: int, reason: str, level: float, replicates: Replicates) -> Estimate:
    nan = math.nan
    df = float(max(treated - 1, 0))
    return Estimate(value, nan, nan, nan, df, level=level, reason=reason, replicates=replicates)


def replicates_of(sample: MatchedSample, table: ReplicateWeights, value: FloatArray) -> Replicates:
    """Name the replicates of a table by département.

    Args:
        sample: the sample of the table.
        table: its replicate weights.
        value: float64[r].
    """
    codes = tuple(sample.department_codes[int(d)] for d in table.department)
    return Replicates(codes, table.is_treated_department, np.asarray(value, dtype=np.float64))


def jackknife(
    sample: MatchedSample,
    statistic: Callable[[FloatArray], float],
    *,
    eligible: BoolArray | None = None,
    level: float = 0.95,
    minimum_clusters: int = 3,
) -> Estimate:
    """Interval of any statistic of the weights, by leaving out one département at a time.

    Args:
        sample: the matched sample.
        statistic: takes float64[n] weights in the sample's row order; a weight is zero where the row is out.
        eligible: bool[n], rows that may count (all when None).
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.

    Returns:
        The estimate; without interval and with a reason where there are too few départements.
    """
    table = sample.replicate_weights(eligible)
    if table.rows.size == 0:
        return interval(math.nan, replicates_of(sample, table, np.empty(0)), level=level)
    whole = float(statistic(table.dense()))
    alive = table.sets[1] > 0
    values = np.array([float(statistic(table.dense(r))) if alive[r] else math.nan for r in range(alive.size)])
    return interval(whole, replicates_of(sample, table, values), level=level, minimum_clusters=minimum_clusters)


def jackknife_many(
    sample: MatchedSample,
    statistic: Callable[[FloatArray], FloatArray],
    *,
    eligible: BoolArray | None = None,
    level: float = 0.95,
    minimum_clusters: int = 3,
) -> tuple[Estimate, ...]:
    """As ``jackknife``, for a statistic with several values (float64[q]): one estimate each, from the same draws."""
    table = sample.replicate_weights(eligible)
    whole = np.asarray(statistic(table.dense()), dtype=np.float64)
    alive = table.sets[1] > 0
    values = np.full((alive.size, whole.size), np.nan)
    for r in np.flatnonzero(alive):
        values[r] = statistic(table.dense(int(r)))
    return tuple(
        interval(
            float(whole[q]),
            replicates_of(sample, table, values[:, q]),
            level=level,
            minimum_clusters=minimum_clusters,
        )
        for q in range(whole.size)
    )


def contrast(first: Estimate, second: Estimate, *, minimum_clusters: int = 3) -> Estimate:
    """Difference of two estimates that share départements, for example of two strata of one sample.

    A département that has no part in one of the two leaves that one as it is.

    Args:
        first: estimate with replicates.
        second: estimate taken from it, with replicates.
        minimum_clusters: fewest départements, in each arm, that carry an interval.

    Raises:
        ValueError: an estimate has no replicates.
    """
    if first.replicates is None or second.replicates is None:
        raise ValueError("A contrast needs the replicates of both estimates.")
    sides = [
        (estimate.value, dict(zip(draws.department, draws.value, strict=True)))
        for estimate, draws in ((first, first.replicates), (second, second.replicates))
    ]
    arms = {
        code: bool(arm)
        for draws in (second.replicates, first.replicates)
        for code, arm in zip(draws.department, draws.is_treated, strict=True)
    }
    codes = tuple(sorted(arms))
    values = [np.array([draws.get(code, whole) for code in codes], dtype=np.float64) for whole, draws in sides]
    replicates = Replicates(codes, np.array([arms[code] for code in codes], dtype=np.bool_), values[0] - values[1])
    return interval(first.value - second.value, replicates, level=first.level, minimum_clusters=minimum_clusters)


def two_sided_p(estimate: Estimate) -> float:
    """Two-sided p-value against no effect, by Student's t: the level at which the interval just reaches zero.

    Args:
        estimate: an estimate with an interval.

    Returns:
        The p-value; nan without interval. An estimate of exactly zero with no spread gives 1.
    """
    if math.isnan(estimate.se):
        return math.nan
    if estimate.se == 0:
        return 1.0 if estimate.value == 0 else 0.0
    return 2 * student_probability(-abs(estimate.value) / estimate.se, estimate.df)
