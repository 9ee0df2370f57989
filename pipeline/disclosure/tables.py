"""A table about to be published, as disclosure control sees it: its cells, their sums, and how counts are rounded.

A `CountTable` says which columns count persons, in which sums they stand, and which other figures rest on them. What is
masked of it is the matter of `disclosure.suppression`, over all tables of a release at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Flags = npt.NDArray[np.bool_]

PROMISED = ("primary", "secondary", "increment")
"""Reasons of cells that readers must not be able to compute; any other reason withholds a figure, not persons."""


class DisclosureError(RuntimeError):
    """A cell cannot be protected by masking others: the table must not be published as it is described."""


@dataclass(frozen=True)
class Rules:
    """When a cell is unsafe by itself.

    Attributes:
        k: least persons behind a published figure, >= 1.
        mask_zero: whether 0 % and 100 % are unsafe too (zero counts, empty complements).
        dominance: an amount of which one contributor holds more than this share is unsafe.
        p: an amount is unsafe when the second contributor could work out the first to within p %, that is when what
            the others hold is less than p % of the first (Hundepool et al., Statistical Disclosure Control, 2012,
            section 4.2.2).
    """

    k: int
    mask_zero: bool = False
    dominance: float = 0.85
    p: float = 10.0


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
class Pool:
    """Rows too small to be told are told together, in one row beside the others.

    Attributes:
        over: the key column whose codes are told together, within the other keys.
        code: their code together. Until it is published, it is followed by a digest of who is in it: to the ledger,
            another membership is another cell.
        total: code of the row of the total, which stays.
    """

    over: str
    code: str
    total: str = "all"

    def holds(self, code: str) -> bool:
        """Whether a code is that of rows told together."""
        return code.split(":")[0] == self.code


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
        denominators: key of a row -> key of the row whose denominator's column it uses; rows not listed use their own.
        behind: columns that count the persons behind every figure of a row. From one release to the next the figures of
            a row then move together or not at all. Empty = each figure by the measures it rests on.
        labels: label column -> the value column it goes with: shown only beside that figure as this release makes it.
            Other labels say nothing of persons and always stay.
        empty: keys of rows in which nobody is and that name what is not known (`unknown`, `not_given`): left out unless
            an earlier release has shown them, since a masked zero would take a true group with it.
        pool: rows that may be told together.
        pooled: key of a row that tells others together -> their keys. It stands in no margin; its parts are masked and
            their rows not published.
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
    denominators: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    behind: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    empty: frozenset[tuple[str, ...]] = frozenset()
    pool: Pool | None = None
    pooled: Mapping[tuple[str, ...], tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    helpers: tuple[str, ...] = ()
    preset: str | None = None

    def written_rows(self) -> Flags:
        """Bool `(rows,)`: rows that are published; those told together are not."""
        members = {key for listed in self.pooled.values() for key in listed}
        columns = (self.frame[name].cast(pa.string()).to_pylist() for name in self.keys)
        return np.array([key not in members for key in zip(*columns, strict=True)], np.bool_)

    def published_key(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """The key as it is published: rows told together without the digest of who is in them."""
        if self.pool is None:
            return key
        return tuple(
            self.pool.code if name == self.pool.over and self.pool.holds(code) else code
            for name, code in zip(self.keys, key, strict=True)
        )


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


def denominators_of(
    table: CountTable, counts: Mapping[str, npt.NDArray[np.float64]]
) -> dict[str, npt.NDArray[np.float64]]:
    """What each rate is divided by: rate -> count in the order of the rows of the table, NaN where it is masked.

    Args:
        table: the table.
        counts: as for `rates_of`.
    """
    frame = table.frame.select(list(table.keys)).to_pandas().astype(str)
    keys = list(frame.itertuples(index=False, name=None))
    place = {key: row for row, key in enumerate(keys)}
    whole = np.array([place[table.wholes[key]] if key in table.wholes else -1 for key in keys], np.int64)
    below = np.array([place.get(table.denominators.get(key, key), row) for key, row in place.items()], np.int64)
    return {
        name: np.where(whole >= 0, counts[top][whole], counts[bottom][below])
        for name, (top, bottom) in table.rates.items()
    }


def rates_of(table: CountTable, counts: Mapping[str, npt.NDArray[np.float64]]) -> dict[str, npt.NDArray[np.float64]]:
    """Rates as any reader would compute them: published numerator over published denominator.

    Args:
        table: the table.
        counts: numerators and denominators as published, in the order of its rows; NaN where masked.

    Returns:
        Rate -> its values, NaN where either count is masked, the denominator is zero, or the numerator is above it: one
        of them then stands from an earlier release.
    """
    found = {}
    for name, under in denominators_of(table, counts).items():
        over = counts[table.rates[name][0]]
        with np.errstate(divide="ignore", invalid="ignore"):
            found[name] = np.where((under > 0) & (over <= under), over / under, np.nan)
    return found
