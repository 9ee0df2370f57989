"""A matched sample weighs its rows so that each set counts once in each arm, with or without a département."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_samples import drawn_sample, samples
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.effects.sample import MatchedSample


def memberships(set_id, treated, department, person=None):
    return MatchedSample.from_memberships(
        np.array(set_id),
        np.array(treated),
        np.array(department, dtype=object),
        None if person is None else np.array(person),
    )


def test_a_treated_weighs_one_and_its_controls_share_one():
    sample = memberships([1, 1, 1, 2, 2], [True, False, False, True, False], ["75", "13", "69", "75", "13"])
    assert sample.weights().tolist() == [1, 0.5, 0.5, 1, 1]


def test_the_controls_that_stay_share_the_weight_of_those_that_leave():
    sample = memberships([1, 1, 1, 2, 2], [True, False, False, True, False], ["75", "13", "69", "59", "13"])
    assert sample.weights(sample.department_codes.index("13")).tolist() == [1, 0, 1, 0, 0]
    assert sample.weights(sample.department_codes.index("75")).tolist() == [0, 0, 0, 1, 1]


def test_a_set_leaves_when_its_treated_is_not_eligible():
    sample = memberships([1, 1, 2, 2, 2], [True, False, True, False, False], ["75", "13", "75", "13", "69"])
    eligible = np.array([False, True, True, False, True])
    assert sample.weights(eligible=eligible).tolist() == [0, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 1], [True, True], ["75", "13"]), "exactly one treated: 1 sets"),
        (([1, 1], [False, False], ["75", "13"]), "exactly one treated: 1 sets"),
        (([1, 2, 2], [True, True, False], ["75", "13", "13"]), "at least one control: 1 sets"),
        (([1, 1], [True, False], ["75", None]), "1 memberships have no known département"),
        (([1, 1, 1], [True, False, False], ["75", "13", "13"], [7, 8, 8]), "once in a matched set"),
        (([], [], []), "at least one set"),
    ],
)
def test_a_sample_that_is_not_made_of_matched_sets_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        memberships(*arguments)


def test_an_eligibility_of_another_length_is_refused():
    sample = drawn_sample(5, 2, 2)
    with pytest.raises(ValueError, match="one boolean per membership"):
        sample.weights(eligible=np.ones(3, dtype=bool))


def test_pairs_become_sets_and_a_control_may_be_in_several():
    sample, unit = MatchedSample.from_pairs(
        np.array([4, 4, 2]), np.array([0, 1, 1]), np.array(["13", "69", "75", "75", "59"], dtype=object)
    )
    assert sample.n_sets == 2
    assert unit[sample.treated].tolist() == [2, 4]
    assert sample.count_persons(~sample.treated) == 2
    assert np.count_nonzero(~sample.treated) == 3


@given(sample=samples(), data=st.data())
def test_the_weights_of_each_arm_sum_to_the_number_of_sets_that_stay(sample, data):
    eligible = np.array(data.draw(st.lists(st.booleans(), min_size=sample.n_rows, max_size=sample.n_rows)))
    weights = sample.weights(eligible=eligible)
    staying = len(set(sample.set_id[weights > 0]))
    assert weights[sample.treated].sum() == staying
    assert weights[~sample.treated].sum() == pytest.approx(staying)
    assert not weights[~eligible].any()


@given(sample=samples(), data=st.data())
@settings(max_examples=200)
def test_a_replicate_is_the_sample_without_one_departement_and_nothing_else(sample, data):
    eligible = np.array(data.draw(st.lists(st.booleans(), min_size=sample.n_rows, max_size=sample.n_rows)))
    left_out = []
    for department, is_treated, weights in sample.replicates(eligible):
        left_out.append(department)
        assert not weights[sample.department == department].any()
        assert np.array_equal(weights, sample.weights(department, eligible))
        whole = sample.weights(eligible=eligible) > 0
        assert is_treated == bool(np.any(whole & sample.treated & (sample.department == department)))
    assert left_out == np.unique(sample.department[sample.weights(eligible=eligible) > 0]).tolist()


@given(sample=samples(), seed=st.integers(0, 99))
def test_totals_and_histograms_of_all_replicates_are_those_of_their_weights(sample, seed):
    rng = np.random.default_rng(seed)
    values, bins = rng.normal(size=(sample.n_rows, 2)), rng.integers(0, 4, sample.n_rows)
    table = sample.replicate_weights()
    for arm in (True, False):
        rows = table.arm_rows(arm)
        _, totals = table.totals(values[rows], arm)
        _, counts = table.histograms(bins[rows], 4, arm)
        for r in range(table.department.size):
            weights = table.dense(r)[rows]
            assert totals[r] == pytest.approx(weights @ values[rows], abs=1e-12)
            assert counts[r] == pytest.approx(np.bincount(bins[rows], weights, minlength=4), abs=1e-12)
