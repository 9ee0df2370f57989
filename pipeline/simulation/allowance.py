"""What a day on leave is paid: the tariff of each leave, and the allowance paid between two days.

Rules: articles L. 323-1 and following, R. 323-4, R. 433-1 and D. 622-1 and following of the Code de la sécurité
sociale; maxima: `pipeline.leave.ceilings`. The start date of the leave decides its tariff.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.leave.ceilings import INJURY_FIRST_DAYS, INJURY_FIRST_RATE, INJURY_LATER_RATE, in_force
from pipeline.simulation.paths import SICKNESS, WAITING_DAYS, WORK_INJURY, Leaves
from pipeline.simulation.population import Population

RATE_CHANGE_DAY = INJURY_FIRST_DAYS
"""Paid days of a work injury at the first rate (60 %); 80 % from the 29th on."""
PART_TIME_SHARE = 0.5
"""Share of the allowance paid during the therapeutic part-time phase."""


@dataclass(frozen=True, slots=True)
class DailyRates:
    """Euros per paid day of each leave, whole cents, shape (L,).

    Attributes:
        first: full allowance from the first paid day on.
        later: full allowance from the 29th paid day of a work injury on; the same as `first` for sickness.
        part_time: allowance of the part-time phase.
    """

    first: np.ndarray
    later: np.ndarray
    part_time: np.ndarray


def daily_rates(people: Population, leaves: Leaves) -> DailyRates:
    """Tariff of each leave.

    Args:
        people: the insured.
        leaves: their leaves, L of them.

    Returns:
        Euros per day, shape (L,).
    """
    wage = people.wage[leaves.person]
    sickness = np.minimum(0.5 * wage * 3.0 / 91.25, in_force("employee", leaves.start))
    self_employed = np.minimum(wage * 12.0 / 730.0, in_force("self_employed", leaves.start))
    injury_base = np.minimum(wage / 30.42, in_force("injury_base", leaves.start))
    injured = leaves.risk == WORK_INJURY
    first = np.where(
        injured, INJURY_FIRST_RATE * injury_base, np.where(people.self_employed[leaves.person], self_employed, sickness)
    )
    later = np.where(injured, INJURY_LATER_RATE * injury_base, first)
    return DailyRates(np.round(first, 2), np.round(later, 2), np.round(PART_TIME_SHARE * later, 2))


def first_paid_day(leaves: Leaves) -> np.ndarray:
    """First paid day of each leave, int32 (L,); after its last day when it is never paid."""
    first: np.ndarray = leaves.start + np.where(leaves.risk == SICKNESS, WAITING_DAYS, 0).astype(np.int32)
    return first


def appears(leaves: Leaves) -> np.ndarray:
    """Boolean (L,): at least one day is paid, so that the leave can be rebuilt from payment lines."""
    paid: np.ndarray = leaves.end >= first_paid_day(leaves)
    return paid


def paid_between(leaves: Leaves, rates: DailyRates, since: np.ndarray, until: np.ndarray) -> np.ndarray:
    """Allowance of each leave for the days `since` <= day < `until`.

    Args:
        leaves: L leaves.
        rates: their tariff.
        since: first day counted, shape (L,).
        until: day after the last one counted, shape (L,).

    Returns:
        Euros, float64 (L,).
    """
    first = first_paid_day(leaves)
    change = np.where(leaves.risk == WORK_INJURY, first + RATE_CHANGE_DAY, leaves.start)
    part = leaves.part_time_from.astype(np.int64)
    end = leaves.end.astype(np.int64) + 1

    def days(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        last = np.minimum(np.minimum(high, until), end)
        counted: np.ndarray = np.maximum(last - np.maximum(np.maximum(low, since), first), 0)
        return counted

    full_end = np.minimum(part, end)
    total: np.ndarray = (
        rates.first * days(first, np.minimum(change, full_end))
        + rates.later * days(np.maximum(change, first), full_end)
        + rates.part_time * days(part, end)
    )
    return total
