"""What has already been published, so that no two releases can be compared to learn about fewer than k persons.

The ledger lies in the restricted part of the home (the folder is the caller's): it holds true counts.

```
<folder>/microdata/release=YYYY-MM/quarter=YYYY-Qn.parquet   anonymised rows of one quarter of entrants, under the release
                                                             that published them first: written once, repeated verbatim
<folder>/cells/release=YYYY-MM.parquet                       every published cell of a release, with the persons behind it
```

A release reads the ledger as it stood *before* it, so computing a published month again gives the same bytes.

Simple form of the increment rule: cell by cell, on numbers of persons. It does not see one person replaced by another,
nor what several cells' increments tell together; `disclosure.attack` measures the second.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.disclosure.tables import CountTable, Protected

CELLS = pa.schema(
    [
        ("table", pa.string()),
        ("key", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("persons", pa.list_(pa.int64())),
        ("masked", pa.bool_()),
        ("reason", pa.string()),
    ]
)
"""One row per cell. `key`: JSON list of the row's key. `value`: as published, empty where masked. `persons`: the true
persons behind the figure *when that value was first published or masked*, one number per arm it rests on."""

_QUARTER = re.compile(r"\d{4}-Q[1-4]")
_RELEASE = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class LedgerError(RuntimeError):
    """The ledger already holds something else under that name: what was published cannot be changed."""


# ---- microdata


def frozen_blocks(folder: Path, before: str) -> dict[str, pa.Table]:
    """The quarters of entrants published before a release, as they were published.

    Args:
        folder: the ledger.
        before: `YYYY-MM`; what this release and later ones froze is not read.

    Returns:
        Index quarter (`YYYY-Qn`) -> its rows, oldest first.
    """
    files = {path.stem.removeprefix("quarter="): path for path in _blocks(folder) if _frozen_by(path) < before}
    return {quarter: pq.read_table(files[quarter], partitioning=None) for quarter in sorted(files)}


def freeze_block(folder: Path, quarter: str, block: pa.Table, release: str) -> None:
    """Keep a quarter's anonymised rows for good. Again with the same rows does nothing.

    Args:
        folder: the ledger.
        quarter: `YYYY-Qn`.
        block: its published rows (empty when the quarter cannot be released: that too is final).
        release: `YYYY-MM`, the release that publishes them first.

    Raises:
        ValueError: if the quarter is not written `YYYY-Qn` or the release `YYYY-MM`.
        LedgerError: if the quarter is frozen with other rows, or by another release.
    """
    if not _QUARTER.fullmatch(quarter) or not _RELEASE.fullmatch(release):
        raise ValueError("a quarter is written YYYY-Qn, a release YYYY-MM")
    name = f"quarter={quarter}.parquet"
    if any(path.name == name and _frozen_by(path) != release for path in _blocks(folder)):
        raise LedgerError(f"{name} is in the ledger under another release")
    _write_once(folder / "microdata" / f"release={release}" / name, block)


def _blocks(folder: Path) -> list[Path]:
    return sorted((folder / "microdata").glob("release=*/quarter=*.parquet"))


def _frozen_by(path: Path) -> str:
    return path.parent.name.removeprefix("release=")


# ---- cells


def cells_of(table: CountTable, protected: Protected, rests_on: dict[str, Sequence[str]] | None = None) -> pa.Table:
    """The cells of a protected table, ready for the ledger.

    Args:
        table: the table with its true counts.
        protected: what `tables.protect` made of it.
        rests_on: further numeric value columns -> the count columns they rest on; by default the measures, the
            dependents and the rates.

    Returns:
        Table of schema `CELLS`, sorted by key and measure; a cell that exists nowhere (true value empty) is left out.
    """
    counted: dict[str, Sequence[str]] = {m.column: (m.persons or m.column,) for m in table.measures}
    names = set(counted)
    for column, pair in table.rates.items():
        counted[column] = [name for name in pair if name in names] or list(pair)
    counted |= {column: list(measures) for column, measures in table.dependents.items()}
    counted |= rests_on or {}
    truth, shown = table.frame.to_pandas(), protected.table.to_pandas()
    keys = _written_keys(truth, table.keys)
    parts = []
    for column, behind in counted.items():
        if column in table.helpers:
            continue
        persons = truth[list(behind)].fillna(0).astype(np.int64).to_numpy()
        value = shown[column].to_numpy(np.float64, na_value=np.nan)
        part = pd.DataFrame({"key": keys, "measure": column, "value": value, "persons": list(persons)})
        part["masked"] = np.isnan(value)
        part["reason"] = np.where(part["masked"], shown["suppression_reason"].to_numpy(object), None)
        parts.append(part[truth[column].notna().to_numpy()])
    cells = pd.concat(parts).sort_values(["key", "measure"], ignore_index=True)
    cells.insert(0, "table", table.name)
    return pa.Table.from_pandas(cells, CELLS, preserve_index=False)


def record_cells(folder: Path, release: str, cells: pa.Table) -> None:
    """Write the published cells of a release. Again with the same cells does nothing.

    Args:
        folder: the ledger.
        release: `YYYY-MM`.
        cells: schema `CELLS`, all tables together, after the increment rule.

    Raises:
        ValueError: if the release is not written `YYYY-MM`.
        LedgerError: if the release is recorded with other cells.
    """
    if not _RELEASE.fullmatch(release):
        raise ValueError("a release is written YYYY-MM")
    ordered = cells.cast(CELLS).sort_by([(name, "ascending") for name in ("table", "key", "measure")])
    _write_once(folder / "cells" / f"release={release}.parquet", ordered)


def previous_cells(folder: Path, release: str) -> pa.Table:
    """The last word on every cell before a release: its row in the newest earlier release that has it.

    Args:
        folder: the ledger.
        release: `YYYY-MM`; itself and later ones are not read.

    Returns:
        Schema `CELLS`, sorted by table, key, measure; empty before the first release.
    """
    last: dict[tuple[str, str, str], dict[str, object]] = {}
    for path in sorted((folder / "cells").glob("release=*.parquet")):
        if path.stem.removeprefix("release=") < release:
            for row in pq.read_table(path, partitioning=None).to_pylist():
                last[row["table"], row["key"], row["measure"]] = row
    return pa.Table.from_pylist([last[cell] for cell in sorted(last)], CELLS)


def apply_increment_rule(current: pa.Table, previous: pa.Table, k: int) -> pa.Table:
    """Let a cell move only when the persons behind it differ, in each arm, by nobody or by at least k.

    * Published before, and the difference is in 1..k-1 in some arm: the earlier value stands (`reason` = `increment`,
      not masked), with the persons of its first publication, so that small steps add up until they reach k.
    * Masked before: it opens only when at least k persons have joined it in every arm that changed, one arm at least;
      until then it stays masked (`increment`).
    * Masked now: masked. If it stays masked, the persons are those of the first masking.

    Args:
        current: cells of this release, schema `CELLS`.
        previous: from `previous_cells`, same schema.
        k: least persons in a difference.

    Returns:
        The cells to publish, schema `CELLS`, in the order of `current`. Applying the rule again to the result with the
        same `previous` gives the same result.
    """
    before = {(row["table"], row["key"], row["measure"]): row for row in previous.to_pylist()}
    result = []
    for row in current.to_pylist():
        earlier = before.get((row["table"], row["key"], row["measure"]))
        if earlier is None or len(earlier["persons"]) != len(row["persons"]):
            result.append(row)
            continue
        joined = [now - then for now, then in zip(row["persons"], earlier["persons"], strict=True)]
        if earlier["masked"]:
            if row["masked"]:
                row = {**row, "persons": earlier["persons"]}
            elif not any(joined) or any(0 != step < k for step in joined):
                row = {**row, "value": None, "masked": True, "reason": "increment", "persons": earlier["persons"]}
        elif not row["masked"] and any(0 < abs(step) < k for step in joined):
            row = {**row, "value": earlier["value"], "reason": "increment", "persons": earlier["persons"]}
        result.append(row)
    return pa.Table.from_pylist(result, CELLS)


def with_cells(table: pa.Table, keys: Sequence[str], cells: pa.Table) -> pa.Table:
    """Write the cells that the increment rule decided back into a published table.

    Args:
        table: a published table with `suppressed` and `suppression_reason`.
        keys: its key columns, in the order used in `cells`.
        cells: its cells after `apply_increment_rule`.

    Returns:
        The table with those values. A row with a cell under the rule says `increment` unless it has a reason already;
        `suppressed` stays true only where a cell is empty.
    """
    frame = table.to_pandas()
    place = {key: row for row, key in enumerate(_written_keys(frame, keys))}
    columns = {name: table[name].to_pylist() for name in table.column_names}
    for cell in cells.to_pylist():
        row = place[cell["key"]]
        value = cell["value"]
        if value is not None and pa.types.is_integer(table.schema.field(cell["measure"]).type):
            value = int(value)
        columns[cell["measure"]][row] = value
        if cell["reason"] == "increment":
            columns["suppression_reason"][row] = columns["suppression_reason"][row] or "increment"
            columns["suppressed"][row] = columns["suppressed"][row] or cell["masked"]
    return pa.table(columns, schema=table.schema)


def _written_keys(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    columns = (frame[name].astype(str) for name in keys)
    return [json.dumps(list(key), ensure_ascii=False) for key in zip(*columns, strict=True)]


def _write_once(path: Path, table: pa.Table) -> None:
    """Write a new file whole or not at all; refuse to change an existing one."""
    if path.exists():
        if not pq.read_table(path, partitioning=None).equals(table.replace_schema_metadata()):
            raise LedgerError(f"{path.name} is in the ledger with other content")
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = path.with_suffix(".partial")
    pq.write_table(table.replace_schema_metadata(), partial)
    with partial.open("rb") as written:
        os.fsync(written.fileno())
    partial.replace(path)
