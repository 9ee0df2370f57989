"""Promise: no effect is found where there can be none. Broken, the effect is withheld, the rest goes on."""

import dagster as dg

from assets.outcomes import effects
from pipeline.orchestration import reports
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.promises import Evidence, judge
from pipeline.orchestration.resources import PdpHome
from pipeline.run import Run


def tests(run: Run) -> Evidence:
    """What the effects step says of its placebo tests."""
    return Evidence(list(reports.failures(run.home, run.release, "effects", "placebo").values()), {"faults": 0})


@dg.asset_check(
    asset=effects,
    name="placebo_tests",
    blocking=False,
    partitions_def=MONTHS,
    description="Placebo territories and periods show no effect; otherwise the effect is withheld.",
)
def placebo_tests(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
    """Not blocking: the effect is withheld, the rest is published."""
    return judge(context, pdp, tests)
