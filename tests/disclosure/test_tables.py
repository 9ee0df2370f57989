"""No published figure rests on fewer than k persons, and no masked one comes back by subtraction."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.disclosure.suppression import complementary, primary, protect, recoverable
from pipeline.disclosure.tables import CountTable, Link, Margin, Measure, RowSum, round_counts

K = 11


def two_way(counts: np.ndarray, columns: tuple[str, ...] = ("n",)) -> CountTable:
    """Counts `(measures, rows, columns)` with both margins, as a platform x quarter table."""
    full = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
    full = np.concatenate([full, full.sum(axis=2, keepdims=True)], axis=2)
    platforms = [f"P{i}" for i in range(counts.shape[1])] + ["all"]
    quarters = [f"2022-Q{i}" for i in range(counts.shape[2])] + ["all"]
    keys = list(itertools.product(platforms, quarters))
    frame = pa.table(
        {
            "platform_id": [platform for platform, _ in keys],
            "quarter": [quarter for _, quarter in keys],
            **{name: full[m].ravel() for m, name in enumerate(columns)},
        }
    )
    return CountTable(
        "platform_activity",
        frame,
        ("platform_id", "quarter"),
        tuple(Measure(name) for name in columns),
        (Margin(("platform_id",), {"platform_id": "all"}), Margin(("quarter",), {"quarter": "all"})),
    )


def solvable_by_hand(table: CountTable, masked: np.ndarray) -> set[tuple[int, int]]:
    """Oracle in exact fractions, written from the two margins directly: masked cells in the span of the sums."""
    rows = table.frame.to_pylist()
    place = {(row["platform_id"], row["quarter"]): i for i, row in enumerate(rows)}
    platforms = [p for p in dict.fromkeys(r["platform_id"] for r in rows) if p != "all"]
    quarters = [q for q in dict.fromkeys(r["quarter"] for r in rows) if q != "all"]
    sums = [[(place[p, q], 1) for p in platforms] + [(place["all", q], -1)] for q in [*quarters, "all"]]
    sums += [[(place[p, q], 1) for q in quarters] + [(place[p, "all"], -1)] for p in [*platforms, "all"]]
    found = set()
    for m in range(len(table.measures)):
        unknown = [i for i in range(len(rows)) if masked[m, i]]
        matrix = [[Fraction(dict(terms).get(i, 0)) for i in unknown] for terms in sums]
        done = 0
        for j in range(len(unknown)):
            pivot = next((i for i in range(done, len(matrix)) if matrix[i][j]), None)
            if pivot is None:
                continue
            matrix[done], matrix[pivot] = matrix[pivot], matrix[done]
            matrix[done] = [value / matrix[done][j] for value in matrix[done]]
            for i, line in enumerate(matrix):
                if i != done and line[j]:
                    matrix[i] = [a - line[j] * b for a, b in zip(line, matrix[done], strict=True)]
            done += 1
        found |= {
            (m, unknown[next(j for j, value in enumerate(line) if value)])
            for line in matrix[:done]
            if sum(1 for value in line if value) == 1
        }
    return found


counts_of_persons = st.integers(0, 2**32 - 1).map(
    lambda seed: (
        lambda generator: generator.poisson(
            generator.gamma(1.0, generator.uniform(3, 60), (2, generator.integers(1, 6), generator.integers(1, 6)))
        )
    )(np.random.default_rng(seed))
)


@settings(max_examples=150, deadline=None)
@given(counts=counts_of_persons, k=st.integers(2, 20), mask_zero=st.booleans())
def test_nothing_masked_comes_back_and_nothing_small_is_published(counts, k, mask_zero):
    table = two_way(counts, ("referrals", "exits"))
    result = protect(table, k, base=1, mask_zero=mask_zero)
    assert solvable_by_hand(table, result.mask.masked) == set()
    assert recoverable(table, result.mask.masked, k) == []
    for name in ("referrals", "exits"):
        for value, truth in zip(result.table[name].to_pylist(), table.frame[name].to_pylist(), strict=True):
            assert value is None or (value == truth and (value >= k or (value == 0 and not mask_zero)))


@settings(max_examples=150, deadline=None)
@given(counts=counts_of_persons, seed=st.integers(0, 2**32 - 1), share=st.floats(0, 0.5))
def test_the_elimination_agrees_with_exact_fractions_on_any_mask(counts, seed, share):
    table = two_way(counts, ("referrals", "exits"))
    masked = np.random.default_rng(seed).random((2, table.frame.num_rows)) < share
    keys = table.frame.select(table.keys).to_pylist()
    expected = {(tuple(keys[i].values()), ("referrals", "exits")[m]) for m, i in solvable_by_hand(table, masked)}
    assert set(recoverable(table, masked)) == expected


@settings(max_examples=60, deadline=None)
@given(counts=counts_of_persons)
def test_the_masked_parts_of_a_published_total_hold_at_least_k_persons_together(counts):
    table = two_way(counts, ("referrals", "exits"))
    mask = protect(table, K).mask
    rows = table.frame.to_pylist()
    for m, name in enumerate(("referrals", "exits")):
        for dimension, other in (("platform_id", "quarter"), ("quarter", "platform_id")):
            for code in {row[other] for row in rows}:
                line = [i for i, row in enumerate(rows) if row[other] == code]
                total = next(i for i in line if rows[i][dimension] == "all")
                hidden = [i for i in line if i != total and mask.masked[m, i]]
                if hidden and not mask.masked[m, total]:
                    assert sum(rows[i][name] for i in hidden) >= K


@settings(max_examples=40, deadline=None)
@given(counts=counts_of_persons, seed=st.integers(0, 2**32 - 1))
def test_the_order_of_the_rows_never_matters(counts, seed):
    table = two_way(counts, ("referrals", "exits"))
    order = pa.array(np.random.default_rng(seed).permutation(table.frame.num_rows))
    shuffled = CountTable(table.name, table.frame.take(order), table.keys, table.measures, table.margins)
    straight, other = protect(table, K), protect(shuffled, K)
    assert straight.table.take(order) == other.table
    assert straight.log == other.log


@settings(max_examples=40, deadline=None)
@given(counts=counts_of_persons)
def test_masking_what_is_already_masked_changes_nothing(counts):
    table = two_way(counts, ("referrals", "exits"))
    first = protect(table, K).mask
    again = complementary(table, type(first)(first.masked, np.zeros_like(first.masked), {}), K)
    assert not again.secondary.any()


@given(counts=st.lists(st.integers(0, 500)), base=st.integers(1, 20), k=st.integers(1, 30))
def test_rounding_publishes_multiples_never_under_k_and_keeps_order(counts, base, k):
    safe = np.array([n for n in counts if n == 0 or n >= k], np.int64)
    rounded = round_counts(safe, base, k)
    assert (rounded % base == 0).all()
    assert ((rounded >= k) == (safe > 0)).all()
    assert (np.diff(rounded[np.argsort(safe)]) >= 0).all()
    assert (np.abs(rounded - safe) < base).all()


def test_eleven_persons_are_published_as_fifteen_not_as_ten():
    assert round_counts(np.array([0, 11, 12, 17, 18, 22, 23]), 5, 11).tolist() == [0, 15, 15, 15, 20, 20, 25]


def test_two_withdrawals_do_not_hide_the_referrals_of_the_same_platform():
    counts = np.array([[[100, 90], [80, 70]], [[2, 30], [20, 40]]])
    result = protect(two_way(counts, ("referrals", "withdrawals")), K)
    row = result.table.to_pylist()[0]
    assert row == {
        "platform_id": "P0", "quarter": "2022-Q0", "referrals": 100, "withdrawals": None,
        "suppressed": True, "suppression_reason": "primary",
    }  # fmt: skip
    assert result.mask.masked[1].sum() == 4  # the rectangle that protects it
    assert result.log["reason"].to_pylist().count("secondary") == 3


def modalities(counts: dict[tuple[str, str], int], **more: object) -> CountTable:
    frame = pa.table(
        {
            "variable": [variable for variable, _ in counts],
            "modality": [modality for _, modality in counts],
            "n": list(counts.values()),
            "share": [0.0] * len(counts),
            "whole": [sum(n for (v, _), n in counts.items() if v == variable) for variable, _ in counts],
        }
    )
    return CountTable(
        "participant_profile",
        frame,
        ("variable", "modality"),
        (Measure("n"),),
        (Margin(("modality",), None),),
        rates={"share": ("n", "whole")},
        helpers=("whole",),
        **more,
    )


def test_a_single_small_modality_is_not_told_by_the_shares_of_the_others():
    counts = {("sex", "1"): 60, ("sex", "2"): 5, ("age", "18-29"): 30, ("age", "30-39"): 20, ("age", "58+"): 15}
    result = protect(modalities(counts), K)
    assert result.table["n"].to_pylist() == [None, None, 30, 20, 15]
    assert result.table["share"].to_pylist() == [None, None, 30 / 65, 20 / 65, 15 / 65]
    assert "whole" not in result.table.column_names


def test_shares_are_recomputed_from_rounded_counts():
    result = protect(modalities({("sex", "1"): 61, ("sex", "2"): 38}), K)
    assert result.table["share"].to_pylist() == [60 / 100, 40 / 100]


def test_a_share_that_leaves_out_fewer_than_k_is_unsafe_and_a_share_of_the_whole_only_if_asked():
    frame = pa.table(
        {"department_code": ["001", "002", "003"], "persons": [100, 100, 100], "participants": [95, 100, 40]}
    )
    table = CountTable(
        "departments", frame, ("department_code",), (Measure("persons"), Measure("participants", share_of="persons"))
    )
    assert protect(table, K).table["participants"].to_pylist() == [None, 100, 40]
    assert protect(table, K, mask_zero=True).table["participants"].to_pylist() == [None, None, 40]


def test_the_persons_left_out_are_protected_across_departments_too():
    # Nationwide 305 persons, 200 participants; without a partner, 003's remainder of 5 comes back from the others.
    rows = {"001": (100, 60), "002": (100, 45), "003": (105, 100), "all": (305, 205)}
    frame = pa.table(
        {
            "department_code": list(rows),
            "persons": [whole for whole, _ in rows.values()],
            "participants": [part for _, part in rows.values()],
        }
    )
    table = CountTable(
        "departments",
        frame,
        ("department_code",),
        (Measure("persons"), Measure("participants", share_of="persons")),
        (Margin(("department_code",), {"department_code": "all"}),),
    )
    assert protect(table, K, base=1).table["participants"].to_pylist() == [60, None, None, 205]


def test_a_stratum_is_protected_within_its_type_against_the_row_of_everybody():
    rows = [("all", "all", 100), ("sex", "1", 94), ("sex", "2", 6), ("risk", "illness", 60), ("risk", "injury", 40)]
    frame = pa.table(
        {
            "stratum_type": [row[0] for row in rows],
            "stratum": [row[1] for row in rows],
            "n_treated": [row[2] for row in rows],
            "difference": [-9.5] * 5,
        }
    )
    over = ("stratum_type", "stratum")
    table = CountTable(
        "impact",
        frame,
        over,
        (Measure("n_treated"),),
        (Margin(over, {"stratum_type": "all", "stratum": "all"}, within=("stratum_type",)),),
        dependents={"difference": ("n_treated",)},
    )
    result = protect(table, K)
    assert result.table["n_treated"].to_pylist() == [100, None, None, 60, 40]
    assert result.table["difference"].to_pylist() == [-9.5, None, None, -9.5, -9.5]
    assert result.table["suppression_reason"].to_pylist() == [None, "secondary", "primary", None, None]


def test_steps_of_the_flow_are_tied_within_the_row_and_from_one_to_the_next():
    frame = pa.table(
        {"step": ["1", "2"], "n_entering": [100, 95], "n_lost": [5, 40], "n_leaving": [95, 55]},
    )
    table = CountTable(
        "flow",
        frame,
        ("step",),
        (Measure("n_entering"), Measure("n_lost"), Measure("n_leaving")),
        row_sums=(RowSum("n_entering", ("n_lost", "n_leaving")),),
        links=(Link((("2",), "n_entering"), ((("1",), "n_leaving"),)),),
    )
    result = protect(table, K)
    published = result.table.to_pylist()
    assert published[0]["n_lost"] is None
    assert published[0]["n_leaving"] is None
    assert published[1]["n_entering"] is None  # it equals what left the step before
    assert recoverable(table, result.mask.masked, K) == []


def test_an_amount_that_one_contributor_dominates_is_masked_with_a_partner_and_its_count_stays():
    frame = pa.table(
        {
            "measure": ["a", "b", "c", "all"],
            "n": [20, 30, 40, 90],
            "euros": [1000.0, 5000.0, 6000.0, 12000.0],
            "top1": [900.0, 400.0, 400.0, 900.0],
            "top2": [50.0, 400.0, 400.0, 400.0],
        }
    )
    table = CountTable(
        "measures",
        frame,
        ("measure",),
        (Measure("n"), Measure("euros", persons="n", largest="top1", second="top2")),
        (Margin(("measure",), {"measure": "all"}),),
        helpers=("top1", "top2"),
    )
    result = protect(table, K)
    assert result.table["euros"].to_pylist() == [None, None, 6000.0, 12000.0]
    assert result.table["n"].to_pylist() == [20, 30, 40, 90]
    assert result.table.column_names == ["measure", "n", "euros", "suppressed", "suppression_reason"]


def test_a_row_the_caller_withholds_keeps_its_reason_and_still_protects_small_groups():
    counts = {("sex", "1"): 60, ("sex", "2"): 5, ("age", "18-29"): 30, ("age", "30-39"): 35}
    table = modalities(counts, preset="withheld")
    frame = table.frame.append_column("withheld", pa.array([None, "gate", "gate", None], pa.string()))
    result = protect(CountTable(**{**table.__dict__, "frame": frame}), K)
    assert result.table["n"].to_pylist() == [None, None, None, 35]
    assert result.table["suppression_reason"].to_pylist() == ["secondary", "gate", "gate", None]
    assert result.table["suppressed"].to_pylist() == [True, True, True, False]


def test_the_audit_finds_a_cell_that_a_published_table_gives_back():
    table = two_way(np.array([[[100, 90], [80, 70]], [[2, 30], [20, 40]]]), ("referrals", "withdrawals"))
    first = primary(table, K)
    open_mask = [not masked for masked in first.masked[1]]
    leaky = table.frame.set_column(
        3,
        "withdrawals",
        pa.array([v if o else None for v, o in zip(table.frame[3].to_pylist(), open_mask, strict=True)]),
    )
    sums = {"keys": table.keys, "measures": table.measures, "margins": table.margins}
    assert recoverable(CountTable("t", leaky, **sums)) == [(("P0", "2022-Q0"), "withdrawals")]
    assert recoverable(CountTable("t", protect(table, K).table, **sums)) == []


def test_the_log_says_why_without_any_figure():
    log = protect(modalities({("sex", "1"): 60, ("sex", "2"): 5}), K).log
    assert log.to_pylist() == [
        {
            "table": "participant_profile", "key": '["sex", "1"]', "measure": "n", "reason": "secondary",
            "because": "keeps a masked cell from being computed by the sum of participant_profile over modality",
        },
        {
            "table": "participant_profile", "key": '["sex", "2"]', "measure": "n", "reason": "primary",
            "because": "it rests on fewer than k persons",
        },
    ]  # fmt: skip


def test_two_rows_of_one_key_are_refused():
    with pytest.raises(ValueError, match="same key"):
        protect(CountTable("t", pa.table({"a": ["x", "x"], "n": [20, 30]}), ("a",), (Measure("n"),)), K)


def test_an_empty_table_stays_empty():
    empty = pa.table({"a": pa.array([], pa.string()), "n": pa.array([], pa.int64())})
    table = CountTable("t", empty, ("a",), (Measure("n"),), (Margin(("a",), {"a": "all"}),))
    assert protect(table, K).table.num_rows == 0
