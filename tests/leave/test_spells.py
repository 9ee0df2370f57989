"""From payment lines to leave spells: the traps of the SNDS, one small case each, in any order of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from pipeline import database
from pipeline.protocol import Protocol
from tests.study.worlds import PROTOCOL, World, line


@dataclass(frozen=True)
class Case:
    """Lines of one insured and the leaves they make.

    A leave is written `risk start..end`, then `paid from`, `part-time from` and `open` where they say more.
    """

    says: str
    lines: list[dict[str, Any]]
    leaves: list[str]


def jan(first: int, last: int, code: int = 6111, month: int = 1, **changed: Any) -> dict[str, Any]:
    return line(1, f"2022-{month:02d}-{first:02d}", f"2022-{month:02d}-{last:02d}", code, **changed)


def taken_back(row: dict[str, Any]) -> dict[str, Any]:
    """The negative line that cancels a line."""
    return row | {name: -row[name] for name in ("days_paid", "quantity", "amount")}


INJURY: dict[str, Any] = {"risk": "work_injury"}
CASES = [
    Case("a sickness leave starts three waiting days before the first paid day", [jan(4, 17)], [
        "sickness 2022-01-01..2022-01-17"]),
    Case("waiting days paid out as a line date the start", [jan(2, 3, 6011), jan(4, 17)], [
        "sickness 2022-01-02..2022-01-17"]),
    Case("waiting days above three months do so too", [jan(1, 3, 6012), jan(4, 17, 6112)], [
        "sickness 2022-01-01..2022-01-17"]),
    Case("waiting days that lead nowhere make no leave", [jan(1, 3, 6011)], []),
    Case("waiting days of an earlier, unpaid leave do not date this one", [jan(1, 3, 6011), jan(10, 20)], [
        "sickness 2022-01-07..2022-01-20"]),
    Case("a work accident starts on its first paid day", [jan(4, 17, **INJURY)], [
        "work_injury 2022-01-04..2022-01-17"]),
    Case("fortnights in a row are one leave", [jan(4, 17), jan(18, 31), jan(1, 14, month=2)], [
        "sickness 2022-01-01..2022-02-14"]),
    Case("the code changes at three months, the leave goes on", [jan(4, 17, 6111), jan(18, 31, 6112)], [
        "sickness 2022-01-01..2022-01-31"]),
    Case("a gap of two days is a prolongation (48-hour rule)", [jan(4, 10), jan(13, 20)], [
        "sickness 2022-01-01..2022-01-20"]),
    Case("a gap of three days is a new leave, whose waiting days fill it", [jan(4, 10), jan(14, 20)], [
        "sickness 2022-01-01..2022-01-10", "sickness 2022-01-11..2022-01-20 paid from 2022-01-14"]),
    Case("a gap of three days with its waiting line is the same new leave",
         [jan(4, 10), jan(11, 13, 6011), jan(14, 20)],
         ["sickness 2022-01-01..2022-01-10", "sickness 2022-01-11..2022-01-20 paid from 2022-01-14"]),
    Case("a work accident with a gap of one day goes on", [jan(4, 10, **INJURY), jan(12, 20, **INJURY)], [
        "work_injury 2022-01-04..2022-01-20"]),
    Case("a cancelled line leaves nothing", [jan(4, 17), taken_back(jan(4, 17))], []),
    Case("a line paid twice and taken back once stands once", [jan(4, 17), jan(4, 17), taken_back(jan(4, 17))], [
        "sickness 2022-01-01..2022-01-17"]),
    Case("a cancelled fortnight in the middle makes two leaves",
         [jan(4, 10), jan(11, 20), taken_back(jan(11, 20)), jan(21, 31)],
         ["sickness 2022-01-01..2022-01-10", "sickness 2022-01-18..2022-01-31 paid from 2022-01-21"]),
    Case("a negative line cancels its own code only", [jan(4, 17, 6111), taken_back(jan(4, 17, 6112))], [
        "sickness 2022-01-01..2022-01-17"]),
    Case("a negative line without its positive makes no leave", [taken_back(jan(4, 17))], []),
    Case("two employers pay the same days of one leave", [jan(4, 17), jan(4, 17, days_paid=0, amount=100)], [
        "sickness 2022-01-01..2022-01-17"]),
    Case("two employers who cut the days otherwise pay one leave", [jan(4, 17), jan(18, 31), jan(4, 24), jan(25, 31)], [
        "sickness 2022-01-01..2022-01-31"]),
    Case("days not fed (ZZ) are read from the quantity", [jan(4, 17, days_paid=None, revaluation="zz")], [
        "sickness 2022-01-01..2022-01-17"]),
    Case("days not fed and a blank revaluation are read from the quantity",
         [jan(4, 17, days_paid=0, revaluation=None)], ["sickness 2022-01-01..2022-01-17"]),
    Case("a revaluation repeats the quantity and adds no day",
         [jan(4, 17), jan(18, 31, days_paid=0, revaluation="rs", amount=12)], ["sickness 2022-01-01..2022-01-17"]),
    Case("maternity is no sickness leave, even in the middle of one",
         [jan(4, 10), jan(11, 20, 6121, risk="maternity"), jan(21, 31)],
         ["sickness 2022-01-01..2022-01-10", "sickness 2022-01-18..2022-01-31 paid from 2022-01-21"]),
    Case("a maternity code under sickness is left out", [jan(4, 17, 6210)], []),
    Case("lines for information (71, 72) are left out", [
        jan(4, 10), jan(11, 17, expense_qualifier=71), jan(18, 24, expense_qualifier=72)], [
        "sickness 2022-01-01..2022-01-10"]),
    Case("therapeutic part-time at the end is the last phase of the same leave", [jan(4, 17), jan(18, 31, 6117)], [
        "sickness 2022-01-01..2022-01-31 part-time from 2022-01-18"]),
    Case("part-time below and above three months is one phase", [jan(4, 10), jan(11, 20, 6117), jan(21, 31, 6118)], [
        "sickness 2022-01-01..2022-01-31 part-time from 2022-01-11"]),
    Case("part-time followed by full leave is no last phase", [jan(4, 10), jan(11, 20, 6117), jan(21, 31)], [
        "sickness 2022-01-01..2022-01-31"]),
    Case("a leave in part-time from its first paid day", [jan(4, 17, 6117)], [
        "sickness 2022-01-01..2022-01-17 part-time from 2022-01-04"]),
    Case("part-time that overlaps full leave begins after the last full day", [jan(4, 17), jan(10, 31, 6117)], [
        "sickness 2022-01-01..2022-01-31 part-time from 2022-01-18"]),
    Case("sickness and work accident are two leaves, even on the same days", [jan(4, 17), jan(10, 31, **INJURY)], [
        "sickness 2022-01-01..2022-01-17", "work_injury 2022-01-10..2022-01-31"]),
    Case("temporary inaptitude goes on with the work accident", [jan(4, 17, **INJURY), jan(18, 31, 6120, **INJURY)], [
        "work_injury 2022-01-04..2022-01-31"]),
    Case("self-employed health professionals have their own codes", [jan(4, 17, 6134), jan(18, 31, 6135)], [
        "sickness 2022-01-01..2022-01-31"]),
    Case("a last paid day before the payment lag closes the leave", [line(1, "2023-12-10", "2023-12-31")], [
        "sickness 2023-12-07..2023-12-31"]),
    Case("a last paid day within the payment lag leaves it open", [line(1, "2023-12-10", "2024-01-01")], [
        "sickness 2023-12-07..2024-01-01 open"]),
]  # fmt: skip


def spells(world: World, shuffle: int | None = None, protocol: Protocol = PROTOCOL) -> dict[int, list[str]]:
    """Leaves of each insured, in words."""
    with database.connect() as connection:
        world.open(connection, shuffle, protocol)
        found = connection.sql("FROM leave_spells ORDER BY person, spell_number").df()
    told: dict[int, list[str]] = {}
    for row in found.itertuples():
        assert row.days == (row.end_date - row.start_date).days + 1
        assert row.start_date <= row.first_paid_day <= row.end_date
        mine = told.setdefault(int(row.person), [])
        assert row.spell_number == len(mine) + 1
        text = f"{row.risk} {row.start_date:%Y-%m-%d}..{row.end_date:%Y-%m-%d}"
        if mine and row.first_paid_day != row.start_date:
            text += f" paid from {row.first_paid_day:%Y-%m-%d}"
        if str(row.part_time_from) != "NaT":
            text += f" part-time from {row.part_time_from:%Y-%m-%d}"
        mine.append(text + (" open" if row.censored else ""))
    return told


@pytest.fixture(scope="module", params=[None, 1, 2], ids=["in order", "shuffled", "shuffled again"])
def rebuilt(request: pytest.FixtureRequest) -> dict[int, list[str]]:
    """Every case at once, each an insured of its own: nobody's lines touch anybody else's."""
    world = World()
    for person, case in enumerate(CASES, start=1):
        world.lines(*[row | {"person": person} for row in case.lines])
    return spells(world, request.param)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_payment_lines_make_leaves(case: Case, rebuilt: dict[int, list[str]]) -> None:
    assert rebuilt.get(CASES.index(case) + 1, []) == case.leaves


@pytest.mark.parametrize(
    ("gap_days", "expected"),
    [
        (0, ["sickness 2022-01-01..2022-01-10", "sickness 2022-01-11..2022-01-20 paid from 2022-01-13"]),
        (2, ["sickness 2022-01-01..2022-01-20"]),
    ],
)
def test_the_gap_rule_is_the_protocol_s(gap_days: int, expected: list[str]) -> None:
    rule = PROTOCOL.leave.model_copy(update={"gap_days": gap_days})
    world = World().lines(jan(4, 10), jan(13, 20))
    assert spells(world, protocol=PROTOCOL.model_copy(update={"leave": rule})) == {1: expected}


def test_without_any_line_there_is_no_leave_and_no_failure() -> None:
    world = World()
    world.rows["payment_lines"].clear()
    assert spells(world) == {}
