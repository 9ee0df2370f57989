"""A world: the territory, its insured, and their paths with and without the programme. No file is written here."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np

from pipeline.simulation.allowance import DailyRates, daily_rates
from pipeline.simulation.config import WorldConfig
from pipeline.simulation.paths import AGREED, Contacts, Fates, JobEvents, Leaves, Paths, Progress, walk
from pipeline.simulation.population import NEVER, Population, draw_population, propensities
from pipeline.simulation.programme import Effect, draw_exposure, effect_named
from pipeline.simulation.streams import generator
from pipeline.simulation.territory import Territory, draw_territory

_Rows = TypeVar("_Rows", Leaves, JobEvents)

WITHDRAWAL_SHARE = 0.025
"""Share of the accompanied who withdraw their agreement later."""


@dataclass(frozen=True, slots=True)
class World:
    """Everything that is true of a simulated territory.

    Attributes:
        config: what was asked for.
        effect: what the programme does.
        territory: the départements.
        people: the insured, N of them.
        observed: paths with the programme: what the deliveries show.
        without: paths without it, all insured included; contacts empty.
        rates: daily allowance of each leave of `observed`.
        rates_without: daily allowance of each leave of `without`.
        withdrawal: day the agreement was withdrawn, or `NEVER`; int32 (N,).
    """

    config: WorldConfig
    effect: Effect
    territory: Territory
    people: Population
    observed: Paths
    without: Paths
    rates: DailyRates
    rates_without: DailyRates
    withdrawal: np.ndarray

    @property
    def accompanied(self) -> np.ndarray:
        """Boolean (N,): contacted and agreed, withdrawn later or not."""
        agreed: np.ndarray = self.observed.contacts.outcome == AGREED
        return agreed


def draw_world(config: WorldConfig, progress: Progress | None = None) -> World:
    """Draw a world in memory.

    Args:
        config: what is asked for.
        progress: called with stage, done, total as insured are walked.

    Returns:
        The world; a function of `config` alone.

    Raises:
        ValueError: `config.effect` names no effect.
    """
    effect = effect_named(config.effect)
    territory = draw_territory(config)
    people = draw_population(config, territory)
    rates = propensities(config, territory, people, effect.motivation_on_return)
    exposure = draw_exposure(config, territory, people, effect)
    observed = walk(config, territory, people, rates, exposure, effect, programme_acts=True, progress=progress)
    touched = np.flatnonzero(observed.contacts.outcome == AGREED)
    if effect.is_null or not len(touched):
        without = observed
    else:
        alone = walk(
            config, territory, people, rates, exposure, effect, programme_acts=False, who=touched, progress=progress
        )
        without = _substitute(observed, alone, touched)
    rng = generator(config.seed, "withdrawals")
    withdraws = (rng.random(people.count) < WITHDRAWAL_SHARE) & (observed.contacts.outcome == AGREED)
    delay = rng.integers(20, 300, people.count)
    agreement = observed.contacts.agreement.astype(np.int64)
    return World(
        config=config,
        effect=effect,
        territory=territory,
        people=people,
        observed=observed,
        without=without,
        rates=daily_rates(people, observed.leaves),
        rates_without=daily_rates(people, without.leaves),
        withdrawal=np.where(withdraws, agreement + delay, NEVER).astype(np.int32),
    )


def _substitute(observed: Paths, alone: Paths, who: np.ndarray) -> Paths:
    """The observed paths, those of `who` replaced by their paths without the programme."""
    mine = np.zeros(len(observed.fates.death), dtype=bool)
    mine[who] = True

    def merge_rows(kept: _Rows, new: _Rows) -> _Rows:
        keep = ~mine[kept.person]
        person = np.concatenate([kept.person[keep], new.person])
        order = np.argsort(person, kind="stable")
        return replace(
            kept,
            **{
                f.name: np.concatenate([getattr(kept, f.name)[keep], getattr(new, f.name)])[order] for f in fields(kept)
            },
        )

    return Paths(
        leaves=merge_rows(observed.leaves, alone.leaves),
        jobs=merge_rows(observed.jobs, alone.jobs),
        fates=Fates(
            *(np.where(mine, getattr(alone.fates, f.name), getattr(observed.fates, f.name)) for f in fields(Fates))
        ),
        contacts=Contacts(*(np.full_like(getattr(observed.contacts, f.name), NEVER) for f in fields(Contacts))),
    )
