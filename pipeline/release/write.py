"""Write a release beside the published ones, verify it from its own files, and only then switch it in.

The order is the safety: tables, database, documents, manifest, verification, rename, `latest`. A crash before the
rename leaves the earlier releases alone; after it, the new release is whole.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import database
from pipeline.disclosure.deduction import Deduced
from pipeline.disclosure.facts import TOLERATED, Deduction, ReleaseFacts
from pipeline.disclosure.step import moved_since
from pipeline.home import missing_months
from pipeline.release import audit, synthesis, verify
from pipeline.release.errors import ReleaseError
from pipeline.release.version import code_version
from pipeline.run import Run
from pipeline.tables import descriptor
from pipeline.tables.model import Table
from pipeline.tables.published import PUBLISHED

STORAGE = "v1.0.0"
"""DuckDB storage format that every version from 1.0 on can open."""

LIBRARIES = (
    "duckdb", "numba", "numpy", "pandas", "presidio-analyzer", "pyarrow", "scikit-learn", "scipy", "statsmodels",
)  # fmt: skip
"""Libraries whose version can change a published figure or byte."""


def write_release(run: Run, tables: Mapping[str, pa.Table], facts: ReleaseFacts) -> Path:
    """Write, verify and switch in one release.

    Args:
        run: home, month and protocol.
        tables: safe tables by name; `dictionary` is generated here and must not be given.
        facts: what the release says beside its tables.

    Returns:
        The published folder. When the month was already published with the same tables, it is left as it is.

    Raises:
        ReleaseError: the month is older than the newest one and was never published; a table is missing, unknown or
            does not hold its declared columns; the release fails its own audit; readers who kept the earlier ones would
            bound a change to fewer than k persons; or the month was published with other tables.
    """
    home, release = run.home, run.release
    refuse_out_of_order(home.releases(), release)
    given = {**tables, "dictionary": descriptor.dictionary(release)}
    if unknown := sorted(set(given) - {table.name for table in PUBLISHED}):
        raise ReleaseError(f"tables that are not published: {', '.join(unknown)}")
    if missing := [table.name for table in PUBLISHED if table.name not in given]:
        raise ReleaseError(f"tables missing from the release: {', '.join(missing)}")
    ready = {table.name: conform(table, given[table.name], release) for table in PUBLISHED}

    staging, final = home.staging(release), home.release(release)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        _fill(staging, run, ready, facts)
        failed = [verdict for verdict in verify.verify(staging) if not verdict.passed]
        if failed:
            raise ReleaseError(
                f"release {release} fails its own audit and is not published: "
                + "; ".join(f"{verdict.rule}: {verdict.detail}" for verdict in failed)
            )
        if final.exists():
            if different := different_tables(staging, final):
                raise ReleaseError(
                    f"release {release} is already published with other figures in: {', '.join(different)}; "
                    "a published month is never replaced"
                )
        else:
            _flush(staging)
            staging.rename(final)
            _flush_folder(home.published)
    finally:
        # What has not passed the audit does not stay in the published folder.
        shutil.rmtree(staging, ignore_errors=True)
    if release == home.releases()[-1]:
        home.switch_latest(release)
        _flush_folder(home.published)
    return final


def refuse_out_of_order(published: Sequence[str], release: str) -> None:
    """Releases go in month order.

    Raises:
        ReleaseError: the month was never published and is older than the newest one.
    """
    if published and release not in published and release < max(published):
        raise ReleaseError(
            f"release {release} was never published and is older than {max(published)}; releases go in month order"
        )


def conform(declared: Table, given: pa.Table, release: str) -> pa.Table:
    """A table in its declared columns, types and order of rows.

    Rows are sorted by the key; without a key (microdata) by a hash of their content, an order that means nothing and
    does not depend on the order given.

    Raises:
        ReleaseError: a column is missing or not declared, a value does not fit its type or is not finite, a required
            value is empty, a key is repeated, or a row is of another release.
    """
    if set(given.column_names) != set(declared.names) or len(given.column_names) != len(declared.names):
        missing = sorted(set(declared.names) - set(given.column_names))
        extra = sorted(set(given.column_names) - set(declared.names))
        raise ReleaseError(f"{declared.name}: columns missing: {missing}, not declared: {extra}")
    columns = []
    for column, field in zip(declared, declared.schema, strict=True):
        try:
            values = given[column.name].cast(field.type).combine_chunks()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise ReleaseError(f"{declared.name}.{column.name}: values are not of type {column.type}") from None
        if pa.types.is_floating(field.type) and not pc.all(pc.is_finite(values), min_count=0).as_py():
            raise ReleaseError(f"{declared.name}.{column.name}: a figure is not finite; an unknown figure is empty")
        if not column.nullable and values.null_count:
            raise ReleaseError(f"{declared.name}.{column.name}: a required value is empty")
        columns.append(values)
    table = pa.Table.from_arrays(columns, schema=declared.schema)
    if pc.any(pc.not_equal(table["release"], release)).as_py():
        raise ReleaseError(f"{declared.name}: rows of another release than {release}")
    if not declared.key:
        return _in_meaningless_order(table)
    if table.select(list(declared.key)).group_by(list(declared.key)).aggregate([]).num_rows != table.num_rows:
        raise ReleaseError(f"{declared.name}: two rows have the same key {declared.key}")
    return table.sort_by([(name, "ascending") for name in declared.key]).combine_chunks()


def _in_meaningless_order(table: pa.Table) -> pa.Table:
    frame = table.to_pandas()
    hashes = [pd.util.hash_pandas_object(frame, index=False, hash_key=key * 16).to_numpy() for key in "01"]
    return table.take(pa.array(np.lexsort(hashes))).combine_chunks()


def _fill(folder: Path, run: Run, tables: dict[str, pa.Table], facts: ReleaseFacts) -> None:
    (folder / "tables").mkdir()
    for name, table in tables.items():
        pq.write_table(table, folder / "tables" / f"{name}.parquet", compression="zstd")
    write_database(folder / "impact.duckdb", tables)
    _write_json(folder / "datapackage.json", descriptor.datapackage(run.release))
    manifest = _manifest(run, tables, facts)
    parameters = verify.Parameters.of(manifest)
    found, deduction = _deduction(run, tables, parameters)
    verdicts = verify.content(folder, parameters, found)
    if deduction.exposed_changes and not run.home.release(run.release).exists():
        raise ReleaseError(
            f"release {run.release} is not published: readers of the earlier ones would bound "
            f"{deduction.exposed_changes} changes to fewer than {parameters.k} persons, "
            "with nothing left to hold or mask"
        )
    facts = facts.model_copy(update={"deduction": deduction})
    identity = synthesis.Identity(
        release=run.release,
        code_version=manifest["code_version"],
        protocol_sha256=manifest["protocol"]["sha256"],
        protocol=run.protocol,
        uptake=facts.uptake,
        missing=tuple(missing_months(facts.inputs)),
    )
    (folder / "synthese.html").write_text(synthesis.synthesis(tables, identity), encoding="utf-8")
    record = audit.record(tables, verdicts, manifest, facts, run.protocol, verify.hashes(folder))
    _write_json(folder / "audit.json", record)
    (folder / "audit.html").write_text(audit.document(record), encoding="utf-8")
    manifest["files"] = {
        path.relative_to(folder).as_posix(): verify.sha256(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }
    _write_json(folder / "manifest.json", manifest)


def _deduction(run: Run, tables: Mapping[str, pa.Table], parameters: verify.Parameters) -> tuple[Deduced, Deduction]:
    """What readers deduce who keep every release."""
    kept = {month: run.home.release(month) for month in run.home.releases() if month < run.release}
    return verify.deduction(tables, parameters, kept, moved_since(run))


def write_database(path: Path, tables: Mapping[str, pa.Table]) -> None:
    """Write the published tables to one DuckDB file, with French and English comments.

    The file is written under a temporary name and renamed. DuckDB leaves some bytes of its blocks undefined: the same
    tables give files that differ by a few bytes, so that the promise of identical bytes is on the Parquet files.
    """
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    with database.connect() as connection:
        connection.execute(f"ATTACH {database.quoted(partial)} AS release (STORAGE_VERSION '{STORAGE}')")
        connection.execute("USE release")
        connection.execute("BEGIN")
        for table in PUBLISHED:
            connection.register("arrow_rows", tables[table.name])
            connection.execute(f'CREATE TABLE release."{table.name}" AS SELECT * FROM arrow_rows')
            connection.unregister("arrow_rows")
            connection.execute(";\n".join(descriptor.comments(table)))
        connection.execute("COMMIT")
        connection.execute("USE memory")
        connection.execute("DETACH release")
    partial.replace(path)


def _manifest(run: Run, tables: Mapping[str, pa.Table], facts: ReleaseFacts) -> dict[str, Any]:
    """Everything but the file hashes, which come last. No date of writing: only `impact.duckdb`'s hash may vary."""
    return {
        "release": run.release,
        "code_version": code_version(),
        "protocol": {"sha256": run.protocol.sha256, "parameters": run.protocol.model_dump(mode="json")},
        "inputs": facts.inputs,
        "key_id": facts.key_id,
        "seeds": facts.seeds,
        "rows": {name: table.num_rows for name, table in tables.items()},
        "uptake": facts.uptake,
        "held": facts.held,
        "sums": {name: sums.model_dump(mode="json") for name, sums in facts.sums.items()},
        "between": [each.model_dump(mode="json") for each in facts.between],
        "fidelity": {
            **facts.fidelity.model_dump(mode="json"),
            "distance_in_intervals": facts.fidelity.distance,
            "tolerated": TOLERATED,
            "faithful": facts.fidelity.faithful,
        },
        "microdata": facts.microdata.model_dump(mode="json") if facts.microdata else None,
        "libraries": {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}},
    }


def different_tables(one: Path, other: Path) -> list[str]:
    """Published tables whose Parquet files differ by a byte between two release folders."""

    def content(folder: Path, table: Table) -> bytes | None:
        path = folder / "tables" / f"{table.name}.parquet"
        return path.read_bytes() if path.is_file() else None

    return [table.name for table in PUBLISHED if content(one, table) != content(other, table)]


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _flush(folder: Path) -> None:
    """Push a folder's files, then the folders themselves, to the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    for path in (*(path for path in folder.rglob("*") if path.is_dir()), folder):
        _flush_folder(path)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
