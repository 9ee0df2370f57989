"""Step 4, cohort: who is eligible, when the clock starts, what was known then."""

import dagster as dg

from assets.leave import leaves
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.reports import schema
from pipeline.orchestration.resources import PdpHome
from pipeline.orchestration.steps import WRITER, perform


@dg.asset(
    group_name="cohort",
    deps=[leaves],
    partitions_def=MONTHS,
    pool=WRITER,
    metadata=schema("cohort"),
)
def cohort(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """Eligible persons, time zero, risk sets and covariates.

    Nothing in a covariate is later than time zero.
    """
    from pipeline.study.cohort import build_cohort

    return perform(context, pdp, "cohort", build_cohort)
