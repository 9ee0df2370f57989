"""What the platforms do to those they accompany: the effects a world can be drawn with, by name.

An effect acts on accompanied insured only (contact, then agreement), from the first contact on, and on the days of a
leave past the trigger of the study; it changes new leaves only once such a leave has been. Who enters the intention-to-
treat population is therefore the same with and without the programme, and the difference between the two worlds is the
effect, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulation.config import TRIGGER_DAYS, WorldConfig
from pipeline.simulation.population import Population
from pipeline.simulation.territory import Territory

FIRST_DAY_OF_EFFECT = TRIGGER_DAYS + 1
"""Elapsed leave day from which a contact can change anything."""
EFFECT_DAYS = 1_200
"""Length of the effect curve, days since first contact."""
REFERRAL_FROM, REFERRAL_UNTIL = 30, 200
"""Elapsed leave days between which an insured can be detected."""
PROLONGED_FROM = 38
"""Elapsed day of detection that makes the contact, at least a week later, fall in a prolonged leave (45 days)."""
FREQUENT_DAYS = 90
"""Days on leave in twelve months that allow an earlier detection."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A programme's effect, and how insured come to it.

    Attributes:
        name: its name.
        lock_in_days: days after first contact during which fewer leave the allowance.
        lock_in: log hazard ratio of ending the leave during those days.
        help: log hazard ratio afterwards, for a year, then fading.
        relapse: log rate ratio of new leaves in the year after first contact.
        job_loss: log ratio of the risk of losing work at the end of the leave.
        detection: detections per day and insured on prolonged leave, at the mean.
        acceptance: log odds of agreeing, at the mean.
        motivation_on_acceptance: log odds of agreeing per standard deviation of unobserved motivation.
        motivation_on_return: log hazard of ending any leave per standard deviation of the same.
        varies: the effect differs by age and status.
        on_accidents: multiplier of the effect on leaves for a work accident.
    """

    name: str
    lock_in_days: int = 0
    lock_in: float = 0.0
    help: float = 0.0
    relapse: float = 0.0
    job_loss: float = 0.0
    detection: float = 0.0045
    acceptance: float = 1.3
    motivation_on_acceptance: float = 0.0
    motivation_on_return: float = 0.0
    varies: bool = False
    on_accidents: float = 1.0

    @property
    def is_null(self) -> bool:
        """Nothing changes for anyone."""
        return self.lock_in == self.help == self.relapse == self.job_loss == 0.0

    def curve(self) -> np.ndarray:
        """Log hazard ratio of ending a leave by day since first contact; float64 (EFFECT_DAYS,)."""
        day = np.arange(EFFECT_DAYS, dtype=np.float64)
        ramp = np.clip((day - self.lock_in_days) / 14.0, 0.0, 1.0)
        fade = np.clip((545.0 - day) / 180.0, 0.0, 1.0)
        return np.where(day < self.lock_in_days, -abs(self.lock_in), self.help * ramp * fade)


EFFECTS = {
    effect.name: effect
    for effect in (
        Effect("null"),
        Effect("moderate", lock_in_days=49, lock_in=0.42, help=0.58, relapse=-0.10, job_loss=-0.25),
        Effect(
            "strong", lock_in_days=21, lock_in=0.25, help=0.80, relapse=-0.20, job_loss=-0.5, detection=0.012,
            acceptance=2.2,
        ),
        Effect(
            "heterogeneous", lock_in_days=42, lock_in=0.40, help=0.60, relapse=-0.10, job_loss=-0.25, detection=0.007,
            varies=True, on_accidents=0.3,
        ),
        Effect("selection", motivation_on_acceptance=1.2, motivation_on_return=0.35, detection=0.007, acceptance=0.2),
    )
}  # fmt: skip
"""The worlds that can be drawn."""


def effect_named(name: str) -> Effect:
    """The effect of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    try:
        return EFFECTS[name]
    except KeyError:
        raise ValueError(f"no effect named {name!r}; choose one of {', '.join(EFFECTS)}") from None


@dataclass(frozen=True, slots=True)
class Exposure:
    """How each insured would meet the programme, shape (N,).

    Attributes:
        detection: detections per day once on prolonged leave in an open département.
        acceptance: probability of agreeing once contacted.
        strength: multiplier of every effect; 1 unless the effect varies.
    """

    detection: np.ndarray
    acceptance: np.ndarray
    strength: np.ndarray


def draw_exposure(config: WorldConfig, territory: Territory, people: Population, effect: Effect) -> Exposure:
    """How each insured would meet the programme; observed characteristics only, motivation excepted.

    Args:
        config: the world asked for.
        territory: its départements.
        people: its insured.
        effect: the effect of the world.

    Returns:
        Rates, probabilities and strengths, shape (N,).
    """
    age = people.age(1970 + config.start_month / 12.0)
    detection = effect.detection * np.exp(
        0.012 * (age - 45.0) + 0.15 * (people.social_class >= 5) - 0.35 * people.self_employed
    )
    log_odds = (
        effect.acceptance
        + 0.20 * (people.sex == 2)
        - 0.25 * (people.social_class == 3)
        + 0.01 * (age - 45.0)
        + effect.motivation_on_acceptance * people.motivation
    )
    strength = np.ones(people.count)
    if effect.varies:
        strength = np.where(age < 45.0, 1.5, np.where(age < 55.0, 1.0, 0.4)) * np.where(people.self_employed, 0.0, 1.0)
    return Exposure(detection=detection, acceptance=1.0 / (1.0 + np.exp(-log_odds)), strength=strength)
