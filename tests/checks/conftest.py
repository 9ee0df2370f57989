"""A release whose deliveries are really taken in, so that checks look at real files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.deliveries.step import ingest
from pipeline.home import Home, Landing
from pipeline.orchestration import reports
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.simulation import simulate

RELEASE = "2021-08"


@pytest.fixture(scope="session")
def taken_in(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two months of a small territory, taken in once."""
    folder = tmp_path_factory.mktemp("checked")
    simulate(folder / "landing", start="2021-07", months=2, history_months=0, persons=1500, seed=11, fault_share=0.01)
    run = Run(Home(folder / "home").prepare(), Landing(folder / "landing"), Protocol.load(), RELEASE)
    reports.save(run.home, RELEASE, "ingest", ingest(run))
    return run


@pytest.fixture
def run(taken_in: Run, tmp_path: Path) -> Run:
    """The same, in a home that the test may break."""
    shutil.copytree(taken_in.home.root, tmp_path / "home")
    return Run(Home(tmp_path / "home"), taken_in.landing, taken_in.protocol, RELEASE)
