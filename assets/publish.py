"""Step 9, publish: the release folder, checked, then switched in at once."""

from datetime import timedelta

import dagster as dg

from assets.anonymise import anonymised
from pipeline.orchestration.partitions import MONTHS, TIMEZONE
from pipeline.orchestration.reports import schema
from pipeline.orchestration.resources import PdpHome
from pipeline.orchestration.steps import WRITER, perform


@dg.asset(
    group_name="publish",
    deps=[anonymised],
    partitions_def=MONTHS,
    pool=WRITER,
    freshness_policy=dg.FreshnessPolicy.cron(
        deadline_cron="0 12 10 * *", lower_bound_delta=timedelta(days=9), timezone=TIMEZONE
    ),
    metadata=schema("publish"),
)
def release(context: dg.AssetExecutionContext, pdp: PdpHome) -> dg.MaterializeResult[None]:
    """The published release: tables, DuckDB file, synthesis, audit, manifest.

    A crash at any moment leaves either the old release or the new one.
    """
    from pipeline.release.step import publish

    return perform(context, pdp, "publish", publish)
