"""The rebuilt leaves are measured as national statistics are: leaves paid in a year, seen at its end, in paid days.

The worlds' clock makes 2023 the last year known from beginning to end.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from pipeline import database
from pipeline.leave.comparison import TITLE, Measured, beside, measure, year_known
from pipeline.leave.national import FIGURES, figure
from pipeline.leave.step import rebuild_leaves
from pipeline.leave.window import observed
from pipeline.tables.codes import LEAVES_MODALITY, LEAVES_VARIABLE
from tests.study.worlds import PROTOCOL, World


def measured(world: World, shuffle: int | None = None) -> Measured:
    with database.connect() as connection:
        world.open(connection, shuffle)
        return measure(connection, observed(connection, PROTOCOL)[0])


def rows(found: Measured) -> dict[str, dict[str, float]]:
    return {row["modality"]: row for row in found.leaves.to_dict("records")}


@pytest.mark.parametrize(
    ("first", "end", "year"),
    [
        ("2019-07-01", "2024-01-01", 2023),
        ("2019-07-01", "2023-12-31", 2022),
        ("2022-01-01", "2024-01-01", 2023),
        ("2022-02-01", "2024-01-01", None),
        ("1600-01-01", "1599-08-01", None),
    ],
)
def test_a_year_is_known_with_the_one_before_it(first: str, end: str, year: int | None) -> None:
    assert year_known(dt.date.fromisoformat(first), dt.date.fromisoformat(end)) == year


def test_a_leave_is_told_by_how_long_it_has_lasted_at_the_end_of_the_year_and_by_its_days_in_it() -> None:
    world = World()
    for person in (1, 2, 3):
        world.person(person)
    world.leave(1, "2023-03-01", 3 + 10)  # ten paid days
    world.leave(1, "2023-09-01", 3 + 40)
    world.leave(2, "2022-11-20", 3 + 40)  # paid from 23 November: a day in the year
    world.leave(3, "2022-05-29", 700)  # paid from 1 June: 579 paid days by the end of the year, all 365 of it
    world.leave(3, "2022-03-01", 20)  # over before the year
    found = measured(world)
    told = rows(found)
    assert found.year == 2023
    assert (told["all"]["n"], told["all"]["n_leaves"]) == (3, 4)
    assert told["all"]["mean_days"] == (10 + 40 + 1 + 365) / 4
    assert {m: told[m]["n_leaves"] for m in ("8+", "31+", "91+", "181+", "366+")} == {
        "8+": 4, "31+": 3, "91+": 1, "181+": 1, "366+": 1,
    }  # fmt: skip
    assert told["31+"]["share"] == 0.75
    assert {m: told[m]["n"] for m in ("8+", "31+", "366+")} == {"8+": 3, "31+": 3, "366+": 1}
    assert measured(world, shuffle=1).leaves.equals(found.leaves)


def test_work_injuries_are_left_out() -> None:
    world = World()
    world.person(1)
    world.leave(1, "2023-03-01", 50, risk="work_injury")
    assert rows(measured(world))["all"]["n"] == 0


def test_every_person_stands_in_one_age_band() -> None:
    world = World()
    for person, born in enumerate((2005, 1998, 1994, 1963, 1930, None, 2030), start=1):
        world.person(person, birth_year=born)
        world.leave(person, "2023-03-01", 13)
    found = measured(world).leaves
    bands = found[found["variable"] == "age_band"].set_index("modality")["n"]
    assert bands[bands > 0].to_dict() == {"0-24": 1, "25-29": 2, "60+": 2, "unknown": 2}
    assert bands.sum() == 7


def test_euros_are_those_paid_for_the_days_of_the_year() -> None:
    world = World()
    for person in (1, 2):
        world.person(person)
    world.leave(1, "2023-02-26", 3 + 14, rate=30)
    world.leave(2, "2022-01-01", 3 + 14 * 60, rate=40)
    euros = measured(world).euros.set_index(["modality", "measure"])["value"]
    days = 14 * len([d for d in range(60) if (dt.date(2022, 1, 4) + dt.timedelta(14 * d)).year == 2023])
    assert euros["all", "euros_per_day"] == pytest.approx((14 * 30 + days * 40) / (14 + days))
    assert euros["366+", "share_of_euros"] == pytest.approx(days * 40 / (14 * 30 + days * 40))


def test_the_share_still_on_leave_is_that_of_leaves_whose_start_is_seen_and_old_enough() -> None:
    world = World()
    for person in range(1, 5):
        world.person(person)
    world.leave(1, "2022-03-01", 3 + 7)
    world.leave(2, "2022-03-01", 3 + 8)
    world.leave(3, "2019-06-01", 300)  # begun before the first flow
    world.leave(4, "2023-03-01", 300)  # too recent to know whether it lasts a year
    lasting = measured(world).lasting.set_index("days")["share"]
    assert lasting.tolist() == [0.5, 0, 0, 0, 0]


def test_the_report_holds_each_national_figure_and_says_which_are_far(tmp_path) -> None:
    world = World()
    for person in range(1, 21):
        world.person(person)
        world.leave(person, "2023-03-01", 3 + (34 if person <= 12 else 35))
    report = rebuild_leaves(world.write(tmp_path))
    table = report.tables[TITLE].set_index("figure")
    assert table.loc["mean paid days a leave", ["measured", "national"]].tolist() == [34.4, 34]
    assert table.loc["euros a paid day", "ratio"] == round(35 / 35.7, 2)
    assert np.isnan(table.loc["share of leaves, over a year", "measured"])  # nobody: fewer than k persons
    assert report.warnings == []
    assert "2023" in str(report.figures["leaves held against national figures"])

    for person in range(1, 21):
        world.leave(person, "2023-06-01", 183)
    report = rebuild_leaves(world.write(tmp_path))
    (warning,) = report.warnings
    assert "mean paid days a leave (measured 107.2, national 34)" in warning


def test_fewer_than_k_persons_are_not_shown_in_the_report() -> None:
    world = World()
    for person in range(1, 11):
        world.person(person)
        world.leave(person, "2023-03-01", 13)
    assert beside(measured(world), k=11)["measured"].isna().all()
    assert beside(measured(world), k=10)["measured"].notna().any()


def test_without_a_line_nothing_is_compared_and_nothing_fails(tmp_path) -> None:
    world = World()
    world.rows["payment_lines"].clear()
    run = world.write(tmp_path)
    report = rebuild_leaves(run)
    assert report.tables[TITLE]["measured"].isna().all()
    assert report.warnings == []
    stored = pd.read_parquet(run.home.artefact(run.release, "leave", "leaves"))
    assert len(stored) == 0
    assert {"year", "variable", "modality", "n", "share", "mean_days"} <= set(stored.columns)


def test_every_row_has_its_label_and_every_national_figure_its_row() -> None:
    told = measured(World()).leaves
    assert set(told["modality"]) == {code.code for code in LEAVES_MODALITY}
    assert set(told["variable"]) == {code.code for code in LEAVES_VARIABLE}
    assert {(f.variable, f.modality) for f in FIGURES} <= set(zip(told["variable"], told["modality"], strict=True))
    assert figure("age_band", "30-34", "mean_days") is None
