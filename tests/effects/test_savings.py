"""Savings: euros not paid, less what the programme cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_samples import drawn_sample, samples
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.effects.difference import Difference, matched_difference
from pipeline.effects.savings import Net, Savings, cost_per_day, savings


def world(saved: float, *, departments: int = 6, days: float = 10) -> tuple[Difference, Difference]:
    """Euros and days of a sample whose treated are paid `saved` less and stay `days` less."""
    sample = drawn_sample(400, departments, 9)
    rng = np.random.default_rng(2)
    euros = rng.normal(9000, 500, sample.n_rows) - saved * sample.treated
    return matched_difference(sample, euros), matched_difference(
        sample, rng.normal(200, 5, sample.n_rows) - days * sample.treated
    )


def net_of(found: Savings) -> Net:
    assert found.net is not None
    return found.net


def test_net_is_gross_less_cost_and_totals_are_per_person_times_persons():
    paid, on_leave = world(1000)
    found = savings(paid, on_leave, cost_per_person=400, daily_allowance=40)
    net = net_of(found)
    assert found.gross.value == pytest.approx(1000, abs=100)
    assert net.per_person.value == pytest.approx(found.gross.value - 400)
    assert found.n_persons == paid.n_sets
    assert net.total_eur == pytest.approx(net.per_person.value * paid.n_sets)
    assert net.total_eur == pytest.approx(found.gross_total_eur - net.cost_total_eur)
    assert net.probability_positive > 0.99
    assert net.cost_eur_per_day_avoided == pytest.approx(400 / found.days_avoided.value)
    assert net.break_even_days == 10


@given(sample=samples(), cost=st.integers(0, 5000))
@settings(deadline=None)
def test_a_known_cost_moves_the_interval_and_does_not_widen_it(sample, cost):
    euros = np.random.default_rng(1).normal(5000, 800, sample.n_rows)
    paid = matched_difference(sample, euros)
    found = savings(paid, paid, cost_per_person=cost)
    net = net_of(found).per_person
    assert net.se == pytest.approx(found.gross.se, nan_ok=True)
    assert net.ci_low == pytest.approx(found.gross.ci_low - cost, nan_ok=True)
    assert net.replicates.value == pytest.approx(found.gross.replicates.value - cost, nan_ok=True)


def test_a_net_on_its_limit_is_positive_with_the_confidence_of_that_limit():
    paid, on_leave = world(1000)
    at_the_limit = savings(paid, on_leave, cost_per_person=-paid.estimate.ci_high)
    assert net_of(at_the_limit).probability_positive == pytest.approx(0.975)


@given(cost=st.floats(0, 5000), days=st.floats(-40, 40))
@settings(deadline=None)
def test_the_interval_of_the_cost_per_day_is_that_of_the_days_turned_over(cost, days):
    _, on_leave = world(0, days=days)
    avoided = on_leave.estimate.linear(-1.0)
    low, high = cost_per_day(avoided, cost)
    value = net_of(savings(on_leave, on_leave, cost_per_person=cost)).cost_eur_per_day_avoided
    if avoided.value <= 0:
        assert (low, value, high) == (None, None, None)
        return
    assert low == pytest.approx(cost / avoided.ci_high)
    assert low <= value
    # One cannot exclude that no day is avoided: then no cost per day is too high.
    assert (high is None) == (avoided.ci_low <= 0)
    assert high is None or value <= high


def test_a_platform_that_avoids_no_day_has_no_cost_per_day():
    found = net_of(savings(*world(-200, days=-5), cost_per_person=400, daily_allowance=0))
    assert (found.cost_eur_per_day_avoided, found.cost_per_day_low, found.cost_per_day_high) == (None, None, None)
    assert found.break_even_days is None
    assert found.probability_positive < 0.01


def test_two_departements_carry_a_saving_without_interval_or_probability():
    found = net_of(savings(*world(1000, departments=2), cost_per_person=400))
    assert math.isfinite(found.per_person.value)
    assert math.isnan(found.per_person.ci_low) and math.isnan(found.probability_positive)
    assert found.cost_eur_per_day_avoided is not None and found.cost_per_day_low is None


def test_without_a_cost_there_is_a_gross_saving_and_no_net():
    found = savings(*world(1000), cost_per_person=None)
    assert math.isfinite(found.gross.ci_low)
    assert found.net is None


@pytest.mark.parametrize("cost", [math.nan, -1.0])
def test_a_cost_that_is_none_is_refused(cost):
    with pytest.raises(ValueError, match="cost per person"):
        savings(*world(1000), cost_per_person=cost)
