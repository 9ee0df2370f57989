"""A run that dies leaves nothing in the way of the next."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from pipeline.home import Home
from pipeline.orchestration import instance
from pipeline.orchestration.definitions import defs
from pipeline.orchestration.execute import run_release
from tests.orchestration.road import RELEASE, Road

ROOT = Path(__file__).resolve().parents[2]


def statuses(home: Home) -> list[str]:
    with dg.DagsterInstance.from_config(str(home.dagster)) as kept:
        return sorted(run.status.value for run in kept.get_runs())


@pytest.mark.slow
def test_a_run_left_as_started_is_marked_failed_by_the_next(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDP_HOME", str(road.home.root))
    monkeypatch.setenv("PDP_LANDING", str(road.landing.root))
    with dg.DagsterInstance.from_config(str(instance.prepare(road.home))) as kept:
        job = defs().resolve_job_def("monthly_release")
        kept.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert len(instance.bury(kept)) == 1
        assert instance.bury(kept) == []
        kept.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    run_release(road.home, road.landing, RELEASE)
    assert statuses(road.home) == ["FAILURE", "FAILURE", "SUCCESS"]


@pytest.mark.slow
def test_a_run_killed_inside_a_step_does_not_block_the_next(landed: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    command = [
        sys.executable,
        "-m",
        "pipeline.cli",
        "run",
        "--landing",
        landed,
        "--home",
        home.root,
        "--release",
        RELEASE,
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as killed:
        assert killed.stderr is not None
        assert any(line.startswith("ingest: taking in") for line in killed.stderr)
        time.sleep(0.2)
        killed.kill()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert "pseudonymise: done" in again.stderr
    assert "STARTED" not in statuses(home)
