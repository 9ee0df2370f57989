"""One linear system over the cells of all tables of a release, and the sums that readers know to hold between them.

A *cell* is (table, key of its row, measure). A sum is a row of the matrix: its parts with +1, its total with -1. Within
a table the sums are those of its `CountTable`; between tables they are `Equality`s. Complements (`share_of`) are cells
too, never written themselves, in the measure `whole - part`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from pipeline.disclosure.tables import CountTable, DisclosureError, Flags

Cell = tuple[str, tuple[str, ...], str]
"""(table, key of the row, measure)."""
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_INTS = np.empty(0, np.int64)


@dataclass(frozen=True)
class Equality:
    """A sum between tables: the cells `parts` add up to the cell `total`.

    Attributes:
        total, parts: the cells.
        because: why it holds, in English, without any figure.
        always: whether it holds whatever the data. One that does not is used where it holds, since a reader may guess
            so; one that should and does not is an error (see `holding`).
    """

    total: Cell
    parts: tuple[Cell, ...]
    because: str
    always: bool = True


def holding(tables: Sequence[CountTable], equalities: Iterable[Equality]) -> tuple[Equality, ...]:
    """The equalities that hold of the true figures, among those whose cells all exist.

    Args:
        tables: with true counts.
        equalities: to try.

    Raises:
        DisclosureError: one that always holds does not: protection would rest on a false sum.
    """
    true = {
        (table.name, tuple(str(row[name]) for name in table.keys), measure.column): row[measure.column]
        for table in tables
        for row in table.frame.to_pylist()
        for measure in table.measures
        if row[measure.column] is not None
    }
    found = []
    for each in equalities:
        if not {each.total, *each.parts} <= true.keys():
            continue
        if true[each.total] == sum(true[part] for part in each.parts):
            found.append(each)
        elif each.always:
            raise DisclosureError(
                f"{each.total[0]} and {', '.join(sorted({part[0] for part in each.parts}))}: a sum between tables that "
                f"always holds does not ({each.because})"
            )
    return tuple(found)


def system_of(
    tables: Sequence[CountTable],
    equalities: Iterable[Equality] = (),
    *,
    k: int = 1,
    published: bool = False,
    known: Sequence[Flags] | None = None,
    persons: Sequence[Ints] | None = None,
) -> System:
    """The system of a release.

    Args:
        tables: with distinct names.
        equalities: sums between them that hold; one that names a cell that does not exist is left out.
        k: sums to an unwritten total under k are not known to readers (every part is masked).
        published: the tables are as published: an empty cell is masked, not absent.
        known: per table, bool `(measures, rows)`: cells to mask last, since readers have seen them.
        persons: per table, int64 `(measures, rows)`: behind each cell as readers see it; None = as counted.

    Raises:
        ValueError: if the keys of a table repeat.
    """
    return System(tables, equalities, k=k, published=published, known=known, persons=persons)


class _Block:
    """The cells of one table in key order: its measures, then the complements, row after row."""

    def __init__(self, table: CountTable, offset: int, published: bool, persons: Ints | None) -> None:
        self.table, self.offset = table, offset
        frame = table.frame.to_pandas()
        keys = frame[list(table.keys)].astype(str)
        if keys.duplicated().any():
            raise ValueError(f"{table.name}: two rows have the same key")
        self.order = np.lexsort([keys[name].to_numpy(str) for name in reversed(table.keys)])
        self.keys = keys.iloc[self.order].reset_index(drop=True)
        self.frame = frame.iloc[self.order].reset_index(drop=True)
        self.rows = len(frame)
        self.names = [measure.column for measure in table.measures]
        self.wholes = [
            (m, measure.share_of)
            for m, measure in enumerate(table.measures)
            if measure.share_of is not None and not (published and measure.share_of not in frame)
        ]
        columns = {name: self.column(name) for name in self.names}
        rest = []
        for m, whole in self.wholes:
            difference = self.column(whole) - columns[self.names[m]]
            rest.append(np.where(difference < 0, np.nan, difference))  # not a share: nothing to be the rest of
        self.figures = np.vstack([*columns.values(), *rest]).reshape(len(self.names) + len(rest), self.rows)
        if persons is None:
            behind = [columns[measure.persons or measure.column] for measure in table.measures]
        else:
            behind = list(persons[:, self.order].astype(np.float64))
            rest = [self._rest_as_seen(behind, *each, kept) for each, kept in zip(self.wholes, rest, strict=True)]
        self.persons = np.nan_to_num(np.vstack([*behind, *rest]).reshape(self.figures.shape)).astype(np.int64)

    def _rest_as_seen(self, behind: Sequence[Floats], m: int, whole: str, counted: Floats) -> Floats:
        """Persons a share leaves out of its whole as readers see it: a measure, or the row that it is a share of."""
        if whole in self.names:
            seen = behind[self.names.index(whole)] - behind[m]
        else:
            keys = list(self.row_at)
            row = np.array([self.row_at.get(self.table.wholes.get(key, ()), -1) for key in keys], np.int64)
            seen = np.where(row >= 0, behind[m][row] - behind[m], counted)
        return np.where(np.isnan(counted), np.nan, np.maximum(seen, 0))

    def column(self, name: str) -> Floats:
        """A column in key order, NaN where empty."""
        return np.asarray(self.frame[name].to_numpy(dtype=np.float64, na_value=np.nan))

    def cell(self, measure: int | str, row: Ints) -> Ints:
        """Numbers of cells in the system."""
        m = measure if isinstance(measure, int) else self.names.index(measure)
        return self.offset + m * self.rows + row

    @cached_property
    def row_at(self) -> dict[tuple[str, ...], int]:
        """Key -> place in key order."""
        columns = (self.keys[name].tolist() for name in self.keys)
        return {key: row for row, key in enumerate(zip(*columns, strict=True))}


class System:
    """Cells and sums as flat arrays.

    Sums are one list of entries, cut by `sum_of`: the parts and, for sums with a written total, the total; within a sum
    in the order in which its cells would be masked.

    Attributes:
        values: float64 `(cells,)`, NaN where empty.
        persons: int64 `(cells,)`, behind each cell as readers see it.
        absent: bool `(cells,)`, cells that do not exist (in a published system: that are empty).
        complement: bool `(cells,)`, cells that are never written.
        known: bool `(cells,)`, cells that readers have seen before.
        told: bool `(cells,)`, cells that a sum of one cell to a known total tells whatever is masked.
        sum_of, cell: int64 `(entries,)`; total: bool `(entries,)`.
        labels: per sum, the table and what it adds up, as the suppression log says it.
    """

    def __init__(
        self,
        tables: Sequence[CountTable],
        equalities: Iterable[Equality],
        *,
        k: int,
        published: bool,
        known: Sequence[Flags] | None,
        persons: Sequence[Ints] | None,
    ) -> None:
        self.k, self.published = k, published
        self.blocks: list[_Block] = []
        size = 0
        for number, table in enumerate(tables):
            self.blocks.append(_Block(table, size, published, None if persons is None else persons[number]))
            size += self.blocks[-1].figures.size
        self.size = size
        self.values: Floats = np.concatenate([np.empty(0), *(block.figures.ravel() for block in self.blocks)])
        self.persons: Ints = np.concatenate([_INTS, *(block.persons.ravel() for block in self.blocks)])
        self.absent = np.isnan(self.values)
        self.complement = np.zeros(size, np.bool_)
        self.owner = np.arange(size)
        self.whole = np.full(size, -1, np.int64)
        self.counter = np.full(size, -1, np.int64)
        place = np.empty(size, np.int64)
        for block in self.blocks:
            every, kinds = np.arange(block.rows), len(block.figures)
            for m in range(kinds):
                place[block.cell(m, every)] = block.offset + every * kinds + m
            for m, measure in enumerate(block.table.measures):
                if measure.persons is not None:
                    self.counter[block.cell(m, every)] = block.cell(measure.persons, every)
            for extra, (m, whole) in enumerate(block.wholes, start=len(block.names)):
                mine = block.cell(extra, every)
                self.complement[mine] = True
                self.owner[mine] = block.cell(m, every)
                if whole in block.names:
                    self.whole[mine] = block.cell(whole, every)
        self.place = place
        self.known = np.zeros(size, np.bool_) if known is None else self.flat(known)
        self._add_sums(equalities)

    # ---- cells

    def flat(self, flags: Sequence[Flags]) -> Flags:
        """Flags of each table, `(measures, rows)` in the order of its rows, as one array over all cells."""
        result = np.zeros(self.size, np.bool_)
        for block, mine in zip(self.blocks, flags, strict=True):
            result[block.offset : block.offset + mine.size] = mine[:, block.order].ravel()
        return result

    def by_table(self, flags: Flags) -> list[Flags]:
        """The inverse of `flat`; complements are left out."""
        found = []
        for block in self.blocks:
            shape = (len(block.names), block.rows)
            mine = np.empty(shape, np.bool_)
            mine[:, block.order] = flags[block.offset : block.offset + shape[0] * shape[1]].reshape(shape)
            found.append(mine)
        return found

    def name(self, cell: int) -> Cell:
        """What a cell is called; a complement is the measure `whole - part`."""
        block = self.blocks[int(np.searchsorted([b.offset + b.figures.size for b in self.blocks], cell, side="right"))]
        m, row = divmod(cell - block.offset, block.rows)
        if m < len(block.names):
            measure = block.names[m]
        else:
            part, whole = block.wholes[m - len(block.names)]
            measure = f"{whole} - {block.names[part]}"
        return block.table.name, tuple(str(value) for value in block.keys.iloc[row]), measure

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """What every cell is called, in order."""
        found: list[Cell] = []
        for block in self.blocks:
            keys = list(block.row_at)
            names = [*block.names, *(f"{whole} - {block.names[m]}" for m, whole in block.wholes)]
            found += [(block.table.name, key, name) for name in names for key in keys]
        return tuple(found)

    @cached_property
    def number(self) -> dict[Cell, int]:
        """Cell -> its number."""
        return {cell: number for number, cell in enumerate(self.cells)}

    def unwritten(self) -> Flags:
        """Cells that no table shows: complements and helpers."""
        result = self.complement.copy()
        for block in self.blocks:
            for m, name in enumerate(block.names):
                if name in block.table.helpers:
                    result[block.cell(m, np.arange(block.rows))] = True
        return result

    # ---- sums

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """`(sums, cells)`: parts +1, total -1. Sums to a total that no table holds have their parts alone."""
        sign = np.where(self.total, -1, 1)
        return sparse.csr_array((sign, (self.sum_of, self.cell)), shape=(len(self.labels), self.size))

    @cached_property
    def has_total(self) -> Flags:
        """Bool `(sums,)`: whether the total is a cell; else the parts add up to a figure known from elsewhere."""
        return np.bincount(self.sum_of[self.total], minlength=len(self.labels)) > 0

    def sums_to_complement(self, masked: Flags) -> Ints:
        """Of each cell, int64 `(cells,)`, in how many of its sums nothing is masked: each would need another cell."""
        holding = np.bincount(self.sum_of[masked[self.cell]], minlength=len(self.labels)) > 0
        return np.bincount(self.cell[~holding[self.sum_of]], minlength=self.size)

    def least_costly(self, cells: Ints, to_complement: Ints) -> int:
        """Of some cells, the one to mask: the fewest sums to complement, then the fewest persons, then key order."""
        return int(cells[np.lexsort((self.place[cells], self.persons[cells], to_complement[cells]))[0]])

    def _add_sums(self, equalities: Iterable[Equality]) -> None:
        self._cells: list[Ints] = []
        self._of: list[Ints] = []
        self._totals: list[Flags] = []
        self.labels: list[str] = []
        self._complement_sum: list[bool] = []
        for block in self.blocks:
            self._add_margins(block)
            self._add_within_rows(block)
            self._add_links(block)
        self._add_equalities(equalities)
        sum_of, cell = np.concatenate([_INTS, *self._of]), np.concatenate([_INTS, *self._cells])
        written = np.concatenate([np.empty(0, np.bool_), *self._totals])
        persons = self.persons[cell]
        # The order in which the cells of a sum would be masked: parts with somebody, those that readers do not know
        # already before the others, fewest first; the total; zeros.
        rank = np.where(written, 2, np.where(persons > 0, self.known[cell], 3))
        order = np.lexsort((self.place[cell], persons, rank, sum_of))
        self.sum_of, self.cell, self.total = sum_of[order], cell[order], written[order]
        self.of_complement = np.array(self._complement_sum, np.bool_)
        # A sum of one cell to a known total tells it outright: masking it would protect nothing.
        alone = np.bincount(self.sum_of, minlength=len(self.labels)) == 1
        self.told = np.zeros(self.size, np.bool_)
        self.told[self.cell[alone[self.sum_of] & ~self.total]] = True
        del self._cells, self._of, self._totals, self._complement_sum

    def _add(self, sum_of: Ints, cell: Ints, total: bool) -> None:
        keep = ~self.absent[cell] if not self.published else np.ones(len(cell), np.bool_)
        self._of.append(sum_of[keep])
        self._cells.append(cell[keep])
        self._totals.append(np.full(int(keep.sum()), total))

    def _label(self, label: str, number: int, complement: bool = False) -> None:
        self.labels += [label] * number
        self._complement_sum += [complement] * number

    def _add_margins(self, block: _Block) -> None:
        table = block.table
        for margin in table.margins:
            aside = _told_together(block)
            apart = [name for name in table.keys if name not in margin.over or name in margin.within]
            others = [name for name in table.keys if name not in margin.over]
            at_total = np.zeros(block.rows, np.bool_)
            if margin.total is not None:
                at_total = np.logical_and.reduce([block.keys[name] == code for name, code in margin.total.items()])
                at_total &= ~aside
            group, first = _groups(block.keys[apart])
            group[at_total] = -1
            parts = np.flatnonzero(~at_total & ~aside)
            used = np.unique(group[parts])
            number = np.full(len(first), -1, np.int64)
            number[used] = np.arange(len(used))
            totals = np.full(len(used), -1, np.int64)
            if margin.total is not None:
                other, _ = _groups(block.keys[others])
                row_of_total = np.full(block.rows, -1, np.int64)
                row_of_total[other[at_total]] = np.flatnonzero(at_total)
                some_part = np.full(len(used), -1, np.int64)
                some_part[number[group[parts]]] = parts
                totals = row_of_total[other[some_part]]
            sum_of = number[group[parts]]
            for m in range(len(block.figures)):
                owner = block.names[m if m < len(block.names) else block.wholes[m - len(block.names)][0]]
                if margin.measures is not None and owner not in margin.measures:
                    continue
                keep = totals >= 0
                if margin.total is None:
                    keep = self._readers_know(sum_of, block.cell(m, parts), len(used))
                if m >= len(block.names):
                    # Complements add up only where each cell of the sum has one; elsewhere the counts' own sums say it.
                    missing = self.absent[block.cell(m, np.arange(block.rows))]
                    lacking = np.bincount(sum_of, weights=missing[parts], minlength=len(used)) > 0
                    keep = keep & ~lacking & ((totals < 0) | ~missing[totals])
                renumber = np.cumsum(keep) - 1 + len(self.labels)
                kept = keep[sum_of]
                self._add(renumber[sum_of[kept]], block.cell(m, parts[kept]), False)
                if margin.total is not None:
                    self._add(renumber[keep], block.cell(m, totals[keep]), True)
                label = f"of {table.name} over {', '.join(margin.over)}"
                self._label(label, int(keep.sum()), m >= len(block.names))

    def _add_within_rows(self, block: _Block) -> None:
        every = np.arange(block.rows)
        for row_sum in block.table.row_sums:
            here = len(self.labels) + every
            for name in row_sum.parts:
                self._add(here, block.cell(name, every), False)
            self._add(here, block.cell(row_sum.total, every), True)
            self._label(f"of {block.table.name} to {row_sum.total} in its row", block.rows)
        for extra, (m, whole) in enumerate(block.wholes, start=len(block.names)):
            there = every if self.published else np.flatnonzero(~self.absent[block.cell(extra, every)])
            here = len(self.labels) + np.arange(len(there))
            self._add(here, block.cell(m, there), False)
            self._add(here, block.cell(extra, there), False)
            if whole in block.names:
                self._add(here, block.cell(whole, there), True)
            self._label(f"of {block.table.name} to {whole} in its row", len(there), complement=True)

    def _add_links(self, block: _Block) -> None:
        links, first = block.table.links, len(self.labels)
        start = {name: block.offset + m * block.rows for m, name in enumerate(block.names)}
        totals = [start[name] + block.row_at[key] for key, name in (link.total for link in links)]
        self._add(first + np.arange(len(links)), np.array(totals, np.int64), True)
        parts = [start[name] + block.row_at[key] for link in links for key, name in link.parts]
        of = np.repeat(np.arange(len(links)), [len(link.parts) for link in links])
        self._add(first + of, np.array(parts, np.int64), False)
        self._label(f"of {block.table.name} between rows", len(links))
        for whole, members in block.table.pooled.items():
            rows = np.array([block.row_at[key] for key in (whole, *members)])
            for name in block.names:
                here = np.full(len(rows), len(self.labels))
                self._add(here[:1], block.cell(name, rows[:1]), True)
                self._add(here[1:], block.cell(name, rows[1:]), False)
                self._label(f"of {block.table.name} told together", 1)

    def _add_equalities(self, equalities: Iterable[Equality]) -> None:
        blocks = {block.table.name: block for block in self.blocks}

        def find(cell: Cell) -> int:
            table, key, name = cell
            block = blocks.get(table)
            if block is None or name not in block.names or key not in block.row_at:
                return -1
            number = int(block.cell(name, np.array([block.row_at[key]]))[0])
            return -1 if self.absent[number] and not self.published else number

        for each in equalities:
            numbers = np.array([find(each.total), *map(find, each.parts)])
            if (numbers < 0).any():
                continue
            here = np.full(len(numbers), len(self.labels))
            self._add(here[:1], numbers[:1], True)
            self._add(here[1:], numbers[1:], False)
            parts = sorted({part[0] for part in each.parts})
            self._label(f"between {each.total[0]} and {', '.join(parts)} ({each.because})", 1)

    def _readers_know(self, group: Ints, cell: Ints, groups: int) -> Flags:
        """Which unwritten totals count as known: those of at least k persons (published: with a part above zero)."""
        persons = np.bincount(group, weights=self.persons[cell], minlength=groups)
        return np.asarray(persons >= (1 if self.published else self.k))


def _told_together(block: _Block) -> Flags:
    """Bool `(rows,)`: rows that tell others together, which stand in no margin."""
    pool = block.table.pool
    if pool is None:
        return np.zeros(block.rows, np.bool_)
    return np.array([pool.holds(code) for code in block.keys[pool.over].tolist()], np.bool_)


def _groups(keys: pd.DataFrame) -> tuple[Ints, Ints]:
    """Group number of each row (in order of appearance) and the numbers in use."""
    if not keys.shape[1]:
        return np.zeros(len(keys), np.int64), np.zeros(min(len(keys), 1), np.int64)
    group = np.array(keys.groupby(list(keys.columns), sort=False).ngroup(), dtype=np.int64)
    return group, np.arange(int(group.max(initial=-1)) + 1, dtype=np.int64)


def cells_named(system: System, cells: Collection[Cell]) -> Flags:
    """Bool `(cells,)`: those listed, as far as the system has them."""
    found = np.zeros(system.size, np.bool_)
    found[[system.number[cell] for cell in cells if cell in system.number]] = True
    return found
