"""Step 5, matching: like with like, before any outcome is read."""

import dagster as dg

from assets.cohort import cohort
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.reports import schema
from pipeline.orchestration.resources import PdpHome
from pipeline.orchestration.steps import WRITER, perform


@dg.asset(
    group_name="matching",
    deps=[cohort],
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("matching"),
)
def matches(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Treated persons and their comparisons, alike at time zero.

    The balance gate is judged here, before any outcome is read; where it fails, the effect is withheld.
    """
    from pipeline.matching.step import match

    return perform(context, pdp, "matching", match)
