"""The sums declared of each table hold of the persons counted, and no masked figure comes back through them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_tables import incidence, leaves, losses, persons, raw_tables

from pipeline.disclosure import described, successive
from pipeline.disclosure.attack import attack, sums_of
from pipeline.disclosure.facts import Sums
from pipeline.disclosure.ledger import CELLS
from pipeline.disclosure.suppression import protect, recoverable
from pipeline.disclosure.tables import CountTable, Rules
from pipeline.tables.codes import ALLOWANCE_PARTS

K = 11
NOTHING = CELLS.empty_table()
DOMINANCE = 0.85
BUILD: dict[str, Callable[[pd.DataFrame], CountTable]] = {
    **{name: partial(build, k=K) for name, build in described.ACTIVITY_TABLES.items()},
    "measures": partial(described.measures, k=K),
    "leaves": partial(described.leaves, k=K, dominance=DOMINANCE),
}
drawn = st.builds(persons, st.integers(30, 400), st.integers(0, 2**32 - 1))


def tables_of(cases: pd.DataFrame) -> list[CountTable]:
    return [BUILD[name](raw) for name, raw in raw_tables(cases).items()]


def cells_of(table: CountTable) -> dict[tuple[tuple[str, ...], str], int]:
    return {
        (tuple(str(row[name]) for name in table.keys), measure.column): row[measure.column]
        for row in table.frame.to_pylist()
        for measure in table.measures
        if row[measure.column] is not None
    }


def publish(table: CountTable, base: int = 5) -> pa.Table:
    return successive.publish(table, NOTHING, K, base=base).table


@settings(max_examples=25, deadline=None)
@given(cases=drawn)
def test_every_declared_sum_holds_of_the_persons_counted(cases):
    for table in tables_of(cases):
        counts = cells_of(table)
        sums = list(sums_of(table, list(counts)))
        assert sums, table.name
        for each in sums:
            assert counts[each.total] == sum(counts[part] for part in each.parts), (table.name, each)


@settings(max_examples=25, deadline=None)
@given(cases=drawn, base=st.sampled_from([1, 5]))
def test_no_count_under_k_is_published_and_none_comes_back_by_subtraction(cases, base):
    for table in tables_of(cases):
        release = successive.publish(table, NOTHING, K, base=base)
        made = release.table
        published = Sums.of(release.truth).count_table(table.name, made)
        for measure in published.measures:
            assert all(n is None or n >= K for n in made[measure.column].to_pylist()), table.name
        assert recoverable(published, k=K) == [], table.name
        counts = cells_of(release.truth)
        truth = {(release.truth.published_key(key), measure): n for (key, measure), n in counts.items()}
        claims = attack([("2024-01", [published])], K, base=base)
        assert [c for c in claims if 1 <= sum(truth[cell] for cell in c.cells) < K] == [], table.name


@settings(max_examples=25, deadline=None)
@given(cases=drawn)
def test_a_share_is_a_published_count_over_a_published_total(cases):
    totals = {
        "participant_profile": {"variable": "all", "modality": "all"},
        "referral_sources": {"source": "all"},
        "exits": {"exit": "all"},
    }
    for name, raw in raw_tables(cases).items():
        if name not in totals:
            continue
        made = publish(BUILD[name](raw)).to_pandas()
        keys = list(BUILD[name](raw).keys)
        whole = made.drop(columns=keys).set_index(pd.MultiIndex.from_frame(made[keys]))["n"]
        for row in made.itertuples():
            total = whole[tuple(totals[name].get(key, getattr(row, key)) for key in keys)]
            if pd.isna(row.n) or pd.isna(total):
                assert pd.isna(row.share) and row.suppressed
            else:
                assert row.share == row.n / total


def test_a_masked_total_is_not_told_by_the_shares_of_its_parts():
    # 20 persons of one risk against 5 of the other: the 5 are masked, and so is a total that would give them away.
    raw = raw_tables(persons(400, 1))["exits"]
    table = described.exits(raw, K)
    kept = np.zeros((1, len(raw)), bool)
    kept[0, raw.index[(raw["exit"] == "all") & (raw["leave_risk"] == "sickness")]] = True
    made = protect(table, K, mask_zero=True, kept=kept).table.to_pandas()
    mine = made[made["leave_risk"] == "sickness"]
    assert mine["n"].notna().any() and mine["share"].isna().all()


def test_a_measure_that_nearly_everyone_has_does_not_tell_who_lacks_it():
    raw = pd.DataFrame(
        [("assessment", "accepted", 195), ("assessment", "proposed", 200), ("assessment", "all", 395),
         ("training", "accepted", 100), ("training", "proposed", 100), ("training", "all", 200), ("all", "all", 400)],
        columns=["measure", "status", "n"],
    ).assign(n_cost=0, total_cost=0.0, largest_cost=0.0, second_cost=0.0)  # fmt: skip
    made = publish(described.measures(raw, K)).to_pandas().set_index(["measure", "status"])["n"]
    assert pd.isna(made["assessment", "all"])
    assert made["training", "all"] == 200


def leaves_of(longest: list[int], age: str = "25-29") -> pd.DataFrame:
    return pd.DataFrame({"longest": longest, "age": age, "short": 0})


def shown_leaves(raw: pd.DataFrame) -> pd.DataFrame:
    return publish(described.leaves(raw, K, DOMINANCE)).to_pandas().set_index("modality")


def test_durations_one_inside_the_other_do_not_tell_the_few_between_them():
    # 200 leaves over 30 days, of which 195 over six months: the five between are not told, by persons or by share.
    made = shown_leaves(leaves(leaves_of([5] * 100 + [20] * 40 + [90] * 5 + [300] * 120 + [800] * 75)))
    assert made.loc[["8+", "31+", "366+"], "n"].tolist() == [240, 200, 75]
    assert made.loc["181+", ["n", "share"]].isna().all()


def test_a_share_or_a_mean_is_masked_with_its_persons_and_national_figures_never():
    cases = pd.concat([leaves_of([20] * 60 + [300] * 60), leaves_of([20] * 5, "60+")], ignore_index=True)
    made = shown_leaves(leaves(cases))
    assert made.loc["60+", ["n", "share", "mean_days"]].isna().all()
    assert made.loc["60+", "suppression_reason"] == "primary"
    assert made.loc["all", "mean_days"] == round((65 * 20 + 60 * 300) / 125)
    assert made["national_mean_days"].notna().all()


def test_a_mean_that_one_person_makes_is_not_told():
    made = shown_leaves(leaves(leaves_of([1] * 20 + [365])))
    assert pd.isna(made.loc["all", "mean_days"])
    assert made.loc["all", "n"] == 20


def test_leaves_change_by_nobody_or_by_k_persons_and_k_leaves():
    before = leaves_of([20] * 100 + [300] * 100)
    first = successive.publish(described.leaves(leaves(before), K, DOMINANCE), NOTHING, K, base=5)
    # The same persons, three of whom have one more leave.
    more = before.assign(short=[1] * 3 + [0] * 197)
    table = described.leaves(leaves(more), K, DOMINANCE)
    second = successive.publish(table, first.cells, K, base=5)
    columns = ["n", "share", "mean_days"]
    assert second.table.to_pandas()[columns].equals(first.table.to_pandas()[columns])
    # Another year is another table.
    later = described.leaves(leaves(more, "2024"), K, DOMINANCE)
    assert "increment" not in set(
        successive.publish(later, first.cells, K, base=5).table.to_pandas()["suppression_reason"]
    )


def test_without_a_year_known_there_is_no_row():
    assert publish(described.leaves(leaves(leaves_of([20] * 20)).iloc[:0], K, DOMINANCE)).num_rows == 0


def test_a_zero_of_what_is_not_known_hides_no_true_group():
    cases = persons(200, 3)
    table = described.participant_profile(raw_tables(cases)["participant_profile"], K)
    made = publish(table).to_pandas()
    assert "unknown" not in set(made["modality"])
    assert made[(made["platform_id"] == "all") & (made["variable"] == "sex")]["n"].notna().all()
    one = pd.concat([cases, cases.tail(1).assign(sex="unknown")], ignore_index=True)
    seen = publish(described.participant_profile(raw_tables(one)["participant_profile"], K)).to_pandas()
    assert "unknown" not in set(seen["modality"])
    told = seen[(seen["variable"] == "sex") & (seen["modality"] == "other_modalities")]
    assert len(told) == 4 and (told["n"].dropna() >= K).all()
    assert told.loc[told["platform_id"] == "all", "n"].notna().all()


@settings(max_examples=60, deadline=None)
@given(size=st.integers(150, 400), seed=st.integers(0, 2**32 - 1))
def test_attrition_pools_small_losses_and_stays_a_chain(size, seed):
    raw = losses(size, seed)
    table = described.flow(raw, K)
    counts = cells_of(table)
    for each in sums_of(table, list(counts)):
        assert counts[each.total] == sum(counts[part] for part in each.parts)
    pooled = table.frame.to_pandas()
    assert pooled["n_lost"].sum() == raw["n_lost"].sum()
    for (_, step), rows in pooled.groupby(["arm", "step"], sort=False):
        small = rows[rows["n_lost"] < K]
        # A step may lose fewer than k in all: there is nobody to pool with.
        assert small.empty or (len(rows) == 1 and rows["reason"].iloc[0] == "other_reasons"), step
    assert all(
        n is None or n >= K for name in ("n_entering", "n_lost", "n_leaving") for n in publish(table)[name].to_pylist()
    )


weekly = st.lists(st.integers(0, 14), min_size=5, max_size=60)


@settings(max_examples=80, deadline=None)
@given(events=weekly)
def test_a_curve_moves_by_nobody_or_by_k_persons_and_never_shows_a_few(events):
    counts = np.minimum(np.cumsum(events), 700)
    table = described.curve("return_to_work_curve", incidence(counts, 700), K)
    shown = publish(table, base=1).to_pandas()
    visible = (shown["cumulative_incidence"].dropna() * 700).round().astype(int).to_numpy()
    steps = np.abs(np.diff(visible))
    assert ((steps == 0) | (steps >= K)).all()
    assert ((visible == 0) | (visible >= K)).all()
    assert (700 - visible >= K).all()
    risk = np.abs(np.diff(shown["at_risk"].dropna().astype(int).to_numpy()))
    assert ((risk == 0) | (risk >= K)).all()


@settings(max_examples=60, deadline=None)
@given(events=weekly, more=st.lists(st.integers(0, 6), min_size=60, max_size=60), newcomers=st.integers(0, 40))
def test_a_curve_changes_from_one_release_to_the_next_by_nobody_or_by_k_persons(events, more, newcomers):
    then = np.cumsum(events)
    now = then + np.minimum(np.cumsum(more[: len(events)]), newcomers)
    first = successive.publish(described.curve("return_to_work_curve", incidence(then, 1000), K), NOTHING, K, base=1)
    table = described.curve("return_to_work_curve", incidence(now, 1000 + newcomers), K)
    second = successive.publish(table, first.cells, K, base=1)
    before, after = first.table.to_pandas(), second.table.to_pandas()
    moved = (after["at_risk"] - before["at_risk"]).dropna().abs()
    assert ((moved == 0) | (moved >= K)).all()
    held = after["suppression_reason"].eq("increment") & ~after["suppressed"]
    assert (after.loc[held, "cumulative_incidence"] == before.loc[held, "cumulative_incidence"]).all()
    both = before["cumulative_incidence"].notna() & after["cumulative_incidence"].notna() & ~held
    events_moved = (
        (after["cumulative_incidence"] * (1000 + newcomers) - before["cumulative_incidence"] * 1000)[both].round().abs()
    )
    assert ((events_moved == 0) | (events_moved >= K)).all()


def test_effects_of_a_row_move_together():
    def raw(n_treated: int, n_comparison: int, difference: float) -> pd.DataFrame:
        return pd.DataFrame(
            [{"estimand": "ITT", "outcome": "days_on_leave", "horizon_months": 12, "stratum_type": "all",
              "stratum": "all", "is_headline": True, "unit": "day", "reason": None, "n_treated": n_treated,
              "n_comparison": n_comparison, "value_treated": 100.0, "value_comparison": 100.0 - difference,
              "difference": difference, "ci_low": -9.0, "ci_high": 3.0, "ci_method": "jackknife", "e_value": 1.2}]
        )  # fmt: skip

    first = successive.publish(described.impact(raw(200, 400, -3.0)), NOTHING, K, base=5)
    second = successive.publish(described.impact(raw(230, 405, -4.0)), first.cells, K, base=5)
    (row,) = second.table.to_pylist()
    assert (row["n_treated"], row["n_comparison"], row["difference"]) == (200, 400, -3.0)
    assert (row["suppressed"], row["suppression_reason"]) == (False, "increment")
    third = successive.publish(described.impact(raw(230, 440, -4.0)), second.cells, K, base=5)
    assert third.table["difference"].to_pylist() == [-4.0]


@pytest.mark.parametrize("accompanied", [5, 195])
def test_uptake_is_not_said_where_a_few_are_in_or_out(accompanied):
    made = publish(described.uptake({"n_treated": 200, "n_accompanied": accompanied}))
    assert made["share"].to_pylist() == [None]
    assert publish(described.uptake({"n_treated": 200, "n_accompanied": 50}))["share"].to_pylist() == [0.25]


PARTS = list(ALLOWANCE_PARTS)


def raw_savings(others: float = 3.0, **paid: tuple[int, int, float]) -> pd.DataFrame:
    """Savings of 203 persons against 400; perimeter -> persons paid in each arm, largest share of one of them."""
    listed = {
        "allowances": (None, None, 0.02), "sickness_allowances": (150, 300, 0.03),
        "work_injury_allowances": (60, 120, 0.08), "part_time_allowances": (40, 90, 0.1),
        "allowances_and_invalidity": (30, 60, 0.2), "allowances_same_tariff": (None, None, 0.02),
    } | paid  # fmt: skip
    rows = [
        {"estimand": "ITT", "perimeter": perimeter, "horizon_months": 12, "reason": None, "n_persons": 203.0,
         "n_comparison": 400.0, "n_entered": 230.0, "n_paid_treated": treated, "n_paid_comparison": comparison,
         "largest_share": largest, "others_over_largest": others, "gross_eur_per_person": 10.0,
         "gross_ci_low": -5.0, "gross_ci_high": 25.0,
         "cost_eur_per_person": None if perimeter in PARTS else 4.0,
         "net_eur_per_person": None if perimeter in PARTS else 6.0}
        for perimeter, (treated, comparison, largest) in listed.items()
    ]  # fmt: skip
    return pd.DataFrame(rows)


def savings(raw: pd.DataFrame) -> CountTable:
    return described.savings(raw, Rules(K, dominance=DOMINANCE), 5)


def shown_savings(**paid: tuple[int, int, float]) -> pd.DataFrame:
    return publish(savings(raw_savings(**paid))).to_pandas().set_index("perimeter")


def test_an_amount_that_tells_its_second_contributor_about_the_first_is_masked():
    # No one dominates, but all the others together hold 9 % of the first: the second works the first out.
    masked = publish(savings(raw_savings(others=0.09)))
    assert masked["gross_eur_per_person"].null_count == len(raw_savings())
    assert masked["n_persons"].null_count == 0  # the effects tell as many
    assert publish(savings(raw_savings(others=0.11)))["gross_eur_per_person"].null_count == 0


def test_the_costs_of_a_measure_are_told_by_no_other_mean():
    # One person makes most of the cost of `training`; the total would give it back from the other two.
    raw = pd.DataFrame(
        [("assessment", 40, 20_000.0, 900.0, 900.0), ("training", 30, 30_000.0, 29_000.0, 100.0),
         ("trial", 50, 10_000.0, 800.0, 700.0), ("all", 100, 60_000.0, 29_000.0, 900.0)],
        columns=["measure", "n_cost", "total_cost", "largest_cost", "second_cost"],
    ).assign(status="all")  # fmt: skip
    raw["n"] = raw["n_cost"] + 20
    made = publish(described.measures(raw, K)).to_pandas().set_index("measure")
    assert made["mean_cost_eur"].isna().tolist() == [True, True, False, False]
    assert made.loc["training", "suppression_reason"] == "primary"
    assert made["n"].notna().all()


def test_savings_that_rest_on_enough_persons_are_all_shown():
    made = shown_savings()
    assert made["gross_eur_per_person"].notna().all()
    assert not made["suppressed"].any()


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("few", [(K - 1, 90, 0.1), (40, K - 1, 0.1), (0, 90, 0.1), (40, 90, 0.9)])
def test_a_part_of_the_allowances_that_is_unsafe_takes_the_others_with_it(part, few):
    made = shown_savings(**{part: few})
    assert made.loc[PARTS, ["gross_eur_per_person", "gross_ci_low", "gross_total_eur"]].isna().all(axis=None)
    assert (made.loc[PARTS, "suppression_reason"] == "primary").all()
    # The whole is shown: with every part masked it tells none of them.
    assert made.loc[["allowances", "allowances_and_invalidity"], "gross_eur_per_person"].notna().all()


@pytest.mark.parametrize("few", [(3, 60, 0.2), (30, 0, 0.2), (30, 60, 0.9)])
def test_the_few_who_have_a_pension_are_not_told_by_taking_the_allowances_off(few):
    made = shown_savings(allowances_and_invalidity=few)
    assert made.loc["allowances_and_invalidity", ["gross_eur_per_person", "net_eur_per_person"]].isna().all()
    assert made.drop("allowances_and_invalidity")["gross_eur_per_person"].notna().all()


def test_an_empty_cost_of_a_part_is_no_suppression():
    made = shown_savings()
    assert made.loc[PARTS, "cost_eur_per_person"].isna().all()
    assert made["suppression_reason"].isna().all()


def test_totals_stand_on_the_persons_as_published():
    made = shown_savings()
    assert (made["n_persons"] == 205).all()
    assert made["gross_total_eur"].tolist() == [2050.0] * 6
    assert made.loc["allowances", "net_total_eur"] == 6.0 * 205


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 40)] * 4), min_size=2, max_size=4))
def test_over_releases_the_parts_are_shown_held_and_opened_together(steps):
    """Each release adds persons to the arms and to those paid for each part."""
    cells, paid, everyone = NOTHING, dict.fromkeys(PARTS, 5), 203
    for *joined, more in steps:
        paid = {part: paid[part] + step for part, step in zip(PARTS, joined, strict=True)}
        everyone += more
        raw = raw_savings(**{part: (n, n, 0.1) for part, n in paid.items()})
        raw["n_persons"] = float(everyone)
        raw["gross_eur_per_person"] = 10.0 + everyone + sum(paid.values())
        made = successive.publish(savings(raw), cells, K, base=5)
        cells = made.cells
        rows = made.table.to_pandas().set_index("perimeter").loc[PARTS]
        assert len(rows["gross_eur_per_person"].drop_duplicates()) == 1
        assert len(rows["suppressed"].drop_duplicates()) == 1


def test_withheld_savings_keep_their_reason_and_show_nothing():
    raw = raw_savings().assign(reason="gate")
    keys = ["estimand", "perimeter", "horizon_months", "reason"]
    for withheld in (raw, raw[keys].reindex(columns=raw.columns)):
        made = publish(savings(withheld)).to_pandas()
        assert made[["n_persons", "gross_eur_per_person", "gross_total_eur"]].isna().all(axis=None)
        assert (made["suppression_reason"] == "gate").all()


@pytest.mark.parametrize("n_comparison", [5, 400])
def test_what_stands_beside_an_effect_is_emptied_with_it(n_comparison):
    beside = {"e_value": 1.2, "e_value_bound": 1.0, "randomisation_p": 0.2, "individual_ci_low": -8.0,
              "individual_ci_high": 2.0}  # fmt: skip
    raw = pd.DataFrame(
        [{"estimand": "ITT", "outcome": "days_on_leave", "horizon_months": 12, "stratum_type": "all", "stratum": "all",
          "is_headline": True, "unit": "day", "reason": None, "n_treated": 200, "n_comparison": n_comparison,
          "value_treated": 100.0, "value_comparison": 103.0, "difference": -3.0, "ci_low": -9.0, "ci_high": 3.0,
          "ci_method": "jackknife", **beside}]
    )  # fmt: skip
    (row,) = publish(described.impact(raw)).to_pylist()
    assert {name: row[name] for name in ("difference", *beside)} == (
        dict.fromkeys(("difference", *beside)) if n_comparison < K else {"difference": -3.0, **beside}
    )
    interaction = pd.DataFrame(
        [{"specification": "interaction_sex_itt", "estimand": "ITT", "outcome": "days_on_leave", "horizon_months": 12,
          "description": "", "reason": None, "n_treated": 200, "n_comparison": n_comparison, "difference": -3.0,
          "ci_low": -9.0, "ci_high": 3.0, "p_holm": 0.4}]
    )  # fmt: skip
    (row,) = publish(described.estimates("sensitivity", interaction)).to_pylist()
    assert (row["difference"], row["p_holm"]) == ((None, None) if n_comparison < K else (-3.0, 0.4))
