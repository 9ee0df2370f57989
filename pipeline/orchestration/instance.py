"""Dagster's instance folder of a home, and what `pdp ui` remembers of the last `pdp run`."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.home import Home, HomeError

if TYPE_CHECKING:
    from dagster import DagsterInstance

CONFIGURATION = Path(__file__).resolve().parents[2] / "dagster.yaml"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the last run read from."""

    landing: str
    protocol: str = ""


def prepare(home: Home) -> Path:
    """Create the instance folder with the project's `dagster.yaml`; returns it, absolute as Dagster asks.

    Events hold counts and no person, yet belong to whoever may run the pipeline: 0700.

    Raises:
        HomeError: the configuration is missing, or the folder cannot be written.
    """
    folder = home.prepare().dagster.resolve()
    try:
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        wanted = CONFIGURATION.read_bytes()
        target = folder / "dagster.yaml"
        if not target.exists() or target.read_bytes() != wanted:
            target.write_bytes(wanted)
    except OSError as error:
        raise HomeError(f"Dagster's folder {folder} cannot be prepared: {error.strerror}") from None
    return folder


def bury(instance: DagsterInstance) -> list[str]:
    """Mark as failed the runs that a dead process left as started: they would hold the queue for ever.

    Call it while holding the home's lock: then no such run can be alive.

    Returns:
        Their identifiers.
    """
    from dagster import DagsterRunStatus, RunsFilter

    alive = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]
    dead = instance.get_runs(filters=RunsFilter(statuses=alive))
    for run in dead:
        instance.report_run_failed(run, "its process ended before it did")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return [run.run_id for run in dead]


def remember(home: Home, settings: Settings) -> None:
    """Keep where the last run read from."""
    (home.dagster / "last_run.json").write_text(json.dumps(asdict(settings), indent=1), encoding="utf-8")


def recall(home: Home) -> Settings | None:
    """Where the last run read from, or None before any run."""
    try:
        return Settings(**json.loads((home.dagster / "last_run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
