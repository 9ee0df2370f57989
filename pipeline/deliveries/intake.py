"""Take in one delivery: every row read is accepted, quarantined with a reason, or an exact duplicate.

A delivery is taken in whole or refused whole: its record is written last, and a delivery without a matching record is
read again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from functools import cache
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
    rows: dict[str, int]
    tables: dict[str, TableIntake]

    @classmethod
    def load(cls, path: Path) -> Intake | None:
        """The record at a path, or None when there is none that this version can read."""
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            tables = {name: TableIntake(**content) for name, content in raw["tables"].items()}
            return cls(raw["delivery"], raw["contract"], raw["files"], raw["rows"], tables)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def save(self, path: Path) -> None:
        """Write the record atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1, sort_keys=True), encoding="utf-8")
        partial.replace(path)


@cache
def contract_fingerprint() -> str:
    """Changes when a declaration or a rule changes: deliveries taken in under another contract are read again."""
    text = repr([(table.source, table.key, table.key_scope, [repr(c) for c in table], table.rules) for table in INPUTS])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def take_in(connection: Connection, landing: Landing, home: Home, delivery: str) -> tuple[Intake, bool]:
    """Take in one delivery unless these very bytes already are.

    Args:
        connection: an open database; nothing is left in it.
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
    announced = files.manifest_rows(folder, delivery)
    hashes = {file.name: file.sha256 for file in found}
    known = Intake.load(home.intake(delivery))
    if known and known.files == hashes and known.contract == contract_fingerprint() and _kept(home, known, announced):
        return known, False
    intake = Intake(delivery, contract_fingerprint(), hashes, {}, {})
    delivered = [table for table in INPUTS if any(file.table is table for file in found)]
    staging = home.incoming(delivery)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        for table in delivered:
            of_table = [file for file in found if file.table is table]
            intake.rows |= _stage(connection, table, of_table, delivery, announced or {})
            intake.tables[table.name] = _sort_out(connection, table, delivery, staging)
        # From here to the new record the delivery has none: a crash in between has it read again.
        home.intake(delivery).unlink(missing_ok=True)
        for table in INPUTS:
            for kind, target in (("accepted", home.validated), ("quarantined", home.quarantine)):
                staged, path = staging / f"{table.name}.{kind}.parquet", target(table.name, delivery)
                path.unlink(missing_ok=True)
                if staged.exists():
                    path.parent.mkdir(parents=True, exist_ok=True)
                    staged.replace(path)
        intake.save(home.intake(delivery))
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        for name in ("staged", "repeats", "copies", "refused"):
            connection.execute(f"DROP TABLE IF EXISTS {name}")
    return intake, True


def _kept(home: Home, intake: Intake, announced: dict[str, tuple[int | None, str | None]] | None) -> bool:
    """Whether what was read is still there and still what `delivery.json` announces."""
    stored = all(home.validated(name, intake.delivery).exists() for name in intake.tables) and all(
        home.quarantine(name, intake.delivery).exists() for name, t in intake.tables.items() if t.rows_quarantined
    )
    said = {name: rows for name, (rows, _) in (announced or {}).items() if rows is not None}
    return stored and all(intake.rows.get(name) == rows for name, rows in said.items())


def _stage(
    connection: Connection,
    table: Table,
    found: list[InputFile],
    delivery: str,
    announced: dict[str, tuple[int | None, str | None]],
) -> dict[str, int]:
    """Create `staged`: typed rows of every file of a table, with file and line. Returns each file's number of rows."""
    columns = [(column.name, SQL[column.type]) for column in table]
    columns += [(name, "VARCHAR") for name in ("unreadable", "as_written", "source_file")] + [("source_line", "BIGINT")]
    declared = ", ".join(f"{name} {kind}" for name, kind in columns)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE staged ({declared})")
    rows = {}
    for file in found:
        query = validation.typed(table, files.source(connection, file, delivery))
        with files.refusing(file, delivery):
            inserted = connection.execute(
                f"INSERT INTO staged BY NAME SELECT *, $file AS source_file FROM ({query})", {"file": file.name}
            ).fetchall()
        rows[file.name] = int(inserted[0][0])
        expected = announced.get(file.name, (None, None))[0]
        if expected is not None and expected != rows[file.name]:
            raise DeliveryRefused(
                delivery, file.name, f"it holds {rows[file.name]} rows, {files.MANIFEST} announces {expected}"
            )
        begins = files.lines(file, delivery, rows[file.name])
        if begins is not None:
            connection.register("begins", begins)
            connection.execute(
                "UPDATE staged SET source_line = line FROM begins WHERE source_file = $file AND source_line = counted",
                {"file": file.name},
            )
            connection.unregister("begins")
    return rows


def _sort_out(connection: Connection, table: Table, delivery: str, staging: Path) -> TableIntake:
    """Split `staged` into accepted, quarantined and exact duplicates; write the first two."""
    _find_copies(connection, table)
    found, fault = validation.faults(table), validation.first_fault(table)
    reasons = ", ".join(f"'{reason}'" for reason, _, _ in found)
    broken = ", ".join(f"'{column}'" for _, column, _ in found)
    key = ", ".join(table[name].source or name for name in table.key)
    parameters = {"delivery": delivery}
    # Bad rows are few: they are set apart once, by row number, and the good ones are never copied.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE refused AS
        SELECT coalesce(f.row, c.row) AS row,
               CASE WHEN duplicate THEN 'exact_duplicate' ELSE coalesce([{reasons}][fault], 'duplicate_key') END
               AS reason,
               CASE WHEN fault > 1 THEN [{broken}][fault] WHEN fault IS NULL THEN '{key}' END AS broken_column
        FROM (SELECT * FROM (SELECT rowid AS row, {fault} AS fault FROM staged) WHERE fault IS NOT NULL) f
        FULL JOIN (SELECT * FROM copies WHERE duplicate OR conflict) c ON f.row = c.row""",
        database.used(fault, parameters),
    )
    result = TableIntake(rows_read=database.count(connection, "staged"))
    for reason, rows in connection.execute("SELECT reason, count(*) FROM refused GROUP BY ALL ORDER BY ALL").fetchall():
        if reason == "exact_duplicate":
            result.rows_duplicate = rows
        else:
            result.rows_quarantined += rows
            result.reasons[reason] = rows
    good = "FROM staged ANTI JOIN refused ON staged.rowid = refused.row"
    rules = validation.warnings(table)
    if rules:
        counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for _, condition in rules)
        counted = connection.execute(f"SELECT {counts} {good}").fetchall()[0]
        result.warnings = {reason: n for (reason, _), n in zip(rules, counted, strict=True) if n}
    columns = f"{', '.join(table.names)}, '{delivery}' AS delivery, source_file, source_line"
    order = "ORDER BY source_file, source_line"
    path = staging / f"{table.name}.accepted.parquet"
    result.rows_accepted = database.write(connection, f"SELECT {columns} {good} {order}", path)
    if result.rows_quarantined:
        database.write(
            connection,
            f"SELECT {columns}, reason, coalesce(broken_column, unreadable) AS broken_column FROM staged "
            f"JOIN refused ON staged.rowid = refused.row WHERE reason <> 'exact_duplicate' {order}",
            staging / f"{table.name}.quarantined.parquet",
        )
    return result


def _find_copies(connection: Connection, table: Table) -> None:
    """Create `copies`: rows whose key repeats; whether an earlier row is the same and whether another differs."""
    content = ", ".join([*table.names, "as_written"])
    key = table.key or table.names
    key_list = ", ".join(key)
    named = " AND ".join(f"{name} IS NOT NULL" for name in table.key) or "false"
    repeated = database.create(
        connection, "repeats", f"SELECT {key_list} FROM staged GROUP BY {key_list} HAVING count(*) > 1"
    )
    if not repeated:
        connection.execute("CREATE OR REPLACE TEMP TABLE copies (row BIGINT, duplicate BOOLEAN, conflict BOOLEAN)")
        return
    same = " AND ".join(f"s.{name} IS NOT DISTINCT FROM r.{name}" for name in key)
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE copies AS
        SELECT row, row_number() OVER (PARTITION BY content_id ORDER BY source_file, source_line) > 1 AS duplicate,
               {named} AND min(content_id) OVER (PARTITION BY {key_list})
                           <> max(content_id) OVER (PARTITION BY {key_list}) AS conflict
        FROM (SELECT s.rowid AS row, s.*, dense_rank() OVER (ORDER BY {content}) AS content_id
              FROM staged s SEMI JOIN repeats r ON {same})""")
