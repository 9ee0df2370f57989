"""Calendar days and euros of rebuilt leaves: no day twice, no euro lost, nobody's lines touch anybody else's."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import database
from pipeline.home import add_months
from pipeline.tables.intermediate import LEAVE_SPELLS
from tests.study.worlds import PROTOCOL, Row, World, after, line

ORIGIN = dt.date(2022, 1, 1)
TABLES = ("leave_spells", "leave_days", "leave_payments")
SPELL = LEAVE_SPELLS.names
LEAVE_CODES = (6111, 6112, 6117, 6118, 6120, 6134)
Rows = list[Row]


def rebuilt(rows: Rows, shuffle: int | None = None) -> dict[str, list[tuple[Any, ...]]]:
    with database.connect() as connection:
        World().lines(*rows).open(connection, shuffle)
        return {name: connection.sql(f"FROM {name} ORDER BY ALL").fetchall() for name in TABLES}


def days_of(found: dict[str, list[tuple[Any, ...]]], person: int, kind: str) -> list[dt.date]:
    return [
        after(first, offset)
        for who, first, last, what in found["leave_days"]
        if who == person and what == kind
        for offset in range((last - first).days + 1)
    ]


def month_after(day: dt.date, months: int) -> dt.date:
    return dt.date.fromisoformat(add_months(f"{day:%Y-%m}", months) + "-01")


def taken_back(row: Row) -> Row:
    """The negative line that cancels a line."""
    return row | {name: None if row[name] is None else -row[name] for name in ("days_paid", "quantity", "amount")}


def cut(row: Row, days: int) -> Rows:
    """A line as two, the first of so many days; as it is where it has no more."""
    if not 0 < days < row["days_paid"]:
        return [row]
    rest = row["days_paid"] - days
    return [
        row | {"period_end": after(row["period_start"], days - 1), "days_paid": days, "quantity": days},
        row | {"period_start": after(row["period_start"], days), "days_paid": rest, "quantity": rest, "amount": 0},
    ]


def euros_by_period(found: dict[str, list[tuple[Any, ...]]]) -> dict[tuple[Any, ...], Decimal]:
    euros: dict[tuple[Any, ...], Decimal] = {}
    for *period, _, amount in found["leave_payments"]:
        euros[tuple(period)] = euros.get(tuple(period), Decimal(0)) + amount
    return {period: amount for period, amount in euros.items() if amount}


@st.composite
def some_lines(draw: st.DrawFn) -> Rows:
    """Lines of up to three insured over four months: overlapping, cancelled, part-time, of both risks, not fed."""
    rows = []
    for _ in range(draw(st.integers(0, 12))):
        first = after(ORIGIN, draw(st.integers(0, 90)))
        last = after(first, draw(st.integers(0, 20)))
        row = line(
            draw(st.integers(1, 3)), first, last, draw(st.sampled_from((*LEAVE_CODES, 6011, 6121))),
            risk=draw(st.sampled_from(("sickness", "work_injury"))),
        )  # fmt: skip
        sign = draw(st.sampled_from((1, 1, 1, -1)))
        euros = draw(st.integers(0, 99_999)) if row["benefit_code"] != 6011 else 0
        row |= {"amount": Decimal(sign * euros) / 100, "days_paid": sign * row["days_paid"]}
        if draw(st.booleans()):
            row |= {"days_paid": None, "revaluation": draw(st.sampled_from(("zz", "rs", None)))}
        rows += [row] * draw(st.sampled_from((1, 1, 2)))
    return rows


@settings(max_examples=25, deadline=None)
@given(some_lines(), st.integers(0, 5))
def test_no_day_is_counted_twice_and_no_euro_is_lost(rows: Rows, shuffle: int) -> None:
    found = rebuilt(rows)
    for person in (1, 2, 3):
        leave, part = days_of(found, person, "leave"), days_of(found, person, "part_time")
        assert len(leave) == len(set(leave)) and len(part) == len(set(part))
        assert set(part) <= set(leave)
        inside = {
            after(start, offset)
            for who, _, _, start, _, end, *_ in found["leave_spells"]
            if who == person
            for offset in range((end - start).days + 1)
        }
        assert set(leave) == inside
        kept = [r["amount"] for r in rows if r["person"] == person and r["benefit_code"] in LEAVE_CODES]
        paid = [amount for who, *_, amount in found["leave_payments"] if who == person]
        assert sum(paid, Decimal(0)) == sum(kept, Decimal(0))
    assert rebuilt(rows, shuffle) == found


@settings(max_examples=15, deadline=None)
@given(some_lines(), some_lines())
def test_further_lines_of_one_person_change_nothing_for_the_others(rows: Rows, further: Rows) -> None:
    before, since = rebuilt(rows), rebuilt(rows + [row | {"person": 1} for row in further])
    for name in TABLES:
        assert [row for row in since[name] if row[0] != 1] == [row for row in before[name] if row[0] != 1]


@settings(max_examples=10, deadline=None)
@given(some_lines(), st.lists(st.integers(1, 5), min_size=24, max_size=24))
def test_once_every_line_has_come_it_does_not_matter_with_which_delivery(rows: Rows, months: list[int]) -> None:
    otherwise = [
        row | {"flow_date": month_after(row["period_end"], delay)} for row, delay in zip(rows, months, strict=False)
    ]
    assert rebuilt(otherwise) == rebuilt(rows)


@settings(max_examples=10, deadline=None)
@given(some_lines(), some_lines())
def test_lines_and_the_negative_lines_that_cancel_them_change_nothing(rows: Rows, cancelled: Rows) -> None:
    before, since = rebuilt(rows), rebuilt([*cancelled, *rows, *map(taken_back, cancelled)])
    assert since["leave_spells"] == before["leave_spells"]
    assert since["leave_days"] == before["leave_days"]
    assert euros_by_period(since) == euros_by_period(before)


@settings(max_examples=10, deadline=None)
@given(some_lines(), st.lists(st.integers(0, 20), min_size=24, max_size=24))
def test_where_paid_periods_are_cut_does_not_matter(rows: Rows, cuts: list[int]) -> None:
    paid = [row for row in rows if (row["days_paid"] or 0) > 0 and row["benefit_code"] != 6011]
    before, since = (
        rebuilt(paid),
        rebuilt([part for row, days in zip(paid, cuts, strict=False) for part in cut(row, days)]),
    )
    assert since["leave_spells"] == before["leave_spells"]
    assert since["leave_days"] == before["leave_days"]


@settings(max_examples=15, deadline=None)
@given(some_lines())
def test_leaves_are_numbered_in_order_and_those_of_one_risk_lie_more_than_the_gap_apart(rows: Rows) -> None:
    leaves = [dict(zip(SPELL, row, strict=True)) for row in rebuilt(rows)["leave_spells"]]
    for row in leaves:
        assert row["start_date"] <= row["first_paid_day"] <= row["end_date"]
        assert row["days"] == (row["end_date"] - row["start_date"]).days + 1
    for one, two in pairwise(leaves):
        if one["person"] == two["person"]:
            assert two["spell_number"] == one["spell_number"] + 1
            assert one["start_date"] <= two["start_date"]
    for one, two in pairwise(sorted(leaves, key=lambda row: (row["person"], row["risk"], row["start_date"]))):
        if (one["person"], one["risk"]) == (two["person"], two["risk"]):
            assert two["start_date"] > one["end_date"]
            assert (two["first_paid_day"] - one["end_date"]).days - 1 > PROTOCOL.leave.gap_days


def test_a_day_paid_in_full_and_in_part_counts_as_full_wherever_the_full_days_lie() -> None:
    rows = [
        line(1, "2022-01-04", "2022-01-10"),
        line(1, "2022-01-08", "2022-01-31", 6117),  # overlaps the first, holds the second, is cut by the third
        line(1, "2022-01-15", "2022-01-17"),
        line(1, "2022-01-30", "2022-02-02"),
        line(1, "2022-02-03", "2022-02-05", 6117),
    ]
    found = rebuilt(rows)
    part = {d.isoformat()[5:] for d in days_of(found, 1, "part_time")}
    expected = [*range(11, 15), *range(18, 30)]
    assert part == {f"01-{d:02d}" for d in expected} | {"02-03", "02-04", "02-05"}
    assert len(days_of(found, 1, "leave")) == 31 + 5


def test_leaves_of_two_risks_on_the_same_days_are_counted_once() -> None:
    found = rebuilt([line(1, "2022-01-04", "2022-01-17"), line(1, "2022-01-10", "2022-01-31", risk="work_injury")])
    assert len(days_of(found, 1, "leave")) == 31


def test_two_employers_add_euros_and_not_days() -> None:
    rows = [line(1, "2022-01-04", "2022-01-17"), line(1, "2022-01-04", "2022-01-17", 6112, amount=100)]
    found = rebuilt(rows)
    assert sum(amount for *_, amount in found["leave_payments"]) == Decimal(590)
    assert len(days_of(found, 1, "leave")) == 3 + 14


def test_thousands_of_overlapping_periods_of_one_person_are_one_leave() -> None:
    rows = [line(1, after(ORIGIN, i % 60), after(ORIGIN, i % 60 + 20), 6117 if i % 2 else 6111) for i in range(4_000)]
    found = rebuilt(rows)
    assert len(found["leave_spells"]) == 1
    assert len(days_of(found, 1, "leave")) == 83
    assert days_of(found, 1, "part_time") == [after(ORIGIN, 79)]  # the last full period ends the day before
