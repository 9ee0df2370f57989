"""Which cells of a release are masked: no figure rests on fewer than k persons, and none comes back by subtraction.

Masking is **per cell**: a row of `platform_activity` with two withdrawals keeps its other counts. `suppressed` is true
for a row with any masked cell; the reason of the row is the caller's if it gave one, else `primary` before `secondary`.

The order is fixed: mask what is unsafe (`primary`), mask what would give it back (`complementary`), round, compute the
rates from rounded counts. `protect_all` does all four over one linear system of all tables (`disclosure.system`): a
cell shared by two tables is masked in both. Nothing depends on the order of the rows.

What would give a cell back is found in two passes: a cover, which masks one more cell of each sum that tells too much
until none does; then, with exact elimination, every cell of the cover that could be told without determining an unsafe
one is told again, those that readers know already first, then those with the most persons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from pipeline.disclosure.deduction import Taken, too_close
from pipeline.disclosure.linear import PRIME, determined, null_space, tellable
from pipeline.disclosure.system import Cell, Equality, Ints, System, system_of
from pipeline.disclosure.tables import (
    PROMISED,
    CountTable,
    DisclosureError,
    Flags,
    Mask,
    Protected,
    Rules,
    rates_of,
    round_counts,
)

TELLABLE_LIMIT = 20_000_000
"""Largest unknowns x freedom of a component in which the cover is made smaller; beyond it the cover stands."""
KEPT = "fewer than k persons have joined it since it was masked, or several releases would tell it"


def protect(
    table: CountTable,
    k: int,
    *,
    base: int = 5,
    mask_zero: bool = False,
    kept: Flags | None = None,
    known: Flags | None = None,
) -> Protected:
    """`protect_all` for one table."""
    (made,) = protect_all(
        [table], Rules(k, mask_zero), base=base, kept=None if kept is None else [kept],
        known=None if known is None else [known],
    )  # fmt: skip
    return made


def protect_all(
    tables: Sequence[CountTable],
    rules: Rules,
    *,
    equalities: Sequence[Equality] = (),
    base: int = 5,
    kept: Sequence[Flags] | None = None,
    known: Sequence[Flags] | None = None,
    persons: Sequence[Ints] | None = None,
) -> list[Protected]:
    """Mask, round and explain the tables of a release together.

    Args:
        tables: the tables and their sums.
        rules: what is unsafe.
        equalities: the sums between them that hold.
        base: counts are published as multiples of it; 1 = exact.
        kept: per table, bool `(measures, rows)`, cells that stay masked whatever they hold.
        known: per table, bool `(measures, rows)`, cells that an earlier release has shown: the last to be masked for
            others, since readers remember them.
        persons: per table, int64 `(measures, rows)`, behind each cell as readers see it; None = as counted.

    Returns:
        The tables to publish, in order, and why each masked cell is.

    Raises:
        ValueError: if keys repeat or a declared column is missing.
        DisclosureError: if a masked cell could be computed whatever else is masked.
    """
    protection = Protection(tables, rules, equalities=equalities, base=base, known=known, persons=persons)
    made = protection.protect(kept)
    while protection.widen():
        made = protection.protect(kept)
    return made


class Protection:
    """The masking of some tables, done again with more of their cells masked until nobody is told too much.

    `protect` masks what is unsafe and what elimination would give back, `widen` asks for more where linear programming
    still bounds a masked count too closely: what elimination leaves open may lie within a few values, since no count is
    below zero. From the first such demand on nothing is told again, so that widths once proven stay so.

    Args:
        tables, rules, equalities, base, known, persons: see `protect_all`.
    """

    def __init__(
        self, tables: Sequence[CountTable], rules: Rules, *, equalities: Sequence[Equality], base: int,
        known: Sequence[Flags] | None, persons: Sequence[Ints] | None,
    ) -> None:  # fmt: skip
        self.tables, self.rules, self.base = tables, rules, base
        self.system = system_of(tables, equalities, k=rules.k, known=known, persons=persons)
        self.first = _Unsafe(self.system, rules)
        self.asked = np.zeros(self.system.size, np.bool_)
        self.masked = self.asked
        self.proven: tuple[Flags, Taken | None] = (self.asked, None)

    def protect(self, kept: Sequence[Flags] | None = None) -> list[Protected]:
        """The tables as masked now.

        Args:
            kept: per table, bool `(measures, rows)`, cells that stay masked whatever they hold.

        Raises:
            DisclosureError: if a masked cell could be computed whatever else is masked.
        """
        system, first = self.system, self.first
        stays = np.zeros(system.size, np.bool_)
        if kept is not None:
            # What holds k persons by now, of whom too few have joined, is masked for that.
            enough = (system.counter < 0) & (system.values >= self.rules.k)
            stays = system.flat(kept) & (~first.cells | enough)
        unsafe = first.cells & ~stays
        start = unsafe | stays
        self.masked = masked = _complement(system, start | self.asked, self.rules.k)
        why = first.because | dict.fromkeys(np.flatnonzero(stays).tolist(), KEPT)
        why |= _reasons(system, masked & ~start, masked, start)
        masks = _masks(system, unsafe, masked & ~start, stays, why)
        return [_publish(table, mask, self.rules.k, self.base) for table, mask in zip(self.tables, masks, strict=True)]

    def widen(self) -> bool:
        """Ask for more cells to be masked where readers would know a masked count too closely; False where nowhere.

        Raises:
            DisclosureError: if a masked cell is told too closely whatever else is masked, and readers have not seen
                what is left.
        """
        system, masked = self.system, self.masked
        before, taken = self.proven
        close = too_close(system, masked, self.rules.k, self.base, taken=None if (before & ~masked).any() else taken)
        self.proven = masked, close.taken
        if not close.cells.any():
            return False
        more = _unbound(system, masked, close.binding)
        if not len(more):
            more = _widening(system, masked, close.cells)
        if not len(more) and system.known.any():
            return False  # readers have seen all that is left; the release's own audit judges what they make of it
        if not len(more):
            names = sorted({system.name(int(cell))[0] for cell in np.flatnonzero(close.cells)})
            raise DisclosureError(f"{', '.join(names)}: a masked cell is told too closely whatever else is masked")
        self.asked |= masked
        self.asked[more] = True
        return True


def primary(table: CountTable, k: int, *, mask_zero: bool = False) -> Mask:
    """Cells unsafe by themselves: 1..k-1 persons, a complement of 1..k-1, an amount one contributor dominates.

    Args:
        table: the table.
        k: least persons.
        mask_zero: whether a zero count and an empty complement are unsafe too.

    Returns:
        The primary mask. Unsafe complements mask the count they are the rest of.
    """
    system = system_of([table], k=k)
    first = _Unsafe(system, Rules(k, mask_zero))
    nothing = np.zeros(system.size, np.bool_)
    return _masks(system, first.cells, nothing, nothing, first.because)[0]


def complementary(table: CountTable, first: Mask, k: int) -> Mask:
    """Mask further cells until no masked one is known by subtraction, alone or in a group of fewer than k persons.

    Args:
        table: the table.
        first: its primary mask, and the cells kept masked.
        k: least persons.

    Returns:
        The mask, with `first.primary` and `first.kept` unchanged.

    Raises:
        DisclosureError: if a masked cell stays determined and nothing is left to mask.
    """
    system = system_of([table], k=k)
    start = system.flat([first.masked])
    secondary = _complement(system, start, k) & ~start
    because = _reasons(system, secondary, start | secondary, start)
    (made,) = _masks(system, start, secondary, np.zeros_like(start), because)
    return Mask(first.primary, made.secondary, {**made.because, **first.because}, first.kept)


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
    system = system_of([table], k=k, published=masked is None)
    flags = system.absent & ~system.complement if masked is None else system.flat([masked])
    return [(key, measure) for _, key, measure in _computable(system, flags)]


def recoverable_all(tables: Sequence[CountTable], equalities: Sequence[Equality] = (), k: int = 1) -> list[Cell]:
    """Masked cells that all published tables together determine: must be empty (see `recoverable`).

    Args:
        tables: published tables (masked cells empty) with their sums.
        equalities: the sums between them.
        k: least persons.
    """
    system = system_of(tables, equalities, k=k, published=True)
    return _computable(system, system.absent & ~system.complement)


def _computable(system: System, masked: Flags) -> list[Cell]:
    """The cells promised to be secret that the sums determine, table by table in key order."""
    found = _determined(system, _with_complements(system, masked)) & ~system.complement
    for block in system.blocks if system.published else ():
        if "suppression_reason" in block.frame:
            promised = block.frame["suppression_reason"].isin(PROMISED).to_numpy()
            for name in block.names:
                found[block.cell(name, np.flatnonzero(~promised))] = False
    cells = np.flatnonzero(found)
    return [system.name(int(cell)) for cell in cells[np.argsort(system.place[cells])]]


class _Unsafe:
    """Primary cells and why.

    Attributes:
        cells: bool `(cells,)`; an unsafe complement makes the count it is the rest of unsafe.
        because: cell -> why, of the cells that are written.
    """

    def __init__(self, system: System, rules: Rules) -> None:
        small = (system.persons < rules.k) & (system.persons >= (0 if rules.mask_zero else 1)) & ~system.absent
        dominated = _dominated(system, rules)
        # An empty complement of nobody is the zero count, already judged.
        rest = system.owner[np.flatnonzero(small & system.complement & (system.persons[system.owner] > 0))]
        few = small & ~system.complement
        self.cells = few | dominated
        self.cells[rest] = True
        self.because = dict.fromkeys(rest.tolist(), "the persons it leaves out of its whole are fewer than k")
        self.because |= dict.fromkeys(np.flatnonzero(dominated).tolist(), "one contributor dominates the amount")
        self.because |= dict.fromkeys(np.flatnonzero(few).tolist(), "it rests on fewer than k persons")


def _dominated(system: System, rules: Rules) -> Flags:
    """Amounts of which one contributor holds too much, or that tell the second contributor about the first."""
    found = np.zeros(system.size, np.bool_)
    for block in system.blocks:
        for measure in block.table.measures:
            if measure.largest is None:
                continue
            total, first = block.column(measure.column), block.column(measure.largest)
            second = block.column(measure.second) if measure.second is not None else np.zeros(block.rows)
            with np.errstate(invalid="ignore"):
                unsafe = (first > rules.dominance * total) | (total - first - second < rules.p / 100 * first)
                unsafe &= total > 0
            found[block.cell(measure.column, np.flatnonzero(unsafe))] = True
    return found & ~system.absent


def _with_complements(system: System, masked: Flags) -> Flags:
    """Add what follows: amounts of masked counts, and complements, which are never written themselves."""
    masked = masked.copy()
    amounts = np.flatnonzero(system.counter >= 0)
    masked[amounts] |= masked[system.counter[amounts]] & ~system.absent[amounts]
    rest = np.flatnonzero(system.complement)
    whole = system.whole[rest]
    follows = masked[system.owner[rest]] | (masked[np.maximum(whole, 0)] & (whole >= 0))
    masked[rest] |= follows & (system.published | ~system.absent[rest])
    return masked


def _determined(system: System, masked: Flags) -> Flags:
    """Masked cells that the sums determine."""
    entries = masked[system.cell]
    unknown = np.flatnonzero(masked)
    result = np.zeros(system.size, np.bool_)
    result[unknown] = determined(_equations(system, entries, unknown)[0])
    return result


def _equations(system: System, entries: Flags, unknown: Ints) -> tuple[sparse.csr_array, Ints]:
    """The sums restricted to unknown cells, `(sums, unknown)`, and which sums they are."""
    sums, row = np.unique(system.sum_of[entries], return_inverse=True)
    column = np.searchsorted(unknown, system.cell[entries])
    sign = np.where(system.total[entries], -1, 1)
    return sparse.csr_array((sign, (row, column)), shape=(len(sums), len(unknown))), sums


def _complement(system: System, start: Flags, k: int) -> Flags:
    """The written cells to mask so that those of `start` stay secret: a cover, then as little of it as will do."""
    small = (system.persons < k) & (system.persons > 0) & ~system.absent
    secret = start | (small & system.complement & (system.persons[system.owner] > 0))
    cover = _cover(system, secret, secret, k)
    # What is told again may leave a sum that tells too much where no exact rule sees it: to a fixed point.
    return _cover(system, secret, _told_again(system, secret, cover, k), k) & ~system.complement


def _unbound(system: System, masked: Flags, binding: Sequence[Ints]) -> Ints:
    """For each group told too closely, the least costly of the figures that bind it."""
    to_complement = system.sums_to_complement(masked)
    free = ~(masked | system.told | system.complement | system.known)
    chosen = []
    for cells in binding:
        mine = cells[free[cells]]
        if len(mine):
            chosen.append(system.least_costly(mine, to_complement))
    return np.unique(np.array(chosen, np.int64))


def _widening(system: System, masked: Flags, close: Flags) -> Ints:
    """Cells to mask so that counts told too closely are told less: one for each group of such counts.

    Counts in one sum are told closely together, and for one reason: a group gets one cell, the next of the sum that
    holds most of its counts. Where every cell of the sums around is masked already, what tells the counts lies further:
    the sums of those cells are looked at, ring after ring. What readers have seen before is not masked for this: they
    keep it. None is left when nothing more can be masked.
    """
    sums, free = (
        len(system.labels),
        np.flatnonzero(~(masked | system.told | system.complement | system.known)[system.cell]),
    )
    open_sums = np.zeros(sums, np.bool_)
    open_sums[system.sum_of[free]] = True
    near = close
    while not (open_sums[system.sum_of] & near[system.cell]).any():
        wider = near.copy()
        wider[system.cell[np.isin(system.sum_of, system.sum_of[near[system.cell]])]] = True
        if (wider == near).all():
            return np.empty(0, np.int64)
        near = wider
    inside = near[system.cell]
    links = sparse.csr_array(
        (np.ones(int(inside.sum())), (system.sum_of[inside], sums + system.cell[inside])),
        shape=(sums + system.size, sums + system.size),
    )
    group = connected_components(links, directed=False)[1][:sums]
    held = np.bincount(system.sum_of[inside], minlength=sums)
    persons = np.bincount(system.sum_of, weights=masked[system.cell] * system.persons[system.cell], minlength=sums)
    candidates = np.flatnonzero(open_sums & (held > 0))
    order = candidates[np.lexsort((candidates, persons[candidates], -held[candidates], group[candidates]))]
    _, best = np.unique(group[order], return_index=True)
    chosen = free[np.isin(system.sum_of[free], order[best])]
    _, first = np.unique(system.sum_of[chosen], return_index=True)
    return np.unique(system.cell[chosen[first]])


def _cover(system: System, secret: Flags, masked: Flags, k: int) -> Flags:
    """In each sum that tells too much, mask the next cell, to a fixed point.

    A sum tells too much when its total is known and its masked parts are one, or hold fewer than k persons: the part
    with the fewest persons (at least one; ties in key order) is masked too; failing parts, the total; failing that,
    zeros. Then whatever the whole system still determines is mended in the same way.
    """
    sums = len(system.labels)
    parts_only = ~system.total
    masked = _with_complements(system, masked)
    # Whether the complements stand for themselves depends on the counts; counts are settled first.
    while True:
        hidden = masked[system.cell]
        parts = np.bincount(system.sum_of, weights=hidden & parts_only, minlength=sums)
        persons = np.bincount(
            system.sum_of, weights=np.where(hidden & parts_only, system.persons[system.cell], 0), minlength=sums
        )
        total = np.bincount(system.sum_of, weights=hidden & system.total, minlength=sums) > 0
        free = ~hidden & ~system.told[system.cell]
        extensible = np.bincount(system.sum_of[free], minlength=sums) > 0
        exposed = np.where(total, parts == 0, (parts == 1) | ((parts > 1) & (persons < k))) & extensible
        if (exposed & ~system.of_complement).any():
            exposed &= ~system.of_complement
        if not exposed.any():
            found = _determined(system, masked) & (secret | ~system.complement)
            if not found.any():
                return masked
            exposed = _nearest(system, found, hidden, extensible)
            if not exposed.any():
                names = sorted({system.name(int(cell))[0] for cell in np.flatnonzero(found)})
                raise DisclosureError(f"{', '.join(names)}: a masked cell can be computed whatever else is masked")
        place = np.flatnonzero(free & exposed[system.sum_of])
        _, first = np.unique(system.sum_of[place], return_index=True)
        cells = system.cell[place[first]]
        masked[cells] = True
        masked[system.owner[cells]] = True  # a masked complement masks its count
        masked = _with_complements(system, masked)


def _nearest(system: System, found: Flags, hidden: Flags, extensible: Flags) -> Flags:
    """The sums to extend for cells that are determined: their own, or the nearest through masked cells."""
    reached = np.zeros(len(extensible), np.bool_)
    cells = found
    while True:
        touched = np.zeros_like(reached)
        touched[system.sum_of[cells[system.cell]]] = True
        if (touched & extensible).any() or (touched <= reached).all():
            return touched & extensible
        reached |= touched
        cells = np.zeros_like(found)
        cells[system.cell[hidden & reached[system.sum_of]]] = True


def _told_again(system: System, secret: Flags, cover: Flags, k: int) -> Flags:
    """The secret cells and those of the cover that cannot be told without determining a secret.

    A group of masked parts of one sum with fewer than k persons together is a secret too.
    """
    entries = cover[system.cell]
    unknown = np.flatnonzero(cover)
    if not len(unknown):
        return cover
    matrix, sums = _equations(system, entries, unknown)
    parts, label = connected_components(_linked(matrix), directed=False)
    part_of, part_of_sum = label[len(sums) :], label[: len(sums)]
    wanted = cover & ~secret & ~system.complement
    untold = cover.copy()
    order = np.lexsort((system.place[unknown], -system.persons[unknown], ~system.known[unknown]))
    by_part = order[np.argsort(part_of[order], kind="stable")]
    cut = np.searchsorted(part_of[by_part], np.arange(parts + 1))
    sums_by_part = np.argsort(part_of_sum, kind="stable")
    cut_sums = np.searchsorted(part_of_sum[sums_by_part], np.arange(parts + 1))
    small = system.persons[unknown] < k
    for part in range(parts):
        mine = by_part[cut[part] : cut[part + 1]]
        candidates = np.flatnonzero(wanted[unknown[mine]])
        if not len(candidates):
            continue
        rows = sums_by_part[cut_sums[part] : cut_sums[part + 1]]
        block = sparse.csr_array(matrix[rows][:, mine])
        basis = null_space(block)
        if basis.size > TELLABLE_LIMIT:
            continue
        groups = _small_groups(block, small[mine], system.persons[unknown[mine]], k)
        rows_of = np.concatenate([basis, groups @ basis % PRIME]) if groups.shape[0] else basis
        secrets = np.concatenate(
            [np.flatnonzero(secret[unknown[mine]]), len(basis) + np.flatnonzero(rows_of[len(basis) :].any(axis=1))]
        )
        told = tellable(np.ascontiguousarray(rows_of), secrets, candidates)
        untold[unknown[mine[candidates[told]]]] = False
    return untold & (secret | ~system.complement)


def _linked(matrix: sparse.csr_array) -> sparse.csr_array:
    """The graph of sums, then unknowns, with an edge where an unknown stands in a sum."""
    return sparse.csr_array(sparse.block_array([[None, matrix], [matrix.T, None]], format="csr", dtype=np.int64))


def _small_groups(block: sparse.csr_array, small: Flags, persons: Ints, k: int) -> sparse.csr_array:
    """`(groups, unknowns)`: per sum, its masked parts of fewer than k persons, where all of them are fewer than k."""
    entries = block.tocoo()
    chosen = (entries.data > 0) & small[entries.col]
    row, column = entries.row[chosen], entries.col[chosen]
    together = np.bincount(row, weights=persons[column], minlength=block.shape[0])
    several = (np.bincount(row, minlength=block.shape[0]) > 1) & (together < k)
    keep = several[row]
    kept, number = np.unique(row[keep], return_inverse=True)
    return sparse.csr_array(
        (np.ones(int(keep.sum()), np.int64), (number, column[keep])), shape=(len(kept), block.shape[1])
    )


def _reasons(system: System, secondary: Flags, masked: Flags, start: Flags) -> dict[int, str]:
    """Secondary cell -> the first sum that would give a masked cell back: of an unsafe one if there is one."""
    found: dict[int, str] = {}
    for others in (masked, start):
        number = np.bincount(system.sum_of[others[system.cell]], minlength=len(system.labels))
        place = np.flatnonzero(secondary[system.cell] & (number[system.sum_of] > others[system.cell]))
        cells, first = np.unique(system.cell[place], return_index=True)
        for cell, entry in zip(cells.tolist(), place[first].tolist(), strict=True):
            found[cell] = f"keeps a masked cell from being computed by the sum {system.labels[system.sum_of[entry]]}"
    return found


def _masks(system: System, primary: Flags, secondary: Flags, kept: Flags, because: Mapping[int, str]) -> list[Mask]:
    """The flags of each table in the order of its rows."""
    reasons: list[dict[tuple[int, int], str]] = [{} for _ in system.blocks]
    ends = np.array([block.offset + block.figures.size for block in system.blocks])
    cells = np.array(sorted(because), np.int64)
    for cell, number in zip(cells.tolist(), np.searchsorted(ends, cells, side="right").tolist(), strict=True):
        block = system.blocks[number]
        m, row = divmod(cell - block.offset, block.rows)
        if m < len(block.names):
            reasons[number][m, int(block.order[row])] = because[cell]
    each = zip(*(system.by_table(flags) for flags in (primary, secondary, kept)), strict=True)
    return [Mask(p, s, why, stays) for (p, s, stays), why in zip(each, reasons, strict=True)]


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


def _rounded(values: npt.NDArray[np.float64], base: int, k: int) -> npt.NDArray[np.float64]:
    known = ~np.isnan(values)
    result = values.copy()
    result[known] = round_counts(values[known].astype(np.int64), base, k)
    return result


def _emptied(column: pa.ChunkedArray, off: Flags) -> pa.Array:
    return pc.if_else(pa.array(off), pa.scalar(None, column.type), column.combine_chunks())
