"""The study run again under another protocol, and the placebos that play what never was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pipeline import database
from pipeline.database import Connection
from pipeline.effects import whole
from pipeline.effects.difference import Difference
from pipeline.leave.step import BY_GAP, other_gap_rules, rebuild
from pipeline.matching.units import Design, match_units
from pipeline.protocol import Protocol
from pipeline.study.step import DESIGNATED, Calendar
from tests.study.worlds import PROTOCOL, World, after, day, drawn_territory

Opened = tuple[Connection, Calendar]


def limits(found: Difference) -> tuple[float, float, float]:
    return found.estimate.value, found.estimate.ci_low, found.estimate.ci_high


def with_study(**changed: int) -> Protocol:
    return PROTOCOL.model_copy(update={"study": PROTOCOL.study.model_copy(update=changed)})


@pytest.fixture(scope="module")
def territory() -> Iterator[Opened]:
    with database.connect() as connection:
        yield connection, drawn_territory(seed=2).open(connection)


def test_the_same_protocol_gives_the_same_units_again(territory: Opened) -> None:
    one, two = (whole.units_under(*swapped(territory, PROTOCOL)) for _ in range(2))
    for estimand in ("ITT", "ATT"):
        assert one[estimand].equals(two[estimand])
        assert len(one[estimand])


def swapped(territory: Opened, protocol: Protocol) -> tuple[Connection, Protocol, Calendar]:
    return territory[0], protocol, territory[1]


def test_a_later_trigger_moves_every_time_zero(territory: Opened) -> None:
    units = whole.units_under(*swapped(territory, with_study(trigger_days=90)))["ITT"]
    assert set(units["elapsed"].to_pylist()) == {90}


def test_the_released_leaves_show_again_after_another_gap_rule() -> None:
    world = World()
    world.person(1)
    end = world.leave(1, "2022-01-01", 30, risk="work_injury")
    world.leave(1, after(end, 6), 30, risk="work_injury")  # five days apart
    with database.connect() as connection:
        world.open(connection)
        for name in ("leave_spells", "leave_days", "leave_payments"):  # as views, the way a step opens them
            connection.execute(f"CREATE TABLE released_{name} AS FROM {name}")
            connection.execute(f"DROP TABLE temp.{name}")
            connection.execute(f"CREATE VIEW {name} AS FROM released_{name}")
        counted = []
        with other_gap_rules(connection, PROTOCOL) as under:
            for days in (7, 0, 30):
                under(PROTOCOL.model_copy(update={"leave": PROTOCOL.leave.model_copy(update={"gap_days": days})}))
                counted.append(database.count(connection, "leave_spells"))
        assert counted == [1, 2, 1]
        assert database.count(connection, "leave_spells") == 2


def test_another_gap_rule_gives_the_leaves_and_days_that_a_release_under_it_has(territory: Opened) -> None:
    connection, _ = territory
    changed = PROTOCOL.model_copy(update={"leave": PROTOCOL.leave.model_copy(update={"gap_days": 30})})
    with other_gap_rules(connection, PROTOCOL) as under:
        under(changed)
        here = [connection.sql(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in BY_GAP]
    rebuild(connection, changed)
    released = [connection.sql(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in BY_GAP]
    rebuild(connection, PROTOCOL)  # as the fixture had it
    assert here == released


def test_a_variant_differs_from_the_protocol_only_in_who_is_compared(territory: Opened) -> None:
    connection, dates = territory
    units = whole.units_under(connection, PROTOCOL, dates)["ITT"]
    base = Design.of(PROTOCOL.matching)
    usual = whole.variant(connection, PROTOCOL, dates, units, "ITT", base)
    single = whole.variant(connection, PROTOCOL, dates, units, "ITT", replace(base, ratio=1))
    assert single.n_comparison < usual.n_comparison
    assert single.n_treated <= usual.n_treated
    again = whole.days_difference(connection, PROTOCOL, dates, match_units(units, PROTOCOL, base), "ITT", 12)
    assert limits(again) == limits(usual)


def test_placebo_departements_are_comparison_ones_played_as_designated(territory: Opened) -> None:
    connection, dates = territory
    units = whole.units_under(connection, PROTOCOL, dates)["ITT"]
    found, played = whole.placebo_departments(connection, PROTOCOL, dates, units)
    assert played == 3  # a third of nine, fewer than the four designated ones
    assert found is not None
    assert found.n_treated <= 3 * 40
    again, _ = whole.placebo_departments(connection, PROTOCOL, dates, shuffled(units))
    assert again is not None
    assert limits(again) == limits(found)


def shuffled(units: pa.Table) -> pa.Table:
    return units.take(pa.array(np.random.default_rng(1).permutation(len(units)))).sort_by("unit")


def test_too_few_comparison_departements_cannot_play(territory: Opened) -> None:
    connection, dates = territory
    units = whole.units_under(connection, PROTOCOL, dates)["ITT"]
    few = units.filter(np.isin(np.asarray(units["department_code"]), ["001", "002", "003", "004", "005", "006", "007"]))
    assert whole.placebo_departments(connection, PROTOCOL, dates, few) == (None, 1)


def test_without_history_the_placebo_opening_is_not_carried(territory: Opened) -> None:
    connection, dates = territory
    try:
        assert whole.placebo_opening(connection, PROTOCOL, dates) is None
    finally:
        connection.execute(DESIGNATED)


def test_with_history_the_placebo_opening_is_followed_while_no_platform_is_open() -> None:
    rule = PROTOCOL.inference.model_copy(update={"placebo_shift_months": 18})
    protocol = with_study(history_months=3).model_copy(update={"inference": rule})
    world = drawn_territory(seed=3, since="2019-11-15")
    with database.connect() as connection:
        dates = world.open(connection, protocol=protocol)
        found = whole.placebo_opening(connection, protocol, dates)
        assert found is not None
        assert found.n_treated > 50
        assert found.estimate.ci_low < found.estimate.value < found.estimate.ci_high
        opened = connection.sql("SELECT DISTINCT opening_date, closing_date FROM designated").fetchall()
        assert opened == [(day("2020-01-01"), day("2020-07-01"))]  # a year of follow-up before July 2021
        # What happens once platforms are open is not looked at: leaves from then on may last as they like.
        for person in range(1, 200):
            world.leave(person, "2021-07-01", 300)
        world.open(connection, protocol=protocol)
        again = whole.placebo_opening(connection, protocol, dates)
        assert again is not None
        assert limits(again) == limits(found)


def test_months_before_keep_the_day_or_end_with_the_month() -> None:
    assert whole.months_before(day("2021-07-01"), 24) == day("2019-07-01")
    assert whole.months_before(day("2022-03-31"), 1) == day("2022-02-28")
    assert whole.months_before(day("2020-02-29"), 12) == day("2019-02-28")
    assert whole.months_before(day("2021-01-15"), 1) == day("2020-12-15")


def test_units_are_the_same_whatever_the_order_of_rows() -> None:
    found = []
    for shuffle in (None, 3):
        with database.connect() as connection:
            dates = drawn_territory(seed=4, persons=15).open(connection, shuffle)
            found.append(whole.units_under(connection, PROTOCOL, dates)["ITT"].to_pandas())
    pd.testing.assert_frame_equal(*found)
