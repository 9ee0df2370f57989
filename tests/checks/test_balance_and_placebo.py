"""The gate and the placebo tests are read from what the steps say."""

from __future__ import annotations

from checks.balance import gate
from checks.placebo import tests as placebo
from pipeline.orchestration import reports
from pipeline.run import Run, StepReport
from tests.checks.conftest import RELEASE


def test_each_reads_its_own_family(run: Run) -> None:
    failures = {"balance:ITT": "ITT: smd of age", "placebo:period": "period: an effect"}
    for step in ("matching", "effects"):
        reports.save(run.home, RELEASE, step, StepReport(failures=failures))
    assert gate(run).faults == ["ITT: smd of age"]
    assert placebo(run).faults == ["period: an effect"]


def test_a_step_without_failure_passes(run: Run) -> None:
    for step in ("matching", "effects"):
        reports.save(run.home, RELEASE, step, StepReport())
    assert gate(run).faults == placebo(run).faults == []
