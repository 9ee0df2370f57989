"""Balance is measured as statisticians read it, and the gate tells chance from imbalance."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from pipeline.matching.balance import BalanceTable, CovariateBalance, balance_by_group, balance_table
from pipeline.matching.gate import (
    GateRule,
    gate,
    ks_noise,
    share_difference_noise,
    share_noise,
    smd_noise,
    variance_ratio_noise,
)
from pipeline.matching.nearest import nearest_neighbour
from pipeline.matching.result import MatchResult

stats: Any = scipy.stats
NAMES = ["age", "wage", "woman", "days"]


def sample(n_treated: int, n_control: int, shift: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    n = n_treated + n_control
    treated = np.arange(n) < n_treated
    covariates = np.column_stack(
        [
            draw.normal(45, 10, n) + 10 * shift * treated,
            draw.lognormal(7, 0.4, n),
            draw.random(n) < 0.5,
            draw.gamma(1.5, 25, n),
        ]
    )
    return covariates.astype(np.float64), treated


def test_the_denominator_is_the_treated_of_the_original_sample() -> None:
    covariates = np.array([[0.0], [10.0], [2.0], [4.0], [1.0]])
    treated = np.array([True, True, True, False, False])
    weights = np.array([1.0, 0.0, 1.0, 1.0, 1.0])
    row = balance_table(covariates, ["days"], treated, weights).rows[0]
    original = np.std([0, 10, 2], ddof=1)
    assert row.smd_before == pytest.approx((4 - 2.5) / original)
    assert row.smd_after == pytest.approx((1 - 2.5) / original)
    assert row.variance_ratio_after == pytest.approx(2 / 4.5)


def test_a_yes_no_covariate_has_the_spread_of_its_share_and_no_variance_ratio() -> None:
    covariates = np.array([[1.0], [0.0], [0.0], [0.0], [1.0], [1.0]])
    treated = np.array([True, True, True, True, False, False])
    row = balance_table(covariates, ["woman"], treated, np.ones(6)).rows[0]
    assert row.binary
    assert row.smd_before == pytest.approx((0.25 - 1) / np.sqrt(0.25 * 0.75))
    assert np.isnan(row.variance_ratio_after)
    assert row.ks_before == pytest.approx(0.75)


def test_the_distribution_distance_is_that_of_the_two_sample_ks_test() -> None:
    covariates, treated = sample(150, 400, 0.3)
    covariates = covariates.round(1)
    table = balance_table(covariates, NAMES, treated, np.ones(len(treated)))
    for j, row in enumerate(table.rows):
        expected = stats.ks_2samp(covariates[treated, j], covariates[~treated, j]).statistic
        assert row.ks_before == pytest.approx(expected, abs=1e-12)
        assert row.ks_after == pytest.approx(expected, abs=1e-12)


def test_a_weight_of_two_counts_a_control_twice_in_means_and_distributions() -> None:
    covariates, treated = sample(100, 200, 0.3)
    doubled = np.where(np.arange(len(treated)) >= 250, 2.0, 1.0)
    weighted = balance_table(covariates, NAMES, treated, doubled)
    repeated = balance_table(
        np.vstack([covariates, covariates[250:]]),
        NAMES,
        np.concatenate([treated, treated[250:]]),
        np.ones(len(treated) + 50),
    )
    for ours, theirs in zip(weighted.rows, repeated.rows, strict=True):
        assert ours.smd_after == pytest.approx(theirs.smd_after, abs=1e-12)
        assert ours.ks_after == pytest.approx(theirs.ks_after, abs=1e-12)


def test_row_order_never_changes_a_bit() -> None:
    covariates, treated = sample(300, 900, 0.2)
    draw = np.random.default_rng(0)
    weights = np.where(treated, 1.0, draw.choice([0.0, 1 / 3, 0.5, 1.0], len(treated)))
    order = draw.permutation(len(treated))
    straight = balance_table(covariates, NAMES, treated, weights)
    moved = balance_table(covariates[order], NAMES, treated[order], weights[order])
    # repr shows every bit of a float, and NaN equal to itself.
    assert repr(straight) == repr(moved)


def test_a_covariate_that_never_varies_is_balanced() -> None:
    covariates, treated = np.full((6, 1), 3.0), np.arange(6) < 2
    table = balance_table(covariates, ["country"], treated, np.ones(6))
    assert table.rows[0].smd_after == 0
    assert table.rows[0].variance_ratio_after == 1
    assert gate(table).status == "pass"


def matched(covariates: np.ndarray, treated: np.ndarray, ratio: int = 1) -> MatchResult:
    row = np.arange(len(treated))
    score = covariates[:, 0]
    return nearest_neighbour(
        score[treated], score[~treated], ratio=ratio, tie_treated=row[treated], tie_control=row[~treated]
    )


def test_a_group_is_compared_with_the_controls_of_its_own_sets_on_the_common_scale() -> None:
    covariates, treated = sample(60, 400, 0.5)
    result = matched(covariates, treated, ratio=2)
    group = np.arange(60) % 3
    tables = balance_by_group(covariates, NAMES, treated, result, {g: group == g for g in (0, 1, 2)})
    assert list(tables) == [0, 1, 2]
    assert sum(table.n_treated for table in tables.values()) == 60
    in_group = group[result.pairs.treated] == 1
    own = covariates[treated][group == 1]
    theirs = covariates[~treated][result.pairs.control[in_group]]
    for j, row in enumerate(tables[1].rows):
        values = covariates[treated, j]
        denominator = np.sqrt(values.mean() * (1 - values.mean())) if row.binary else values.std(ddof=1)
        assert row.smd_after == pytest.approx((own[:, j].mean() - theirs[:, j].mean()) / denominator, abs=1e-12)
    assert tables[1].ess_control == pytest.approx(40)


def test_the_groups_add_up_to_the_whole() -> None:
    covariates, treated = sample(60, 400, 0.5)
    result = matched(covariates, treated)
    whole = balance_table(covariates, NAMES, treated, result.stacked_weights(treated))
    one_group = balance_by_group(covariates, NAMES, treated, result, {"all": np.ones(60, dtype=np.bool_)})
    assert repr(one_group) == repr({"all": whole})


def test_a_group_says_the_same_whatever_groups_stand_beside_it_and_one_of_nobody_says_nothing() -> None:
    covariates, treated = sample(60, 400, 0.5)
    result = matched(covariates, treated, ratio=2)
    half = np.arange(60) < 30
    alone = balance_by_group(covariates, NAMES, treated, result, {"half": half})
    groups = {"all": np.ones(60, dtype=np.bool_), "nobody": np.zeros(60, dtype=np.bool_), "half": half}
    beside = balance_by_group(covariates, NAMES, treated, result, groups)
    assert repr(beside["half"]) == repr(alone["half"])
    assert (beside["nobody"].n_treated, beside["nobody"].ess_control) == (0, 0)
    assert all(np.isnan([row.smd_after, row.ks_after, row.variance_ratio_after]).all() for row in beside["nobody"].rows)
    with pytest.raises(ValueError, match="one mark per treated unit"):
        balance_by_group(covariates, NAMES, treated, result, {"half": half[:-1]})


def test_well_matched_arms_pass() -> None:
    covariates, treated = sample(4_000, 40_000, 0.3)
    result = matched(covariates, treated, ratio=3)
    table = balance_table(covariates, NAMES, treated, result.stacked_weights(treated))
    verdict = gate(table, rule=GateRule(strict=frozenset({"age"})))
    assert verdict.status == "pass"
    assert verdict.findings == ()


def test_an_imbalance_that_chance_explains_in_a_small_sample_warns() -> None:
    covariates, treated = sample(25, 60, 0.0, seed=4)
    verdict = gate(balance_table(covariates, NAMES, treated, np.ones(len(treated))))
    assert verdict.status == "warn"
    assert {finding.status for finding in verdict.findings} == {"warn"}
    for finding in verdict.findings:
        assert finding.statistic != "smd" or finding.limit <= abs(finding.value) <= finding.noise_bound


def test_the_same_imbalance_in_a_large_sample_fails() -> None:
    covariates, treated = sample(4_000, 12_000, 0.2)
    verdict = gate(balance_table(covariates, NAMES, treated, np.ones(len(treated))))
    assert verdict.status == "fail"
    failed = [finding for finding in verdict.findings if finding.status == "fail"]
    assert {finding.covariate for finding in failed} == {"age"}
    assert "smd of age" in verdict.summary()


def plain_table(n_treated: int = 5_000, n_matched: int = 5_000, **changed: Any) -> BalanceTable:
    """A balanced large sample of one covariate, with some of its statistics changed."""
    row = CovariateBalance(
        covariate="prior_days",
        binary=False,
        mean_treated_before=10,
        mean_control_before=9,
        mean_treated_after=10,
        mean_control_after=10,
        smd_before=0.3,
        smd_after=0.01,
        variance_ratio_before=1.4,
        variance_ratio_after=1.1,
        ks_before=0.2,
        ks_after=0.02,
        spread=1.0,
        kurtosis=3.0,
        share=float("nan"),
        smd_of_share=float("nan"),
    )
    return BalanceTable(
        rows=(dataclasses.replace(row, **changed),),
        n_treated=n_treated,
        n_treated_matched=n_matched,
        ess_treated=n_matched,
        ess_control=3.0 * n_matched,
        freedom=4.0 * n_matched - 2,
    )


@pytest.mark.parametrize(
    ("changed", "statistic"),
    [
        ({"smd_after": -0.1}, "smd"),
        ({"variance_ratio_after": 0.49}, "variance_ratio"),
        ({"variance_ratio_after": 2.01}, "variance_ratio"),
        ({"ks_after": 0.1}, "ks"),
        ({"n_matched": 4_400}, "share_matched"),
    ],
)
def test_each_limit_of_the_study_fails_the_gate_on_its_own(changed: dict[str, Any], statistic: str) -> None:
    verdict = gate(plain_table(**changed))
    assert verdict.status == "fail"
    assert [finding.statistic for finding in verdict.findings] == [statistic]


def test_just_inside_every_limit_passes() -> None:
    table = plain_table(n_matched=4_500, smd_after=0.0999, variance_ratio_after=2.0, ks_after=0.0999)
    assert gate(table).status == "pass"


def test_prior_days_are_held_to_the_stricter_limit() -> None:
    table = plain_table(smd_after=0.06)
    assert gate(table).status == "pass"
    assert gate(table, rule=GateRule(strict=frozenset({"prior_days"}))).status == "fail"
    with pytest.raises(ValueError, match="without a balance row"):
        gate(table, rule=GateRule(strict=frozenset({"misspelt"})))


def test_a_departement_that_fails_fails_the_whole() -> None:
    verdict = gate(plain_table(), by_group={1: plain_table(), 38: plain_table(smd_after=0.4)})
    assert verdict.status == "fail"
    assert [finding.group for finding in verdict.findings] == [38]


def test_a_departement_of_eight_with_seven_matched_warns_and_of_which_nobody_is_matched_fails() -> None:
    seven = gate(plain_table(), by_group={38: plain_table(n_treated=8, n_matched=7)})
    nobody = gate(plain_table(), by_group={38: plain_table(n_treated=8, n_matched=0)})
    assert (seven.status, nobody.status) == ("warn", "fail")


def test_the_share_bound_is_the_binomial_quantile() -> None:
    for alpha, n in ((0.05, 8), (0.001, 40), (0.01, 1)):
        assert share_noise(alpha, n, 0.9) * n == stats.binom.ppf(alpha, n, 0.9)


def test_the_bounds_are_those_of_the_textbook_tests() -> None:
    assert smd_noise(0.05, 30, 40, 1.0, 68) == pytest.approx(stats.t.ppf(0.975, 68) * np.sqrt(1 / 30 + 1 / 40))
    assert ks_noise(0.05, 300, 400) == pytest.approx(1.3581 * np.sqrt(1 / 300 + 1 / 400), rel=1e-4)
    # For normal values and large samples the log-variance bound is that of the F test.
    assert variance_ratio_noise(0.05, 4_000, 5_000, 3.0) == pytest.approx(stats.f.ppf(0.975, 3_999, 4_999), rel=2e-3)


@pytest.mark.parametrize(("n_treated", "n_control"), [(30, 80), (200, 600)])
def test_equal_distributions_go_past_some_noise_bound_at_most_one_time_in_twenty(
    n_treated: int, n_control: int
) -> None:
    draw = np.random.default_rng(2024)
    n, worlds = n_treated + n_control, 200
    treated = np.arange(n) < n_treated
    everything = GateRule(smd=0.0, variance_ratio=(1.0, 1.0), ks=0.0)
    alarms = 0
    for _ in range(worlds):
        covariates = np.column_stack(
            [draw.normal(size=n), draw.exponential(size=n), draw.random(n) < 0.3, draw.gamma(1.5, 25, n)]
        )
        weights = np.where(treated, 1.0, draw.choice([1 / 3, 0.5, 1.0], n))
        alarms += gate(balance_table(covariates, NAMES, treated, weights), rule=everything).status == "fail"
    # Not above 5 % beyond what 200 worlds can show.
    assert stats.binomtest(alarms, worlds, 0.05, alternative="greater").pvalue > 0.01


def test_the_variance_of_a_handful_of_persons_tells_nothing_against_chance() -> None:
    assert variance_ratio_noise(0.05, 29, 5_000, kurtosis=9) == float("inf")
    assert variance_ratio_noise(0.05, 5_000, 29, kurtosis=9) == float("inf")
    assert variance_ratio_noise(0.05, 30, 5_000, kurtosis=9) < float("inf")


@given(
    n=st.integers(1, 40),
    m=st.integers(1, 60),
    share=st.floats(0.001, 0.999),
    alpha=st.sampled_from([0.05, 0.001, 1e-5]),
)
def test_two_shares_differ_by_more_than_their_bound_no_more_often_than_asked_and_the_bound_is_the_smallest(
    n: int, m: int, share: float, alpha: float
) -> None:
    bound = share_difference_noise(alpha, n, m, share)
    x, y = np.arange(n + 1), np.arange(m + 1)
    gap = np.abs(x[:, None] / n - y[None, :] / m)
    weight = stats.binom.pmf(x, n, share)[:, None] * stats.binom.pmf(y, m, share)[None, :]
    assert weight[gap > bound + 1e-12].sum() <= alpha * (1 + 1e-6)
    if bound > 0:
        assert weight[gap > bound - 1e-9].sum() > alpha * (1 - 1e-6)


def test_the_bound_on_shares_comes_to_that_of_the_t_test_where_many_hold_the_modality() -> None:
    exact = share_difference_noise(1e-4, 20_000, 30_000, 0.2)
    assert exact == pytest.approx(smd_noise(1e-4, 20_000, 30_000, 0.4, 49_998), rel=0.01)


def test_a_rare_modality_among_few_persons_is_no_evidence_against_the_matching() -> None:
    """Three persons in a thousand are apprentices; where twelve are treated, one of them is."""
    treated = np.arange(4_000) < 1_000
    apprentice = np.zeros(4_000)
    apprentice[[0, 1, 2, *range(1_000, 1_009)]] = 1.0
    table = balance_table(apprentice[:, None], ["apprentice"], treated, np.ones(4_000))
    (row,) = table.rows
    one_of_twelve = dataclasses.replace(row, smd_after=(1 / 12) * row.smd_of_share, ks_after=1 / 12)
    here = dataclasses.replace(
        table, rows=(one_of_twelve,), n_treated=12, n_treated_matched=12, ess_treated=12, ess_control=36
    )
    assert gate(table, by_group={39: here}).status == "warn"
    assert smd_noise(0.05 / 3, 12, 36, row.spread, table.freedom) < one_of_twelve.smd_after  # the t bound would fail it
    half = dataclasses.replace(row, smd_after=0.5 * row.smd_of_share, ks_after=0.5)
    assert gate(table, by_group={39: dataclasses.replace(here, rows=(half,))}).status == "fail"


def test_rare_modalities_in_small_arms_fail_at_most_one_time_in_twenty() -> None:
    draw = np.random.default_rng(7)
    n, worlds, shares = 160, 400, np.array([0.004, 0.01, 0.02, 0.05, 0.98])
    treated = np.arange(n) < 40
    alarms = 0
    for _ in range(worlds):
        covariates = (draw.random((n, len(shares))) < shares).astype(np.float64)
        table = balance_table(covariates, [f"modality {j}" for j in range(len(shares))], treated, np.ones(n))
        alarms += gate(table).status == "fail"
    assert stats.binomtest(alarms, worlds, 0.05, alternative="greater").pvalue > 0.01
