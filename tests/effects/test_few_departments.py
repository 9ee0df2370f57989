"""What is told with fourteen, five and two designated départements."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pytest
from drawn_samples import drawn_analysis, drawn_sample

from pipeline.effects.adjustment import adjusted_difference, weighted_difference
from pipeline.effects.coherence import coherence, complier_effect
from pipeline.effects.curves import cumulative_days
from pipeline.effects.difference import matched_difference
from pipeline.effects.jackknife import Estimate
from pipeline.effects.panel import Cells, stacked_difference
from pipeline.effects.randomisation import randomisation_p_value
from pipeline.effects.step import _effect
from pipeline.effects.subgroups import interactions
from tests.study.worlds import PROTOCOL

RULE = PROTOCOL.inference
LEVELS = {"minimum_clusters": RULE.minimum_departments}


def estimates(treated_departments: int) -> dict[str, Estimate]:
    """Every kind of estimate of one sample, as the step asks for them."""
    sample, rng = drawn_sample(800, treated_departments, 12, seed=1), np.random.default_rng(1)
    outcome = rng.normal(100, 20, sample.n_rows)
    days = matched_difference(sample, outcome, **LEVELS).estimate
    share = matched_difference(sample, (sample.treated & (rng.random(sample.n_rows) < 0.5)).astype(float), **LEVELS)
    known = rng.normal(size=(sample.n_rows, 2))
    departments = np.array(sample.department_codes, dtype=object)[sample.department]
    months = tuple(dt.date(2020 + m // 12, m % 12 + 1, 1) for m in range(24))
    cells = Cells(
        sample.department_codes, months, *rng.integers(5, 30, (2, len(sample.department_codes), 24)).astype(float)
    )
    opened = (dt.date(2021, 1, 1), dt.date(2022, 1, 1))
    windows = dict.fromkeys(sample.department_codes[:treated_departments], opened)
    halves = drawn_analysis(sample, outcome, sex=rng.choice(["female", "male"], sample.n_rows))
    state = rng.integers(0, 3, (sample.n_rows, 5)).astype(np.uint8)
    found = {
        "difference": days,
        "adjusted": adjusted_difference(sample, outcome, known, **LEVELS).estimate,
        "weighted": weighted_difference(
            sample.treated, np.ones(sample.n_rows), departments, sample.person, outcome, known, **LEVELS
        ).estimate,
        "cumulative days": cumulative_days(sample, state, **LEVELS).difference,
        "panel": stacked_difference(cells, windows, 60, **LEVELS),
        "coherence": coherence(days, days, share.estimate, **LEVELS)[1],
        "complier": complier_effect(days, share.estimate, minimum_uptake=RULE.minimum_uptake, **LEVELS),
        "interaction": interactions(halves, ["sex"], "days_on_leave", 12, RULE)[0].estimate,
    }  # fmt: skip
    assert None not in found.values()
    return found


@pytest.mark.parametrize("departments", [14, 5, 3])
def test_from_three_on_every_estimate_has_an_interval(departments):
    for name, found in estimates(departments).items():
        assert found.ci_low < found.value < found.ci_high, name
        assert found.df == departments - 1, name


@pytest.mark.parametrize("departments", [1, 2])
def test_with_two_no_interval_is_pretended(departments):
    for name, found in estimates(departments).items():
        assert math.isfinite(found.value), name
        assert math.isnan(found.ci_low) and math.isnan(found.se), name
        assert found.reason == "too_few_clusters", name


@pytest.mark.parametrize(
    ("departments", "has_interval", "has_p_value"),
    [(14, True, True), (6, True, True), (5, True, False), (3, True, False), (2, False, False)],
)
def test_a_p_value_needs_six(departments, has_interval, has_p_value):
    sample, rng = drawn_sample(400, departments, 12, seed=2), np.random.default_rng(2)
    outcome, sex = rng.normal(100, 20, sample.n_rows), rng.choice(["female", "male"], sample.n_rows)
    found = drawn_analysis(sample, outcome, sex=sex)
    row = _effect(found, PROTOCOL, "days_on_leave", 12, None)
    assert math.isfinite(row["difference"])
    for column in ("ci_low", "individual_ci_low"):
        assert math.isfinite(row.get(column, math.nan)) == has_interval, column
    assert math.isfinite(row["e_value_bound"]) == has_interval
    assert math.isfinite(row.get("randomisation_p", math.nan)) == has_p_value
    assert math.isfinite(interactions(found, ["sex"], "days_on_leave", 12, RULE)[0].p_holm) == has_p_value


def test_the_exchange_of_designations_above_sixteen_departements_is_drawn_with_the_protocol_s_seed():
    sample = drawn_sample(400, 20, 12, seed=3)
    found = drawn_analysis(sample, np.random.default_rng(3).normal(100, 20, sample.n_rows))
    row = _effect(found, PROTOCOL, "days_on_leave", 12, None)
    outcome = found.horizons[12].outcomes["days_on_leave"]
    again, other = (randomisation_p_value(sample, outcome, seed=seed) for seed in (PROTOCOL.seeds.randomisation, 12345))
    assert row["randomisation_p"] == again != other
