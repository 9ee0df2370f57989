"""What a reader of every published table can deduce of masked counts, and of changes since the releases he kept.

The reader knows the rounding base, k, which sums hold, and that a row marked `increment` may repeat an earlier figure
from which fewer than k persons have moved. Where that contradicts the sums, some earlier figure stands for a further
reason: then any figure of a row with a reason may be an earlier one, and tells nothing of this month.

Protection asked (docs/decisions/0047-what-a-masked-count-may-tell.md): no masked count is known better than a published
one; no masked count, no group of masked parts of one total, and no change between two releases is bounded within 1 to
k - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy import optimize, sparse

from pipeline.disclosure.bounds import Flags, Floats, Progress, bounds, within_few
from pipeline.disclosure.facts import Sums
from pipeline.disclosure.system import Cell, Equality, System, system_of
from pipeline.disclosure.tables import PROMISED, CountTable

_PRICE = 1e-9
"""Persons per person: a reduced cost under this is the rounding of a programme whose costs are 0 and 1."""


@dataclass(frozen=True)
class Taken:
    """Values that the cells of a system are known to take in whole solutions; with more cells masked they still do.

    Attributes:
        low, high: float64 `(cells,)`, the least and the greatest; NaN where none is known.
        groups: masked parts of one shown total -> the same of their sum.
    """

    low: Floats
    high: Floats
    groups: Mapping[tuple[int, ...], tuple[float, float]]

    def with_groups(self, groups: Sequence[np.ndarray]) -> tuple[Floats, Floats]:
        """The values of the cells, followed by those of these groups."""
        listed = [self.groups.get(tuple(group.tolist()), (np.nan, np.nan)) for group in groups]
        more = np.array(listed, np.float64).reshape(-1, 2)
        return np.concatenate([self.low, more[:, 0]]), np.concatenate([self.high, more[:, 1]])


@dataclass(frozen=True)
class Deduced:
    """The verdict on masked counts.

    Attributes:
        counts, groups: masked counts, and groups of masked parts of one shown total, that were looked at.
        exact: counts whose interval is known to the unit.
        certified: other counts, with two solutions far enough apart.
        open: counts and groups neither proven safe nor exposed.
        contradicted: counts of which nothing can be deduced, since the figures around contradict the sums.
        narrowest: whole numbers that the interval of every count holds at least (at most, where one is exposed); None
            where there is no count.
        exposed, numbers: counts and groups that can be deduced too closely: names, and numbers in the system.
        programmes: linear programmes solved.
        taken: what was found on the way.
    """

    counts: int
    groups: int
    exact: int
    certified: int
    open: int
    contradicted: int
    narrowest: int | None
    exposed: tuple[tuple[Cell, ...], ...]
    numbers: tuple[tuple[int, ...], ...]
    programmes: int
    taken: Taken


class Reading:
    """What a reader has of one release: its cells as intervals, and the sums.

    Attributes:
        system: cells and sums; matrix: `(sums, cells)`, every sum with a total: those that no table holds come last.
        low, high: float64 `(cells,)`, what each figure says by itself.
        secret: bool `(cells,)`, counts promised to be masked.
        marked, reasoned: bool `(cells,)`, shown in a row marked `increment`; in a row with any reason.
        whole: bool `(cells,)`, counts.
        start: float64 `(cells,)`, the true figures, where they are at hand.
    """

    def __init__(self, tables: Sequence[CountTable], equalities: Iterable[Equality], k: int, base: int) -> None:
        """The published tables: an empty cell is masked if its row gives a reason, else it does not exist."""
        self._read(system_of(tables, equalities, k=k, published=True), k, base)
        system = self.system
        reason = _reasons(system)
        self.marked = ~system.absent & (reason == "increment")
        self.reasoned = ~system.absent & (reason != "")
        hidden = system.absent & (system.complement | (reason != ""))
        self._hide(hidden, hidden & ~system.complement & np.isin(reason, PROMISED))
        self._add_totals(*_totals_of_shares(system, self.without, base, k))

    @classmethod
    def of_release(
        cls, tables: Mapping[str, pa.Table], sums: Mapping[str, Sums], between: Iterable[Equality], k: int, base: int
    ) -> Reading:
        """The published tables of a release, with the sums that its manifest declares."""
        declared = [each.count_table(name, tables[name]) for name, each in sorted(sums.items()) if each.measures]
        return cls(declared, between, k, base)

    @classmethod
    def before(cls, system: System, masked: Flags, k: int, base: int) -> Reading:
        """Tables about to be published with these cells masked. Totals that no table holds are taken for known."""
        self = cls.__new__(cls)
        self._read(system, k, base)
        self.marked, self.reasoned = np.zeros_like(masked), np.zeros_like(masked)
        true = np.nan_to_num(system.values)
        self._hide(masked | (system.complement & ~system.absent), masked & ~system.complement)
        total = np.asarray(system.matrix @ true)[self.without]
        self._add_totals(total, total)
        self.start = np.concatenate([true, total])
        return self

    def _read(self, system: System, k: int, base: int) -> None:
        self.system, self.k, self.base = system, k, base
        self.whole = system.counter < 0
        low, high = unrounded_counts(system.values, base, k)
        low, high = (np.where(self.whole, end, system.values) for end in (low, high))
        self.low, self.high = np.nan_to_num(low), np.nan_to_num(high)
        self.without = np.flatnonzero(~system.has_total)
        self.start: Floats | None = None

    def _hide(self, hidden: Flags, secret: Flags) -> None:
        self.low = np.where(hidden, np.where(self.whole, 0.0, -np.inf), self.low)
        self.high = np.where(hidden, np.inf, self.high)
        self.secret = secret & self.whole

    def _add_totals(self, low: Floats, high: Floats) -> None:
        sums, more = len(self.system.labels), len(self.without)
        column = sparse.csr_array((-np.ones(more), (self.without, np.arange(more))), shape=(sums, more))
        self.matrix = sparse.csr_array(sparse.hstack([self.system.matrix, column], format="csr"))
        self.low, self.high = np.concatenate([self.low, low]), np.concatenate([self.high, high])
        self.secret, self.marked, self.reasoned = (
            _then_none(flags, more) for flags in (self.secret, self.marked, self.reasoned)
        )
        self.whole = np.concatenate([self.whole, np.ones(more, np.bool_)])

    def widened(self) -> tuple[Floats, Floats]:
        """What each figure says of this month: one that may stand for an earlier one, to k - 1 persons."""
        low = np.where(self.marked, np.maximum(self.low - (self.k - 1), 0), self.low)
        return low, np.where(self.marked, self.high + (self.k - 1), self.high)


def _reasons(system: System) -> np.ndarray:
    reason = np.full(system.size, "", object)
    for block in system.blocks:
        if "suppression_reason" in block.frame:
            mine = block.frame["suppression_reason"].fillna("").to_numpy(object)
            reason[block.offset : block.offset + block.figures.size] = np.tile(mine, len(block.figures))
    return reason


def _totals_of_shares(system: System, sums: np.ndarray, base: int, k: int) -> tuple[Floats, Floats]:
    """What the published shares tell of totals that have no row: a share is a count over its total."""
    entries, low, high = system.matrix, np.zeros(len(sums)), np.full(len(sums), np.inf)
    told = np.full(system.size, np.nan)
    for block in system.blocks:
        if "share" in block.frame and "n" in block.names:
            with np.errstate(divide="ignore", invalid="ignore"):
                total = np.round(block.column("n") / block.column("share"))
            for m in range(len(block.names)):
                told[block.cell(m, np.arange(block.rows))] = total
    for place, row in enumerate(sums):
        seen = told[entries.indices[entries.indptr[row] : entries.indptr[row + 1]]]
        seen = seen[np.isfinite(seen)]
        if len(seen):
            one, other = unrounded_counts(seen[:1], base, k)
            low[place], high[place] = one[0], other[0]
    return low, high


def unrounded_counts(values: Floats, base: int, k: int) -> tuple[Floats, Floats]:
    """Smallest and largest count that `tables.round_counts` publishes as each value.

    Args:
        values: published counts; NaN stays NaN.
        base: rounding base. A value that is no multiple of it stands for itself.
        k: least persons.
    """
    floor = -(-k // base) * base
    # `round_counts` takes a count to the nearest multiple, halves up, and nothing but zero under the floor.
    low, high = values - base // 2, values + (base - 1) // 2
    low = np.where(values == floor, k, np.maximum(low, k))
    itself = np.isnan(values) | (values % base != 0) | (values < floor) | (base == 1)
    return np.where(itself, values, low), np.where(itself, values, high)


@dataclass(frozen=True)
class TooClose:
    """What readers of some tables would bound too closely.

    Attributes:
        cells: bool `(cells,)`, the masked counts, alone or as the masked parts of a total.
        binding: for each group of such counts that no sum ties to another one, the cells whose figures bind it: with
            any of them masked, it could be more.
        taken: what was found on the way.
    """

    cells: Flags
    binding: Sequence[np.ndarray]
    taken: Taken | None


def too_close(system: System, masked: Flags, k: int, base: int, *, taken: Taken | None = None) -> TooClose:
    """Masked counts that readers of these tables would bound too closely.

    Args:
        system: of the true tables.
        masked: bool `(cells,)`, complements left out.
        k: least persons.
        base: rounding base.
        taken: found with these cells masked, or fewer.
    """
    found = np.zeros(system.size, np.bool_)
    if not masked[system.cell].any():
        return TooClose(found, [], taken)
    reading = Reading.before(system, masked, k, base)
    binding, seen = [], np.zeros(len(system.labels), np.bool_)
    verdict = deduce(reading, taken=taken)
    for cells in verdict.numbers:
        found[list(cells)] = True
        sums = system.sum_of[np.isin(system.cell, list(cells))]
        if not seen[sums].any():
            binding.append(_binding(reading, cells)[: system.size])
        seen[sums] = True
    return TooClose(found, [np.flatnonzero(each) for each in binding], verdict.taken)


def _binding(reading: Reading, cells: Sequence[int]) -> Flags:
    """Figures at whose bounds the largest value of these cells together rests: those with a reduced cost."""
    objective = np.zeros(len(reading.low))
    objective[list(cells)] = -1.0
    found = optimize.linprog(  # type: ignore[call-overload]  # the stubs know no sparse matrix
        objective, A_eq=reading.matrix, b_eq=np.zeros(reading.matrix.shape[0]),
        bounds=np.stack([reading.low, reading.high], axis=1), method="highs",
    )  # fmt: skip
    if found.lower is None or found.upper is None:
        return np.zeros(len(objective), np.bool_)
    price = np.abs(found.lower.marginals) + np.abs(found.upper.marginals)
    return np.asarray(price > _PRICE)


def deduce(reading: Reading, *, taken: Taken | None = None, progress: Progress | None = None) -> Deduced:
    """Bound every masked count of a release, and every group of masked parts of one shown total.

    Args:
        reading: the release.
        taken: found on the same figures, or on more of them.
        progress: told how many are settled.
    """
    k, secret = reading.k, reading.secret
    matrix, groups = _with_groups(reading.matrix, secret, np.isfinite(reading.high))
    extra = len(groups)
    low, high = reading.widened()
    low, high = np.concatenate([low, np.zeros(extra)]), np.concatenate([high, np.full(extra, np.inf)])
    # Of a group only that it is not of 1 to k - 1 is asked, which a width of k - 1 shows.
    asked = np.concatenate([np.full(len(secret), least_values(reading.base) - 1.0), np.full(extra, k - 1.0)])
    single, few = _then_none(np.ones(len(secret), np.bool_), extra), float(k)
    question = np.concatenate([secret, np.ones(extra, np.bool_)])
    whole = np.concatenate([reading.whole, np.ones(extra, np.bool_)])
    reasoned = _then_none(reading.reasoned, extra)

    start = None
    if reading.start is not None:
        start = np.concatenate([reading.start, [reading.start[group].sum() for group in groups]])
    low, high = _without_contradiction(matrix, low, high, reasoned, 0.0, start, whole)
    found = bounds(
        matrix, low, high, question, asked=asked, few=few, start=start, whole=whole, progress=progress,
        taken=None if taken is None else taken.with_groups(groups),
    )  # fmt: skip
    exposed = question & found.possible & (
        single & (found.outer_high - found.outer_low < asked)
        | within_few(found.outer_low, found.outer_high, few)
    )  # fmt: skip
    with np.errstate(invalid="ignore"):
        wide = question & (found.high - found.low >= asked)
        many = ((found.low <= 0) & (found.high >= 0)) | (found.high >= few)
    exact = found.exact & _then_none(secret, extra)
    safe = np.where(single, wide & many, wide | many) | found.exact & ~exposed
    # Of what is exposed the attacker's interval is at most this wide; of everything else, at least.
    widths = np.where(exposed, found.outer_high - found.outer_low, found.high - found.low)
    widths = widths[_then_none(secret, extra) & found.possible]
    numbers = tuple(
        (int(cell),) if cell < len(secret) else tuple(groups[cell - len(secret)].tolist())
        for cell in np.flatnonzero(exposed)
    )
    return Deduced(
        counts=int(secret.sum()),
        groups=extra,
        exact=int(exact.sum()),
        certified=int((wide & ~exact & _then_none(secret, extra)).sum()),
        open=int((question & found.possible & ~safe & ~exposed).sum()),
        contradicted=int((_then_none(secret, extra) & ~found.possible).sum()),
        narrowest=int(np.nanmin(widths)) + 1 if np.isfinite(widths).any() else None,
        exposed=tuple(tuple(reading.system.name(cell) for cell in cells) for cells in numbers),
        numbers=numbers,
        programmes=found.programmes,
        taken=_taken(np.where(question, found.low, np.nan), np.where(question, found.high, np.nan), groups),
    )


def _taken(low: Floats, high: Floats, groups: Sequence[np.ndarray]) -> Taken:
    """Of the cells, and of the groups that follow them."""
    cells = len(low) - len(groups)
    ends = zip(low[cells:].tolist(), high[cells:].tolist(), strict=True)
    named = {tuple(group.tolist()): each for group, each in zip(groups, ends, strict=True)}
    return Taken(low[:cells], high[:cells], named)


def least_values(base: int) -> int:
    """Whole numbers that a masked count may be, at least: as many as a published one, and never one alone."""
    return max(base, 2)


def _then_none(secret: Flags, extra: int) -> Flags:
    """The flags of the cells, followed by none for the groups."""
    return np.concatenate([secret, np.zeros(extra, np.bool_)])


def _with_groups(matrix: sparse.csr_array, secret: Flags, shown: Flags) -> tuple[sparse.csr_array, list[np.ndarray]]:
    """Add, for each sum with a shown total and several masked parts, these parts together as one more cell."""
    entries = sparse.coo_array(matrix)
    rows = entries.shape[0]
    hidden = secret[entries.col] & (entries.data > 0)
    known = np.bincount(entries.row[(entries.data < 0) & shown[entries.col]], minlength=rows) > 0
    several = known & (np.bincount(entries.row[hidden], minlength=rows) > 1)
    chosen = hidden & several[entries.row]
    order = np.lexsort((entries.col[chosen], entries.row[chosen]))
    row, col = entries.row[chosen][order], entries.col[chosen][order]
    listed = np.split(col, np.flatnonzero(np.diff(row)) + 1) if len(row) else []
    distinct = list({tuple(group.tolist()): group for group in listed}.values())
    if not distinct:
        return matrix, []
    number = np.repeat(np.arange(len(distinct)), [len(group) for group in distinct])
    inside = sparse.csr_array(
        (np.ones(len(number)), (number, np.concatenate(distinct))), shape=(len(distinct), matrix.shape[1])
    )
    block = sparse.block_array([[matrix, None], [inside, -sparse.eye_array(len(distinct))]], format="csr")
    return sparse.csr_array(block), distinct


@dataclass(frozen=True)
class Changes:
    """The verdict on what moved since an earlier release.

    Attributes:
        looked: counts of both releases, and groups of those not shown in both.
        exposed: those that moved, for certain, by 1 to k - 1 persons; where the truth is at hand, those that truly did.
        open: those of which neither is proven.
    """

    looked: int
    exposed: tuple[tuple[Cell, ...], ...]
    open: int


def deduce_changes(
    now: Reading, before: Reading, *, moved: Callable[[Sequence[Cell]], Floats] | None = None
) -> Changes:
    """Bound by how much every count, and every group of hidden parts of one total, moved since an earlier release.

    The reader subtracts the two systems: the changes add up like the counts, wherever a sum holds in both. Of a figure
    that may stand for an earlier one he knows the change to k - 1 persons.

    Args:
        now: the later release.
        before: an earlier one.
        moved: by how much each of these cells truly moved, NaN where that is not known. Who takes a change for one of 1
            to k - 1 persons that is not (the figure stands from an earlier release) is wrong: true ones alone are
            bounded.
    """
    k, theirs, others = now.k, before.system.number, _other_members(now, before)
    pairs = [
        (mine, theirs[name])
        for name, mine in now.system.number.items()
        if name in theirs and (name[0], name[1]) not in others
    ]
    both = np.array([(m, t) for m, t in pairs if now.whole[m] and before.whole[t]], np.int64).reshape(-1, 2)
    mine, other = both[:, 0], both[:, 1]
    matrix = _common_sums(now, before, mine, other)
    (now_low, now_high), (then_low, then_high) = now.widened(), before.widened()
    low, high = now_low[mine] - then_high[other], now_high[mine] - then_low[other]
    shown = np.isfinite(now_high[mine]) & np.isfinite(then_high[other])
    stands = shown & now.marked[mine] & (now.system.values[mine] == before.system.values[other])
    low, high = np.where(stands, 1.0 - k, low), np.where(stands, k - 1.0, high)
    low, high = np.where(shown, low, -np.inf), np.where(shown, high, np.inf)
    matrix, groups = _with_groups(matrix, ~shown | stands, shown)
    extra = len(groups)
    few = float(k)
    low, high = np.concatenate([low, np.full(extra, -np.inf)]), np.concatenate([high, np.full(extra, np.inf)])
    loose = np.concatenate([now.reasoned[mine] | before.reasoned[other], np.zeros(extra, np.bool_)])
    start, question = None, np.ones(len(low), np.bool_)
    if moved is not None:
        alone = moved([now.system.name(int(cell)) for cell in mine])
        start = np.concatenate([alone, [alone[group].sum() for group in groups]])
        question = (np.abs(start) > 0) & (np.abs(start) < k)
    low, high = _without_contradiction(matrix, low, high, loose, -np.inf, start, None)
    found = bounds(matrix, low, high, question, asked=k - 1.0, few=few, start=start)
    exposed = question & found.possible & within_few(found.outer_low, found.outer_high, few)
    many = ((found.low <= 0) & (found.high >= 0)) | (found.high >= few) | (found.low <= -few) | found.exact
    many |= found.high - found.low >= k - 1
    return Changes(
        looked=len(low),
        exposed=tuple(
            tuple(now.system.name(int(mine[c])) for c in ([cell] if cell < len(mine) else groups[cell - len(mine)]))
            for cell in np.flatnonzero(exposed)
        ),
        open=int((question & found.possible & ~exposed & ~many).sum()),
    )


def _other_members(now: Reading, before: Reading) -> set[tuple[str, tuple[str, ...]]]:
    """(table, key) of the rows that tell others together than they did: under the same name, another group."""
    first, second = (
        {(block.table.name, key): members for block in reading.system.blocks
         for key, members in block.table.pooled.items()}
        for reading in (now, before)
    )  # fmt: skip
    return {name for name, members in first.items() if second.get(name, members) != members}


def _common_sums(now: Reading, before: Reading, mine: np.ndarray, other: np.ndarray) -> sparse.csr_array:
    """The sums that both releases declare over the same cells, `(sums, common cells)`."""

    def rows(reading: Reading, cells: np.ndarray) -> dict[tuple[tuple[int, ...], tuple[int, ...]], None]:
        place = np.full(reading.matrix.shape[1], -1, np.int64)
        place[cells] = np.arange(len(cells))
        listed = sparse.csr_array(reading.matrix)
        listed.sort_indices()
        found: dict[tuple[tuple[int, ...], tuple[int, ...]], None] = {}
        for row in range(listed.shape[0]):
            part = slice(listed.indptr[row], listed.indptr[row + 1])
            at = place[listed.indices[part]]
            if (at >= 0).all():
                order = np.argsort(at)
                found[tuple(at[order].tolist()), tuple(listed.data[part][order].tolist())] = None
        return found

    theirs = rows(before, other)
    kept = [row for row in rows(now, mine) if row in theirs]
    number = np.repeat(np.arange(len(kept)), [len(cells) for cells, _ in kept])
    cells = np.array([cell for each, _ in kept for cell in each], np.int64)
    signs = np.array([sign for _, each in kept for sign in each], np.float64)
    return sparse.csr_array((signs, (number, cells)), shape=(len(kept), len(mine)))


def _without_contradiction(
    matrix: sparse.csr_array, low: Floats, high: Floats, loose: Flags, least: float, start: Floats | None,
    whole: Flags | None,
) -> tuple[Floats, Floats]:  # fmt: skip
    """Where the figures contradict the sums, those that may be earlier ones say nothing."""
    if not loose.any():
        return low, high
    possible = bounds(matrix, low, high, np.zeros(len(low), np.bool_), start=start, whole=whole).possible
    freed = loose & ~possible
    return np.where(freed, least, low), np.where(freed, np.inf, high)
