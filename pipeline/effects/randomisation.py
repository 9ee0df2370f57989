"""Randomisation inference over départements, with no model of how persons or départements vary.

Each treated département has one difference: its treated against their matched controls. Had its designation been
exchanged with its comparison, the difference would have the other sign and, without any effect, be as likely. The
p-value is the share of all exchanges of signs that give a mean at least as far from zero (Canay, Romano & Shaikh 2017,
"Randomization tests under an approximate symmetry assumption"). Conditions: the differences of départements are
independent and symmetric without effect. Controls shared between treated départements bend the first one slightly;
`tests/effects/test_coverage.py` measures how far.

With five treated départements the smallest p-value is 2/32, so fewer than six carry none.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pipeline.effects.difference import set_differences
from pipeline.effects.sample import BoolArray, FloatArray, MatchedSample

_EXACT_DEPARTMENTS = 16


def randomisation_p_value(
    sample: MatchedSample,
    outcome: NDArray[np.generic],
    eligible: BoolArray | None = None,
    *,
    minimum_departments: int = 6,
    draws: int = 65_536,
    seed: int = 0,
) -> float:
    """Two-sided p-value of no effect, by exchanging designations.

    Args:
        sample: the matched sample.
        outcome: real[n].
        eligible: bool[n], rows that may count (all when None).
        minimum_departments: fewest treated départements that carry a p-value.
        draws: exchanges drawn above 16 treated départements; all of them are enumerated up to there.
        seed: seed of these draws.

    Returns:
        The p-value, nan with fewer than ``minimum_departments`` treated départements.

    Raises:
        ValueError: an outcome that counts is missing.
    """
    difference, department = set_differences(sample, outcome, eligible)
    sums = np.bincount(department, weights=difference)[np.unique(department)] if difference.size else np.empty(0)
    if sums.size < minimum_departments:
        return math.nan
    exchanged = np.abs(_signs(sums.size, draws, seed) @ sums)
    observed = abs(float(sums.sum()))
    reached = int(np.count_nonzero(exchanged >= observed * (1 - 1e-12)))
    if sums.size <= _EXACT_DEPARTMENTS:
        return reached / exchanged.size
    return (reached + 1) / (exchanged.size + 1)


def _signs(departments: int, draws: int, seed: int) -> FloatArray:
    """float64[exchanges, départements] of -1 and 1: all exchanges, or a drawn part of them."""
    if departments <= _EXACT_DEPARTMENTS:
        bits = (np.arange(2**departments)[:, None] >> np.arange(departments)) & 1
    else:
        bits = np.random.default_rng(seed).integers(0, 2, (draws, departments))
    return (2.0 * bits - 1.0).astype(np.float64)
