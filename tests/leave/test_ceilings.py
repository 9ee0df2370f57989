"""The highest allowance of each period is that of the published scales, to a cent."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from pipeline.leave.ceilings import by_month, ceilings, in_force, in_year, tariffs

SCALES = [
    ("employee", "2018-01-01", 44.34),
    ("employee", "2022-01-01", 47.43),
    ("employee", "2025-01-01", 53.31),
    ("employee", "2025-03-31", 53.31),
    ("employee", "2025-04-01", 41.47),
    ("employee", "2026-01-01", 41.95),
    ("injury_first", "2022-06-15", 205.84),
    ("injury_later", "2022-06-15", 274.46),
    ("injury_first", "2025-12-31", 235.69),
    ("injury_later", "2025-12-31", 314.25),
    ("self_employed", "2020-01-01", 56.35),
    ("self_employed", "2023-01-01", 60.26),
    ("self_employed", "2025-01-01", 64.52),
]


@pytest.mark.parametrize(("name", "start", "euros"), SCALES)
def test_the_formulae_give_the_published_maxima(name: str, start: str, euros: float) -> None:
    day = np.array([start], dtype="datetime64[D]").astype(np.int64)
    assert in_force(name, day).tolist() == [euros]


def test_the_start_of_the_leave_finds_the_wage_in_force_that_day() -> None:
    days = np.array(["2021-09-30", "2021-10-01", "2022-04-30", "2022-05-01"], dtype="datetime64[D]").astype(np.int64)
    assert in_force("minimum_wage", days).tolist() == [1554.58, 1589.47, 1603.12, 1645.58]


def test_months_say_the_same_as_days_up_to_the_last_month() -> None:
    table = by_month(dt.date(2025, 4, 17)).to_pylist()
    assert (table[0]["month"], table[-1]["month"]) == (ceilings()[0].since, dt.date(2025, 4, 1))
    assert [row["employee"] for row in table[-2:]] == [53.31, 41.47]
    assert len(table) == 7 * 12 + 4


def test_the_rules_of_a_year_are_those_of_its_first_day() -> None:
    assert (in_year(2022).minimum_wage, in_year(2022).employee) == (1603.12, 47.43)
    assert in_year(2025).employee == 53.31  # capped lower from April on only


@pytest.mark.parametrize("year", [ceilings()[0].since.year - 1, ceilings()[-1].since.year + 1])
def test_a_year_whose_rules_are_not_known_is_refused(year: int) -> None:
    with pytest.raises(ValueError, match=str(year)):
        in_year(year)


def test_a_tariff_is_the_rules_of_the_year_over_those_in_force() -> None:
    rows = {row["month"]: row for row in tariffs(2024, dt.date(2025, 6, 1)).to_pylist()}
    assert rows[dt.date(2024, 1, 1)]["wage_ratio"] == rows[dt.date(2024, 10, 1)]["ceiling_ratio"] == 1
    may = rows[dt.date(2022, 5, 1)]
    assert may["wage_ratio"] == pytest.approx(1766.92 / 1645.58)
    assert (may["ceiling_ratio"], may["monthly_ceiling"]) == (46368 / 41136, 3428)
    assert rows[dt.date(2025, 6, 1)]["employee"] == 41.47


def test_an_allowance_at_its_maximum_follows_the_maximum() -> None:
    for row in tariffs(2024, dt.date(2024, 12, 1)).to_pylist():
        assert row["employee"] * row["wage_ratio"] == pytest.approx(in_year(2024).employee, abs=0.012)
