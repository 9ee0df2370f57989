"""Step 2, pseudonymise: the border that no identifier crosses; the reports' texts cross it masked or not at all."""

import dagster as dg

from assets.ingest import deliveries
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.reports import schema
from pipeline.orchestration.resources import PdpHome
from pipeline.orchestration.steps import WRITER, perform


@dg.asset(
    group_name="pseudonymise",
    deps=[deliveries],
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("pseudonymise"),
)
def pseudonymised(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Persons as keyed pseudonyms, without any direct identifier.

    Reports without agreement, and persons who withdrew, do not cross. Payment lines stay: the comparison needs them.
    """
    from pipeline.identity.step import pseudonymise

    return perform(context, pdp, "pseudonymise", pseudonymise)


@dg.asset(
    group_name="pseudonymise",
    deps=[pseudonymised],
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("text"),
)
def texts(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Free texts of the reports, masked for qualitative reading in the restricted zone, or withheld with a reason.

    Nothing is published of them but how many were released.
    """
    from pipeline.text.step import mask

    return perform(context, pdp, "text", mask)
