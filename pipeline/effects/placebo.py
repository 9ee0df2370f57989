"""Falsification: effects where there can be none, read together.

A placebo passes when it is not told apart from zero at 5 % after Holm's adjustment over the placebos the data carry.
One that they cannot carry has no verdict, says why, and withholds nothing. The p-values only
decide and are not published; they exist wherever an interval does, so that few treated départements do not switch the
guard off.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.effects.jackknife import Estimate, two_sided_p
from pipeline.effects.sensitivity import holm


@dataclass(frozen=True)
class Placebo:
    """One test before the verdict.

    Attributes:
        test: its name.
        estimand: ``ITT`` or ``ATT``.
        estimate: the effect found where there can be none; None when the data cannot carry the test.
        description: what is tested, or why it cannot be.
    """

    test: str
    estimand: str
    estimate: Estimate | None
    description: str


@dataclass(frozen=True)
class PlaceboVerdict:
    """One row of the ``placebo`` table; numbers are nan where the data cannot carry them.

    Attributes:
        test: its name.
        estimand: ``ITT`` or ``ATT``.
        difference: the effect found.
        ci_low: lower limit, of this test alone.
        ci_high: upper limit, of this test alone.
        passed: None when the data cannot carry the test.
        description: what is tested, or why it cannot be.
        adjusted_p: p-value after Holm, which decided.
    """

    test: str
    estimand: str
    difference: float
    ci_low: float
    ci_high: float
    passed: bool | None
    description: str
    adjusted_p: float


def placebo_family(placebos: Sequence[Placebo], *, level: float = 0.05) -> tuple[PlaceboVerdict, ...]:
    """Judge placebos together.

    Args:
        placebos: the family; all tests that decide about one headline.
        level: family-wise level of the test.

    Returns:
        A verdict for each, in the order given.
    """
    p_values = [math.nan if p.estimate is None else two_sided_p(p.estimate) for p in placebos]
    return tuple(_verdict(p, float(q), level) for p, q in zip(placebos, holm(p_values), strict=True))


def _verdict(placebo: Placebo, adjusted: float, level: float) -> PlaceboVerdict:
    found = placebo.estimate
    why = placebo.description
    if found is not None and found.reason is not None:
        why = f"{why} ({found.reason})"
    return PlaceboVerdict(
        test=placebo.test,
        estimand=placebo.estimand,
        difference=math.nan if found is None else found.value,
        ci_low=math.nan if found is None else found.ci_low,
        ci_high=math.nan if found is None else found.ci_high,
        passed=None if math.isnan(adjusted) else adjusted > level,
        description=why,
        adjusted_p=adjusted,
    )
