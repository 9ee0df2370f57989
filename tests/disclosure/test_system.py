"""The tables of a release are one system: what one tells, another does not give back."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_tables import persons, raw_tables
from test_described import BUILD

from pipeline.disclosure.between import equalities
from pipeline.disclosure.deduction import too_close
from pipeline.disclosure.facts import Between, Sums
from pipeline.disclosure.suppression import complementary, primary, protect_all, recoverable_all
from pipeline.disclosure.system import Equality, holding, system_of
from pipeline.disclosure.tables import CountTable, DisclosureError, Margin, Measure, Rules

K = 11
RULES = Rules(K, mask_zero=True)


def by(name: str, counts: dict[str, int]) -> CountTable:
    """Persons by one characteristic, with their total."""
    whole = {**counts, "all": sum(counts.values())}
    frame = pa.table({"code": list(whole), "n": list(whole.values())})
    return CountTable(name, frame, ("code",), (Measure("n"),), (Margin(("code",), {"code": "all"}),))


def same(one: str, other: str, code: str = "all", *, always: bool = True) -> Equality:
    return Equality((one, (code,), "n"), ((other, (code,), "n"),), "the same persons", always)


def shown(table: pa.Table) -> dict[str, int | None]:
    return dict(zip(table["code"].to_pylist(), table["n"].to_pylist(), strict=True))


def test_a_cell_shown_in_another_table_is_masked_there_too():
    one, other = by("one", {"a": 60, "b": 8, "c": 30}), by("other", {"c": 30, "d": 40, "e": 50})
    tied = (same("one", "other", "c"),)
    alone, together = ([made.table for made in protect_all([one, other], RULES, equalities=e, base=1)]
                       for e in ((), tied))  # fmt: skip
    assert shown(alone[0])["c"] is None and shown(alone[1])["c"] == 30
    published = [replace(t, frame=made) for t, made in zip((one, other), alone, strict=True)]
    assert [cell[1] for cell in recoverable_all(published, tied)] == [("b",), ("c",)]
    assert shown(together[0])["c"] is shown(together[1])["c"] is None
    assert recoverable_all([replace(t, frame=made) for t, made in zip((one, other), together, strict=True)], tied) == []


def test_a_total_of_another_table_gives_no_part_back():
    # `one` has no total of its own: the other table's is its total.
    one = replace(by("one", {"a": 60, "b": 8}), margins=())
    one = replace(one, frame=one.frame.slice(0, 2))
    other = by("other", {"d": 50, "e": 18})
    tied = (Equality(("other", ("all",), "n"), (("one", ("a",), "n"), ("one", ("b",), "n")), "everyone", True),)
    made = protect_all([one, other], RULES, equalities=holding([one, other], tied), base=1)
    assert shown(made[0].table) == {"a": None, "b": None}
    assert made[0].log["because"].to_pylist() == [
        "keeps a masked cell from being computed by the sum between other and one (everyone)",
        "it rests on fewer than k persons",
    ]


def test_a_sum_that_always_holds_and_does_not_stops_the_release():
    tables = [by("one", {"a": 60}), by("other", {"a": 61})]
    with pytest.raises(DisclosureError, match="always holds does not"):
        holding(tables, [same("one", "other")])
    assert holding(tables, [same("one", "other", always=False)]) == ()
    assert holding(tables, [same("one", "other", "missing")]) == ()


drawn = st.builds(persons, st.integers(30, 400), st.integers(0, 2**32 - 1))


@settings(max_examples=20, deadline=None)
@given(cases=drawn)
def test_every_sum_of_the_system_holds_of_the_persons_counted(cases):
    tables = [BUILD[name](raw) for name, raw in raw_tables(cases).items()]
    system = system_of(tables, holding(tables, equalities(tables)))
    sums = system.matrix @ np.nan_to_num(system.values)
    assert (sums[system.has_total] == 0).all()
    assert {label.split()[0] for label in system.labels} == {"of", "between"}
    assert [system.name(i) for i in range(0, system.size, 7)] == list(system.cells[::7])


@settings(max_examples=20, deadline=None)
@given(cases=drawn, base=st.sampled_from([1, 5]))
def test_no_masked_cell_comes_back_from_all_published_tables_together(cases, base):
    tables = [BUILD[name](raw) for name, raw in raw_tables(cases).items()]
    tied = holding(tables, equalities(tables))
    made = protect_all(tables, RULES, equalities=tied, base=base)
    published = [Sums.of(t).count_table(t.name, m.table) for t, m in zip(tables, made, strict=True)]
    known = [each.equality for each in Between.of(tied, tables)]
    assert recoverable_all(published, known, k=K) == []
    for table, result in zip(tables, made, strict=True):
        for measure in table.measures:
            if measure.column in result.table.column_names:
                assert all(n is None or n >= K for n in result.table[measure.column].to_pylist())


@settings(max_examples=15, deadline=None)
@given(cases=drawn)
def test_no_cell_is_masked_for_others_that_could_have_been_shown(cases):
    tables = [BUILD[name](raw) for name, raw in raw_tables(cases).items() if name in ("exits", "referral_sources")]
    made = protect_all(tables, RULES, base=1)
    for table, result in zip(tables, made, strict=True):
        by_elimination = complementary(table, primary(table, K, mask_zero=RULES.mask_zero), K).masked
        if (result.mask.masked != by_elimination).any():
            alone = system_of([table], k=K)
            assert too_close(alone, alone.flat([by_elimination]), K, 1).cells.any(), table.name
            continue
        for m, row in np.argwhere(result.mask.secondary):
            open_one = result.mask.masked.copy()
            open_one[m, row] = False
            unsafe = alone_or_in_a_small_group(table, open_one)
            assert unsafe, (table.name, m, row)


def test_widths_proven_for_some_masked_cells_are_kept_while_more_are_masked():
    table = by("one", {"a": 60, "b": 8, "c": 30, "d": 45, "e": 19})
    system = system_of([table], k=K)
    few = system.flat([primary(table, K).masked])
    more = few.copy()
    more[[i for i, name in enumerate(map(system.name, range(system.size))) if name[1] in (("c",), ("e",))]] = True
    first = too_close(system, few, K, 5)
    again = too_close(system, more, K, 5, taken=first.taken)
    afresh = too_close(system, more, K, 5)
    assert (again.cells == afresh.cells).all()


def alone_or_in_a_small_group(table: CountTable, masked: np.ndarray) -> bool:
    """Whether some line of a two-way table has one masked part, or masked parts of fewer than k persons together."""
    frame = table.frame.to_pandas()
    first, second = table.keys
    for fixed, free in ((first, second), (second, first)):
        for code in frame[fixed].unique():
            mine = (frame[fixed] == code).to_numpy()
            total = mine & (frame[free] == "all").to_numpy()
            hidden = mine & ~total & masked[0]
            if not masked[0][total].any() and hidden.any() and (
                hidden.sum() == 1 or frame["n"].to_numpy()[hidden].sum() < K
            ):  # fmt: skip
                return True
    return bool(recoverable_all([replace(table, frame=_emptied(table, masked))]))


def _emptied(table: CountTable, masked: np.ndarray) -> pa.Table:
    values = [None if off else n for n, off in zip(table.frame["n"].to_pylist(), masked[0], strict=True)]
    place = table.frame.column_names.index("n")
    return table.frame.set_column(place, "n", pa.array(values, pa.int64()))


def test_the_order_of_the_rows_and_tables_never_matters():
    tables = [BUILD[name](raw) for name, raw in raw_tables(persons(300, 5)).items()]
    tied = holding(tables, equalities(tables))
    straight = {t.name: m for t, m in zip(tables, protect_all(tables, RULES, equalities=tied), strict=True)}
    turned = [replace(t, frame=t.frame.take(list(range(t.frame.num_rows))[::-1])) for t in tables]
    for table, made in zip(turned, protect_all(turned, RULES, equalities=tied[::-1]), strict=True):
        assert made.table.take(list(range(table.frame.num_rows))[::-1]) == straight[table.name].table
        assert {*map(str, made.log.to_pylist())} == {*map(str, straight[table.name].log.to_pylist())}


def test_a_release_of_every_combination_of_small_and_large_is_protected_or_refused():
    for counts in product((0, 4, 12, 40), repeat=3):
        one = by("one", dict(zip("abc", counts, strict=True)))
        other = by("other", {"x": sum(counts[:2]), "y": counts[2]})
        tied = holding([one, other], [same("one", "other")])
        made = protect_all([one, other], RULES, equalities=tied, base=1)
        published = [replace(t, frame=m.table) for t, m in zip((one, other), made, strict=True)]
        assert recoverable_all(published, tied) == []
