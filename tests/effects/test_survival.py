"""Survival estimators: what must hold for any follow-up, and what plain counting gives when nothing is censored."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from pipeline.effects.survival import aalen_johansen, kaplan_meier, restricted_mean, time_in_states


@st.composite
def follow_ups(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(3, 40))
    days = st.lists(st.integers(1, 30), min_size=size, max_size=size)
    codes = st.lists(st.integers(0, 2), min_size=size, max_size=size)
    return np.array(draw(days)), np.array(draw(codes))


def test_without_censoring_survival_is_the_share_still_there():
    time = np.array([5, 10, 10, 20])
    curve = kaplan_meier(time, np.ones(4, dtype=bool))
    assert curve.survival.tolist() == [0.75, 0.25, 0.0]
    assert restricted_mean(curve, 15.0)[0] == np.minimum(time, 15).mean()


@given(follow_ups())
def test_restricted_mean_is_the_mean_of_days_when_nobody_is_censored(data):
    time, _ = data
    curve = kaplan_meier(time, np.ones(time.size, dtype=bool))
    mean, std_err = restricted_mean(curve, 17.0)
    within = np.minimum(time, 17)
    assert mean == pytest.approx(within.mean())
    assert std_err == pytest.approx(within.std() / np.sqrt(time.size))


@given(follow_ups())
def test_kaplan_meier_agrees_with_statsmodels(data):
    time, code = data
    if not (code > 0).any():
        return
    ours, theirs = kaplan_meier(time, code > 0), SurvfuncRight(time, (code > 0).astype(int))
    assert ours.time.tolist() == theirs.surv_times.tolist()
    assert ours.survival == pytest.approx(theirs.surv_prob)
    some_left = ours.survival > 1e-12
    assert ours.std_err[some_left] == pytest.approx(theirs.surv_prob_se[some_left])


@given(follow_ups())
def test_everyone_is_in_one_state_and_the_time_in_states_fills_the_horizon(data):
    time, code = data
    curves = aalen_johansen(time, code, 2)
    assert curves.probability.sum(axis=1) == pytest.approx(1)
    assert np.all(np.diff(curves.probability[:, 1:], axis=0) >= 0)
    mean, _ = time_in_states(time, code, 2, 25.0)
    assert mean.sum() == pytest.approx(25)
    assert mean[0] == pytest.approx(restricted_mean(kaplan_meier(time, code > 0), 25.0)[0])


@given(follow_ups(), st.integers(0, 99))
def test_a_whole_weight_is_a_person_counted_that_often(data, seed):
    time, code = data
    times_counted = np.random.default_rng(seed).integers(0, 4, time.size)
    weighted = aalen_johansen(time, code, 2, weights=times_counted.astype(float))
    repeated = aalen_johansen(np.repeat(time, times_counted), np.repeat(code, times_counted), 2)
    assert np.array_equal(weighted.time, repeated.time)
    assert weighted.probability == pytest.approx(repeated.probability)


@given(follow_ups(), st.integers(0, 99))
@settings(deadline=None)
def test_robust_errors_are_those_of_leaving_a_little_of_each_person_out(data, seed):
    time, code = data
    weights = np.random.default_rng(seed).uniform(0.5, 2, time.size)
    curves = aalen_johansen(time, code, 2, weights=weights)
    step = 1e-6

    def with_weights(changed):
        return aalen_johansen(time, code, 2, weights=changed).probability

    slope = np.array(
        [
            (with_weights(weights * (1 + nudge)) - with_weights(weights * (1 - nudge))) / (2 * step)
            for nudge in step * np.eye(time.size)
        ]
    )
    assert curves.std_err == pytest.approx(np.sqrt((slope**2).sum(axis=0)), abs=1e-6)


def test_a_person_counts_from_its_entry_on():
    time, entry = np.array([5, 10, 20]), np.array([0, 7, 0])
    curve = kaplan_meier(time, np.array([True, True, False]), entry=entry)
    assert curve.at_risk.tolist() == [2, 2]
    assert curve.survival.tolist() == [0.5, 0.25]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": np.array([1.0, np.nan])}, "known time"),
        ({"entry": np.array([5, 0])}, "after its start"),
        ({"weights": np.array([1.0, -1.0])}, "not negative"),
        ({"weights": np.array([1.0])}, "one value per"),
    ],
)
def test_a_follow_up_that_cannot_be_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        kaplan_meier(**{"time": np.array([5, 6]), "event": np.array([True, False]), **changes})


def test_an_unknown_event_is_refused():
    with pytest.raises(ValueError, match="event code"):
        aalen_johansen(np.array([1, 2]), np.array([0, 3]), 2)


def test_nobody_having_the_event_leaves_everyone():
    curve = kaplan_meier(np.array([3, 4]), np.array([False, False]))
    assert curve.at(np.array([2, 10]))[0].tolist() == [1, 1]
    assert restricted_mean(curve, 10.0) == (10.0, 0.0)
    assert aalen_johansen(np.array([3, 4]), np.array([0, 0]), 2).at(np.array([5]))[0].tolist() == [[1, 0, 0]]
