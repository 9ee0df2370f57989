"""What a reader of every published table can deduce of masked counts, and of changes since the releases he kept.

The reader knows the rounding base, k, which sums hold, and that a row marked `increment` may repeat an earlier figure
from which fewer than k persons have moved. Where that contradicts the sums, some earlier figure stands for a further
reason: then any figure of a row with a reason may be an earlier one, and tells nothing of this month.

Protection asked (docs/decisions/0047-what-a-masked-count-may-tell.md): the interval of a masked count holds at least k
whole numbers; no group of masked parts of one total, and no change between two releases, is bounded within 1 to k - 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipeline.disclosure.bounds import Flags, Floats, Progress, bounds, within_few
from pipeline.disclosure.system import Cell, Equality, System, system_of
from pipeline.disclosure.tables import PROMISED, CountTable


@dataclass(frozen=True)
class Deduced:
    """The verdict on masked counts.

    Attributes:
        counts, groups: masked counts, and groups of masked parts of one shown total, that were looked at.
        exact: counts whose interval is known to the unit.
        certified: other counts, with two solutions far enough apart.
        open: counts and groups neither proven safe nor exposed.
        contradicted: counts of which nothing can be deduced, since the figures around contradict the sums.
        narrowest: whole numbers that the interval of every count holds at least; None where there is no count.
        exposed: counts and groups that can be deduced too closely.
        programmes: linear programmes solved.
    """

    counts: int
    groups: int
    exact: int
    certified: int
    open: int
    contradicted: int
    narrowest: int | None
    exposed: tuple[tuple[Cell, ...], ...]
    programmes: int


class Published:
    """The published tables of one release as intervals and sums.

    Attributes:
        system: cells and sums; matrix: `(sums, cells)`, every sum with a total: those that no table holds come last.
        low, high: float64 `(cells,)`, what each figure says by itself.
        secret: bool `(cells,)`, counts promised to be masked.
        marked, reasoned: bool `(cells,)`, shown in a row marked `increment`; in a row with any reason.
    """

    def __init__(self, tables: Sequence[CountTable], equalities: Iterable[Equality], k: int, base: int) -> None:
        self.k, self.base = k, base
        self.system = system = system_of(tables, equalities, k=k, published=True)
        amount = system.counter >= 0
        self.low, self.high = unrounded_counts(system.values, base, k)
        self.low[amount], self.high[amount] = system.values[amount], system.values[amount]
        reason = _reasons(system)
        masked = system.absent & ~system.complement
        # Empty without a reason: a figure that does not exist, which adds nothing.
        nothing = masked & (reason == "")
        unknown = system.absent & ~nothing
        self.low[unknown], self.high[unknown] = np.where(amount[unknown], -np.inf, 0.0), np.inf
        self.low[nothing] = self.high[nothing] = 0.0
        self.secret = masked & np.isin(reason, PROMISED) & ~amount
        self.marked = ~system.absent & (reason == "increment")
        self.reasoned = ~system.absent & (reason != "")
        self.whole = ~amount
        without = np.flatnonzero(~system.has_total)
        column = sparse.csr_array(
            (-np.ones(len(without)), (without, np.arange(len(without)))), shape=(len(system.labels), len(without))
        )
        self.matrix = sparse.csr_array(sparse.hstack([system.matrix, column], format="csr"))
        low, high = _totals_of_shares(system, without, base, k)
        self.low, self.high = np.concatenate([self.low, low]), np.concatenate([self.high, high])
        more = np.zeros(len(without), np.bool_)
        self.secret, self.marked, self.reasoned = (
            np.concatenate([flags, more]) for flags in (self.secret, self.marked, self.reasoned)
        )
        self.whole = np.concatenate([self.whole, ~more])


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


def deduce(published: Published, *, start: Floats | None = None, progress: Progress | None = None) -> Deduced:
    """Bound every masked count of a release, and every group of masked parts of one shown total.

    Args:
        published: the release.
        start: true figures of `published.system`, NaN where unknown; only spares time.
        progress: told how many are settled.
    """
    k, secret = published.k, published.secret
    matrix, groups = _with_groups(published.matrix, secret, np.isfinite(published.high))
    extra = len(groups)
    low = np.concatenate([published.low, np.zeros(extra)])
    high = np.concatenate([published.high, np.full(extra, np.inf)])
    asked = np.concatenate([np.full(len(secret), k - 1.0), np.full(extra, np.inf)])
    few = np.concatenate([np.full(len(secret), np.inf), np.full(extra, float(k))])
    question = np.concatenate([secret, np.ones(extra, np.bool_)])
    whole = np.concatenate([published.whole, np.ones(extra, np.bool_)])
    marked, reasoned = (np.concatenate([f, np.zeros(extra, np.bool_)]) for f in (published.marked, published.reasoned))

    low = np.where(marked, np.maximum(low - (k - 1), 0), low)
    high = np.where(marked, high + (k - 1), high)
    possible = bounds(matrix, low, high, np.zeros_like(question), start=start, whole=whole).possible
    freed = reasoned & ~possible
    low, high = np.where(freed, 0, low), np.where(freed, np.inf, high)
    found = bounds(matrix, low, high, question, asked=asked, few=few, start=start, whole=whole, progress=progress)
    exposed = question & found.possible & (
        (found.outer_high - found.outer_low < asked) & np.isfinite(asked)
        | within_few(found.outer_low, found.outer_high, few) & np.isfinite(few)
    )  # fmt: skip
    with np.errstate(invalid="ignore"):
        wide = _then_none(secret, extra) & (found.high - found.low >= asked)
        many = np.isfinite(few) & (
            ((found.low <= 0) & (found.high >= 0)) | (found.high >= few) | found.exact & ~exposed
        )
    exact = found.exact & _then_none(secret, extra)
    safe = wide | many
    widths = (found.high - found.low)[_then_none(secret, extra) & found.possible]
    names = published.system.name
    return Deduced(
        counts=int(secret.sum()),
        groups=extra,
        exact=int(exact.sum()),
        certified=int((wide & ~exact).sum()),
        open=int((question & found.possible & ~safe & ~exposed).sum()),
        contradicted=int((_then_none(secret, extra) & ~found.possible).sum()),
        narrowest=int(np.nanmin(widths)) + 1 if np.isfinite(widths).any() else None,
        exposed=tuple(
            tuple(names(int(c)) for c in ([cell] if cell < len(secret) else groups[cell - len(secret)]))
            for cell in np.flatnonzero(exposed)
        ),
        programmes=found.programmes,
    )


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
