"""Survival estimators agree with R's survival 3.5 to 1e-8, standard errors included."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.effects.survival import aalen_johansen, confidence_limits, kaplan_meier, restricted_mean, time_in_states

FOLDER = Path(__file__).parents[2].parent / "shared" / "reference" / "survival"
pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the reference results are not beside the repository"),
]

DAYS = np.array([90, 180, 365, 730])
MONTHS = np.array([12, 24, 60, 120, 240])


def same(found, expected) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=0, atol=1e-8)


@pytest.fixture(scope="module")
def reference() -> dict:
    return json.loads((FOLDER / "survival_reference.json").read_text())


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "lung.csv")


@pytest.fixture(scope="module")
def mgus2() -> pd.DataFrame:
    return pd.read_csv(FOLDER / "mgus2.csv")


@pytest.mark.parametrize("kind", ["plain", "log", "log-log"])
def test_kaplan_meier_with_its_limits(reference, lung, kind):
    expected = reference["lung"][f"km_{kind}"]
    survival, std_err = kaplan_meier(lung["time"], lung["status"].to_numpy() == 2).at(DAYS)
    low, high = confidence_limits(survival, std_err, kind)
    same(survival, expected["surv"])
    same(std_err, expected["std.err"])
    same(low, expected["lower"])
    same(high, expected["upper"])


def test_restricted_means(reference, lung):
    curves = {"all": lung, "sex=1": lung[lung["sex"] == 1], "sex=2": lung[lung["sex"] == 2]}
    for name, rows in curves.items():
        curve = kaplan_meier(rows["time"], rows["status"].to_numpy() == 2)
        for horizon in ("90", "180", "365", "730"):
            of_sex = reference["lung"]["rmst_by_sex"][horizon]
            expected = reference["lung"]["rmst"][horizon] if name == "all" else of_sex[name]
            same(restricted_mean(curve, float(horizon)), [expected["rmst"], expected["se"]])


def test_the_difference_of_restricted_means(reference, lung):
    means = {}
    for sex in (1, 2):
        rows = lung[lung["sex"] == sex]
        curve = kaplan_meier(rows["time"], rows["status"].to_numpy() == 2)
        means[sex] = np.array([restricted_mean(curve, float(day)) for day in DAYS])
    for position, horizon in enumerate(DAYS):
        expected = reference["lung"]["rmst_diff"][str(horizon)]
        same(means[2][position, 0] - means[1][position, 0], expected["diff"])
        same(np.hypot(means[2][position, 1], means[1][position, 1]), expected["se"])


def test_weighted_kaplan_meier_with_robust_errors(reference):
    data = pd.read_csv(FOLDER / "lung_weighted.csv")
    expected = reference["lung"]["km_weighted_robust"]
    for sex, lines in ((1, slice(0, 4)), (2, slice(4, 8))):
        rows = data[data["sex"] == sex]
        event, weights = rows["status"].to_numpy() == 2, rows["w"].to_numpy(dtype=float)
        survival, std_err = kaplan_meier(rows["time"], event, weights=weights, robust=True).at(DAYS)
        same(survival, expected["surv"][lines])
        same(std_err, expected["se"][lines])


def test_aalen_johansen_of_everyone_with_its_limits(reference, mgus2):
    expected = reference["mgus2"]["aj"]
    probability, std_err = aalen_johansen(mgus2["etime"], mgus2["event"].to_numpy(), 2).at(MONTHS)
    low, high = confidence_limits(probability, std_err, "log")
    same(probability, expected["pstate"])
    same(std_err, expected["std.err"])
    same(low, expected["lower"])
    same(high, expected["upper"])
    same(probability[:, 1:].T, reference["mgus2"]["cmprsk_cuminc"]["est"])


def test_aalen_johansen_by_sex(reference, mgus2):
    expected = reference["mgus2"]["aj_by_sex"]
    for sex, lines in (("F", slice(0, 5)), ("M", slice(5, 10))):
        rows = mgus2[mgus2["sex"] == sex]
        probability, std_err = aalen_johansen(rows["etime"], rows["event"].to_numpy(), 2).at(MONTHS)
        same(probability, expected["pstate"][lines])
        same(std_err, expected["std.err"][lines])


def test_one_minus_kaplan_meier_is_not_a_cumulative_incidence(reference, mgus2):
    expected = reference["mgus2"]["naive_1_minus_km_pcm"]["value"]
    event = mgus2["event"].to_numpy()
    naive = 1 - kaplan_meier(mgus2["etime"], event == 1).at(MONTHS)[0]
    same(naive, expected)
    assert np.all(naive > aalen_johansen(mgus2["etime"], event, 2).at(MONTHS)[0][:, 1])


def test_time_in_states(reference, mgus2):
    expected = reference["mgus2"]["restricted_mean_time_in_state_ij"]
    event = mgus2["event"].to_numpy()
    for horizon, figures in expected["all"].items():
        mean, std_err = time_in_states(mgus2["etime"], event, 2, float(horizon))
        same(mean, figures["est"])
        same(std_err, figures["se_ij"])
    for sex in ("F", "M"):
        rows = mgus2["sex"] == sex
        mean, std_err = time_in_states(mgus2["etime"][rows], event[rows], 2, 120.0)
        same(mean, expected[sex]["est"])
        same(std_err, expected[sex]["se_ij"])


def test_delayed_entry(reference):
    data = pd.read_csv(FOLDER / "mgus2_delayed_entry.csv")
    expected = reference["mgus2"]["delayed_entry_km"]
    moments = np.array(expected["time"])
    curve = kaplan_meier(data["t1"], data["event"].to_numpy() == 2, entry=data["t0"])
    survival, std_err = curve.at(moments)
    low, high = confidence_limits(survival, std_err, "log")
    same(survival, expected["surv"])
    same(std_err, expected["std.err"])
    same(low, expected["lower"])
    same(high, expected["upper"])
    same([np.sum((data["t0"] < day) & (data["t1"] >= day)) for day in moments], expected["n.risk"])
