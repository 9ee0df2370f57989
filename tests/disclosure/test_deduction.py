"""What a reader of all tables, and of all releases, deduces: nothing too close, unless the protection has a gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.disclosure.deduction import Reading, deduce, deduce_changes, unrounded_counts
from pipeline.disclosure.ledger import apply_increment_rule, cells_of, with_cells
from pipeline.disclosure.suppression import primary, protect, protect_all, recoverable
from pipeline.disclosure.system import Equality
from pipeline.disclosure.tables import CountTable, Margin, Measure, Rules, round_counts

K = 11
draws = st.integers(0, 2**32 - 1).map(np.random.default_rng)


def two_way(name: str, counts: np.ndarray, rows: str = "P", columns: str = "Q") -> CountTable:
    """Counts with both margins."""
    full = np.vstack([counts, counts.sum(axis=0)])
    full = np.hstack([full, full.sum(axis=1, keepdims=True)])
    first = [f"{rows}{i}" for i in range(counts.shape[0])] + ["all"]
    second = [f"{columns}{i}" for i in range(counts.shape[1])] + ["all"]
    frame = pa.table({"row": np.repeat(first, len(second)), "column": second * len(first), "n": full.ravel()})
    margins = (Margin(("row",), {"row": "all"}), Margin(("column",), {"column": "all"}))
    return CountTable(name, frame, ("row", "column"), (Measure("n"),), margins)


def shown(table: CountTable, published: pa.Table) -> CountTable:
    return replace(table, frame=published)


def only_primary(table: CountTable, base: int = 1) -> CountTable:
    """What would leave if suppression stopped at cells that are unsafe by themselves."""
    masked = primary(table, K, mask_zero=True).masked[0]
    counts = round_counts(table.frame["n"].to_numpy(), base, K)
    frame = table.frame.set_column(2, "n", pa.array(counts, mask=masked))
    return shown(table, frame.append_column("suppression_reason", pa.array(np.where(masked, "primary", None))))


def named(found: tuple[tuple[object, ...], ...]) -> set[object]:
    return {cell for cells in found for cell in cells}


@pytest.mark.parametrize("base", [1, 5])
def test_suppression_that_stops_at_small_cells_is_caught(base):
    table = only_primary(two_way("activity", np.array([[40, 3], [50, 60]])), base)
    found = deduce(Reading([table], (), K, base))
    assert named(found.exposed) == {("activity", ("P0", "Q1"), "n")}
    assert found.counts == 1 and found.narrowest < K


def test_tables_protected_one_by_one_are_caught_where_another_shows_what_one_hides():
    """The platform that hides the small one is told apart by causes in another table, where all is large."""
    one = two_way("by_platform", np.array([[5], [26], [40]]))
    other = two_way("by_cause", np.array([[12, 14], [30, 30]]), columns="C")
    same = [Equality(("by_platform", ("P1", "all"), "n"), (("by_cause", ("P0", "all"), "n"),), "the same persons")]
    apart = [shown(t, protect(t, K, base=1, mask_zero=True).table) for t in (one, other)]
    assert all(deduce(Reading([table], (), K, 1)).exposed == () for table in apart)
    assert ("by_platform", ("P0", "all"), "n") in named(deduce(Reading(apart, same, K, 1)).exposed)
    together = protect_all([one, other], Rules(K, mask_zero=True), equalities=same, base=1)
    safe = [shown(t, made.table) for t, made in zip((one, other), together, strict=True)]
    assert deduce(Reading(safe, same, K, 1)).exposed == ()


def test_elimination_alone_leaves_counts_that_programming_bounds_to_a_few_values():
    """Nothing is determined, and yet every masked count is known within three: none is below zero. The three persons of
    the first line are told; of the 30, that they are 29 to 32: no small group, and no figure."""
    table = two_way("activity", np.array([[1, 2, 40], [2, 30, 50], [60, 70, 80]]))
    masked = np.zeros((4, 4), bool)
    masked[:2, :2] = True
    frame = table.frame.set_column(2, "n", pa.array(table.frame["n"].to_numpy(), mask=masked.ravel()))
    frame = frame.append_column("suppression_reason", pa.array(np.where(masked.ravel(), "primary", None)))
    seen = shown(table, frame)
    assert recoverable(seen) == []
    found = deduce(Reading([seen], (), K, 1))
    assert ("activity", ("P0", "Q0"), "n") in named(found.exposed)
    assert ("activity", ("P1", "Q1"), "n") not in named(found.exposed)
    assert found.narrowest == 4


@settings(max_examples=40, deadline=None)
@given(draw=draws, base=st.sampled_from([1, 5]))
def test_no_masked_count_of_protected_tables_is_deduced_closely(draw, base):
    shape = tuple(draw.integers(2, 6, 2))
    counts = draw.poisson(draw.gamma(1.0, draw.uniform(5, 40), shape))
    table = two_way("activity", counts)
    found = deduce(Reading([shown(table, protect(table, K, base=base, mask_zero=True).table)], (), K, base))
    assert found.exposed == () and found.open == 0


def test_three_newcomers_show_between_two_exact_releases_unless_the_ledger_holds_them():
    then = two_way("activity", np.array([[40, 30], [50, 60]]))
    now = two_way("activity", np.array([[43, 30], [50, 60]]))
    (before, after) = (protect(table, K, base=1, mask_zero=True) for table in (then, now))
    first = Reading([shown(then, before.table)], (), K, 1)
    off = deduce_changes(Reading([shown(now, after.table)], (), K, 1), first)
    assert ("activity", ("P0", "Q0"), "n") in named(off.exposed)
    held = apply_increment_rule(cells_of(now, after), cells_of(then, before), K)
    kept = shown(now, with_cells(after.table, now.keys, held))
    assert deduce_changes(Reading([kept], (), K, 1), first).exposed == ()


def test_newcomers_to_masked_parts_of_a_total_show_in_the_total():
    then, now = (two_way("activity", np.array([[a, 5, 40], [50, 60, 70]])) for a in (8, 11))
    masked = np.zeros((3, 4), bool)
    masked[:2, :2] = True
    flat = masked.ravel()

    def release(table: CountTable) -> Reading:
        frame = table.frame.set_column(2, "n", pa.array(table.frame["n"].to_numpy(), mask=flat))
        reasons = pa.array(np.where(flat, "primary", None))
        return Reading([shown(table, frame.append_column("suppression_reason", reasons))], (), K, 1)

    found = deduce_changes(release(now), release(then)).exposed
    assert (("activity", ("P0", "Q0"), "n"), ("activity", ("P0", "Q1"), "n")) in found


@given(base=st.integers(1, 12), k=st.integers(1, 30))
def test_a_published_count_leaves_the_counts_that_are_rounded_to_it(base, k):
    counts = np.arange(k, k + 10 * base)
    published = round_counts(counts, base, k)
    low, high = unrounded_counts(published.astype(float), base, k)
    everything = np.arange(k, k + 20 * base)
    rounded = round_counts(everything, base, k)
    for value, one, other in zip(published, low, high, strict=True):
        fits = everything[rounded == value]
        assert (one, other) == (fits.min(), fits.max())


def test_a_figure_that_does_not_exist_adds_nothing():
    frame = pa.table(
        {
            "row": ["a", "b", "all"],
            "n": pa.array([None, 30, 30]),
            "suppression_reason": pa.array([None] * 3, pa.string()),
        }
    )
    table = CountTable("t", frame, ("row",), (Measure("n"),), (Margin(("row",), {"row": "all"}),))
    assert deduce(Reading([table], (), K, 1)).counts == 0
