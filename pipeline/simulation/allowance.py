"""What a day on leave is paid: the tariff of each leave, and the allowance paid between two days.

Rules and maxima: facts on the SNDS (articles L. 323-1 and following, R. 323-4, R. 433-1 and D. 622-1 and following of
the Code de la sécurité sociale). The start date of the leave decides its tariff.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulation.config import first_day, month_number
from pipeline.simulation.paths import SICKNESS, WAITING_DAYS, WORK_INJURY, Leaves
from pipeline.simulation.population import Population

_SICKNESS_MAXIMA = (
    ("1970-01", 44.34), ("2019-01", 45.01), ("2020-01", 45.55), ("2021-01", 46.00), ("2022-01", 47.43),
    ("2023-01", 50.58), ("2024-01", 52.28), ("2025-01", 53.31), ("2025-04", 41.47), ("2026-01", 41.95),
)  # fmt: skip
"""Highest daily sickness allowance of an employee, by month of the leave's start, euros."""
_INJURY_CEILING = (("1970-01", 331.34), ("2020-01", 343.07), ("2023-01", 366.89), ("2025-01", 392.82))
"""0.834 % of the yearly social-security ceiling, euros per day."""
_SELF_EMPLOYED_MAXIMA = (("1970-01", 56.35), ("2023-01", 60.26), ("2025-01", 64.52))
"""Highest daily sickness allowance of the self-employed (1/730 of the yearly ceiling), euros."""
RATE_CHANGE_DAY = 28
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


def _by_start(table: tuple[tuple[str, float], ...], start: np.ndarray) -> np.ndarray:
    """Value in force at each start day."""
    since = np.array([first_day(month_number(month)) for month, _ in table])
    values = np.array([value for _, value in table])
    in_force: np.ndarray = values[np.searchsorted(since, start, side="right") - 1]
    return in_force


def daily_rates(people: Population, leaves: Leaves) -> DailyRates:
    """Tariff of each leave.

    Args:
        people: the insured.
        leaves: their leaves, L of them.

    Returns:
        Euros per day, shape (L,).
    """
    wage = people.wage[leaves.person]
    sickness = np.minimum(0.5 * wage * 3.0 / 91.25, _by_start(_SICKNESS_MAXIMA, leaves.start))
    self_employed = np.minimum(wage * 12.0 / 730.0, _by_start(_SELF_EMPLOYED_MAXIMA, leaves.start))
    injury_base = np.minimum(wage / 30.42, _by_start(_INJURY_CEILING, leaves.start))
    injured = leaves.risk == WORK_INJURY
    first = np.where(injured, 0.6 * injury_base, np.where(people.self_employed[leaves.person], self_employed, sickness))
    later = np.where(injured, 0.8 * injury_base, first)
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
