"""The effect as a difference of matched means.

An outcome whose horizon is complete needs no survival model: the restricted mean of days on leave is the mean of the
days counted between time zero and the horizon, so that effect, interval, savings and strata all rest on one function.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.effects.jackknife import (
    DEFAULT_VARIANCE,
    NO_PAIRS,
    PAIR_CLUSTERED,
    TOO_FEW_CLUSTERS,
    Estimate,
    Variance,
    interval,
    replicates_of,
    student_quantile,
)
from pipeline.effects.sample import BoolArray, FloatArray, MatchedSample, ReplicateWeights


@dataclass(frozen=True)
class Difference:
    """Treated minus comparison, with what a table row needs.

    Attributes:
        estimate: the difference with its interval over départements.
        individual: the same difference with the interval clustered on matched sets, "individual level only".
        value_treated: mean of the treated.
        value_comparison: weighted mean of the controls.
        n_treated: distinct treated persons.
        n_comparison: distinct control persons.
        n_sets: matched sets.
    """

    estimate: Estimate
    individual: Estimate
    value_treated: float
    value_comparison: float
    n_treated: int
    n_comparison: int
    n_sets: int


def matched_difference(
    sample: MatchedSample,
    outcome: NDArray[np.generic],
    eligible: BoolArray | None = None,
    *,
    level: float = 0.95,
    minimum_clusters: int = 3,
    variance: Variance = DEFAULT_VARIANCE,
) -> Difference:
    """Mean of the treated minus weighted mean of their controls.

    Args:
        sample: the matched sample.
        outcome: real[n], one value per row (days, euros, or 0/1 for a share).
        eligible: bool[n], rows whose outcome is known and counts (all when None). A set that loses its treated or
            all its controls leaves; one that loses some shares their weight.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.
        variance: how the two arms' variances are joined, see ``pipeline.effects.jackknife``.

    Raises:
        ValueError: an outcome that counts is missing.
    """
    table = sample.replicate_weights(eligible)
    values = _known(sample, table, outcome)
    treated, comparison = _means(table, values, True), _means(table, values, False)
    cells = None
    if variance == "two_way":
        cells = _means(table.overlap, values, True)[1] - _means(table.overlap, values, False)[1]
    draws = replicates_of(sample, table, treated[1] - comparison[1], cells)
    return Difference(
        estimate=interval(treated[0] - comparison[0], draws, level=level, minimum_clusters=minimum_clusters),
        individual=_pair_clustered(table, values[table.rows], level),
        value_treated=treated[0],
        value_comparison=comparison[0],
        n_treated=sample.count_persons(_mask(sample, table, True)),
        n_comparison=sample.count_persons(_mask(sample, table, False)),
        n_sets=round(table.sets[0]),
    )


def difference_in_differences(
    sample: MatchedSample,
    after: NDArray[np.generic],
    before: NDArray[np.generic],
    eligible: BoolArray | None = None,
    *,
    level: float = 0.95,
    minimum_clusters: int = 3,
    variance: Variance = DEFAULT_VARIANCE,
) -> Difference:
    """Difference of the changes, treated minus comparison (Abadie 2005 within matched sets).

    Args:
        sample: the matched sample.
        after: real[n], outcome after time zero.
        before: real[n], the same outcome in the reference window before the leave.
        eligible: bool[n], rows with both outcomes known.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.
        variance: how the two arms' variances are joined, see ``pipeline.effects.jackknife``.

    Raises:
        ValueError: an outcome that counts is missing.
    """
    change = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    return matched_difference(
        sample, change, eligible, level=level, minimum_clusters=minimum_clusters, variance=variance
    )


def matched_log_ratio(
    sample: MatchedSample,
    outcome: NDArray[np.generic],
    eligible: BoolArray | None = None,
    *,
    level: float = 0.95,
    minimum_clusters: int = 3,
    variance: Variance = DEFAULT_VARIANCE,
) -> Estimate:
    """Logarithm of the ratio of means, for example of a risk ratio; its limits are exponentiated by the reader.

    Args:
        sample: the matched sample.
        outcome: non-negative real[n].
        eligible: bool[n], rows that may count.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.
        variance: how the two arms' variances are joined, see ``pipeline.effects.jackknife``.

    Returns:
        The estimate; ``no_pairs`` where a mean is zero, for the ratio does not exist.

    Raises:
        ValueError: an outcome that counts is missing.
    """
    table = sample.replicate_weights(eligible)
    values = _known(sample, table, outcome)

    def log_ratio(replicates: ReplicateWeights) -> tuple[float, FloatArray]:
        treated, comparison = _means(replicates, values, True), _means(replicates, values, False)
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = float(np.log(treated[0]) - np.log(comparison[0]))
            return whole if math.isfinite(whole) else math.nan, np.log(treated[1]) - np.log(comparison[1])

    whole, draws = log_ratio(table)
    cells = log_ratio(table.overlap)[1] if variance == "two_way" else None
    return interval(whole, replicates_of(sample, table, draws, cells), level=level, minimum_clusters=minimum_clusters)


def individual_interval(
    sample: MatchedSample,
    outcome: NDArray[np.generic],
    eligible: BoolArray | None = None,
    *,
    level: float = 0.95,
) -> Estimate:
    """The difference with an interval clustered on matched sets: "individual level only".

    The weighted regression of the outcome on the arm, with the cluster-robust HC1 variance MatchIt's documentation
    recommends (Abadie & Spiess 2022). It holds the départements fixed, so it is shorter than the default interval.

    Args:
        sample: the matched sample.
        outcome: real[n].
        eligible: bool[n], rows that may count.
        level: confidence level.

    Raises:
        ValueError: an outcome that counts is missing.
    """
    table = sample.replicate_weights(eligible)
    return _pair_clustered(table, _known(sample, table, outcome)[table.rows], level)


def set_differences(
    sample: MatchedSample, outcome: NDArray[np.generic], eligible: BoolArray | None = None
) -> tuple[FloatArray, NDArray[np.int32]]:
    """Each set's treated minus the mean of its controls, with the treated's département.

    Args:
        sample: the matched sample.
        outcome: real[n].
        eligible: bool[n], rows that may count.

    Returns:
        float64[s] differences and int32[s] positions in ``department_codes``, one per set that stays.

    Raises:
        ValueError: an outcome that counts is missing.
    """
    table = sample.replicate_weights(eligible)
    values = _known(sample, table, outcome)[table.rows]
    return _set_differences(table, values), table.set_department[table.treated]


def _set_differences(table: ReplicateWeights, values: FloatArray) -> FloatArray:
    own_set = np.cumsum(table.treated) - 1  # rows come set by set, treated first
    signed = np.where(table.treated, table.weight, -table.weight) * values
    return np.bincount(own_set, weights=signed, minlength=round(table.sets[0])).astype(np.float64)


def _pair_clustered(table: ReplicateWeights, values: FloatArray, level: float) -> Estimate:
    nan, n_sets = math.nan, round(table.sets[0])
    of_set = _set_differences(table, values)
    value = float(of_set.mean()) if n_sets else nan
    if n_sets < 2:
        return Estimate(value, nan, nan, nan, nan, PAIR_CLUSTERED, level, TOO_FEW_CLUSTERS if n_sets else NO_PAIRS)
    n = table.rows.size
    scale = n_sets / (n_sets - 1) * (n - 1) / (n - 2)
    se = math.sqrt(scale * float(((of_set - value) ** 2).sum())) / n_sets
    reach = student_quantile(0.5 + level / 2, n_sets - 1) * se
    return Estimate(value, se, value - reach, value + reach, float(n_sets - 1), PAIR_CLUSTERED, level)


def _known(sample: MatchedSample, table: ReplicateWeights, outcome: NDArray[np.generic]) -> FloatArray:
    values = np.asarray(outcome, dtype=np.float64)
    if values.shape != (sample.n_rows,):
        raise ValueError("An outcome holds one value per membership.")
    missing = int(np.count_nonzero(~np.isfinite(values[table.rows])))
    if missing:
        raise ValueError(f"{missing} memberships that count have no outcome: leave them out with `eligible`.")
    return values


def _means(table: ReplicateWeights, values: FloatArray, treated: bool) -> tuple[float, FloatArray]:
    """Mean of one arm, of the whole sample and of each replicate; both arms' weights sum to the number of sets."""
    whole, replicate = table.totals(values[table.arm_rows(treated)][:, None], treated)
    sets, sets_of_replicate = table.sets
    means = np.divide(
        replicate[:, 0], sets_of_replicate, out=np.full(sets_of_replicate.shape, np.nan), where=sets_of_replicate > 0
    )
    return (float(whole[0]) / sets if sets > 0 else math.nan), means


def _mask(sample: MatchedSample, table: ReplicateWeights, treated: bool) -> BoolArray:
    mask = np.zeros(sample.n_rows, dtype=np.bool_)
    mask[table.arm_rows(treated)] = True
    return mask
