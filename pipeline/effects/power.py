"""The smallest effect the study can see, said before any effect is read."""

from __future__ import annotations

import math

from pipeline.effects.jackknife import Estimate, student_quantile


def minimum_detectable_effect(estimate: Estimate, *, power: float = 0.8, level: float = 0.95) -> float:
    """The true effect that the study would find different from zero with the given power.

    Bloom 1995, "Minimum detectable effects", Evaluation Review 19(5): a multiple of the standard error,
    (t(1 - α/2) + t(power)) with the degrees of freedom of the interval; 2.8 when they are many.

    Args:
        estimate: only its standard error and degrees of freedom are read, never its value.
        power: probability of finding the effect.
        level: confidence level of the two-sided interval.

    Returns:
        The effect in the unit of the outcome, without sign; nan where the estimate has no interval.
    """
    if math.isnan(estimate.se):
        return math.nan
    multiple = student_quantile(0.5 + level / 2, estimate.df) + student_quantile(power, estimate.df)
    return multiple * estimate.se
