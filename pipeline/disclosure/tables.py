"""Suppression within one published table: no figure rests on fewer than k persons, and none comes back by subtraction.

A `CountTable` says which columns count persons, in which sums they stand, and which other figures rest on them. Masking
is **per cell**: a row of `platform_activity` with two withdrawals keeps its other counts. `suppressed` is true for a
row with any masked cell; the reason of the row is the caller's if it gave one, else `primary` before `secondary`.

The order is fixed: mask what is unsafe (`primary`), mask what would give it back (`complementary`), round, recompute
the rates from rounded counts. `protect` does all four. Nothing depends on the order of the rows.

Simple form, table by table: a cell shared by two tables is not yet tied across them, and no interval audit is made.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from pipeline.disclosure.linear import determined

Flags = npt.NDArray[np.bool_]

DOMINANT_SHARE = 0.85
"""An amount of which one contributor holds more than this share is unsafe."""
P_PERCENT = 10
"""An amount is unsafe when the second contributor could work out the first to within p %: total - first - second < p %
of the first (Hundepool et al., Statistical Disclosure Control, 2012, section 4.2.2)."""


PROMISED = ("primary", "secondary", "increment")
"""Reasons of cells that readers must not be able to compute; any other reason withholds a figure, not persons."""


class DisclosureError(RuntimeError):
    """A cell cannot be protected by masking others: the table must not be published as it is described."""


@dataclass(frozen=True)
class Measure:
    """A column of persons, or an amount that adds up over persons.

    Attributes:
        column: its name.
        share_of: column of the persons it is a part of, when their ratio is published or can be formed: the complement
            (`share_of` - `column`) is then protected like a count. May be another measure or a helper.
        persons: for an amount, the measure that counts the persons it rests on; None for a count.
        largest, second: for an amount, helper columns with the largest and second largest contribution.
    """

    column: str
    share_of: str | None = None
    persons: str | None = None
    largest: str | None = None
    second: str | None = None


@dataclass(frozen=True)
class Margin:
    """Rows that add up to another row: over the codes of some dimensions, or to a total known from elsewhere.

    Attributes:
        over: key columns summed over. `("platform_id",)`; for strata nested in a type `("stratum_type", "stratum")`.
        total: code of each of these columns in the row of the total; None when the total has no row but is known all
            the same, as when the published shares of the modalities sum to one.
        within: those of `over` that separate one sum from the next: `("stratum_type",)`, since each type adds up to
            the same total.
        measures: columns that add up over it; None = all of them.
    """

    over: tuple[str, ...]
    total: Mapping[str, str] | None
    within: tuple[str, ...] = ()
    measures: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RowSum:
    """Within each row, `total` is the sum of `parts` (all measures)."""

    total: str
    parts: tuple[str, ...]


@dataclass(frozen=True)
class Link:
    """Any other sum that readers know: the cells `parts` add up to the cell `total`.

    A cell is (key of its row, measure).
    """

    total: tuple[tuple[str, ...], str]
    parts: tuple[tuple[tuple[str, ...], str], ...]


@dataclass(frozen=True)
class CountTable:
    """A table about to be published, and how its figures hang together.

    Attributes:
        name: its published name.
        frame: the rows. A measure that is empty in a row does not exist there.
        keys: columns that name a row, in key order; distinct over rows.
        measures: the counts and additive amounts.
        margins, row_sums, links: the sums known to hold. Declare a sum only if it holds for the true figures.
        dependents: other value column -> measures it rests on; empty where any of them is masked.
        rates: value column -> (numerator, denominator) columns; computed from the counts that are published, and
            empty where either is masked.
        wholes: key of a row -> key of the row whose numerator is the denominator of its rates; rows that are not listed
            use the denominator's column.
        behind: columns that count the persons behind every figure of a row. From one release to the next the figures of
            a row then move together or not at all. Empty = each figure by the measures it rests on.
        labels: label column -> the value column it goes with: shown only beside that figure as this release makes it.
            Other labels say nothing of persons and always stay.
        empty: keys of rows in which nobody is and that name what is not known (`unknown`, `not_given`): left out unless
            an earlier release has shown them, since a masked zero would take a true group with it.
        helpers: columns of the frame that are not published (contributions, denominators of another table).
        preset: column with a reason (`gate`, `placebo`, `too_few_clusters`) where the caller withholds the row, else
            empty; not published under its name. All value columns of such a row are emptied. For the safety of other
            cells the attacker is assumed to know them, except where they are unsafe themselves.
    """

    name: str
    frame: pa.Table
    keys: tuple[str, ...]
    measures: tuple[Measure, ...]
    margins: tuple[Margin, ...] = ()
    row_sums: tuple[RowSum, ...] = ()
    links: tuple[Link, ...] = ()
    dependents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rates: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    wholes: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    behind: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    empty: frozenset[tuple[str, ...]] = frozenset()
    helpers: tuple[str, ...] = ()
    preset: str | None = None


@dataclass(frozen=True)
class Mask:
    """What is masked of a table, in the order of its rows.

    Attributes:
        primary, secondary: bool `(measures, rows)`, disjoint.
        because: (measure, row) -> one sentence without any figure, for the log.
        kept: cells that are safe by themselves and stay masked because they were; None = none.
    """

    primary: Flags
    secondary: Flags
    because: Mapping[tuple[int, int], str]
    kept: Flags | None = None

    @property
    def masked(self) -> Flags:
        """All kinds together."""
        return self.primary | self.secondary if self.kept is None else self.primary | self.secondary | self.kept


@dataclass(frozen=True)
class Protected:
    """A table fit to leave.

    Attributes:
        table: the rows of the input, in their order: keys, values with masked cells empty, `suppressed`,
            `suppression_reason`. Counts rounded.
        log: one row per masked cell: table, key (JSON), measure, reason, because.
        mask: the same as arrays.
        counts: measure -> as it may be published, helpers included; NaN where masked.
    """

    table: pa.Table
    log: pa.Table
    mask: Mask
    counts: Mapping[str, npt.NDArray[np.float64]]


def protect(
    table: CountTable,
    k: int,
    *,
    base: int = 5,
    mask_zero: bool = False,
    kept: Flags | None = None,
    known: Flags | None = None,
) -> Protected:
    """Mask, round and explain one table.

    Args:
        table: the table and its sums.
        k: least persons behind a published figure, >= 1.
        base: counts are published as multiples of it; 1 = exact.
        mask_zero: whether 0 % and 100 % are unsafe too (zero counts, empty complements).
        kept: bool `(measures, rows)`, cells that stay masked whatever they hold.
        known: bool `(measures, rows)`, cells that an earlier release has shown: the last to be masked for others, since
            readers remember them.

    Returns:
        The table to publish, and why each masked cell is.

    Raises:
        ValueError: if keys repeat or a declared column is missing.
        DisclosureError: if a masked cell could be computed whatever else is masked.
    """
    first = primary(table, k, mask_zero=mask_zero)
    if kept is not None:
        stays = kept & ~first.primary
        why = {
            (
                int(m),
                int(r),
            ): "fewer than k persons have joined it since it was masked, or several releases would tell it"
            for m, r in np.argwhere(stays)
        }
        first = Mask(first.primary, first.secondary, {**why, **first.because}, stays)
    return _publish(table, complementary(table, first, k, known), k, base)


def primary(table: CountTable, k: int, *, mask_zero: bool = False) -> Mask:
    """Cells unsafe by themselves: 1..k-1 persons, a complement of 1..k-1, an amount one contributor dominates.

    Args:
        table: the table.
        k: least persons.
        mask_zero: whether a zero count and an empty complement are unsafe too.

    Returns:
        The primary mask. Unsafe complements mask the count they are the rest of.
    """
    cells = _Cells(table, k)
    unsafe, because = cells.unsafe(mask_zero)
    real = unsafe[: len(table.measures)]
    return Mask(cells.in_row_order(real), np.zeros_like(real), cells.keyed(because))


def complementary(table: CountTable, first: Mask, k: int, known: Flags | None = None) -> Mask:
    """Mask further cells until no masked one is known by subtraction, alone or in a group of fewer than k persons.

    In each sum whose total is known and whose masked parts are one, or hold fewer than k persons, the part with the
    fewest persons (at least one; ties in key order) is masked too; failing parts, the total; failing that, zeros. To a
    fixed point. Then whatever the whole system of sums still determines is mended in the same way.

    Args:
        table: the table.
        first: its primary mask, and the cells kept masked.
        k: least persons.
        known: bool `(measures, rows)`, cells to mask last (see `protect`).

    Returns:
        The mask, with `first.primary` and `first.kept` unchanged.

    Raises:
        DisclosureError: if a masked cell stays determined and nothing is left to mask.
    """
    cells = _Cells(table, k, known=known)
    start = cells.in_key_order(first.masked)
    because: dict[tuple[int, int], str] = {}
    masked = cells.complete_mask(start, start.copy(), because, k)
    secondary = masked[: len(table.measures)] & ~start
    return Mask(first.primary, cells.in_row_order(secondary), {**cells.keyed(because), **first.because}, first.kept)


def recoverable(table: CountTable, masked: Flags | None = None, k: int = 1) -> list[tuple[tuple[str, ...], str]]:
    """Masked cells that the published cells of the same table determine: must be empty.

    Args:
        table: a table before publication with its mask, or a published one (masked cells empty) with its sums.
        masked: bool `(measures, rows)`; None = every empty cell is masked.
        k: sums to an unwritten total under k are not known to readers (every part is masked).

    Returns:
        (key of the row, measure) of each, in key order. In a published table, rows the caller withheld for a reason of
        its own (`gate`, ...) are not promised to stay secret and are left out.
    """
    cells = _Cells(table, k, nulls_are_masked=masked is None)
    flags = cells.absent[: len(table.measures)] if masked is None else cells.in_key_order(masked)
    found = cells.determined(cells.with_complements(flags))[: len(table.measures)]
    if masked is None and "suppression_reason" in cells.frame:
        found = found & cells.frame["suppression_reason"].isin(PROMISED).to_numpy()
    return [(cells.key(int(r)), table.measures[m].column) for r, m in np.argwhere(found.T)]


def round_counts(counts: npt.NDArray[np.int64], base: int, k: int) -> npt.NDArray[np.int64]:
    """Nearest multiple of `base` (halves up), but never under the first multiple that is at least k; zero stays zero.

    With base 5 and k = 11, counts 11..17 are published as 15: rounding 11 or 12 to 10 would publish a figure under k.
    The small upward bias is the price of "no published count under k" and is declared in the audit. The rounding is
    monotone, so a part never exceeds its whole.

    Args:
        counts: persons, >= 0; those in 1..k-1 are expected to be masked already.
        base: >= 1; 1 leaves counts as they are.
        k: least persons.

    Returns:
        int64, same shape.
    """
    floor = -(-k // base) * base
    nearest = (2 * counts + base) // (2 * base) * base
    return np.where((counts <= 0) | (base == 1), counts, np.maximum(nearest, floor))


class _Cells:
    """The cells of a table in key order, with the complements as further measures, and the sums they stand in.

    A cell is numbered `measure * rows + row`. Sums are kept as one flat list of cells, cut by `starts`: the parts and,
    for sums with a written total, the total; within a sum in the order in which cells would be masked.
    """

    def __init__(
        self, table: CountTable, k: int, *, nulls_are_masked: bool = False, known: Flags | None = None
    ) -> None:
        self.table = table
        frame = table.frame.to_pandas()
        keys = frame[list(table.keys)].astype(str)
        if keys.duplicated().any():
            raise ValueError(f"{table.name}: two rows have the same key")
        self.order = np.lexsort([keys[name].to_numpy(str) for name in reversed(table.keys)])
        self.keys = keys.iloc[self.order].reset_index(drop=True)
        self.frame = frame.iloc[self.order].reset_index(drop=True)
        self.rows = len(frame)
        self.names = [measure.column for measure in table.measures]
        columns = {name: self._column(name) for name in self.names}
        wholes = [
            (m, measure.share_of)
            for m, measure in enumerate(table.measures)
            if measure.share_of is not None and not (nulls_are_masked and measure.share_of not in frame)
        ]
        rest = []
        for m, whole in wholes:
            difference = self._column(whole) - columns[self.names[m]]
            rest.append(np.where(difference < 0, np.nan, difference))  # not a share: nothing to be the rest of
        self.wholes = wholes
        self.values = np.vstack([*columns.values(), *rest]).reshape(len(self.names) + len(rest), self.rows)
        persons = [columns[measure.persons or measure.column] for measure in table.measures]
        self.absent = np.isnan(self.values)
        self.persons = np.nan_to_num(np.vstack([*persons, *rest]).reshape(self.values.shape)).astype(np.int64)
        self.nulls_are_masked = nulls_are_masked
        self.known = np.zeros(self.values.shape, np.bool_)
        if known is not None:
            self.known[: len(self.names)] = self.in_key_order(known)
        self._sums(k)

    def _column(self, name: str) -> npt.NDArray[np.float64]:
        return np.asarray(self.frame[name].to_numpy(dtype=np.float64, na_value=np.nan))

    def key(self, row: int) -> tuple[str, ...]:
        """Key of the row at a place of the key order."""
        return tuple(str(value) for value in self.keys.iloc[row])

    def in_row_order(self, flags: Flags) -> Flags:
        """From key order to the order of the table's rows."""
        result = np.empty_like(flags)
        result[:, self.order] = flags
        return result

    def in_key_order(self, flags: Flags) -> Flags:
        """From the order of the table's rows to key order."""
        return flags[:, self.order]

    def keyed(self, because: Mapping[tuple[int, int], str]) -> dict[tuple[int, int], str]:
        """Reasons of the true measures, their rows in the table's order."""
        return {(m, int(self.order[r])): why for (m, r), why in because.items() if m < len(self.names)}

    # ---- what is unsafe

    def unsafe(self, mask_zero: bool) -> tuple[Flags, dict[tuple[int, int], str]]:
        """Primary cells and why, complements included."""
        k = self.k
        small = (self.persons < k) & (self.persons >= (0 if mask_zero else 1)) & ~self.absent
        because: dict[tuple[int, int], str] = {}
        flags = small.copy()
        for extra, (m, _) in enumerate(self.wholes, start=len(self.names)):
            # An empty complement of nobody is the zero count, already judged.
            risky = small[extra] & (self.persons[m] > 0)
            small[extra] = flags[extra] = risky
            self._note(because, m, risky, "the persons it leaves out of its whole are fewer than k")
            flags[m] |= risky
        for m, measure in enumerate(self.table.measures):
            if measure.largest is not None:
                total, first = self.values[m], self._column(measure.largest)
                second = self._column(measure.second) if measure.second is not None else np.zeros(self.rows)
                dominated = (first > DOMINANT_SHARE * total) | (total - first - second < P_PERCENT / 100 * first)
                dominated &= ~self.absent[m] & (total > 0)
                self._note(because, m, dominated, "one contributor dominates the amount")
                flags[m] |= dominated
            self._note(because, m, small[m], "it rests on fewer than k persons")
        return flags, because

    def _note(self, because: dict[tuple[int, int], str], measure: int, flags: Flags, why: str) -> None:
        because.update({(measure, int(row)): why for row in np.flatnonzero(flags)})

    # ---- the sums

    def _sums(self, k: int) -> None:
        self.k = k
        cells: list[npt.NDArray[np.int64]] = []  # parts, or total, of a batch of sums
        sums: list[npt.NDArray[np.int64]] = []
        is_total: list[Flags] = []
        labels: list[str] = []
        complement: list[bool] = []

        def add(sum_of: npt.NDArray[np.int64], cell: npt.NDArray[np.int64], total: bool) -> None:
            keep = ~self.absent.ravel()[cell] if not self.nulls_are_masked else np.ones(len(cell), np.bool_)
            sums.append(sum_of[keep])
            cells.append(cell[keep])
            is_total.append(np.full(int(keep.sum()), total))

        for margin in self.table.margins:
            apart = [name for name in self.table.keys if name not in margin.over or name in margin.within]
            others = [name for name in self.table.keys if name not in margin.over]
            at_total = np.zeros(self.rows, np.bool_)
            if margin.total is not None:
                at_total = np.logical_and.reduce([self.keys[name] == code for name, code in margin.total.items()])
            group, first = _groups(self.keys[apart])
            group[at_total] = -1
            parts = np.flatnonzero(~at_total)
            used = np.unique(group[parts])
            number = np.full(len(first), -1, np.int64)
            number[used] = np.arange(len(used))
            totals = np.full(len(used), -1, np.int64)
            if margin.total is not None:
                other, _ = _groups(self.keys[others])
                row_of_total = np.full(self.rows, -1, np.int64)
                row_of_total[other[at_total]] = np.flatnonzero(at_total)
                some_part = np.full(len(used), -1, np.int64)
                some_part[number[group[parts]]] = parts
                totals = row_of_total[other[some_part]]
            label = "over " + ", ".join(margin.over)
            for m in range(len(self.values)):
                owner = self.names[m] if m < len(self.names) else self.names[self.wholes[m - len(self.names)][0]]
                if margin.measures is not None and owner not in margin.measures:
                    continue
                keep = totals >= 0
                if margin.total is None:
                    keep = self._readers_know(number[group[parts]], m * self.rows + parts, len(used))
                if m >= len(self.names):
                    # Complements add up only where each cell of the sum has one; elsewhere the counts' own sums say it.
                    lacking = np.bincount(number[group[parts]], weights=self.absent[m][parts], minlength=len(used)) > 0
                    keep = keep & ~lacking & ((totals < 0) | ~self.absent[m][totals])
                offset = len(labels)
                renumber = np.cumsum(keep) - 1 + offset
                kept_parts = keep[number[group[parts]]]
                add(renumber[number[group[parts]]][kept_parts], m * self.rows + parts[kept_parts], False)
                if margin.total is not None:
                    add(renumber[keep], m * self.rows + totals[keep], True)
                labels += [label] * int(keep.sum())
                complement += [m >= len(self.names)] * int(keep.sum())
        every = np.arange(self.rows)
        for row_sum in self.table.row_sums:
            offset = len(labels)
            for name in row_sum.parts:
                add(every + offset, self.names.index(name) * self.rows + every, False)
            add(every + offset, self.names.index(row_sum.total) * self.rows + every, True)
            labels += [f"of {row_sum.total} in its row"] * self.rows
            complement += [False] * self.rows
        for extra, (m, whole) in enumerate(self.wholes, start=len(self.names)):
            there = every if self.nulls_are_masked else np.flatnonzero(~self.absent[extra])
            each = len(labels) + np.arange(len(there))
            add(each, m * self.rows + there, False)
            add(each, extra * self.rows + there, False)
            if whole in self.names:
                add(each, self.names.index(whole) * self.rows + there, True)
            labels += [f"of {whole} in its row"] * len(there)
            complement += [True] * len(there)
        if self.table.links:
            row_at = {key: row for row, key in enumerate(self.keys.itertuples(index=False, name=None))}
            for link in self.table.links:
                this = np.array([len(labels)])
                for total, (key, name) in ((True, link.total), *((False, part) for part in link.parts)):
                    add(this, np.array([self.names.index(name) * self.rows + row_at[key]]), total)
                labels.append("declared between rows")
                complement.append(False)

        sum_of, cell = np.concatenate([_INTS, *sums]), np.concatenate([_INTS, *cells])
        written = np.concatenate([np.empty(0, np.bool_), *is_total])
        persons = self.persons.ravel()[cell]
        # The order in which the cells of a sum would be masked: parts with somebody, those that readers do not know
        # already before the others, fewest first; the total; zeros.
        rank = np.where(written, 2, np.where(persons > 0, self.known.ravel()[cell], 3))
        in_rows = (cell % max(self.rows, 1)) * len(self.values) + cell // max(self.rows, 1)
        place = np.lexsort((in_rows, persons, rank, sum_of))
        self.sum_of, self.cell, self.total = sum_of[place], cell[place], written[place]
        self.labels, self.of_complement = labels, np.array(complement, np.bool_)
        # A sum of one cell to a known total tells it outright: masking it would protect nothing.
        alone = np.bincount(self.sum_of, minlength=len(labels)) == 1
        self.told = np.zeros(self.values.size, np.bool_)
        self.told[self.cell[alone[self.sum_of] & ~self.total]] = True

    def _readers_know(self, group: npt.NDArray[np.int64], cell: npt.NDArray[np.int64], groups: int) -> Flags:
        """Which unwritten totals count as known: those of at least k persons (published: with a part above zero)."""
        persons = np.bincount(group, weights=self.persons.ravel()[cell], minlength=groups)
        return np.asarray(persons >= (1 if self.nulls_are_masked else self.k))

    # ---- masking

    def with_complements(self, flags: Flags, unsafe: Flags | None = None) -> Flags:
        """Add what follows: amounts of masked counts, and complements, which are never written themselves."""
        masked = np.zeros(self.values.shape, np.bool_) if unsafe is None else unsafe.copy()
        masked[: len(self.names)] |= flags[: len(self.names)]
        for m, measure in enumerate(self.table.measures):
            if measure.persons is not None:
                masked[m] |= masked[self.names.index(measure.persons)] & ~self.absent[m]
        for extra, (m, whole) in enumerate(self.wholes, start=len(self.names)):
            masked[extra] |= masked[m]
            if whole in self.names:
                masked[extra] |= masked[self.names.index(whole)]
            if not self.nulls_are_masked:
                masked[extra] &= ~self.absent[extra]
        return masked

    def determined(self, masked: Flags) -> Flags:
        """Masked cells that the sums determine."""
        flat = masked.ravel()
        entries = flat[self.cell]
        unknown = np.flatnonzero(flat)
        column = np.searchsorted(unknown, self.cell[entries])
        rows, row = np.unique(self.sum_of[entries], return_inverse=True)
        sign = np.where(self.total[entries], -1, 1)
        matrix = sparse.csr_array((sign, (row, column)), shape=(len(rows), len(unknown)))
        result = np.zeros(flat.shape, np.bool_)
        result[unknown] = determined(matrix)
        return result.reshape(masked.shape)

    def complete_mask(self, start: Flags, masked: Flags, because: dict[tuple[int, int], str], k: int) -> Flags:
        """Fixed point of the rule of `complementary` from the true measures `start`."""
        unsafe, _ = self.unsafe(mask_zero=False)
        unsafe[: len(self.names)] = False
        masked = self.with_complements(masked, unsafe)
        sums = len(self.labels)
        # Whether the complements stand for themselves depends on the counts; counts are settled first.
        while True:
            flat = masked.ravel()
            hidden = flat[self.cell]
            parts = np.bincount(self.sum_of, weights=hidden & ~self.total, minlength=sums)
            persons = np.bincount(
                self.sum_of, weights=np.where(hidden & ~self.total, self.persons.ravel()[self.cell], 0), minlength=sums
            )
            total = np.bincount(self.sum_of, weights=hidden & self.total, minlength=sums) > 0
            exposed = np.where(total, parts == 0, (parts == 1) | ((parts > 1) & (persons < k)))
            exposed &= self._can_extend(hidden, sums)
            if (exposed & ~self.of_complement).any():
                exposed &= ~self.of_complement
            if exposed.any():
                self._mask_next(masked, hidden, exposed, because)
            else:
                found = self.determined(masked)
                if not found.any():
                    return masked
                touched = np.zeros(sums, np.bool_)
                touched[self.sum_of[found.ravel()[self.cell]]] = True
                touched &= self._can_extend(hidden, sums)
                if not touched.any():
                    raise DisclosureError(f"{self.table.name}: a masked cell can be computed whatever else is masked")
                self._mask_next(masked, hidden, touched, because)
            masked = self.with_complements(masked, unsafe | masked)

    def _can_extend(self, hidden: Flags, sums: int) -> Flags:
        free = ~hidden & ~self.told[self.cell]
        return np.asarray(np.bincount(self.sum_of[free], minlength=sums) > 0)

    def _mask_next(self, masked: Flags, hidden: Flags, where: Flags, because: dict[tuple[int, int], str]) -> None:
        """Mask the first cell still free of each sum in `where`; a masked complement masks its count."""
        place = np.flatnonzero(~hidden & ~self.told[self.cell] & where[self.sum_of])
        _, first = np.unique(self.sum_of[place], return_index=True)
        for entry in place[first]:
            m, row = divmod(int(self.cell[entry]), self.rows)
            masked[m, row] = True
            if m >= len(self.names):
                m = self.wholes[m - len(self.names)][0]
                masked[m, row] = True
            because.setdefault(
                (m, row), f"keeps a masked cell from being computed by the sum {self.labels[self.sum_of[entry]]}"
            )


_INTS = np.empty(0, np.int64)


def _groups(keys: pd.DataFrame) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Group number of each row (in order of appearance) and the numbers in use."""
    if not keys.shape[1]:
        return np.zeros(len(keys), np.int64), np.zeros(min(len(keys), 1), np.int64)
    group = np.array(keys.groupby(list(keys.columns), sort=False).ngroup(), dtype=np.int64)
    return group, np.arange(int(group.max(initial=-1)) + 1, dtype=np.int64)


def _publish(table: CountTable, mask: Mask, k: int, base: int) -> Protected:
    names = [measure.column for measure in table.measures]
    frame = table.frame.to_pandas()
    preset = frame[table.preset].notna().to_numpy() if table.preset else np.zeros(len(frame), np.bool_)
    hidden = {name: mask.masked[m] | preset for m, name in enumerate(names)}
    counts: dict[str, npt.NDArray[np.float64]] = {}
    for measure in table.measures:
        values = frame[measure.column].to_numpy(dtype=np.float64, na_value=np.nan)
        if measure.persons is None:
            values = _rounded(values, base, k)
        counts[measure.column] = np.where(hidden[measure.column], np.nan, values)
    for _, bottom in table.rates.values():
        if bottom not in counts:
            counts[bottom] = _rounded(frame[bottom].to_numpy(dtype=np.float64, na_value=np.nan), base, k)
    rates = rates_of(table, counts)

    columns: dict[str, pa.ChunkedArray] = {}
    for name in table.frame.column_names:
        if name in table.helpers or name == table.preset:
            continue
        column = table.frame[name]
        if name in table.keys:
            columns[name] = column
        elif name in counts or name in rates:
            values = counts[name] if name in counts else np.where(preset, np.nan, rates[name])
            columns[name] = pa.chunked_array([pa.array(values, from_pandas=True).cast(column.type)])
        else:
            # A label that goes with no figure says nothing of persons: it stays where the figures are withheld.
            behind = table.dependents.get(table.labels.get(name, name), ())
            off = preset.copy() if behind else np.zeros_like(preset)
            for part in behind:
                off |= hidden[part]
            columns[name] = pa.chunked_array([_emptied(column, off)])

    first, second = mask.primary.any(axis=0), mask.secondary.any(axis=0)
    stays = np.zeros_like(first) if mask.kept is None else mask.kept.any(axis=0)
    reason = np.full(len(frame), None, object)
    reason[stays] = "increment"
    reason[second] = "secondary"
    reason[first] = "primary"
    if table.preset:
        reason[preset] = frame[table.preset].to_numpy(object)[preset]
    columns["suppressed"] = pa.chunked_array([pa.array(first | second | stays | preset)])
    columns["suppression_reason"] = pa.chunked_array([pa.array(reason, pa.string(), from_pandas=True)])
    keys = frame[list(table.keys)].astype(str).to_numpy(object)
    entries = sorted(
        (
            json.dumps(list(keys[row]), ensure_ascii=False),
            names[m],
            "primary" if mask.primary[m, row] else "secondary" if mask.secondary[m, row] else "increment",
            why,
        )
        for (m, row), why in mask.because.items()
        if mask.masked[m, row]
    )
    log = pa.table(
        {
            "table": pa.array([table.name] * len(entries), pa.string()),
            **{
                name: pa.array([entry[i] for entry in entries], pa.string())
                for i, name in enumerate(("key", "measure", "reason", "because"))
            },
        }
    )
    return Protected(pa.table(columns), log, mask, counts)


def rates_of(table: CountTable, counts: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float64]]:
    """Rates as any reader would compute them: published numerator over published denominator.

    Args:
        table: the table.
        counts: numerators and denominators as published, in the order of its rows; NaN where masked.

    Returns:
        Rate -> its values, NaN where either count is masked or the denominator is zero.
    """
    frame = table.frame.select(list(table.keys)).to_pandas().astype(str)
    keys = list(frame.itertuples(index=False, name=None))
    place = {key: row for row, key in enumerate(keys)}
    whole = np.array([place[table.wholes[key]] if key in table.wholes else -1 for key in keys], np.int64)
    found = {}
    for name, (top, bottom) in table.rates.items():
        under = np.where(whole >= 0, counts[top][whole], counts[bottom])
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = np.where(under > 0, counts[top] / under, np.nan)
    return found


def _rounded(values: npt.NDArray[np.float64], base: int, k: int) -> npt.NDArray[np.float64]:
    known = ~np.isnan(values)
    result = values.copy()
    result[known] = round_counts(values[known].astype(np.int64), base, k)
    return result


def _emptied(column: pa.ChunkedArray, off: Flags) -> pa.Array:
    return pc.if_else(pa.array(off), pa.scalar(None, column.type), column.combine_chunks())
