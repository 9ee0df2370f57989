"""What the platforms save, in euros really paid, less what they cost.

Gross saving per person is the weighted mean paid to the comparison less the mean paid to the treated. The cost per
person is a known sum divided by a known number of persons: it moves the interval and does not widen it. Gross, net and
days avoided rest on the same départements left out, so that their uncertainty is one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.effects.difference import Difference
from pipeline.effects.jackknife import Estimate, student_probability


@dataclass(frozen=True)
class Net:
    """What is left of a saving once the programme is paid; euros, positive when saved.

    Attributes:
        cost_eur_per_person: programme cost per person, a known constant.
        per_person: gross less cost, per person.
        cost_total_eur: cost × persons.
        total_eur: net × persons.
        probability_positive: by Student's t; nan without interval.
        cost_eur_per_day_avoided: cost over days avoided; None where no day is avoided.
        cost_per_day_low: lower limit of the cost per day avoided; None where no day is avoided or without interval.
        cost_per_day_high: upper limit; None too where the interval of the days avoided reaches zero: it has no bound.
        break_even_days: days to avoid per person for the allowances to repay the cost; None where a day has no price.
    """

    cost_eur_per_person: float
    per_person: Estimate
    cost_total_eur: float
    total_eur: float
    probability_positive: float
    cost_eur_per_day_avoided: float | None
    cost_per_day_low: float | None
    cost_per_day_high: float | None
    break_even_days: float | None


@dataclass(frozen=True)
class Savings:
    """Savings of one perimeter at one horizon; euros, positive when saved.

    Attributes:
        n_persons: persons with a complete horizon, on whom the totals stand.
        n_comparison: distinct control persons behind the estimate.
        gross: saving per person.
        days_avoided: days on leave avoided per person, positive when avoided.
        gross_total_eur: gross × persons.
        net: None where the cost is not known, or not that of the perimeter alone.
    """

    n_persons: int
    n_comparison: int
    gross: Estimate
    days_avoided: Estimate
    gross_total_eur: float
    net: Net | None


def savings(
    paid: Difference, on_leave: Difference, *, cost_per_person: float | None, daily_allowance: float | None = None
) -> Savings:
    """Savings per person and in total, for the matched treated that count.

    Args:
        paid: euros paid between time zero and the horizon in the perimeter, treated minus comparison.
        on_leave: days on leave over the same time, of the same rows.
        cost_per_person: programme euros per person, not negative; None where there is none to take off.
        daily_allowance: mean euros paid per day on leave; None where the perimeter is not of allowances alone.

    Raises:
        ValueError: the cost is negative or not a number.
    """
    gross, days_avoided = paid.estimate.linear(-1.0), on_leave.estimate.linear(-1.0)
    return Savings(
        n_persons=paid.n_treated,
        n_comparison=paid.n_comparison,
        gross=gross,
        days_avoided=days_avoided,
        gross_total_eur=gross.value * paid.n_treated,
        net=None
        if cost_per_person is None
        else _net(gross, days_avoided, cost_per_person, daily_allowance, paid.n_treated),
    )


def _net(gross: Estimate, days_avoided: Estimate, cost: float, daily_allowance: float | None, persons: int) -> Net:
    if not cost >= 0:
        raise ValueError("The cost per person is known and not negative.")
    net = gross.linear(1.0, -cost)
    low, high = cost_per_day(days_avoided, cost)
    return Net(
        cost_eur_per_person=cost,
        per_person=net,
        cost_total_eur=cost * persons,
        total_eur=net.value * persons,
        probability_positive=probability_positive(net),
        cost_eur_per_day_avoided=cost / days_avoided.value if days_avoided.value > 0 else None,
        cost_per_day_low=low,
        cost_per_day_high=high,
        break_even_days=cost / daily_allowance if daily_allowance is not None and daily_allowance > 0 else None,
    )


def cost_per_day(days_avoided: Estimate, cost: float) -> tuple[float | None, float | None]:
    """Limits of a known cost over the days avoided, from the limits of the days.

    The cost being a constant, Fieller's interval of the ratio is that of the days turned over (Fieller 1954, "Some
    problems in interval estimation"). Where the days may be none, it has no upper limit.

    Args:
        days_avoided: days per person, positive when avoided.
        cost: euros per person.

    Returns:
        Lower and upper limit; both None where the estimate avoids no day or has no interval.
    """
    if not (days_avoided.value > 0 and days_avoided.ci_high > 0):
        return None, None
    return cost / days_avoided.ci_high, cost / days_avoided.ci_low if days_avoided.ci_low > 0 else None


def probability_positive(estimate: Estimate) -> float:
    """Probability that the quantity is above zero, by Student's t centred on the estimate; nan without interval.

    It is the confidence that the one-sided interval above zero has (a flat-prior posterior for a normal mean).
    """
    if math.isnan(estimate.se):
        return math.nan
    if estimate.se == 0:
        return 1.0 if estimate.value > 0 else 0.0
    return student_probability(estimate.value / estimate.se, estimate.df)
