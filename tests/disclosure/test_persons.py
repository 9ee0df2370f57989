"""The microdata: who is in it, what a row says, and a quarter released once."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline.disclosure import persons
from pipeline.disclosure.hierarchy import HierarchyError
from pipeline.disclosure.verify import verify
from pipeline.effects.analysis import Analysis, Horizon
from pipeline.protocol import Protocol
from pipeline.tables import codes
from pipeline.tables.published import RELEASE, published

PROTOCOL = Protocol.load()
MONTHS = PROTOCOL.study.primary_horizon_months
DAYS = PROTOCOL.study.primary_horizon_days


def found(sets: int = 80, *, incomplete: int = 0, seed: int = 0) -> Analysis:
    """Sets of one treated and two controls, half in each quarter; the last `incomplete` are not yet a year old."""
    rng = np.random.default_rng(seed)
    n = 3 * sets
    set_id = np.repeat(np.arange(sets), 3)
    treated = np.arange(n) % 3 == 0
    complete = set_id < sets - incomplete
    members = pa.table(
        {
            "set_id": set_id,
            "arm": pa.array(np.where(treated, "treated", "comparison").tolist(), pa.string()),
            "department_code": pa.array(
                [f"{(i % 5) + (0 if t else 10):02d}" for i, t in enumerate(treated)], pa.string()
            ),
            "person": np.arange(n),
        }
    )
    units = pa.table(
        {
            "start_quarter": pa.array([f"2022-Q{1 + s % 2}" for s in set_id], pa.string()),
            "age": rng.integers(18, 64, n),
            "elapsed": np.full(n, 60),
            "ald": pa.array((rng.random(n) < 0.2).tolist(), pa.bool_()),
            "risk": pa.array(rng.choice(["sickness", "work_injury"], n, p=[0.8, 0.2]).tolist(), pa.string()),
            "status": pa.array(rng.choice(["employee", "self_employed"], n, p=[0.9, 0.1]).tolist(), pa.string()),
            "sex": pa.array(rng.choice(["female", "male"], n).tolist(), pa.string()),
            "sector": pa.array(rng.choice(["industry", "construction", None], n).tolist(), pa.string()),
        }
    )
    returned = (rng.random(n) < 0.6).astype(np.float64)
    outcomes = {
        "days_on_leave": rng.uniform(0, 180, n), "sustained_return_to_work": returned,
        "allowance_eur": rng.uniform(0, 9000, n),
    }  # fmt: skip
    horizons = {
        6: Horizon(182, np.ones(n, bool), outcomes, {}),
        MONTHS: Horizon(DAYS, complete, outcomes, {}),
    }
    event = np.full(n, None, dtype=object)
    return Analysis(
        "ITT", members, units, horizons, event, np.full(n, np.nan), np.full(n, 400), PROTOCOL.inference
    )  # fmt: skip


def rows_of(analysis: Analysis) -> pa.Table:
    n = analysis.members.num_rows
    drawn = ["full_leave", "part_time_leave", "off_leave", "sustained_return_to_work", "invalidity"]
    state = np.random.default_rng(n).choice(np.array(drawn, dtype=object), n)
    return persons.frame(analysis, pa.chunked_array([[f"v1:{i:05d}" for i in range(n)]]), PROTOCOL, state)


def test_only_members_of_sets_whose_year_is_complete_have_a_row():
    rows = rows_of(found(80, incomplete=10))
    assert rows.num_rows == 3 * 70
    assert rows["person_id"].to_pylist() == [f"v1:{i:05d}" for i in range(210)]


def test_weights_of_both_arms_sum_to_the_treated():
    rows = rows_of(found(80))
    weight = rows["weight"].to_numpy()
    treated = pc.equal(rows["arm"], "treated").to_numpy(zero_copy_only=False)
    assert weight[treated].sum() == treated.sum() == 80
    assert weight[~treated].sum() == pytest.approx(80)


def test_a_comparison_person_of_several_sets_has_one_row_that_weighs_them_all():
    analysis = found(80)
    same = np.arange(240)
    same[3 * 6 + 1] = same[3 * 2 + 1] = 1  # a control of sets 2 and 6 is the one of set 0
    horizons = {
        months: replace(h, outcomes={name: values[same] for name, values in h.outcomes.items()})
        for months, h in analysis.horizons.items()
    }
    members = analysis.members.set_column(3, "person", pa.array(same))
    rows = rows_of(replace(analysis, members=members, units=analysis.units.take(pa.array(same)), horizons=horizons))
    assert rows.num_rows == 240 - 2
    assert len(pc.unique(rows["person_id"])) == rows.num_rows
    weight = dict(zip(rows["person_id"].to_pylist(), rows["weight"].to_pylist(), strict=True))
    assert (weight["v1:00001"], weight["v1:00002"]) == (1.5, 0.5)
    assert sum(weight.values()) == pytest.approx(2 * 80)


def test_days_and_euros_are_rounded_and_a_return_not_yet_known_is_empty():
    analysis = found(60)
    year = analysis.horizons[MONTHS]
    unknown = year.outcomes["sustained_return_to_work"].copy()
    unknown[:6] = np.nan
    later = replace(year, outcomes={**year.outcomes, "sustained_return_to_work": unknown})
    rows = rows_of(replace(analysis, horizons={**analysis.horizons, MONTHS: later}))
    assert rows["returned_12m"].to_pylist()[:6] == [None] * 6
    assert rows["returned_12m"].null_count == 6
    assert not (rows["days_on_leave_12m"].to_numpy() % PROTOCOL.disclosure.days_rounding).any()
    assert not (rows["allowance_eur_12m"].to_numpy() % PROTOCOL.disclosure.euros_rounding).any()


def test_a_published_state_is_the_state_of_the_day_and_ended_follow_up_is_unknown():
    states = np.array([c.code for c in codes.MEMBER_STATE if c.code != "crpe"], dtype=object)
    published_ = persons.published_states(states)
    assert set(published_) <= {c.code for c in codes.STATE}
    assert [(a, b) for a, b in zip(states, published_, strict=True) if a != b] == [("censored", "unknown")]


def test_a_quarter_is_ready_when_the_returns_of_its_last_entrant_are_known_over_a_year():
    analysis = found(10)
    last_leave = dt.date(2022, 3, 31)
    known_later = PROTOCOL.study.sustained_return_days  # that of a return on the day of the horizon
    ready = last_leave + dt.timedelta(days=PROTOCOL.study.trigger_days + DAYS + known_later)
    assert persons.complete_quarters(analysis, PROTOCOL, ready) == ["2022-Q1"]
    assert persons.complete_quarters(analysis, PROTOCOL, ready - dt.timedelta(days=1)) == []


def test_an_age_band_that_no_generalisation_knows_is_refused():
    study = PROTOCOL.study.model_copy(update={"age_bands": (18, 35, 50)})
    with pytest.raises(HierarchyError, match="age band"):
        persons.hierarchies(PROTOCOL.model_copy(update={"study": study}))


@pytest.fixture(scope="module")
def blocks() -> list[persons.Block]:
    rows = rows_of(found(400))
    return [persons.anonymise_quarter(rows, quarter, PROTOCOL) for quarter in ("2022-Q1", "2022-Q2")]


def test_a_released_quarter_keeps_everyone_in_classes_of_k_and_l(blocks):
    rows = rows_of(found(400))
    whole = pa.concat_tables([block.table for block in blocks])
    assert whole.num_rows == rows.num_rows
    assert whole.column_names == [name for name in published("microdata").names if name != RELEASE.name]
    paths = {name: h.as_paths() for name, h in persons.hierarchies(PROTOCOL).items()}
    paths |= {
        name: {value: [value, "*"] for value in set(whole[name].to_pylist())} for name in ("index_quarter", "arm")
    }
    verdict = verify(
        whole.to_pydict(),
        hierarchies=paths,
        k=PROTOCOL.disclosure.k,
        sensitive={persons.SENSITIVE: PROTOCOL.disclosure.l},
    )
    assert verdict.passed, verdict.failures


def test_a_quarter_with_an_arm_that_cannot_be_released_has_no_row():
    rows = rows_of(found(400))
    treated = pc.equal(rows["arm"], "treated")
    few = pa.concat_tables([rows.filter(treated).slice(0, 10), rows.filter(pc.invert(treated))])
    block = persons.anonymise_quarter(few, "2022-Q1", PROTOCOL)
    assert block.table.num_rows == 0
    assert [part.refused for part in block.parts] == ["fewer_than_k", None]


def test_the_headline_survives_generalisation_up_to_the_rounding_of_days(blocks):
    analysis = found(400)
    restricted = analysis.difference("days_on_leave", MONTHS).estimate.value
    published_ = persons.headline(pa.concat_tables([block.table for block in blocks]))
    assert published_ == pytest.approx(restricted, abs=PROTOCOL.disclosure.days_rounding / 5)


def test_the_loss_read_from_the_published_rows_is_the_engine_s(blocks):
    for block in blocks:
        loss, levels = persons.utility(block.table, PROTOCOL)
        sizes = [part.table.num_rows for part in block.parts]
        assert loss == pytest.approx(np.average([part.loss for part in block.parts], weights=sizes))
        for name, shares in levels.items():
            assert sum(shares) == pytest.approx(1)
            engine = np.average([part.level_shares[name] for part in block.parts], axis=0, weights=sizes)
            assert shares[-1] == pytest.approx(engine[-1]), name
