"""The table of savings: what each perimeter holds, and the cost of those who could reach the horizon."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_samples import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import database
from pipeline.effects.analysis import Analysis, Horizon
from pipeline.effects.sample import MatchedSample
from pipeline.effects.savings_table import EUROS, Cost, cost_of, figures_of, savings_rows
from pipeline.home import Home, Landing
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.study.step import Calendar
from pipeline.tables.codes import ALLOWANCE_PARTS, PERIMETER

PROTOCOL = Protocol.load()
RELEASE = "2024-06"
END = dt.date(2024, 1, 1)
DATES = Calendar(dt.date(2024, 6, 1), END, dt.date(2021, 7, 1), dt.date(2021, 7, 1))
MONTHS = 12


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def analysed(sample: MatchedSample, euros: dict[str, np.ndarray], days: np.ndarray, complete: Any = None) -> Analysis:
    """An estimand with one horizon."""
    n = sample.n_rows
    complete = np.ones(n, bool) if complete is None else complete
    members = pa.table(
        {
            "set_id": sample.set_id, "arm": np.where(sample.treated, "treated", "comparison"),
            "department_code": np.array(sample.department_codes)[sample.department], "person": sample.person,
        }
    )  # fmt: skip
    horizon = Horizon(365, complete, {"days_on_leave": days}, euros)
    nobody = np.full(n, None, dtype=object)
    return Analysis(
        "ITT", members, members, {MONTHS: horizon}, nobody, np.full(n, np.nan), np.zeros(n, np.int64),
        PROTOCOL.inference,
    )  # fmt: skip


def drawn(sample: MatchedSample, seed: int) -> dict[str, np.ndarray]:
    """Euros to the cent of each column of `outcomes`, of which only some have part-time or a pension."""
    rng = np.random.default_rng(seed)
    euros = {name: rng.integers(0, 500_000, sample.n_rows) / 100 for name in ("sickness_eur", "work_injury_eur")}
    euros["part_time_eur"] = np.where(rng.random(sample.n_rows) < 0.3, 512.34, 0.0)
    euros["invalidity_eur"] = np.where(rng.random(sample.n_rows) < 0.2, 3000.0, 0.0)
    euros["allowance_eur"] = np.round(euros["sickness_eur"] + euros["work_injury_eur"] + euros["part_time_eur"], 2)
    return euros | {"same_tariff_eur": 1.1 * euros["allowance_eur"]}


def figures(sample: MatchedSample, seed: int = 1, cost: float | None = 300.0) -> dict[str, dict[str, Any]]:
    days = np.random.default_rng(seed).integers(1, 365, sample.n_rows).astype(np.float64)
    return figures_of(analysed(sample, drawn(sample, seed), days), MONTHS, Cost(cost, 1000))


@settings(max_examples=30, deadline=None)
@given(samples(), st.integers(0, 10_000))
def test_the_parts_add_up_to_the_allowances_per_person_and_in_total(sample: MatchedSample, seed: int) -> None:
    rows = figures(sample, seed)
    for name in ("gross_eur_per_person", "gross_total_eur"):
        assert sum(rows[part][name] for part in ALLOWANCE_PARTS) == pytest.approx(rows["allowances"][name], abs=1e-7)
    assert len({row["n_persons"] for row in rows.values()}) == 1


def test_every_perimeter_is_defined_once_and_only_whole_ones_carry_the_cost() -> None:
    assert set(EUROS) == {code.code for code in PERIMETER}
    rows = figures(samples_of(40))
    for perimeter, row in rows.items():
        assert np.isfinite([row["gross_eur_per_person"], row["gross_ci_low"], row["gross_ci_high"]]).all()
        whole = perimeter not in ALLOWANCE_PARTS
        assert ("net_eur_per_person" in row) == whole
        assert (row["days_avoided_per_person"] is not None) == whole
        if whole:
            assert row["net_eur_per_person"] == pytest.approx(row["gross_eur_per_person"] - 300)
            assert row["net_ci_high"] == pytest.approx(row["gross_ci_high"] - 300)


def test_the_break_even_is_where_the_allowances_of_the_days_avoided_repay_the_cost() -> None:
    sample = samples_of(40)
    euros, days = drawn(sample, 1), np.full(sample.n_rows, 100.0)
    euros["allowance_eur"] = 40 * days
    rows = figures_of(analysed(sample, euros, days), MONTHS, Cost(300.0, 1000))
    assert rows["allowances"]["break_even_days"] == pytest.approx(300 / 40)
    # A pension is no price of a day on leave.
    assert rows["allowances_and_invalidity"]["break_even_days"] is None
    assert figures(sample)["allowances_same_tariff"]["break_even_days"] == pytest.approx(
        figures(sample)["allowances"]["break_even_days"] / 1.1
    )


def test_an_unknown_cost_leaves_the_gross_saving() -> None:
    rows = figures(samples_of(40), cost=None)
    assert all("net_eur_per_person" not in row and np.isfinite(row["gross_eur_per_person"]) for row in rows.values())


def test_persons_behind_a_part_are_those_paid_for_it_and_behind_a_wider_perimeter_those_with_a_pension() -> None:
    sample = samples_of(40)
    euros = drawn(sample, 1)
    complete = np.arange(sample.n_rows) % 8 < 6  # some sets lose a control, some leave
    rows = figures_of(analysed(sample, euros, np.ones(sample.n_rows), complete), MONTHS, Cost(300.0, 1000))
    counted = sample.weights(eligible=complete) > 0
    for perimeter, column in (
        ("part_time_allowances", "part_time_eur"),
        ("allowances_and_invalidity", "invalidity_eur"),
    ):
        for name, arm in (("n_paid_treated", sample.treated), ("n_paid_comparison", ~sample.treated)):
            assert rows[perimeter][name] == np.count_nonzero(counted & arm & (euros[column] > 0))
    assert rows["allowances"]["n_paid_treated"] is None


def test_the_largest_share_is_that_of_a_person_of_either_arm() -> None:
    sample = samples_of(40)
    euros = drawn(sample, 1)
    one = int(np.flatnonzero(~sample.treated)[3])
    euros["part_time_eur"] = np.where(np.arange(sample.n_rows) == one, 9000.0, 0.001)
    rows = figures_of(analysed(sample, euros, np.ones(sample.n_rows)), MONTHS, Cost(300.0, 1000))
    assert rows["part_time_allowances"]["largest_share"] > 0.99
    assert rows["part_time_allowances"]["others_over_largest"] < 0.001 < 1 < rows["allowances"]["others_over_largest"]
    assert rows["allowances"]["largest_share"] < 0.2


def samples_of(sets: int) -> MatchedSample:
    """One treated and three controls a set, six treated départements and eight others."""
    set_id = np.repeat(np.arange(sets), 4)
    treated = np.arange(4 * sets) % 4 == 0
    department = np.where(treated, set_id % 6, 6 + np.arange(4 * sets) % 8)
    return MatchedSample.from_memberships(
        set_id, treated, np.array([f"{d:02d}" for d in department], dtype=object), np.arange(4 * sets)
    )


# ---- the cost


def run_of(root: Path, entered: list[tuple[str, str, int, str]]) -> Run:
    """A home whose cohort holds units (estimand, arm, person, time zero)."""
    run = Run(Home(root / "home").prepare(), Landing(root / "landing"), PROTOCOL, RELEASE)
    columns = list(zip(*entered, strict=True))
    units = pa.table(
        {
            "estimand": pa.array(columns[0]), "arm": pa.array(columns[1]), "person": pa.array(columns[2], pa.int64()),
            "time_zero": pa.array([day(text) for text in columns[3]], pa.date32()),
        }
    )  # fmt: skip
    pq.write_table(units, run.home.artefact(RELEASE, "cohort", "units"))
    return run


FOUR = [
    ("ITT", "treated", person, date)
    for person, date in enumerate(("2021-08-01", "2022-03-01", "2023-01-01", "2023-01-02"))
]


def cost(
    run: Run, costs: list[tuple[str, str, str]], openings: dict[str, str], days: int = 365, estimand: str = "ITT"
) -> Cost:
    amounts = [(platform, month, Decimal(euros)) for platform, month, euros in costs]
    opened = [(platform, day(text)) for platform, text in openings.items()]
    text = pa.string()
    with database.connect() as connection:
        for name, rows, schema in (
            ("programme_costs", amounts, {"platform_id": text, "month": text, "amount": pa.decimal128(14, 2)}),
            ("platforms", opened, {"platform_id": text, "opening_date": pa.date32()}),
        ):
            listed = [dict(zip(schema, row, strict=True)) for row in rows]
            connection.register(name, pa.Table.from_pylist(listed, pa.schema(schema)))
        return cost_of(connection, run, DATES, estimand, days)


OPEN = {"P": "2021-07-01"}


def test_the_cost_is_that_of_the_months_up_to_the_last_entry_over_those_entered_by_then(tmp_path: Path) -> None:
    # Follow-up ends on 1 January 2024: the last entry followed for 365 days is of 1 January 2023.
    run = run_of(tmp_path, FOUR)
    found = cost(run, [("P", "2021-08", "1000.00"), ("P", "2022-12", "500.00"), ("P", "2023-02", "9999.00")], OPEN)
    assert found == Cost(1500 / 3, 3)


def test_a_month_that_the_window_cuts_counts_by_its_days(tmp_path: Path) -> None:
    found = cost(run_of(tmp_path, FOUR), [("P", "2023-01", "310.00")], OPEN)
    assert found.per_person == pytest.approx(10 / 3)  # one day of 31, for three persons
    february = cost(run_of(tmp_path, FOUR), [("P", "2023-01", "310.00")], OPEN, days=335)
    assert february.per_person == pytest.approx(310 / 4)  # the last entry is of 31 January: the month is whole


def test_the_longer_the_horizon_the_shorter_the_window(tmp_path: Path) -> None:
    run = run_of(tmp_path, FOUR)
    costs = [("P", f"{year}-{month:02d}", "100.00") for year, month in product((2021, 2022, 2023), range(1, 13))]
    found = [cost(run, costs, OPEN, days) for days in PROTOCOL.study.horizons_days.values()]
    assert [each.entered for each in found] == [4, 3, 1]
    euros = [each.per_person * each.entered for each in found]
    assert euros == pytest.approx([3000 + 300 / 31, 2400 + 100 / 31, 1200 + 100 / 31])


def test_what_was_spent_before_an_opening_counts_once_the_platform_is_open(tmp_path: Path) -> None:
    run = run_of(tmp_path, FOUR)
    costs = [("P", "2021-05", "600.00"), ("Q", "2022-06", "4000.00")]
    assert cost(run, costs, OPEN | {"Q": "2023-01-02"}).per_person == 200  # Q opens the day after the last entry
    assert cost(run, costs, OPEN | {"Q": "2023-01-01"}).per_person == pytest.approx(4600 / 3)


def test_persons_count_once_in_their_estimand_and_arm_matched_or_not(tmp_path: Path) -> None:
    others = [("ITT", "comparison", 9, "2021-08-01"), ("ATT", "treated", 1, "2021-09-01"), FOUR[0]]
    run = run_of(tmp_path, [*FOUR, *others])
    costs = [("P", "2021-08", "300.00")]
    assert cost(run, costs, OPEN) == Cost(100, 3)
    assert cost(run, costs, OPEN, estimand="ATT") == Cost(300, 1)


def test_without_costs_or_without_persons_there_is_no_cost_per_person(tmp_path: Path) -> None:
    run = run_of(tmp_path, FOUR)
    assert cost(run, [], OPEN) == Cost(None, 3)
    assert cost(run, [("P", "2021-08", "300.00")], OPEN, days=2000) == Cost(None, 0)


@pytest.mark.parametrize("reason", ["gate", "placebo"])
def test_withheld_rows_keep_every_key_and_no_figure(tmp_path: Path, reason: str) -> None:
    run = run_of(tmp_path, FOUR)
    with database.connect() as connection:
        rows = list(savings_rows(connection, run, DATES, "ITT", None, reason))
    keys = {(row["perimeter"], row["horizon_months"]) for row in rows}
    assert keys == set(product((code.code for code in PERIMETER), PROTOCOL.study.horizons_days))
    assert all(set(row) == {"estimand", "perimeter", "horizon_months", "reason"} for row in rows)
    assert {row["reason"] for row in rows} == {reason}
