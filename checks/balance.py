"""Promise: compared groups are alike before any outcome is read. Broken, the effect is withheld, the rest goes on."""

import dagster as dg

from assets.matching import matches
from pipeline.orchestration import reports
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.promises import Evidence, judge
from pipeline.orchestration.resources import PdpHome
from pipeline.run import Run


def gate(run: Run) -> Evidence:
    """What the matching step says of its balance gate."""
    return Evidence(list(reports.failures(run.home, run.release, "matching", "balance").values()), {"faults": 0})


@dg.asset_check(
    asset=matches,
    name="balance_gate",
    blocking=False,
    partitions_def=MONTHS,
    description="Treated and comparison are alike on every covariate; otherwise the effect is withheld.",
)
def balance_gate(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
    """Not blocking: the effect is withheld, the rest is published."""
    return judge(context, pdp, gate)
