"""The prognostic score: learnt where no platform is, and never from the person's own future."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import database
from pipeline.study.cohort import candidates, learn, learners, score
from pipeline.study.prognosis import Prognosis, PrognosisError
from tests.study.worlds import PROTOCOL, drawn_territory

FOLDS = PROTOCOL.matching.prognosis_folds


@pytest.fixture(scope="module")
def units() -> pa.Table:
    with database.connect() as connection:
        return candidates(connection, PROTOCOL, drawn_territory().open(connection), "ITT").units


def comparison(units: pa.Table) -> pa.Table:
    return units.filter(pc.equal(units["arm"], "comparison"))


def days_of(units: pa.Table, seed: int = 1) -> np.ndarray:
    """Days on leave that depend on what is known, and on chance."""
    chance = np.random.default_rng(seed).exponential(40, len(units))
    days: np.ndarray = 60 + 2 * units["days_12m"].to_numpy() + chance
    return days


def test_one_s_own_outcome_never_enters_one_s_own_score(units: pa.Table) -> None:
    known = comparison(units)
    outcome = days_of(known)
    before = Prognosis.learn(known, outcome, FOLDS).scores(known)
    fold = known["person"].to_numpy() % FOLDS
    for number in range(FOLDS):
        other = np.where(fold == number, 10_000 - outcome, outcome)  # another future for a whole fold, each of its own
        after = Prognosis.learn(known, other, FOLDS).scores(known)
        np.testing.assert_array_equal(after[fold == number], before[fold == number])
        assert (after[fold != number] != before[fold != number]).all()


def test_it_is_learnt_from_comparison_persons_alone(units: pa.Table) -> None:
    known = learners(PROTOCOL, [units])
    assert set(known["arm"].to_pylist()) == {"comparison"}
    assert len(known) == len(comparison(units))
    few = PROTOCOL.matching.model_copy(update={"prognosis_learners": 20})
    fewer = learners(PROTOCOL.model_copy(update={"matching": few}), [units.slice(0, 100), units.slice(100)])
    assert fewer["person"].to_pylist() == sorted(comparison(units)["person"].to_pylist())[:20]


def test_what_happens_where_a_platform_is_changes_no_score() -> None:
    def scores(treated_rate: int) -> dict[Any, float]:
        world = drawn_territory()
        here = {row["person"] for row in world.rows["person_history"] if row["department_code"] <= "004"}
        for row in world.rows["payment_lines"]:
            if row["person"] in here and row["period_start"].year >= 2022 and treated_rate:
                row["risk"] = "maternity"  # every leave of the treated ends with the year 2021
        with database.connect() as connection:
            dates = world.open(connection)
            units = candidates(connection, PROTOCOL, dates, "ITT").units
            found = score(units, learn(connection, PROTOCOL, dates, learners(PROTOCOL, [units])))
        return dict(zip(found["person"].to_pylist(), found["prognosis"].to_pylist(), strict=True))

    usual, changed = scores(0), scores(1)
    assert set(changed) < set(usual)  # some treated never reach the trigger any more
    assert {person: usual[person] for person in changed} == changed


def test_the_order_and_the_parts_of_units_change_no_score(units: pa.Table) -> None:
    known = comparison(units)
    outcome = days_of(known)
    order = np.random.default_rng(2).permutation(len(known))
    one = Prognosis.learn(known, outcome, FOLDS)
    two = Prognosis.learn(known.take(pa.array(order)), outcome[order], FOLDS)
    np.testing.assert_array_equal(one.scores(units), two.scores(units))
    np.testing.assert_array_equal(one.scores(units)[10:20], one.scores(units.slice(10, 10)))


def test_it_ranks_persons_by_what_is_known_of_them(units: pa.Table) -> None:
    known = comparison(units)
    found = Prognosis.learn(known, days_of(known), FOLDS).scores(known)
    assert np.corrcoef(found, known["days_12m"].to_numpy())[0, 1] > 0.8


def test_too_few_to_learn_from_is_said_with_figures(units: pa.Table) -> None:
    few = comparison(units).slice(0, 30)
    with pytest.raises(PrognosisError, match=r"\d+ comparison persons with a complete year are too few for \d+"):
        Prognosis.learn(few, days_of(few), FOLDS)
