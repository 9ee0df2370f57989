"""Rows too small to be told are told together, so that what they hold is not lost.

In each context (the other keys) the rows of fewer than k persons, and those told together before that fewer than k have
joined since, are summed in one row; while the sum is too small, the smallest of the others joins. Only the sum is
published. To the ledger a sum of other rows is another cell, so what changes of membership tell is judged here: the
persons of all rows concerned have changed by nobody or by at least k since they were last told together, or the earlier
membership stays.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure.system import Ints
from pipeline.disclosure.tables import CountTable, Flags, Pool

POOLED = "pooled"
"""Reason, in the ledger, of a masked cell that is told with others."""
Key = tuple[str, ...]


_DIGEST = re.compile(r':[0-9a-f]{12}(?=")')


def as_published(counts: Mapping[tuple[str, str, str], int]) -> dict[tuple[str, str, str], int]:
    """Counts by cell of the ledger, those of rows told together under the names they are published by as well."""
    return {(table, _DIGEST.sub("", key), measure): n for (table, key, measure), n in counts.items()} | dict(counts)


@dataclass(frozen=True)
class _Row:
    """A row that may be told with others: its key, persons now and as readers see them, and what they know of it."""

    key: Key
    now: int
    seen: int
    kept: bool
    known: bool
    then: int | None
    pooled: bool

    def small(self, k: int) -> bool:
        """Too small to be told, or told with others before and too few have joined it since."""
        return self.seen < k or (self.pooled and self.kept)


def told_together(
    table: CountTable, previous: pa.Table, k: int, kept: Flags, known: Flags, persons: Ints
) -> CountTable:
    """The table with a row for each group of rows that are told together.

    Args:
        table: with a `pool` and one published count, its first measure.
        previous: `ledger.previous_cells`.
        k: least persons.
        kept: bool `(measures, rows)`, cells that stay masked.
        known: bool `(measures, rows)`, cells that readers have seen.
        persons: int64 `(measures, rows)`, behind each cell as readers see it.

    Returns:
        The table with `pooled`, and the rows it names.
    """
    pool, measure = table.pool, table.measures[0].column
    if pool is None or not table.frame.num_rows:
        return table
    frame = table.frame.to_pandas()
    keys = list(zip(*(frame[name].astype(str).tolist() for name in table.keys), strict=True))
    mine = previous.filter(pc.equal(previous["table"], table.name))
    mine = mine.filter(pc.equal(mine["measure"], measure))
    earlier = {row["key"]: row for row in mine.to_pylist()}
    contexts: dict[Key, list[_Row]] = {}
    for place, key in enumerate(keys):
        if key[table.keys.index(pool.over)] == pool.total:
            continue
        before = earlier.get(_written(key))
        contexts.setdefault(_context(table, key), []).append(
            _Row(
                key, int(frame[measure].iloc[place]), int(persons[0, place]), bool(kept[0, place]),
                bool(known[0, place]), None if before is None else int(before["persons"][0]),
                before is not None and before["reason"] == POOLED,
            )
        )  # fmt: skip
    row_of = {key: place for place, key in enumerate(keys)}
    pooled: dict[Key, tuple[Key, ...]] = {}
    rows = []
    for context, listed in contexts.items():
        members = _members(table, pool, context, listed, earlier, k)
        if members:
            whole = _whole_key(table, pool, context, members)
            pooled[whole] = members
            row = _row(table, frame, whole, [row_of[key] for key in members])
            if len(members) == len(listed):  # the whole itself leaves nobody out
                row |= dict.fromkeys(m.share_of for m in table.measures if m.share_of is not None)
            rows.append(row)
    if not rows:
        return table
    added = pa.table(
        [pa.array([row.get(f.name) for row in rows], from_pandas=True).cast(f.type) for f in table.frame.schema],
        schema=table.frame.schema,
    )
    total = {key: table.wholes[members[0]] for key, members in pooled.items() if members[0] in table.wholes}
    return replace(table, frame=pa.concat_tables([table.frame, added]), pooled=pooled, wholes={**table.wholes, **total})


def _written(key: Key) -> str:
    return json.dumps(list(key), ensure_ascii=False)


def _context(table: CountTable, key: Key) -> Key:
    pool = table.pool
    return tuple(code for name, code in zip(table.keys, key, strict=True) if pool is not None and name != pool.over)


def _whole_key(table: CountTable, pool: Pool, context: Key, members: tuple[Key, ...]) -> Key:
    digest = hashlib.sha256(json.dumps(members, ensure_ascii=False).encode()).hexdigest()[:12]
    others = iter(context)
    return tuple(f"{pool.code}:{digest}" if name == pool.over else next(others) for name in table.keys)


def _row(table: CountTable, frame: pd.DataFrame, key: Key, members: list[int]) -> dict[str, Any]:
    """The counts of the members together; other columns of theirs where they agree."""
    row: dict[str, Any] = dict(zip(table.keys, key, strict=True))
    counts = {measure.column for measure in table.measures}
    for name in [column for column in frame.columns if column not in table.keys]:
        values = frame[name].iloc[members]
        if name in counts:
            row[name] = int(values.sum())
        elif values.notna().all() and (values == values.iloc[0]).all():
            row[name] = values.iloc[0]
    return row


def _members(
    table: CountTable, pool: Pool, context: Key, rows: list[_Row], earlier: dict[str, dict[str, object]], k: int
) -> tuple[Key, ...]:
    """Keys of the rows to tell together, in order; empty where none is too small, or there is one alone."""
    before = sorted(row.key for row in rows if row.pooled)
    chosen = _chosen(rows, k)
    if not before or chosen == before:
        return tuple(chosen)
    last = earlier.get(_written(_whole_key(table, pool, context, tuple(before))))
    joined = [row for row in rows if row.key in chosen and not row.pooled]
    # The rows that joined and were never shown leave nothing to compare with.
    if chosen and last is not None and not last["masked"] and all(row.known for row in joined):
        persons = last["persons"]
        then = (int(persons[0]) if isinstance(persons, list) else 0) + sum(row.then or 0 for row in joined)
        moved = sum(row.now for row in rows if row.pooled or row.key in chosen) - then
        if 0 < abs(moved) < k:
            stay = [row for row in rows if row.pooled]
            return tuple(before) if sum(row.seen for row in stay) >= k else ()
    return tuple(chosen)


def _chosen(rows: list[_Row], k: int) -> list[Key]:
    """The rows too small or that must stay together, and the smallest of the others while these are too few.

    That may be every row: then the context is told by its total alone.
    """
    found = [row for row in rows if row.small(k)]
    if not found:
        return []
    others = iter(sorted((r for r in rows if not r.small(k)), key=lambda r: (r.known, r.seen, r.key)))
    while len(found) < 2 or sum(row.seen for row in found) < k:
        nearest = next(others, None)
        if nearest is None:
            break
        found.append(nearest)
    return sorted(row.key for row in found) if len(found) > 1 else []
