"""The step `effects` on a small territory without any effect: what is withheld, when, and why."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.effects.analysis import OUTCOME_UNITS
from pipeline.effects.curves import incidence_curves
from pipeline.effects.step import estimate, open_estimand
from pipeline.home import Home
from pipeline.leave.step import rebuild_leaves
from pipeline.matching.passage import passages
from pipeline.matching.step import match
from pipeline.run import Run, StepReport
from pipeline.study.cohort import build_cohort
from pipeline.study.step import measure_outcomes
from pipeline.study.strata import expected_strata
from pipeline.tables.codes import ALLOWANCE_PARTS, PERIMETER
from tests.study.worlds import PROTOCOL, RELEASE, drawn_territory

SPECIFICATIONS = {
    *(f"{name}_{estimand}" for estimand in ("itt", "att") for name in (
        "protocol", "caliper_0_1", "caliper_none", "ratio_1", "ratio_5", "with_replacement", "mahalanobis",
        "without_self_employed", "without_neighbours", "doubly_robust", "any_follow_up", "gap_0", "gap_7", "gap_30",
        *(f"interaction_{name}" for name in PROTOCOL.inference.subgroups))),
    "odds_weights_itt", "trigger_90_itt", "panel_department_month_itt", "agreement_att",
}  # fmt: skip
NOT_CARRIED = {
    "panel_department_month_itt",  # no leave reaches the trigger before the platforms
    *(f"interaction_{name}_{e}" for name in PROTOCOL.inference.subgroups if name != "sex" for e in ("itt", "att")),
}
"""Specifications that the territory cannot carry: its persons differ by sex alone, as far as subgroups go."""
TESTS = {
    *(f"{name}_{estimand}" for estimand in ("itt", "att")
      for name in ("pre_period_days", "negative_control_days", "negative_control_death")),
    "placebo_departments", "placebo_opening", "refused_att",
}  # fmt: skip
STEPS = (rebuild_leaves, build_cohort, match, measure_outcomes)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = drawn_territory(seed=2).write(tmp_path_factory.mktemp("effects"))
    for step in STEPS:
        step(run)
    return run


@pytest.fixture(scope="module")
def estimated(prepared: Run, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, StepReport]:
    run = copied(prepared, tmp_path_factory.mktemp("estimated"))
    return run, estimate(run)


def copied(run: Run, root: Path, **inference: Any) -> Run:
    """The same prepared home, in a place of its own, with another section `inference`."""
    shutil.copytree(run.home.root, root / "home", dirs_exist_ok=True)
    rule = PROTOCOL.inference.model_copy(update=inference)
    return replace(run, home=Home(root / "home"), protocol=PROTOCOL.model_copy(update={"inference": rule}))


def read(run: Run, name: str) -> Any:
    """A table of the step, as pandas."""
    return pq.read_table(run.home.artefact(RELEASE, "effects", name)).to_pandas()


def facts(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run.home.artefact(RELEASE, "effects", "facts", "json").read_text())
    return found


def fail_the_gate(run: Run, *estimands: str) -> None:
    path = run.home.artefact(RELEASE, "matching", "gate", "json")
    verdicts = json.loads(path.read_text())
    for name in estimands:
        verdicts[name] = {"status": "fail", "sentences": ["smd of age is 0.400"]}
    path.write_text(json.dumps(verdicts))


def stated(run: Run, estimand: str) -> bool:
    """Whether any value of an effect of the estimand is there."""
    columns = {
        "impact": ["difference", "value_treated"], "savings": ["net_eur_per_person"], "sensitivity": ["difference"],
        "on_leave_curve": ["share_on_leave"], "return_to_work_curve": ["cumulative_incidence"],
    }  # fmt: skip
    for name, values in columns.items():
        table = read(run, name)
        mine = table[table["estimand"] == estimand]
        assert len(mine) > 0, name
        if mine.reindex(columns=values).notna().any(axis=None):
            return True
    return False


def test_a_fair_comparison_is_stated_for_every_outcome_and_horizon(estimated: tuple[Run, StepReport]) -> None:
    run, report = estimated
    assert facts(run)["held"] == {}
    assert not report.failures
    impact = read(run, "impact")
    whole = impact[impact["stratum_type"] == "all"]
    assert set(whole["outcome"]) == set(OUTCOME_UNITS)
    assert len(whole) == 2 * len(OUTCOME_UNITS) * 3
    assert whole["difference"].notna().all()
    assert impact["is_headline"].sum() == 1
    headline = impact[impact["is_headline"]].iloc[0]
    assert (headline["estimand"], headline["outcome"], headline["horizon_months"]) == ("ITT", "days_on_leave", 12)
    assert headline["ci_low"] < 0 < headline["ci_high"]  # there is no effect in this territory
    assert headline["difference"] == pytest.approx(headline["value_treated"] - headline["value_comparison"])


def test_the_curve_of_returns_and_the_published_share_are_the_same_quantity(estimated: tuple[Run, StepReport]) -> None:
    run, _ = estimated
    found = open_estimand(run, passages(run.home.artefact(RELEASE, "matching", "gate", "json"))["ITT"])
    share = found.horizons[12].outcomes["sustained_return_to_work"]
    first = (found.event == "sustained_return_to_work") & (found.event_day < 365)
    known = found.horizons[12].known("sustained_return_to_work")
    assert (known == (found.followed_days >= 365)).all()
    assert (share[known] == first[known]).all()
    # Among those followed to the horizon nobody is censored before: the curve ends at the published share.
    impact = read(run, "impact").set_index(["estimand", "outcome", "horizon_months", "stratum"])
    told = impact.loc[("ITT", "sustained_return_to_work", 12, "all")]
    names = {name: number for number, name in enumerate(sorted({e for e in found.event if e}), start=1)}
    code = np.array([names.get(event, 0) for event in found.event])
    curves = incidence_curves(
        found.sample, np.where(code > 0, found.event_day, found.followed_days).astype(np.int64), code,
        events=names, weeks=52, eligible=known,
    )  # fmt: skip
    for curve in curves:
        if curve.name == "sustained_return_to_work":
            assert curve.value[52] == pytest.approx(told[f"value_{curve.arm}"])
    published = read(run, "return_to_work_curve")
    ends = published[published["week"] == 52].groupby(["estimand", "arm"])["cumulative_incidence"].sum()
    assert ends.between(0.1, 1 + 1e-9).all()


def test_savings_are_the_other_side_of_the_euros_of_the_effects(estimated: tuple[Run, StepReport]) -> None:
    run, _ = estimated
    keys = ["estimand", "horizon_months"]
    savings = read(run, "savings").set_index(keys)
    by = {code.code: savings[savings["perimeter"] == code.code] for code in PERIMETER}
    parts = sum(by[part]["gross_eur_per_person"] for part in ALLOWANCE_PARTS)
    impact = read(run, "impact")
    whole = impact[impact["stratum_type"] == "all"].set_index(keys)
    for outcome, column in (("allowance_eur", "gross_eur_per_person"), ("days_on_leave", "days_avoided_per_person")):
        effect = whole[whole["outcome"] == outcome]["difference"]
        assert by["allowances"][column].to_dict() == pytest.approx((-effect).to_dict())
    assert parts.to_dict() == pytest.approx(by["allowances"]["gross_eur_per_person"].to_dict())
    assert (by["allowances"]["cost_eur_per_person"] > 0).all()
    # Nobody is on an invalidity pension here: the wider perimeter holds the same euros.
    assert (
        by["allowances_and_invalidity"]["net_eur_per_person"].tolist()
        == by["allowances"]["net_eur_per_person"].tolist()
    )


def test_the_specification_curve_has_every_row_and_starts_with_the_protocol(
    estimated: tuple[Run, StepReport],
) -> None:
    table = read(estimated[0], "sensitivity").set_index("specification")
    assert set(table.index) == SPECIFICATIONS
    impact = read(estimated[0], "impact")
    headline = impact[impact["is_headline"]].iloc[0]
    assert table.loc["protocol_itt", "difference"] == headline["difference"]
    assert table.loc["gap_7_itt", "difference"] == pytest.approx(headline["difference"])  # no gaps in this territory
    assert set(table.index[table["difference"].isna()]) == NOT_CARRIED
    assert table.loc["trigger_90_itt", "n_treated"] < table.loc["protocol_itt", "n_treated"]
    assert table.loc["agreement_att", "n_treated"] <= table.loc["protocol_att", "n_treated"]
    assert table.loc["any_follow_up_itt", "n_treated"] >= table.loc["protocol_itt", "n_treated"]
    # Nothing happens in this territory, however one looks.
    stated = table.dropna(subset=["ci_low"])
    assert ((stated["ci_low"] < 0) & (stated["ci_high"] > 0)).mean() > 0.9


def test_what_stands_beside_the_interval(estimated: tuple[Run, StepReport], prepared: Run, tmp_path: Path) -> None:
    impact = read(estimated[0], "impact")
    told = impact[impact["ci_low"].notna()]
    assert told["individual_ci_low"].notna().all()
    assert (told["individual_ci_low"] <= told["difference"] + 1e-9).all()
    with_e_value = told[told["e_value"].notna()]
    assert len(with_e_value) > 30
    crosses = (with_e_value["ci_low"] <= 0) & (with_e_value["ci_high"] >= 0)
    assert (with_e_value["e_value"] >= with_e_value["e_value_bound"]).all()
    assert ((with_e_value["e_value_bound"] == 1) == crosses).all()
    assert impact["randomisation_p"].isna().all()  # four treated départements
    run = copied(prepared, tmp_path, minimum_departments_p_value=4)
    estimate(run)
    impact = read(run, "impact")
    headline = impact[impact["is_headline"]].iloc[0]
    assert headline["randomisation_p"] * 16 == pytest.approx(round(headline["randomisation_p"] * 16))  # of 2 ** 4
    assert (read(run, "sensitivity").set_index("specification").loc["interaction_sex_itt", "p_holm"]) <= 1


def test_the_facts_hold_the_coherence_of_the_two_effects_and_the_complier_effect(
    estimated: tuple[Run, StepReport],
) -> None:
    run, report = estimated
    told, impact = facts(run), read(estimated[0], "impact")
    main = impact[(impact["outcome"] == "days_on_leave") & (impact["horizon_months"] == 12)]
    itt, att = (main[(main["estimand"] == e) & (main["stratum"] == "all")]["difference"].item() for e in ("ITT", "ATT"))
    share = told["uptake"]["n_accompanied"] / told["uptake"]["n_treated"]
    assert told["coherence"]["value"] == pytest.approx(itt - told["coherence"]["through_accompaniment"])
    assert told["coherence"]["through_accompaniment"] == pytest.approx(share * att, rel=0.05, abs=0.2)
    assert told["complier"]["value"] == pytest.approx(itt / share, rel=0.05)
    assert report.figures["complier"].endswith(")")


def test_curves_are_whole_or_cut_by_the_calendar_and_power_is_said(estimated: tuple[Run, StepReport]) -> None:
    on_leave = read(estimated[0], "on_leave_curve")
    start = on_leave[on_leave["week"] == 0]
    assert (start["share_on_leave"] == 1).all()
    assert on_leave["share_on_leave"].between(0, 1).all()
    # An arm's curve goes on, week by week, as long as half of the arm is followed.
    for name in ("on_leave_curve", "return_to_work_curve"):
        table = read(estimated[0], name)
        for key, rows in table.groupby([k for k in ("estimand", "arm", "event") if k in table]):
            assert sorted(rows["week"]) == list(range(len(rows))), key
    run = estimated[0]
    found = open_estimand(run, passages(run.home.artefact(RELEASE, "matching", "gate", "json"))["ITT"])
    curve = read(run, "return_to_work_curve")
    for arm, treated in (("treated", True), ("comparison", False)):
        followed = found.followed_days[found.sample.treated == treated]
        last = curve.loc[(curve["estimand"] == "ITT") & (curve["arm"] == arm), "week"].max()
        assert (followed >= 7 * last).mean() >= 0.5
        assert last == PROTOCOL.inference.curve_weeks or (followed >= 7 * (last + 1)).mean() < 0.5
    power = read(estimated[0], "power")
    assert (power["minimum_detectable_effect"] > 0).all()


def test_the_placebos_are_tested_or_say_why_not(estimated: tuple[Run, StepReport]) -> None:
    table = read(estimated[0], "placebo").set_index("test")
    assert set(table.index) == TESTS
    carried = ["pre_period_days_itt", "pre_period_days_att", "placebo_departments"]
    assert all(table.loc[name, "passed"] is True for name in carried)
    for name, why in {
        "placebo_opening": "not enough history",
        "refused_att": "too few persons on leave refused",
        "negative_control_death_itt": "too few deaths",
        "negative_control_days_att": "do not reach back 36 months",
    }.items():
        assert table.loc[name, "passed"] is None
        assert why in table.loc[name, "description"]


def test_the_test_of_refusals_can_be_left_out(prepared: Run, tmp_path: Path) -> None:
    run = copied(prepared, tmp_path, refusal_test=False)
    estimate(run)
    table = read(run, "placebo").set_index("test")
    assert set(table.index) == TESTS
    assert table.loc["refused_att", "description"] == "not tested: left out by the protocol"


def test_a_failed_gate_withholds_before_any_outcome_is_opened(prepared: Run, tmp_path: Path) -> None:
    run = copied(prepared, tmp_path)
    fail_the_gate(run, "ITT", "ATT")
    shutil.rmtree(run.home.work(RELEASE) / "outcomes")  # nothing is there to be opened
    report = estimate(run)
    assert facts(run)["held"] == {"ITT": "gate", "ATT": "gate"}
    for estimand in ("ITT", "ATT"):
        assert not stated(run, estimand)
    for name in ("impact", "savings", "sensitivity", "power"):
        assert (read(run, name)["reason"] == "gate").all(), name
    assert read(run, "placebo")["passed"].isna().all()
    assert not report.failures


def test_the_balance_has_a_row_for_every_departement_of_the_register_and_every_stratum_whoever_is_in_them(
    prepared: Run, estimated: tuple[Run, StepReport], tmp_path: Path
) -> None:
    run = copied(prepared, tmp_path)
    platforms = run.home.artefact(RELEASE, "pseudonymise", "platforms")
    register = pq.read_table(platforms)
    opens_later = register.slice(0, 1).to_pylist()[0] | {"platform_id": "PDP-099", "department_code": "099"}
    pq.write_table(pa.concat_tables([register, pa.Table.from_pylist([opens_later], register.schema)]), platforms)
    fail_the_gate(run, "ITT", "ATT")
    estimate(run)
    keys = ["estimand", "stratum_type", "stratum"]
    one, two = (read(which, "balance_groups").set_index(keys) for which in (estimated[0], run))
    assert set(two.index) - set(one.index) == {("ITT", "department", "099"), ("ATT", "department", "099")}
    assert two.xs("099", level="stratum")["n_treated"].eq(0).all()
    assert one.equals(two.drop("099", level="stratum"))  # the gate withholds the effect, not its reason
    for estimand in ("ITT", "ATT"):
        kinds = {(kind, stratum) for kind, listed in expected_strata(PROTOCOL, estimand).items() for stratum in listed}
        kinds |= {("all", "all"), *(("department", f"{number:03d}") for number in range(1, 5))}
        assert set(one.loc[estimand].index) == kinds
        assert one.loc[(estimand, "all", "all"), "verdict"] in ("pass", "warn")


def test_a_failed_gate_withholds_its_own_estimand_alone(prepared: Run, tmp_path: Path) -> None:
    run = copied(prepared, tmp_path)
    fail_the_gate(run, "ATT")
    estimate(run)
    assert facts(run)["held"] == {"ATT": "gate"}
    assert stated(run, "ITT")
    assert not stated(run, "ATT")


def test_withheld_rows_keep_the_keys_of_stated_ones(
    prepared: Run, estimated: tuple[Run, StepReport], tmp_path: Path
) -> None:
    run = copied(prepared, tmp_path)
    fail_the_gate(run, "ITT", "ATT")
    estimate(run)
    for name, keys in {
        "impact": ["estimand", "outcome", "horizon_months", "stratum_type", "stratum"],
        "savings": ["estimand", "perimeter", "horizon_months"],
        "sensitivity": ["specification"],
        "placebo": ["test"],
        "power": ["estimand", "outcome", "horizon_months"],
    }.items():
        one, two = (read(which, name)[keys].to_records(index=False).tolist() for which in (estimated[0], run))
        assert sorted(one) == sorted(two), name


def test_a_failed_placebo_withholds_the_effect_and_shows(prepared: Run, tmp_path: Path) -> None:
    run = copied(prepared, tmp_path, placebo_level=0.999)  # nearly any difference is told apart from zero
    report = estimate(run)
    placebo = read(run, "placebo")
    failed = placebo[placebo["passed"].eq(False)]
    assert len(failed) > 0
    assert set(report.failures) == {f"placebo:{test}" for test in failed["test"]}
    held = facts(run)["held"]
    assert held == dict.fromkeys(failed["estimand"], "placebo")
    for estimand in held:
        assert not stated(run, estimand)
        impact = read(run, "impact")
        assert (impact[impact["estimand"] == estimand]["reason"] == "placebo").all()
    assert placebo["difference"].notna().sum() == 3  # the falsification itself is shown
    assert read(run, "power")["minimum_detectable_effect"].notna().any()


def test_too_few_departements_leave_no_interval_and_say_so(prepared: Run, tmp_path: Path) -> None:
    run = copied(prepared, tmp_path, minimum_departments=5)  # there are four
    estimate(run)
    impact = read(run, "impact")
    stated_rows = impact[impact["difference"].notna()]
    assert (stated_rows["reason"] == "too_few_clusters").all()
    assert stated_rows["ci_low"].isna().all()
    assert stated_rows[["individual_ci_low", "randomisation_p"]].isna().all(axis=None)
    assert (read(run, "savings")["reason"] == "too_few_clusters").all()
    sensitivity = read(run, "sensitivity")
    assert sensitivity["ci_low"].isna().all()
    assert (sensitivity[sensitivity["n_treated"] > 0]["reason"] == "too_few_clusters").all()
    assert facts(run)["complier"]["ci_low"] is None


def test_the_same_files_give_the_same_bytes(estimated: tuple[Run, StepReport], tmp_path: Path) -> None:
    again = drawn_territory(seed=2).write(tmp_path, shuffle=9)
    for step in (*STEPS, estimate):
        step(again)
    for name in ("impact", "savings", "sensitivity", "placebo", "return_to_work_curve", "on_leave_curve", "power"):
        one, two = (run.home.artefact(RELEASE, "effects", name).read_bytes() for run in (estimated[0], again))
        assert one == two, name
