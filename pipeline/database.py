"""The one module that opens DuckDB.

Steps exchange Parquet: a step registers its inputs as views, runs the `.sql` file beside it with named parameters and
writes the result. Nothing here knows a table.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

Connection = duckdb.DuckDBPyConnection
ROW_GROUP = 122_880


@contextmanager
def connect(scratch: Path | None = None, *, memory_limit: str = "6GB", threads: int = 2) -> Iterator[Connection]:
    """An in-memory DuckDB that cannot reach the network, closed on the way out.

    Args:
        scratch: where larger-than-memory steps spill; None keeps everything in memory.
        memory_limit: DuckDB's own limit.
        threads: worker threads.
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
        config["temp_directory"] = str(scratch)
    connection = duckdb.connect(config=config)
    connection.execute("SET enable_progress_bar = false")  # progress is the run's to show
    try:
        yield connection
    finally:
        connection.close()


def quoted(path: Path | str) -> str:
    """A SQL string literal."""
    return "'" + str(path).replace("'", "''") + "'"


def files(path: Path) -> list[Path]:
    """Parquet files of one table: itself, or its parts in order where it was written in parts."""
    return sorted(path.glob("*.parquet")) if path.is_dir() else [path]


def parquet(paths: Path | Sequence[Path], **options: bool) -> str:
    """SQL that reads Parquet files as one relation; columns never come from folder names."""
    given = [paths] if isinstance(paths, Path) else list(paths)
    listed = ", ".join(quoted(file) for path in given for file in files(path))
    extra = "".join(f", {name} = {str(value).lower()}" for name, value in options.items())
    return f"read_parquet([{listed}], hive_partitioning = false{extra})"


def view(connection: Connection, name: str, paths: Path | Sequence[Path]) -> None:
    """Name Parquet files as a view."""
    connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS SELECT * FROM {parquet(paths)}')


def sql(module_file: str, name: str) -> str:
    """Text of the `.sql` file of that name beside a module (pass `__file__`)."""
    return Path(module_file).with_name(f"{name}.sql").read_text(encoding="utf-8")


def used(query: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters a query names: DuckDB refuses any other."""
    names = set(re.findall(r"\$([a-z_][a-z_0-9]*)", query))
    return {name: value for name, value in parameters.items() if name in names}


def create(connection: Connection, table: str, query: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Create a temporary table from a query; returns its number of rows."""
    made = connection.execute(f'CREATE OR REPLACE TEMP TABLE "{table}" AS {query}', used(query, parameters or {}))
    return int(made.fetchall()[0][0])


def write(connection: Connection, query: str, path: Path, parameters: Mapping[str, Any] | None = None) -> int:
    """Write a query's rows to a Parquet file, atomically; returns the number of rows.

    The query must order its rows by a unique key: the file's bytes are part of the reproducibility promise.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    written = connection.execute(
        f"COPY ({query}) TO {quoted(partial)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})",
        used(query, parameters or {}),
    ).fetchall()
    partial.replace(path)
    return int(written[0][0])


@contextmanager
def parts_of(tables: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Folders to write the parts of several tables into; they replace the tables when nothing failed."""
    folders = {name: path.with_name(f".{path.name}.partial") for name, path in tables.items()}
    for folder in folders.values():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    yield folders
    for name, path in tables.items():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
        folders[name].replace(path)


@contextmanager
def narrowed(connection: Connection, names: Sequence[str], first: int, last: int) -> Iterator[None]:
    """Show of each view only the persons numbered `first` to `last`, both included."""
    for name in names:
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {name} AS "
            f"SELECT * FROM memory.main.{name} WHERE person BETWEEN {int(first)} AND {int(last)}"
        )
    yield
    for name in names:
        connection.execute(f"DROP VIEW temp.{name}")


def count(connection: Connection, relation: str) -> int:
    """Number of rows of a relation."""
    return int(scalar(connection, f"SELECT count(*) FROM {relation}"))


def scalar(connection: Connection, query: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """A query's single value."""
    rows = connection.execute(query, used(query, parameters or {})).fetchall()
    return rows[0][0] if rows else None
