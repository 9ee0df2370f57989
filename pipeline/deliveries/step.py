"""The step `ingest`: every delivery up to the release taken in, judged together, counted.

A release uses every delivery up to its month, so the step takes in whatever earlier delivery is missing as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import database
from pipeline.deliveries import judge
from pipeline.deliveries.intake import Intake, TableIntake, take_in
from pipeline.home import HomeError, missing_months
from pipeline.run import Run, StepReport
from pipeline.tables.inputs import INPUTS

STEP = "ingest"
ALL_RULES = "all"


def ingest(run: Run) -> StepReport:
    """Take in the deliveries and write `verdicts` and `data_quality`.

    Raises:
        DeliveryRefused: a delivery breaks the contract as a whole.
        HomeError: the release's own delivery has not landed.
    """
    months = run.landing.deliveries(run.release)
    if not months or months[-1] != run.release:
        raise HomeError(
            f"delivery {run.release} has not landed in {run.landing.root}; a release needs its own month's delivery"
        )
    intakes, fresh = [], 0
    with database.connect(run.home.scratch) as connection:
        for number, month in enumerate(months):
            run.progress("taking in deliveries", number, len(months))
            intake, read = take_in(connection, run.landing, run.home, month)
            intakes.append(intake)
            fresh += read
        run.progress("taking in deliveries", len(months), len(months))
        verdicts = judge.judge(connection, run.home, months)
    pq.write_table(verdicts, run.home.artefact(run.release, STEP, "verdicts"), compression="zstd")
    quality = data_quality(intakes, verdicts)
    frame = pa.Table.from_pandas(quality, preserve_index=False)
    pq.write_table(frame, run.home.artefact(run.release, STEP, "data_quality"), compression="zstd")
    return _report(run, intakes, fresh, quality)


def _judged(verdicts: pa.Table) -> dict[tuple[str, str], Counter[str]]:
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    grouped = verdicts.group_by(["delivery", "input_table", "verdict"]).aggregate([([], "count_all")])
    for row in grouped.to_pylist():
        found[row["delivery"], row["input_table"]][row["verdict"]] = row["count_all"]
    return found


def data_quality(intakes: list[Intake], verdicts: pa.Table) -> pd.DataFrame:
    """The published accounting of rows.

    One row per delivery, table and rule, and one with rule `all` for the whole. On every row, rows read = accepted +
    quarantined + duplicate: for one rule, `rows_quarantined` are those refused for it and `rows_accepted` the others.
    `rows_flagged` counts rows that break a rule which only warns, and narratives withheld.

    Args:
        intakes: records of the deliveries.
        verdicts: of the rules across deliveries, shape (refused or repeated rows, 5).
    """
    judged = _judged(verdicts)
    rows = [
        row
        for intake in intakes
        for table, counts in intake.tables.items()
        for row in _rows(intake.delivery, table, counts, judged[intake.delivery, table])
    ]
    frame = pd.DataFrame(rows)
    read = frame["rows_read"].where(frame["rows_read"] > 0)
    frame["rate"] = (frame["rows_quarantined"] + frame["rows_flagged"]) / read
    return frame.sort_values(["delivery", "input_table", "rule"], ignore_index=True)


def _rows(delivery: str, table: str, counts: TableIntake, judged: Counter[str]) -> Iterator[dict[str, object]]:
    duplicates = counts.rows_duplicate + judged["exact_duplicate"]
    reasons = Counter(counts.reasons) + Counter({k: v for k, v in judged.items() if k != "exact_duplicate"})

    def row(rule: str, quarantined: int, flags: int) -> dict[str, object]:
        return {
            "delivery": delivery,
            "input_table": table,
            "rule": rule,
            "rows_read": counts.rows_read,
            "rows_accepted": counts.rows_read - quarantined - duplicates,
            "rows_quarantined": quarantined,
            "rows_duplicate": duplicates,
            "rows_flagged": flags,
        }

    yield row(ALL_RULES, sum(reasons.values()), 0)
    for rule in sorted(reasons):
        yield row(rule, reasons[rule], 0)
    for rule in sorted(counts.warnings):
        yield row(rule, 0, counts.warnings[rule])


def too_dirty(quality: pd.DataFrame, limit: float, small: int) -> list[str]:
    """Sentences for each table and delivery with more than the allowed share of quarantined rows.

    Args:
        quality: `data_quality`.
        limit: largest share of quarantined rows.
        small: below this many rows in a delivery, a table is judged over all deliveries together.
    """
    whole = quality[quality["rule"] == ALL_RULES]
    large = whole[whole["rows_read"] >= small]
    sentences = [
        f"{row.delivery}/{row.input_table}: {row.rows_quarantined} of {row.rows_read} rows quarantined"
        for row in large[large["rows_quarantined"] > limit * large["rows_read"]].itertuples()
    ]
    rest = whole[whole["rows_read"] < small].groupby("input_table")[["rows_quarantined", "rows_read"]].sum()
    sentences += [
        f"{row.Index}, over its small deliveries: {row.rows_quarantined} of {row.rows_read} rows quarantined"
        for row in rest[rest["rows_quarantined"] > limit * rest["rows_read"]].itertuples()
    ]
    return sentences


def _report(run: Run, intakes: list[Intake], fresh: int, quality: pd.DataFrame) -> StepReport:
    whole = quality[quality["rule"] == ALL_RULES]
    by_table = whole.groupby("input_table")[["rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate"]].sum()
    broken = quality[quality["rule"] != ALL_RULES].groupby(["input_table", "rule"])
    by_rule = broken[["rows_quarantined", "rows_flagged"]].sum()
    report = StepReport(
        rows={table.name: int(by_table["rows_accepted"].get(table.name, 0)) for table in INPUTS},
        figures={"deliveries": len(intakes), "deliveries read in this run": fresh},
        tables={"Rows by table": by_table.reset_index(), "Rows by rule": by_rule.reset_index()},
    )
    unbalanced = whole[
        whole["rows_read"] != whole["rows_accepted"] + whole["rows_quarantined"] + whole["rows_duplicate"]
    ]
    if len(unbalanced):
        report.failures["quality:accounting"] = f"{len(unbalanced)} tables do not account for every row read"
    quality_rule = run.protocol.quality
    dirty = too_dirty(quality, quality_rule.maximum_quarantined_share, quality_rule.small_table_rows)
    if dirty:
        report.failures["quality:quarantined_share"] = (
            f"more than {quality_rule.maximum_quarantined_share:.0%} of rows quarantined: {'; '.join(dirty[:5])}"
            + (f" and {len(dirty) - 5} more" if len(dirty) > 5 else "")
        )
    months = [intake.delivery for intake in intakes]
    missing = missing_months(months)
    if missing:
        report.warnings.append(f"no delivery between others for: {', '.join(missing)}")
    return report
