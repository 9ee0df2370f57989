"""Take in one delivery: every row read is accepted, quarantined with a reason, or an exact duplicate.

A delivery is taken in whole or refused whole: its record is written last, and a delivery without a matching record is
read again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pipeline import database
from pipeline.database import Connection
from pipeline.deliveries import files, validation
from pipeline.deliveries.files import DeliveryRefused, InputFile
from pipeline.home import Home, Landing
from pipeline.tables.inputs import INPUTS
from pipeline.tables.model import SQL, Table


@dataclass(slots=True)
class TableIntake:
    """Row accounting of one table in one delivery: rows read = accepted + quarantined + exact duplicates."""

    rows_read: int = 0
    rows_accepted: int = 0
    rows_quarantined: int = 0
    rows_duplicate: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)

    @property
    def balanced(self) -> bool:
        """The accounting identity."""
        return self.rows_read == self.rows_accepted + self.rows_quarantined + self.rows_duplicate


@dataclass(slots=True)
class Intake:
    """What was read of one delivery, and from which bytes."""

    delivery: str
    contract: str
    files: dict[str, str]
    tables: dict[str, TableIntake]

    @classmethod
    def load(cls, path: Path) -> Intake | None:
        """The record at a path, or None when there is none that this version can read."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            tables = {name: TableIntake(**content) for name, content in raw["tables"].items()}
            return cls(raw["delivery"], raw["contract"], raw["files"], tables)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Write the record atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")
        partial.replace(path)


def contract_fingerprint() -> str:
    """Changes when a declaration or a rule changes, so that deliveries taken in under another contract are read again."""
    text = repr([(table.source, table.key, table.key_scope, [repr(c) for c in table], table.rules) for table in INPUTS])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def take_in(landing: Landing, home: Home, delivery: str) -> tuple[Intake, bool]:
    """Take in one delivery unless these very bytes already are.

    Args:
        landing: the landing folder.
        home: where accepted and quarantined rows go.
        delivery: `YYYY-MM`.

    Returns:
        The record, and whether anything was read.

    Raises:
        DeliveryRefused: a file cannot be read, lacks a required column, or breaks `delivery.json`.
    """
    folder = landing.delivery(delivery)
    found = files.find(folder, delivery)
    hashes = {file.name: file.sha256 for file in found}
    known = Intake.load(home.intake(delivery))
    if known and known.files == hashes and known.contract == contract_fingerprint() and _present(home, known):
        return known, False
    announced = files.manifest_rows(folder, delivery) or {}
    intake = Intake(delivery, contract_fingerprint(), hashes, {})
    delivered = [table for table in INPUTS if any(file.table is table for file in found)]
    staging = home.restricted / "incoming" / delivery
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        with database.connect(home.scratch) as connection:
            for table in delivered:
                _stage(connection, table, [file for file in found if file.table is table], delivery, announced)
                intake.tables[table.name] = _sort_out(connection, table, delivery, staging)
        home.intake(delivery).unlink(missing_ok=True)
        for table in INPUTS:
            for kind, target in (("accepted", home.validated), ("quarantined", home.quarantine)):
                path = target(table.name, delivery)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
                if table in delivered:
                    (staging / f"{table.name}.{kind}.parquet").replace(path)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    intake.save(home.intake(delivery))
    return intake, True


def _present(home: Home, intake: Intake) -> bool:
    return all(home.validated(name, intake.delivery).exists() for name in intake.tables)


def _stage(
    connection: Connection,
    table: Table,
    found: list[InputFile],
    delivery: str,
    announced: dict[str, tuple[int | None, str | None]],
) -> None:
    """Create `staged`: typed rows of every file of a table, with file and line."""
    empty = ", ".join(f"CAST(NULL AS {t}) AS {n}" for n, t in _stage_columns(table))
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged AS SELECT {empty} WHERE false")
    for file in found:
        source, held = files.relation(connection, file, delivery)
        for column in table:
            if column.required and column.source not in held:
                raise DeliveryRefused(delivery, file.name, "a required column is absent", column=column.source)
        columns = validation.typed(table, held)
        with files.refusing(file, delivery, f"it cannot be read as {file.format}"):
            connection.execute(
                f"INSERT INTO staged SELECT {columns}, $file AS source_file, source_line FROM {source}",
                {"file": file.name},
            )
        rows = int(database.scalar(connection, "SELECT count(*) FROM staged WHERE source_file = $file", {"file": file.name}))
        expected = announced.get(file.name, (None, None))[0]
        if expected is not None and expected != rows:
            raise DeliveryRefused(delivery, file.name, f"it holds {rows} rows, {files.MANIFEST} announces {expected}")


def _stage_columns(table: Table) -> list[tuple[str, str]]:
    typed = [(column.name, SQL[column.type]) for column in table]
    return [*typed, ("unreadable", "VARCHAR"), ("source_file", "VARCHAR"), ("source_line", "BIGINT")]


def _sort_out(connection: Connection, table: Table, delivery: str, staging: Path) -> TableIntake:
    """Split `staged` into accepted, quarantined and exact duplicates; write the first two."""
    content = ", ".join([*table.names, "unreadable"])
    key = ", ".join(table.key or table.names)
    # Only rows whose key repeats can be duplicates: the windows over whole rows run on those alone.
    same = " AND ".join(f"s.{name} IS NOT DISTINCT FROM r.{name}" for name in (table.key or table.names))
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE copies AS
        SELECT source_file, source_line,
               row_number() OVER (PARTITION BY {content} ORDER BY source_file, source_line) > 1 AS duplicate,
               min(content_id) OVER (PARTITION BY {key}) <> max(content_id) OVER (PARTITION BY {key}) AS conflict
        FROM (SELECT s.*, dense_rank() OVER (ORDER BY {content}) AS content_id
              FROM staged s SEMI JOIN (SELECT {key} FROM staged GROUP BY {key} HAVING count(*) > 1) r ON {same})""")
    fault = validation.first_fault(table)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE judged AS SELECT s.*, coalesce(c.duplicate, false) AS duplicate, "
        f"coalesce(c.conflict, false) AS conflict, {fault} AS fault "
        "FROM staged s LEFT JOIN copies c USING (source_file, source_line)",
        database.used(fault, {"delivery": delivery}),
    )
    found = validation.faults(table)
    reasons = "[" + ", ".join(f"'{reason}'" for reason, _, _ in found) + "]"
    columns = "[" + ", ".join(f"'{column}'" for _, column, _ in found) + "]"
    named = " AND ".join(f"{name} IS NOT NULL" for name in table.key) or "false"
    verdict = (
        f"CASE WHEN duplicate THEN 'exact_duplicate' WHEN fault IS NOT NULL THEN {reasons}[fault] "
        f"WHEN conflict AND {named} THEN 'duplicate_key' END"
    )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW verdicts AS SELECT *, {verdict} AS verdict FROM judged")
    warned = validation.warnings(table)
    sums = "".join(f", count(*) FILTER (WHERE {condition})" for _, condition in warned)
    result = TableIntake()
    for row in connection.execute(
        f"SELECT verdict, count(*){sums} FROM verdicts GROUP BY verdict ORDER BY verdict"
    ).fetchall():
        reason, rows = row[0], int(row[1])
        result.rows_read += rows
        if reason is None:
            result.rows_accepted = rows
            result.warnings = {name: int(n) for (name, _), n in zip(warned, row[2:], strict=True) if n}
        elif reason == "exact_duplicate":
            result.rows_duplicate = rows
        else:
            result.rows_quarantined += rows
            result.reasons[reason] = rows
    rows = f"{', '.join(table.names)}, '{delivery}' AS delivery, source_file, source_line"
    order = "ORDER BY source_file, source_line"
    database.write(
        connection, f"SELECT {rows} FROM verdicts WHERE verdict IS NULL {order}", staging / f"{table.name}.accepted.parquet"
    )
    key_columns = ", ".join(table[name].source or name for name in table.key)
    database.write(
        connection,
        f"SELECT {rows}, verdict AS reason, CASE WHEN fault = 1 THEN unreadable "
        f"ELSE coalesce({columns}[fault], '{key_columns}') END AS broken_column FROM verdicts "
        f"WHERE verdict IS NOT NULL AND verdict <> 'exact_duplicate' {order}",
        staging / f"{table.name}.quarantined.parquet",
    )
    return result
