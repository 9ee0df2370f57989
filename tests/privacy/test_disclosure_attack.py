"""The differencing attacker has teeth on raw counts and finds nothing true in what is published."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.disclosure.attack import Claim, attack, unrounded
from pipeline.disclosure.ledger import apply_increment_rule, cells_of, with_cells
from pipeline.disclosure.suppression import protect
from pipeline.disclosure.tables import CountTable, Margin, Measure, RowSum

K = 11


def activity(counts: np.ndarray) -> CountTable:
    full = np.concatenate([counts, counts.sum(axis=0, keepdims=True)], axis=0)
    full = np.concatenate([full, full.sum(axis=1, keepdims=True)], axis=1)
    platforms = [f"P{i}" for i in range(counts.shape[0])] + ["all"]
    quarters = [f"2022-Q{i}" for i in range(counts.shape[1])] + ["all"]
    frame = pa.table(
        {
            "platform_id": np.repeat(platforms, len(quarters)),
            "quarter": quarters * len(platforms),
            "referrals": full.ravel(),
        }
    )
    return CountTable(
        "platform_activity",
        frame,
        ("platform_id", "quarter"),
        (Measure("referrals"),),
        (Margin(("platform_id",), {"platform_id": "all"}), Margin(("quarter",), {"quarter": "all"})),
    )


def only_primary(table: CountTable) -> CountTable:
    values = [n if n == 0 or n >= K else None for n in table.frame["referrals"].to_pylist()]
    return replace(table, frame=table.frame.set_column(2, "referrals", pa.array(values)))


def published(table: CountTable, base: int) -> CountTable:
    return replace(table, frame=protect(table, K, base=base).table)


def true_claims(claims: list[Claim], truth: CountTable) -> list[Claim]:
    count = {(row["platform_id"], row["quarter"]): row["referrals"] for row in truth.frame.to_pylist()}
    return [c for c in claims if 1 <= sum(count[key] for key, _ in c.cells) < K]


worlds = st.integers(0, 2**32 - 1).map(
    lambda seed: (
        lambda generator: generator.poisson(
            generator.gamma(1.0, generator.uniform(5, 40), (generator.integers(2, 6), generator.integers(2, 6)))
        )
    )(np.random.default_rng(seed))
)


def test_control_the_attacker_finds_the_small_groups_of_raw_counts():
    table = activity(np.array([[40, 3], [50, 60]]))
    found = attack([("2024-01", [table])], K)
    assert [(c.kind, c.cells[0][0], c.low) for c in found] == [("cell", ("P0", "2022-Q1"), 3)]


def test_control_the_attacker_undoes_suppression_that_stops_at_small_cells():
    table = only_primary(activity(np.array([[40, 3], [50, 60]])))
    assert [(c.kind, c.low, c.high) for c in attack([("2024-01", [table])], K)] == [("cell", 3, 3)]


def test_control_the_attacker_bounds_a_pair_of_masked_cells_that_hold_few_persons_together():
    table = only_primary(activity(np.array([[2, 3, 70], [40, 50, 60]])))
    assert "group" in {c.kind for c in attack([("2024-01", [table])], K)}


def test_control_the_attacker_sees_three_newcomers_between_two_exact_releases():
    then, now = np.array([[40, 30], [50, 60]]), np.array([[43, 30], [50, 60]])
    found = attack([("2024-01", [activity(then)]), ("2024-02", [activity(now)])], K)
    assert {(c.kind, c.low) for c in found} >= {("change", 3)}


@settings(max_examples=60, deadline=None)
@given(counts=worlds, base=st.sampled_from([1, 5]))
def test_no_group_under_k_is_bounded_in_one_protected_release(counts, base):
    table = activity(counts)
    claims = attack([("2024-01", [published(table, base)])], K, base=base)
    assert true_claims(claims, table) == []


@settings(max_examples=40, deadline=None)
@given(counts=worlds)
def test_control_raw_releases_always_give_their_small_cells_away(counts):
    table = activity(counts)
    small = [n for n in table.frame["referrals"].to_pylist() if 1 <= n < K]
    assert len(attack([("2024-01", [table])], K)) == len(small)


@settings(max_examples=40, deadline=None)
@given(counts=worlds, seed=st.integers(0, 2**32 - 1))
def test_no_cell_moves_by_fewer_than_k_persons_over_six_releases(counts, seed):
    generator = np.random.default_rng(seed)
    previous = None
    releases, raw = [], []
    for month in range(1, 7):
        table = activity(counts)
        result = protect(table, K, base=1)
        decided = cells_of(table, result)
        if previous is not None:
            decided = apply_increment_rule(decided, previous, K)
        previous = decided
        releases.append((f"2024-{month:02d}", [replace(table, frame=with_cells(result.table, table.keys, decided))]))
        raw.append((f"2024-{month:02d}", [table]))
        counts = counts + generator.poisson(2, counts.shape)
    assert [c for c in attack(releases, K) if c.kind == "change"] == []
    assert [c for c in attack(raw, K) if c.kind == "change"] != []


def test_row_sums_are_attacked_too():
    frame = pa.table({"step": ["1"], "n_entering": [100], "n_lost": pa.array([None], pa.int64()), "n_leaving": [95]})
    measures = tuple(Measure(name) for name in ("n_entering", "n_lost", "n_leaving"))
    table = CountTable("flow", frame, ("step",), measures, row_sums=(RowSum("n_entering", ("n_lost", "n_leaving")),))
    assert [(c.cells, c.low) for c in attack([("2024-01", [table])], K)] == [(((("1",), "n_lost"),), 5)]


def test_the_attacker_knows_the_rounding_rule():
    assert unrounded(15, 5, 11) == (11, 17)
    assert unrounded(20, 5, 11) == (18, 22)
    assert unrounded(0, 5, 11) == (0, 0)
