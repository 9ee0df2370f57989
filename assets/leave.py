"""Step 3, leave: from payment lines to leaves."""

import dagster as dg

from assets.pseudonymise import pseudonymised
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.reports import schema
from pipeline.orchestration.resources import PdpHome
from pipeline.orchestration.steps import WRITER, perform


@dg.asset(
    group_name="leave",
    deps=[pseudonymised],
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("leave"),
)
def leaves(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Leave spells, days and euros, rebuilt from the payment lines.

    There is no table of leaves in the source: lines are netted with their corrections and joined into spells.
    """
    from pipeline.leave.step import rebuild_leaves

    return perform(context, pdp, "leave", rebuild_leaves)
