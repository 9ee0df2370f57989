"""A release published after others: what readers of every release see, and what they could subtract.

A cell is decided in this order, over the system of all tables:

1. cells that were masked and that fewer than k persons have joined stay masked, and are masked *before* the secondary
   suppression, which therefore completes what readers will really miss;
2. cells that were published and that fewer than k persons moved keep their earlier value, even where fewer than k
   are left: nobody sees the few who went;
3. in every sum with a written total, the cells that moved tell by how much the others moved together: where that is 1
   to k-1 persons, none of them moves, to a fixed point;
4. readers who keep every release and bound masked cells by the sums (`disclosure.readers`) try the result: where they
   rightly bound a group under k, cells around it keep their earlier value or are masked, and step 1 starts again; so
   it does where linear programming bounds a masked count of this release too closely (`Protection.widen`);
5. rates are computed again from the counts that are shown;
6. readers who keep every release try the tables with linear programmes too (`deduction.deduce_changes`): where they
   rightly bound a change under k, step 4 is taken for it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure import ledger
from pipeline.disclosure.deduction import Reading, deduce_changes
from pipeline.disclosure.facts import Between, Sums
from pipeline.disclosure.ledger import Matched
from pipeline.disclosure.measured import Release
from pipeline.disclosure.pools import POOLED, told_together
from pipeline.disclosure.readers import Found, Readers, Seen
from pipeline.disclosure.suppression import Protection
from pipeline.disclosure.system import Cell, Equality, Floats, Ints, System, system_of
from pipeline.disclosure.tables import CountTable, Flags, Protected, Rules, denominators_of, rates_of


@dataclass(frozen=True)
class Publication:
    """A table fit to follow its earlier releases.

    Attributes:
        table: the rows to publish, in the order of `truth`: empty rows of what is not known may be left out, and those
            told together are (`truth.written_rows`).
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
    """`publish_all` for one table."""
    (made,) = publish_all([table], previous, Rules(k, mask_zero), base=base, history=history)
    return made


def publish_all(
    tables: Sequence[CountTable],
    previous: pa.Table,
    rules: Rules,
    *,
    base: int,
    equalities: Sequence[Equality] = (),
    history: Sequence[Release] = (),
    kept: Mapping[str, Reading] | None = None,
) -> list[Publication]:
    """Protect the tables of a release, together, against readers who keep the earlier ones.

    Args:
        tables: the tables with their true counts.
        previous: `ledger.previous_cells`, of any tables.
        rules: what is unsafe.
        base: rounding base.
        equalities: the sums between the tables that hold.
        history: cells of each earlier release, oldest first, for the attacker.
        kept: earlier release -> its published tables, as its readers kept them.

    Returns:
        The tables to publish, in order.

    Raises:
        DisclosureError: a masked cell could be computed whatever else is masked.
    """
    shown = set(zip(previous["table"].to_pylist(), previous["key"].to_pylist(), strict=True))
    tables = [_without_empty_rows(table, shown) for table in tables]
    before = _Remembered.of(tables, previous, rules.k)
    tables = [
        told_together(table, previous, rules.k, kept, known, persons)
        for table, kept, known, persons in zip(tables, before.kept, before.known, before.persons, strict=True)
    ]
    before = _Remembered.of(tables, previous, rules.k)
    masked = [flags | _members(table) for table, flags in zip(tables, before.kept, strict=True)]
    trial = _Trial(tables, previous, rules.k, base, equalities, history)
    protection = Protection(tables, rules, equalities=equalities, base=base, known=before.known, persons=before.persons)
    while True:
        protected = protection.protect(masked)
        cells = [ledger.cells_of(table, made) for table, made in zip(tables, protected, strict=True)]
        whole = pa.concat_tables([ledger.CELLS.empty_table(), *cells])
        decided, more = trial.decide(whole)
        while not _any(more) and not protection.widen():
            published = [
                _publication(table, made, mine)
                for table, made, mine in zip(tables, protected, _by_table(decided, cells), strict=True)
            ]
            claims = trial.programmed(published, decided, kept or {})
            if not claims:
                return published
            if not trial.hold_around(claims, decided):
                more = trial.to_mask(claims, decided)
                if _any(more):
                    break
                return published  # nothing is left to hold or mask: such a release is not published
            decided, more = trial.decide(whole)
        masked = [flags | others for flags, others in zip(masked, more, strict=True)]


def _any(cells: Sequence[Flags]) -> bool:
    return any(flags.any() for flags in cells)


def _by_table(decided: pa.Table, cells: Sequence[pa.Table]) -> Iterator[pa.Table]:
    """The decided cells of each table, which follow one another."""
    start = 0
    for current in cells:
        yield decided.slice(start, len(current))
        start += len(current)


def _publication(table: CountTable, made: Protected, decided: pa.Table) -> Publication:
    """A table as its cells were decided, its rates from the counts that it shows."""
    mine = _without_newcomers(table, decided)
    final = _with_labels(table, ledger.with_cells(made.table, table.keys, mine), mine)
    final, rates = _with_rates(table, final, mine, made.counts)
    held = pc.sum(pc.and_(pc.equal(mine["reason"], "increment"), pc.invert(mine["masked"]))).as_py() or 0
    mine = _named_pooled(table, pa.concat_tables([mine, rates]))
    return Publication(_written(table, final), mine, made.log, held, table)


def _without_newcomers(table: CountTable, cells: pa.Table) -> pa.Table:
    """A row whose figures move together and stand at their earlier values has no figure beside them that does not.

    Such a figure did not exist then, or was last seen in another release than the rest of its row.
    """
    if not table.behind:
        return cells
    stands = pc.and_(pc.equal(cells["reason"], "increment").fill_null(False), pc.invert(cells["masked"]))
    row = pc.is_in(cells["key"], value_set=pc.unique(cells["key"].filter(stands)))
    new = pc.and_(pc.and_(row, pc.invert(stands)), pc.invert(cells["masked"]))
    changed = {"value": pa.scalar(None, pa.float64()), "masked": pa.scalar(True), "reason": pa.scalar("increment")}
    for name, value in changed.items():
        place = cells.column_names.index(name)
        cells = cells.set_column(place, cells.field(place), pc.if_else(new, value, cells[name]))
    return cells


def _members(table: CountTable) -> Flags:
    """Bool `(measures, rows)`: cells of rows that are told together."""
    return np.broadcast_to(~table.written_rows(), (len(table.measures), table.frame.num_rows))


def _named_pooled(table: CountTable, cells: pa.Table) -> pa.Table:
    """The cells for the ledger, those of rows told together marked as such."""
    if not table.pooled:
        return cells
    keys = {json.dumps(list(key), ensure_ascii=False) for listed in table.pooled.values() for key in listed}
    mine = pc.is_in(cells["key"], value_set=pa.array(sorted(keys), pa.string()))
    place = cells.column_names.index("reason")
    return cells.set_column(place, cells.field(place), pc.if_else(mine, POOLED, cells["reason"]))


def _written(table: CountTable, final: pa.Table) -> pa.Table:
    """The rows that are published: those told together in one, under its published code."""
    if not table.pooled or table.pool is None:
        return final
    codes = [table.pool.code if table.pool.holds(code) else code for code in final[table.pool.over].to_pylist()]
    place = final.column_names.index(table.pool.over)
    final = final.set_column(place, final.field(place), pa.array(codes, final.field(place).type))
    return final.filter(pa.array(table.written_rows()))


class _Trial:
    """What readers of all releases know of the cells of this one, and what must not move or show for it.

    Cells of the ledger (`rows`, all tables together) stand beside cells of the system: `row_of[cell]` is the row of a
    cell, -1 where the ledger has none.
    """

    def __init__(
        self,
        tables: Sequence[CountTable],
        previous: pa.Table,
        k: int,
        base: int,
        equalities: Sequence[Equality],
        history: Sequence[Release],
    ) -> None:
        self.tables, self.previous, self.k, self.base = tables, previous, k, base
        self.system = system_of(tables, equalities, k=k)
        self.readers = Readers(self.system, k)
        self.equalities = equalities
        of = {table.name: table for table in tables}
        # The cells as they are published: rows told together without the digest of who is in them.
        self.named = {(t, of[t].published_key(key), m): number for (t, key, m), number in self.system.number.items()}
        self.names = _written_names(self.system)
        self.earlier = {month: self._then(cells) for month, cells in history}
        self.placed = False

    def decide(self, current: pa.Table) -> tuple[pa.Table, list[Flags]]:
        """The cells after the increment rule and all that must be held, and the cells to mask besides.

        Args:
            current: the cells of the tables as protected, schema `ledger.CELLS`.

        Returns:
            The cells to publish, and per table bool `(measures, rows)`, all False when nothing is told any more.
        """
        if not self.placed:
            self._place(current)
        self.found = found = ledger.matched(current, self.previous)
        while True:
            decided = ledger.apply_increment_rule(current, self.previous, self.k, self.hold)
            told = self._told(decided, found)
            if told.any():
                self.hold |= told
                continue
            claims = self.readers.true_claims(self._seen(decided), list(self.earlier.values()))
            if not self.hold_around(claims, decided):
                return decided, self.to_mask(claims, decided)

    def programmed(
        self, published: Sequence[Publication], decided: pa.Table, kept: Mapping[str, Reading]
    ) -> list[Found]:
        """Changes that readers rightly bound to 1 to k-1 persons by linear programmes over the published tables.

        Args:
            published: the tables.
            decided: their cells.
            kept: earlier release -> its published tables, of releases of the history.
        """
        if not kept:
            return []
        tables = {each.truth.name: each.table for each in published}
        truths = [each.truth for each in published]
        between = [each.equality for each in Between.of(self.equalities, truths)]
        sums = {truth.name: Sums.of(truth) for truth in truths}
        now, reading = self._seen(decided), Reading.of_release(tables, sums, between, self.k, self.base)
        claims = []
        for month, then in kept.items():
            changes = np.append(now.true - self.earlier[month].true, np.nan)

            def moved(cells: Sequence[Cell], changes: Floats = changes) -> Floats:
                return changes[[self.named.get(cell, -1) for cell in cells]]

            told = deduce_changes(reading, then, moved=moved).exposed
            claims += [Found(np.array([self.named[cell] for cell in cells]), True) for cells in told]
        return claims

    def _place(self, current: pa.Table) -> None:
        """Where each cell of the ledger stands, which does not depend on what is masked."""
        self.placed = True
        place = pc.index_in(self.names, value_set=ledger.identifiers(current)).fill_null(-1)
        self.row_of: Ints = place.to_numpy(zero_copy_only=False).astype(np.int64)
        self.hold = np.zeros(len(current), np.bool_)
        rows = pc.binary_join_element_wise(current["table"].combine_chunks(), current["key"].combine_chunks(), "\x1f")
        self.row: Ints = rows.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
        together = pa.array([table.name for table in self.tables if table.behind], pa.string())
        self.moves_by_row = pc.is_in(current["table"].combine_chunks(), value_set=together).to_numpy(
            zero_copy_only=False
        )
        # Place of a count among the persons behind it.
        self.own = np.zeros(len(current), np.int64)
        for table, block in zip(self.tables, self.system.blocks, strict=True):
            for name in set(block.names) & set(table.behind):
                rows_of = self.row_of[block.cell(name, np.arange(block.rows))]
                self.own[rows_of[rows_of >= 0]] = table.behind.index(name)

    def _at_cells(self, of_rows: Floats) -> Floats:
        """Figures of ledger rows at the cells of the system, NaN where the ledger has none."""
        return np.asarray(np.append(of_rows, np.nan)[self.row_of])

    def _where(self, of_rows: Flags, missing: bool) -> Flags:
        """Flags of ledger rows at the cells of the system."""
        return np.asarray(np.append(of_rows, missing)[self.row_of])

    def _at_rows(self, of_cells: Flags) -> Flags:
        """Flags of cells at their ledger rows."""
        result = np.zeros(len(self.row), np.bool_)
        result[self.row_of[of_cells & (self.row_of >= 0)]] = True
        return result

    def _seen(self, decided: pa.Table) -> Seen:
        counted = decided["counted"].to_numpy(zero_copy_only=False).astype(np.float64)
        value = np.where(np.isnan(counted), np.nan, decided["value"].to_numpy(zero_copy_only=False))
        return Seen.of(self._at_cells(value), self._at_cells(counted), self.k, self.base)

    def _then(self, cells: pa.Table) -> Seen:
        """An earlier release. In tables it had, a row it did not have held nobody."""
        place = (
            pc.index_in(self.names, value_set=ledger.identifiers(cells)).fill_null(-1).to_numpy(zero_copy_only=False)
        )
        counted = cells["counted"].to_numpy(zero_copy_only=False).astype(np.float64)
        value = np.where(np.isnan(counted), np.nan, cells["value"].to_numpy(zero_copy_only=False))
        value, counted = np.append(value, np.nan)[place], np.append(counted, np.nan)[place]
        pairs = set(zip(cells["table"].to_pylist(), cells["measure"].to_pylist(), strict=True))
        for block in self.system.blocks:
            for name in block.names if block.table.preset is None else ():
                mine = block.cell(name, np.arange(block.rows))
                if (block.table.name, name) in pairs:
                    new = mine[(place[mine] < 0) & ~self.system.absent[mine]]
                    value[new] = counted[new] = 0.0
        return Seen.of(value, counted, self.k, self.base)

    def _told(self, decided: pa.Table, found: Matched) -> Flags:
        """Rows that must not move: with the others of their sum they tell that 1 to k-1 persons joined the rest."""
        readers = self.readers
        now_masked, held = decided["masked"].to_numpy(), self._held(decided)
        persons, _ = ledger.persons_of(decided)
        mine = np.arange(len(decided))
        # A row that did not exist before had nobody in it.
        step = np.where(found.place >= 0, found.joined[mine, self.own], persons[mine, self.own]).astype(np.float64)
        # Readers cannot tell how a cell moved that is masked, held, or was masked before.
        step[now_masked | held | found.masked] = np.nan
        at = self._at_cells(step)
        moved = np.nan_to_num(at)
        cannot_tell = np.isnan(at)[readers.cell]
        sign = np.where(readers.total, 1, -1)
        rest = np.bincount(readers.sum_of, weights=sign * moved[readers.cell], minlength=readers.sums)
        some = np.bincount(readers.sum_of[cannot_tell], minlength=readers.sums) > 0
        seen = self._where(found.shown & ~now_masked, False)[readers.total_cell]
        telling = seen & some & (np.abs(rest) > 0) & (np.abs(rest) < self.k)
        cells = np.zeros(self.system.size, np.bool_)
        cells[readers.cell[telling[readers.sum_of] & ~cannot_tell]] = True
        return self._holdable(self._at_rows(cells), decided, found) & ~self.hold

    @staticmethod
    def _held(decided: pa.Table) -> Flags:
        return np.asarray(decided["reason"].to_numpy(zero_copy_only=False) == "increment")

    def _holdable(self, hold: Flags, decided: pa.Table, found: Matched) -> Flags:
        """Of the rows to hold, those whose earlier value can stand; the figures of a row move together."""
        whole_rows = np.zeros(int(self.row.max(initial=-1)) + 1, np.bool_)
        whole_rows[self.row[hold & self.moves_by_row]] = True
        hold = hold | (whole_rows[self.row] & self.moves_by_row)
        return np.asarray(hold & found.shown & ~decided["masked"].to_numpy() & ~self._held(decided))

    def hold_around(self, claims: Sequence[Found], decided: pa.Table) -> bool:
        """Hold the cells around true claims on a change whose earlier value can stand; False where there is none."""
        cells = np.zeros(self.system.size, np.bool_)
        for claim in claims:
            if claim.change:
                cells[self.readers.around(claim.cells)] = True
        more = self._holdable(self._at_rows(cells), decided, self.found) & ~self.hold
        self.hold |= more
        return bool(more.any())

    def to_mask(self, claims: Sequence[Found], decided: pa.Table) -> list[Flags]:
        """For each true claim, the least costly shown cell around it, or around those, and so on.

        Returns:
            Per table bool `(measures, rows)`; all False where no cell is shown in any sum that leads there.
        """
        masked = self._where(decided["masked"].to_numpy(), True)
        found = np.zeros(self.system.size, np.bool_)
        to_complement = self.system.sums_to_complement(masked)
        for claim in claims:
            near = self.readers.around(claim.cells)
            while masked[near].all() and len(farther := self.readers.around(near)) > len(near):
                near = farther
            shown = near[~masked[near]]
            if len(shown):
                found[self.system.least_costly(shown, to_complement)] = True
        return self.system.by_table(found)


def _written_names(system: System) -> pa.Array:
    """The ledger's identifier of every cell of a system, empty for complements."""
    parts: list[pa.Array] = []
    for block in system.blocks:
        keys = pa.array(ledger.written_keys(block.keys, block.table.keys), pa.string())
        parts += [pc.binary_join_element_wise(block.table.name, keys, name, "\x1f") for name in block.names]
        parts.append(pa.nulls(len(block.wholes) * block.rows, pa.string()))
    return pa.concat_arrays([pa.nulls(0, pa.string()), *parts])


def _without_empty_rows(table: CountTable, shown: Collection[tuple[str, str]]) -> CountTable:
    """Leave out `table.empty`, except rows that an earlier release has shown: their going would be seen."""
    if not table.empty:
        return table
    keys = ledger.written_keys(table.frame.select(list(table.keys)).to_pandas(), table.keys)
    leave = [tuple(json.loads(key)) in table.empty and (table.name, key) not in shown for key in keys]
    return replace(table, frame=table.frame.filter(pc.invert(pa.array(leave, pa.bool_()))))


@dataclass(frozen=True)
class _Remembered:
    """What readers keep of the cells of a release, per table `(measures, rows)`.

    Attributes:
        kept: bool, cells that stay masked.
        known: bool, cells that they have seen.
        persons: int64, behind each cell as the readers last saw it, where fewer than k persons have moved since; else
            as it is now. To judge a standing cell by how many are left would tell of the few who went.
    """

    kept: list[Flags]
    known: list[Flags]
    persons: list[Ints]

    @classmethod
    def of(cls, tables: Sequence[CountTable], previous: pa.Table, k: int) -> _Remembered:
        """From `ledger.previous_cells`."""
        names = [
            # The figures of a row move together: any of them tells of the row.
            [*(measure.column for measure in table.measures), *(table.dependents if table.behind else ())]
            for table in tables
        ]
        cells = pa.concat_tables([_as_cells(table, listed) for table, listed in zip(tables, names, strict=True)])
        found = ledger.matched(cells, previous)
        exists = cells["exists"].to_numpy()
        # What rests on other numbers of persons than before was seen all the same.
        shown = ledger.identifiers(previous.filter(pc.invert(previous["masked"])))
        known = exists & pc.is_in(ledger.identifiers(cells), value_set=shown).to_numpy(zero_copy_only=False)
        kept = exists & found.masked & ~ledger.may_open(found.joined, k)
        stood = exists & (found.place >= 0) & (np.abs(found.joined) < k).all(axis=1)
        now, _ = ledger.persons_of(cells)
        then = np.where(stood[:, None], now - found.joined, now)
        result = cls([], [], [])
        start = 0
        for table, listed in zip(tables, names, strict=True):
            shape, measures = (len(listed), table.frame.num_rows), len(table.measures)
            mine = slice(start, start + shape[0] * shape[1])
            start = mine.stop
            result.kept.append(kept[mine].reshape(shape)[:measures])
            result.known.append(known[mine].reshape(shape)[:measures])
            persons = then[mine].reshape((*shape, then.shape[1]))
            if table.behind:
                first = stood[mine].reshape(shape).argmax(axis=0)
                of_row = persons[first, np.arange(shape[1])]
                counts = table.frame.select(listed[:measures]).to_pandas().fillna(0).astype(np.int64)
                seen = [of_row[:, table.behind.index(n)] if n in table.behind else counts[n].to_numpy() for n in counts]
                result.persons.append(np.stack(seen))
            else:
                result.persons.append(persons[:measures, :, 0])
        return result


def _as_cells(table: CountTable, names: Sequence[str]) -> pa.Table:
    """The cells of these columns as the ledger names them, with the persons behind each now; measure by measure."""
    frame = table.frame.to_pandas()
    keys = pa.array(ledger.written_keys(frame, table.keys), pa.string())
    by_measure = {measure.column: (measure.persons or measure.column,) for measure in table.measures}
    made = []
    for name in names:
        persons = frame[list(table.behind or by_measure[name])].fillna(0).astype(np.int64).to_numpy()
        made.append(
            pa.table(
                {
                    "table": pa.array([table.name] * len(keys), pa.string()),
                    "key": keys,
                    "measure": pa.array([name] * len(keys), pa.string()),
                    "persons": pa.array(list(persons), pa.list_(pa.int64())),
                    "exists": pa.array(frame[name].notna().to_numpy()),
                }
            )
        )
    return pa.concat_tables(made)


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
    table: CountTable, shown: pa.Table, decided: pa.Table, counts: Mapping[str, Floats]
) -> tuple[pa.Table, pa.Table]:
    """The table with its rates from the counts it shows, and the cells of the rates."""
    keys = ledger.written_keys(table.frame.select(list(table.keys)).to_pandas(), table.keys)
    names = {measure.column for measure in table.measures}
    seen = {
        name: _decided_values(decided, name, keys) if name in names else counts[name]
        for pair in table.rates.values()
        for name in pair
    }
    cells = []
    marks = shown.select(["suppressed", "suppression_reason"]).to_pandas()
    under = denominators_of(table, seen)
    for name, values in rates_of(table, seen).items():
        place = shown.column_names.index(name)
        # A rate whose denominator is masked would tell it; one above 1 says only that a figure is an earlier one.
        over = seen[table.rates[name][0]]
        lost = np.isnan(values) & ~np.isnan(over)
        reason = np.where(over > under[name], "increment", "secondary")
        marks["suppression_reason"] = marks["suppression_reason"].where(~lost | marks["suppressed"], reason)
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


def _decided_values(decided: pa.Table, measure: str, keys: Sequence[str]) -> Floats:
    """The decided values of a measure, in the order of the rows; NaN where none is shown."""
    mine = decided.filter(pc.equal(decided["measure"], measure))
    place = pc.index_in(pa.array(keys, pa.string()), value_set=mine["key"].combine_chunks()).fill_null(-1)
    value = mine["value"].to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray(np.append(value, np.nan)[place.to_numpy(zero_copy_only=False)])
