"""Promise: every file holds the columns, types and codes that the tables registry declares."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from assets.cohort import cohort
from assets.ingest import deliveries
from assets.leave import leaves
from assets.matching import matches
from assets.outcomes import outcomes
from assets.pseudonymise import pseudonymised, texts
from checks.expectations import unmet
from pipeline import database
from pipeline.database import Connection
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.promises import Evidence, judge
from pipeline.orchestration.reports import tables_of
from pipeline.orchestration.resources import PdpHome
from pipeline.run import Run
from pipeline.tables.model import ARROW, Column, Table, Type

PROVENANCE = ("delivery", "source_file", "source_line")
"""Columns that ingestion adds to every table."""


def files(run: Run, step: str, table: Table) -> list[Path]:
    """Files that a step wrote for one table, up to the release."""
    if step == "ingest":
        months = run.landing.deliveries(run.release)
        return [path for month in months if (path := run.home.validated(table.name, month)).exists()]
    return database.files(run.home.artefact(run.release, step, table.name))


def questions(table: Table) -> dict[str, str]:
    """Rule -> SQL true for a row that breaks it: empty keys, codes outside their list, rules of the registry."""
    asked: dict[str, str] = {}
    for column in table:
        if not column.nullable or (column.name in table.key and table.stage == "intermediate"):
            asked[f"{column.name}: empty"] = f"{column.name} IS NULL"
        if column.codes:
            asked[f"{column.name}: code outside its list"] = f"{column.name} NOT IN ({_listed(column)})"
        for check in column.checks:
            asked[f"{column.name}: {check.reason}"] = check.breaks.format(c=column.name)
    for rule in table.rules:
        if not rule.warns:
            asked[f"{rule.column}: {rule.reason}"] = rule.breaks.replace("$delivery", "delivery")
    return asked


def _listed(column: Column) -> str:
    codes = column.codes or ()
    if column.type is Type.INTEGER:
        return ", ".join(code.source for code in codes)
    return ", ".join(database.quoted(code.code) for code in codes)


def columns_differ(declared: Table, found: pa.Schema) -> Iterator[str]:
    """Columns missing, unknown or of another type."""
    present = {
        field.name: field.type for field in found if field.name not in PROVENANCE or field.name in declared.names
    }
    for column in declared:
        if column.name not in present:
            yield f"{column.name} is missing"
        elif present[column.name] != ARROW[column.type]:
            yield f"{column.name} is {present[column.name]}, not {ARROW[column.type]}"
    yield from (f"{name} is not declared" for name in present if name not in declared.names)


def count(connection: Connection, table: Table, paths: list[Path]) -> dict[str, int]:
    """Rows that break each rule, in one scan."""
    asked = questions(table)
    if not asked:
        return {}
    sums = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in asked.values())
    row = connection.execute(f"SELECT {sums} FROM {database.parquet(paths)}").fetchone()
    return dict(zip(asked, row or (), strict=True))


def evidence(run: Run, step: str) -> Evidence:
    """Faults of every table of a step."""
    faults: list[str] = []
    counts: dict[str, int] = {}
    read = 0
    with database.connect(run.home.scratch) as connection:
        for table in tables_of(step):
            paths = files(run, step, table)
            differing = {
                f"{table.name}.{what}" for path in paths for what in columns_differ(table, pq.read_schema(path))
            }
            read += len(paths)
            faults += sorted(differing)
            if paths and not differing:
                counts |= {f"{table.name}.{rule}": rows for rule, rows in count(connection, table, paths).items()}
    faults += [f"{rule} on {counts[rule]} rows" for rule in unmet(step, counts)]
    return Evidence(faults, {"files": read, "rules": len(counts)})


def _schema(asset: dg.AssetsDefinition, step: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="schema",
        blocking=True,
        partitions_def=MONTHS,
        description="Every file holds the declared columns, types and codes; keys are never empty.",
    )
    def schema(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
        return judge(context, pdp, lambda run: evidence(run, step))

    return schema


deliveries_schema = _schema(deliveries, "ingest")
pseudonymised_schema = _schema(pseudonymised, "pseudonymise")
texts_schema = _schema(texts, "text")
leaves_schema = _schema(leaves, "leave")
cohort_schema = _schema(cohort, "cohort")
matches_schema = _schema(matches, "matching")
outcomes_schema = _schema(outcomes, "outcomes")
