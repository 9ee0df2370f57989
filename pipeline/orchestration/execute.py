"""Runs the whole graph for one release in this process: what `pdp run` does.

It is the same job as in the UI, on the same Dagster instance, so that the UI shows these runs too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.home import Home, HomeError, Landing, month_number
from pipeline.orchestration.lock import writing
from pipeline.protocol import Protocol
from pipeline.run import Progress, silent

if TYPE_CHECKING:
    from dagster import DagsterEvent


class RunFailed(RuntimeError):  # noqa: N818  it says what happened
    """A release was not made; the message is one sentence fit for the command line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run made.

    Attributes:
        folder: the published release.
        warnings: sentences worth reading that stopped nothing: checks not passed (an effect withheld), then the steps'.
    """

    folder: Path
    warnings: list[str] = field(default_factory=list)


def run_release(
    home: Home, landing: Landing, release: str, protocol: Path | None = None, progress: Progress = silent
) -> Outcome:
    """Materialise every asset for one month.

    Args:
        home: where everything is written.
        landing: where deliveries land.
        release: `YYYY-MM`.
        protocol: protocol file, None for the project's.
        progress: called with (what, done, total).

    Raises:
        RunFailed: a step or a blocking check failed.
        HomeError: the home cannot be used, the month is not one, or another run is writing.
        ProtocolError: the protocol cannot be used.
    """
    try:
        month_number(release)
    except ValueError as error:
        raise HomeError(str(error)) from None
    Protocol.load(protocol)
    landing.deliveries(release)
    with writing(home):
        return _execute(home, landing, release, protocol, progress)


def _execute(home: Home, landing: Landing, release: str, protocol: Path | None, progress: Progress) -> Outcome:
    # Dagster takes seconds to import: only here, once everything that needs no Dagster has passed.
    import dagster as dg

    from pipeline.orchestration import instance, reports
    from pipeline.orchestration.definitions import defs
    from pipeline.orchestration.partitions import FIRST_MONTH, MONTHS
    from pipeline.orchestration.resources import PdpHome
    from pipeline.orchestration.steps import STORY, listener

    if not MONTHS.has_partition_key(release):
        raise HomeError(f"release {release} is not between {FIRST_MONTH} and the current month")
    resource = PdpHome(
        home=str(home.root.resolve()),
        landing=str(landing.root.resolve()),
        protocol=str(protocol.resolve()) if protocol else "",
    )
    folder = instance.prepare(home)
    instance.remember(home, instance.Settings(resource.landing, resource.protocol))
    token = listener.set(progress)
    try:
        with dg.DagsterInstance.from_config(str(folder)) as dagster_instance:
            instance.bury(dagster_instance)
            result = (
                defs()
                .resolve_job_def("monthly_release")
                .execute_in_process(
                    instance=dagster_instance,
                    partition_key=release,
                    resources={"pdp": resource},
                    raise_on_error=False,
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                )
            )
    finally:
        listener.reset(token)
    events = result.all_events
    if not result.success:
        raise RunFailed(why(events))
    said = [warning for step in STORY for warning in reports.warnings(home, release, step)]
    return Outcome(home.release(release), [*_not_passed(events), *said])


def _not_passed(events: Iterable[DagsterEvent]) -> list[str]:
    found = []
    for event in events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed:
                found.append(f"check {check.check_name} on {check.asset_key.to_user_string()}: {check.description}")
    return found


def why(events: Sequence[DagsterEvent]) -> str:
    """One sentence for a failed run: the blocking check that failed, else the step's own."""
    blocked = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
        and event.asset_check_evaluation_data.blocking
        and not event.asset_check_evaluation_data.passed
    ]
    if blocked:
        said = "; ".join(f"{c.check_name} on {c.asset_key.to_user_string()}: {c.description}" for c in blocked)
        return f"blocking check {said}; nothing was published"
    for event in events:
        if event.is_step_failure:
            with contextlib.suppress(AttributeError):
                data = event.step_failure_data.user_failure_data
                if data is not None and data.description:
                    return str(data.description)
            return f"step {event.step_key} failed inside Dagster; nothing was published"
    return "the run failed inside Dagster before any step; nothing was published"
