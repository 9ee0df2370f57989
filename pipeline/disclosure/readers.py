"""What a reader who keeps every release can bound, over the system of all tables: the trial that a release passes.

The same attacker as `disclosure.attack`, over arrays and with the sums between tables: it knows the published values,
the sums, the rounding rule and k; it bounds masked cells by interval propagation, then every group that a sum isolates,
then every change since each earlier release. It is tried against the truth here, so only groups that truly hold, or
moved by, 1 to k-1 persons come back. A cell that an earlier release did not have held nobody then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit

from pipeline.disclosure.system import Floats, Ints, System
from pipeline.disclosure.tables import Flags

MAX_ROUNDS = 50
"""Interval propagation stops after this many passes even if bounds still move."""


@dataclass(frozen=True)
class Seen:
    """What one release shows of the cells of a system.

    Attributes:
        low, high: float64 `(cells,)`, counts that round to the published value; 0 and infinity where none is shown.
        shown: bool `(cells,)`.
        true: float64 `(cells,)`, true counts; NaN where the ledger has none.
    """

    low: Floats
    high: Floats
    shown: Flags
    true: Floats

    @classmethod
    def of(cls, value: Floats, true: Floats, k: int, base: int) -> Seen:
        """From published values (NaN = not shown) and true counts."""
        low, high = unrounded_all(value, base, k)
        return cls(low, high, ~np.isnan(value), true)


@dataclass(frozen=True)
class Found:
    """A group that readers rightly bound under k.

    Attributes:
        cells: numbers of its cells.
        change: whether it is a change since an earlier release.
    """

    cells: Ints
    change: bool


def unrounded_all(values: Floats, base: int, k: int) -> tuple[Floats, Floats]:
    """Smallest and largest count that `round_counts` publishes as each value (raw small counts stand for themselves).

    Args:
        values: published counts, NaN where none is shown.
        base: rounding base.
        k: least persons.

    Returns:
        float64 each; 0 and infinity where none is shown.
    """
    floor = -(-k // base) * base
    low, high = np.ceil(values - base / 2), np.ceil(values + base / 2) - 1
    low = np.where(values == floor, k, np.maximum(low, k))
    exact = (values < k) | (base == 1)
    low, high = np.where(exact, values, low), np.where(exact, values, high)
    missing = np.isnan(values)
    return np.where(missing, 0.0, low), np.where(missing, np.inf, high)


class Readers:
    """The attacker on one system.

    Args:
        system: with the true figures.
        k: least persons.
    """

    def __init__(self, system: System, k: int) -> None:
        self.k = k
        keep = system.has_total[system.sum_of]
        self.sum_of = np.unique(system.sum_of[keep], return_inverse=True)[1]
        self.cell, self.total = system.cell[keep], system.total[keep]
        self.sums = int(self.sum_of.max(initial=-1)) + 1
        self.total_cell = np.full(self.sums, -1, np.int64)
        self.total_cell[self.sum_of[self.total]] = self.cell[self.total]
        self.start = np.searchsorted(self.sum_of, np.arange(self.sums + 1))
        by_cell = np.argsort(self.cell, kind="stable")
        self.sums_of_cell = self.sum_of[by_cell]
        self.cell_start = np.searchsorted(self.cell[by_cell], np.arange(system.size + 1))

    def around(self, cells: Iterable[int]) -> Ints:
        """The cells of every sum that these cells stand in; the cells themselves where there is none."""
        listed = list(cells)
        sums = np.unique(
            np.concatenate([self.sums_of_cell[self.cell_start[c] : self.cell_start[c + 1]] for c in listed])
        )
        near = [self.cell[self.start[s] : self.start[s + 1]] for s in sums]
        return np.unique(np.concatenate(near)) if near else np.array(listed, np.int64)

    def true_claims(self, now: Seen, earlier: Sequence[Seen]) -> list[Found]:
        """What they rightly bound under k within a release, and since each earlier one."""
        found = self._cells(now) + self._groups(now)
        for then in earlier:
            found += self._changes(now, then)
        return found

    def bounds(self, seen: Seen) -> tuple[Floats, Floats]:
        """What the sums leave possible for each cell."""
        low, high = seen.low.copy(), seen.high.copy()
        _propagate(low, high, self.start, self.cell, self.total, MAX_ROUNDS)
        return low, high

    def _few(self, low: Floats, high: Floats) -> Flags:
        return (low >= 1) & (high < self.k)

    def _truly(self, persons: Floats) -> Flags:
        with np.errstate(invalid="ignore"):
            return (np.abs(persons) > 0) & (np.abs(persons) < self.k)

    def _cells(self, now: Seen) -> list[Found]:
        claimed = self._few(*self.bounds(now)) & self._truly(now.true)
        return [Found(np.array([cell]), False) for cell in np.flatnonzero(claimed)]

    def _over(self, weights: Floats, where: Flags) -> Floats:
        """Sums over the parts of each sum where a flag holds."""
        use = where & ~self.total
        return np.bincount(self.sum_of[use], weights=weights[self.cell[use]], minlength=self.sums).astype(np.float64)

    def _unwritten(self, seen: Seen) -> tuple[Floats, Floats, Flags]:
        """Bounds of the parts together that a sum with a shown total does not show; how many are; whether any."""
        shown = seen.shown[self.cell]
        low = seen.low[self.total_cell] - self._over(np.where(seen.shown, seen.high, 0), shown)
        high = seen.high[self.total_cell] - self._over(seen.low, shown)
        hidden = np.bincount(self.sum_of[~shown & ~self.total], minlength=self.sums)
        return low, high, seen.shown[self.total_cell] & (hidden > 0)

    def _groups(self, now: Seen) -> list[Found]:
        low, high, some = self._unwritten(now)
        hidden = ~now.shown[self.cell]
        claimed = some & self._few(low, high) & self._truly(self._over(now.true, hidden))
        return self._listed(claimed, hidden, change=False)

    def _listed(self, claimed: Flags, of: Flags, *, change: bool) -> list[Found]:
        found = []
        for number in np.flatnonzero(claimed):
            mine = slice(self.start[number], self.start[number + 1])
            found.append(Found(self.cell[mine][of[mine] & ~self.total[mine]], change))
        return found

    def _changes(self, now: Seen, then: Seen) -> list[Found]:
        low, high, moved = now.low - then.high, now.high - then.low, now.true - then.true
        both = now.shown & then.shown
        with np.errstate(invalid="ignore"):
            claimed = both & self._few(*_absolute(low, high)) & self._truly(moved)
        found = [Found(np.array([cell]), True) for cell in np.flatnonzero(claimed)]

        hidden = ~now.shown[self.cell]
        other = hidden != ~then.shown[self.cell]
        same = np.bincount(self.sum_of[other & ~self.total], minlength=self.sums) == 0
        (low_now, high_now, some), (low_then, high_then, _) = self._unwritten(now), self._unwritten(then)
        group = some & same & then.shown[self.total_cell]
        with np.errstate(invalid="ignore"):
            group &= self._few(*_absolute(low_now - high_then, high_now - low_then))
        found += self._listed(group & self._truly(self._over(moved, hidden)), hidden, change=True)

        # Total minus the parts that moved, both between releases: the persons who joined the parts that did not.
        whole = np.bincount(self.sum_of[~both[self.cell]], minlength=self.sums) == 0
        still = both & (now.low == then.low) & (now.high == then.high)
        step_low, step_high = np.where(both, low, 0), np.where(both, high, 0)
        quiet = still[self.cell]
        rest_low = step_low[self.total_cell] - self._over(step_high, ~quiet)
        rest_high = step_high[self.total_cell] - self._over(step_low, ~quiet)
        some_quiet = np.bincount(self.sum_of[quiet & ~self.total], minlength=self.sums) > 0
        rest = whole & some_quiet & self._few(rest_low, rest_high) & self._truly(self._over(moved, quiet))
        return found + self._listed(rest, quiet, change=True)


def _absolute(low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Bounds of a change, of its absolute value where it is surely negative."""
    negative = high < 0
    return np.where(negative, -high, low), np.where(negative, -low, high)


@njit(cache=True)
def _propagate(low: Floats, high: Floats, start: Ints, cell: Ints, total: Flags, rounds: int) -> None:
    """Narrow bounds sum by sum, in place, until they stand; a sum that contradicts the bounds teaches nothing."""
    for _ in range(rounds):
        moved = False
        for s in range(len(start) - 1):
            whole = -1
            parts_low, parts_high, endless = 0.0, 0.0, 0
            for e in range(start[s], start[s + 1]):
                c = cell[e]
                if total[e]:
                    whole = c
                else:
                    parts_low += low[c]
                    if np.isinf(high[c]):
                        endless += 1
                    else:
                        parts_high += high[c]
            for e in range(start[s], start[s + 1]):
                c = cell[e]
                if total[e]:
                    new_low, new_high = parts_low, np.inf if endless else parts_high
                else:
                    others_endless = endless - (1 if np.isinf(high[c]) else 0)
                    others_high = parts_high - (0.0 if np.isinf(high[c]) else high[c])
                    new_low = -np.inf if others_endless else low[whole] - others_high
                    new_high = high[whole] - (parts_low - low[c])
                new_low, new_high = max(low[c], new_low), min(high[c], new_high)
                if new_low <= new_high and (new_low > low[c] or new_high < high[c]):
                    if not total[e]:
                        parts_low += new_low - low[c]
                        if np.isinf(high[c]) and not np.isinf(new_high):
                            endless -= 1
                            parts_high += new_high
                        elif not np.isinf(high[c]):
                            parts_high += new_high - high[c]
                    low[c], high[c] = new_low, new_high
                    moved = True
        if not moved:
            break
