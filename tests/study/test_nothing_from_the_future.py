"""Nothing that happens after time zero decides who is in, nor what is said of them.

A world is drawn, then everything dated after a cut day is changed: payment lines that start later, month-ends,
deliveries of the register, deaths, pensions. Whoever was in by the cut is in still, with the same covariates.

Declared exceptions: the agreement and the withdrawal of the accompanied (not changed here), and the definition of a
leave itself, in which a gap of `gap_days` is bridged: days within `gap_days` before the cut are not compared.
"""

from __future__ import annotations

import copy
import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipeline import database
from pipeline.study.step import candidates
from tests.study.worlds import PROTOCOL, World, after

CUT = dt.date(2022, 9, 15)
KNOWN_BY = after(CUT, -PROTOCOL.leave.gap_days)
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
        for fate in ("death_date", "retirement_date", "invalidity_start", "ald_start"):
            if row[fate] is None or row[fate] > CUT:
                row[fate] = after(CUT, int(rng.integers(1, 400))) if rng.random() < 0.5 else None
    return other


def entered(world: World, estimand: str) -> pd.DataFrame:
    """Units whose time zero lies before the cut; of comparison leaves, a row for each elapsed day at risk before it."""
    with database.connect() as connection:
        dates = world.open(connection)
        units = candidates(connection, PROTOCOL, dates, estimand).to_pandas()
    units["start_date"] = pd.to_datetime(units["start_date"])
    last = (pd.Timestamp(KNOWN_BY) - units["start_date"]).dt.days
    units["until"] = np.minimum(units["risk_until"], last)
    timed = units[units["time_zero"].notna()]
    timed = timed[timed["elapsed"] <= timed["until"]]
    at_risk = units[units["time_zero"].isna() & units["reason"].isna()]
    days = at_risk.loc[at_risk.index.repeat(np.maximum(0, at_risk["until"] - at_risk["risk_from"] + 1).astype(int))]
    days["elapsed"] = days["risk_from"] + days.groupby(level=0).cumcount()
    named = pd.concat([timed, days])[["person", "arm", "start_date", "elapsed", "reason", *COVARIATES]]
    ordered: pd.DataFrame = named.sort_values(["person", "start_date", "arm", "elapsed"], ignore_index=True)
    return ordered


@pytest.mark.parametrize("estimand", ["ITT", "ATT"])
@pytest.mark.parametrize("seed", [1, 2])
def test_poison_after_time_zero_changes_neither_membership_nor_covariates(estimand: str, seed: int) -> None:
    world = drawn(seed)
    before, then = entered(world, estimand), entered(poisoned(world, seed + 100), estimand)
    assert before["reason"].isna().sum() > (20 if estimand == "ITT" else 300)
    assert before["arm"].nunique() == 2
    pd.testing.assert_frame_equal(before, then)


def test_the_poison_would_be_seen_before_the_cut() -> None:
    """The comparison above can fail: payment lines taken away before the cut show."""
    world = drawn(1)
    changed = copy.deepcopy(world)
    changed.rows["payment_lines"] = [row for i, row in enumerate(world.rows["payment_lines"]) if i % 20 != 19]
    before, then = entered(world, "ATT"), entered(changed, "ATT")
    assert not before.equals(then)
