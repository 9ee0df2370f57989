"""Fixtures: a small landing folder, and the road over it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.home import Home, Landing
from pipeline.run import Run, StepReport
from pipeline.simulation import simulate
from tests.orchestration.road import REPLACED, Road, writes_empty_tables


@pytest.fixture(scope="session")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    landing = tmp_path_factory.mktemp("territory") / "landing"
    simulate(landing, start="2021-07", months=2, history_months=2, persons=400, seed=5)
    return landing


@pytest.fixture
def road(tmp_path: Path, landed: Path, monkeypatch: pytest.MonkeyPatch) -> Road:
    road = Road(Home(tmp_path / "home"), Landing(landed))
    modules: dict[str, ModuleType] = {}
    for step, (module, function) in REPLACED.items():
        road.does[step] = writes_empty_tables(step)

        def run_step(run: Run, step: str = step) -> StepReport:
            road.ran.append(step)
            return road.does[step](run)

        setattr(modules.setdefault(module, ModuleType(module)), function, run_step)
    for name, module_ in modules.items():
        monkeypatch.setitem(sys.modules, name, module_)
    # Great Expectations takes seconds to import and has its own tests.
    monkeypatch.setattr("checks.schema.unmet", lambda name, counts: [rule for rule, rows in counts.items() if rows])
    # Empty tables have no row in `disclosure`, which its own tests hold to them.
    monkeypatch.setattr("pipeline.release.rules.account", lambda release: ())
    return road
