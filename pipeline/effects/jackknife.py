"""Uncertainty of an effect: départements are the draws, not persons.

Platforms open by département, so persons of one département share what happens there. The interval leaves out
one département at a time, in the treated arm and in the comparison arm, and adds the two arms' variances (the
stratified delete-one-group jackknife: Shao & Tu 1995, *The Jackknife and Bootstrap*, section 6.2; Wolter 2007,
chapter 4), with Student's t on one degree of freedom less than there are treated départements (Donald & Lang 2007):

    variance = (G-1)/G sum_g (θ(-g) - mean)² + (C-1)/C sum_c (θ(-c) - mean)²,   θ ± t(G-1) × sqrt(variance)

A set leaves with its treated, so what is particular to its controls counts in both sums. The sum is therefore too
large where persons differ more than départements do. The variance called ``two_way`` takes that part off once, as
two-way clustering does (Cameron, Gelbach & Miller 2011; MacKinnon, Nielsen & Webb 2024, "Jackknife inference with
two-way clustering"): a cell (g, c) leaves the controls of c out of the sets of g alone,

    variance = V(treated) + max(0, V(comparison) - V(cells))

It is the default; ``tests/effects/test_coverage.py`` measures both.

The interval clustered on matched sets is given beside it as "individual level only": it answers how the effect would
vary over other persons of the same départements, and is too short for anything else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from pipeline.effects.sample import BoolArray, FloatArray, MatchedSample, ReplicateWeights

Variance = Literal["two_arms", "two_way"]
DEFAULT_VARIANCE: Variance = "two_way"

JACKKNIFE = "jackknife_departement_t"
JACKKNIFE_TWO_WAY = "jackknife_two_way_departement_t"
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
        cell: (treated département, comparison département) of each cell, empty when cells are not used.
        cell_value: float64[cells], the estimate without the cell.
    """

    department: tuple[str, ...]
    is_treated: BoolArray
    value: FloatArray
    cell: tuple[tuple[str, str], ...] = ()
    cell_value: FloatArray = field(default_factory=lambda: np.empty(0))

    def map(self, change: Callable[[FloatArray], FloatArray]) -> Replicates:
        """The replicates of a function of the estimate."""
        return replace(self, value=change(self.value), cell_value=change(self.cell_value))


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
            draws = draws.map(lambda value: value * factor + shift)
        value, se = self.value * factor + shift, self.se * abs(factor)
        return replace(self, value=value, se=se, ci_low=limits[0], ci_high=limits[1], replicates=draws)


def student_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t."""
    return float(stdtrit(df, probability))


def student_probability(value: float, df: float) -> float:
    """Probability that Student's t is at most ``value``."""
    return float(stdtr(df, value))


def stratified_variance(values: FloatArray, is_treated: BoolArray, cells: FloatArray | None = None) -> FloatArray:
    """Variance of estimates from their delete-one-département replicates, the two arms being drawn apart.

    Args:
        values: float64[r, q], estimates without each département.
        is_treated: bool[r], the arm of the département left out.
        cells: float64[cells, q], estimates without each cell, for the ``two_way`` variance.

    Returns:
        float64[q].
    """
    treated, comparison = _arm_variance(values[is_treated]), _arm_variance(values[~is_treated])
    if cells is None:
        return treated + comparison
    return treated + np.maximum(0.0, comparison - _arm_variance(cells))


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
    two_way = len(replicates.cell) > 0
    cells = replicates.cell_value[:, None] if two_way else None
    se = math.sqrt(float(stratified_variance(replicates.value[:, None], replicates.is_treated, cells)[0]))
    if not math.isfinite(se):  # the statistic does not exist without one of the départements
        return _without_interval(value, treated, TOO_FEW_CLUSTERS, level, replicates)
    reach = student_quantile(0.5 + level / 2, treated - 1) * se
    return Estimate(
        value=value,
        se=se,
        ci_low=value - reach,
        ci_high=value + reach,
        df=float(treated - 1),
        method=JACKKNIFE_TWO_WAY if two_way else JACKKNIFE,
        level=level,
        replicates=replicates,
    )


def _without_interval(value: float, treated: int, reason: str, level: float, replicates: Replicates) -> Estimate:
    nan = math.nan
    df = float(max(treated - 1, 0))
    return Estimate(value, nan, nan, nan, df, level=level, reason=reason, replicates=replicates)


def replicates_of(
    sample: MatchedSample, table: ReplicateWeights, value: FloatArray, cell_value: FloatArray | None = None
) -> Replicates:
    """Name the replicates of a table by département.

    Args:
        sample: the sample of the table.
        table: its replicate weights.
        value: float64[r], the estimate on each replicate of ``table``.
        cell_value: float64[cells], the estimate on each replicate of ``table.overlap``, for the ``two_way`` variance.
    """

    def codes(departments: NDArray[np.int32]) -> tuple[str, ...]:
        return tuple(sample.department_codes[int(d)] for d in departments)

    draws = Replicates(codes(table.department), table.is_treated_department, value)
    if cell_value is None:
        return draws
    cell = tuple(zip(codes(table.overlap.within), codes(table.overlap.department), strict=True))
    return replace(draws, cell=cell, cell_value=cell_value)


def jackknife(
    sample: MatchedSample,
    statistic: Callable[[FloatArray], float],
    *,
    eligible: BoolArray | None = None,
    level: float = 0.95,
    minimum_clusters: int = 3,
    variance: Variance = DEFAULT_VARIANCE,
) -> Estimate:
    """Interval of any statistic of the weights, by leaving out one département at a time.

    Args:
        sample: the matched sample.
        statistic: takes float64[n] weights in the sample's row order; a weight is zero where the row is out.
        eligible: bool[n], rows that may count (all when None).
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.
        variance: how the two arms' variances are joined; ``two_way`` evaluates every cell too.

    Returns:
        The estimate; without interval and with a reason where there are too few départements.

    Raises:
        ValueError: no row is eligible, so that nothing can be evaluated.
    """
    return jackknife_many(
        sample,
        lambda weights: np.array([statistic(weights)]),
        eligible=eligible,
        level=level,
        minimum_clusters=minimum_clusters,
        variance=variance,
    )[0]


def jackknife_many(
    sample: MatchedSample,
    statistic: Callable[[FloatArray], FloatArray],
    *,
    eligible: BoolArray | None = None,
    level: float = 0.95,
    minimum_clusters: int = 3,
    variance: Variance = DEFAULT_VARIANCE,
) -> tuple[Estimate, ...]:
    """As ``jackknife``, for a statistic with several values (float64[q]): one estimate each, from the same draws.

    Raises:
        ValueError: no row is eligible, so that nothing can be evaluated.
    """
    table = sample.replicate_weights(eligible)
    if table.rows.size == 0:
        raise ValueError("No matched set is eligible: there is nothing to evaluate.")
    whole = np.asarray(statistic(table.dense()), dtype=np.float64)
    values = _evaluate(table, statistic, whole.size)
    cells = _evaluate(table.overlap, statistic, whole.size) if variance == "two_way" else None
    return tuple(
        interval(
            float(whole[q]),
            replicates_of(sample, table, values[:, q], None if cells is None else cells[:, q]),
            level=level,
            minimum_clusters=minimum_clusters,
        )
        for q in range(whole.size)
    )


def _evaluate(table: ReplicateWeights, statistic: Callable[[FloatArray], FloatArray], size: int) -> FloatArray:
    """float64[r, size]: the statistic on each replicate, nan where no set is left."""
    values = np.full((table.department.size, size), np.nan)
    for r in np.flatnonzero(table.sets[1] > 0):
        values[r] = statistic(table.dense(int(r)))
    return values


def contrast(first: Estimate, second: Estimate, *, minimum_clusters: int = 3) -> Estimate:
    """Difference of two estimates that share départements, for example two strata of one sample; see ``combined``."""
    return combined(first, second, np.subtract, minimum_clusters=minimum_clusters)


def combined(
    first: Estimate,
    second: Estimate,
    change: Callable[[FloatArray, FloatArray], FloatArray],
    *,
    minimum_clusters: int = 3,
) -> Estimate:
    """A function of two estimates that share départements: their difference, product or ratio.

    A département that has no part in one of the two leaves that one as it is.

    Args:
        first: estimate with replicates.
        second: estimate with replicates.
        change: takes the values of the two, float64[m] each, and gives float64[m].
        minimum_clusters: fewest départements, in each arm, that carry an interval.

    Raises:
        ValueError: an estimate has no replicates.
    """
    if first.replicates is None or second.replicates is None:
        raise ValueError("Estimates are put together by the replicates of both.")
    arms = {
        code: bool(arm)
        for draws in (second.replicates, first.replicates)
        for code, arm in zip(draws.department, draws.is_treated, strict=True)
    }
    departments = tuple(sorted(arms))
    cells = tuple(sorted({*first.replicates.cell, *second.replicates.cell}))
    whole, value, cell_value = (
        change(*pair)
        for pair in zip(
            *(
                (
                    np.array([estimate.value]),
                    _at(departments, draws.department, draws.value, estimate.value),
                    _at(cells, draws.cell, draws.cell_value, estimate.value),
                )
                for estimate, draws in ((first, first.replicates), (second, second.replicates))
            ),
            strict=True,
        )
    )
    replicates = Replicates(
        department=departments,
        is_treated=np.array([arms[code] for code in departments], dtype=np.bool_),
        value=value,
        cell=cells,
        cell_value=cell_value,
    )
    return interval(float(whole[0]), replicates, level=first.level, minimum_clusters=minimum_clusters)


def _at(wanted: tuple[Any, ...], names: tuple[Any, ...], values: FloatArray, whole: float) -> FloatArray:
    """Values by name, the whole estimate where a name has no part in it."""
    known = dict(zip(names, values.tolist(), strict=True))
    return np.array([known.get(name, whole) for name in wanted], dtype=np.float64)


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
