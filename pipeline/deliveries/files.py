"""The files of a delivery: which there are, whether they are those announced, and how each is read.

A file's content never appears in a message: DuckDB's own errors quote the offending line, so they are caught here and
reduced to file, line, column and reason.
"""

from __future__ import annotations

import csv
import hashlib
import json
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
TEXT = "string"
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


@dataclass(frozen=True, slots=True)
class Source:
    """How a file is read.

    Attributes:
        sql: a relation with the file's columns of the contract and `source_line`: the line a text editor shows, or for
            Parquet the row number from 1.
        types: Arrow's name for the type of each of these columns.
    """

    sql: str
    types: dict[str, str]


def find(folder: Path, delivery: str) -> list[InputFile]:
    """The files of a delivery in a fixed order, checked against `delivery.json` where there is one.

    Raises:
        DeliveryRefused: there is none, one cannot be read, an announced file is missing or differs, or a file belongs
            to no table of the contract or is in none of its formats.
    """
    by_source = {table.source: table for table in INPUTS}
    found: list[InputFile] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name == MANIFEST or any(part.startswith(".") for part in Path(name).parts):
            continue
        suffix = path.suffix.lower()
        source = Path(name).parts[0] if "/" in name else path.stem
        if suffix not in FORMATS:
            # A read-me is let be; `ij_lignes.csv.gz` is data that would be lost in silence.
            if "/" not in name and name.split(".")[0] in by_source:
                raise DeliveryRefused(delivery, name, f"its format is none of {', '.join(FORMATS)}")
            continue
        if source not in by_source:
            raise DeliveryRefused(delivery, name, "no table of the input contract has this name")
        found.append(InputFile(by_source[source], path, name, FORMATS[suffix], _sha256(path, name, delivery)))
    _check_manifest(folder, delivery, found)
    if not found:
        raise DeliveryRefused(delivery, "", "the folder holds no file of a table")
    return found


def _sha256(path: Path, name: str, delivery: str) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DeliveryRefused(delivery, name, f"it cannot be opened ({error.strerror})") from None


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
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        announced = {str(entry["file"]): (entry.get("rows"), entry.get("sha256")) for entry in content["files"]}
        twice = len(announced) != len(content["files"])
        month = content["delivery"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DeliveryRefused(delivery, MANIFEST, 'not {"delivery", "files": [{"file", "rows", "sha256"}]}') from None
    if twice:
        raise DeliveryRefused(delivery, MANIFEST, "it lists a file twice")
    if month != delivery:
        raise DeliveryRefused(delivery, MANIFEST, "it announces another month than its folder's")
    return {
        name: (rows, sha256.lower() if isinstance(sha256, str) else sha256)
        for name, (rows, sha256) in announced.items()
    }


@contextmanager
def refusing(file: InputFile, delivery: str) -> Iterator[None]:
    """Turn a reader's error, which may quote the data, into a refusal that names the line and quotes nothing."""
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.Error, pa.ArrowException, UnicodeError, OSError, csv.Error):
        line, reason = None, f"it cannot be read as {file.format}"
        if file.format != "parquet":
            line = _undecodable_line(file.path)
            reason = reason if line is None else "it is not UTF-8"
        if line is None and file.format == "csv":
            line = _bad_csv_line(file.path)
        if line is None and file.format == "jsonl":
            line = _bad_json_line(file.path)
        raise DeliveryRefused(delivery, file.name, reason, line=line) from None


# The next three are asked only once DuckDB has failed: it counts records where an editor counts lines.


def _undecodable_line(path: Path) -> int | None:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode()
            except UnicodeDecodeError:
                return number
    return None


def _bad_csv_line(path: Path) -> int | None:
    """Line where the first record begins that has not the header's columns."""
    begins, records = 1, _csv_records(path)
    try:
        header, ends = next(records)
        for record, ends in records:
            if record and len(record) != len(header):
                return begins
            begins = ends + 1
    except csv.Error:
        return begins
    except StopIteration:
        pass
    return None


def _bad_json_line(path: Path) -> int | None:
    """First line that is not a JSON object with distinct names and valid characters."""

    def distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                if line.strip():
                    content = json.loads(line.decode(), object_pairs_hook=distinct)
                    json.dumps(content, ensure_ascii=False).encode()
                    if not isinstance(content, dict):
                        return number
            except ValueError:
                return number
    return None


def _csv_records(path: Path) -> Iterator[tuple[list[str], int]]:
    """Each record of a CSV file, header included, with the number of its last line."""
    csv.field_size_limit(MAXIMUM_LINE)
    with path.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=_delimiter(path), strict=True)
        for record in reader:
            yield record, reader.line_num


def _delimiter(path: Path) -> str:
    with path.open(encoding="utf-8-sig", newline="") as text:
        first = text.readline()
    return ";" if first.count(";") >= first.count(",") else ","


def source(connection: Connection, file: InputFile, delivery: str) -> Source:
    """How a file is read; of its columns, those of the contract.

    Lines of CSV and JSON Lines are those of a file without blank line or line break in a value; `lines` corrects them.

    Raises:
        DeliveryRefused: the file cannot be read, its header names a column twice, or it lacks a required column.
    """
    with refusing(file, delivery):
        if file.format == "parquet":
            found = _parquet(file)
        elif file.format == "csv":
            found = _csv(file, delivery)
        else:
            found = _json_lines(connection, file)
    for column in file.table:
        if column.required and column.source not in found.types:
            raise DeliveryRefused(delivery, file.name, "a required column is absent", column=column.source)
    return found


def _held(file: InputFile, names: set[str]) -> list[str]:
    return [column.source for column in file.table if column.source in names]


def _parquet(file: InputFile) -> Source:
    types = {field.name: str(field.type) for field in pq.read_schema(file.path)}
    held = _held(file, set(types))
    columns = ", ".join(_ident(name) for name in held)
    relation = f"(SELECT {columns}, file_row_number + 1 AS source_line FROM {parquet(file.path, file_row_number=True)})"
    return Source(relation, {name: types[name] for name in held})


def _csv(file: InputFile, delivery: str) -> Source:
    header, last = next(_csv_records(file.path), ([], 1))
    if last != 1 or not all(header) or len({name.casefold() for name in header}) != len(header) or not header:
        raise DeliveryRefused(delivery, file.name, "its header is empty or names a column twice", line=1)
    every = "{" + ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in header) + "}"
    held = _held(file, set(header))
    columns = ", ".join(_ident(name) for name in held)
    relation = (
        f"(SELECT {columns}, row_number() OVER () + 1 AS source_line FROM read_csv({quoted(file.path)}, "
        f"auto_detect = false, header = true, delim = '{_delimiter(file.path)}', quote = '\"', escape = '\"', "
        f"columns = {every}, nullstr = '', max_line_size = {MAXIMUM_LINE}, strict_mode = true))"
    )
    return Source(relation, dict.fromkeys(held, TEXT))


def _json_lines(connection: Connection, file: InputFile) -> Source:
    read = f"{quoted(file.path)}, format = 'newline_delimited', maximum_object_size = {MAXIMUM_LINE}"
    found = connection.execute(f"SELECT DISTINCT unnest(json_keys(json)) FROM read_json_objects({read})").fetchall()
    names = {row[0] for row in found}
    # Nulls may be left out of every line: a file without any line lacks no column.
    if not names and not file.path.read_bytes().strip():
        names = {column.source for column in file.table if column.source}
    held = _held(file, names)
    every = "{" + ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in held) + "}"
    if not held:
        return Source("", {})
    relation = f"(SELECT *, row_number() OVER () AS source_line FROM read_json({read}, columns = {every}))"
    return Source(relation, dict.fromkeys(held, TEXT))


def lines(file: InputFile, delivery: str, records: int) -> pa.Table | None:
    """Line on which each record begins, or None where the n-th record stands on the n-th line (after the header).

    Args:
        file: CSV or JSON Lines; for Parquet the answer is None.
        delivery: named in the refusal.
        records: number of records read.

    Returns:
        Columns `counted` (line as counted by `source`) and `line`, one row per record.

    Raises:
        DeliveryRefused: the records are not those read before: the file is ambiguous.
    """
    headers = 1 if file.format == "csv" else 0
    if file.format == "parquet" or _physical_lines(file.path) == records + headers:
        return None
    with refusing(file, delivery):
        begins = _csv_begins(file.path) if file.format == "csv" else _json_begins(file.path)
    if len(begins) != records:
        raise DeliveryRefused(delivery, file.name, f"it cannot be read as {file.format} in one way only")
    counted = pa.array(range(1 + headers, 1 + headers + records), pa.int64())
    return pa.table({"counted": counted, "line": pa.array(begins, pa.int64())})


def _physical_lines(path: Path) -> int:
    breaks, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            breaks, last = breaks + block.count(b"\n"), block[-1:]
    return breaks + (last != b"\n")


def _csv_begins(path: Path) -> list[int]:
    begins, before = [], 0
    for record, ends in _csv_records(path):
        if record:
            begins.append(before + 1)
        before = ends
    return begins[1:]


def _json_begins(path: Path) -> list[int]:
    with path.open("rb") as text:
        return [number for number, line in enumerate(text, start=1) if line.strip()]


def _ident(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
