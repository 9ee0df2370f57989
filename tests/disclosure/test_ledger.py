"""What is published once stands: blocks verbatim, cells until at least k persons have moved."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.disclosure.ledger import (
    CELLS,
    LedgerError,
    apply_increment_rule,
    cells_of,
    freeze_block,
    frozen_blocks,
    previous_cells,
    record_cells,
    with_cells,
)
from pipeline.disclosure.suppression import protect
from pipeline.disclosure.tables import CountTable, Measure

K = 11


def cells(*rows: tuple[str, float | None, list[int]], reason: str | None = None) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "table": "exits", "key": f'["{key}"]', "measure": "n", "value": value, "persons": persons,
                "masked": value is None, "reason": "primary" if value is None else reason,
            }
            for key, value, persons in rows
        ],
        CELLS,
    )  # fmt: skip


def rule(then: tuple[float | None, list[int]], now: tuple[float | None, list[int]]) -> dict[str, object]:
    return apply_increment_rule(cells(("x", *now)), cells(("x", *then)), K).to_pylist()[0]


def test_a_figure_moves_when_nobody_or_at_least_k_persons_moved():
    assert rule((40.0, [40]), (40.0, [40]))["value"] == 40
    assert rule((40.0, [40]), (50.0, [51]))["value"] == 50
    assert rule((40.0, [40]), (30.0, [29]))["value"] == 30


@pytest.mark.parametrize("now", [41, 50, 39, 30])
def test_a_figure_that_fewer_than_k_persons_moved_stands(now):
    row = rule((40.0, [40]), (float(now), [now]))
    assert (row["value"], row["reason"], row["persons"], row["masked"]) == (40.0, "increment", [40], False)


def test_each_arm_must_move_by_nobody_or_by_k():
    assert rule((-9.0, [40, 90]), (-8.0, [60, 95]))["value"] == -9.0
    assert rule((-9.0, [40, 90]), (-8.0, [60, 90]))["value"] == -8.0


def test_a_masked_cell_opens_only_when_k_persons_have_joined_it():
    closed = rule((None, [8]), (15.0, [12]))
    assert (closed["value"], closed["masked"], closed["reason"], closed["persons"]) == (None, True, "increment", [8])
    assert rule((None, [30]), (30.0, [30]))["masked"]
    assert rule((None, [8]), (20.0, [19]))["value"] == 20.0


def test_small_steps_add_up_until_they_reach_k(tmp_path):
    shown = []
    for month in range(1, 13):
        release, n = f"2024-{month:02d}", 40 + 3 * (month - 1)
        decided = apply_increment_rule(cells(("x", float(n), [n])), previous_cells(tmp_path, release), K)
        record_cells(tmp_path, release, decided)
        shown.append(decided["value"][0].as_py())
    assert shown == [40, 40, 40, 40, 52, 52, 52, 52, 64, 64, 64, 64]


def test_a_published_month_is_recomputed_against_the_ledger_before_it(tmp_path):
    for release, n in (("2024-01", 40), ("2024-02", 60), ("2024-03", 80)):
        record_cells(tmp_path, release, cells(("x", float(n), [n])))
    again = apply_increment_rule(cells(("x", 60.0, [60])), previous_cells(tmp_path, "2024-02"), K)
    record_cells(tmp_path, "2024-02", again)
    assert previous_cells(tmp_path, "2024-02")["persons"].to_pylist() == [[40]]
    with pytest.raises(LedgerError):
        record_cells(tmp_path, "2024-02", cells(("x", 61.0, [61])))


def test_a_cell_absent_from_a_release_is_remembered_from_the_one_before(tmp_path):
    record_cells(tmp_path, "2024-01", cells(("x", 40.0, [40]), ("y", 20.0, [20])))
    record_cells(tmp_path, "2024-02", cells(("x", 60.0, [60])))
    assert previous_cells(tmp_path, "2024-03")["persons"].to_pylist() == [[60], [20]]


numbers = st.lists(st.integers(0, 60), min_size=1, max_size=8)


def published(persons: list[int]) -> pa.Table:
    return cells(*((f"{i}", float(n) if n >= K else None, [n]) for i, n in enumerate(persons)))


@settings(deadline=None)
@given(then=numbers, now=numbers, seed=st.integers(0, 1000))
def test_the_rule_is_idempotent_and_blind_to_order_and_never_shows_a_small_step(then, now, seed):
    current, earlier = published(now), published(then)
    once = apply_increment_rule(current, earlier, K)
    assert apply_increment_rule(once, earlier, K) == once
    order = pa.array(np.random.default_rng(seed).permutation(len(now)))
    assert apply_increment_rule(current.take(order), earlier, K) == once.take(order)
    was = dict(zip(earlier["key"].to_pylist(), earlier["value"].to_pylist(), strict=True))
    for row in once.to_pylist():
        old = was.get(row["key"])
        if old is not None and row["value"] is not None:
            assert row["value"] == old or abs(row["value"] - old) >= K


def test_a_block_is_written_once_and_repeated_verbatim(tmp_path):
    block = pa.table({"arm": ["treated"] * 12, "age_band": ["*"] * 12, "weight": np.linspace(0, 1, 12)})
    freeze_block(tmp_path, "2022-Q1", block, "2024-06")
    freeze_block(tmp_path, "2022-Q1", block, "2024-06")
    freeze_block(tmp_path, "2021-Q4", block.slice(0, 0), "2024-03")
    assert list(frozen_blocks(tmp_path, before="2024-07")) == ["2021-Q4", "2022-Q1"]
    assert frozen_blocks(tmp_path, before="2024-07")["2022-Q1"] == block
    assert list(frozen_blocks(tmp_path, before="2024-06")) == ["2021-Q4"]
    with pytest.raises(LedgerError, match="2022-Q1"):
        freeze_block(tmp_path, "2022-Q1", block.slice(1), "2024-06")
    with pytest.raises(ValueError, match="YYYY-Qn"):
        freeze_block(tmp_path, "../2022", block, "2024-06")


def test_a_held_cell_can_be_asked_for():
    then, now = cells(("x", 40.0, [40]), ("y", None, [3])), cells(("x", 60.0, [60]), ("y", 20.0, [20]))
    decided = apply_increment_rule(now, then, K, hold=np.array([True, True])).to_pylist()
    assert [(row["value"], row["reason"]) for row in decided] == [(40.0, "increment"), (20.0, None)]


def test_the_cells_of_a_table_go_through_the_ledger_and_back():
    def table(n: list[int]) -> CountTable:
        return CountTable("exits", pa.table({"exit": ["a", "b", "c"], "n": n}), ("exit",), (Measure("n"),))

    first = table([20, 40, 3])
    before = cells_of(first, protect(first, K))
    assert before["counted"].to_pylist() == [20, 40, 3]
    assert before["masked"].to_pylist() == [False, False, True]
    second = table([25, 60, 12])
    result = protect(second, K)
    decided = apply_increment_rule(cells_of(second, result), before, K)
    final = with_cells(result.table, ("exit",), decided)
    assert final["n"].to_pylist() == [20, 60, None]
    assert final["suppressed"].to_pylist() == [False, False, True]
    assert final["suppression_reason"].to_pylist() == ["increment", None, "increment"]
