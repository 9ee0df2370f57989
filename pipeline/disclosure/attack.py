"""A small differencing attacker: keeps every release, subtracts parts from totals and each release from the next.

It knows what readers know: published values, which sums hold, the rounding rule and k. It bounds every masked count by
interval propagation through the sums, then every group that a sum isolates, then every change since each earlier
release. A *claim* is a group it bounds between 1 and k - 1 persons. It takes repeated values (the increment rule) for
fresh ones, so a claim can be wrong; tests compare claims with the truth, and with what it finds on raw counts.

Written in plain Python over dictionaries, apart from the suppression engine. It does not solve linear programmes and
does not use several sums at once beyond propagation: finding nothing is evidence, not proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf

import numpy as np

from pipeline.disclosure.tables import CountTable, Link, Margin, round_counts

Cell = tuple[tuple[str, ...], str]
"""(key of the row, measure)."""
Interval = tuple[float, float]

MAX_ROUNDS = 50
"""Interval propagation stops after this many passes even if bounds still move."""


@dataclass(frozen=True)
class Sum:
    """`parts` add up to `total`."""

    total: Cell
    parts: tuple[Cell, ...]


@dataclass(frozen=True)
class Claim:
    """A group of persons the attacker bounds under k.

    Attributes:
        kind: `cell` (one masked or small cell), `group` (the masked parts of one total together), `change` (one cell
            between two releases), `group_change` (the unwritten part of a total between two releases).
        release: the (later) release.
        table: table name.
        cells: the cells of the group.
        low, high: bounds of its persons, 1 <= low <= high < k (absolute value for changes).
        since: for a change, the earlier release.
    """

    kind: str
    release: str
    table: str
    cells: tuple[Cell, ...]
    low: float
    high: float
    since: str = ""


def attack(releases: Sequence[tuple[str, Sequence[CountTable]]], k: int, *, base: int = 1) -> list[Claim]:
    """Claims of an attacker who has all releases.

    Args:
        releases: (`YYYY-MM`, published tables with their sums; masked cells empty), oldest first. Only counts are
            attacked.
        k: least persons a group must hold.
        base: rounding base in force.

    Returns:
        Claims in the order found.
    """
    return [claim for number in range(len(releases)) for claim in attack_newest(releases[: number + 1], k, base=base)]


def attack_newest(releases: Sequence[tuple[str, Sequence[CountTable]]], k: int, *, base: int = 1) -> list[Claim]:
    """The claims that the newest release adds: within it, and by comparing it with each earlier one.

    Args:
        releases: at least one, oldest first (see `attack`).
        k: least persons a group must hold.
        base: rounding base in force.
    """
    *earlier, (release, tables) = releases
    known = {table.name: Known(table, k, base) for table in tables}
    claims = [claim for each in known.values() for claim in each.claims(release, k)]
    for since, then in earlier:
        for table in then:
            if table.name in known:
                claims += known[table.name].changes(Known(table, k, base), release, since, k)
    return claims


class Known:
    """What can be known of the counts of one published table."""

    def __init__(self, table: CountTable, k: int, base: int) -> None:
        self.name = table.name
        self.published: dict[Cell, Interval] = {}
        cells: list[Cell] = []
        for row in table.frame.to_pylist():
            key = tuple(str(row[name]) for name in table.keys)
            for measure in table.measures:
                if measure.persons is None:
                    cells.append((key, measure.column))
                    if row[measure.column] is not None:
                        self.published[key, measure.column] = unrounded(int(row[measure.column]), base, k)
        self.cells = cells
        self.sums = list(sums_of(table, cells))

    @cached_property
    def bounds(self) -> dict[Cell, Interval]:
        """What the sums leave possible for each cell."""
        bounds = {cell: self.published.get(cell, (0.0, inf)) for cell in self.cells}

        def narrow(cell: Cell, low: float, high: float) -> bool:
            old = bounds[cell]
            new = (max(old[0], low), min(old[1], high))
            if new == old or new[0] > new[1]:  # rounding or repeated values can contradict a sum: learn nothing
                return False
            bounds[cell] = new
            return True

        for _ in range(MAX_ROUNDS):
            moved = False
            for each in self.sums:
                for part in each.parts:
                    others = [bounds[other] for other in each.parts if other != part]
                    low = bounds[each.total][0] - sum(high for _, high in others)
                    moved |= narrow(part, low, bounds[each.total][1] - sum(low for low, _ in others))
                parts = [bounds[part] for part in each.parts]
                moved |= narrow(each.total, sum(low for low, _ in parts), sum(high for _, high in parts))
            if not moved:
                break
        return bounds

    def unwritten(self, each: Sum) -> tuple[tuple[Cell, ...], Interval] | None:
        """The masked parts of a published total and the bounds of their sum, if there are any."""
        hidden = tuple(part for part in each.parts if part not in self.published)
        if not hidden or each.total not in self.published:
            return None
        written = [self.published[part] for part in each.parts if part in self.published]
        total = self.published[each.total]
        return hidden, (total[0] - sum(high for _, high in written), total[1] - sum(low for low, _ in written))

    def claims(self, release: str, k: int) -> list[Claim]:
        """Groups under k within the release."""
        found = [
            Claim("cell", release, self.name, (cell,), low, high)
            for cell, (low, high) in self.bounds.items()
            if low >= 1 and high < k
        ]
        for each in self.sums:
            group = self.unwritten(each)
            if group is not None and len(group[0]) > 1 and group[1][0] >= 1 and group[1][1] < k:
                found.append(Claim("group", release, self.name, group[0], *group[1]))
        return found

    def changes(self, before: Known, release: str, since: str, k: int) -> list[Claim]:
        """Changes of 1..k-1 persons since an earlier release."""
        found = []

        def note(kind: str, cells: tuple[Cell, ...], now: Interval, then: Interval) -> None:
            low, high = now[0] - then[1], now[1] - then[0]
            if high < 0:
                low, high = -high, -low
            if low >= 1 and high < k:
                found.append(Claim(kind, release, self.name, cells, low, high, since))

        for cell, now in self.published.items():
            if cell in before.published:
                note("change", (cell,), now, before.published[cell])
        earlier = {each.total: each for each in before.sums}
        groups = {(each.total, each.parts): before.unwritten(each) for each in before.sums}
        for each in self.sums:
            now_group, then_group = self.unwritten(each), groups.get((each.total, each.parts))
            if now_group and then_group and each.total in earlier and now_group[0] == then_group[0]:
                note("group_change", now_group[0], now_group[1], then_group[1])
            found += self._quiet_parts(each, before, release, since, k)
        return found

    def _quiet_parts(self, each: Sum, before: Known, release: str, since: str, k: int) -> list[Claim]:
        """Total minus the parts that moved, both between releases: the persons who joined the parts that did not."""
        both = [cell for cell in (each.total, *each.parts) if cell in self.published and cell in before.published]
        if each.total not in both or len(both) != len(each.parts) + 1:
            return []
        quiet = tuple(part for part in each.parts if self.published[part] == before.published[part])
        step = [
            (self.published[cell][0] - before.published[cell][1], self.published[cell][1] - before.published[cell][0])
            for cell in (each.total, *(part for part in each.parts if part not in quiet))
        ]
        low = step[0][0] - sum(high for _, high in step[1:])
        high = step[0][1] - sum(low for low, _ in step[1:])
        if not quiet or low < 1 or high >= k:
            return []
        return [Claim("group_change", release, self.name, quiet, low, high, since)]


def unrounded(value: int, base: int, k: int) -> Interval:
    """Smallest and largest count that `round_counts` publishes as `value` (raw small counts stand for themselves)."""
    if base == 1 or value < k:
        return float(value), float(value)
    candidates = np.arange(max(k, value - 2 * base - k), value + base + 1)
    fits = candidates[round_counts(candidates, base, k) == value]
    return (float(fits.min()), float(fits.max())) if len(fits) else (float(value), float(value))


def sums_of(table: CountTable, cells: Sequence[Cell]) -> Iterator[Sum]:
    """The sums of a table with a written total, one by one.

    Args:
        table: the table.
        cells: the cells that exist in it.

    Yields:
        Margins, then sums within rows, then links.
    """
    there = set(cells)
    measures = {measure for _, measure in cells}
    keys = list(dict.fromkeys(key for key, _ in cells))
    for margin in table.margins:
        if margin.total is None:
            continue
        for total, parts in _groups(table, margin, margin.total, keys):
            for measure in sorted(measures):
                if margin.measures is None or measure in margin.measures:
                    written = tuple((key, measure) for key in parts if (key, measure) in there)
                    if (total, measure) in there and written:
                        yield Sum((total, measure), written)
    for row_sum in table.row_sums:
        for key in keys:
            parts_of_row = tuple((key, part) for part in row_sum.parts)
            if there.issuperset(((key, row_sum.total), *parts_of_row)):
                yield Sum((key, row_sum.total), parts_of_row)
    told = {Link((key, m), tuple((member, m) for member in listed)) for key, listed in table.pooled.items()
            for m in measures}  # fmt: skip
    for link in (*table.links, *sorted(told, key=lambda link: link.total)):
        if there.issuperset((link.total, *link.parts)):
            yield Sum(link.total, link.parts)


def _groups(
    table: CountTable, margin: Margin, codes: Mapping[str, str], keys: Sequence[tuple[str, ...]]
) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[tuple[str, ...]]] = {}
    for key in keys:
        named = dict(zip(table.keys, key, strict=True))
        if table.pool is not None and table.pool.holds(named[table.pool.over]):
            continue
        if all(named[name] == code for name, code in codes.items()):
            continue
        total = tuple(codes.get(name, named[name]) for name in table.keys)
        groups.setdefault((total, tuple(named[name] for name in margin.within)), []).append(key)
    for (total, _), parts in groups.items():
        yield total, parts
