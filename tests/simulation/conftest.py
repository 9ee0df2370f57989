"""Small worlds shared by the tests: drawn once a session."""

from __future__ import annotations

import pytest
from simulated_worlds import Delivered

from pipeline.simulation import World, WorldConfig, draw_world, write_deliveries


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    """4,000 insured over 42 months, one platform in two départements of five."""
    world = draw_world(WorldConfig(persons=4_000, months=30, history_months=12, departments=10, designated=5, seed=3))
    landing = tmp_path_factory.mktemp("simulated") / "landing"
    write_deliveries(world, landing)
    return Delivered(world, landing)


@pytest.fixture(scope="session")
def quiet() -> World:
    """20,000 insured whom no programme changes."""
    return draw_world(WorldConfig(persons=20_000, effect="null", seed=11))


@pytest.fixture(scope="session")
def moderate() -> World:
    """40,000 insured, half of the départements designated, the moderate effect."""
    return draw_world(WorldConfig(persons=40_000, effect="moderate", departments=24, designated=12, seed=5))
