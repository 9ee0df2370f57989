"""Over many worlds, the interval holds the truth as often as it says.

A world gives each département a chance deviation, each set a level that its members share, each person noise. There is
no effect, so an interval that leaves zero out is a false alarm. The matched samples (sizes of départements, mixes of
persons, one to three controls) are drawn too. All worlds of one sample are columns of one array, evaluated by the code
that evaluates the study.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtrit
from statsmodels.stats.proportion import proportion_confint

from pipeline.effects.difference import matched_difference
from pipeline.effects.jackknife import stratified_variance
from pipeline.effects.randomisation import randomisation_p_value
from pipeline.effects.sample import MatchedSample, ReplicateWeights

NOISE, LEVEL = 120.0, 60.0  # days: between persons of a département, and along what matching holds


def matched_sample(sets: int, treated: int, comparison: int, seed: int) -> tuple[MatchedSample, np.ndarray]:
    """A sample whose départements differ in size and in mix, and the level each row shares with its set."""
    rng = np.random.default_rng(seed)
    controls = rng.choice([1, 2, 3], sets, p=[0.1, 0.2, 0.7])
    set_id = np.repeat(np.arange(sets), controls + 1)
    is_treated = np.diff(set_id, prepend=-1) > 0
    of_set = rng.choice(treated, sets, p=rng.dirichlet(np.full(treated, 8)))
    level = rng.normal(0, 0.5, treated)[of_set] + rng.normal(size=sets)
    mix = rng.normal(0, 0.5, comparison)
    preference = np.log(rng.dirichlet(np.full(comparison, 8))) - mix**2 / 2 + np.outer(level, mix)
    chosen = (preference[set_id] + rng.gumbel(size=(set_id.size, comparison))).argmax(axis=1)
    department = np.where(is_treated, of_set[set_id], treated + chosen)
    codes = np.array([f"{d:03d}" for d in range(treated + comparison)], dtype=object)
    return MatchedSample.from_memberships(set_id, is_treated, codes[department], np.arange(set_id.size)), level[set_id]


def outcomes(sample: MatchedSample, level: np.ndarray, between: float, worlds: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    chance = rng.normal(0, between, (len(sample.department_codes), worlds))
    noise = rng.normal(0, NOISE, (sample.n_rows, worlds))
    return chance[sample.department] + LEVEL * level[:, None] + noise


def effects(table: ReplicateWeights, outcome: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64[worlds] and float64[r, worlds]: the difference of means, whole and on each replicate."""
    (treated, treated_without), (comparison, comparison_without) = (
        table.totals(outcome[table.arm_rows(arm)], arm) for arm in (True, False)
    )
    return (treated - comparison) / table.sets[0], (treated_without - comparison_without) / table.sets[1][:, None]


def coverage(departments: tuple[int, int], sets: int, between: float) -> tuple[int, int, int]:
    """Worlds whose interval holds zero, by the variance of two arms and by the two-way one; number of worlds."""
    holds = np.zeros(2, dtype=int)
    samples, worlds = 10, 200
    for seed in range(samples):
        sample, level = matched_sample(sets, *departments, seed=seed)
        table = sample.replicate_weights()
        outcome = outcomes(sample, level, between, worlds, seed=1000 + seed)
        effect, without = effects(table, outcome)
        _, cells = effects(table.overlap, outcome)
        reach = stdtrit(departments[0] - 1, 0.975)
        for position, part in enumerate((None, cells)):
            se = np.sqrt(stratified_variance(without, table.is_treated_department, part))
            holds[position] += np.count_nonzero(np.abs(effect) <= reach * se)
    return int(holds[0]), int(holds[1]), samples * worlds


def test_the_worlds_are_evaluated_as_the_study_is():
    sample, level = matched_sample(200, 5, 26, seed=1)
    outcome = outcomes(sample, level, 15, 2, seed=2)
    table = sample.replicate_weights()
    effect, without = effects(table, outcome)
    _, cells = effects(table.overlap, outcome)
    for variance, part in (("two_arms", None), ("two_way", cells)):
        found = matched_difference(sample, outcome[:, 1], variance=variance).estimate
        se = np.sqrt(stratified_variance(without, table.is_treated_department, part))
        assert (found.value, found.se) == pytest.approx((effect[1], se[1]), rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("between", [0, 15, 40])
@pytest.mark.parametrize("departments", [(14, 86), (5, 26)])
def test_the_two_way_interval_holds_the_truth_in_95_worlds_of_100(departments, between, record_property):
    two_arms, two_way, worlds = coverage(departments, 600, between)
    record_property("coverage_two_way", two_way / worlds)
    record_property("coverage_two_arms", two_arms / worlds)
    low, high = proportion_confint(two_way, worlds, alpha=0.01, method="wilson")
    assert low <= 0.95 <= high, f"two-way coverage {two_way / worlds:.3f}"
    # The sum of the two arms counts the controls' noise twice: never too short, too long when noise is most of it.
    assert proportion_confint(two_arms, worlds, alpha=0.01, method="wilson")[1] >= 0.95


@pytest.mark.slow
def test_exchanging_designations_raises_few_more_false_alarms_than_it_says():
    worlds, alarms = 0, 0
    for seed in range(10):
        sample, level = matched_sample(600, 8, 86, seed=seed)
        outcome = outcomes(sample, level, 15, 100, seed=1000 + seed)
        p_values = [randomisation_p_value(sample, outcome[:, world]) for world in range(outcome.shape[1])]
        alarms += sum(p <= 0.05 for p in p_values)
        worlds += len(p_values)
    low, high = proportion_confint(alarms, worlds, alpha=0.01, method="wilson")
    assert low <= 0.05 <= high, f"false alarms {alarms / worlds:.3f}"


def test_fewer_than_six_treated_departements_carry_no_p_value():
    for departments in (5, 6):
        sample, level = matched_sample(300, departments, 26, seed=4)
        p_value = randomisation_p_value(sample, outcomes(sample, level, 15, 1, seed=5)[:, 0])
        assert np.isnan(p_value) == (departments < 6)


def test_an_effect_seen_in_every_departement_is_as_rare_as_all_signs_equal():
    sample, _ = matched_sample(300, 7, 26, seed=4)
    assert randomisation_p_value(sample, -10.0 * sample.treated) == 2 / 2**7
