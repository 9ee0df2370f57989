"""Calendar days and euros of rebuilt leaves: no day twice, no euro lost, nobody's lines touch anybody else's."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import database
from tests.study.worlds import World, after, line

ORIGIN = dt.date(2022, 1, 1)
TABLES = ("leave_spells", "leave_days", "leave_payments")
LEAVE_CODES = (6111, 6112, 6117, 6118, 6120, 6134)


def rebuilt(rows: list[dict[str, Any]], shuffle: int | None = None) -> dict[str, list[tuple[Any, ...]]]:
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


@st.composite
def some_lines(draw: st.DrawFn) -> list[dict[str, Any]]:
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
def test_no_day_is_counted_twice_and_no_euro_is_lost(rows: list[dict[str, Any]], shuffle: int) -> None:
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
@given(some_lines())
def test_the_lines_of_one_person_make_the_same_leaves_alone_or_among_others(rows: list[dict[str, Any]]) -> None:
    together, apart = rebuilt(rows), rebuilt([row for row in rows if row["person"] == 2])
    for name in TABLES:
        assert [row for row in together[name] if row[0] == 2] == apart[name]


@settings(max_examples=15, deadline=None)
@given(some_lines())
def test_leaves_of_one_risk_never_overlap_and_lie_more_than_the_gap_apart(rows: list[dict[str, Any]]) -> None:
    spells = sorted(rebuilt(rows)["leave_spells"], key=lambda row: (row[0], row[2], row[4]))
    for one, two in pairwise(spells):
        if one[0] == two[0] and one[2] == two[2]:
            assert two[3] > one[5]  # starts after the end of the one before
            assert (two[4] - one[5]).days - 1 > 2  # and is paid more than the gap later


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


def test_a_bridged_gap_is_leave_and_within_the_last_phase_part_time() -> None:
    found = rebuilt([line(1, "2022-01-04", "2022-01-10", 6117), line(1, "2022-01-13", "2022-01-20", 6117)])
    assert len(days_of(found, 1, "leave")) == 20
    assert len(days_of(found, 1, "part_time")) == 17


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
