"""What the table of cases cannot vary: the rules of the protocol, and no lines at all.

The traps of the payment lines under the protocol's own rules are in `tests/leave/cases.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from pipeline import database
from tests.leave.notation import leave
from tests.study.worlds import PROTOCOL, World, line


def jan(first: int, last: int, code: int = 6111) -> dict[str, Any]:
    return line(1, f"2022-01-{first:02d}", f"2022-01-{last:02d}", code)


def spells(world: World, **rules: int) -> list[str]:
    """Leaves in words, under other rules of the protocol's section `leave`."""
    protocol = PROTOCOL.model_copy(update={"leave": PROTOCOL.leave.model_copy(update=rules)})
    with database.connect() as connection:
        world.open(connection, protocol=protocol)
        rows = connection.sql("FROM leave_spells ORDER BY person, spell_number").to_arrow_table().to_pylist()
    assert all(row["days"] == (row["end_date"] - row["start_date"]).days + 1 for row in rows)
    assert [row["spell_number"] for row in rows] == list(range(1, len(rows) + 1))
    return [leave(row) for row in rows]


FIRST = "sickness 2022-01-01..2022-01-05, paid from 2022-01-04"
SECOND = "sickness 2022-01-06..2022-01-09, paid from 2022-01-08"
THIRD = "sickness 2022-01-14..2022-01-20, paid from 2022-01-17"


@pytest.mark.parametrize(
    ("gap_days", "expected"),
    [
        (0, [FIRST, SECOND, THIRD]),
        (1, [FIRST, SECOND, THIRD]),
        (2, ["sickness 2022-01-01..2022-01-09, paid from 2022-01-04", THIRD]),
        (6, ["sickness 2022-01-01..2022-01-09, paid from 2022-01-04", THIRD]),
        (7, ["sickness 2022-01-01..2022-01-20, paid from 2022-01-04"]),
    ],
)
def test_the_gap_rule_is_the_protocol_s_and_waiting_days_never_reach_into_the_leave_before(
    gap_days: int, expected: list[str]
) -> None:
    world = World().lines(jan(4, 5), jan(8, 9), jan(17, 20))  # gaps of two and of seven days
    assert spells(world, gap_days=gap_days) == expected


def test_the_waiting_period_is_the_protocol_s() -> None:
    assert spells(World().lines(jan(8, 20)), sickness_waiting_days=7) == [
        "sickness 2022-01-01..2022-01-20, paid from 2022-01-08"
    ]


@pytest.mark.parametrize("gap_days", [0, 2, 7])
def test_waiting_days_in_one_line_date_the_start_under_any_gap_rule(gap_days: int) -> None:
    world = World().lines(jan(2, 3, 6011), jan(4, 20))
    assert spells(world, gap_days=gap_days) == ["sickness 2022-01-02..2022-01-20, paid from 2022-01-04"]


@pytest.mark.parametrize("gap_days", [0, 2])
def test_waiting_days_in_lines_of_one_day_date_the_start_under_any_gap_rule(gap_days: int) -> None:
    world = World().lines(jan(1, 1, 6011), jan(2, 2, 6011), jan(3, 3, 6011), jan(4, 20))
    assert spells(world, gap_days=gap_days) == ["sickness 2022-01-01..2022-01-20, paid from 2022-01-04"]


def test_without_any_line_there_is_no_leave_and_no_failure() -> None:
    world = World()
    world.rows["payment_lines"].clear()
    assert spells(world) == []
