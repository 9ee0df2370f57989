"""Savings: euros not paid, less what the programme cost."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn_samples import drawn_sample, samples
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.effects.savings import savings


def world(saved: float, *, departments: int = 6, days: float = 10):
    """Euros and days of a sample whose treated are paid `saved` less and stay `days` less."""
    sample = drawn_sample(400, departments, 9)
    rng = np.random.default_rng(2)
    euros = rng.normal(9000, 500, sample.n_rows) - saved * sample.treated
    return sample, euros, rng.normal(200, 5, sample.n_rows) - days * sample.treated


def test_net_is_gross_less_cost_and_totals_are_per_person_times_persons():
    sample, euros, days = world(1000)
    found = savings(sample, euros, days, cost_per_person=400, mean_daily_allowance=40)
    assert found.gross.value == pytest.approx(1000, abs=100)
    assert found.net.value == pytest.approx(found.gross.value - 400)
    assert found.n_persons == sample.n_sets
    assert found.net_total_eur == pytest.approx(found.net.value * sample.n_sets)
    assert found.net_total_eur == pytest.approx(found.gross_total_eur - found.cost_total_eur)
    assert found.probability_net_positive > 0.99
    assert found.cost_eur_per_day_avoided == pytest.approx(400 / found.days_avoided.value)
    assert found.break_even_days == 10


def test_totals_can_stand_for_the_persons_the_caller_counted():
    sample, euros, days = world(1000)
    found = savings(sample, euros, days, cost_per_person=400, mean_daily_allowance=40, n_persons=1000)
    assert found.cost_total_eur == 400_000


@given(sample=samples(), cost=st.integers(0, 5000))
@settings(deadline=None)
def test_a_known_cost_moves_the_interval_and_does_not_widen_it(sample, cost):
    euros = np.random.default_rng(1).normal(5000, 800, sample.n_rows)
    found = savings(sample, euros, euros / 40, cost_per_person=cost, mean_daily_allowance=40)
    assert found.net.se == pytest.approx(found.gross.se, nan_ok=True)
    assert found.net.ci_low == pytest.approx(found.gross.ci_low - cost, nan_ok=True)
    assert found.net.replicates.value == pytest.approx(found.gross.replicates.value - cost, nan_ok=True)


def test_a_net_on_its_limit_is_positive_with_the_confidence_of_that_limit():
    sample, euros, days = world(1000)
    gross = savings(sample, euros, days, cost_per_person=0, mean_daily_allowance=40).gross
    at_the_limit = savings(sample, euros, days, cost_per_person=gross.ci_low, mean_daily_allowance=40)
    assert at_the_limit.probability_net_positive == pytest.approx(0.975)


def test_a_platform_that_avoids_no_day_has_no_cost_per_day():
    sample, euros, days = world(-200, days=-5)
    found = savings(sample, euros, days, cost_per_person=400, mean_daily_allowance=0)
    assert found.cost_eur_per_day_avoided is None
    assert found.break_even_days is None
    assert found.probability_net_positive < 0.01


def test_two_departements_carry_a_saving_without_interval_or_probability():
    sample, euros, days = world(1000, departments=2)
    found = savings(sample, euros, days, cost_per_person=400, mean_daily_allowance=40)
    assert math.isfinite(found.net.value)
    assert math.isnan(found.net.ci_low) and math.isnan(found.probability_net_positive)


def test_an_unknown_cost_is_refused():
    sample, euros, days = world(1000)
    with pytest.raises(ValueError, match="cost per person"):
        savings(sample, euros, days, cost_per_person=math.nan, mean_daily_allowance=40)
