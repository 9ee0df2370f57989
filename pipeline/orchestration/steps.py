"""Runs one step of the road inside Dagster: lock, progress, report, and errors as one sentence.

Dagster stores what is raised, so only a sentence without data is raised to it (see `errors`).
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from contextvars import ContextVar

import dagster as dg

from pipeline.orchestration import reports
from pipeline.orchestration.errors import place, sentence
from pipeline.orchestration.lock import writing
from pipeline.orchestration.resources import PdpHome
from pipeline.run import Progress, Run, StepReport

Step = Callable[[Run], StepReport]

STORY = ("ingest", "pseudonymise", "text", "leave", "cohort", "matching", "outcomes", "effects", "anonymise", "publish")
"""The steps in order: names of the folders under `work/`."""

WRITER = "home_writer"
"""Dagster pool of every step: one run writes at a time (limit in dagster.yaml)."""

JUDGED = {
    "ingest": {"quality"},
    "pseudonymise": {"privacy"},
    "matching": {"balance"},
    "effects": {"placebo"},
    "anonymise": {"privacy"},
}
"""Step -> families of failures that a check reads. A failure that no check would read stops the step itself."""

listener: ContextVar[Progress | None] = ContextVar("listener", default=None)
"""Who watches this run from outside Dagster: the command line's progress display."""

SECONDS_BETWEEN_LINES = 10.0


def perform(context: dg.AssetExecutionContext, pdp: PdpHome, step: str, function: Step) -> dg.MaterializeResult[None]:
    """Run a step for the context's partition and report it.

    Raises:
        dg.Failure: the step failed, or says that a promise which no check reads was not kept; one sentence.
    """
    failed: BaseException
    try:
        report = _run(context, pdp, step, function)
    except dg.Failure:
        raise
    except Exception as error:
        if os.environ.get("PDP_DEBUG"):
            traceback.print_exc()
        failed = error
    else:
        return dg.MaterializeResult(metadata=reports.metadata(report))
    # Outside the handler, so that the stored event holds no context of the first error.
    raise dg.Failure(
        description=sentence(failed, f"step {step}"), metadata={"where": place(failed)}, allow_retries=False
    )


def _run(context: dg.AssetExecutionContext, pdp: PdpHome, step: str, function: Step) -> StepReport:
    release = context.partition_key
    show = listener.get() or _in_log(context)
    run = pdp.run(release, lambda what, done, total: show(f"{step}: {what}", done, total))
    with writing(run.home):
        show(step, 0, 1)
        report = function(run)
        reports.save(run.home, release, step, report)
    show(step, 1, 1)
    for warning in report.warnings:
        context.log.warning(warning)
    unread = [text for name, text in report.failures.items() if reports.family_of(name) not in JUDGED.get(step, set())]
    if unread:
        raise dg.Failure(description=f"step {step}: {'; '.join(unread)}", allow_retries=False)
    return report


def _in_log(context: dg.AssetExecutionContext) -> Progress:
    """Progress as lines of the run's log in the UI, not too many."""
    last = 0.0

    def show(what: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > SECONDS_BETWEEN_LINES or done == total:
            last = time.monotonic()
            context.log.info(f"{what}: {done} of {total}")

    return show
