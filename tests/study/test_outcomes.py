"""What happened after time zero: days, euros, work, and the first of the competing events."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import database
from pipeline.leave.ceilings import in_year
from pipeline.protocol import Protocol
from pipeline.study.states import NOT_OBSERVED, weekly_states
from pipeline.study.step import events_of, outcomes_of, states_of
from tests.study.worlds import FOLLOW_UP_END, PROTOCOL, World, after, day, line, members

ZERO = "2022-03-01"
RETURN = "sustained_return_to_work"


def one(**facts: Any) -> World:
    world = World()
    world.person(1, **facts)
    return world


def outcomes(
    world: World, days: int = 365, zero: str | dt.date = ZERO, protocol: Protocol = PROTOCOL, **options: Any
) -> Any:
    with database.connect() as connection:
        dates = world.open(connection)
        table = outcomes_of(connection, protocol, dates, members((1, zero), **options), days)
    (row,) = table.to_pandas().astype({"employed": object}).itertuples()
    return row


def event(world: World, zero: str | dt.date = ZERO) -> tuple[str | None, int | None]:
    row = event_row(world, zero)
    return (None, None) if row["event"] is None else (row["event"], row["event_day"])


def event_row(world: World, zero: str | dt.date = ZERO) -> dict[str, Any]:
    with database.connect() as connection:
        dates = world.open(connection)
        (row,) = events_of(connection, PROTOCOL, dates, members((1, zero))).to_pylist()
    found: dict[str, Any] = row
    return found


def test_a_day_on_leave_is_a_calendar_day_of_a_leave_waiting_days_and_part_time_included() -> None:
    world = one()
    world.lines(line(1, "2022-01-04", "2022-03-10"), line(1, "2022-03-11", "2022-03-31", 6117))
    world.leave(1, "2022-06-01", 10)
    row = outcomes(world)
    assert (row.days_on_leave, row.days_part_time) == (31 + 10, 21)


@pytest.mark.parametrize(("days", "expected"), [(182, 182), (365, 365), (730, 672)])
def test_a_window_starts_at_time_zero_and_ends_the_day_before_the_horizon(days: int, expected: int) -> None:
    world = one()
    world.leave(1, "2022-01-10", 50 + 672)
    row = outcomes(world, days)
    assert row.days_on_leave == expected
    assert row.complete == (after(ZERO, days) <= FOLLOW_UP_END)


def test_a_horizon_is_complete_when_it_ends_no_later_than_follow_up() -> None:
    world = one()
    world.leave(1, "2022-11-01", 150)
    assert outcomes(world, 365, "2023-01-01").complete
    assert not outcomes(world, 365, "2023-01-02").complete


def test_euros_are_spread_over_the_days_of_their_period_to_the_cent() -> None:
    world = one()
    world.lines(line(1, "2022-02-27", "2022-03-05", amount="100.00"))  # five of seven days from 1 March on
    assert outcomes(world).allowance_eur == 71.43
    world.lines(line(1, "2023-02-25", "2023-03-03", amount="70.00"))  # four of seven days before 1 March 2023
    assert outcomes(world).allowance_eur == 71.43 + 40.00
    world.lines(line(1, "2022-05-01", "2022-05-07", days_paid=0, revaluation="rs", amount="-12.50"))
    assert outcomes(world).allowance_eur == pytest.approx(98.93, abs=1e-9)


def test_euros_are_told_apart_by_risk_and_part_time_apart_from_both() -> None:
    world = one()
    world.lines(
        line(1, "2022-03-01", "2022-03-10", amount="350.00"),
        line(1, "2022-03-11", "2022-03-20", 6117, amount="170.00"),
        line(1, "2022-05-01", "2022-05-10", risk="work_injury", amount="600.00"),
        line(1, "2022-05-11", "2022-05-20", 6120, risk="work_injury", amount="400.00"),
        line(1, "2022-05-21", "2022-05-30", 6118, risk="work_injury", amount="220.00"),
        line(1, "2022-06-01", "2022-06-10", 6121, risk="maternity", amount="999.00"),
    )
    found = outcomes(world)
    assert (found.sickness_eur, found.work_injury_eur, found.part_time_eur) == (350, 1000, 390)
    assert found.allowance_eur == 1740


def test_the_allowance_of_a_retraining_in_a_company_counts_like_any_other() -> None:
    world = one()
    world.leave(1, "2022-01-01", 150)
    without = outcomes(world).allowance_eur
    world.case(1, world.platform("001"), "2022-02-01")
    world.add(
        "report_measures", person=1, case_number=1, report_date=day("2022-09-01"), measure="retraining_contract",
        status="carried_out", start_date=day("2022-04-01"), end_date=day("2022-08-15"),
    )  # fmt: skip
    assert outcomes(world).allowance_eur == without == 35 * ((day("2022-05-30") - day(ZERO)).days + 1)


TARIFF = in_year(PROTOCOL.savings.tariff_year)


def same_tariff(*lines: dict[str, Any], **options: Any) -> float:
    return float(outcomes(one().lines(*lines), **options).same_tariff_eur)


def at_the_tariff_of(year: int) -> Protocol:
    return PROTOCOL.model_copy(update={"savings": PROTOCOL.savings.model_copy(update={"tariff_year": year})})


def test_at_the_same_tariff_an_allowance_moves_with_what_its_maximum_follows() -> None:
    wages, yearly = TARIFF.minimum_wage / 1645.58, TARIFF.yearly_ceiling / 41136
    sick = line(1, "2022-05-04", "2022-05-13", amount="350.00")
    assert same_tariff(sick) == pytest.approx(350 * wages, abs=0.006)
    assert same_tariff(sick, status="self_employed") == pytest.approx(350 * yearly, abs=0.006)
    injured = line(1, "2022-05-01", "2022-05-10", risk="work_injury", amount="900.00")
    assert same_tariff(injured) == pytest.approx(900 * yearly, abs=0.006)


def test_the_first_day_of_the_leave_decides_its_rules_and_not_the_day_paid() -> None:
    world = one()
    world.leave(1, "2021-12-15", 200)  # the minimum wage rises in January, in May and in August
    found = outcomes(world)
    assert found.same_tariff_eur == pytest.approx(found.allowance_eur * TARIFF.minimum_wage / 1589.47, abs=0.1)


def test_an_allowance_at_its_maximum_is_priced_at_that_of_the_year() -> None:
    def ten_days(amount: str, protocol: Protocol = PROTOCOL) -> float:
        return same_tariff(line(1, "2022-05-04", "2022-05-13", amount=amount), protocol=protocol)

    assert ten_days("486.90") == pytest.approx(10 * TARIFF.employee, abs=0.1)  # 1.8 minimum wages of May 2022
    # Since April 2025 wages are capped at 1.4 minimum wages: an allowance well below either only follows the wages.
    later, at_2026 = at_the_tariff_of(2026), in_year(2026)
    assert ten_days("486.90", later) == pytest.approx(10 * at_2026.employee)
    assert ten_days("200.00", later) == pytest.approx(200 * at_2026.minimum_wage / 1645.58, abs=0.006)
    # Above the maximum of its day there is another one (health professionals).
    assert ten_days("900.00", later) == pytest.approx(900 * at_2026.minimum_wage / 1645.58, abs=0.006)


def test_at_the_tariff_of_the_day_it_starts_a_leave_is_priced_as_paid() -> None:
    corrected = line(1, "2023-02-11", "2023-02-13", days_paid=0, revaluation="rs", amount="-12.50")
    world = one().lines(line(1, "2023-02-04", "2023-02-13", amount="350.00"), corrected)
    found = outcomes(world, protocol=at_the_tariff_of(2023))
    assert found.same_tariff_eur == found.allowance_eur == 337.50


def test_work_at_the_horizon_is_that_of_the_month_end_before_it_and_empty_where_unknown() -> None:
    world = one()
    world.leave(1, "2022-02-01", 60)
    assert outcomes(world).employed is None
    world.employed(1, "2023-01", "2023-01", employed=True)
    world.employed(1, "2023-02", "2023-03", employed=False)
    assert outcomes(world).employed is False  # the horizon is 1 March 2023
    assert outcomes(world, zero="2022-02-28").employed is True  # 28 February 2023 is not over yet


def test_an_invalidity_pension_is_paid_from_its_start_to_the_horizon_retirement_or_death() -> None:
    facts: dict[str, Any] = {"invalidity_start": day("2022-09-01"), "invalidity_category": "category_2"}
    monthly = 2000 * PROTOCOL.savings.invalidity_share_category_2

    def pension(**more: Any) -> float:
        return float(outcomes(one(**facts, **more)).invalidity_eur)

    days = (day("2023-03-01") - day("2022-09-01")).days
    assert pension() == pytest.approx(days * monthly * 12 / 365.25, abs=0.005)
    assert pension(death_date=day("2022-09-11")) == pytest.approx(10 * monthly * 12 / 365.25, abs=0.005)
    assert pension(retirement_date=day("2022-09-01")) == 0
    assert outcomes(one()).invalidity_eur == 0
    assert outcomes(one(**facts), wage=None).invalidity_eur == 0


@pytest.mark.parametrize(
    ("start", "days"), [("2023-03-01", 0), ("2023-02-28", 1), ("2022-03-01", 365), ("2022-02-01", 365)]
)
def test_a_pension_accrues_by_the_day_within_the_horizon_alone(start: str, days: int) -> None:
    found = outcomes(one(invalidity_start=day(start), invalidity_category="category_1"))
    daily = 2000 * PROTOCOL.savings.invalidity_share_category_1 * 12 / 365.25
    assert found.invalidity_eur == pytest.approx(days * daily, abs=0.005)


def test_a_pension_rests_on_the_wage_up_to_the_ceiling_of_the_month_it_starts() -> None:
    facts: dict[str, Any] = {"invalidity_start": day("2022-09-01"), "invalidity_category": "category_3"}
    yearly = 41136 * PROTOCOL.savings.invalidity_share_category_3
    assert outcomes(one(**facts), wage=9000).invalidity_eur == pytest.approx(181 * yearly / 365.25, abs=0.005)


def test_a_pension_of_an_unknown_category_is_no_saving() -> None:
    facts: dict[str, Any] = {"invalidity_start": day("2022-09-01")}
    smallest = outcomes(one(**facts, invalidity_category="category_1")).invalidity_eur
    assert outcomes(one(**facts)).invalidity_eur == smallest > 0


def returning(last_day_of_leave: str = "2022-03-20", next_leave: str | None = None) -> World:
    world = one()
    world.leave(1, "2022-01-01", (day(last_day_of_leave) - day("2022-01-01")).days + 1)
    if next_leave is not None:
        world.leave(1, next_leave, 60)
    return world


def test_a_return_is_dated_to_its_first_day_when_the_next_month_end_finds_work() -> None:
    assert event(returning().employed(1, "2022-02", "2022-06")) == (RETURN, 20)


def test_a_return_found_at_a_later_month_end_is_dated_to_that_day() -> None:
    world = returning().employed(1, "2022-05", "2022-06")
    assert event(world) == (RETURN, (day("2022-05-31") - day(ZERO)).days)


def test_thirty_days_without_allowance_are_enough_and_twenty_nine_are_not() -> None:
    assert event(returning(next_leave="2022-04-20").employed(1, "2022-03", "2022-03")) == (RETURN, 20)
    assert event(returning(next_leave="2022-04-19").employed(1, "2022-03", "2022-03")) == (None, None)


def test_thirty_days_from_the_first_of_a_long_month_end_before_the_month_end_that_proves_the_work() -> None:
    world = returning("2022-04-30", next_leave="2022-05-31").employed(1, "2022-05", "2022-05")
    assert event(world) == (RETURN, 61)


def test_without_evidence_of_work_there_is_no_return() -> None:
    assert event(returning()) == (None, None)


def test_a_leave_that_goes_on_is_no_return_whatever_the_contract() -> None:
    world = one()
    world.leave(1, "2022-01-01", 600, risk="work_injury")
    assert event(world.employed(1, "2021-12", "2023-06")) == (None, None)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"death_date": day("2022-03-10")}, ("death", 9)),
        ({"retirement_date": day("2022-03-10")}, ("retirement", 9)),
        ({"invalidity_start": day("2022-03-10")}, ("invalidity", 9)),
        ({"death_date": day("2022-03-10"), "retirement_date": day("2022-03-10")}, ("death", 9)),
        ({"invalidity_start": day("2022-03-21")}, ("invalidity", 20)),  # the day of the return
        ({"invalidity_start": day("2022-03-22")}, (RETURN, 20)),
        ({"invalidity_start": day("2022-02-28")}, (RETURN, 20)),  # before time zero: nobody's outcome
    ],
)
def test_the_first_event_counts_and_a_return_comes_last_on_the_same_day(
    facts: dict[str, Any], expected: tuple[str, int]
) -> None:
    world = returning().employed(1, "2022-02", "2022-06")
    world.rows["persons"][0] |= facts
    row = event_row(world)
    assert (row["event"], row["event_day"]) == expected
    assert row["return_day"] == (expected[1] if expected[0] == RETURN else None)


def test_a_month_end_without_work_is_a_job_loss_unless_retirement_or_death_ended_the_contract() -> None:
    lost = returning("2022-07-31").employed(1, "2022-02", "2022-03").employed(1, "2022-04", "2022-12", employed=False)
    assert event(lost) == ("job_loss", (day("2022-04-30") - day(ZERO)).days)
    ended = returning("2022-07-31").employed(1, "2022-04", "2022-04", employed=False, termination_reason="039")
    assert event(ended) == (None, None)
    ended.employed(1, "2022-05", "2022-12", employed=False)  # the reason is declared once, in its month
    assert event(ended) == (None, None)


def test_a_return_after_a_job_loss_is_not_the_first_event() -> None:
    world = returning("2022-07-31").employed(1, "2022-04", "2022-04", employed=False)
    row = event_row(world.employed(1, "2022-06", "2022-12"))
    assert (row["event"], row["return_day"]) == ("job_loss", None)


def test_rights_end_with_the_leave_on_which_360_days_of_three_years_are_paid() -> None:
    def ending(paid: int, **facts: Any) -> tuple[str | None, int | None]:
        world = one(**facts)
        end = world.leave(1, "2021-07-01", paid + 3)
        world.employed(1, "2021-06", "2023-09")
        assert end > day(ZERO)
        return event(world)

    assert ending(359)[0] == RETURN
    assert ending(360) == ("end_of_rights", (after("2021-07-01", 363) - day(ZERO)).days)
    assert ending(360, ald_start=day("2021-09-01"))[0] == RETURN
    # Days paid under long-term illness are another right: they do not count.
    assert ending(360, ald_start=day("2021-09-01"), ald_end=day("2022-01-01"))[0] == RETURN
    assert ending(360, ald_start=day("2021-01-01"), ald_end=day("2021-07-03"))[0] == "end_of_rights"


def test_rights_count_paid_sickness_days_once_within_three_years() -> None:
    world = one()
    world.leave(1, "2019-01-01", 103)  # a hundred paid days, too long ago
    world.leave(1, "2020-01-01", 200, risk="work_injury")  # another right
    world.leave(1, "2021-07-01", 303)
    world.lines(*[row for row in world.rows["payment_lines"] if row["period_start"] > day("2021-07-03")])  # 2 employers
    world.employed(1, "2021-06", "2023-09")
    assert event(world)[0] == RETURN


def test_under_long_term_illness_rights_last_three_years_date_to_date() -> None:
    world = one(ald_start=day("2019-06-01"))
    world.leave(1, "2019-08-01", 1095)
    world.employed(1, "2019-07", "2023-09")
    assert event(world) == ("end_of_rights", (after("2019-08-01", 1095) - day(ZERO)).days)


def test_a_return_is_known_thirty_days_after_its_first_day_and_no_event_is_used_later() -> None:
    def row(last_day: str, **facts: Any) -> dict[str, Any]:
        world = one(**facts)
        world.leave(1, "2023-09-01", (day(last_day) - day("2023-09-01")).days + 1)
        return event_row(world.employed(1, "2023-08", "2024-04"), "2023-10-31")

    assert row("2023-12-01")["event"] == RETURN  # 2 to 31 December: follow-up ends on 1 January
    assert row("2023-12-02")["event"] is None
    assert row("2024-01-31", death_date=day("2023-12-02"))["event"] == "death"
    assert row("2024-01-31", death_date=day("2023-12-03"))["event"] is None
    assert row("2024-01-31")["followed_days"] == (day("2023-12-03") - day("2023-10-31")).days
    with_late_zero = one()
    with_late_zero.leave(1, "2023-11-01", 100)
    assert event_row(with_late_zero, "2023-12-31")["followed_days"] == 0


@st.composite
def lives(draw: st.DrawFn) -> World:
    """Two insured with a few leaves, some in part-time, some of both risks at once."""
    world = World()
    for person in (1, 2):
        world.person(person)
        for _ in range(draw(st.integers(0, 4))):
            first = after(ZERO, draw(st.integers(-60, 700)))
            last = after(first, draw(st.integers(0, 120)))
            risk = draw(st.sampled_from(("sickness", "work_injury")))
            world.lines(line(person, first, last, draw(st.sampled_from((6111, 6117))), risk=risk))
    return world


@settings(max_examples=10, deadline=None)
@given(lives(), st.integers(0, 40))
def test_weekly_states_and_days_agree_with_a_count_day_by_day(world: World, delay: int) -> None:
    zeros = (day(ZERO), after("2022-12-01", delay))
    with database.connect() as connection:
        dates = world.open(connection)
        rows = members((1, zeros[0]), (2, zeros[1]), (1, zeros[1]))
        states = weekly_states(states_of(connection, PROTOCOL, dates, rows), 104)
        measured = outcomes_of(connection, PROTOCOL, dates, rows, 365).to_pandas()
        intervals = connection.sql("SELECT person, kind, from_day, to_day FROM leave_days").fetchall()

    def state(person: int, date: dt.date) -> int:
        kinds = {kind for who, kind, first, last in intervals if who == person and first <= date <= last}
        return 2 if "part_time" in kinds else 1 if kinds else 0

    for number, (person, zero) in enumerate(((1, zeros[0]), (2, zeros[1]), (1, zeros[1]))):
        for week in range(105):
            date = after(zero, 7 * week)
            assert states[number, week] == (state(person, date) if date < FOLLOW_UP_END else NOT_OBSERVED)
        daily = np.array([state(person, after(zero, offset)) for offset in range(365)])
        assert measured["days_on_leave"][number] == (daily > 0).sum()
        assert measured["days_part_time"][number] == (daily == 2).sum()


def test_the_order_of_rows_never_matters_to_outcomes_and_events() -> None:
    world = World()
    for person in range(1, 6):
        world.person(person)
        world.leave(person, after("2022-01-10", person), 60 + 40 * person)
        world.leave(person, after("2023-01-10", person), 30)
        world.employed(person, "2021-12", "2023-12", employed=person != 3)
    chosen = members(*[(person, after("2022-03-12", person)) for person in range(1, 6)])
    found = []
    for shuffle in (None, 1, 2):
        with database.connect() as connection:
            dates = world.open(connection, shuffle)
            found.append(outcomes_of(connection, PROTOCOL, dates, chosen, 365).to_pandas())
            found.append(events_of(connection, PROTOCOL, dates, chosen).to_pandas())
    for number in (2, 4):
        pd.testing.assert_frame_equal(found[0], found[number])
        pd.testing.assert_frame_equal(found[1], found[number + 1])


def test_a_retirement_declared_with_the_last_month_at_work_is_no_job_loss() -> None:
    world = one()
    world.leave(1, "2022-01-01", 90)
    world.employed(1, "2021-06", "2022-08")
    world.rows["employment"][-1]["termination_reason"] = "038"
    world.employed(1, "2022-09", "2023-09", employed=False)
    assert event(world)[0] != "job_loss"
