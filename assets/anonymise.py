"""Step 8, anonymise: the border that no person crosses."""

import dagster as dg

from assets.outcomes import effects
from assets.pseudonymise import texts
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.reports import schema
from pipeline.orchestration.resources import PdpHome
from pipeline.orchestration.steps import WRITER, perform


@dg.asset(
    group_name="anonymise",
    deps=[effects, texts],
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("anonymise"),
)
def anonymised(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Tables and microdata fit to leave: nobody can be told apart, no small group bounded, across releases too.

    Counts under k are masked, with what would reveal them; microdata classes hold at least k persons and l states.
    """
    from pipeline.disclosure.step import anonymise

    return perform(context, pdp, "anonymise", anonymise)
