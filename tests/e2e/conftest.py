"""One small simulated territory and its release, for all that is tried on the whole road."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.simulation import simulate
from tests.e2e.territory import run


@pytest.fixture(scope="session")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("territory") / "landing"
    simulate(
        folder, persons=9_000, months=24, departments=14, designated=5, seed=3, effect="moderate", fault_share=0.0005
    )
    return folder


@pytest.fixture(scope="session")
def home(landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    assert run(landing, folder) == 0
    return folder
