"""Promise: every row read is accounted for, and a delivery too dirty stops the release."""

import dagster as dg
import pandas as pd
import pyarrow.parquet as pq

from assets.ingest import deliveries
from pipeline.deliveries.intake import Intake
from pipeline.deliveries.step import ALL_RULES, too_dirty
from pipeline.home import Home
from pipeline.orchestration import reports
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.promises import Evidence, judge
from pipeline.orchestration.resources import PdpHome
from pipeline.run import Run

ACCOUNTING = "quality:accounting"
COUNTS = ("rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate")


def data_quality(run: Run) -> pd.DataFrame:
    """The step's accounting of rows."""
    frame: pd.DataFrame = pq.read_table(run.home.artefact(run.release, "ingest", "data_quality")).to_pandas()
    return frame


def accounting(run: Run) -> Evidence:
    """Rows read = accepted + quarantined + exact duplicates: in the records, the published table and the files."""
    quality = data_quality(run)
    said = quality.set_index(["delivery", "input_table", "rule"]).sort_index()
    faults, tables, rows = [], 0, 0
    for month in run.landing.deliveries(run.release):
        intake = Intake.load(run.home.intake(month))
        if intake is None:
            faults.append(f"{month}: no record of its reading")
            continue
        for table, counts in intake.tables.items():
            tables, rows = tables + 1, rows + counts.rows_read
            if not counts.balanced:
                faults.append(f"{month}/{table}: {counts.rows_read} rows read are not those accounted for")
            if (month, table, ALL_RULES) not in said.index:
                faults.append(f"{month}/{table}: not in data_quality")
            elif said.loc[(month, table, ALL_RULES), "rows_read"] != counts.rows_read:
                faults.append(f"{month}/{table}: data_quality gives another number of rows read")
            faults += _stored(run.home, month, table, counts.rows_accepted, counts.rows_quarantined)
    read, *parts = (quality[name] for name in COUNTS)
    wrong = quality[(read != sum(parts)) | (quality[list(COUNTS)] < 0).any(axis=1)]
    faults += [
        f"{row.delivery}/{row.input_table}, {row.rule}: read is not accepted + quarantined + duplicate"
        for row in wrong.itertuples()
    ]
    said_by_step = reports.failures(run.home, run.release, "ingest", "quality")
    faults += [sentence for name, sentence in said_by_step.items() if name == ACCOUNTING]
    return Evidence(faults, {"tables of deliveries": tables, "rows read": rows})


def _stored(home: Home, month: str, table: str, accepted: int, quarantined: int) -> list[str]:
    """Files against records. Rows may be fewer than recorded only where persons have been erased since."""
    faults = []
    for what, path, recorded in (
        ("accepted", home.validated(table, month), accepted),
        ("quarantined", home.quarantine(table, month), quarantined),
    ):
        held = pq.read_metadata(path).num_rows if path.exists() else 0
        if held > recorded or (held < recorded and not home.tombstones.exists()):
            faults.append(f"{month}/{table}: {recorded} rows {what}, {held} stored")
    return faults


def quarantined_share(run: Run) -> Evidence:
    """No table of a delivery has more than the protocol's share of rows in quarantine."""
    rule = run.protocol.quality
    quality = data_quality(run)
    whole = quality[quality["rule"] == ALL_RULES]
    dirty = too_dirty(quality, rule.maximum_quarantined_share, rule.small_table_rows)
    said_by_step = reports.failures(run.home, run.release, "ingest", "quality")
    return Evidence(
        [f"over {rule.maximum_quarantined_share:.0%}: {sentence}" for sentence in dirty]
        or [sentence for name, sentence in said_by_step.items() if name != ACCOUNTING],
        {"rows read": int(whole["rows_read"].sum()), "rows quarantined": int(whole["rows_quarantined"].sum())},
    )


@dg.asset_check(
    asset=deliveries,
    name="accounting",
    blocking=True,
    partitions_def=MONTHS,
    description="Rows read = rows accepted + rows quarantined + exact duplicates, per table and delivery, always.",
)
def rows_accounted(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
    """Blocking: no row is lost."""
    return judge(context, pdp, accounting)


@dg.asset_check(
    asset=deliveries,
    name="quarantined_share",
    blocking=True,
    partitions_def=MONTHS,
    description="The share of quarantined rows stays within the protocol's limit.",
)
def share_in_quarantine(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
    """Blocking: a delivery too dirty is not measured."""
    return judge(context, pdp, quarantined_share)
