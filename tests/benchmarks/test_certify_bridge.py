"""A world opened in memory is the one that its deliveries bring through the road, table by table, to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks.certify.bridge import open_world, person_numbers
from benchmarks.certify.world import MONTHS, OUTCOMES, study
from pipeline import database
from pipeline.deliveries.step import ingest
from pipeline.effects.step import open_estimand
from pipeline.home import Home, Landing
from pipeline.identity import keys
from pipeline.identity.keys import PSEUDONYM_HEX, Purpose
from pipeline.identity.step import paths, pseudonymise
from pipeline.leave.step import SQL, rebuild_leaves
from pipeline.matching.passage import Passage
from pipeline.matching.step import match
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.simulation import World, WorldConfig, draw_world, write_deliveries
from pipeline.simulation.register import draw_identities
from pipeline.study.cohort import build_cohort
from pipeline.study.step import ESTIMANDS, measure_outcomes
from pipeline.tables.intermediate import of_step

pytestmark = pytest.mark.slow

NOT_OPENED = {"report_measures", "programme_costs", "withdrawals"}
"""Tables that no estimate of the certification reads."""
OTHERWISE_NUMBERED = {"person_id", "case_number", "report_number"}
NOT_READ = {
    "referral_source", "occupation_status", "leave_risk", "pathology", "risk_reasons", "diagnosis_administrative",
    "diagnosis_social", "diagnosis_medical", "employment_situation", "exit", "interviews", "satisfaction",
}  # fmt: skip
"""Columns of the reports that stay empty."""


@dataclass(frozen=True)
class BothRoads:
    """One world, the road's run of it, and the road's number of each insured."""

    world: World
    run: Run
    number: np.ndarray


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BothRoads]:
    folder = tmp_path_factory.mktemp("roads")
    world = draw_world(WorldConfig(persons=9_000, effect="strong", departments=12, designated=5, seed=2))
    write_deliveries(world, folder / "landing")
    run = Run(Home(folder / "home").prepare(), Landing(folder / "landing"), Protocol.load(), "2024-06")
    for step in (ingest, pseudonymise, rebuild_leaves, build_cohort, match, measure_outcomes):
        step(run)
    key = keys.current(run.home)
    stable = [row.tobytes().decode("ascii") for row in draw_identities(world).stable]
    with database.connect() as connection:
        persons = f"SELECT person_id, person FROM {database.parquet(paths(run.home, run.release)['persons'])}"
        known = dict(connection.execute(persons).fetchall())
    pseudonyms = (f"v{key.version}:{key.digest(Purpose.PERSON, name)[:PSEUDONYM_HEX]}" for name in stable)
    yield BothRoads(world, run, np.array([known.get(name, 0) for name in pseudonyms], dtype=np.int64))


def test_the_same_persons_are_in(both: BothRoads) -> None:
    own = person_numbers(both.world)
    assert ((own > 0) == (both.number > 0)).all()
    assert (own == 0).any(), "a world in which somebody withdrew"
    assert sorted(own[own > 0]) == list(range(1, int((own > 0).sum()) + 1))


def test_every_table_that_the_study_reads_holds_the_same_rows(both: BothRoads) -> None:
    run, unequal = both.run, []
    with database.connect() as connection:
        open_world(connection, both.world, run.protocol, both.number)
        for step in ("pseudonymise", "leave"):
            for table in of_step(step):
                if table.name in NOT_OPENED or (step == "leave" and table.name not in SQL):
                    continue
                skipped = OTHERWISE_NUMBERED | (NOT_READ if table.name == "reports" else set())
                columns = ", ".join(name for name in table.names if name not in skipped)
                road = database.parquet(run.home.artefact(run.release, step, table.name))
                here, there = f"SELECT {columns} FROM {table.name}", f"SELECT {columns} FROM {road}"
                assert database.count(connection, table.name) > 0, table.name
                for one, other in ((here, there), (there, here)):
                    if left := database.count(connection, f"({one} EXCEPT ALL {other})"):
                        unequal.append((table.name, left))
        cases = "SELECT person, count(DISTINCT case_number) AS cases, count(*) AS n FROM {} GROUP BY person"
        road = database.parquet(run.home.artefact(run.release, "pseudonymise", "reports"))
        assert not database.count(connection, f"({cases.format('reports')} EXCEPT {cases.format(road)})")
    assert unequal == []


def test_the_study_of_it_gives_the_same_estimates(both: BothRoads, tmp_path: Path) -> None:
    with database.connect(threads=1) as connection:
        studied = study(connection, both.world, tmp_path, both.run.protocol, both.number)
    for estimand in ESTIMANDS:
        road, here = open_estimand(both.run, Passage(estimand, "warn")), studied.found[estimand]
        assert here.members.equals(road.members)
        assert here.units.equals(road.units)
        for outcome in OUTCOMES:
            one, other = here.difference(outcome, MONTHS), road.difference(outcome, MONTHS)
            assert one.n_treated == other.n_treated > 20
            for name in ("value", "se", "ci_low", "ci_high"):
                assert getattr(one.estimate, name) == getattr(other.estimate, name), (estimand, outcome, name)
                assert getattr(one.individual, name) == getattr(other.individual, name), (estimand, outcome, name)
