"""What an attacker can deduce of every masked cell from all the others together: linear programming.

The attacker knows that each cell lies in an interval (a published count: those that rounding publishes as that figure;
a masked one: anything) and that the sums hold. What he can deduce of a cell is the smallest and the largest value it
takes in any solution (Hundepool et al., Statistical Disclosure Control, 2012, section 4.3.1: the disclosure audit).
Counts are whole numbers.

Two linear programmes a cell would do, and are far too many. Three things spare most of them:

* Every solution found widens what is known of every cell in it. A programme that rewards each cell for the width asked
  and no further settles many cells at once. A solution counts only if it is checked in whole numbers, so that
  a width is never credited to a rounding of floating point.
* A system too large is solved around the cell: with everything beyond some sums fixed at a known solution the answer is
  too narrow, with the sums beyond left out it is too wide. Between the two lies what the attacker can deduce; the
  neighbourhood grows until they meet, the inner one is wide enough, or the outer one too narrow.
* What interval propagation settles needs no programme.

HiGHS solves them, through scipy. Nothing depends on time: budgets are numbers of cells and of nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy import optimize, sparse
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Progress = Callable[[int, int], None]
"""Called with (cells settled, cells in all)."""

WHOLE_LIMIT = 6_000
"""Largest number of free cells of one programme that has a single cell for its objective."""
SPREAD_LIMIT = 40_000
"""Largest component of which many cells are pushed at once with all figures around free to move."""
MOST_APART = 8
"""Programmes that settle many cells at once push every one of them, every second, fourth …, at most every so many."""
WORTHWHILE = 1_000
"""They go on while two in a row (up, down) settle one cell for this many that they hold: one by one costs more."""
NODES = 500
"""Branch-and-bound nodes of one programme in whole numbers, at most."""
COMPLETE_FIRST = 600
"""A component up to this many free cells is solved whole at once; of a larger one, neighbourhoods first."""
FIRST_REACH = 2
"""Sums between a cell and the edge of its first neighbourhood."""
SLACK = 1e-6


@dataclass(frozen=True)
class Bounds:
    """What can be deduced of each cell, `(cells,)` each; given back as they came for cells that are not masked.

    Attributes:
        low, high: values that the cell takes in solutions checked in whole numbers: the attacker's interval holds at
            least these. NaN where no solution was found.
        outer_low, outer_high: the attacker's interval holds at most these.
        possible: whether the sums and the intervals around the cell have a solution at all; where not, the attacker is
            wrong about something and learns nothing.
        programmes: linear programmes solved.
    """

    low: Floats
    high: Floats
    outer_low: Floats
    outer_high: Floats
    possible: Flags
    programmes: int

    @property
    def exact(self) -> Flags:
        """Cells whose interval is the attacker's, to the unit: both ends are reached and neither can be passed."""
        return np.asarray((self.low == self.outer_low) & (self.high == self.outer_high))


def bounds(
    matrix: sparse.csr_array,
    low: Floats,
    high: Floats,
    masked: Flags,
    *,
    asked: Floats | float = np.inf,
    few: Floats | float = np.inf,
    start: Floats | None = None,
    whole: Flags | None = None,
    taken: tuple[Floats, Floats] | None = None,
    progress: Progress | None = None,
) -> Bounds:
    """The attacker's interval of every masked cell.

    Args:
        matrix: `(sums, cells)`, parts +1 and total -1: each row adds up to zero.
        low: `(cells,)`, the least that each cell can be without the sums; may be infinite.
        high: the same upwards. An end of the answer far beyond every finite figure stands for no end.
        masked: bool `(cells,)`, the cells in question.
        asked: `(cells,)` or one number; a cell is not looked at further once its interval is proven this wide, or
            proven narrower. Infinite: every interval to its ends.
        few: `(cells,)` or one number; of these cells it is asked instead whether the interval lies within 1 to few - 1,
            or within its mirror image below zero (see `within_few`). Infinite: of none.
        start: `(cells,)`, a solution (the true figures, where the caller has them; NaN = not at hand); left aside in
            components where it is none.
        whole: bool `(cells,)`, cells that are whole numbers; None = all.
        taken: `(cells,)` each, least and greatest value that each cell is known to take in whole solutions; NaN = none.
        progress: told how far it is.

    Returns:
        See `Bounds`. With `asked` infinite and no component above `WHOLE_LIMIT` free cells, every interval is exact
        unless branch and bound runs out of nodes.
    """
    audit = _Audit(matrix, low, high, masked, asked, few, whole, progress or (lambda done, total: None))
    audit.find_solution(start)
    if taken is not None:
        audit.widen(np.arange(len(low)), *taken)
    audit.settle()
    return audit.answer(low, high)


def within_few(low: Floats, high: Floats, few: Floats | float) -> Flags:
    """Intervals that tell of a group, or of a change, that it is of somebody and of fewer than `few` persons."""
    return np.asarray(((low >= 1) & (high < few)) | ((high <= -1) & (low > -np.asarray(few))))


@dataclass(frozen=True)
class _Block:
    """Some cells, the sums that touch them, these sums over these cells, and what the other cells add to each."""

    cells: Ints
    rows: Ints
    matrix: sparse.csr_array
    fixed: Floats


class _Audit:
    def __init__(
        self, matrix: sparse.csr_array, low: Floats, high: Floats, masked: Flags, asked: Floats | float,
        few: Floats | float, whole: Flags | None, progress: Progress,
    ) -> None:  # fmt: skip
        self.matrix: sparse.csr_array = matrix.astype(np.float64)
        self.columns = sparse.csc_array(self.matrix)
        self.whole = np.ones(len(low), np.bool_) if whole is None else whole
        self.masked, self.progress = masked, progress
        self.asked = np.broadcast_to(np.asarray(asked, np.float64), low.shape)
        self.few = np.broadcast_to(np.asarray(few, np.float64), low.shape)
        self.programmes = 0
        wanted = np.concatenate([self.asked, self.few])
        finite = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)], [1.0]])
        # No vertex of sums of published figures lies this far out, so that an end here stands for no end; and it is
        # wider than any width asked, where nothing is published.
        self.far = 4.0 * (np.abs(finite).sum() + wanted[np.isfinite(wanted)].max(initial=0.0))
        given = np.where(self.whole, np.ceil(low - SLACK), low), np.where(self.whole, np.floor(high + SLACK), high)
        self.low, self.high = np.maximum(given[0], -self.far), np.minimum(given[1], self.far)
        self.together = together = self._components(self.low < self.high)
        sums = self.matrix
        broken = _propagate(sums.indptr, sums.indices, sums.data, self.low, self.high, self.whole)
        around = sums[np.flatnonzero(broken)].indices
        self.impossible = (together >= 0) & np.isin(together, together[around])
        self.part = parts = self._components((self.low < self.high) & ~self.impossible)
        self.sizes = np.bincount(parts[parts >= 0], minlength=1)
        self.blocks: dict[int, _Block] = {}
        self.point: Floats = np.full(len(low), np.nan)
        self.inner_low, self.inner_high = np.full(len(low), np.nan), np.full(len(low), np.nan)

    def _components(self, free: Flags) -> Ints:
        """Component of each free cell through the sums, -1 for the others."""
        result = np.full(len(free), -1, np.int64)
        if not free.any():
            return result
        inside = self.matrix[:, np.flatnonzero(free)]
        linked = sparse.csr_array(
            sparse.block_array([[None, inside], [inside.T, None]], format="csr", dtype=np.float64)
        )
        _, label = connected_components(linked, directed=False)
        result[free] = np.unique(label[inside.shape[0] :], return_inverse=True)[1]
        return result

    # ---- one programme

    def _programme(
        self, around: _Block, objective: Floats, low: Floats, high: Floats, *, whole: bool
    ) -> tuple[Floats | None, float, bool]:
        """Minimise over some cells and sums.

        Returns:
            The solution or None, a bound no solution goes under, and whether there certainly is no solution.
        """
        self.programmes += 1
        found = optimize.milp(
            objective,
            constraints=optimize.LinearConstraint(around.matrix, -around.fixed, -around.fixed),
            bounds=optimize.Bounds(low, high),
            integrality=self.whole[around.cells].astype(np.int64) if whole else None,
            options={"node_limit": NODES} if whole else {},
        )
        if found.status == 2:
            return None, np.inf, True
        bound = found.mip_dual_bound if whole else found.fun
        return found.x, -np.inf if bound is None else float(bound), False

    def _checked(self, around: _Block, x: Floats, low: Floats, high: Floats) -> Floats | None:
        """The solution in whole numbers if rounding it is one."""
        whole = self.whole[around.cells]
        exact = np.where(whole, np.round(x), x)
        slack = np.where(whole, 0.0, SLACK * self.far)
        if (exact < low - slack).any() or (exact > high + slack).any():
            return None
        exact = np.where(whole, exact, np.clip(exact, low, high))
        return None if self._broken(around.matrix, around.fixed, exact, whole).any() else exact

    def _broken(self, matrix: sparse.csr_array, fixed: Floats, x: Floats, whole: Flags) -> Flags:
        """Sums that do not hold: exactly where all is whole, else to the precision of the programme."""
        rest = np.abs(matrix @ x + fixed)
        amounts = np.zeros(len(rest)) if whole.all() else np.asarray(abs(matrix) @ (~whole).astype(np.float64))
        return np.asarray(rest > np.where(amounts > 0, SLACK * self.far, 0.0))

    # ---- a solution to start from

    def find_solution(self, start: Floats | None) -> None:
        free = (self.low < self.high) & ~self.impossible
        self.point = np.where(free | self.impossible, np.nan, self.low)
        if start is not None:
            self._take(free, start)
        alone = free & np.isnan(self.point) & (np.diff(self.columns.indptr) == 0)
        self.point[alone] = self.low[alone]
        for part in np.unique(self.part[free & np.isnan(self.point)]):
            around = self._component(int(part))
            cells = around.cells
            low, high = self.low[cells], self.high[cells]
            for whole in (False, True):
                x, _, none = self._programme(around, np.zeros(len(cells)), low, high, whole=whole)
                made = None if x is None else self._checked(around, x, low, high)
                if made is not None:
                    self.point[cells] = made
                if none:
                    self.impossible |= self.together == self.together[cells[0]]
                if none or made is not None:
                    break
        self.inner_low, self.inner_high = self.point.copy(), self.point.copy()

    def _take(self, free: Flags, start: Floats) -> None:
        """Take a given solution, component by component: wherever it is one."""
        given = np.where(free, start, self.low)
        outside = ~((given >= self.low - SLACK) & (given <= self.high + SLACK))
        wrong = np.abs(self.matrix @ np.where(outside, 0.0, given)) > SLACK
        spoilt = np.zeros(len(self.sizes), np.bool_)
        spoilt[self.part[outside & free]] = True
        touched = self.part[self.matrix[np.flatnonzero(wrong)].indices]
        spoilt[touched[touched >= 0]] = True
        good = free & ~spoilt[self.part]
        self.point[good] = given[good]

    def _rows_of(self, cells: Ints) -> Ints:
        return np.asarray(np.unique(self.columns[:, cells].indices), np.int64)

    def _fixed(self, rows: Ints, cells: Ints) -> Floats:
        """What the cells that do not move add to each sum."""
        still = np.nan_to_num(self.point)
        still[cells] = 0.0
        return np.asarray(self.matrix[rows] @ still)

    # ---- settling

    def unsettled(self) -> Flags:
        """Masked cells neither proven wide enough, nor known to the unit, nor proven too narrow."""
        low, high = self.inner_low, self.inner_high
        wide, many = high - low >= self.asked, self._many()
        exposed = np.isfinite(self.asked) & (self.high - self.low < self.asked)
        within = within_few(self.low, self.high, self.few)
        # An interval of width few - 1 or more does not lie within 1 to few - 1.
        one_will_do = self.asked >= self.few - 1
        settled = np.where(one_will_do, wide | many | within, (wide & many) | exposed | within)
        settled = np.where(np.isinf(self.few), wide | exposed, settled)
        settled |= (low == self.low) & (high == self.high)
        return np.asarray(self.masked & ~self.impossible & ~np.isnan(self.point) & ~settled)

    def _many(self) -> Flags:
        """Cells proven to hold possibly nobody, or `few` and more."""
        low, high = self.inner_low, self.inner_high
        return np.asarray(((low <= 0) & (high >= 0)) | (high >= self.few) | (low <= -self.few))

    def settle(self) -> None:
        self._tell()
        if np.isfinite(self.asked).any():
            # Published cells where they are, masked ones alone: smaller systems that fall apart; then all cells.
            self._spread(self.masked & (self.low < self.high))
            self._spread((self.part >= 0) & (self.sizes[self.part] <= SPREAD_LIMIT))
        left = np.flatnonzero(self.unsettled())
        for cell in left[np.argsort(self.part[left], kind="stable")]:
            if self.unsettled()[cell]:
                self._around(int(cell))
                self._tell()

    def _tell(self) -> None:
        total = int(self.masked.sum())
        self.progress(total - int(self.unsettled().sum()), total)

    def _spread(self, free: Flags) -> None:
        """Programmes that push many unsettled cells up, then down, each by the width it still lacks and no further.

        All together first. Cells of one sum compete: where that settles few, every second of them, every fourth. What
        is left of a small component is soon looked at cell by cell.
        """
        part, stride = self._components(free), 1
        large = free & (np.bincount(part[free], minlength=1)[part] > COMPLETE_FIRST)
        while stride <= MOST_APART:
            free = free if stride == 1 else large
            held = before = self._left(free)
            if not len(before):
                return
            for offset in range(stride):
                for up in (True, False):
                    wanted = self._left(free)[offset::stride]
                    if len(wanted):
                        held = np.flatnonzero(np.isin(part, part[wanted]))
                        if not self._push(held, wanted, part, up):
                            return
            if len(before) - len(self._left(free)) < max(1, stride * len(held) // WORTHWHILE):
                stride *= 2

    def _left(self, free: Flags) -> Ints:
        return np.flatnonzero(self.unsettled() & free & np.isfinite(self.asked))

    def _push(self, cells: Ints, mine: Ints, part: Ints, up: bool) -> bool:
        """One programme over these components for these unsettled cells; False where it has no answer."""
        wanted = np.searchsorted(cells, mine)
        low, high = self.low[mine], self.high[mine]
        # A wanted cell is a rewarded part, up to what it is asked, and a part that earns nothing.
        more = mine[~self._many()[mine]]
        if up:
            reward = self.inner_low + self.asked
            reward[more] = np.maximum(reward[more], self.few[more])
        else:
            reward = self.inner_high - self.asked
            reward[more] = np.minimum(reward[more], 0.0)
        around = self._block(cells, self._rows_of(cells))
        x = self._pushed(around, wanted, np.clip(reward[mine], low, high), up)
        if x is not None:
            self._keep_parts(around, self._mended(around, x), part)
            self._tell()
        return x is not None

    def _mended(self, around: _Block, x: Floats) -> Floats:
        """The solution with its broken numbers, and the cells in one sum with any, solved again in whole numbers.

        The vertices of sums over three and more dimensions are not whole; a few cells keep a large component from being
        a solution. Where no whole numbers are found, the cells stay as they are.
        """
        whole = self.whole[around.cells]
        broken = whole & (np.abs(x - np.round(x)) > SLACK)
        if not broken.any():
            return x
        result = np.where(broken, x, np.where(whole, np.round(x), x))
        near = np.zeros(len(self.whole), np.bool_)
        sums = np.flatnonzero(abs(around.matrix) @ broken.astype(np.float64))
        near[around.cells[np.unique(around.matrix[sums].indices)]] = True
        part = self._components(near)[around.cells]
        for number in range(part.max() + 1):
            mine = np.flatnonzero(part == number)
            inside = sparse.csr_array(around.matrix[:, mine])
            rows = np.flatnonzero(np.diff(inside.indptr))
            held = result.copy()
            held[mine] = 0.0
            cells = around.cells[mine]
            block = _Block(cells, around.rows[rows], inside[rows], around.matrix[rows] @ held + around.fixed[rows])
            found, _, _ = self._programme(block, np.zeros(len(mine)), self.low[cells], self.high[cells], whole=True)
            if found is not None:
                result[mine] = found
        return result

    def _pushed(self, around: _Block, wanted: Ints, reward: Floats, up: bool) -> Floats | None:
        """Solution with as much as can be of the wanted cells at `reward` or beyond."""
        self.programmes += 1
        cells, block = around.cells, around.matrix
        low, high = self.low[cells], self.high[cells]
        objective = np.zeros(len(cells) + len(wanted))
        more_low, more_high = np.zeros(len(wanted)), np.zeros(len(wanted))
        if up:
            more_high = high[wanted] - reward
            high[wanted] = reward
            objective[wanted] = -1.0
        else:
            more_low = low[wanted] - reward
            low[wanted] = reward
            objective[wanted] = 1.0
        found = optimize.milp(
            objective,
            constraints=optimize.LinearConstraint(
                sparse.csr_array(sparse.hstack([block, block[:, wanted]], format="csr")), -around.fixed, -around.fixed
            ),
            bounds=optimize.Bounds(np.concatenate([low, more_low]), np.concatenate([high, more_high])),
        )
        if found.x is None:
            return None
        x = np.array(found.x[: len(cells)])
        x[wanted] += found.x[len(cells) :]
        return x

    def _keep_parts(self, around: _Block, x: Floats, part: Ints) -> None:
        """Keep the solution component by component: wherever it holds in whole numbers."""
        cells, whole = around.cells, self.whole[around.cells]
        exact = np.clip(np.where(whole, np.round(x), x), self.low[cells], self.high[cells])
        broken = self._broken(around.matrix, around.fixed, exact, whole)
        spoilt = np.zeros(int(part.max()) + 1, np.bool_)
        spoilt[part[cells[np.unique(around.matrix[np.flatnonzero(broken)].indices)]]] = True
        good = ~spoilt[part[cells]]
        self.widen(cells[good], exact[good], exact[good])

    def widen(self, cells: Ints, low: Floats, high: Floats) -> None:
        """Credit cells with values that they take in whole solutions; NaN credits nothing."""
        self.inner_low[cells] = np.fmin(self.inner_low[cells], low)
        self.inner_high[cells] = np.fmax(self.inner_high[cells], high)

    def _around(self, cell: int) -> None:
        """Growing neighbourhoods of one cell, until it is settled or the limit is reached."""
        part, reach = int(self.part[cell]), FIRST_REACH
        size = int(self.sizes[part])
        while True:
            cells = self._within(cell, reach, part) if size > COMPLETE_FIRST else None
            if size <= WHOLE_LIMIT and (cells is None or len(cells) == size):
                self._ends(cell, self._component(part), complete=True)
                return
            if cells is None:
                return
            around = self._block(cells, self._rows_of(cells))
            self._ends(cell, around, complete=False)
            if self.unsettled()[cell]:
                self._outer_ends(cell, cells, self._rows_inside(around.rows, cells))
            if not self.unsettled()[cell]:
                return
            reach *= 2

    def _component(self, part: int) -> _Block:
        if part not in self.blocks:
            cells = np.flatnonzero(self.part == part)
            self.blocks = {part: self._block(cells, self._rows_of(cells))}  # one at a time: they can be large
        return self.blocks[part]

    def _block(self, cells: Ints, rows: Ints) -> _Block:
        matrix = sparse.csr_array(self.matrix[rows][:, cells])
        return _Block(cells, rows, matrix, self._fixed(rows, cells))

    def _within(self, cell: int, reach: int, part: int) -> Ints | None:
        """Cells of the component at most `reach` sums away; None when they are more than the limit."""
        seen = np.array([cell], np.int64)
        for _ in range(reach):
            near: Ints = np.unique(np.asarray(self.matrix[self._rows_of(seen)].indices, np.int64))
            seen = near[self.part[near] == part]
            if len(seen) > WHOLE_LIMIT:
                return None
        return seen

    def _rows_inside(self, rows: Ints, cells: Ints) -> Ints:
        """Those of the sums whose free cells all are in the neighbourhood."""
        outside = self.part >= 0
        outside[cells] = False
        return np.asarray(rows[np.asarray(abs(self.matrix[rows]) @ outside.astype(np.float64)) == 0])

    def _ends(self, cell: int, around: _Block, *, complete: bool) -> None:
        """Least and greatest value of a cell, with everything outside where it is."""
        cells = around.cells
        low, high = self.low[cells], self.high[cells]
        for sign in (1.0, -1.0):
            if not self.unsettled()[cell]:
                return
            objective = np.where(cells == cell, sign, 0.0)
            for whole in (False, True):
                x, bound, _ = self._programme(around, objective, low, high, whole=whole)
                made = None if x is None else self._checked(around, x, low, high)
                if made is not None:
                    self.widen(cells, made, made)
                if complete:
                    self._tighten(cell, bound, sign)
                if made is not None:
                    break

    def _outer_ends(self, cell: int, cells: Ints, rows: Ints) -> None:
        """Ends that hold whatever is outside: sums that reach out of the neighbourhood are left out."""
        around = self._block(cells, rows)
        for sign in (1.0, -1.0):
            objective = np.where(cells == cell, sign, 0.0)
            _, bound, _ = self._programme(around, objective, self.low[cells], self.high[cells], whole=False)
            self._tighten(cell, bound, sign)

    def _tighten(self, cell: int, bound: float, sign: float) -> None:
        if not np.isfinite(bound):
            return
        if sign > 0:
            end = np.ceil(bound - SLACK) if self.whole[cell] else bound
            self.low[cell] = max(self.low[cell], min(end, self.inner_low[cell]))
        else:
            end = np.floor(-bound + SLACK) if self.whole[cell] else -bound
            self.high[cell] = min(self.high[cell], max(end, self.inner_high[cell]))

    def answer(self, low: Floats, high: Floats) -> Bounds:
        outer_low, outer_high = np.where(self.low <= -self.far, -np.inf, self.low), self.high
        mask, lost = self.masked, self.impossible
        return Bounds(
            np.where(mask, np.where(lost, np.nan, self.inner_low), low),
            np.where(mask, np.where(lost, np.nan, self.inner_high), high),
            np.where(mask & ~lost, outer_low, low),
            np.where(mask & ~lost, outer_high, high),
            ~lost,
            self.programmes,
        )


@njit(cache=True)
def _propagate(
    starts: npt.NDArray[np.int32], cells: npt.NDArray[np.int32], signs: Floats, low: Floats, high: Floats, whole: Flags
) -> Flags:
    """Narrow every interval by each sum in turn, in place, a bounded number of times.

    Returns:
        Sums that cannot hold. A cell whose ends have met or crossed is narrowed no further: what is known of it by
        itself is not called into question by a sum that cannot hold.
    """
    broken = np.zeros(len(starts) - 1, np.bool_)
    for _ in range(50):
        moved = False
        for i in range(len(starts) - 1):
            least, most = 0.0, 0.0
            for e in range(starts[i], starts[i + 1]):
                j, s = cells[e], signs[e]
                least += min(s * low[j], s * high[j])
                most += max(s * low[j], s * high[j])
            if least > 1e-6 or most < -1e-6:
                broken[i] = True
                continue
            for e in range(starts[i], starts[i + 1]):
                j, s = cells[e], signs[e]
                if low[j] >= high[j]:
                    continue
                # s x_j = -(the others)
                one = -s * (most - max(s * low[j], s * high[j]))
                other = -s * (least - min(s * low[j], s * high[j]))
                down, up = min(one, other), max(one, other)
                if whole[j]:
                    down, up = np.ceil(down - 1e-6), np.floor(up + 1e-6)
                before_low, before_high = low[j], high[j]
                if down > low[j] + 1e-6:
                    low[j] = down
                if up < high[j] - 1e-6:
                    high[j] = up
                if low[j] == before_low and high[j] == before_high:
                    continue
                moved = True
                if low[j] > high[j]:
                    low[j], high[j] = before_low, before_high
                    broken[i] = True
                    break
                least += min(s * low[j], s * high[j]) - min(s * before_low, s * before_high)
                most += max(s * low[j], s * high[j]) - max(s * before_low, s * before_high)
        if not moved:
            break
    return broken
