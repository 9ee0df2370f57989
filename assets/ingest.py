"""Step 1, ingest: every delivery up to the month, read, translated, sorted out."""

import dagster as dg

from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.reports import schema
from pipeline.orchestration.resources import PdpHome
from pipeline.orchestration.steps import WRITER, perform


@dg.asset(
    group_name="ingest",
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("ingest"),
)
def deliveries(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Monthly deliveries, taken in.

    Each row read is accepted, quarantined with a reason, or an exact duplicate; the three add up, always.
    A delivery that breaks the contract as a whole (unreadable file, missing column, wrong hash) is refused whole.
    Earlier deliveries that are missing are taken in too, so that a month launched by hand equals `pdp run`.
    """
    from pipeline.deliveries.step import ingest

    return perform(context, pdp, "ingest", ingest)
