"""The step `matching` on a small territory: who is compared with whom, and the verdict before any outcome."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.leave.step import rebuild_leaves
from pipeline.matching.groups import WHOLE, StratifiedBalance
from pipeline.matching.propensity import PropensityError
from pipeline.matching.risk_sets import elapsed_cell
from pipeline.matching.step import gate_rule, match
from pipeline.matching.units import Design, eligible, match_units
from pipeline.run import Run, StepReport
from pipeline.study.cohort import build_cohort
from pipeline.study.covariates import STRICT, bands
from pipeline.tables.intermediate import UNITS
from tests.study.worlds import PROTOCOL, RELEASE, World, drawn_territory

Steps = Callable[[World, Path], tuple[Run, StepReport]]
STEPS = (rebuild_leaves, build_cohort, match)


def matched(world: World, root: Path, shuffle: int | None = None) -> tuple[Run, StepReport]:
    run = world.write(root, shuffle)
    reports = [step(run) for step in STEPS]
    return run, reports[-1]


@pytest.fixture(scope="module")
def territory(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, StepReport]:
    return matched(drawn_territory(seed=2), tmp_path_factory.mktemp("territory"))


def read(run: Run, step: str, name: str) -> pd.DataFrame:
    frame: pd.DataFrame = pq.read_table(run.home.artefact(RELEASE, step, name)).to_pandas()
    return frame


def pairs(run: Run, estimand: str) -> pd.DataFrame:
    """One row per control, the treated's columns beside it."""
    units = read(run, "cohort", "units")
    units = units[units["estimand"] == estimand].drop(
        columns=["time_zero", "status", "wage", "days_before", "department_code"]
    )
    members = read(run, "matching", "members")
    members = members[members["estimand"] == estimand].merge(
        units.drop(columns=["estimand", "arm", "person"]), on="unit"
    )
    treated = members[members["arm"] == "treated"]
    joined: pd.DataFrame = members[members["arm"] == "comparison"].merge(
        treated, on="set_id", suffixes=("", "_treated")
    )
    return joined


def test_treated_within_three_days_share_a_pool_below_180_days_and_within_seven_beyond() -> None:
    rule = PROTOCOL.matching
    cell = elapsed_cell(np.arange(0, 400, dtype=np.int64), rule)
    assert (np.diff(cell) >= 0).all()
    widths = np.bincount(cell)[np.unique(cell)]
    assert set(widths[:25]) == {7}
    assert cell[180] != cell[179]
    assert set(widths[27:-1]) == {15}


@pytest.mark.parametrize("estimand", ["ITT", "ATT"])
def test_a_pair_agrees_on_what_is_never_given_up(territory: tuple[Run, StepReport], estimand: str) -> None:
    found = pairs(territory[0], estimand)
    assert len(found) > 100
    for name in ("risk", "ald", "sex", "status", "start_quarter"):
        assert (found[name] == found[f"{name}_treated"]).all(), name
    own, other = (
        bands(found[name].to_numpy(dtype=np.int64), PROTOCOL.study.age_bands) for name in ("age", "age_treated")
    )
    exact = (found["level"] < 2).to_numpy()
    assert (own[exact] == other[exact]).all()
    assert (np.abs(own - other) <= 1).all()
    assert (found["sector"] == found["sector_treated"])[found["level"] == 0].all()


@pytest.mark.parametrize("estimand", ["ITT", "ATT"])
def test_the_clock_of_a_control_starts_at_its_treated_s_elapsed_day_on_which_it_is_at_risk(
    territory: tuple[Run, StepReport], estimand: str
) -> None:
    found = pairs(territory[0], estimand)
    elapsed = (pd.to_datetime(found["time_zero"]) - pd.to_datetime(found["start_date"])).dt.days
    assert (elapsed == found["elapsed_treated"]).all()
    assert ((found["risk_from"] <= elapsed) & (elapsed <= found["risk_until"])).all()
    spells = read(territory[0], "leave", "leave_spells")[["person", "spell_number", "end_date"]]
    on_leave = found.merge(spells, on=["person", "spell_number"], validate="many_to_one")
    assert len(on_leave) == len(found)
    assert (pd.to_datetime(on_leave["time_zero"]) <= pd.to_datetime(on_leave["end_date"])).all()


def test_members_stand_set_by_set_the_treated_first_and_nobody_twice_in_a_set(
    territory: tuple[Run, StepReport],
) -> None:
    members = read(territory[0], "matching", "members")
    assert not members.duplicated(["estimand", "set_id", "person"]).any()
    for _, mine in members.groupby("estimand"):
        assert mine["member"].tolist() == list(range(len(mine)))
        assert mine["set_id"].is_monotonic_increasing
        first = ~mine["set_id"].duplicated()
        assert ((mine["arm"] == "treated") == first).all()
        assert mine.groupby("set_id").size().between(2, 1 + PROTOCOL.matching.ratio).all()


def test_controls_live_where_no_platform_ever_is_and_treated_where_one_is(territory: tuple[Run, StepReport]) -> None:
    members = read(territory[0], "matching", "members")
    designated = members["department_code"].isin(["001", "002", "003", "004"])
    assert (designated == (members["arm"] == "treated")).all()


def test_a_person_with_two_leaves_at_risk_counts_once_in_a_set(tmp_path: Path) -> None:
    world = drawn_territory(persons=25)
    for person in range(1, 25 * 13 + 1):  # everybody also has a work accident on the very same days
        for row in [r for r in world.rows["payment_lines"] if r["person"] == person and r["benefit_code"] == 6111]:
            world.lines(row | {"benefit_code": 6113})
    run, _ = matched(world, tmp_path)
    assert not read(run, "matching", "members").duplicated(["estimand", "set_id", "person"]).any()


def test_the_order_of_rows_never_matters(territory: tuple[Run, StepReport], tmp_path: Path) -> None:
    shuffled, _ = matched(drawn_territory(seed=2), tmp_path, shuffle=4)
    for name in ("members", "balance", "balance_groups", "balance_summary", "flow"):
        pd.testing.assert_frame_equal(read(territory[0], "matching", name), read(shuffled, "matching", name))
    assert territory[0].home.artefact(RELEASE, "matching", "gate", "json").read_bytes() == (
        shuffled.home.artefact(RELEASE, "matching", "gate", "json").read_bytes()
    )


def test_the_matching_s_flow_joins_up_with_the_cohort_s(territory: tuple[Run, StepReport]) -> None:
    run = territory[0]
    flow = pd.concat([read(run, "cohort", "flow"), read(run, "matching", "flow")])
    for key, rows in flow.groupby(["estimand", "arm"]):
        assert (rows["n_entering"] - rows["n_lost"] == rows["n_leaving"]).all(), key
        assert rows["n_entering"].tolist()[1:] == rows["n_leaving"].tolist()[:-1], key
    members = read(run, "matching", "members")
    for (estimand, arm), rows in members.groupby(["estimand", "arm"]):
        last = flow[(flow["estimand"] == estimand) & (flow["arm"] == arm)].iloc[-1]
        assert last["n_leaving"] == rows["person"].nunique()


def test_the_gate_s_limits_are_the_protocol_s() -> None:
    rule = gate_rule(PROTOCOL)
    assert (rule.smd, rule.strict_smd, rule.ks, rule.share_matched) == (0.1, 0.05, 0.1, 0.9)
    assert rule.variance_ratio == (0.5, 2.0)
    assert rule.strict == set(STRICT)


def verdict(run: Run, **changed: Any) -> str:
    gate = PROTOCOL.gate.model_copy(update=changed)
    protocol = PROTOCOL.model_copy(update={"gate": gate})
    units = eligible(pq.read_table(run.home.artefact(RELEASE, "cohort", "units")), "ITT")
    found = StratifiedBalance.of(match_units(units, protocol, Design.of(protocol.matching)), protocol, "ITT")
    assert found.departments == ("001", "002", "003", "004")
    return found.judge(gate_rule(protocol)).status


def test_the_verdict_follows_the_protocol(territory: tuple[Run, StepReport]) -> None:
    wide = {"smd": 9.0, "smd_strict": 9.0, "ks": 1.0, "variance_ratio_low": 0.001, "variance_ratio_high": 999.0}
    assert verdict(territory[0], **wide, share_matched=0.1) == "pass"
    assert verdict(territory[0], smd=0.001, smd_strict=0.001) == "warn"  # within the noise of so few persons


@pytest.fixture(scope="module")
def stratified(territory: tuple[Run, StepReport]) -> StratifiedBalance:
    units = eligible(pq.read_table(territory[0].home.artefact(RELEASE, "cohort", "units")), "ITT")
    return StratifiedBalance.of(match_units(units, PROTOCOL, Design.of(PROTOCOL.matching)), PROTOCOL, "ITT")


def test_the_strata_of_a_kind_hold_every_treated_person_once(
    territory: tuple[Run, StepReport], stratified: StratifiedBalance
) -> None:
    members = read(territory[0], "matching", "members")
    n = int(((members["estimand"] == "ITT") & (members["arm"] == "treated")).sum())
    assert stratified.whole.n_treated_matched == n
    kinds = pd.Series({key: table.n_treated_matched for key, table in stratified.tables.items()}).groupby(level=0).sum()
    assert set(kinds.index) == {"all", "department", "risk", "status", "sex", "age_band", "cause", "elapsed_band"}
    assert (kinds == n).all()


def test_a_stratum_is_compared_with_the_controls_of_its_own_sets(
    territory: tuple[Run, StepReport], stratified: StratifiedBalance
) -> None:
    found = pairs(territory[0], "ITT")
    women = found[found["sex_treated"] == "female"]
    assert stratified.n_comparison["sex", "female"] == women["person"].nunique()
    weight = 1 / women.groupby("set_id")["unit"].transform("size")
    theirs = (women["days_24m"] * weight).sum() / weight.sum()
    own = women.drop_duplicates("set_id")["days_24m_treated"].mean()
    details = stratified.details().set_index(["stratum", "covariate"]).loc[("female", "days_24m")]
    assert details["mean_treated_after"] == pytest.approx(own)
    assert details["mean_control_after"] == pytest.approx(theirs)


def test_the_summary_names_the_least_alike_covariate_of_each_stratum(stratified: StratifiedBalance) -> None:
    rule = gate_rule(PROTOCOL)
    summary = stratified.summary(rule, stratified.judge(rule)).set_index(["stratum_type", "stratum"])
    for key, rows in stratified.details().groupby(["stratum_type", "stratum"]):
        if not rows["n_treated_matched"].any():
            assert summary.loc[key].drop(["estimand", "n_treated", "n_comparison"]).isna().all()
            continue
        worst = rows.set_index("covariate")["smd_after"].abs()
        assert summary.loc[key, "smd_largest"] == worst.max() == worst[summary.loc[key, "smd_covariate"]]
        assert summary.loc[key, "smd_strict_largest"] == worst[list(STRICT)].max()
        assert summary.loc[key, "ks_largest"] == rows["ks_after"].max()
        ratio = rows["variance_ratio_after"].dropna()
        assert summary.loc[key, ["variance_ratio_smallest", "variance_ratio_largest"]].tolist() == [
            ratio.min(), ratio.max(),
        ]  # fmt: skip


def test_everyone_and_the_departements_are_judged_and_other_strata_do_not_decide(
    stratified: StratifiedBalance,
) -> None:
    rule = replace(gate_rule(PROTOCOL), smd=0.001, strict_smd=0.001)
    verdict = stratified.judge(rule)
    summary = stratified.summary(rule, verdict)
    judged = summary["stratum_type"].isin(["all", "department"])
    assert summary[judged]["verdict"].eq("warn").all()
    assert summary[~judged]["verdict"].isna().all()
    decisive = {key: stratified.tables[key] for key in stratified.tables if key == WHOLE or key[0] == "department"}
    assert StratifiedBalance("ITT", decisive, stratified.n_comparison).judge(rule) == verdict


def test_the_worst_finding_of_a_departement_is_its_verdict(stratified: StratifiedBalance) -> None:
    apart = stratified.tables["department", "002"]
    far = tuple(replace(row, smd_after=9.0) if row.covariate == "wage" else row for row in apart.rows)
    tables = {**stratified.tables, ("department", "002"): replace(apart, rows=far)}
    found = StratifiedBalance("ITT", tables, stratified.n_comparison)
    rule = replace(gate_rule(PROTOCOL), smd=0.001)
    verdict = found.judge(rule)
    summary = found.summary(rule, verdict).set_index(["stratum_type", "stratum"])
    assert verdict.status == "fail"
    assert summary["verdict"].eq("fail").to_dict() == {key: key == ("department", "002") for key in tables}


def test_the_published_balance_says_which_limit_holds(territory: tuple[Run, StepReport]) -> None:
    balance = read(territory[0], "matching", "balance").set_index(["estimand", "covariate"])
    assert (balance.loc["ITT"]["smd_limit"] == 0.05).to_dict() == {
        name: name in STRICT for name in balance.loc["ITT"].index
    }
    assert balance[["ks_before", "ks_after", "variance_ratio_before"]].notna().any().all()
    details = read(territory[0], "matching", "balance_groups")
    whole = details[details["stratum_type"] == "all"].set_index(["estimand", "covariate"])
    shared = ["smd_before", "smd_after", "ks_before", "ks_after", "variance_ratio_before", "variance_ratio_after"]
    pd.testing.assert_frame_equal(balance[shared], whole[shared])


def test_an_imbalance_beyond_noise_fails_and_says_where(tmp_path: Path) -> None:
    run, report = matched(drawn_territory(wage_gap=2_000), tmp_path)
    verdicts = json.loads(run.home.artefact(RELEASE, "matching", "gate", "json").read_text())
    assert verdicts["ITT"]["status"] == "fail"
    assert "balance:ITT" in report.failures


def without_platforms() -> World:
    world = drawn_territory(persons=10)
    world.rows["platforms"].clear()
    return world


def without_accompanied() -> World:
    return drawn_territory(persons=10, accompanied=0.0)


def without_lines() -> World:
    world = drawn_territory(persons=10)
    world.rows["payment_lines"].clear()
    return world


@pytest.mark.parametrize(
    ("world", "failing"),
    [
        (without_platforms, {"ITT", "ATT"}),
        (without_lines, {"ITT", "ATT"}),
        (World, {"ITT", "ATT"}),
    ],
)
def test_with_nothing_to_compare_the_gate_fails_in_words_and_the_tables_are_empty(
    world: Callable[[], World], failing: set[str], tmp_path: Path
) -> None:
    run, report = matched(world(), tmp_path)
    assert set(report.failures) == {f"balance:{name}" for name in failing}
    verdicts = json.loads(run.home.artefact(RELEASE, "matching", "gate", "json").read_text())
    for name in failing:
        assert verdicts[name]["status"] == "fail"
        assert "no comparison is possible" in verdicts[name]["sentences"][0]
    assert read(run, "matching", "members").empty


def test_without_accompanied_persons_the_att_alone_fails(tmp_path: Path) -> None:
    run, report = matched(without_accompanied(), tmp_path)
    assert "balance:ATT" in report.failures
    members = read(run, "matching", "members")
    assert set(members["estimand"]) == {"ITT"}


def test_an_empty_arm_is_an_error_of_its_own(territory: tuple[Run, StepReport]) -> None:
    units = eligible(pq.read_table(territory[0].home.artefact(RELEASE, "cohort", "units")), "ITT")
    alone = units.filter(np.asarray(units["arm"]) == "treated")
    with pytest.raises(PropensityError, match="0 comparison"):
        match_units(alone, PROTOCOL, Design.of(PROTOCOL.matching))


def test_no_outcome_is_written_before_the_verdict(territory: tuple[Run, StepReport]) -> None:
    assert not (territory[0].home.work(RELEASE) / "outcomes").exists()


def test_a_design_may_vary_what_the_protocol_fixes(territory: tuple[Run, StepReport]) -> None:
    units = eligible(pq.read_table(territory[0].home.artefact(RELEASE, "cohort", "units")), "ITT")
    base = Design.of(PROTOCOL.matching)
    one = match_units(units, PROTOCOL, replace(base, ratio=1))
    assert one.members("ITT").to_pandas().groupby("set_id").size().max() == 2
    free = match_units(units, PROTOCOL, replace(base, caliper_sd=None))
    assert free.result.share_matched >= one.result.share_matched


def test_a_covariate_is_balanced_within_strata_even_where_strata_hide_that_it_differs(
    territory: tuple[Run, StepReport],
) -> None:
    """Among men and among women the treated have fewer earlier days; men have more, and are treated more: over both
    together, earlier days say nothing of who is treated."""
    units = eligible(pq.read_table(territory[0].home.artefact(RELEASE, "cohort", "units")), "ITT").to_pandas()
    rng = np.random.default_rng(0)
    treated = (units["arm"] == "treated").to_numpy()
    men = rng.random(len(units)) < np.where(treated, 0.75, 0.25)
    days = (200 + 100 * men - 50 * treated + rng.normal(0, 60, len(units))).astype(int)
    units = units.assign(sex=np.where(men, "male", "female"), risk="sickness", age=40, wage=None, prognosis=0.0)
    units = units.assign(**dict.fromkeys(("daily_allowance", "euros_12m", "euros_24m"), 0.0))
    units = units.assign(spells_12m=0, spells_24m=0, days_12m=days, days_24m=days)
    fit = match_units(pa.Table.from_pandas(units, schema=UNITS.schema), PROTOCOL, Design.of(PROTOCOL.matching))
    (row,) = (row for row in fit.balance.rows if row.covariate == "days_24m")
    assert abs(row.smd_before) < 0.1
    assert abs(row.smd_after) < 0.1  # 0.21 where the model does not know the strata
