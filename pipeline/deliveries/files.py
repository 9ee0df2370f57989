"""The files of a delivery: which there are, whether they are those announced, and how each is read.

A file's content never appears in a message: DuckDB's own errors quote the offending line, so they are caught here and
reduced to file, line, column and reason.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.database import Connection, parquet, quoted
from pipeline.tables.inputs import INPUTS
from pipeline.tables.model import Table

FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
MANIFEST = "delivery.json"
MAXIMUM_LINE = 64 * 1024 * 1024


class DeliveryRefused(ValueError):  # noqa: N818  it says what happened
    """A delivery is refused whole: one sentence with delivery, file, line, column and reason, never a value."""

    def __init__(
        self, delivery: str, file: str, reason: str, *, line: int | None = None, column: str | None = None
    ) -> None:
        self.delivery, self.file, self.reason, self.line, self.column = delivery, file, reason, line, column
        place = f"{delivery}/{file}" + (f", line {line}" if line else "") + (f", column {column}" if column else "")
        super().__init__(f"delivery {delivery} refused: {place}: {reason}; nothing of it was taken in")


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of a delivery, with the hash of its bytes."""

    table: Table
    path: Path
    name: str
    format: str
    sha256: str


def find(folder: Path, delivery: str) -> list[InputFile]:
    """The files of a delivery in a fixed order, checked against `delivery.json` where there is one.

    Raises:
        DeliveryRefused: an announced file is missing or differs, or a file belongs to no table of the contract.
    """
    by_source = {table.source: table for table in INPUTS}
    found: list[InputFile] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST or any(part.startswith(".") for part in Path(name).parts):
            continue
        suffix = path.suffix.lower()
        if suffix not in FORMATS:
            continue
        source = Path(name).parts[0] if "/" in name else path.stem
        if source not in by_source:
            raise DeliveryRefused(delivery, name, "no table of the input contract has this name")
        found.append(InputFile(by_source[source], path, name, FORMATS[suffix], _sha256(path)))
    _check_manifest(folder, delivery, found)
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_manifest(folder: Path, delivery: str, found: list[InputFile]) -> None:
    """Presence and hash of each announced file; row counts are compared once the file is read."""
    announced = manifest_rows(folder, delivery)
    if announced is None:
        return
    present = {file.name: file for file in found}
    for name, (_, sha256) in announced.items():
        if name not in present:
            raise DeliveryRefused(delivery, name, f"listed in {MANIFEST} but absent")
        if sha256 is not None and present[name].sha256 != sha256:
            raise DeliveryRefused(delivery, name, f"its SHA-256 is not the one in {MANIFEST}")
    for name in present:
        if name not in announced:
            raise DeliveryRefused(delivery, name, f"not listed in {MANIFEST}")


def manifest_rows(folder: Path, delivery: str) -> dict[str, tuple[int | None, str | None]] | None:
    """File name -> (rows, sha256) as announced, or None without `delivery.json`.

    Raises:
        DeliveryRefused: the file is not what the contract says.
    """
    path = folder / MANIFEST
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        announced = {entry["file"]: (entry.get("rows"), entry.get("sha256")) for entry in content["files"]}
        month = content["delivery"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DeliveryRefused(delivery, MANIFEST, 'not {"delivery", "files": [{"file", "rows", "sha256"}]}') from None
    if month != delivery:
        raise DeliveryRefused(delivery, MANIFEST, "it announces another month than its folder's")
    return announced


@contextmanager
def refusing(file: InputFile, delivery: str, what: str) -> Iterator[None]:
    """Turn a reader's error, which may quote the data, into a refusal that does not."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, UnicodeDecodeError, OSError, csv.Error) as error:
        message = str(error)
        line = re.search(r"CSV Error on Line: (\d+)", message) or re.search(r"in line (\d+)", message)
        number = int(line.group(1)) if line else None
        if file.format == "jsonl":
            number = _bad_json_line(file.path) or number
        reason = "it is not UTF-8" if "utf-8" in message.lower() or "unicode" in message.lower() else what
        raise DeliveryRefused(delivery, file.name, reason, line=number) from None


def _bad_json_line(path: Path) -> int | None:
    """First line that is not a JSON object (only called once the reader has failed)."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip() and not isinstance(json.loads(line), dict):
                    return number
            except ValueError:
                return number
    return None


def relation(connection: Connection, file: InputFile, delivery: str) -> tuple[str, set[str]]:
    """SQL that reads a file with a `source_line` column, and the source columns it holds.

    Lines are those a text editor shows for CSV and JSON Lines (a record with line breaks inside counts all of them)
    and the row number, from 1, for Parquet.

    Raises:
        DeliveryRefused: the file cannot be read.
    """
    with refusing(file, delivery, f"it cannot be read as {file.format}"):
        if file.format == "parquet":
            names = set(pq.read_schema(file.path).names)
            return f"(SELECT *, file_row_number + 1 AS source_line FROM {parquet(file.path, file_row_number=True)})", names
        if file.format == "csv":
            return _csv(file, delivery)
        return _json_lines(connection, file)


def _csv(file: InputFile, delivery: str) -> tuple[str, set[str]]:
    with file.path.open(encoding="utf-8-sig", newline="") as text:
        first = text.readline()
    delimiter = ";" if first.count(";") >= first.count(",") else ","
    header = next(csv.reader([first], delimiter=delimiter), [])
    if len(set(header)) != len(header) or not header:
        raise DeliveryRefused(delivery, file.name, "its header is empty or names a column twice", line=1)
    columns = "{" + ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in header) + "}"
    reader = (
        f"read_csv({quoted(file.path)}, auto_detect = false, header = true, delim = '{delimiter}', quote = '\"', "
        f"escape = '\"', columns = {columns}, nullstr = '', max_line_size = {MAXIMUM_LINE}, strict_mode = true)"
    )
    breaks = " + ".join(f"length({_ident(n)}) - length(replace({_ident(n)}, chr(10), ''))" for n in header)
    breaks = " + ".join(f"coalesce({part}, 0)" for part in breaks.split(" + "))
    numbered = f"SELECT *, row_number() OVER () AS record, {breaks} AS breaks FROM {reader}"
    line = "1 + record + coalesce(sum(breaks) OVER (ORDER BY record ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"
    return f"(SELECT * EXCLUDE (record, breaks), CAST({line} AS BIGINT) AS source_line FROM ({numbered}))", set(header)


def _json_lines(connection: Connection, file: InputFile) -> tuple[str, set[str]]:
    lines = f"read_json_objects({quoted(file.path)}, format = 'newline_delimited', maximum_object_size = {MAXIMUM_LINE})"
    found = connection.execute(f"SELECT DISTINCT unnest(json_keys(json)) FROM {lines}").fetchall()
    names = {row[0] for row in found}
    wanted = [column.source or column.name for column in file.table if column.source in names]
    if not wanted:
        return f"(SELECT row_number() OVER () AS source_line FROM {lines})", names
    columns = "{" + ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in wanted) + "}"
    reader = (
        f"read_json({quoted(file.path)}, format = 'newline_delimited', columns = {columns}, "
        f"maximum_object_size = {MAXIMUM_LINE})"
    )
    return f"(SELECT *, row_number() OVER () AS source_line FROM {reader})", names


def _ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
