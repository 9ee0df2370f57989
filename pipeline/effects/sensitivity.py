"""How strong an unmeasured difference would have to be to explain an effect away, and tests taken together.

The E-value (VanderWeele & Ding 2017, Annals of Internal Medicine 167:268) is the least association, as a risk ratio,
that something unmeasured would need with both the treatment and the outcome. A difference of means is first brought to
a risk ratio by exp(0.91 d), d being the difference in standard deviations (Chinn 2000; VanderWeele & Ding 2017,
table 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests

from pipeline.effects.jackknife import Estimate
from pipeline.effects.sample import BoolArray, FloatArray, MatchedSample


@dataclass(frozen=True)
class EValue:
    """E-value of the estimate and of the limit of its interval nearest to no effect (1 when it holds no effect)."""

    point: float
    bound: float


def e_value_of_ratio(ratio: float, low: float, high: float) -> EValue:
    """E-value of a risk ratio.

    Args:
        ratio: risk ratio, positive.
        low: lower limit of its interval, nan without one.
        high: upper limit.

    Returns:
        The E-values; ``bound`` is nan without interval.
    """
    nearest = low if ratio >= 1 else 1 / high
    bound = nearest if math.isnan(nearest) else _e_value(max(nearest, 1.0))
    return EValue(point=_e_value(max(ratio, 1 / ratio)) if ratio > 0 else math.nan, bound=bound)


def e_value_of_log_ratio(estimate: Estimate) -> EValue:
    """E-value of a ratio estimated on the logarithm (``matched_log_ratio``)."""
    return e_value_of_ratio(math.exp(estimate.value), math.exp(estimate.ci_low), math.exp(estimate.ci_high))


def e_value_of_difference(estimate: Estimate, standard_deviation: float) -> EValue:
    """E-value of a difference of means, through Cohen's d.

    Args:
        estimate: difference with its interval, in the unit of the outcome.
        standard_deviation: of the outcome, in the same unit (``outcome_standard_deviation``).

    Returns:
        The E-values; nan when the outcome does not vary.
    """
    if not standard_deviation > 0:
        return EValue(math.nan, math.nan)
    ratio, low, high = (
        math.exp(0.91 * value / standard_deviation) for value in (estimate.value, estimate.ci_low, estimate.ci_high)
    )
    return e_value_of_ratio(ratio, low, high)


def outcome_standard_deviation(
    sample: MatchedSample, outcome: NDArray[np.generic], eligible: BoolArray | None = None
) -> float:
    """Standard deviation of an outcome within arms, both arms weighing the same (Cohen 1988, equation 2.5.2).

    Args:
        sample: the matched sample.
        outcome: real[n].
        eligible: bool[n], rows that may count.

    Returns:
        The standard deviation, nan where no set is eligible.
    """
    table = sample.replicate_weights(eligible)
    if table.rows.size == 0:
        return math.nan
    values = np.asarray(outcome, dtype=np.float64)[table.rows]
    variances = []
    for arm in (True, False):
        inside = table.treated == arm
        mean = np.average(values[inside], weights=table.weight[inside])
        variances.append(np.average((values[inside] - mean) ** 2, weights=table.weight[inside]))
    return math.sqrt(float(sum(variances)) / 2)


def holm(p_values: Sequence[float]) -> FloatArray:
    """p-values adjusted for being read together (Holm 1979); nan are not carried and do not count in the family.

    Args:
        p_values: p-values, nan where the data cannot carry the test.

    Returns:
        float64, in the order given; nan stays nan.
    """
    given = np.asarray(p_values, dtype=np.float64)
    carried = ~np.isnan(given)
    adjusted = np.full(given.shape, np.nan)
    if carried.any():
        adjusted[carried] = multipletests(given[carried], method="holm")[1]
    return adjusted


def _e_value(ratio: float) -> float:
    return ratio + math.sqrt(ratio * (ratio - 1))
