"""What the platforms save, in euros really paid, less what they cost.

Gross saving per person is the weighted mean paid to the comparison less the mean paid to the treated. The cost per
person is a known sum divided by a known number of persons: it moves the interval and does not widen it. Gross, net and
days avoided rest on the same départements left out, so that their uncertainty is one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.effects.difference import matched_difference
from pipeline.effects.jackknife import DEFAULT_VARIANCE, Estimate, Variance, student_probability
from pipeline.effects.sample import BoolArray, MatchedSample


@dataclass(frozen=True)
class Savings:
    """Savings of one perimeter at one horizon; euros, positive when saved.

    Attributes:
        n_persons: persons with a complete horizon, on whom the totals stand.
        n_comparison: distinct control persons behind the estimate.
        gross: saving per person.
        cost_eur_per_person: programme cost per person, a known constant.
        net: gross less cost, per person.
        days_avoided: days on leave avoided per person, positive when avoided.
        gross_total_eur: gross × persons.
        cost_total_eur: cost × persons.
        net_total_eur: net × persons.
        probability_net_positive: by Student's t; nan without interval.
        cost_eur_per_day_avoided: None where no day is avoided.
        break_even_days: days to avoid per person for the allowances to repay the cost; None without an allowance.
    """

    n_persons: int
    n_comparison: int
    gross: Estimate
    cost_eur_per_person: float
    net: Estimate
    days_avoided: Estimate
    gross_total_eur: float
    cost_total_eur: float
    net_total_eur: float
    probability_net_positive: float
    cost_eur_per_day_avoided: float | None
    break_even_days: float | None


def savings(
    sample: MatchedSample,
    euros: NDArray[np.generic],
    days_on_leave: NDArray[np.generic],
    eligible: BoolArray | None = None,
    *,
    cost_per_person: float,
    mean_daily_allowance: float,
    n_persons: int | None = None,
    level: float = 0.95,
    minimum_clusters: int = 3,
    variance: Variance = DEFAULT_VARIANCE,
) -> Savings:
    """Savings per person and in total.

    Args:
        sample: the matched sample.
        euros: real[n], euros paid between time zero and the horizon, in the perimeter chosen by the caller.
        days_on_leave: real[n], days on leave over the same time.
        eligible: bool[n], rows with a complete horizon.
        cost_per_person: programme euros per person, not negative.
        mean_daily_allowance: mean euros paid per day on leave.
        n_persons: persons the totals stand for; the matched treated persons that count when None.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.
        variance: how the two arms' variances are joined, see ``pipeline.effects.jackknife``.

    Raises:
        ValueError: an outcome that counts is missing, or the cost is negative or unknown.
    """
    if not cost_per_person >= 0:
        raise ValueError("The cost per person is known and not negative.")
    paid, leave = (
        matched_difference(sample, outcome, eligible, level=level, minimum_clusters=minimum_clusters, variance=variance)
        for outcome in (euros, days_on_leave)
    )
    gross, days_avoided = paid.estimate.linear(-1.0), leave.estimate.linear(-1.0)
    net = gross.linear(1.0, -cost_per_person)
    persons = paid.n_treated if n_persons is None else n_persons
    return Savings(
        n_persons=persons,
        n_comparison=paid.n_comparison,
        gross=gross,
        cost_eur_per_person=cost_per_person,
        net=net,
        days_avoided=days_avoided,
        gross_total_eur=gross.value * persons,
        cost_total_eur=cost_per_person * persons,
        net_total_eur=net.value * persons,
        probability_net_positive=probability_positive(net),
        cost_eur_per_day_avoided=cost_per_person / days_avoided.value if days_avoided.value > 0 else None,
        break_even_days=cost_per_person / mean_daily_allowance if mean_daily_allowance > 0 else None,
    )


def probability_positive(estimate: Estimate) -> float:
    """Probability that the quantity is above zero, by Student's t centred on the estimate; nan without interval.

    It is the confidence that the one-sided interval above zero has (a flat-prior posterior for a normal mean).
    """
    if math.isnan(estimate.se):
        return math.nan
    if estimate.se == 0:
        return 1.0 if estimate.value > 0 else 0.0
    return student_probability(estimate.value / estimate.se, estimate.df)
