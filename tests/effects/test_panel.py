"""The second look: what départements were before and after, nobody matched."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf
from pandas import DataFrame

from pipeline import database
from pipeline.effects.panel import Cells, cells_of, panel_difference, stacked_difference
from tests.study.worlds import OPENING, PROTOCOL, World, after, drawn_territory

HORIZON = 60
MONTHS = tuple(dt.date(2020 + m // 12, m % 12 + 1, 1) for m in range(24))
END = dt.date(2022, 1, 1)


def territory(
    openings: dict[str, dt.date], comparison: int, effect: float = 0.0, noise: float = 0.0, seed: int = 0
) -> tuple[Cells, dict[str, tuple[dt.date, dt.date]]]:
    """Cells with a level for each département and month, and an effect from the opening on."""
    rng = np.random.default_rng(seed)
    departments = sorted([*openings, *(f"9{number:02d}" for number in range(comparison))])
    leaves = rng.integers(0, 30, (len(departments), len(MONTHS))).astype(float)
    days = rng.normal(100, 20, len(departments))[:, None] + rng.normal(0, 20, len(MONTHS))
    days = days + noise * rng.normal(size=days.shape)
    for row, code in enumerate(departments):
        if code in openings:
            days[row] += effect * np.array([month >= openings[code] for month in MONTHS])
    days[leaves == 0] = 0
    return Cells(tuple(departments), MONTHS, leaves, days), {code: (day, END) for code, day in openings.items()}


THREE = {"001": dt.date(2021, 1, 1), "002": dt.date(2021, 1, 1), "003": dt.date(2021, 5, 1)}


def test_parallel_territories_without_noise_give_the_effect_to_the_last_digit():
    for effect in (0.0, -12.0):
        found = stacked_difference(*territory(THREE, 5, effect), HORIZON)
        assert found.value == pytest.approx(effect, abs=1e-9)
        assert found.se == pytest.approx(0, abs=1e-9)


def one_opening_by_statsmodels(cells: Cells, opening: dt.date, left_out: str | None = None) -> float:
    """Weighted least squares with a dummy for each département and month; months that straddle the opening left out."""
    rows = []
    for d, code in enumerate(cells.departments):
        for m, month in enumerate(cells.months):
            last = (month.replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
            before, since = last + dt.timedelta(days=HORIZON) <= opening, month >= opening
            if (before or since) and code != left_out and cells.leaves[d, m]:
                treated = since and not code.startswith("9")
                rows.append((code, str(month), cells.leaves[d, m], cells.days[d, m], float(treated)))
    frame = DataFrame(rows, columns=["code", "month", "n", "days", "treated"])
    return float(smf.wls("days ~ treated + C(code) + C(month)", frame, weights=frame["n"]).fit().params["treated"])


def test_one_opening_date_is_weighted_least_squares_with_two_fixed_effects_without_each_departement():
    opening = dt.date(2021, 1, 1)
    cells, windows = territory({"001": opening, "002": opening, "003": opening}, 6, -5, noise=30, seed=4)
    found = stacked_difference(cells, windows, HORIZON)
    assert found.value == pytest.approx(one_opening_by_statsmodels(cells, opening))
    for code, value in zip(found.replicates.department, found.replicates.value, strict=True):
        assert value == pytest.approx(one_opening_by_statsmodels(cells, opening, code)), code
    assert found.df == 2


def test_several_opening_dates_are_weighted_by_the_leaves_of_their_treated():
    cells, windows = territory(THREE, 6, noise=30, seed=5)
    found = stacked_difference(cells, windows, HORIZON).value
    parts, weights = [], []
    for opening in sorted(set(THREE.values())):
        mine = [code for code, day in THREE.items() if day == opening]
        kept = [i for i, code in enumerate(cells.departments) if code in mine or code not in THREE]
        own = Cells(tuple(cells.departments[i] for i in kept), cells.months, cells.leaves[kept], cells.days[kept])
        parts.append(one_opening_by_statsmodels(own, opening))
        since = np.array([month >= opening for month in cells.months])
        weights.append(sum(cells.leaves[cells.departments.index(code)][since].sum() for code in mine))
    assert found == pytest.approx(np.average(parts, weights=weights))


def test_months_that_straddle_the_opening_and_those_after_the_closing_do_not_count():
    cells, windows = territory(THREE, 5, -7, noise=20)
    found = stacked_difference(cells, windows, HORIZON)
    days = cells.days.copy()
    row = cells.departments.index("003")
    days[row, [MONTHS.index(dt.date(2021, 3, 1)), MONTHS.index(dt.date(2021, 4, 1))]] += 1000
    again = stacked_difference(Cells(cells.departments, MONTHS, cells.leaves, days), windows, HORIZON)
    assert again.value == pytest.approx(found.value)
    closed = windows | {"003": (THREE["003"], dt.date(2021, 9, 30))}
    days[row, MONTHS.index(dt.date(2021, 10, 1)) :] += 1000
    late = stacked_difference(Cells(cells.departments, MONTHS, cells.leaves, days), closed, HORIZON)
    assert abs(late.value) < 100


def test_two_treated_departements_have_no_interval_and_no_history_no_estimate():
    cells, windows = territory(dict(list(THREE.items())[:2]), 5, noise=10)
    found = stacked_difference(cells, windows, HORIZON)
    assert (found.reason, math.isnan(found.ci_low)) == ("too_few_clusters", True)
    assert stacked_difference(*territory({"001": MONTHS[0]}, 5), HORIZON) is None


def test_no_effect_is_found_as_rarely_as_the_level_says():
    openings = {f"0{number:02d}": dt.date(2021, 1 + number % 4, 1) for number in range(1, 9)}
    worlds = 150
    told = 0
    for seed in range(worlds):
        found = stacked_difference(*territory(openings, 16, noise=30, seed=seed), HORIZON)
        told += found.ci_low > 0 or found.ci_high < 0
    assert told / worlds < 0.11  # 5 % and three standard errors of the simulation


def test_rows_become_cells_whatever_their_order():
    rows = pa.table(
        {
            "department_code": ["002", "001", "001"],
            "month": pa.array([dt.date(2021, 1, 1), dt.date(2021, 2, 1), dt.date(2021, 1, 1)], pa.date32()),
            "leaves": [2, 1, 4],
            "days": [100, 7, 80],
        }
    )
    cells = cells_of(rows)
    assert (cells.departments, cells.months) == (("001", "002"), (dt.date(2021, 1, 1), dt.date(2021, 2, 1)))
    assert cells.leaves.tolist() == [[4, 1], [2, 0]]
    assert cells.days.tolist() == [[20, 7], [50, 0]]


def test_leaves_count_in_the_month_and_departement_in_which_they_reach_the_trigger():
    world = World()
    world.platform("001", OPENING)
    for person, home in ((1, "001"), (2, "059"), (3, "059"), (4, "059")):
        world.person(person, home, death_date=after("2020-03-05", 0) if person == 4 else None)
    world.leave(1, "2022-01-10", 100)  # reaches 60 days on 11 March
    world.leave(2, "2020-01-05", 60)  # one day short
    world.leave(3, "2020-01-05", 61)
    world.leave(4, "2020-01-05", 100)  # dead when it would
    with database.connect() as connection:
        dates = world.open(connection)
        assert panel_difference(connection, PROTOCOL, dates) is None  # 001 has no leave before its opening
        rows = connection.sql("SELECT person, department_code, month::VARCHAR, days FROM panel_leaves").fetchall()
    assert sorted(rows) == [(1, "001", "2022-03-01", 40), (3, "059", "2020-03-01", 1)]


def test_persons_are_counted_once_and_a_territory_without_effect_has_none():
    world = drawn_territory(seed=5, treated=4, comparison=8, persons=30)
    for person in range(1, 361):  # long leaves in the time before
        world.leave(person, after("2019-10-01", 7 * (person % 30)), 62 + person % 50)
    with database.connect() as connection:
        dates = world.open(connection)
        found = panel_difference(connection, PROTOCOL, dates)
        assert found is not None
        assert found.estimate.ci_low < 0 < found.estimate.ci_high
        assert 60 < found.n_treated <= 120 and found.n_comparison == 240
