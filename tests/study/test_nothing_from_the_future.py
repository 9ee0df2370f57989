"""Nothing that happens after time zero decides who is in, nor what is said of them.

Two poisons. In the first every person has a time zero of its own (the whole ITT, and the accompanied): everything that
person lives through after it is changed, and not a byte of the cohort moves. The second is for comparison leaves, which
are at risk on many days: everything dated after one day is changed for everyone, and the risk sets of the days before
it stay as they are, day by day.

Declared exceptions: the agreement and the withdrawal of the accompanied (not changed here), and the definition of a
leave itself, in which a gap of `gap_days` is bridged. The prognostic score is learnt from what happened to comparison
persons: it is not of these bytes; test_prognosis.py holds that it owes nothing to a person's own future.
"""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import database
from pipeline.study.cohort import candidates
from tests.study.worlds import PROTOCOL, Row, World, after

CUT = dt.date(2022, 9, 15)
KNOWN_BY = after(CUT, -PROTOCOL.leave.gap_days)
FATES = ("death_date", "retirement_date", "invalidity_start")
COVARIATES = [
    "department_code", "risk", "ald", "sex", "age", "status", "sector", "social_class", "employer_size", "wage",
    "daily_allowance", "contract", "working_time_share", "employed_before", "days_12m", "days_24m", "days_before",
    "spells_12m", "spells_24m", "euros_12m", "euros_24m",
]  # fmt: skip


def drawn(seed: int, persons: int = 120) -> World:
    """Insured with several leaves each around the cut, registers that change, fates, and a platform."""
    rng = np.random.default_rng(seed)
    world = World()
    platform = world.platform("001", "2021-07-01", "2023-06-30")
    world.platform("002", "2023-01-01", None)
    for person in range(1, persons + 1):
        home = str(rng.choice(["001", "002", "059", "060"]))
        facts: dict[str, Any] = {}
        if rng.random() < 0.2:
            facts["ald_start"] = after("2021-01-01", int(rng.integers(0, 900)))
        if rng.random() < 0.2:
            facts[str(rng.choice(["death_date", "retirement_date", "invalidity_start"]))] = after(
                "2022-03-01", int(rng.integers(0, 500))
            )
        world.person(person, home, scheme=str(rng.choice(["employee", "employee", "self_employed"])), **facts)
        if rng.random() < 0.5:
            moved = str(rng.choice(["001", "059", "060", home]))
            month = f"2022-{int(rng.integers(1, 13)):02d}"
            world.register(person, moved, valid_from=month, employer_size=str(rng.choice(["1_9", "250_plus"])))
        start = after("2021-01-01", int(rng.integers(0, 200)))
        for _ in range(int(rng.integers(1, 6))):
            risk = str(rng.choice(["sickness", "sickness", "work_injury"]))
            end = world.leave(person, start, int(rng.integers(4, 200)), risk, rate=int(rng.integers(20, 60)))
            start = after(end, int(rng.integers(4, 120)))
        working = rng.random() < 0.85
        world.employed(person, "2020-06", "2022-08", bool(working))
        world.employed(person, "2022-09", "2023-12", bool(rng.random() < 0.7))
        if home == "001" and rng.random() < 0.7:
            world.case(person, platform, after("2021-08-01", int(rng.integers(0, 500))))
    return world


def spoiled(row: Row, zero: dt.date, rng: np.random.Generator) -> Row | None:
    """A payment line as it might have been had everything after a day gone otherwise."""
    if row["period_end"] <= zero:
        return row
    if row["period_start"] > zero:
        return None if rng.random() < 0.5 else row | {"amount": row["amount"] * 7, "benefit_code": 6118}
    # What is paid for the days up to time zero stays: the line ends sooner or later, at the same daily rate.
    days = (row["period_end"] - row["period_start"]).days + 1
    until = after(zero, int(rng.integers(0, 40)))
    kept = (until - row["period_start"]).days + 1
    return row | {"period_end": until, "days_paid": kept, "quantity": kept, "amount": row["amount"] * kept / days}


def poisoned_after(world: World, zeros: dict[int, dt.date], seed: int) -> World:
    """Another life after each person's own time zero; the clock and the agreements stay."""
    rng = np.random.default_rng(seed)
    other = copy.deepcopy(world)
    rows = other.rows
    lines = []
    for row in rows["payment_lines"]:
        zero = zeros.get(row["person"])
        changed = row if zero is None else spoiled(row, zero, rng)
        lines += [] if changed is None else [changed]
    rows["payment_lines"] = lines
    for person, zero in zeros.items():
        other.leave(person, after(zero, 5 + int(rng.integers(0, 150))), int(rng.integers(4, 300)))
        following = (zero.replace(day=1) + dt.timedelta(days=32)).isoformat()[:7]
        rows["person_history"] = [
            row for row in rows["person_history"] if row["person"] != person or row["valid_from"] < following
        ]
        other.register(person, "001", valid_from=following, employer_size="10_49", scheme="self_employed")
    for row in rows["employment"]:
        zero = zeros.get(row["person"])
        if zero is not None and row["month"] >= zero.isoformat()[:7]:
            row["employed"], row["contract"] = not row["employed"], "agency"
    for row in rows["persons"]:
        zero = zeros.get(row["person"])
        for fate in (*FATES, "ald_start"):
            if zero is not None and (row[fate] is None or row[fate] > zero):
                row[fate] = after(zero, int(rng.integers(1, 400))) if rng.random() < 0.7 else None
    return other


def cohort_of(world: World, estimand: str) -> tuple[pa.Table, pa.Table]:
    """The eligible whatever their clock, and everyone with a time zero with the reason that turns them away, if any."""
    with database.connect() as connection:
        dates = world.open(connection)
        units = candidates(connection, PROTOCOL, dates, estimand).units
        judged = connection.sql(
            "SELECT person, arm, time_zero, department_code, reason FROM "
            "(SELECT * FROM judged UNION ALL BY NAME SELECT * FROM early) WHERE time_zero IS NOT NULL ORDER BY person"
        ).to_arrow_table()
    return units, judged


def bytes_of(units: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, units.schema) as writer:
        writer.write_table(units.combine_chunks())
    return bytes(sink.getvalue())


def with_time_zero(units: pa.Table) -> pa.Table:
    """The units whose time zero is one day; without their number, for comparison leaves may come and go around them."""
    return units.filter(pc.is_valid(units["time_zero"])).drop_columns(["unit"])


@pytest.mark.parametrize("estimand", ["ITT", "ATT"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_life_after_one_s_own_time_zero_changes_no_byte_of_the_cohort(estimand: str, seed: int) -> None:
    world = drawn(seed, persons=200)
    units, judged = cohort_of(world, estimand)
    zeros = dict(zip(judged["person"].to_pylist(), judged["time_zero"].to_pylist(), strict=True))
    assert len(with_time_zero(units)) > (60 if estimand == "ITT" else 5)
    assert judged["reason"].null_count < len(judged)  # some are turned away, and stay so
    other_units, other_judged = cohort_of(poisoned_after(world, zeros, seed + 100), estimand)
    assert bytes_of(with_time_zero(other_units)) == bytes_of(with_time_zero(units))
    assert bytes_of(other_judged) == bytes_of(judged)


def poisoned(world: World, seed: int) -> World:
    """The same world up to the cut, another one after it; the clock and the agreements stay."""
    rng = np.random.default_rng(seed)
    other = copy.deepcopy(world)
    rows = other.rows
    rows["payment_lines"] = [
        row for row in rows["payment_lines"] if row["person"] == 0 or row["period_start"] <= CUT or rng.random() < 0.4
    ]
    for row in rows["payment_lines"]:
        if row["person"] and row["period_start"] > CUT:
            row["amount"] *= 7
    for person in range(1, len(rows["persons"]) + 1):
        other.leave(person, after(CUT, int(rng.integers(1, 150))), int(rng.integers(4, 300)))
        other.register(person, "001", valid_from="2022-10", employer_size="10_49", scheme="self_employed")
    for row in rows["employment"]:
        if row["month"] >= "2022-09":
            row["employed"], row["contract"] = not row["employed"], "agency"
    for row in rows["persons"]:
        for fate in (*FATES, "ald_start"):
            if row[fate] is None or row[fate] > CUT:
                row[fate] = after(CUT, int(rng.integers(1, 400))) if rng.random() < 0.5 else None
    return other


def entered(world: World, estimand: str) -> pd.DataFrame:
    """Units whose time zero lies before the cut; of comparison leaves, a row for each elapsed day at risk before it."""
    units = cohort_of(world, estimand)[0].to_pandas()
    units["start_date"] = pd.to_datetime(units["start_date"])
    last = (pd.Timestamp(KNOWN_BY) - units["start_date"]).dt.days
    units["until"] = np.minimum(units["risk_until"], last)
    timed = units[units["time_zero"].notna()]
    timed = timed[timed["elapsed"] <= timed["until"]]
    at_risk = units[units["time_zero"].isna()]
    days = at_risk.loc[at_risk.index.repeat(np.maximum(0, at_risk["until"] - at_risk["risk_from"] + 1).astype(int))]
    days["elapsed"] = days["risk_from"] + days.groupby(level=0).cumcount()
    named = pd.concat([timed, days])[["person", "arm", "start_date", "elapsed", *COVARIATES]]
    ordered: pd.DataFrame = named.sort_values(["person", "start_date", "arm", "elapsed"], ignore_index=True)
    return ordered


@pytest.mark.parametrize("estimand", ["ITT", "ATT"])
@pytest.mark.parametrize("seed", [1, 2])
def test_poison_after_time_zero_changes_neither_membership_nor_covariates(estimand: str, seed: int) -> None:
    world = drawn(seed)
    before, then = entered(world, estimand), entered(poisoned(world, seed + 100), estimand)
    assert len(before) > (20 if estimand == "ITT" else 300)
    assert before["arm"].nunique() == 2
    pd.testing.assert_frame_equal(before, then)


def test_the_poison_would_be_seen_before_the_cut() -> None:
    """The comparison above can fail: payment lines taken away before the cut show."""
    world = drawn(1)
    changed = copy.deepcopy(world)
    changed.rows["payment_lines"] = [row for i, row in enumerate(world.rows["payment_lines"]) if i % 20 != 19]
    before, then = entered(world, "ATT"), entered(changed, "ATT")
    assert not before.equals(then)
