"""One state a day: what each member of a matched set does from time zero on, and which state comes first."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import database
from pipeline.database import Connection
from pipeline.leave.step import rebuild_leaves
from pipeline.study.states import NOT_OBSERVED, member_states, states_on, weekly_states
from pipeline.study.step import Calendar, events_of, last_state_day, measure_outcomes, outcomes_of, states_of
from pipeline.tables import codes
from pipeline.tables.intermediate import MEMBERS, STATES
from tests.study.worlds import FOLLOW_UP_END, PROTOCOL, RELEASE, World, after, day, line, members

ZERO = "2022-03-01"
LAST = last_state_day(PROTOCOL)
RETURN, OFF, FULL, PART = "sustained_return_to_work", "off_leave", "full_leave", "part_time_leave"
FATES = {"death_date": "death", "retirement_date": "retirement", "invalidity_start": "invalidity"}
SUSTAINED = PROTOCOL.study.sustained_return_days


def one(**facts: Any) -> World:
    world = World()
    world.person(1, **facts)
    return world


def on_leave_until(last_day: str, next_leave: str | None = None, **facts: Any) -> World:
    """On leave since January 2022; `next_leave` lasts sixty days."""
    world = one(**facts)
    world.leave(1, "2022-01-01", (day(last_day) - day("2022-01-01")).days + 1)
    if next_leave is not None:
        world.leave(1, next_leave, 60)
    return world


def lived(world: World, *rows: tuple[int, str | dt.date], shuffle: int | None = None) -> pa.Table:
    with database.connect() as connection:
        dates = world.open(connection, shuffle)
        return states_of(connection, PROTOCOL, dates, members(*(rows or ((1, ZERO),))))


def story(world: World, zero: str | dt.date = ZERO) -> list[tuple[str, str]]:
    """First date of each state until the end of follow-up, and the state."""
    rows = lived(world, (1, zero)).to_pylist()
    found = [
        (str(after(zero, row["first_day"])), row["state"])
        for row, before in zip(rows, [{"state": None}, *rows], strict=False)
        if row["state"] != before["state"]
    ]
    assert found.pop() == (str(FOLLOW_UP_END), "censored")
    return found


def daily(states: pa.Table, member: int = 0, column: str = "state") -> list[str]:
    return [
        row[column]
        for row in states.to_pylist()
        if row["member"] == member
        for _ in range(row["first_day"], row["last_day"] + 1)
    ]


def crpe(world: World, first: str | None, last: str | None, report: str = "2022-09-01", **facts: Any) -> World:
    row = {"measure": "retraining_contract", "status": "carried_out"} | facts
    return world.add(
        "report_measures", person=1, case_number=1, report_date=day(report), cost=None,
        start_date=first and day(first), end_date=last and day(last), **row,
    )  # fmt: skip


# Leave and return


def test_a_leave_then_part_time_then_a_return_dated_to_its_first_day() -> None:
    world = one().lines(line(1, "2022-01-04", "2022-03-10"), line(1, "2022-03-11", "2022-03-31", 6117))
    world.employed(1, "2022-02", "2023-12")
    assert story(world) == [("2022-03-01", FULL), ("2022-03-11", PART), ("2022-04-01", RETURN)]


def test_thirty_days_without_allowance_and_work_make_a_return_and_twenty_nine_do_not() -> None:
    thirty = on_leave_until("2022-03-20", next_leave="2022-04-20").employed(1, "2022-03", "2022-03")
    assert story(thirty)[:3] == [("2022-03-01", FULL), ("2022-03-21", RETURN), ("2022-04-20", FULL)]
    short = on_leave_until("2022-03-20", next_leave="2022-04-19").employed(1, "2022-03", "2022-03")
    assert story(short)[:3] == [("2022-03-01", FULL), ("2022-03-21", OFF), ("2022-04-19", FULL)]


def test_thirty_days_without_allowance_are_no_return_where_work_is_unknown() -> None:
    assert story(on_leave_until("2022-03-20")) == [("2022-03-01", FULL), ("2022-03-21", OFF)]


def test_a_return_found_at_a_later_month_end_begins_on_that_day() -> None:
    world = on_leave_until("2022-03-20").employed(1, "2022-05", "2022-06")
    assert story(world) == [("2022-03-01", FULL), ("2022-03-21", OFF), ("2022-05-31", RETURN)]


def test_a_relapse_ends_a_return_and_another_return_may_follow() -> None:
    world = on_leave_until("2022-03-20", next_leave="2022-09-01").employed(1, "2022-02", "2023-12")
    assert story(world) == [
        ("2022-03-01", FULL), ("2022-03-21", RETURN), ("2022-09-01", FULL), ("2022-10-31", RETURN),
    ]  # fmt: skip


# Death, retirement, invalidity


def test_death_absorbs_whatever_is_paid_for_the_days_after() -> None:
    world = on_leave_until("2022-06-30", death_date=day("2022-05-10"), invalidity_start=day("2022-05-01"))
    world.employed(1, "2022-02", "2022-12")
    assert story(world) == [("2022-03-01", FULL), ("2022-05-10", "death")]
    assert story(on_leave_until("2022-06-30", retirement_date=day("2022-05-10")))[1:] == [("2022-05-10", "retirement")]


def test_a_day_on_leave_comes_before_the_pension_and_the_pension_before_the_work() -> None:
    world = on_leave_until("2022-03-20", next_leave="2022-09-01", invalidity_start=day("2022-03-10"))
    assert story(world.employed(1, "2022-02", "2023-12")) == [
        ("2022-03-01", FULL), ("2022-03-21", "invalidity"), ("2022-09-01", FULL), ("2022-10-31", "invalidity"),
    ]  # fmt: skip


# Work lost


def test_a_job_is_lost_from_a_month_end_without_work_until_the_next_one_at_work() -> None:
    world = on_leave_until("2022-03-20").employed(1, "2022-04", "2022-06", employed=False)
    world.employed(1, "2022-08", "2022-12")  # July says nothing
    assert story(world) == [
        ("2022-03-01", FULL), ("2022-03-21", OFF), ("2022-04-30", "job_loss"), ("2022-08-31", RETURN),
    ]  # fmt: skip


def test_a_job_lost_during_the_leave_shows_once_the_leave_is_over() -> None:
    world = on_leave_until("2022-07-31").employed(1, "2022-04", "2022-12", employed=False)
    assert story(world) == [("2022-03-01", FULL), ("2022-08-01", "job_loss")]


def test_work_found_again_after_the_leave_begins_on_the_day_of_the_return() -> None:
    world = on_leave_until("2022-06-09").employed(1, "2022-01", "2022-05", employed=False)
    world.employed(1, "2022-06", "2022-12")
    assert story(world) == [("2022-03-01", FULL), ("2022-06-10", RETURN)]


def test_work_lost_and_found_again_is_another_return_when_thirty_days_are_left() -> None:
    def world(next_leave: str) -> World:
        found = on_leave_until("2022-03-20", next_leave=next_leave).employed(1, "2022-03", "2022-04")
        return found.employed(1, "2022-05", "2022-06", employed=False).employed(1, "2022-07", "2022-07")

    lost = [("2022-03-01", FULL), ("2022-03-21", RETURN), ("2022-05-31", "job_loss")]
    assert story(world("2022-08-30"))[:5] == [*lost, ("2022-07-31", RETURN), ("2022-08-30", FULL)]
    assert story(world("2022-08-29"))[:5] == [*lost, ("2022-07-31", OFF), ("2022-08-29", FULL)]


@pytest.mark.parametrize("reason", ["038", "039", "066"])
def test_work_ended_by_retirement_or_death_is_no_job_loss_nor_work_that_goes_on(reason: str) -> None:
    world = on_leave_until("2022-03-20").employed(1, "2022-02", "2022-05")
    world.employed(1, "2022-06", "2022-06", employed=False, termination_reason=reason)
    world.employed(1, "2022-07", "2022-12", employed=False)  # the reason is declared once
    assert story(world) == [("2022-03-01", FULL), ("2022-03-21", RETURN), ("2022-06-30", OFF)]


# Rights


def exhausted() -> World:
    """Paid 360 days of sickness allowance up to 28 June 2022."""
    world = one()
    assert world.leave(1, "2021-07-01", 363) == day("2022-06-28")
    return world


def test_rights_used_up_last_until_another_leave_and_a_contract_that_goes_on_is_no_return() -> None:
    world = exhausted().employed(1, "2021-06", "2023-12")
    world.leave(1, "2023-01-01", 30, risk="work_injury")
    assert story(world) == [
        ("2022-03-01", FULL), ("2022-06-29", "end_of_rights"), ("2023-01-01", FULL), ("2023-01-31", RETURN),
    ]  # fmt: skip


def test_work_found_after_the_rights_are_used_up_is_a_return() -> None:
    found_later = exhausted().employed(1, "2022-09", "2023-12")
    assert story(found_later)[1:] == [("2022-06-29", "end_of_rights"), ("2022-09-30", RETURN)]
    dismissed = exhausted().employed(1, "2021-06", "2022-08")
    dismissed.employed(1, "2022-09", "2022-12", employed=False, termination_reason="091")
    assert story(dismissed.employed(1, "2023-01", "2023-12"))[1:] == [
        ("2022-06-29", "end_of_rights"), ("2022-09-30", "job_loss"), ("2023-01-31", RETURN),
    ]  # fmt: skip


def test_rights_used_up_while_another_leave_goes_on_end_nothing() -> None:
    world = exhausted().employed(1, "2021-06", "2023-12")
    world.leave(1, "2022-06-20", 31, risk="work_injury")
    assert story(world) == [("2022-03-01", FULL), ("2022-07-21", RETURN)]
    with database.connect() as connection:
        dates = world.open(connection)
        (row,) = events_of(connection, PROTOCOL, dates, members((1, ZERO))).to_pylist()
    assert (row["event"], row["event_day"]) == (RETURN, (day("2022-07-21") - day(ZERO)).days)


# Measures of the accompaniment


def test_a_retraining_in_a_company_is_a_state_of_its_own_between_its_dates() -> None:
    world = crpe(on_leave_until("2022-06-30").employed(1, "2022-02", "2023-12"), "2022-05-01", "2022-08-15")
    assert story(world) == [("2022-03-01", FULL), ("2022-05-01", "crpe"), ("2022-08-16", RETURN)]


def test_a_retraining_told_by_several_reports_is_one_and_without_an_end_lasts_until_the_report() -> None:
    world = crpe(on_leave_until("2022-12-31"), "2022-05-01", None, report="2022-06-15")
    assert story(world)[1:3] == [("2022-05-01", "crpe"), ("2022-06-16", FULL)]
    again = crpe(world, "2022-05-01", "2022-07-31", report="2022-10-15")
    assert story(again)[1:3] == [("2022-05-01", "crpe"), ("2022-08-01", FULL)]


@pytest.mark.parametrize(
    "facts",
    [
        {"status": "proposed"}, {"status": "accepted"}, {"status": "refused"}, {"status": "abandoned"},
        {"measure": "supervised_trial"}, {"measure": "therapeutic_part_time"}, {"measure": "work_immersion"},
    ],
)  # fmt: skip
def test_a_retraining_not_carried_out_and_any_other_measure_change_no_state(facts: dict[str, str]) -> None:
    world = on_leave_until("2022-06-30").employed(1, "2022-02", "2023-12")
    without = story(world)
    assert story(crpe(world, "2022-05-01", "2022-08-15", **facts)) == without
    assert story(crpe(world, None, "2022-08-15")) == without  # a retraining without a start is not dated


def test_death_and_retirement_come_before_a_retraining() -> None:
    world = on_leave_until("2022-06-30", retirement_date=day("2022-06-01"))
    assert story(crpe(world, "2022-05-01", "2022-08-15"))[1:] == [("2022-05-01", "crpe"), ("2022-06-01", "retirement")]


def test_what_reports_alone_tell_does_not_tell_the_arms_apart() -> None:
    world = on_leave_until("2022-06-30").employed(1, "2022-02", "2023-12")
    without = lived(world)
    with_crpe = lived(crpe(world, "2022-05-01", "2022-08-15"))  # on leave at first, then not
    assert daily(with_crpe).count("crpe") == 107
    assert daily(with_crpe, column="as_compared") == daily(without, column="as_compared") == daily(without)
    assert (weekly_states(with_crpe, 104) == weekly_states(without, 104)).all()
    assert states_on(with_crpe, 100).tolist() == [FULL]
    assert states_on(with_crpe, 150).tolist() == [RETURN]


# What is known, and when


def test_a_return_that_would_not_be_known_by_the_end_of_follow_up_is_not_one() -> None:
    def ending(last_day: str) -> list[tuple[str, str]]:
        world = one()
        world.leave(1, "2023-09-01", (day(last_day) - day("2023-09-01")).days + 1)
        return story(world.employed(1, "2023-08", "2024-04"), "2023-10-31")

    assert ending("2023-12-01")[1:] == [("2023-12-02", RETURN)]  # its thirtieth day is 31 December
    assert ending("2023-12-02")[1:] == [("2023-12-03", OFF)]


def test_a_death_is_known_up_to_the_last_day_of_follow_up() -> None:
    assert story(on_leave_until("2023-12-31", death_date=day("2023-12-31")))[-1] == ("2023-12-31", "death")
    assert story(on_leave_until("2023-12-31", death_date=FOLLOW_UP_END)) == [("2022-03-01", FULL)]


def test_who_enters_late_is_censored_from_the_end_of_follow_up_and_who_enters_later_always() -> None:
    world = on_leave_until("2023-12-31")
    states = lived(world, (1, ZERO), (1, "2023-12-31"), (1, FOLLOW_UP_END))
    assert [row["first_day"] for row in states.to_pylist() if row["state"] == "censored"] == [
        (FOLLOW_UP_END - day(ZERO)).days, 1, 0,
    ]  # fmt: skip


# Drawn lives


@st.composite
def lives(draw: st.DrawFn) -> World:
    """Three insured: leaves of both risks, some in part-time or for a year, work month by month, fates, retraining."""
    world = World()
    for person in (1, 2, 3):
        fates = {
            name: after(ZERO, draw(st.integers(3, 760))) for name in FATES if draw(st.integers(0, 5)) == 0
        }  # fmt: skip
        world.person(person, **fates)
        world.lines(line(person, "2022-01-10", after(ZERO, draw(st.integers(5, 200)))))
        for _ in range(draw(st.integers(0, 4))):
            first = after(ZERO, draw(st.integers(-400, 760)))
            last = after(first, draw(st.one_of(st.integers(0, 60), st.integers(300, 400))))
            risk = draw(st.sampled_from(("sickness", "work_injury")))
            world.lines(line(person, first, last, draw(st.sampled_from((6111, 6117))), risk=risk))
        works = True
        for month in [f"{year}-{number:02d}" for year in (2022, 2023) for number in range(1, 13)] + ["2024-01"]:
            turn = draw(st.integers(0, 9))
            works = works != (turn == 0)
            if turn < 8:
                reason = draw(st.sampled_from((None, None, "091", "039")))
                world.employed(person, month, month, works, termination_reason=None if works else reason)
        if draw(st.booleans()):
            first = after(ZERO, draw(st.integers(-50, 700)))
            crpe(world, str(first), str(after(first, draw(st.integers(0, 120)))))
            world.rows["report_measures"][-1]["person"] = person
    return world


ROWS = ((1, ZERO), (2, ZERO), (3, after(ZERO, 3)), (1, after(ZERO, 2)), (2, "2023-06-15"))


def month_end(date: dt.date) -> dt.date:
    return (date.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)


class Life:
    """What the tables say of one insured, asked day by day: the definitions again, the slow way."""

    def __init__(self, world: World, connection: Connection, person: int) -> None:
        self.fates = world.rows["persons"][person - 1]
        self.crpe = [m for m in world.rows["report_measures"] if m["person"] == person]
        self.leaves = connection.sql(f"SELECT * FROM leave_days WHERE person = {person}").to_arrow_table().to_pylist()
        spans = sorted((x["from_day"], x["to_day"]) for x in self.leaves if x["kind"] == "leave")
        following = [first for first, _ in spans[1:]] + [dt.date(2999, 1, 1)]
        self.gaps = [(after(last, 1), after(first, -1)) for (_, last), first in zip(spans, following, strict=True)]
        rights = connection.sql(
            f"SELECT end_date FROM leave_ends WHERE rights_used_up AND person = {person}"
        ).fetchall()
        self.exhausted = {end for (end,) in rights}
        self.work, reason, before = {}, None, True
        for row in sorted((r for r in world.rows["employment"] if r["person"] == person), key=lambda r: r["month"]):
            end = month_end(day(f"{row['month']}-01"))
            reason = row["termination_reason"] or (None if before or row["employed"] else reason)
            before = row["employed"]
            if end < FOLLOW_UP_END:
                self.work[end] = "at work" if row["employed"] else "retired" if reason == "039" else "lost"
        self.returns = [found for gap in self.gaps for found in self._returns(*gap)]

    def _returns(self, first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, dt.date, dt.date]]:
        """Gap's first day, return's first day, return's last day."""
        back: dt.date | None = None
        for end in sorted(self.work):
            if end < first or (end > last and end != month_end(first)):
                continue
            if self.work[end] == "at work" and back is None:
                back = first if end == month_end(first) else end
            elif self.work[end] != "at work":
                yield from self._known(first, back, last, after(end, -1))
                back = None
        lost = min((e for e in self.work if e > last and self.work[e] != "at work"), default=dt.date(2999, 1, 1))
        yield from self._known(first, back, last, min(last, after(lost, -1)))

    @staticmethod
    def _known(
        first: dt.date, back: dt.date | None, last: dt.date, until: dt.date
    ) -> Iterator[tuple[dt.date, dt.date, dt.date]]:
        if back and (last - back).days + 1 >= SUSTAINED and after(back, SUSTAINED) <= FOLLOW_UP_END:
            yield first, back, until

    def state(self, date: dt.date, reports: bool = True) -> str:
        if date >= FOLLOW_UP_END:
            return "censored"
        for name in ("death_date", "retirement_date"):
            if self.fates[name] and self.fates[name] <= date:
                return FATES[name]
        if reports and any(m["start_date"] <= date <= m["end_date"] for m in self.crpe):
            return "crpe"
        kinds = {x["kind"] for x in self.leaves if x["from_day"] <= date <= x["to_day"]}
        if kinds:
            return PART if "part_time" in kinds else FULL
        if self.fates["invalidity_start"] and self.fates["invalidity_start"] <= date:
            return "invalidity"
        last_seen = max((end for end in self.work if end <= date), default=None)
        since = dt.date(1900, 1, 1) if last_seen is None else last_seen
        if last_seen and self.work[last_seen] == "lost" and not any(since < b <= date for _, b, _ in self.returns):
            return "job_loss"
        for first, last in self.gaps:
            back = any(a == first and first < b <= date for a, b, _ in self.returns)
            if first <= date <= last and after(first, -1) in self.exhausted and not back:
                return "end_of_rights"
        return RETURN if any(b <= date <= until for _, b, until in self.returns) else OFF


@settings(max_examples=12, deadline=None)
@given(lives())
def test_each_member_is_in_one_state_each_day_and_it_is_the_first_that_holds(world: World) -> None:
    with database.connect() as connection:
        dates = world.open(connection)
        states = states_of(connection, PROTOCOL, dates, members(*ROWS))
        people = {person: Life(world, connection, person) for person in (1, 2, 3)}
    rows = states.to_pylist()
    assert rows == sorted(rows, key=lambda row: (row["member"], row["first_day"]))
    for member, (person, zero) in enumerate(ROWS):
        mine = [row for row in rows if row["member"] == member]
        assert (mine[0]["first_day"], mine[-1]["last_day"]) == (0, LAST)
        assert max(PROTOCOL.study.horizons_days.values()) - 1 == LAST
        for one_, next_ in pairwise(mine):
            assert one_["last_day"] + 1 == next_["first_day"]
            if one_["state"] == next_["state"]:
                assert one_["state"] == "crpe"
                assert one_["as_compared"] != next_["as_compared"]
        life, dates_ = people[person], [after(zero, number) for number in range(LAST + 1)]
        assert daily(states, member) == [life.state(date) for date in dates_]
        assert daily(states, member, "as_compared") == [life.state(date, reports=False) for date in dates_]
    assert set(states["state"].to_pylist()) <= {code.code for code in codes.MEMBER_STATE}


@settings(max_examples=6, deadline=None)
@given(lives())
def test_the_first_day_back_is_the_day_of_the_event_and_no_state_comes_before_its_event(world: World) -> None:
    rows = ROWS[:4]  # on leave at time zero
    with database.connect() as connection:
        dates = world.open(connection)
        states = states_of(connection, PROTOCOL, dates, members(*rows))
        events = events_of(connection, PROTOCOL, dates, members(*rows)).to_pylist()
    for member, event in enumerate(events):
        lived_ = daily(states, member, "as_compared")
        first = lived_.index(RETURN) if RETURN in lived_ else None
        if event["event"] == RETURN:
            assert first == event["event_day"]
        elif first is not None:  # a return after another event is none of the first events
            assert event["event"] is not None
            assert event["event_day"] <= first
        for name in ("death", "retirement"):
            if name in lived_:
                since = lived_.index(name)
                assert set(lived_[since:]) <= {name, "death", "censored"}


@settings(max_examples=6, deadline=None)
@given(lives())
def test_nobody_is_on_leave_without_a_day_on_leave_nor_off_it_but_for_the_dead_and_retired(world: World) -> None:
    rows = ROWS[:4]
    with database.connect() as connection:
        dates = world.open(connection)
        states = states_of(connection, PROTOCOL, dates, members(*rows))
        measured = outcomes_of(connection, PROTOCOL, dates, members(*rows), 365).to_pylist()
        spans = connection.sql("SELECT person, from_day, to_day FROM leave_days WHERE kind = 'leave'").fetchall()
    for member, (person, zero) in enumerate(rows):
        lived_ = daily(states, member, "as_compared")
        for number, state in enumerate(lived_):
            date = after(zero, number)
            covered = any(who == person and first <= date <= last for who, first, last in spans)
            if state in (FULL, PART):
                assert covered
            elif covered:
                assert state in ("death", "retirement", "censored")
        if not {"death", "retirement", "censored"} & set(lived_[:365]):
            assert measured[member]["days_on_leave"] == sum(state in (FULL, PART) for state in lived_[:365])
            assert measured[member]["days_part_time"] == lived_[:365].count(PART)


@settings(max_examples=4, deadline=None)
@given(lives(), st.integers(0, 1000))
def test_the_order_of_rows_never_matters_to_states(world: World, seed: int) -> None:
    states = lived(world, *ROWS)
    assert states.equals(lived(world, *ROWS, shuffle=seed))
    backwards = lived(world, *ROWS[::-1], shuffle=seed)  # the same persons under other numbers
    for member in range(len(ROWS)):
        assert daily(backwards, len(ROWS) - 1 - member) == daily(states, member)


@settings(max_examples=4, deadline=None)
@given(lives(), lives())
def test_nothing_dated_after_follow_up_changes_a_state_before(world: World, other: World) -> None:
    # A leave is known by its payments: its waiting days and a bridged gap come before the first of them.
    told = after(FOLLOW_UP_END, PROTOCOL.leave.gap_days + PROTOCOL.leave.sickness_waiting_days)
    changed = copy.deepcopy(world)
    for rows, source in ((world.rows, None), (changed.rows, other.rows)):
        later = [x for x in (source or rows)["payment_lines"] if x["period_start"] > told]
        rows["payment_lines"] = [x for x in rows["payment_lines"] if x["period_start"] < FOLLOW_UP_END] + later
    for row in changed.rows["payment_lines"]:
        if row["period_start"] < FOLLOW_UP_END <= row["period_end"] and row["risk"] != "maternity":
            row["period_end"] = after(row["period_end"], 40)
    changed.lines(*[line(person, after(told, 9), after(told, 99), risk="work_injury") for person in (1, 2, 3)])
    for row in changed.rows["employment"]:
        if row["month"] >= f"{FOLLOW_UP_END:%Y-%m}":
            row["employed"] = not row["employed"]
    for row in changed.rows["persons"]:
        row |= {name: None for name in FATES if row[name] and row[name] >= FOLLOW_UP_END}
    assert lived(changed, *ROWS).equals(lived(world, *ROWS))


# The table and its readers


def test_the_step_writes_states_ordered_by_their_key_for_both_estimands(tmp_path: Path) -> None:
    world = on_leave_until("2022-06-30").employed(1, "2022-02", "2023-12")
    run = world.write(tmp_path)
    rebuild_leaves(run)
    with database.connect() as connection:
        dates = world.open(connection)
    dates.save(run.home.artefact(RELEASE, "cohort", "calendar", "json"))
    names = {"estimand": ["ITT", "ITT", "ATT"], "member": [0, 1, 0], "person": [1, 1, 1]}
    zeros = [day(ZERO), after(ZERO, 60), after(ZERO, 1)]
    rows = [
        dict.fromkeys(MEMBERS.names) | dict(zip(names, row, strict=True)) for row in zip(*names.values(), strict=True)
    ]
    for row, zero in zip(rows, zeros, strict=True):
        row["time_zero"] = zero
    pq.write_table(pa.Table.from_pylist(rows, MEMBERS.schema), run.home.artefact(RELEASE, "matching", "members"))
    report = measure_outcomes(run)
    table = pq.read_table(run.home.artefact(RELEASE, "outcomes", "states"))
    assert table.schema.equals(STATES.schema)
    assert report.rows["states"] == len(table) == 9
    keys = table.select(list(STATES.key)).to_pylist()
    assert keys == sorted(keys, key=lambda key: tuple(key.values()))
    assert states_on(member_states(run, "ITT"), 122).tolist() == [RETURN, RETURN]
    assert states_on(member_states(run, "ATT"), 120).tolist() == [FULL]
    assert weekly_states(member_states(run, "ATT"), 104).shape == (1, 105)


def test_weekly_states_refuse_days_that_have_no_state_or_two() -> None:
    states = lived(on_leave_until("2022-06-30"), (1, ZERO), (1, after(ZERO, 9)))
    assert (weekly_states(states, 104)[:, -1] == NOT_OBSERVED).all()
    for missing in range(len(states)):
        rows = np.delete(np.arange(len(states)), missing)
        with pytest.raises(ValueError, match="gap or overlap"):
            weekly_states(states.take(pa.array(rows)), 104)


def test_an_empty_study_has_no_states() -> None:
    with database.connect() as connection:
        dates: Calendar = World().open(connection)
        states = states_of(connection, PROTOCOL, dates, members())
    assert len(states) == 0
    assert weekly_states(states, 104).shape == (0, 105)
    assert states_on(states, 365).shape == (0,)
