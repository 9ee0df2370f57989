"""The known effects are the mean difference between two paths of the same insured."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from pipeline.simulation import EFFECTS, World, WorldConfig, draw_world, true_effects
from pipeline.simulation.allowance import DailyRates, daily_rates, paid_between
from pipeline.simulation.config import HORIZONS
from pipeline.simulation.paths import AGREED, REFUSED, Leaves
from pipeline.simulation.population import NEVER
from pipeline.simulation.truth import Outcomes, itt_population


def accompanied(world: World) -> tuple[np.ndarray, np.ndarray]:
    contacts = world.observed.contacts
    person = np.flatnonzero(contacts.outcome == AGREED)
    return person, contacts.contact[person]


def days_changed(world: World, horizon: int) -> np.ndarray:
    """Days on leave with minus without the programme, per accompanied."""
    person, zero = accompanied(world)
    observed = Outcomes(world.observed, world.rates, person, zero)
    without = Outcomes(world.without, world.rates_without, person, zero)
    return observed.days_on_leave(horizon) - without.days_on_leave(horizon)


def test_no_effect_is_exactly_zero_for_everyone(quiet: World) -> None:
    assert np.all(days_changed(quiet, 730) == 0)
    truth = true_effects(quiet)
    cells = [truth[e][o][h] for e in ("ATT", "ITT") for o in truth[e] for h in HORIZONS]
    assert cells == [0.0] * len(cells)


def test_selection_has_no_effect_but_the_willing_return_sooner() -> None:
    world = draw_world(WorldConfig(persons=40_000, effect="selection", departments=24, designated=12, seed=7))
    truth = true_effects(world)
    assert truth["ATT"]["days_on_leave"]["12"] == 0.0 == truth["ITT"]["days_on_leave"]["12"]
    contacts = world.observed.contacts
    agreed, refused = (np.flatnonzero(contacts.outcome == outcome) for outcome in (AGREED, REFUSED))
    motivation = world.people.motivation
    assert motivation[agreed].mean() > motivation[refused].mean() + 0.5
    means = [
        Outcomes(world.observed, world.rates, group, contacts.contact[group]).days_on_leave(365).mean()
        for group in (agreed, refused)
    ]
    assert means[0] < means[1]


def test_the_moderate_programme_locks_in_first_and_helps_later(moderate: World) -> None:
    early, late = days_changed(moderate, 60).mean(), days_changed(moderate, 365).mean()
    assert early > 0
    assert late < 0
    weekly = np.diff([days_changed(moderate, day).mean() for day in range(0, 366, 30)])
    assert weekly[1] > 0 > weekly[-4:].max()


def test_the_moderate_programme_spares_about_twelve_days_a_year(moderate: World) -> None:
    effect = true_effects(moderate)["ATT"]["days_on_leave"]["12"]
    # About 1,200 accompanied, whose difference has a standard deviation of some 75 days.
    assert effect == pytest.approx(-12.5, abs=6.0)


def test_the_strong_programme_shows_in_the_whole_eligible_population() -> None:
    world = draw_world(WorldConfig(persons=30_000, effect="strong", departments=24, designated=12, seed=9))
    truth = true_effects(world)
    assert -50 < truth["ATT"]["days_on_leave"]["12"] < -25
    assert truth["ITT"]["days_on_leave"]["12"] < -10
    assert truth["uptake"] > 0.5
    assert truth["ATT"]["sustained_return_to_work"]["12"] > 0.05


def test_the_heterogeneous_programme_leaves_the_self_employed_alone() -> None:
    world = draw_world(WorldConfig(persons=40_000, effect="heterogeneous", departments=24, designated=12, seed=13))
    person, _ = accompanied(world)
    change = days_changed(world, 365)
    self_employed = world.people.self_employed[person]
    young = world.people.age(2021.5)[person] < 45
    assert np.sum(self_employed) > 30
    assert np.all(change[self_employed] == 0)
    assert change[young & ~self_employed].mean() < change[~young].mean()


def test_only_the_accompanied_differ_between_the_two_worlds(moderate: World) -> None:
    touched = moderate.accompanied
    for name in (f.name for f in fields(Leaves)):
        observed = getattr(moderate.observed.leaves, name)[~touched[moderate.observed.leaves.person]]
        without = getattr(moderate.without.leaves, name)[~touched[moderate.without.leaves.person]]
        assert np.array_equal(observed, without)


def test_nothing_changes_before_first_contact(moderate: World) -> None:
    contact = moderate.observed.contacts.contact

    def before(leaves: Leaves) -> np.ndarray:
        rows = leaves.end < contact[leaves.person]
        return np.stack([leaves.person[rows], leaves.start[rows], leaves.end[rows], leaves.cause[rows]])

    touched = moderate.accompanied
    observed, without = before(moderate.observed.leaves), before(moderate.without.leaves)
    assert np.array_equal(observed[:, touched[observed[0]]], without[:, touched[without[0]]])


@pytest.mark.parametrize("seed", [1, 3])
def test_the_programme_does_not_decide_who_enters_the_eligible_population(seed: int) -> None:
    world = draw_world(WorldConfig(persons=16_000, effect="strong", seed=seed))
    observed = itt_population(world.territory, world.observed, world)
    without = itt_population(world.territory, world.without, world)
    assert np.array_equal(observed[0], without[0])
    assert np.array_equal(observed[1], without[1])
    assert len(observed[0]) > 500
    assert np.sum(days_changed(world, 365) != 0) > 200


def test_contacts_fall_in_a_leave_while_the_platform_is_open(moderate: World) -> None:
    contacts, territory = moderate.observed.contacts, moderate.territory
    met = np.flatnonzero(contacts.outcome > 0)
    place = contacts.platform[met]
    assert np.all(territory.opening[place] <= contacts.contact[met])
    assert np.all(contacts.contact[met] <= territory.closing[place])
    assert np.all(contacts.signal[met] < contacts.contact[met])
    assert np.all(contacts.agreement[met] >= contacts.contact[met])
    elapsed = contacts.contact[met] - contacts.leave_start[met]
    assert elapsed.min() >= 30
    assert np.mean(elapsed >= 45) > 0.95


def test_refusals_and_withdrawals_are_as_frequent_as_meant(moderate: World) -> None:
    outcome = moderate.observed.contacts.outcome
    met = outcome > 0
    assert 0.1 < np.mean(outcome[met] == REFUSED) < 0.35
    agreed = outcome == AGREED
    assert 0.01 < np.mean(moderate.withdrawal[agreed] != NEVER) < 0.045
    assert np.all(moderate.withdrawal[~agreed] == NEVER)


def test_allowance_adds_up_over_any_cut(moderate: World) -> None:
    leaves, rates = moderate.observed.leaves, moderate.rates
    whole = paid_between(leaves, rates, leaves.start, leaves.end + 1)
    for cut in (5, 20, 31, 95):
        middle = leaves.start + cut
        parts = paid_between(leaves, rates, leaves.start, middle) + paid_between(leaves, rates, middle, leaves.end + 1)
        assert np.allclose(whole, parts)


def test_the_start_of_the_leave_decides_its_tariff(quiet: World) -> None:
    day = np.array(["2025-03-31", "2025-04-01"], dtype="datetime64[D]").astype(np.int32)
    rich = np.flatnonzero((quiet.people.wage > 4_000) & ~quiet.people.self_employed)[:1]
    person = np.repeat(rich, 2).astype(np.int32)
    two = np.full(2, 10, dtype=np.int32)
    leaves = Leaves(person, day, day + 40, two, np.full(2, NEVER), two)
    rates: DailyRates = daily_rates(quiet.people, leaves)
    assert rates.first.tolist() == [53.31, 41.47]


def test_an_unknown_effect_is_refused_with_the_list() -> None:
    with pytest.raises(ValueError, match="null, moderate, strong"):
        draw_world(WorldConfig(persons=10, effect="magic"))
    assert set(EFFECTS) == {"null", "moderate", "strong", "heterogeneous", "selection"}
