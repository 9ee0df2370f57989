"""Rows too small to be told are told together, and who is in the sum never tells how few came or went."""

from __future__ import annotations

from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.disclosure import successive
from pipeline.disclosure.facts import Sums
from pipeline.disclosure.ledger import CELLS
from pipeline.disclosure.measured import differencing
from pipeline.disclosure.suppression import recoverable
from pipeline.disclosure.tables import CountTable, Margin, Measure, Pool

K = 11


def exits(counts: dict[str, int]) -> CountTable:
    whole = {**counts, "all": sum(counts.values())}
    frame = pa.table(
        {"exit": list(whole), "n": list(whole.values()), "share": pa.nulls(len(whole), pa.float64())}
    )  # fmt: skip
    return CountTable(
        "exits", frame, ("exit",), (Measure("n"),), (Margin(("exit",), {"exit": "all"}),),
        rates={"share": ("n", "n")}, wholes={(name,): ("all",) for name in whole}, pool=Pool("exit", "other_exits"),
    )  # fmt: skip


def months(*counts: dict[str, int]) -> list[successive.Publication]:
    made: list[successive.Publication] = []
    previous: dict[tuple[str, str], dict[str, object]] = {}
    for month in counts:
        history = [(f"2024-{number:02d}", each.cells) for number, each in enumerate(made, start=1)]
        before = pa.Table.from_pylist(list(previous.values()), CELLS)
        made.append(successive.publish(exits(month), before, K, base=1, history=history))
        previous |= {(row["key"], row["measure"]): row for row in made[-1].cells.to_pylist()}
    return made


def shown(made: successive.Publication) -> dict[str, int | None]:
    return dict(zip(made.table["exit"].to_pylist(), made.table["n"].to_pylist(), strict=True))


def test_small_rows_are_told_together_and_nothing_else_is_masked():
    (made,) = months({"a": 60, "b": 8, "c": 5, "d": 30})
    assert shown(made) == {"a": 60, "d": 30, "other_exits": 13, "all": 103}
    assert made.table["share"].to_pylist() == [60 / 103, 30 / 103, 1.0, 13 / 103]
    assert not pc.any(made.table["suppressed"]).as_py()


def test_the_smallest_of_the_others_joins_where_the_small_are_too_few():
    (made,) = months({"a": 60, "b": 3, "c": 5, "d": 30})
    assert shown(made) == {"a": 60, "other_exits": 38, "all": 98}


def test_a_row_alone_is_never_told_as_the_others():
    (made,) = months({"a": 60, "b": 0, "d": 30})
    assert shown(made) == {"a": 60, "other_exits": 30, "all": 90}


def test_a_context_that_is_small_altogether_has_its_total_alone():
    (made,) = months({"a": 8, "b": 5, "c": 2})
    assert shown(made) == {"other_exits": 15, "all": 15}


def test_who_is_told_together_stays_while_few_have_come():
    first = {"a": 60, "b": 8, "c": 5, "d": 30}
    # `b` has reached k by three persons only: it stays, and so does the sum, which three persons moved.
    _, second = months(first, {**first, "b": 11})
    assert shown(second) == {"a": 60, "d": 30, "other_exits": 13, "all": 103}


def test_a_row_leaves_the_others_once_k_persons_have_joined_it_and_k_are_left():
    first = {"a": 60, "b": 8, "c": 5, "d": 30, "e": 7}
    _, second = months(first, {**first, "b": 20})
    assert shown(second) == {"a": 60, "b": 20, "d": 30, "other_exits": 12, "all": 122}


def test_a_change_of_who_is_told_together_never_tells_of_a_few():
    # 12 joined `b` and 10 left `e`: were `b` told alone, the sums would say that two more are in all three.
    first = {"a": 60, "b": 8, "c": 7, "d": 30, "e": 10}
    _, second = months(first, {**first, "b": 20, "e": 0})
    assert "b" not in shown(second)


small_months = st.lists(st.lists(st.integers(0, 14), min_size=5, max_size=5), min_size=2, max_size=4)


@settings(max_examples=25, deadline=None)
@given(steps=small_months)
def test_readers_of_every_month_learn_of_no_few_persons_from_rows_told_together(steps):
    counts = [0] * 5
    growing = []
    for step in steps:
        counts = [n + more for n, more in zip(counts, step, strict=True)]
        growing.append(dict(zip("abcde", counts, strict=True)))
    made = months(*growing)
    for month, truth in zip(made, growing, strict=True):
        assert all(n is None or n >= K for n in shown(month).values())
        sums = Sums.of(month.truth).count_table("exits", month.table)
        assert recoverable(sums, k=K) == []
        members = {key[0] for listed in month.truth.pooled.values() for key in listed}
        assert members.isdisjoint(shown(month))
        assert members | set(shown(month)) == {*truth, "all"} | ({"other_exits"} if members else set())
    for before, after in pairwise(range(1, len(made) + 1)):
        cells = [(f"2024-{number:02d}", month.cells) for number, month in enumerate(made[:after], start=1)]
        found = differencing([made[before].truth], cells, K, 1)
        assert found is None or found.success == 0, found
