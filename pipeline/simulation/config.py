"""What a simulated world is asked to be: the arguments of `pdp simulate`, checked, and the calendar they imply.

Days are counted as integers since 1970-01-01 (the day numbers of NumPy's datetime64[D] and of Arrow's date32).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BURN_IN_DAYS = 1_100
"""Simulated before the first delivery, so that leaves, rights used over three years and job losses start in regime."""
TAIL_DAYS = 730
"""Simulated after the last delivery, for the truth alone: every time zero has its longest horizon."""
HORIZONS = {"6": 182, "12": 365, "24": 730}
"""Clocks of the study: months -> days after time zero (study design)."""
TRIGGER_DAYS = 60
"""Elapsed leave days that make an insured enter the intention-to-treat population (study design)."""
PAYMENT_LAG_MONTHS = 5
"""Follow-up ends this long before the last payment flow (study design)."""
HISTORY_MONTHS = 24
"""Months of payment flows that must come before a time zero (study design)."""
SUSTAINED_RETURN_DAYS = 30
"""Consecutive days without allowance, employed, that make a return sustained (study design)."""


def month_number(month: str) -> int:
    """Months since 1970-01 of a `YYYY-MM` text."""
    return int(np.datetime64(month, "M").astype(np.int64))


def month_text(number: int) -> str:
    """`YYYY-MM` of months since 1970-01."""
    return str(np.datetime64(int(number), "M"))


def first_day(month: int) -> int:
    """First day of a month, both counted since 1970."""
    return int(np.datetime64(int(month), "M").astype("datetime64[D]").astype(np.int64))


def month_of(days: np.ndarray) -> np.ndarray:
    """Months since 1970-01 of day numbers; int32, same shape."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int32)


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """One world, entirely determined by these values.

    Attributes:
        start: month in which the first platforms open, `YYYY-MM`.
        months: monthly deliveries from `start` on.
        history_months: monthly deliveries before `start`.
        persons: insured persons in the territory.
        seed: seed of every draw.
        effect: name of the programme's effect (`programme.EFFECTS`).
        departments: départements of the territory.
        designated: how many of them open a platform.
        fault_share: share of rows of each table made to break a rule of the input contract.

    Raises:
        ValueError: a value is out of range.
    """

    start: str = "2021-07"
    months: int = 36
    history_months: int = 24
    persons: int = 48_000
    seed: int = 1
    effect: str = "moderate"
    departments: int = 40
    designated: int = 12
    fault_share: float = 0.0

    def __post_init__(self) -> None:
        try:
            month_number(self.start)
        except ValueError:
            raise ValueError(f"start must be a month written YYYY-MM, not {self.start!r}") from None
        if self.months < 1 or self.history_months < 0:
            raise ValueError("months must be at least 1 and history_months at least 0")
        if self.persons < 1:
            raise ValueError("persons must be at least 1")
        if not 1 <= self.designated < self.departments <= 40:
            raise ValueError("departments must lie between 2 and 40 and leave some of them not designated")
        if not 0 <= self.fault_share < 1:
            raise ValueError("fault_share must lie in [0, 1)")

    @property
    def start_month(self) -> int:
        """Month of the first openings, since 1970-01."""
        return month_number(self.start)

    @property
    def first_delivery(self) -> int:
        """First delivery's month, since 1970-01."""
        return self.start_month - self.history_months

    @property
    def last_delivery(self) -> int:
        """Last delivery's month, since 1970-01."""
        return self.start_month + self.months - 1

    @property
    def first_simulated_day(self) -> int:
        """Day on which every path starts."""
        return first_day(self.first_delivery) - BURN_IN_DAYS

    @property
    def last_simulated_day(self) -> int:
        """Last day of every path: the longest horizon after the last delivery."""
        return self.last_known_day + TAIL_DAYS

    @property
    def last_known_day(self) -> int:
        """Last day of the last delivery's month."""
        return first_day(self.last_delivery + 1) - 1

    @property
    def study_from(self) -> int:
        """First day that has the history the study asks for."""
        return first_day(self.first_delivery + HISTORY_MONTHS)

    @property
    def follow_up_end(self) -> int:
        """Day before which leaves are held to be fully paid: the payment lag before the last flow."""
        return first_day(self.last_delivery - PAYMENT_LAG_MONTHS)
