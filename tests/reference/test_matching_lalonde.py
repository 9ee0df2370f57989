"""The matching agrees with R MatchIt 4.7.2 on LaLonde's data, and on a cohort of 20,000 treated and 500,000 controls.

Reads ../shared/reference/matching (results computed with R; data distributed with MatchIt): see its README.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from pipeline.matching.balance import balance_table
from pipeline.matching.nearest import nearest_neighbour
from pipeline.matching.problem import caliper_width
from pipeline.matching.propensity import logit_scores
from pipeline.matching.result import MatchResult

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "matching"
SPECIFICATIONS: dict[str, dict[str, Any]] = {
    "nn11_default": {"caliper": None, "ratio": 1, "exact_race": False},
    "nn11_caliper02": {"caliper": 0.2, "ratio": 1, "exact_race": False},
    "nn13_caliper02": {"caliper": 0.2, "ratio": 3, "exact_race": False},
    "nn11_exact_race_cal": {"caliper": 0.2, "ratio": 1, "exact_race": True},
}

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(
        not REFERENCE.is_dir(), reason="the published results (../shared/reference/matching) are not beside the project"
    ),
]


@pytest.fixture(scope="module")
def lalonde() -> pd.DataFrame:
    people = pd.read_csv(REFERENCE / "lalonde.csv")
    scores = pd.read_csv(REFERENCE / "lalonde_propensity.csv")
    assert (people["id"] == scores["id"]).all()
    people["distance"] = scores["ps"]
    people["logit"] = scores["logit"]
    for race in ("black", "hispan", "white"):
        people[f"race{race}"] = (people["race"] == race).astype(float)
    return people


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((REFERENCE / "lalonde_matchit472.json").read_text())["results"]
    return content


def match(people: pd.DataFrame, specification: str) -> MatchResult:
    rule = SPECIFICATIONS[specification]
    distance = people["distance"].to_numpy()
    treated = people["treat"].to_numpy() == 1
    row = np.arange(len(people))
    stratum = pd.factorize(people["race"])[0] if rule["exact_race"] else np.zeros(len(people), dtype=np.int64)
    return nearest_neighbour(
        distance[treated],
        distance[~treated],
        stratum_treated=stratum[treated],
        stratum_control=stratum[~treated],
        caliper=None if rule["caliper"] is None else caliper_width(distance, rule["caliper"]),
        ratio=rule["ratio"],
        tie_treated=row[treated],
        tie_control=row[~treated],
    )


def test_the_propensity_score_is_that_of_r(lalonde: pd.DataFrame) -> None:
    names = ["age", "educ", "racehispan", "racewhite", "married", "nodegree", "re74", "re75"]
    treated = lalonde["treat"].to_numpy() == 1
    fit = logit_scores(lalonde[names].to_numpy(dtype=np.float64), treated, names=names)
    # R's glm stops at a relative change of the deviance of 1e-8: the last digits are its, not ours.
    np.testing.assert_allclose(fit.logit, lalonde["logit"], atol=1e-7)
    np.testing.assert_allclose(fit.probability, lalonde["distance"], atol=1e-8)
    assert fit.dropped == ()


def test_a_factor_in_full_loses_its_last_modality_as_in_r(lalonde: pd.DataFrame) -> None:
    names = ["age", "raceblack", "racehispan", "racewhite"]
    fit = logit_scores(lalonde[names].to_numpy(dtype=np.float64), lalonde["treat"].to_numpy() == 1, names=names)
    assert [(column.name, column.reason) for column in fit.dropped] == [("racewhite", "collinear")]


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_every_control_is_the_one_matchit_chose_and_in_the_same_round(
    lalonde: pd.DataFrame, published: dict[str, Any], specification: str
) -> None:
    result = match(lalonde, specification)
    treated = lalonde["treat"].to_numpy() == 1
    own, theirs = lalonde["id"].to_numpy()[treated], lalonde["id"].to_numpy()[~treated]
    chosen = {
        (own[t], f"V{turn}"): theirs[c]
        for t, c, turn in zip(result.pairs.treated, result.pairs.control, result.pairs.round, strict=True)
    }
    expected = {
        (row["treated"], turn): control
        for row in published[specification]["pairs"]
        for turn, control in row.items()
        if turn.startswith("V") and control is not None
    }
    assert chosen == expected


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_weights_sets_and_effective_size_are_those_of_matchit(
    lalonde: pd.DataFrame, published: dict[str, Any], specification: str
) -> None:
    result = match(lalonde, specification)
    treated = lalonde["treat"].to_numpy() == 1
    reference = pd.read_csv(REFERENCE / f"lalonde_weights_{specification}.csv")
    np.testing.assert_allclose(result.treated_weights, reference["weights"][treated], atol=1e-12)
    np.testing.assert_allclose(result.scaled_control_weights, reference["weights"][~treated], atol=1e-12)
    assert result.effective_sample_size == pytest.approx(published[specification]["ess_control"], abs=1e-9)
    ours = sets_of(set_by_row(result, treated))
    assert ours == sets_of(reference["subclass"].to_numpy(dtype=np.float64))


def set_by_row(result: MatchResult, treated: np.ndarray) -> np.ndarray:
    """Matched set of each person of the full sample, NaN for none (sets share nobody without replacement)."""
    own, theirs = np.full(treated.sum(), np.nan), np.full((~treated).sum(), np.nan)
    own[result.pairs.treated] = result.pairs.set_id
    theirs[result.pairs.control] = result.pairs.set_id
    out = np.empty(len(treated))
    out[treated], out[~treated] = own, theirs
    return out


def sets_of(labels: np.ndarray) -> set[frozenset[int]]:
    members: dict[float, set[int]] = {}
    for row in np.flatnonzero(~np.isnan(labels)):
        members.setdefault(labels[row], set()).add(int(row))
    return {frozenset(rows) for rows in members.values()}


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_balance_before_and_after_is_that_of_matchit(
    lalonde: pd.DataFrame, published: dict[str, Any], specification: str
) -> None:
    treated = lalonde["treat"].to_numpy() == 1
    names = [row["covariate"] for row in published[specification]["balance_before"]]
    weights = match(lalonde, specification).stacked_weights(treated)
    table = balance_table(lalonde[names].to_numpy(dtype=np.float64), names, treated, weights)
    assert len(names) == 10
    for when in ("before", "after"):
        for row, reference in zip(table.rows, published[specification][f"balance_{when}"], strict=True):
            assert row.covariate == reference["covariate"]
            assert getattr(row, f"mean_treated_{when}") == pytest.approx(reference["mean_treated"], rel=1e-9)
            assert getattr(row, f"mean_control_{when}") == pytest.approx(reference["mean_control"], rel=1e-9)
            assert getattr(row, f"smd_{when}") == pytest.approx(reference["smd"], abs=1e-9)
            assert getattr(row, f"ks_{when}") == pytest.approx(reference["ks"], abs=1e-9)
            ratio = getattr(row, f"variance_ratio_{when}")
            if reference["var_ratio"] is None:
                assert row.binary
                assert np.isnan(ratio)
            else:
                assert ratio == pytest.approx(reference["var_ratio"], abs=1e-9)


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_the_effect_and_its_error_clustered_on_sets_are_those_of_r(
    lalonde: pd.DataFrame, published: dict[str, Any], specification: str
) -> None:
    treated = lalonde["treat"].to_numpy() == 1
    result = match(lalonde, specification)
    weights = np.empty(len(treated))
    weights[treated], weights[~treated] = result.treated_weights, result.scaled_control_weights
    kept = weights > 0
    fit = sm.WLS(
        lalonde["re78"].to_numpy()[kept], sm.add_constant(treated[kept].astype(float)), weights=weights[kept]
    ).fit(cov_type="cluster", cov_kwds={"groups": set_by_row(result, treated)[kept].astype(int)})
    assert fit.params[1] == pytest.approx(published[specification]["att_unadjusted"]["est"], rel=1e-9)
    assert fit.bse[1] == pytest.approx(published[specification]["att_unadjusted"]["se_cluster_subclass"], rel=1e-9)


def test_all_19979_pairs_of_the_large_cohort_are_those_of_matchit() -> None:
    scores = pd.read_csv(REFERENCE / "bench_logit.csv.gz")
    reference = pd.read_csv(REFERENCE / "bench_pairs_nn11_caliper.csv")
    logit, row = scores["logit"].to_numpy(), scores["id"].to_numpy()
    treated = np.isin(row, reference["treated"].to_numpy())
    result = nearest_neighbour(
        logit[treated],
        logit[~treated],
        caliper=caliper_width(logit, 0.2),
        tie_treated=row[treated],
        tie_control=row[~treated],
    )
    expected = reference.dropna().astype(np.int64)
    chosen = pd.DataFrame(
        {"treated": row[treated][result.pairs.treated], "control": row[~treated][result.pairs.control]}
    )
    assert len(expected) == 19_979
    pd.testing.assert_frame_equal(
        chosen.sort_values("treated", ignore_index=True), expected.sort_values("treated", ignore_index=True)
    )
