"""What has already been published, so that no two releases can be compared to learn about fewer than k persons.

The ledger lies in the restricted part of the home (the folder is the caller's): it holds true counts.

```
<folder>/microdata/release=YYYY-MM/quarter=YYYY-Qn.parquet   anonymised rows of a quarter of entrants, under the release
                                                             that published them first: written once, then repeated
<folder>/cells/release=YYYY-MM.parquet                       every published cell of a release, with the persons behind
```

A release reads the ledger as it stood *before* it, so computing a published month again gives the same bytes.

The increment rule is applied cell by cell, on numbers of persons: it does not see one person replaced by another. What
several cells' increments tell together is the matter of `disclosure.successive`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.disclosure.tables import CountTable, Protected

CELLS = pa.schema(
    [
        ("table", pa.string()),
        ("key", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("persons", pa.list_(pa.int64())),
        ("counted", pa.int64()),
        ("masked", pa.bool_()),
        ("reason", pa.string()),
    ]
)
"""One row per cell. `key`: JSON list of the row's key. `value`: as published, empty where masked. `persons`: the true
persons behind the figure *when that value was first published or masked*, one number per arm it rests on. `counted`:
for a count, its true value in that release, so that the audit can tell which claims of an attacker are true."""

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


def cells_of(table: CountTable, protected: Protected) -> pa.Table:
    """The cells of a protected table, ready for the ledger: counts, amounts and estimates. Rates follow their counts.

    Args:
        table: the table with its true counts.
        protected: what `tables.protect` made of it.

    Returns:
        Table of schema `CELLS`, sorted by key and measure; a cell that exists nowhere (true value empty) is left out.
        Of the helpers, only denominators of rates have cells: readers can work them out.
    """
    rests_on: dict[str, Sequence[str]] = {m.column: (m.persons or m.column,) for m in table.measures}
    rests_on |= {column: list(measures) for column, measures in table.dependents.items()}
    if table.behind:
        rests_on = dict.fromkeys(rests_on, table.behind)
    counts = {measure.column for measure in table.measures if measure.persons is None}
    divided = {bottom for _, bottom in table.rates.values()}
    truth, shown = table.frame.to_pandas(), protected.table.to_pandas()
    keys = written_keys(truth, table.keys)
    parts = []
    for column, behind in rests_on.items():
        if column in table.helpers and column not in divided:
            continue
        persons = truth[list(behind)].fillna(0).astype(np.int64).to_numpy()
        value = shown[column].to_numpy(np.float64, na_value=np.nan) if column in shown else protected.counts[column]
        part = pd.DataFrame({"key": keys, "measure": column, "value": value, "persons": list(persons)})
        counted = truth[column].astype("Float64").round().astype("Int64")
        part["counted"] = counted if column in counts else pd.Series([pd.NA] * len(part), dtype="Int64")
        masked = np.isnan(np.asarray(value, dtype=np.float64))
        reasons = shown["suppression_reason"].to_numpy(object)
        part = part.assign(masked=masked, reason=pd.Series(np.where(masked, reasons, None), dtype=object))
        parts.append(part[truth[column].notna().to_numpy()])
    if not any(len(part) for part in parts):
        return CELLS.empty_table()
    cells = pd.concat(parts).sort_values(["key", "measure"], ignore_index=True)
    cells.insert(0, "table", table.name)
    return pa.Table.from_pandas(cells, CELLS, preserve_index=False)


def tables_of(described: Sequence[CountTable], cells: pa.Table, column: str) -> list[CountTable]:
    """The counts of one release as tables, with the sums that readers know.

    Args:
        described: tables with their keys and sums; those without cells are left out.
        cells: schema `CELLS`.
        column: `value` (as published, empty where masked) or `counted` (true).
    """
    frame = cells.filter(pc.is_valid(cells["counted"])).select(["table", "key", "measure", column]).to_pandas()
    by_table = dict(list(frame.groupby("table", sort=True)))
    made = []
    for table in described:
        if table.name not in by_table:
            continue
        wide = by_table[table.name].pivot(index="key", columns="measure", values=column)
        keys = pd.DataFrame([json.loads(key) for key in wide.index], columns=list(table.keys), dtype=object)
        columns = {name: pa.array(keys[name], pa.string()) for name in table.keys}
        columns |= {name: pa.array(wide[name].to_numpy(np.float64), pa.float64(), from_pandas=True) for name in wide}
        made.append(
            CountTable(
                table.name, pa.table(columns), table.keys, tuple(m for m in table.measures if m.column in wide),
                table.margins, tuple(s for s in table.row_sums if {s.total, *s.parts} <= set(wide)), table.links,
                pool=table.pool, pooled=table.pooled,
            )
        )  # fmt: skip
    return made


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
    recorded = [month for month in recorded_releases(folder) if month < release]
    found = [release_cells(folder, month) for month in recorded]
    cells = pa.concat_tables([CELLS.empty_table(), *found])
    named = cells.select(["table", "key", "measure"]).to_pandas()
    newest = pa.array(~named.duplicated(keep="last").to_numpy())
    return cells.filter(newest).sort_by([(name, "ascending") for name in ("table", "key", "measure")])


def recorded_releases(folder: Path) -> list[str]:
    """Releases whose cells are in the ledger, oldest first."""
    return sorted(path.stem.removeprefix("release=") for path in (folder / "cells").glob("release=*.parquet"))


def release_cells(folder: Path, release: str) -> pa.Table:
    """The cells of one recorded release, schema `CELLS`.

    Raises:
        FileNotFoundError: the release is not recorded.
    """
    return pq.read_table(folder / "cells" / f"release={release}.parquet", partitioning=None).cast(CELLS)


def identifiers(cells: pa.Table) -> pa.Array:
    """Table, key and measure of each cell as one string, to find it again in another release."""
    names = (cells[name].combine_chunks() for name in ("table", "key", "measure"))
    return pc.binary_join_element_wise(*names, "\x1f")


def persons_of(cells: pa.Table) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The persons behind each cell, int64 `(cells, arms)` with zeros after the last, and the number of arms of each."""
    listed = cells["persons"].combine_chunks()
    arms = pc.list_value_length(listed).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    persons = np.zeros((len(arms), int(arms.max(initial=1))), np.int64)
    persons[np.arange(persons.shape[1]) < arms[:, None]] = listed.flatten().to_numpy(zero_copy_only=False)
    return persons, arms


def may_open(joined: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.bool_]:
    """Whether masked cells may be shown: at least k persons have joined in every arm that changed, one at least.

    Args:
        joined: int64 `(cells, arms)`, persons now minus persons when the cell was masked.
        k: least persons.

    Returns:
        bool `(cells,)`.
    """
    return np.asarray((joined != 0).any(axis=1) & ((joined == 0) | (joined >= k)).all(axis=1))


@dataclass(frozen=True)
class Matched:
    """The cells of a release beside the last word on each of them.

    Attributes:
        place: int64 `(cells,)`, row of the earlier cells, -1 where there is none or it rests on other numbers of arms.
        joined: int64 `(cells, arms)`, persons now minus persons then; zero where there is none.
        shown, masked: bool `(cells,)`, whether the earlier one was shown, or masked.
    """

    place: npt.NDArray[np.int64]
    joined: npt.NDArray[np.int64]
    shown: npt.NDArray[np.bool_]
    masked: npt.NDArray[np.bool_]


def matched(current: pa.Table, previous: pa.Table) -> Matched:
    """Find each cell of a release, schema `CELLS`, in the last words on all cells before it."""
    found = pc.index_in(identifiers(current), value_set=identifiers(previous))
    place = found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    (now, arms), (then, arms_then) = persons_of(current), persons_of(previous)
    place[(place >= 0) & (np.append(arms_then, -1)[place] != arms)] = -1
    there = place >= 0
    width = min(now.shape[1], then.shape[1])
    joined = np.zeros_like(now)
    joined[there, :width] = now[there, :width] - then[place[there], :width]
    masked = np.zeros(len(place), np.bool_)
    masked[there] = previous["masked"].to_numpy()[place[there]]
    return Matched(place, joined, there & ~masked, masked)


def apply_increment_rule(
    current: pa.Table, previous: pa.Table, k: int, hold: npt.NDArray[np.bool_] | None = None
) -> pa.Table:
    """Let a cell move only when the persons behind it differ, in each arm, by nobody or by at least k.

    * Published before, and the difference is in 1..k-1 in some arm: the earlier value stands (`reason` = `increment`,
      not masked), with the persons of its first publication, so that small steps add up until they reach k.
    * Masked before: it opens only when at least k persons have joined it in every arm that changed, one arm at least;
      until then it stays masked (`increment`).
    * Masked now: masked. If it stays masked, the persons are those of the first masking.

    Args:
        current: cells of this release, with distinct keys in a table, schema `CELLS`.
        previous: from `previous_cells`, same schema.
        k: least persons in a difference.
        hold: bool `(cells,)`, cells whose earlier value stands whatever moved.

    Returns:
        The cells to publish, schema `CELLS`, in the order of `current`. Applying the rule again to the result with the
        same `previous` gives the same result.
    """
    found = matched(current, previous)
    now_masked = current["masked"].to_numpy()
    few = ((found.joined != 0) & (np.abs(found.joined) < k)).any(axis=1)
    stands = found.shown & ~now_masked & (few if hold is None else few | hold)
    closed = found.masked & ~now_masked & ~may_open(found.joined, k)
    since = stands | closed | (found.masked & now_masked)
    value = current["value"].to_numpy(zero_copy_only=False).astype(np.float64)
    value[stands] = previous["value"].to_numpy(zero_copy_only=False)[found.place[stands]]
    value[closed] = np.nan
    reason = current["reason"].to_numpy(zero_copy_only=False).astype(object)
    reason[stands | closed] = "increment"
    both = pa.chunked_array([*current["persons"].chunks, *previous["persons"].chunks], CELLS.field("persons").type)
    rows = np.where(since, len(current) + found.place, np.arange(len(current)))
    changed = {
        "value": pa.array(value, pa.float64(), from_pandas=True),
        "persons": both.take(pa.array(rows)),
        "masked": pa.array(now_masked | closed),
        "reason": pa.array(reason, pa.string()),
    }
    return pa.table([changed.get(name, current[name]) for name in CELLS.names], schema=CELLS)


def with_cells(table: pa.Table, keys: Sequence[str], cells: pa.Table) -> pa.Table:
    """Write the cells that the increment rule decided back into a published table.

    Args:
        table: a published table with `suppressed` and `suppression_reason`.
        keys: its key columns, in the order used in `cells`.
        cells: its cells after `apply_increment_rule`; those of helpers are left aside.

    Returns:
        The table with those values. A row with a cell under the rule says `increment` unless it has a reason already;
        `suppressed` stays true only where a cell is empty.
    """
    rows = pa.array(written_keys(table.select(list(keys)).to_pandas(), keys), pa.string())
    place = pc.index_in(cells["key"].combine_chunks(), value_set=rows).to_numpy(zero_copy_only=False).astype(np.int64)
    measure = cells["measure"].to_numpy(zero_copy_only=False)
    written = np.isin(measure, table.column_names)
    value = cells["value"].to_numpy(zero_copy_only=False)
    moved = written & (cells["reason"].to_numpy(zero_copy_only=False) == "increment")
    suppressed = table["suppressed"].to_numpy().copy()
    reason = table["suppression_reason"].to_numpy(zero_copy_only=False).astype(object)
    unnamed = place[moved]
    unnamed = unnamed[[reason[row] is None for row in unnamed]]
    reason[unnamed] = "increment"
    suppressed[place[moved & cells["masked"].to_numpy()]] = True
    for name in dict.fromkeys(measure[written]):
        mine = measure == name
        column = table[name].to_numpy(zero_copy_only=False).astype(np.float64)
        column[place[mine]] = value[mine]
        table = _replaced(table, name, pa.array(column, from_pandas=True))
    table = _replaced(table, "suppressed", pa.array(suppressed))
    return _replaced(table, "suppression_reason", pa.array(reason, pa.string()))


def _replaced(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    place = table.column_names.index(name)
    return table.set_column(place, table.field(place), values.cast(table.field(place).type))


def written_keys(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Key of each row as the ledger writes it: a JSON list."""
    columns = []
    for name in keys:
        place, codes = pd.factorize(frame[name].astype(str))
        written = np.array([json.dumps(code, ensure_ascii=False) for code in codes.tolist()], object)
        columns.append(written[place].tolist())
    return ["[" + ", ".join(key) + "]" for key in zip(*columns, strict=True)]


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
