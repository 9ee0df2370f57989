"""A month after others: what stands, what moves, and what all of them together tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from raw_tables import persons, raw_tables
from test_described import BUILD

from pipeline.disclosure import described, ledger, successive
from pipeline.disclosure.attack import Known, attack_newest, unrounded
from pipeline.disclosure.between import equalities
from pipeline.disclosure.deduction import Reading, deduce_changes
from pipeline.disclosure.facts import Between, Sums
from pipeline.disclosure.ledger import CELLS
from pipeline.disclosure.measured import counted, differencing, is_few
from pipeline.disclosure.pools import as_published
from pipeline.disclosure.readers import Readers, Seen, unrounded_all
from pipeline.disclosure.suppression import protect, recoverable, recoverable_all
from pipeline.disclosure.system import holding, system_of
from pipeline.disclosure.tables import CountTable, Margin, Measure, Rules, round_counts

K = 11
RULES = Rules(K, mask_zero=True)


def sources(counts: dict[str, int]) -> CountTable:
    """Persons by source with their total."""
    whole = {**counts, "all": sum(counts.values())}
    frame = pa.table(
        {"source": list(whole), "n": list(whole.values()), "share": pa.array([None] * len(whole), pa.float64())}
    )
    return CountTable(
        "referral_sources", frame, ("source",), (Measure("n"),), (Margin(("source",), {"source": "all"}),),
        rates={"share": ("n", "n")}, wholes={(name,): ("all",) for name in whole},
    )  # fmt: skip


def months(*tables: CountTable, base: int = 1) -> list[successive.Publication]:
    """The tables one after the other, each against the ledger of those before."""
    made: list[successive.Publication] = []
    previous: dict[tuple[str, str], dict[str, object]] = {}
    for table in tables:
        before = pa.Table.from_pylist(list(previous.values()), CELLS)
        history = [(f"2024-{number:02d}", month.cells) for number, month in enumerate(made, start=1)]
        made.append(successive.publish(table, before, K, base=base, history=history))
        previous |= {(row["key"], row["measure"]): row for row in made[-1].cells.to_pylist()}
    return made


def shown(made: successive.Publication) -> dict[str, int | None]:
    return dict(zip(made.table["source"].to_pylist(), made.table["n"].to_pylist(), strict=True))


def test_a_cell_kept_masked_takes_another_with_it():
    # Month 1: `b` is too small and `c` hides it. Month 2: `b` has 13 persons, but only 5 of them joined.
    first, second = months(sources({"a": 60, "b": 8, "c": 30}), sources({"a": 75, "b": 13, "c": 36}))
    assert shown(first) == {"a": 60, "b": None, "c": None, "all": 98}
    assert shown(second) == {"a": 75, "b": None, "c": None, "all": 124}
    assert second.table["suppression_reason"].to_pylist() == [None, "increment", "increment", None]


def test_a_cell_opens_once_k_persons_have_joined_and_its_partner_too():
    _, second = months(sources({"a": 60, "b": 8, "c": 30}), sources({"a": 75, "b": 24, "c": 48}))
    assert shown(second) == {"a": 75, "b": 24, "c": 48, "all": 147}


def test_readers_remember_what_they_saw_so_that_it_hides_nothing():
    # `b` becomes visible trouble in month 2 only; `a`, smaller, was published: `d`, never shown, would hide better.
    first, second = months(sources({"a": 20, "b": 40, "d": 3, "e": 70}), sources({"a": 20, "b": 40, "d": 3, "e": 70}))
    assert shown(first) == shown(second)


def test_cells_that_move_do_not_tell_how_few_joined_the_rest():
    # `a` gains 20 and the total 23: the 3 who joined `b` would be told, though each figure moved by k or stood.
    first, second = months(sources({"a": 60, "b": 40}), sources({"a": 80, "b": 43}))
    assert shown(second) == shown(first)
    third = months(sources({"a": 60, "b": 40}), sources({"a": 80, "b": 43}), sources({"a": 90, "b": 52}))[2]
    assert shown(third) == {"a": 90, "b": 52, "all": 142}


def groups(n_treated: int, smd: float, covariate: str) -> CountTable:
    """The balance of one département."""
    return described.balance_groups(
        pd.DataFrame(
            {
                "estimand": ["ITT"], "stratum_type": ["department"], "stratum": ["094"], "smd_largest": [smd],
                "smd_covariate": [covariate], "smd_strict_largest": [smd / 3], "ks_largest": [0.0731],
                "variance_ratio_smallest": [0.9], "variance_ratio_largest": [1.1], "verdict": ["pass"],
                "n_treated": [n_treated], "n_comparison": [3 * n_treated], "reason": [None],
            }
        )
    )  # fmt: skip


def told(made: successive.Publication) -> tuple[object, ...]:
    (row,) = made.table.to_pylist()
    return tuple(row[name] for name in ("smd_largest", "smd_covariate", "verdict", "suppressed"))


def test_which_covariate_is_farthest_apart_is_told_beside_the_distance_it_has_in_this_release_alone():
    # Five persons join, and another covariate comes first: the distance stands, and nothing else may tell.
    first, held, moved = months(groups(40, 0.123, "wage"), groups(45, 0.121, "age"), groups(60, 0.081, "age"))
    assert told(first) == (0.12, "wage", "pass", False)
    assert told(held) == (0.12, None, None, False)
    assert told(moved) == (0.08, "age", "pass", False)


def test_a_figure_that_was_away_a_month_does_not_come_back_beside_a_row_that_stands():
    """In the second month there is none; in the third the row stands at that one, and the figure would tell of now."""

    def without_ks(table: CountTable) -> CountTable:
        place = table.frame.column_names.index("ks_largest")
        return replace(table, frame=table.frame.set_column(place, "ks_largest", pa.array([None], pa.float64())))

    _, _, third = months(groups(40, 0.12, "wage"), without_ks(groups(60, 0.1, "age")), groups(65, 0.08, "age"))
    (row,) = third.table.to_pylist()
    assert (row["smd_largest"], row["ks_largest"]) == (0.1, None)


def test_the_balance_of_fewer_than_k_persons_is_empty_down_to_its_labels():
    (row,) = months(groups(10, 0.4, "wage"))[0].table.to_pylist()
    assert {name for name, value in row.items() if value is not None} == {
        "estimand", "stratum_type", "stratum", "suppressed", "suppression_reason",
    }  # fmt: skip
    assert (row["suppressed"], row["suppression_reason"]) == (True, "primary")


def test_no_number_of_persons_is_told_beside_the_balance_of_a_group():
    (row,) = months(groups(40, 0.123456, "wage"))[0].table.to_pylist()
    assert not {"n_treated", "n_comparison"} & set(row)
    assert row["ks_largest"] == 0.07


def test_a_share_is_that_of_the_counts_shown_with_it():
    _, second = months(sources({"a": 60, "b": 40, "c": 50}), sources({"a": 65, "b": 80, "c": 56}))
    assert shown(second) == {"a": 60, "b": 80, "c": 50, "all": 201}
    assert second.table["share"].to_pylist() == [60 / 201, 80 / 201, 50 / 201, 1.0]


def test_a_part_that_outgrew_a_total_that_stands_has_no_share_of_it():
    _, second = months(sources({"employer": 100, "doctor": 12}), sources({"employer": 119, "doctor": 2}))
    assert shown(second) == {"all": 112, "doctor": 12, "employer": 119}
    (row,) = [row for row in second.table.to_pylist() if row["source"] == "employer"]
    assert (row["share"], row["suppressed"], row["suppression_reason"]) == (None, True, "increment")


def test_the_same_month_again_is_the_same():
    start, after = sources({"a": 60, "b": 8, "c": 30}), sources({"a": 75, "b": 13, "c": 30})
    one, other = months(start, after)[1], months(start, after)[1]
    assert one.table == other.table and one.cells == other.cells


def test_one_person_less_is_not_seen():
    before = sources({"a": 60, "b": 40, "c": 25})
    _, second = months(before, sources({"a": 75, "b": 40, "c": 25}))
    _, without = months(before, sources({"a": 75, "b": 39, "c": 25}))
    assert shown(without)["b"] == shown(second)["b"] == 40


QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Five months are slow to shrink."""
worlds = st.tuples(st.integers(40, 250), st.integers(0, 2**32 - 1), st.integers(0, 60))


@settings(max_examples=3, deadline=None, phases=QUICK)
@given(world=worlds, base=st.sampled_from([1, 5]))
def test_five_months_together_bound_no_group_under_k(world, base):
    start, seed, newcomers = world
    everyone = persons(start + 4 * newcomers, seed)
    growing = [everyone.iloc[: start + month * newcomers] for month in range(5)]
    for name in ("platform_activity", "participant_profile", "referral_sources", "exits", "situations", "leaves"):
        tables = [BUILD[name](raw_tables(cases)[name]) for cases in growing]
        made = months(*tables, base=base)
        for month in made:
            published = Sums.of(month.truth).count_table(name, month.table)
            assert recoverable(published, k=K) == [], name
            for column in (measure.column for measure in published.measures):
                assert all(n is None or n >= K for n in month.table[column].to_pylist())
        releases = [(f"2024-{number:02d}", month.cells) for number, month in enumerate(made, start=1)]
        found = differencing([made[-1].truth], releases, K, base)
        assert found is None or found.success == 0, (name, found)
        assert found is None or found.control == 1, (name, found)


def reading(month: list[successive.Publication], base: int) -> Reading:
    """A release as its readers keep it."""
    truth = [each.truth for each in month]
    between = [each.equality for each in Between.of(holding(truth, equalities(truth)), truth)]
    sums = {table.name: Sums.of(table) for table in truth}
    return Reading.of_release({each.truth.name: each.table for each in month}, sums, between, K, base)


def together(*months: list[CountTable], base: int = 1, programmed: bool = True) -> list[list[successive.Publication]]:
    """Releases of several tables, with the sums between them that hold."""
    made: list[list[successive.Publication]] = []
    kept: dict[str, Reading] = {}
    history: list[tuple[str, pa.Table]] = []
    previous = CELLS.empty_table()
    for number, tables in enumerate(months, start=1):
        tied = holding(tables, equalities(tables))
        made.append(
            successive.publish_all(
                tables, previous, RULES, base=base, equalities=tied, history=history, kept=kept if programmed else None
            )
        )
        kept[f"2024-{number:02d}"] = reading(made[-1], base)
        history.append((f"2024-{number:02d}", pa.concat_tables([each.cells for each in made[-1]])))
        last = {(row["table"], row["key"], row["measure"]): row for _, cells in history for row in cells.to_pylist()}
        previous = pa.Table.from_pylist(list(last.values()), CELLS)
    return made


def test_three_persons_less_are_seen_in_no_table():
    # Some cells of exactly k persons fall under it: they stand too, since masking them now would tell who left.
    everyone = persons(300, 15)
    before, after = together(*(
        [BUILD[name](raw) for name, raw in raw_tables(cases).items()] for cases in (everyone, everyone.iloc[3:])
    ))  # fmt: skip
    fell = 0
    for then, now in zip(before, after, strict=True):
        counts = [m.column for m in then.truth.measures if m.column in then.table.column_names]
        columns = [*then.truth.keys, *counts, *then.truth.rates]
        assert then.table.select(columns) == now.table.select(columns), then.truth.name
        true = now.truth.frame.filter(pa.array(now.truth.written_rows()))
        for name in counts:
            fell += pc.sum(pc.and_(pc.is_valid(now.table[name]), pc.less(true[name], K))).as_py()
    assert fell


def told_by_programmes(made: list[list[successive.Publication]], base: int) -> int:
    """Changes between any two releases that linear programmes bound to 1..k-1 persons, and that are of as many."""
    readings = [reading(month, base) for month in made]
    true = [as_published(counted(pa.concat_tables([each.cells for each in month]))) for month in made]
    return sum(
        is_few(cells, true[later], true[earlier], K)
        for later, earlier in [(1, 0), (2, 0), (2, 1)]
        for cells in deduce_changes(readings[later], readings[earlier]).exposed
    )


@pytest.mark.parametrize("base", [1, 5])
@pytest.mark.parametrize("seed", [0, 2])
def test_programmes_over_all_tables_and_months_bound_no_change_under_k_unless_left_out(seed, base):
    everyone = persons(300, seed)
    worlds = [
        [BUILD[name](raw) for name, raw in raw_tables(everyone.iloc[:seen]).items()] for seen in (220, 260, 300)
    ]  # fmt: skip
    assert told_by_programmes(together(*worlds, base=base), base) == 0
    assert told_by_programmes(together(*worlds, base=base, programmed=False), base) > 0


@settings(max_examples=4, deadline=None, phases=QUICK)
@given(world=worlds, base=st.sampled_from([1, 5]))
def test_readers_of_every_table_and_month_bound_no_group_under_k(world, base):
    start, seed, newcomers = world
    everyone = persons(start + 3 * newcomers, seed)
    months_of_tables = [
        [BUILD[name](raw) for name, raw in raw_tables(everyone.iloc[: start + month * newcomers]).items()]
        for month in range(4)
    ]
    made = together(*months_of_tables, base=base)
    for month in made:
        truth = [each.truth for each in month]
        tied = holding(truth, equalities(truth))
        published = [Sums.of(each.truth).count_table(each.truth.name, each.table) for each in month]
        assert recoverable_all(published, [each.equality for each in Between.of(tied, truth)], k=K) == []
        for each in month:
            for column in (m.column for m in each.truth.measures if m.column in each.table.column_names):
                assert all(n is None or n >= K for n in each.table[column].to_pylist())
    releases = [
        (f"2024-{number:02d}", pa.concat_tables([each.cells for each in month])) for number, month in enumerate(made)
    ]
    found = differencing([each.truth for each in made[-1]], releases, K, base)
    assert found is None or found.success == 0, found
    assert found is None or found.control == 1, found


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(2, 20))
def test_readers_undo_the_rounding_as_the_attacker_of_the_audit_does(base, k):
    published = np.unique(round_counts(np.array([0, *range(k, 200)]), base, k))
    low, high = unrounded_all(np.append(published, np.nan), base, k)
    assert [*zip(low[:-1], high[:-1], strict=True)] == [unrounded(int(value), base, k) for value in published]
    assert (low[-1], high[-1]) == (0, np.inf)


@settings(max_examples=20, deadline=None)
@given(size=st.integers(20, 300), seed=st.integers(0, 2**32 - 1), share=st.floats(0, 0.6))
def test_readers_bound_masked_cells_as_the_attacker_of_the_audit_does(size, seed, share):
    table = BUILD["platform_activity"](raw_tables(persons(size, seed))["platform_activity"])
    rng = np.random.default_rng(seed)
    frame = table.frame
    for measure in table.measures:
        place = frame.column_names.index(measure.column)
        hidden = pa.array(rng.random(frame.num_rows) < share)
        frame = frame.set_column(place, measure.column, pc.if_else(hidden, None, frame[measure.column]))
    known = Known(replace(table, frame=frame), K, 1)
    system = system_of([replace(table, frame=frame)], published=True)
    low, high = Readers(system, K).bounds(Seen.of(system.values, system.values, K, 1))
    assert {(key, measure): (low[i], high[i]) for i, (_, key, measure) in enumerate(system.cells)} == known.bounds


def test_control_the_attacker_finds_what_cell_by_cell_holding_leaves_open():
    first, second = sources({"a": 60, "b": 40}), sources({"a": 80, "b": 43})
    before = months(first)[0]
    cell_by_cell = ledger.apply_increment_rule(ledger.cells_of(second, protect(second, K, base=1)), before.cells, K)
    seen = [
        replace(table, frame=ledger.with_cells(table.frame.append_column("suppressed", pa.array([False] * 3))
                .append_column("suppression_reason", pa.nulls(3, pa.string())), ("source",), cells))
        for table, cells in ((first, before.cells), (second, cell_by_cell))
    ]  # fmt: skip
    claims = attack_newest([("2024-01", [seen[0]]), ("2024-02", [seen[1]])], K)
    assert [(c.kind, c.cells, c.low) for c in claims] == [("group_change", ((("b",), "n"),), 3)]


def test_a_hundred_thousand_cells_take_seconds():
    import time

    rng = np.random.default_rng(1)
    rows = 50_000
    frame = pa.table(
        {"source": [f"s{i}" for i in range(rows)], "n": rng.integers(0, 60, rows), "m": rng.integers(0, 60, rows)}
    )
    table = CountTable("referral_sources", frame, ("source",), (Measure("n"), Measure("m")))
    grown = replace(table, frame=frame.set_column(1, "n", pa.array(frame["n"].to_numpy() + rng.integers(0, 20, rows))))
    first = successive.publish(table, CELLS.empty_table(), K, base=5)
    started = time.perf_counter()
    second = successive.publish(grown, first.cells, K, base=5)
    assert second.cells.num_rows == 2 * rows
    assert time.perf_counter() - started < 60  # seconds on an idle core: 5


def test_rates_of_a_row_without_total_follow_the_held_total():
    def table(counts: dict[str, int]) -> pd.DataFrame:
        return pd.DataFrame(
            [{"stage": "final", "dimension": "diagnosis_social", "modality": m, "n": n, "n_initial": n}
             for m, n in counts.items()]
        )  # fmt: skip

    build = BUILD["situations"]
    first, second = months(build(table({"improved": 40, "stable": 60})), build(table({"improved": 40, "stable": 65})))
    assert first.table["share"].to_pylist() == second.table["share"].to_pylist() == [0.4, 0.6]
