"""Weekly curves: each arm's survival estimate, with the interval of its own départements."""

from __future__ import annotations

import math
from time import perf_counter

import numpy as np
import pytest
from drawn_samples import drawn_sample, samples, shuffled
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import stdtrit

from pipeline.effects.curves import cumulative_days, incidence_curves, share_curves
from pipeline.effects.difference import matched_difference
from pipeline.effects.sample import MatchedSample
from pipeline.effects.survival import aalen_johansen
from pipeline.study.states import NOT_OBSERVED

EVENTS = {"sustained_return_to_work": 1, "invalidity": 2}


def follow_up(sample, seed=0):
    rng = np.random.default_rng(seed)
    time = np.ceil(rng.exponential(np.where(sample.treated, 60, 80))).astype(np.int64)
    return time, rng.choice(np.array([0, 1, 1, 1, 2]), sample.n_rows)


def states(sample, weeks=30, seed=0):
    rng = np.random.default_rng(seed)
    state = rng.integers(0, 3, (sample.n_rows, weeks)).astype(np.uint8)
    state[np.arange(weeks) > rng.integers(5, 60, sample.n_rows)[:, None]] = 255
    return state


@given(sample=samples(), seed=st.integers(0, 99))
@settings(deadline=None)
def test_incidence_is_the_weighted_aalen_johansen_of_the_arm(sample, seed):
    time, code = follow_up(sample, seed)
    weights = sample.weights()
    for curve in incidence_curves(sample, time, code, events=EVENTS, weeks=20):
        rows = sample.treated == (curve.arm == "treated")
        expected, _ = aalen_johansen(time[rows], code[rows], 2, weights=weights[rows]).at(7 * curve.week)
        assert curve.value == pytest.approx(expected[:, EVENTS[curve.name]], abs=1e-12)


@pytest.mark.parametrize("arm", ["treated", "comparison"])
def test_the_interval_leaves_out_the_departements_of_the_arm_itself(arm):
    sample = drawn_sample(300, 5, 9)
    time, code = follow_up(sample)
    curve = next(c for c in incidence_curves(sample, time, code, events=EVENTS, weeks=20) if c.arm == arm)
    rows = sample.treated == (arm == "treated")
    without = []
    for department in np.unique(sample.department[rows]):
        weights = sample.weights(int(department))[rows]
        without.append(aalen_johansen(time[rows], code[rows], 2, weights=weights).at(7 * curve.week)[0][:, 1])
    values = np.array(without)
    se = np.sqrt((len(values) - 1) / len(values) * ((values - values.mean(axis=0)) ** 2).sum(axis=0))
    assert curve.std_err == pytest.approx(se)
    assert curve.ci_high[10] == pytest.approx(curve.value[10] + stdtrit(len(values) - 1, 0.975) * se[10])


def test_at_risk_counts_persons_and_not_memberships():
    names = np.array(["75", "13"] * 3, dtype=object)
    sample = MatchedSample.from_memberships(
        np.repeat([1, 2, 3], 2), np.tile([True, False], 3), names, np.array([10, 11, 20, 11, 30, 31])
    )
    time = np.array([70, 7, 70, 21, 70, 14])  # person 11 is a control twice, followed 7 and 21 days
    curves = incidence_curves(sample, time, np.zeros(6, dtype=int), events={"death": 1}, weeks=4)
    assert curves[0].persons.tolist() == [3, 3, 3, 3, 3]
    assert curves[1].persons.tolist() == [2, 2, 2, 1, 0]


def test_an_event_on_the_day_of_the_grid_is_counted_that_week():
    sample = drawn_sample(40, 4, 4)
    time = np.full(sample.n_rows, 14)
    curve = incidence_curves(sample, time, np.ones(sample.n_rows, dtype=int), events={"death": 1}, weeks=3)[0]
    assert curve.value.tolist() == [0, 0, 1, 1]
    assert curve.persons.tolist() == [sample.n_sets, sample.n_sets, sample.n_sets, 0]


@given(sample=samples(), seed=st.integers(0, 99))
@settings(deadline=None)
def test_shares_are_weighted_means_over_those_observed(sample, seed):
    state, weights = states(sample, seed=seed), sample.weights()
    for curve in share_curves(sample, state):
        rows = sample.treated == (curve.arm == "treated")
        for week in range(state.shape[1]):
            seen = rows & (state[:, week] != 255)
            least = 1 if curve.name == "on_leave" else 2
            if not seen.any():
                assert math.isnan(curve.value[week])
                continue
            expected = np.average(state[seen, week] >= least, weights=weights[seen])
            assert curve.value[week] == pytest.approx(expected, abs=1e-12)


def test_part_time_is_within_leave_and_limits_are_probabilities():
    sample = drawn_sample(300, 5, 9)
    treated_leave, treated_part, *_ = share_curves(sample, states(sample))
    assert np.all(treated_part.value <= treated_leave.value)
    assert np.all((treated_leave.ci_low >= 0) & (treated_leave.ci_high <= 1))
    assert np.all((treated_leave.ci_low <= treated_leave.value) & (treated_leave.value <= treated_leave.ci_high))


def test_the_order_of_rows_changes_not_one_bit_of_a_curve():
    sample = drawn_sample(300, 5, 9)
    other, order = shuffled(sample, 3)
    (time, code), state = follow_up(sample), states(sample)
    pairs = zip(
        incidence_curves(sample, time, code, events=EVENTS, weeks=20) + share_curves(sample, state),
        incidence_curves(other, time[order], code[order], events=EVENTS, weeks=20) + share_curves(other, state[order]),
        strict=True,
    )
    for one, two in pairs:
        assert np.array_equal(one.value, two.value, equal_nan=True)
        assert np.array_equal(one.std_err, two.std_err, equal_nan=True)


def test_two_departements_carry_a_curve_without_interval():
    sample = drawn_sample(100, 2, 9)
    treated, _, comparison, _ = share_curves(sample, states(sample))
    assert np.isfinite(treated.value).all() and np.isnan(treated.ci_low).all()
    assert np.isfinite(comparison.ci_low).all()


def test_nobody_eligible_gives_empty_curves():
    sample = drawn_sample(50, 4, 5)
    nobody = np.zeros(sample.n_rows, dtype=bool)
    time, code = follow_up(sample)
    curves = incidence_curves(sample, time, code, events=EVENTS, weeks=4, eligible=nobody)
    for curve in curves + share_curves(sample, states(sample), eligible=nobody):
        assert np.isnan(curve.value).all()
        assert not curve.persons.any()


def test_an_impossible_state_or_event_is_refused():
    sample = drawn_sample(20, 3, 3)
    with pytest.raises(ValueError, match="0, 1, 2 or 255"):
        share_curves(sample, np.full((sample.n_rows, 2), 3, dtype=np.uint8))
    with pytest.raises(ValueError, match="one line per membership"):
        share_curves(sample, np.zeros((2, 2), dtype=np.uint8))
    time, code = follow_up(sample)
    with pytest.raises(ValueError, match="codes from 1 on"):
        incidence_curves(sample, time, code, events={"censored": 0}, weeks=2)
    with pytest.raises(ValueError, match="not negative"):
        incidence_curves(sample, -time, code, events=EVENTS, weeks=2)


@pytest.mark.slow
def test_curves_of_four_hundred_thousand_memberships_over_two_years_take_seconds():
    sample = drawn_sample(100_000, 14, 86, most_controls=5)
    time, code = follow_up(sample)
    state = states(sample, weeks=105)
    started = perf_counter()
    incidence_curves(sample, time, code, events=EVENTS, weeks=104)
    share_curves(sample, state)
    assert perf_counter() - started < 20


def days_of(state: np.ndarray) -> np.ndarray:
    """Days on leave of each row, full and part-time."""
    return np.isin(state, (1, 2)).sum(axis=1).astype(float)


def drawn_days(sample: MatchedSample, days: int, seed: int = 0) -> np.ndarray:
    """Leaves that come back: each day on leave with a chance of its own, treated less often."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(2, 3, sample.n_rows) * np.where(sample.treated, 0.8, 1.0)
    return np.where(rng.random((sample.n_rows, days)) < chance[:, None], rng.integers(1, 3, (sample.n_rows, days)), 0)


def test_with_complete_follow_up_cumulative_days_are_mean_days_and_their_interval():
    sample = drawn_sample(200, 5, 7, seed=3)
    state = drawn_days(sample, 60).astype(np.uint8)
    found, plain = cumulative_days(sample, state), matched_difference(sample, days_of(state))
    assert found.treated[-1] == pytest.approx(plain.value_treated)
    assert found.comparison[-1] == pytest.approx(plain.value_comparison)
    for name in ("value", "se", "ci_low", "ci_high", "df"):
        assert getattr(found.difference, name) == pytest.approx(getattr(plain.estimate, name)), name
    assert (np.diff(found.treated) >= 0).all()


def test_under_censoring_cumulative_days_are_those_of_complete_follow_up_on_average():
    errors, naive = [], []
    for seed in range(60):
        sample = drawn_sample(150, 5, 7, seed=seed)
        state = drawn_days(sample, 60, seed).astype(np.uint8)
        complete = cumulative_days(sample, state)
        end = np.random.default_rng(seed).integers(5, 90, sample.n_rows)
        seen = np.where(np.arange(60) < end[:, None], state, NOT_OBSERVED).astype(np.uint8)
        errors.append(cumulative_days(sample, seen).treated[-1] - complete.treated[-1])
        naive.append(days_of(seen)[sample.treated].mean() - complete.treated[-1])
    standard_error = np.std(errors, ddof=1) / np.sqrt(len(errors))
    assert abs(np.mean(errors)) < 3 * standard_error < 0.5
    assert np.mean(naive) < -4  # counting the days seen would miss those not seen


def test_death_ends_leaves_and_does_not_leave_the_others_standing_for_the_dead():
    sample = drawn_sample(60, 4, 5, seed=1)
    state = np.ones((sample.n_rows, 10), dtype=np.uint8)
    dead = sample.treated & (np.arange(sample.n_rows) % 2 == 0)
    state[dead, 4:] = 0
    share = dead[sample.treated].mean()
    assert cumulative_days(sample, state).treated[-1] == pytest.approx(10 - 6 * share)


def test_cumulative_days_are_not_told_past_the_last_one_observed():
    sample = drawn_sample(30, 4, 5)
    state = np.ones((sample.n_rows, 10), dtype=np.uint8)
    state[:, 7:] = NOT_OBSERVED
    found = cumulative_days(sample, state)
    assert found.treated[6] == 7 and np.isnan(found.treated[7:]).all()
    assert np.isnan(found.difference.value)
    with pytest.raises(ValueError, match="column per day"):
        cumulative_days(sample, state[:5])
