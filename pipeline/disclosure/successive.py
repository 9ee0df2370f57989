"""One table published after others: what readers of every release see, and what they could subtract.

A cell is decided in this order:

1. cells that were masked and that fewer than k persons have joined stay masked, and are masked *before* the secondary
   suppression, which therefore completes what readers will really miss;
2. cells that were published and that fewer than k persons moved keep their earlier value;
3. in every sum with a written total, the cells that moved tell by how much the others moved together: where that is 1
   to k-1 persons, none of them moves, to a fixed point;
4. the attacker of `disclosure.attack`, who keeps every release and bounds masked cells by the sums, tries the result:
   where it rightly bounds a group under k, cells around it keep their earlier value or are masked, and step 1 starts
   again;
5. rates are computed again from the counts that are shown.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure import ledger, measured
from pipeline.disclosure.attack import Cell, Claim, Known, Sum, sums_of
from pipeline.disclosure.measured import Release
from pipeline.disclosure.suppression import protect
from pipeline.disclosure.tables import CountTable, Flags, rates_of

Row = dict[str, Any]
Named = tuple[str, str]
"""Key as the ledger writes it, measure."""
NOW = "now"


@dataclass(frozen=True)
class Publication:
    """A table fit to follow its earlier releases.

    Attributes:
        table: the rows to publish, in the order of `truth`; empty rows of what is not known may be left out.
        cells: its cells for the ledger, schema `ledger.CELLS`.
        log: one row per masked cell (see `tables.Protected`).
        held: cells that keep their earlier value.
        truth: the table it comes from, row by row.
    """

    table: pa.Table
    cells: pa.Table
    log: pa.Table
    held: int
    truth: CountTable


def publish(
    table: CountTable,
    previous: pa.Table,
    k: int,
    *,
    base: int,
    mask_zero: bool = True,
    history: Sequence[Release] = (),
) -> Publication:
    """Protect a table against readers who keep its earlier releases.

    Args:
        table: the table with its true counts.
        previous: `ledger.previous_cells`, of any tables.
        k: least persons.
        base: rounding base.
        mask_zero: see `tables.protect`.
        history: cells of each earlier release, oldest first, for the attacker.

    Raises:
        DisclosureError: a masked cell could be computed whatever else is masked.
    """
    previous = previous.filter(pc.equal(previous["table"], table.name))
    before = {(row["key"], row["measure"]): row for row in previous.to_pylist()}
    table = _without_empty_rows(table, {key for key, _ in before})
    kept, known = _remembered(table, before, k)
    hold: set[Named] = set()
    attacker = _Attacker(table, history, k, base)
    while True:
        protected = protect(table, k, base=base, mask_zero=mask_zero, kept=kept, known=known)
        current = ledger.cells_of(table, protected)
        decided = ledger.apply_increment_rule(current, previous, k, hold)
        sums = _sums(table, current)
        while told := _told(table, decided, before, sums, k) - hold:
            hold |= told
            decided = ledger.apply_increment_rule(current, previous, k, hold)
        claims = attacker.true_claims(decided)
        if not claims:
            break
        now = {(row["key"], row["measure"]): row for row in decided.to_pylist()}
        more = _to_hold(table, claims, now, before, sums) - hold
        hold |= more
        masks = set() if more else _to_mask(claims, now, sums)
        if not more and not masks:
            break  # nothing is left to hide; the audit says how often the attacker succeeds
        kept |= _flags(table, masks)
    shown = _with_labels(table, ledger.with_cells(protected.table, table.keys, decided), decided)
    shown, rates = _with_rates(table, shown, decided, protected.counts)
    held = pc.sum(pc.and_(pc.equal(decided["reason"], "increment"), pc.invert(decided["masked"]))).as_py() or 0
    return Publication(shown, pa.concat_tables([decided, rates]), protected.log, held, table)


class _Attacker:
    """The attacker of `disclosure.attack` on one table, with what it kept of the earlier releases."""

    def __init__(self, table: CountTable, history: Sequence[Release], k: int, base: int) -> None:
        self.table, self.k, self.base = table, k, base
        mine = [(month, cells.filter(pc.equal(cells["table"], table.name))) for month, cells in history]
        self.true = {month: measured.counted(cells) for month, cells in mine}
        self.earlier = [
            (month, Known(seen, k, base)) for month, cells in mine for seen in ledger.tables_of([table], cells, "value")
        ]

    def true_claims(self, cells: pa.Table) -> list[Claim]:
        """What it would rightly claim of these cells."""
        true = {**self.true, NOW: measured.counted(cells)}
        found = []
        for seen in ledger.tables_of([self.table], cells, "value"):
            known = Known(seen, self.k, self.base)
            found += known.claims(NOW, self.k)
            for month, then in self.earlier:
                found += known.changes(then, NOW, month, self.k)
        return [claim for claim in found if measured.is_true(claim, true, self.k)]


def _around(claims: Sequence[Claim], sums: Sequence[Sum]) -> list[list[Named]]:
    """Claim after claim, the cells of the sums that its cells stand in; the cells themselves where there are none."""
    found = []
    for claim in claims:
        cells = set(claim.cells)
        near = [_name(c) for each in sums if cells & {each.total, *each.parts} for c in (each.total, *each.parts)]
        found.append(near or [_name(cell) for cell in claim.cells])
    return found


def _to_hold(
    table: CountTable,
    claims: Sequence[Claim],
    now: Mapping[Named, Row],
    before: Mapping[Named, Row],
    sums: Sequence[Sum],
) -> set[Named]:
    """Cells around a true claim on a change whose earlier value can stand."""
    changes = [claim for claim in claims if claim.since]
    hold = {cell for near in _around(changes, sums) for cell in near}
    return _holdable(table, hold, now, before)


def _holdable(table: CountTable, hold: set[Named], now: Mapping[Named, Row], before: Mapping[Named, Row]) -> set[Named]:
    if table.behind:  # the figures of a row move together
        rows = {key for key, _ in hold}
        hold = {cell for cell in now if cell[0] in rows}
    return {
        cell for cell in hold if cell in before and not before[cell]["masked"] and not now[cell]["masked"]
        and now[cell]["reason"] != "increment"
    }  # fmt: skip


def _to_mask(claims: Sequence[Claim], now: Mapping[Named, Row], sums: Sequence[Sum]) -> set[Named]:
    """For each true claim, the shown cell around it with the fewest persons."""
    masks = set()
    for near in _around(claims, sums):
        shown = [cell for cell in near if not now[cell]["masked"]]
        if shown:
            masks.add(min(shown, key=lambda cell: (now[cell]["counted"], cell)))
    return masks


def _flags(table: CountTable, cells: set[Named]) -> Flags:
    keys = ledger.written_keys(table.frame.select(list(table.keys)).to_pandas(), table.keys)
    flags = np.zeros((len(table.measures), len(keys)), np.bool_)
    for m, measure in enumerate(table.measures):
        flags[m] = [(key, measure.column) in cells for key in keys]
    return flags


def _without_empty_rows(table: CountTable, shown: Collection[str]) -> CountTable:
    """Leave out `table.empty`, except rows that an earlier release has shown: their going would be seen."""
    if not table.empty:
        return table
    keys = ledger.written_keys(table.frame.select(list(table.keys)).to_pandas(), table.keys)
    leave = [tuple(json.loads(key)) in table.empty and key not in shown for key in keys]
    return replace(table, frame=table.frame.filter(pc.invert(pa.array(leave, pa.bool_()))))


def _remembered(table: CountTable, before: Mapping[Named, Row], k: int) -> tuple[Flags, Flags]:
    """Cells that stay masked, and cells that readers have seen: bool `(measures, rows)` each."""
    frame = table.frame.to_pandas()
    keys = ledger.written_keys(frame, table.keys)
    kept, known = (np.zeros((len(table.measures), len(keys)), np.bool_) for _ in range(2))
    for m, measure in enumerate(table.measures):
        behind = table.behind or (measure.persons or measure.column,)
        persons = frame[list(behind)].fillna(0).astype(np.int64).to_numpy()
        exists = frame[measure.column].notna().to_numpy()
        for row, key in enumerate(keys):
            earlier = before.get((key, measure.column))
            if earlier is None or not exists[row]:
                continue
            known[m, row] = not earlier["masked"]
            if earlier["masked"] and len(earlier["persons"]) == len(behind):
                joined = [int(now) - then for now, then in zip(persons[row], earlier["persons"], strict=True)]
                kept[m, row] = not ledger.may_open(joined, k)
    return kept, known


def _sums(table: CountTable, cells: pa.Table) -> list[Sum]:
    counted = cells.filter(pc.is_valid(cells["counted"]))
    listed = [
        (tuple(json.loads(key)), measure)
        for key, measure in zip(counted["key"].to_pylist(), counted["measure"].to_pylist(), strict=True)
    ]
    return list(sums_of(table, listed))


def _told(table: CountTable, decided: pa.Table, before: Mapping[Named, Row], sums: Sequence[Sum], k: int) -> set[Named]:
    """Cells that must not move: with the others of their sum they tell that 1 to k-1 persons joined the rest."""
    now = {(row["key"], row["measure"]): row for row in decided.to_pylist()}
    hold: set[Named] = set()
    for each in sums:
        total = _name(each.total)
        if now[total]["masked"] or total not in before or before[total]["masked"]:
            continue
        steps = {cell: _step(table, now[cell], before.get(cell)) for cell in map(_name, (each.total, *each.parts))}
        rest = (steps[total] or 0) - sum(steps[_name(part)] or 0 for part in each.parts)
        if 0 < abs(rest) < k and None in steps.values():
            hold |= {cell for cell, step in steps.items() if step is not None and cell in before}
    return _holdable(table, hold, now, before)


def _name(cell: Cell) -> Named:
    return json.dumps(list(cell[0]), ensure_ascii=False), cell[1]


def _step(table: CountTable, now: Row, earlier: Row | None) -> int | None:
    """Persons by which readers see a count move; None where they cannot tell: masked, held, or masked before."""
    if now["masked"] or now["reason"] == "increment" or (earlier is not None and earlier["masked"]):
        return None
    place = table.behind.index(now["measure"]) if table.behind else 0
    # A row that did not exist before had nobody in it.
    return int(now["persons"][place]) - (int(earlier["persons"][place]) if earlier is not None else 0)


def _with_labels(table: CountTable, shown: pa.Table, decided: pa.Table) -> pa.Table:
    """Labels stand beside figures of this release alone: beside an earlier one they would tell what changed since."""
    if not table.labels:
        return shown
    new = {
        (key, measure)
        for key, measure, masked, reason in zip(
            *(decided[name].to_pylist() for name in ("key", "measure", "masked", "reason")), strict=True
        )
        if not masked and reason != "increment"
    }
    keys = ledger.written_keys(shown.select(list(table.keys)).to_pandas(), table.keys)
    for label, figure in table.labels.items():
        place = shown.column_names.index(label)
        own = pa.array([(key, figure) in new for key in keys], pa.bool_())
        kept = pc.if_else(own, shown[label].combine_chunks(), pa.scalar(None, shown[label].type))
        shown = shown.set_column(place, shown.field(place), kept)
    return shown


def _with_rates(
    table: CountTable, shown: pa.Table, decided: pa.Table, counts: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]
) -> tuple[pa.Table, pa.Table]:
    """The table with its rates from the counts it shows, and the cells of the rates."""
    keys = ledger.written_keys(table.frame.select(list(table.keys)).to_pandas(), table.keys)
    written = {(row["key"], row["measure"]): row["value"] for row in decided.to_pylist()}
    seen = {
        name: np.array([np.nan if (v := written.get((key, name))) is None else v for key in keys], np.float64)
        if name in {measure.column for measure in table.measures}
        else counts[name]
        for pair in table.rates.values()
        for name in pair
    }
    cells = []
    marks = shown.select(["suppressed", "suppression_reason"]).to_pandas()
    for name, values in rates_of(table, seen).items():
        place = shown.column_names.index(name)
        # A rate whose denominator is masked would tell it.
        lost = np.isnan(values) & ~np.isnan(seen[table.rates[name][0]])
        marks["suppression_reason"] = marks["suppression_reason"].where(~lost | marks["suppressed"], "secondary")
        marks["suppressed"] |= lost
        shown = shown.set_column(place, shown.field(place), pa.array(values, shown.field(place).type, from_pandas=True))
        cells.append(
            pd.DataFrame(
                {
                    "table": table.name, "key": keys, "measure": name, "value": values, "persons": [[]] * len(keys),
                    "counted": pd.array([None] * len(keys), "Int64"), "masked": np.isnan(values), "reason": None,
                }
            )
        )  # fmt: skip
    for name in marks:
        place = shown.column_names.index(name)
        values = pa.array(marks[name], shown.field(place).type, from_pandas=True)
        shown = shown.set_column(place, shown.field(place), values)
    made = [pa.Table.from_pandas(frame, ledger.CELLS, preserve_index=False) for frame in cells]
    return shown, pa.concat_tables([ledger.CELLS.empty_table(), *made])
