"""What no platform can change, tested as the effect is: days long before, deaths, and those who refused."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from drawn_samples import drawn_analysis

from pipeline import database
from pipeline.database import Connection
from pipeline.effects import whole
from pipeline.effects.falsification import death_difference, prior_days
from pipeline.effects.sample import MatchedSample
from pipeline.effects.specifications import not_neighbours
from pipeline.protocol import Protocol
from pipeline.study.cohort import candidates
from pipeline.study.step import Calendar
from tests.study.worlds import PROTOCOL, World, after, day, drawn_territory

PAIR = MatchedSample.from_memberships(
    np.array([1, 1]), np.array([True, False]), np.array(["001", "059"], dtype=object), np.array([1, 2])
)


def with_rule(**changed: object) -> Protocol:
    return PROTOCOL.model_copy(update={"inference": PROTOCOL.inference.model_copy(update=changed)})


def days_long_before(start: str, *leaves: tuple[str, int]) -> tuple[float, bool]:
    """Days and whether they are known, for a person whose leave starts on that day after these leaves."""
    world = World()
    for person in (1, 2):
        world.person(person)
    for first, days in leaves:
        world.leave(1, first, days, risk="work_injury")
    with database.connect() as connection:
        dates = world.open(connection)
        found = drawn_analysis(PAIR, np.zeros(2), start_date=np.array([day(start)] * 2))
        counted, known = prior_days(connection, PROTOCOL, dates, found)
    assert counted[1] == 0
    return float(counted[0]), bool(known[0])


def test_the_third_year_before_the_leave_counts_and_nothing_nearer():
    start = "2023-06-01"
    first, last = after(start, -1095), after(start, -731)
    assert days_long_before(start, (first.isoformat(), 10)) == (10, True)
    assert days_long_before(start, (after(first, -5).isoformat(), 10)) == (5, True)
    assert days_long_before(start, (after(last, -3).isoformat(), 10)) == (4, True)
    assert days_long_before(start, (after(last, 1).isoformat(), 10)) == (0, True)
    assert days_long_before(start, (after(first, 20).isoformat(), 4), (after(first, 90).isoformat(), 6)) == (10, True)


def test_without_lines_that_old_the_days_are_not_known():
    # Lines start in July 2019: those of June are half seen.
    assert days_long_before(after("2019-07-01", 1095).isoformat()) == (0, True)
    assert days_long_before(after("2019-06-30", 1095).isoformat()) == (0, False)


def deaths(died: int, sets: int = 60) -> tuple[object, str]:
    """The test of deaths where so many of each arm died, the others a day too early or too late."""
    world, zero = World(), day("2022-03-01")
    for person in range(2 * sets):
        if person // 2 < died:
            death = after(zero, 364 if person % 4 < 2 else 0)
        else:
            death = [after(zero, 365), after(zero, -1), None][person % 3]
        world.person(person, "001" if person % 2 == 0 else "059", death_date=death)
    homes = np.where(np.arange(2 * sets) % 2 == 0, "001", "059").astype(object)
    sample = MatchedSample.from_memberships(
        np.arange(2 * sets) // 2, np.arange(2 * sets) % 2 == 0, homes, np.arange(2 * sets)
    )
    found = drawn_analysis(sample, np.zeros(2 * sets), time_zero=np.array([zero] * (2 * sets)))
    with database.connect() as connection:
        world.open(connection)
        return death_difference(connection, PROTOCOL, found)


def test_deaths_from_time_zero_to_the_horizon_count():
    found, _ = deaths(15)
    assert (found.value_treated, found.value_comparison) == (15 / 60, 15 / 60)


def test_few_deaths_are_no_test_and_are_not_told():
    assert PROTOCOL.disclosure.k == 11
    found, why = deaths(10)
    assert found is None and why == "too few deaths within the horizon"


@pytest.fixture(scope="module")
def territory() -> Iterator[tuple[Connection, Calendar, pa.Table]]:
    """No effect; half the insured where a platform is are asked, half of these refuse."""
    world = with_refusals(drawn_territory(seed=2, accompanied=0.7), share=0.5)
    with database.connect() as connection:
        dates = world.open(connection)
        yield connection, dates, whole.units_under(connection, PROTOCOL, dates)["ITT"]


def with_refusals(world: World, share: float, longer: int = 0) -> World:
    """Turn agreements into refusals, whose report goes; leaves of those who refuse may last longer."""
    rng = np.random.default_rng(7)
    asked = [row for row in world.rows["agreements"] if row["event"] == "agreement"]
    refusing = {row["person"] for row in asked if rng.random() < share}
    for row in asked:
        if row["person"] in refusing:
            row["event"] = "refusal"
    world.rows["reports"] = [row for row in world.rows["reports"] if row["person"] not in refusing]
    if longer:
        last = {}
        for row in world.rows["payment_lines"]:
            last[row["person"]] = max(last.get(row["person"], row["period_end"]), row["period_end"])
        for person in sorted(refusing):
            world.leave(person, after(last[person], 1), longer, risk="sickness")
    return world


def test_those_who_refused_are_the_treated_and_start_on_the_day_they_refused(territory) -> None:
    connection, dates, known = territory
    units = whole.units_met(connection, PROTOCOL, dates, known, "refusal")
    asked = dict(connection.execute("SELECT person, event_date FROM agreements WHERE event = 'refusal'").fetchall())
    treated = [unit for unit in units.to_pylist() if unit["arm"] == "treated"]
    assert 30 < len(treated) <= len(asked)
    assert all(unit["time_zero"] == asked[unit["person"]] for unit in treated)
    homes = {unit["department_code"] for unit in treated}
    assert homes == {"001", "002", "003", "004"}
    assert not homes & {unit["department_code"] for unit in units.to_pylist() if unit["arm"] == "comparison"}


def test_where_refusing_means_nothing_the_test_passes_and_leaves_the_released_cohort_as_it_was(territory) -> None:
    connection, dates, known = territory
    found, persons = whole.refused(connection, PROTOCOL, dates, known)
    assert found is not None
    assert found.n_treated == persons >= PROTOCOL.inference.refusal_minimum_persons
    assert found.estimate.ci_low < 0 < found.estimate.ci_high
    assert whole.units_under(connection, PROTOCOL, dates)["ITT"].equals(known)


def test_refusals_of_those_who_get_worse_are_found() -> None:
    world = with_refusals(drawn_territory(seed=2, accompanied=0.7), share=0.5, longer=60)
    with database.connect() as connection:
        dates = world.open(connection)
        known = whole.units_under(connection, PROTOCOL, dates)["ITT"]
        found, _ = whole.refused(connection, PROTOCOL, dates, known)
    assert found is not None and found.estimate.ci_low > 0


def test_too_few_refusals_carry_no_test(territory) -> None:
    connection, dates, known = territory
    found, persons = whole.refused(connection, with_rule(refusal_minimum_persons=10_000), dates, known)
    assert found is None and persons > 30


def test_who_agrees_later_or_is_asked_where_no_platform_is_open_has_not_refused() -> None:
    world = World()
    platform = world.platform("001", "2022-01-01", "2022-12-31")
    for person, (home, refusal) in enumerate(
        [("001", "2022-04-01"), ("001", "2023-02-01"), ("001", "2022-04-01"), ("059", "2022-04-01")], start=1
    ):
        world.person(person, home)
        world.leave(person, after(refusal, -50), 100)
        world.answer(person, person, refusal, "refusal")
    world.case(3, platform, "2022-05-01", case_number=33)
    with database.connect() as connection:
        dates = world.open(connection)
        candidates(connection, PROTOCOL, dates, "ATT", "refusal")
        assert connection.sql("SELECT person, first_contact FROM refusals").fetchall() == [(1, day("2022-04-01"))]
        met = connection.sql("SELECT person, first_contact FROM accompanied ORDER BY person").fetchall()
    assert met == [(1, day("2022-04-01")), (3, day("2022-05-01"))]


def test_with_the_agreement_as_time_zero_the_clock_starts_later() -> None:
    world = World()
    platform = world.platform("001")
    world.person(1)
    world.leave(1, "2022-01-01", 200)
    world.case(1, platform, "2022-03-01")  # agreed ten days later
    with database.connect() as connection:
        dates = world.open(connection)
        for met, zero in (("first_contact", "2022-03-01"), ("agreement", "2022-03-11")):
            (unit,) = candidates(connection, PROTOCOL, dates, "ATT", met).units.to_pylist()
            assert (unit["time_zero"], unit["elapsed"]) == (day(zero), (day(zero) - day("2022-01-01")).days)


def test_comparison_departements_that_touch_a_designated_one_are_left_out_and_no_treated() -> None:
    units = pa.table(
        {"arm": ["treated", "treated", "comparison", "comparison"], "department_code": ["059", "062", "062", "029"]}
    )
    assert not_neighbours(units, {"059"}).to_pylist() == [True, True, False, True]
