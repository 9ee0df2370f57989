"""The highest daily allowance the law allows, by the day the leave starts: the one table of it.

`ceilings.csv` holds what decrees set: the gross monthly minimum wage (SMIC, 35 hours), how many of them the base wage
is capped at, and the yearly social-security ceiling (PASS). Everything else is a formula of these, in euros a day:

* sickness, employees: half the base wage of three months over 91.25 days (articles L. 323-4 and R. 323-4 of the Code de
  la sécurité sociale);
* work accident or occupational disease: 0.834 % of the yearly ceiling, 60 % of it up to the 28th paid day and 80 % from
  the 29th on (articles R. 433-1 and following);
* sickness, self-employed: 1/730 of the yearly ceiling (articles D. 622-1 and following).

The wage of the law is that of the month before the leave. The one in force on the first day is never lower, so that no
leave is said to be above a maximum that it respects.
"""

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

INJURY_FIRST_RATE, INJURY_LATER_RATE, INJURY_FIRST_DAYS = 0.6, 0.8, 28
"""Share of the base wage paid for a work injury up to that many paid days, and beyond."""
INCREASED = (2 / 3) / (1 / 2)
"""Increased over ordinary sickness allowance: two thirds of the base wage, not half (three children, until 2020)."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Maxima of the leaves that start from a day on.

    Attributes:
        since: first day, always the first of a month.
        minimum_wage: euros a month.
        minimum_wages: minimum wages at which a sickness leave's base wage is capped.
        yearly_ceiling: euros a year.
    """

    since: dt.date
    minimum_wage: float
    minimum_wages: float
    yearly_ceiling: float

    @property
    def employee(self) -> float:
        """Sickness of an employee, euros a day, whole cents."""
        return round(0.5 * self.minimum_wages * self.minimum_wage * 3 / 91.25, 2)

    @property
    def self_employed(self) -> float:
        """Sickness of a self-employed person, euros a day, whole cents."""
        return round(self.yearly_ceiling / 730, 2)

    @property
    def injury_base(self) -> float:
        """Base wage of a work injury, euros a day, not rounded."""
        return 0.00834 * self.yearly_ceiling

    @property
    def injury_first(self) -> float:
        """Work injury up to the 28th paid day, euros a day, whole cents."""
        return round(INJURY_FIRST_RATE * self.injury_base, 2)

    @property
    def injury_later(self) -> float:
        """Work injury from the 29th paid day on, euros a day, whole cents."""
        return round(INJURY_LATER_RATE * self.injury_base, 2)


@cache
def ceilings() -> tuple[Ceiling, ...]:
    """Every ceiling, oldest first.

    Raises:
        ValueError: the dates are not the first of a month each, in order.
    """
    with Path(__file__).with_name("ceilings.csv").open(encoding="utf-8", newline="") as file:
        found = tuple(
            Ceiling(
                dt.date.fromisoformat(row["since"]),
                float(row["minimum_wage_eur_month"]),
                float(row["minimum_wages"]),
                float(row["social_security_ceiling_eur_year"]),
            )
            for row in csv.DictReader(file)
        )
    days = [ceiling.since for ceiling in found]
    if days != sorted(set(days)) or any(day.day != 1 for day in days):
        raise ValueError("ceilings.csv: dates must be the first of a month and increase")
    return found


def in_force(name: str, start: np.ndarray) -> np.ndarray:
    """A maximum for leaves by their first day; those before the first ceiling get the first.

    Args:
        name: attribute of `Ceiling`.
        start: days since 1970-01-01, shape (n,).

    Returns:
        float64, shape (n,).
    """
    since = np.array([ceiling.since for ceiling in ceilings()], dtype="datetime64[D]").astype(np.int64)
    values = np.array([getattr(ceiling, name) for ceiling in ceilings()], dtype=np.float64)
    place = np.searchsorted(since, np.asarray(start), side="right") - 1
    found: np.ndarray = values[np.maximum(place, 0)]
    return found


def in_year(year: int) -> Ceiling:
    """The ceiling in force on 1 January of a year.

    Raises:
        ValueError: no ceiling of that year is known.
    """
    day = dt.date(year, 1, 1)
    if not ceilings()[0].since <= day <= dt.date(ceilings()[-1].since.year, 1, 1):
        raise ValueError(f"ceilings.csv holds no ceiling of {year}: another tariff_year, or more rows, are needed")
    return max((ceiling for ceiling in ceilings() if ceiling.since <= day), key=lambda ceiling: ceiling.since)


def tariffs(year: int, last: dt.date) -> pa.Table:
    """What turns the euros of a leave into those of the rules of one year, by month of its start.

    Wages are taken to follow the minimum wage and the yearly ceiling, to which the law ties the maxima: a sickness
    allowance of an employee moves with the first (article R. 323-4), allowances of work injuries (R. 433-1 and
    following) and of the self-employed (D. 622-1 and following) with the second.

    Args:
        year: its rules are those of its 1 January.
        last: any day of the last month.

    Returns:
        One row per month from the first ceiling on: month (first day), wage_ratio and ceiling_ratio (that of the year
        over that in force), employee (maximum in force, euros a day), monthly_ceiling (euros in force).

    Raises:
        ValueError: no ceiling of that year is known.
    """
    then = in_year(year)
    maxima = by_month(last)
    start = maxima["month"].cast(pa.int32()).to_numpy()
    yearly = in_force("yearly_ceiling", start)
    return pa.table(
        {
            "month": maxima["month"],
            "wage_ratio": then.minimum_wage / in_force("minimum_wage", start),
            "ceiling_ratio": then.yearly_ceiling / yearly,
            "employee": maxima["employee"],
            "monthly_ceiling": yearly / 12,
        }
    )


def by_month(last: dt.date) -> pa.Table:
    """Maxima by month of the leave's start, from the first ceiling to a month: ready for a join on equality.

    Args:
        last: any day of the last month.

    Returns:
        Columns month (first day), employee, self_employed, injury_first, injury_later (euros a day).
    """
    months = np.arange(np.datetime64(ceilings()[0].since, "M"), np.datetime64(last, "M") + 1).astype("datetime64[D]")
    names = ("employee", "self_employed", "injury_first", "injury_later")
    start = months.astype(np.int64)
    return pa.table({"month": pa.array(months, pa.date32()), **{name: in_force(name, start) for name in names}})
