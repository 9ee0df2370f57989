"""What the platforms did: persons counted once, totals that add up, rows that are there whoever is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipeline import database
from pipeline.leave.step import rebuild_leaves
from pipeline.study.activity.tables import TABLES, activity
from pipeline.study.cohort import build_cohort
from tests.study.worlds import PROTOCOL, RELEASE, World, after, day


def busy() -> World:
    """Two platforms, seven accompanied, two refusals, a second case, a withdrawal."""
    world = World()
    one, two = world.platform("001", "2021-07-01", "2023-06-30"), world.platform("059", "2022-01-01", "2023-12-31")
    for person in range(1, 10):
        home = "001" if person % 2 else "059"
        world.person(person, home, sex="male" if person % 3 else "female", birth_year=1955 + 5 * person)
        world.leave(person, "2022-01-10", 200)
        contact = after("2022-03-20", 17 * person)
        agreed = person < 8
        sources = ("employer", "insured", "general_practitioner")
        world.case(
            person, one if person % 2 else two, contact, agreed, referral_source=sources[person % 3],
            pathology="musculoskeletal" if person % 2 else None,
        )  # fmt: skip
        if not agreed:
            world.rows["reports"].pop()  # someone who refuses has no report
    world.register(1, "001", valid_from="2023-05", employer_size="250_plus")  # long after first contact
    world.case(1, two, "2022-12-01", case_number=99)  # a later case of someone already counted
    final = world.rows["reports"][0] | {
        "report_number": 100, "stage": "final", "report_date": day("2022-11-01"), "exit_date": day("2022-11-01"),
        "exit": "same_post", "employment_situation": "full_return",
    }  # fmt: skip
    world.add("reports", **final)
    # A case is closed with its situation still open: an exit like the others, or the parts miss the total.
    closed = world.rows["reports"][1] | {"report_number": 101, "stage": "final", "exit": "ongoing"}
    world.add("reports", **closed | {"report_date": day("2022-12-05"), "exit_date": day("2022-12-05")})
    for status, when, cost in (("proposed", "2022-05-01", None), ("carried_out", "2022-11-01", 150)):
        world.add(
            "report_measures", person=1, case_number=1, report_date=day(when), measure="post_adaptation", status=status,
            cost=cost,
        )  # fmt: skip
    world.add("withdrawals", platform_id=one, quarter="2022-Q3", withdrawals=2)
    return world


def tables_of(world: World, root: Path, shuffle: int | None = None) -> dict[str, Any]:
    run = world.write(root, shuffle)
    rebuild_leaves(run)
    build_cohort(run)
    with database.connect() as connection:
        return dict(activity(connection, run.home, RELEASE, PROTOCOL))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return tables_of(busy(), tmp_path_factory.mktemp("busy"))


def value(frame: Any, column: str = "n", **keys: str) -> int:
    for name, key in keys.items():
        frame = frame[frame[name] == key]
    (row,) = frame[column]
    return int(row)


def test_platforms_and_quarters_add_up_to_the_totals(found: dict[str, Any]) -> None:
    table = found["platform_activity"]
    assert set(table["platform_id"]) == {"PDP-001-202107", "PDP-059-202201", "all"}
    counts = [name for name in table.columns if name not in ("platform_id", "quarter")]
    quarters, total = table[table["quarter"] != "all"], table[table["quarter"] == "all"].set_index("platform_id")
    for name in counts:
        parts = total.drop("all")[name]
        assert parts.sum() == total.loc["all", name]
        if name != "reports":  # a person may have a report in two quarters
            assert (quarters.groupby("platform_id")[name].sum() == total[name]).all()
    assert total.loc["all", ["referrals", "contacts", "agreements", "refusals", "withdrawals"]].tolist() == [
        9,
        9,
        7,
        2,
        2,
    ]
    assert total.loc["all", ["diagnoses", "plans", "exits"]].tolist() == [7, 7, 2]


def test_a_platform_has_a_row_for_each_quarter_from_its_opening_on(found: dict[str, Any]) -> None:
    table = found["platform_activity"]
    assert table[table["platform_id"] == "PDP-059-202201"]["quarter"].min() == "2022-Q1"
    assert table[table["platform_id"] == "all"]["quarter"].tolist() == [
        *(
            f"{year}-Q{q}"
            for year in range(2021, 2025)
            for q in range(1, 5)
            if "2021-Q3" <= f"{year}-Q{q}" <= "2024-Q2"
        ),
        "all",
    ]


def test_a_refusal_counts_at_the_platform_of_the_home_as_referral_contact_and_refusal(
    found: dict[str, Any],
) -> None:
    rows = found["platform_activity"].set_index(["platform_id", "quarter"])
    assert rows.loc[("PDP-059-202201", "all"), "refusals"] == rows.loc[("PDP-001-202107", "all"), "refusals"] == 1
    assert rows.loc[("PDP-059-202201", "all"), "contacts"] == 3 + 1


def test_every_characteristic_counts_every_person_once(found: dict[str, Any]) -> None:
    table = found["participant_profile"]
    for platform, persons in (("all", 7), ("PDP-001-202107", 4), ("PDP-059-202201", 3)):
        held = table[table["platform_id"] == platform].groupby("variable")["n"].sum()
        assert (held == persons).all(), platform
    assert value(table, platform_id="all", variable="pathology", modality="not_given") == 3


def test_characteristics_are_those_of_the_month_of_first_contact(found: dict[str, Any]) -> None:
    assert value(found["participant_profile"], platform_id="all", variable="employer_size", modality="10_49") == 7


def test_sources_exits_and_measures_count_persons_with_their_totals(found: dict[str, Any]) -> None:
    sources = found["referral_sources"]
    assert value(sources, source="all", quarter="all") == 7
    assert sources[(sources["source"] != "all") & (sources["quarter"] != "all")]["n"].sum() == 7
    exits = found["exits"]
    assert value(exits, exit="same_post", leave_risk="all") == value(exits, exit="ongoing", leave_risk="all") == 1
    for risk, rows in exits.groupby("leave_risk"):
        assert value(exits, exit="all", leave_risk=risk) == rows[rows["exit"] != "all"]["n"].sum()
    measures = found["measures"]
    assert value(measures, measure="post_adaptation", status="carried_out") == 1
    assert value(measures, measure="post_adaptation", status="proposed") == 0
    assert value(measures, measure="all", status="all") == value(measures, "n_cost", measure="all", status="all") == 1
    assert value(measures, "second_cost", measure="all", status="all") == 0


def test_situations_compare_the_same_persons_at_their_first_report_and_later(found: dict[str, Any]) -> None:
    table = found["situations"]
    first = table[table["stage"] == "initial"]
    assert (first["n"] == first["n_initial"]).all()
    final = table[(table["stage"] == "final") & (table["dimension"] == "employment_situation")]
    assert final["n"].sum() == final["n_initial"].sum() == 2
    assert value(final, modality="full_return") == value(final, modality="on_leave") == 1
    assert value(final, "n_initial", modality="on_leave") == 2


def test_delays_are_days_between_milestones_of_persons_with_both(found: dict[str, Any]) -> None:
    delays = found["delays"].set_index("step")
    assert delays.loc["referral_to_first_contact", ["n", "p25", "median", "p75"]].tolist() == [7, 10, 10, 10]
    assert delays.loc["first_contact_to_exit", "n"] == 2


def test_departements_count_persons_on_long_leave_and_the_accompanied_among_them(
    found: dict[str, Any],
) -> None:
    rows = found["departments"].set_index("department_code")
    assert rows["designated"].all()
    assert rows.loc[["001", "059"], "persons_on_long_leave"].tolist() == [5, 4]
    assert rows.loc[["001", "059"], "participants"].tolist() == [4, 3]


def test_the_order_of_rows_never_matters(found: dict[str, Any], tmp_path: Path) -> None:
    shuffled = tables_of(busy(), tmp_path, shuffle=5)
    for name in TABLES:
        pd.testing.assert_frame_equal(found[name], shuffled[name])


def test_a_territory_without_activity_has_every_row_and_no_person(tmp_path: Path) -> None:
    world = World()
    world.platform("001", "2021-07-01")
    world.person(1, "001")
    empty = tables_of(world, tmp_path)
    for name in ("participant_profile", "referral_sources", "exits", "measures", "situations"):
        assert len(empty[name]) > 20 and (empty[name]["n"] == 0).all()
    assert (empty["platform_activity"].set_index(["platform_id", "quarter"]) == 0).all(axis=None)
