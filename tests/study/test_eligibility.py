"""Who may enter, when the clock starts, and what is known of a person by then."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from pipeline import database
from pipeline.protocol import Protocol
from pipeline.study.cohort import candidates, cohort_flow, declared_exceptions, find_accompanied
from tests.study.worlds import PROTOCOL, World, after, day, line

HERE, ELSEWHERE = "001", "059"
"""A designated département and one that never is."""


def units(world: World, estimand: str, shuffle: int | None = None, protocol: Protocol = PROTOCOL) -> pd.DataFrame:
    """Every candidate, with its reason where it is turned away and its covariates where it is not."""
    with database.connect() as connection:
        dates = world.open(connection, shuffle, protocol)
        found = candidates(connection, protocol, dates, estimand)
        numbered = "row_number() OVER (PARTITION BY reason IS NULL ORDER BY person, spell_number, known_at) - 1 AS unit"
        everyone = "(SELECT * FROM judged UNION ALL BY NAME SELECT * FROM early)"
        ordered = f"SELECT *, {numbered} FROM {everyone} ORDER BY person, spell_number, known_at"
        judged = connection.sql(ordered).to_arrow_table().to_pandas()
        covariates = [name for name in found.units.column_names if name not in judged] + ["unit"]
    known = found.units.select(covariates).to_pandas()
    frame = judged.merge(known, on="unit", how="left")
    frame.loc[frame["reason"].notna(), covariates] = None
    return frame.astype(object).where(frame.notna(), None)


def only(frame: pd.DataFrame, person: int = 1) -> Any:
    (row,) = frame[frame["person"] == person].itertuples()
    return row


def territory() -> World:
    world = World()
    world.platform(HERE, "2021-07-01", "2023-06-30")
    return world


def on_leave(world: World, start: str = "2022-03-01", days: int = 120, department: str = HERE, **facts: Any) -> World:
    """Insured 1, at work up to a leave."""
    world.person(1, department, **facts)
    world.leave(1, start, days)
    return world.employed(1, "2020-01", day(start).isoformat()[:7])


def accompanied(contact: str = "2022-05-10", **facts: Any) -> World:
    world = on_leave(territory(), **facts)
    return world.case(1, "PDP-001-202107", contact)


def test_time_zero_is_the_day_the_leave_reaches_the_trigger() -> None:
    row = only(units(on_leave(territory()), "ITT"))
    assert (row.arm, row.reason) == ("treated", None)
    assert row.time_zero == after("2022-03-01", 60)
    assert row.elapsed == row.risk_from == row.risk_until == 60


def test_a_leave_one_day_short_of_the_trigger_enters_nobody() -> None:
    assert only(units(on_leave(territory(), days=61), "ITT")).elapsed == 60
    short = only(units(on_leave(territory(), days=60), "ITT"))
    assert (short.arm, short.reason) == ("treated", "trigger_not_reached")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"start": "2021-04-01"}, "history_too_short"),  # reaches the trigger on 31 May 2021
        ({"department": None}, "unknown_department"),
        ({"birth_year": None}, "age_unknown_or_under"),
        ({"birth_year": 2005}, "age_unknown_or_under"),
        ({"death_date": day("2022-04-30")}, "dead"),
        ({"death_date": day("2022-05-01")}, None),
        ({"retirement_date": day("2022-04-30")}, "retired"),
        ({"invalidity_start": day("2022-04-30"), "invalidity_category": "category_2"}, "on_invalidity_pension"),
        ({"invalidity_start": day("2022-05-01"), "invalidity_category": "category_2"}, None),
        ({"start": "2023-05-03"}, "platform_not_open"),  # reaches the trigger the day after the platform closed
        ({"start": "2023-05-01"}, None),
    ],
)
def test_each_reason_turns_away_at_time_zero_and_not_a_day_later(change: dict[str, Any], reason: str | None) -> None:
    world = World()
    world.platform(HERE, "2021-05-15" if change.get("start") == "2021-04-01" else "2021-07-01")
    if "death_date" in change or "retirement_date" in change or "invalidity_start" in change:
        # Time zero of a leave that starts on 1 March 2022 is 30 April.
        assert after("2022-03-01", 60) == day("2022-04-30")
    assert only(units(on_leave(world, **change), "ITT")).reason == reason


def test_an_employee_without_work_before_the_leave_is_turned_away_and_unknown_work_or_self_employment_is_not() -> None:
    def after_a_year_of(employed: bool | None, **facts: Any) -> str | None:
        world = territory()
        world.person(1, HERE, **facts)
        world.leave(1, "2022-03-01", 120)
        if employed is not None:
            world.employed(1, "2021-03", "2022-02", employed)
        return only(units(world, "ITT")).reason  # type: ignore[no-any-return]

    assert after_a_year_of(False) == "not_employed"
    assert after_a_year_of(True) is None
    assert after_a_year_of(None) is None
    assert after_a_year_of(False, scheme="self_employed") is None


def test_dates_decide_whether_a_platform_is_open_and_a_second_platform_prolongs_the_first() -> None:
    world = territory()
    world.platform(HERE, "2023-09-01", "2024-06-30")
    assert only(units(on_leave(world, start="2023-09-05"), "ITT")).reason is None


def test_a_departement_whose_platform_opens_later_is_never_comparison() -> None:
    world = territory()
    world.platform("075", "2023-01-01", None)
    row = only(units(on_leave(world, department="075"), "ITT"))
    assert (row.arm, row.reason) == ("treated", "platform_not_open")


def test_a_person_enters_once_at_the_first_leave_to_reach_the_trigger_since_the_earliest_opening() -> None:
    world = territory()
    world.person(1, ELSEWHERE)
    world.leave(1, "2021-03-01", 90)  # reached it in April, before any opening
    world.leave(1, "2021-09-01", 50)  # too short
    world.leave(1, "2022-01-10", 100)
    world.leave(1, "2022-09-01", 100)
    row = only(units(world, "ITT"))
    assert row.start_date == day("2022-01-10")
    assert (row.arm, row.spells_24m, row.days_12m) == ("comparison", 2, 90 + 50)


def test_a_leave_that_reaches_the_trigger_on_the_opening_day_counts() -> None:
    world = territory()
    world.person(1, ELSEWHERE)
    world.leave(1, after("2021-07-01", -60), 90)
    world.leave(1, "2022-01-10", 100)
    assert only(units(world, "ITT")).time_zero == day("2021-07-01")


def test_the_register_is_read_as_of_the_month_of_time_zero_else_the_first_row() -> None:
    world = territory()
    world.person(1, HERE, valid_from="2022-06", employer_size="1_9")
    world.leave(1, "2022-03-01", 120)
    assert only(units(world, "ITT")).employer_size == "1_9"  # nothing delivered by April: the first row stands
    world.register(1, ELSEWHERE, valid_from="2022-04", employer_size="50_249")
    row = only(units(world, "ITT"))
    assert (row.employer_size, row.arm) == ("50_249", "comparison")


def test_history_windows_end_the_day_before_the_leave() -> None:
    world = territory()
    world.person(1, HERE)
    world.leave(1, "2022-02-25", 4, rate=10)  # one paid day
    world.leave(1, "2021-02-20", 20, rate=20)  # paid from 23 February to 8 March, then from 9 to 11 March
    world.leave(
        1, "2020-02-25", 10, rate=40
    )  # its last day alone is 730 days before; paid in one line from 28 February
    world.leave(1, "2022-03-05", 120)
    row = only(units(world, "ITT"))
    assert row.start_date == day("2022-03-05")
    assert row.days_12m == 4 + 7  # 5 to 11 March 2021
    assert row.days_24m == 4 + 20 + 1
    assert (row.spells_12m, row.spells_24m) == (1, 2)
    assert row.euros_12m == 10 + 3 * 20  # the payments that start in the window
    assert row.euros_24m == 10 + 17 * 20
    assert row.daily_allowance == 35


def test_months_minus_18_to_minus_7_are_the_365_days_that_end_half_a_year_before_the_leave() -> None:
    start = day("2022-03-01")
    for first, expected in ((547, 10), (548, 9), (192, 10), (191, 9), (183 - 1, 0)):
        world = territory()
        world.person(1, HERE)
        world.leave(1, after(start, -first), 10, risk="work_injury")
        world.leave(1, start, 90)
        assert only(units(world, "ITT")).days_before == expected


def test_an_open_long_term_illness_scheme_counts_and_a_closed_one_does_not() -> None:
    def ald(start: str, end: str | None) -> bool:
        facts: dict[str, Any] = {"ald_start": day(start), "ald_end": None if end is None else day(end)}
        return bool(only(units(on_leave(territory(), **facts), "ITT")).ald)

    assert ald("2021-01-01", None)
    assert ald("2021-01-01", "2022-03-01")
    assert not ald("2021-01-01", "2022-02-28")
    assert not ald("2022-03-02", None)


def test_the_clock_of_the_accompanied_starts_at_first_contact_and_not_at_the_agreement() -> None:
    row = only(units(accompanied(), "ATT"))
    assert row.time_zero == day("2022-05-10")
    assert row.elapsed == (day("2022-05-10") - day("2022-03-01")).days
    assert (row.arm, row.reason) == ("treated", None)


def test_without_agreement_nobody_is_accompanied_nor_a_comparison_where_a_platform_is() -> None:
    world = on_leave(territory()).case(1, "PDP-001-202107", "2022-05-10", agreed=False)
    assert units(world, "ATT").empty


def test_the_first_agreed_case_counts_and_the_platform_says_the_departement() -> None:
    world = on_leave(territory(), department=ELSEWHERE, days=300)
    world.case(1, "PDP-001-202107", "2022-04-20", agreed=False, case_number=7)
    world.case(1, "PDP-001-202107", "2022-05-10", case_number=8)
    world.case(1, "PDP-001-202107", "2022-09-10", case_number=9)
    frame = units(world, "ATT")
    row = only(frame[frame["arm"] == "treated"])
    assert (row.time_zero, row.department_code) == (day("2022-05-10"), HERE)


@pytest.mark.parametrize(
    ("contact", "reason"),
    [
        ("2022-05-10", None),
        ("2022-04-15", None),  # elapsed day 45
        ("2022-04-14", "neither_prolonged_nor_frequent"),
        ("2022-06-28", None),  # the last day of the leave
        ("2022-06-29", "not_on_leave"),
        ("2022-03-04", "not_on_leave"),  # its first paid day: no payment yet says that there is a leave
    ],
)
def test_the_accompanied_are_on_a_prolonged_leave_at_first_contact(contact: str, reason: str | None) -> None:
    assert only(units(accompanied(contact), "ATT")).reason == reason


@pytest.mark.parametrize(
    ("earlier", "risk_from"),
    [
        ([], 45),
        ([("2021-10-01", 10)], 45),
        ([("2021-10-01", 10), ("2021-12-01", 10)], 4),  # third leave in 12 months: from the day after the first payment
        ([("2021-10-01", 70)], 90 - 70),  # 90 days in 12 months
        ([("2020-10-01", 10), ("2020-12-01", 10)], 45),  # too long ago
    ],
)
def test_a_comparison_is_at_risk_once_prolonged_or_frequent(earlier: list[tuple[str, int]], risk_from: int) -> None:
    world = with_an_accompanied_person()
    world.person(1, ELSEWHERE)
    for start, days in earlier:
        world.leave(1, start, days)
    world.leave(1, "2022-03-01", 120)
    frame = units(world, "ATT")
    row = only(frame[frame["start_date"] == day("2022-03-01")])
    assert (row.reason, row.risk_from, row.risk_until) == (None, risk_from, 119)
    assert row.time_zero is None


def with_an_accompanied_person() -> World:
    world = territory()
    world.person(9, HERE)
    world.leave(9, "2021-07-20", 120)
    return world.case(9, "PDP-001-202107", "2021-10-01")


@pytest.mark.parametrize("fate", ["death_date", "retirement_date", "invalidity_start"])
def test_a_comparison_is_at_risk_up_to_the_day_before_its_fate(fate: str) -> None:
    world = with_an_accompanied_person()
    world.person(1, ELSEWHERE, **{fate: day("2022-05-30")})
    world.leave(1, "2022-03-01", 91)
    assert only(units(world, "ATT")).risk_until == 89


def test_a_comparison_has_its_history_at_its_own_time_zero() -> None:
    world = with_an_accompanied_person()
    world.person(1, ELSEWHERE)
    world.person(2, ELSEWHERE)
    world.leave(1, "2021-07-01", 200)
    world.rows["payment_lines"] = [
        row | {"flow_date": day("2019-10-01")} if row["flow_date"] == day("2019-07-01") else row
        for row in world.rows["payment_lines"]
    ]  # two years of lines only from October 2021 on
    world.leave(2, "2021-07-05", 60)
    frame = units(world, "ATT")
    assert only(frame).risk_from == (day("2021-10-01") - day("2021-07-01")).days
    assert only(frame, 2).reason == "history_too_short"


def test_a_comparison_leave_is_cut_where_the_register_changes_and_lives_where_it_lives_that_day() -> None:
    world = with_an_accompanied_person()
    world.person(1, ELSEWHERE, employer_size="1_9")
    world.register(1, ELSEWHERE, valid_from="2022-05", employer_size="250_plus")
    world.register(1, HERE, valid_from="2022-06")
    world.leave(1, "2022-03-01", 200)
    mine = units(world, "ATT")
    mine = mine[mine["person"] == 1]
    told = [(row.employer_size, row.risk_from, row.risk_until) for row in mine.itertuples()]
    assert told == [("1_9", 45, 60), ("250_plus", 61, 91)]  # May starts on elapsed day 61, June on day 92
    assert set(mine["department_code"]) == {ELSEWHERE}


def test_someone_accompanied_later_is_a_comparison_until_then() -> None:
    world = with_an_accompanied_person()
    world.person(1, ELSEWHERE)
    world.leave(1, "2022-03-01", 120)
    world.case(1, "PDP-001-202107", "2022-06-01")
    frame = units(world, "ATT")
    kept = frame[(frame["arm"] == "comparison")]
    assert only(kept).risk_until == (day("2022-05-31") - day("2022-03-01")).days
    assert only(frame[frame["arm"] == "treated"]).time_zero == day("2022-06-01")


@pytest.mark.parametrize(
    "missing", ["reports", "agreements", "platforms", "payment_lines", "person_history", "persons"]
)
@pytest.mark.parametrize("estimand", ["ITT", "ATT"])
def test_without_any_row_of_a_table_there_are_fewer_units_and_no_failure(missing: str, estimand: str) -> None:
    world = accompanied()
    world.person(2, ELSEWHERE)
    world.leave(2, "2022-03-01", 120)
    world.rows[missing].clear()
    frame = units(world, estimand)
    if missing in ("payment_lines", "persons"):
        assert not (frame["reason"].isna()).any()
    if estimand == "ATT" and missing in ("reports", "agreements"):
        assert frame.empty
    if estimand == "ITT" and missing == "platforms":
        assert frame.empty


def test_the_order_of_rows_never_matters() -> None:
    world = accompanied()
    for person in range(2, 8):
        world.person(person, ELSEWHERE)
        world.register(person, ELSEWHERE, valid_from="2022-05", social_class="manual")
        world.leave(person, after("2021-10-01", person), 30)
        world.leave(person, after("2022-02-20", person), 100)
        world.employed(person, "2021-01", "2022-02", contract="fixed_term" if person % 2 else "permanent")
    for estimand in ("ITT", "ATT"):
        pd.testing.assert_frame_equal(units(world, estimand), units(world, estimand, shuffle=3))


def test_the_flow_counts_a_person_with_several_leaves_once_at_the_furthest_reason() -> None:
    world = with_an_accompanied_person()
    for person in range(1, 5):
        world.person(person, ELSEWHERE)
    world.leave(1, "2022-01-10", 10)  # too short: and the other one is eligible
    world.leave(1, "2022-03-01", 120)
    world.leave(2, "2022-01-10", 10)  # both too short
    world.leave(2, "2022-03-01", 20)
    world.leave(3, "2021-12-01", 20)  # too short, and the other one fell into retirement: it came further
    world.leave(3, "2022-03-01", 90)
    world.rows["persons"][-2]["retirement_date"] = day("2022-02-01")
    world.leave(4, "2022-03-01", 120)
    world.rows["persons"][-1]["birth_year"] = None
    with database.connect() as connection:
        candidates(connection, PROTOCOL, world.open(connection), "ATT")
        flow = cohort_flow(connection, "(SELECT 'ATT' AS estimand, * FROM eligibility)")
    told = flow[flow["arm"] == "comparison"][["reason", "n_entering", "n_lost", "n_leaving"]].to_records(index=False)
    assert told.tolist() == [
        ("all", 4, 0, 4),
        ("neither_prolonged_nor_frequent", 4, 1, 3),
        ("age_unknown_or_under", 3, 1, 2),
        ("retired", 2, 1, 1),
        ("all", 1, 0, 1),
    ]


def test_waiting_lines_of_a_leave_that_is_not_paid_enter_nobody() -> None:
    world = territory()
    world.person(1, HERE)
    world.lines(line(1, "2022-03-01", "2022-05-30", 6011))
    assert units(world, "ITT").empty


def test_the_exceptions_to_nothing_from_the_future_are_counted() -> None:
    world = accompanied()
    for person, agreed in ((2, "2022-05-10"), (3, "2022-05-11")):
        world.person(person, HERE)
        world.leave(person, "2022-03-01", 120)
        world.case(person, "PDP-001-202107", "2022-05-10", agreed=False)
        world.answer(person, person, agreed, "agreement")
    world.add("withdrawals", platform_id="PDP-001-202107", quarter="2022-Q2", withdrawals=4)
    with database.connect() as connection:
        world.open(connection)
        find_accompanied(connection)
        assert list(declared_exceptions(connection).values()) == [3, 2, 4]


def test_a_leave_that_nobody_has_paid_by_day_60_has_no_time_zero_there() -> None:
    world = territory()
    world.person(1, HERE)
    world.lines(line(1, "2022-01-01", "2022-03-11", 6011), line(1, "2022-03-12", "2022-03-20"))
    assert only(units(world, "ITT")).reason == "trigger_not_reached"
