"""The flow of the study on deliveries that no one here generated: it adds up, person by person.

Deliveries: the folder `sample-a` beside the repository, 48,000 insured in 40 départements over 60 months. Its true
effect is unknown: nothing here looks at one.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline import database
from pipeline.deliveries.step import ingest
from pipeline.home import Home, Landing
from pipeline.identity.step import pseudonymise
from pipeline.leave.step import rebuild_leaves
from pipeline.matching.step import match
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.study.cohort import build_cohort
from pipeline.study.step import measure_outcomes

SAMPLE = Path(__file__).parents[2].parent / "shared" / "deliveries" / "sample-a"
RELEASE = "2024-06"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.reference,
    pytest.mark.skipif(not SAMPLE.is_dir(), reason="the sample deliveries are not beside the repository"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    made = Run(Home(tmp_path_factory.mktemp("home")).prepare(), Landing(SAMPLE), Protocol.load(), RELEASE)
    for step in (ingest, pseudonymise, rebuild_leaves, build_cohort, match, measure_outcomes):
        step(made)
    return made


def read(run: Run, step: str, name: str) -> pd.DataFrame:
    return pq.read_table(run.home.artefact(RELEASE, step, name), partitioning=None).to_pandas()


def test_everyone_on_leave_is_in_the_flow_once_and_leaves_it_for_one_reason(run: Run) -> None:
    flow = pd.concat([read(run, step, "flow") for step in ("cohort", "matching", "outcomes")])
    for _, rows in flow.groupby(["estimand", "arm"], sort=False):
        assert (rows["n_entering"] - rows["n_lost"] == rows["n_leaving"]).all()
        assert rows["n_entering"].tolist()[1:] == rows["n_leaving"].tolist()[:-1]
    told = read(run, "cohort", "eligibility")
    assert not told.duplicated(["estimand", "arm", "person"]).any()
    spells = read(run, "leave", "leave_spells")
    opening = read(run, "pseudonymise", "platforms")["opening_date"].min()
    on_leave = set(spells.loc[spells["end_date"] >= opening, "person"])
    assert set(told.loc[told["estimand"] == "ITT", "person"]) == on_leave
    assert flow.loc[(flow["estimand"] == "ITT") & (flow["step"] == "on_leave"), "n_entering"].sum() == len(on_leave)


def test_the_eligible_are_the_persons_without_a_reason(run: Run) -> None:
    told, units = read(run, "cohort", "eligibility"), read(run, "cohort", "units")
    for key, persons in told[told["reason"].isna()].groupby(["estimand", "arm"])["person"]:
        mine = units[(units["estimand"] == key[0]) & (units["arm"] == key[1])]
        assert set(mine["person"]) == set(persons), key
    assert not told["reason"].isin(["", "unknown"]).any()


def test_no_euro_of_a_leave_is_lost_between_the_lines_and_the_leaves(run: Run) -> None:
    lines, paid = (
        database.parquet(run.home.artefact(RELEASE, step, name))
        for step, name in (("pseudonymise", "payment_lines"), ("leave", "leave_payments"))
    )
    with database.connect() as connection:
        delivered = database.scalar(
            connection,
            f"SELECT sum(amount) FROM {lines} WHERE risk IN ('sickness', 'work_injury') AND benefit_code IN "
            "(6111, 6112, 6113, 6114, 6115, 6116, 6117, 6118, 6120, 6134, 6135, 6239) "
            "AND coalesce(expense_qualifier, 0) NOT IN (71, 72)",
        )
        assert database.scalar(connection, f"SELECT sum(amount) FROM {paid}") == delivered > 0


def test_every_member_is_in_one_state_on_each_day(run: Run) -> None:
    states = read(run, "outcomes", "states").sort_values(["estimand", "member", "first_day"])
    by_member = states.groupby(["estimand", "member"])
    assert (by_member["first_day"].min() == 0).all()
    follows = by_member["first_day"].shift(-1)
    assert (follows.dropna() == states.loc[follows.notna(), "last_day"] + 1).all()
    last = by_member["last_day"].max()
    assert (last == last.iloc[0]).all()
