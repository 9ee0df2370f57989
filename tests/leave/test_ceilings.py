"""The highest allowance of each period is that of the published scales, to a cent."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from pipeline.leave.ceilings import by_month, ceilings, in_force

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
