"""Does the effect differ between pre-specified subgroups? The difference of their effects, tested together.

Each subgroup splits persons in two by what was known before time zero; a set belongs where its treated belongs. The
interaction is the effect in the first half minus the effect in the second, with the replicates both share: a
département left out is left out of both. The p-values of one estimand are adjusted together (Holm 1979). An effect that
is told from zero in one half and not in the other is no interaction (Gelman & Stern 2006): only this difference is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.effects.analysis import Analysis
from pipeline.effects.difference import Difference
from pipeline.effects.jackknife import TOO_FEW_CLUSTERS, Estimate, contrast, two_sided_p
from pipeline.effects.sample import BoolArray
from pipeline.effects.sensitivity import holm
from pipeline.protocol import Inference, Subgroup


def _is(column: str, *codes: str) -> Callable[[pa.Table], pa.Array]:
    return lambda units: pc.is_in(units[column], pa.array(codes))


HALVES: dict[Subgroup, tuple[str, Callable[[pa.Table], pa.Array], Callable[[pa.Table], pa.Array]]] = {
    "risk": ("sickness minus work injury", _is("risk", "sickness"), _is("risk", "work_injury")),
    "status": ("employees minus self-employed", _is("status", "employee"), _is("status", "self_employed")),
    "sex": ("women minus men", _is("sex", "female"), _is("sex", "male")),
    "age_50": ("under 50 minus 50 and over", lambda u: pc.less(u["age"], 50), lambda u: pc.greater_equal(u["age"], 50)),
    "ald": ("without minus with long-term illness", lambda u: pc.invert(u["ald"]), lambda u: u["ald"]),
    "employer_size": ("under 50 employees minus 50 and more", _is("employer_size", "1_9", "10_49"),
                      _is("employer_size", "50_249", "250_plus")),
}  # fmt: skip
"""Subgroup -> what the interaction is, and who is in its first and its second half; somebody may be in neither."""


@dataclass(frozen=True)
class Interaction:
    """Effect in the first half of a subgroup minus effect in the second.

    Attributes:
        subgroup: its name.
        description: the two halves in words.
        estimate: the difference of the effects, in the unit of the outcome.
        n_treated: treated persons of the smaller half.
        n_comparison: comparison persons of the smaller half.
        p_holm: p-value adjusted over the subgroups of the estimand; nan with too few treated départements.
    """

    subgroup: Subgroup
    description: str
    estimate: Estimate
    n_treated: int
    n_comparison: int
    p_holm: float


def interactions(
    found: Analysis, subgroups: Sequence[Subgroup], outcome: str, months: int, rule: Inference
) -> tuple[Interaction, ...]:
    """Interaction tests of one estimand.

    Args:
        found: the estimand, opened.
        subgroups: the protocol's list.
        outcome: one of `OUTCOME_UNITS`.
        months: horizon.
        rule: inference section of the protocol.

    Returns:
        An interaction for each, in the order given.
    """
    halves: list[tuple[Difference, Difference]] = []
    for name in subgroups:
        _, *members = HALVES[name]
        first, second = (found.difference(outcome, months, _of_treated(found, half)) for half in members)
        halves.append((first, second))
    contrasts = [_contrast(first.estimate, second.estimate, rule) for first, second in halves]
    p_values = [
        two_sided_p(each)
        if min(half.estimate.n_treated_departments for half in pair) >= rule.minimum_departments_p_value
        else math.nan
        for each, pair in zip(contrasts, halves, strict=True)
    ]
    return tuple(
        Interaction(
            name, HALVES[name][0], each, min(half.n_treated for half in pair), min(half.n_comparison for half in pair),
            float(p),
        )
        for name, each, pair, p in zip(subgroups, contrasts, halves, holm(p_values), strict=True)
    )  # fmt: skip


def _contrast(first: Estimate, second: Estimate, rule: Inference) -> Estimate:
    """The difference; without interval where one of the two has none."""
    found = contrast(first, second, minimum_clusters=rule.minimum_departments)
    if math.isnan(found.se) or not (math.isnan(first.se) or math.isnan(second.se)):
        return found
    nan = math.nan
    return Estimate(found.value, nan, nan, nan, found.df, found.method, found.level, TOO_FEW_CLUSTERS)


def _of_treated(found: Analysis, half: Callable[[pa.Table], pa.Array]) -> BoolArray:
    own = pc.fill_null(half(found.units), False).to_numpy(zero_copy_only=False).astype(np.bool_)
    return found.sample.of_treated(own).astype(np.bool_)
