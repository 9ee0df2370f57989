"""Steps 6 and 7, outcomes and effects: what happened to both groups, and the difference."""

import dagster as dg

from assets.matching import matches
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.reports import schema
from pipeline.orchestration.resources import PdpHome
from pipeline.orchestration.steps import WRITER, perform


@dg.asset(
    group_name="outcomes",
    deps=[matches],
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("outcomes"),
)
def outcomes(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Days on leave, return to work, events and euros after time zero, for every matched person.

    The same clocks for both groups, up to the last month whose payments are complete.
    """
    from pipeline.study.step import measure_outcomes

    return perform(context, pdp, "outcomes", measure_outcomes)


@dg.asset(
    group_name="outcomes",
    deps=[outcomes],
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("effects"),
)
def effects(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Effects, curves, savings, placebo and sensitivity analyses, with intervals by département.

    An effect whose balance gate or placebo test failed is withheld, with its reason.
    """
    from pipeline.effects.step import estimate

    return perform(context, pdp, "effects", estimate)
