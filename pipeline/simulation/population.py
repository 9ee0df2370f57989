"""The insured: who they are, and the two frailties that make past leave predict future leave.

Everything here is drawn before any leave and does not depend on the programme.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulation.config import WorldConfig, first_day
from pipeline.simulation.streams import generator, keys
from pipeline.simulation.territory import Territory

NEVER = np.int32(2**31 - 1)
"""Day or month of what does not happen."""
MISSING = np.int8(-1)
"""Code of a characteristic the register does not carry."""
EMPLOYEE_SCHEME = 101
SELF_EMPLOYED_SCHEMES = np.array([103, 105, 106, 107, 390], dtype=np.int16)
SECTORS = np.array(
    ["8610Z", "4711F", "5610A", "4120A", "8121Z", "8810A", "8411Z", "4941A", "6201Z", "7820Z",
     "4399C", "8520Z", "7010Z", "2511Z", "1071C", "4931Z", "6512Z", "8690E", "0113Z"]
)  # fmt: skip
"""Activity codes in use (NAF rév. 2)."""
_SECTOR_WEIGHTS = np.array([9, 9, 7, 7, 6, 6, 6, 6, 5, 5, 5, 5, 4, 4, 4, 4, 3, 3, 2], dtype=np.float64)
_SECTOR_INCIDENCE = np.array(
    [0.20, 0.08, -0.05, 0.10, 0.22, 0.18, 0.05, 0.12, -0.35, 0.15, 0.10, -0.10, -0.25, 0.05, 0.0, 0.12, -0.2, 0.0, 0.0]
)
_SECTOR_ACCIDENT = np.array(
    [1.1, 1.2, 1.1, 2.0, 1.2, 1.2, 0.7, 1.6, 0.2, 1.7, 1.9, 0.5, 0.3, 1.3, 1.1, 1.2, 0.3, 0.7, 1.5]
)
SIZES = ("1-9", "10-49", "50-249", "250+")
CONTRACTS = ("CDI", "CDD", "INTERIM", "APPRENTI", "AUTRE", "TI")
_CONTRACT_JOBS = np.array([0.0, 0.6, 0.8, 0.3, 0.2, -0.5])
SELF_EMPLOYED_CONTRACT = 5
WORKING_TIMES = np.array([100, 90, 80, 70, 60, 50], dtype=np.int8)
MEAN_LEAVES_PER_YEAR = 0.95
"""Sickness and work-injury leaves of more than a day, a person and year."""
SD_INCIDENCE, SD_DURATION, FRAILTY_CORRELATION = 0.85, 0.42, 0.40
"""Personal frailties on the log scale, and how they go together: who is often on leave is also long on leave."""
ALD_YEARLY = 0.018
"""Entries a year into the long-term illness scheme, at the mean age."""


@dataclass(frozen=True, slots=True)
class Population:
    """The insured of a world, one array position each, shape (N,).

    Attributes:
        stream: uint64 key of the person's random numbers.
        home: position of the département of residence at the start.
        move_month: month since 1970 of a move, or `NEVER`.
        moved_to: position of the département after it.
        sex: 1 male, 2 female.
        birth_year, birth_month, birth_day: true birth date.
        scheme: RGM_COD.
        health_professional: paid under the codes of self-employed health professionals.
        social_class: csp 1..6.
        sector: position in `SECTORS`.
        size: position in `SIZES`; `MISSING` for the self-employed.
        wage: reference gross wage, euros per month.
        contract: position in `CONTRACTS`.
        working_time: per cent.
        two_employers: a second employer pays part of every allowance.
        ald_start, ald_end: days of the long-term illness scheme, or `NEVER`.
        motivation: unobserved will to return, standard normal.
        incidence_frailty, duration_frailty: standard normal.
        known_residence: the register carries the département.
        known_birth: the register carries the birth year.
    """

    stream: np.ndarray
    home: np.ndarray
    move_month: np.ndarray
    moved_to: np.ndarray
    sex: np.ndarray
    birth_year: np.ndarray
    birth_month: np.ndarray
    birth_day: np.ndarray
    scheme: np.ndarray
    health_professional: np.ndarray
    social_class: np.ndarray
    sector: np.ndarray
    size: np.ndarray
    wage: np.ndarray
    contract: np.ndarray
    working_time: np.ndarray
    two_employers: np.ndarray
    ald_start: np.ndarray
    ald_end: np.ndarray
    motivation: np.ndarray
    incidence_frailty: np.ndarray
    duration_frailty: np.ndarray
    known_residence: np.ndarray
    known_birth: np.ndarray

    @property
    def count(self) -> int:
        """Number of insured."""
        return len(self.home)

    @property
    def self_employed(self) -> np.ndarray:
        """Boolean (N,): insured outside the employees' scheme."""
        other_scheme: np.ndarray = self.scheme != EMPLOYEE_SCHEME
        return other_scheme

    def age(self, year: float) -> np.ndarray:
        """Age in years at a date given as a decimal year; float64 (N,)."""
        years: np.ndarray = year - self.birth_year - (self.birth_month - 0.5) / 12.0
        return years

    def residence(self, person: np.ndarray, month: np.ndarray) -> np.ndarray:
        """Position of the département in which persons are registered in given months (since 1970).

        Args:
            person: positions, int array.
            month: months since 1970, same shape.

        Returns:
            Positions in the territory, same shape.
        """
        place: np.ndarray = np.where(month >= self.move_month[person], self.moved_to[person], self.home[person])
        return place


def draw_population(config: WorldConfig, territory: Territory) -> Population:
    """Draw the insured of a world.

    Args:
        config: the world asked for.
        territory: its départements.

    Returns:
        `config.persons` insured.
    """
    rng = generator(config.seed, "population")
    n = config.persons
    start_year = 1970 + config.start_month // 12
    home = rng.choice(len(territory.codes), n, p=territory.weights).astype(np.int16)
    birth_year = (start_year - np.clip(rng.triangular(18.0, 40.0, 67.0, n), 19.0, 64.9)).astype(np.int16)
    age = start_year - birth_year.astype(np.float64)
    sex = np.where(rng.random(n) < 0.48, 1, 2).astype(np.int8)

    scheme = np.full(n, EMPLOYEE_SCHEME, dtype=np.int16)
    self_employed = rng.random(n) < 0.085
    scheme[self_employed] = rng.choice(
        SELF_EMPLOYED_SCHEMES, int(self_employed.sum()), p=[0.04, 0.55, 0.29, 0.05, 0.07]
    )
    health_professional = (scheme == 390) & (rng.random(n) < 0.6)
    social_class = rng.choice(np.arange(2, 7), n, p=[0.01, 0.18, 0.24, 0.33, 0.24]).astype(np.int8)
    social_class[self_employed] = rng.choice([1, 2, 3], int(self_employed.sum()), p=[0.1, 0.7, 0.2])
    sector = rng.choice(len(SECTORS), n, p=_SECTOR_WEIGHTS / _SECTOR_WEIGHTS.sum()).astype(np.int8)
    size = rng.choice(4, n, p=[0.22, 0.28, 0.24, 0.26]).astype(np.int8)
    size[self_employed] = MISSING
    level = np.array([0.0, 1800.0, 2400.0, 3900.0, 2600.0, 2000.0, 2050.0])[social_class]
    working_time = np.where(rng.random(n) < np.where(sex == 2, 0.25, 0.08), rng.choice(WORKING_TIMES[1:], n), 100)
    noise = np.exp(rng.normal(0.0, 0.24, n)) * (1.0 + 0.006 * (age - 40.0)) * np.where(sex == 2, 0.94, 1.0)
    wage = np.round(np.maximum(level * noise * (0.35 + 0.65 * working_time / 100.0), 450.0), 2)
    contract = rng.choice(5, n, p=[0.855, 0.08, 0.035, 0.015, 0.015]).astype(np.int8)
    contract[(contract == 3) & (age > 29)] = 0
    contract[self_employed] = SELF_EMPLOYED_CONTRACT

    incidence_frailty = rng.standard_normal(n)
    duration_frailty = FRAILTY_CORRELATION * incidence_frailty + np.sqrt(
        1.0 - FRAILTY_CORRELATION**2
    ) * rng.standard_normal(n)
    ald_rate = ALD_YEARLY * np.exp(0.045 * (age - 42.0) + 0.4 * duration_frailty)
    onset_years = rng.exponential(1.0, n) / ald_rate
    origin = first_day(config.first_delivery)
    ald_start = origin - 6 * 365 + np.minimum(onset_years * 365.25, 4e4)
    ald_start = np.where(ald_start > config.last_simulated_day, NEVER, ald_start).astype(np.int32)
    closes = (ald_start != NEVER) & (rng.random(n) < 0.3)
    ald_end = np.where(closes, ald_start.astype(np.int64) + 5 * 365, NEVER).astype(np.int32)

    moves = rng.random(n) < 0.0025 * (config.months + config.history_months) / 12.0
    months = np.arange(config.first_delivery + 1, config.last_delivery + 2)
    move_month = np.where(moves, rng.choice(months, n), NEVER).astype(np.int32)
    moved_to = rng.choice(len(territory.codes), n, p=territory.weights).astype(np.int16)
    return Population(
        stream=keys(config.seed, "paths", n),
        home=home,
        move_month=move_month,
        moved_to=moved_to,
        sex=sex,
        birth_year=birth_year,
        birth_month=rng.integers(1, 13, n).astype(np.int8),
        birth_day=rng.integers(1, 29, n).astype(np.int8),
        scheme=scheme,
        health_professional=health_professional,
        social_class=social_class,
        sector=sector,
        size=size,
        wage=wage,
        contract=contract,
        working_time=working_time.astype(np.int8),
        two_employers=~self_employed & (working_time < 90) & (rng.random(n) < 0.08),
        ald_start=ald_start,
        ald_end=ald_end,
        motivation=rng.standard_normal(n),
        incidence_frailty=incidence_frailty,
        duration_frailty=duration_frailty,
        known_residence=rng.random(n) >= 0.002,
        known_birth=rng.random(n) >= 0.002,
    )


@dataclass(frozen=True, slots=True)
class Propensities:
    """What drives each person's path, shape (N,), float64: rates per day and multipliers without unit.

    Attributes:
        onset: leaves started per day at work.
        accident_share: share of them under the work-injury risk.
        ending: multiplier of the hazard of ending a leave.
        jobs: multiplier of the risk of losing work.
        rehire: work found per day out of work.
        death: deaths per day.
        retirement_day: day from which a leaver may retire.
    """

    onset: np.ndarray
    accident_share: np.ndarray
    ending: np.ndarray
    jobs: np.ndarray
    rehire: np.ndarray
    death: np.ndarray
    retirement_day: np.ndarray


def propensities(
    config: WorldConfig, territory: Territory, people: Population, motivation_on_return: float
) -> Propensities:
    """Turn characteristics into the rates that drive paths.

    Args:
        config: the world asked for.
        territory: its départements.
        people: its insured.
        motivation_on_return: log hazard of ending a leave per standard deviation of unobserved motivation.

    Returns:
        Rates and multipliers, shape (N,).
    """
    start_year = 1970 + config.start_month / 12.0
    age = people.age(start_year)
    self_employed = people.self_employed
    by_class = np.array([0.0, -0.30, -0.25, -0.45, -0.05, 0.10, 0.20])[people.social_class]
    log_onset = (
        SD_INCIDENCE * people.incidence_frailty
        - 0.009 * (age - 42.0)
        + by_class
        + 0.10 * (people.sex == 2)
        + _SECTOR_INCIDENCE[people.sector]
        - 0.45 * self_employed
        + territory.incidence[people.home]
    )
    onset = np.exp(log_onset)
    onset *= MEAN_LEAVES_PER_YEAR / 365.25 / onset.mean()
    accident = 0.10 * _SECTOR_ACCIDENT[people.sector] * np.where(people.social_class >= 5, 1.5, 0.5)
    accident[self_employed] = 0.0
    log_ending = (
        -SD_DURATION * people.duration_frailty
        - 0.019 * (age - 42.0)
        - 0.025 * np.maximum(age - 54.0, 0.0)
        - 0.03 * (people.sex == 2)
        - 0.04 * (people.social_class - 4)
        + 0.05 * self_employed
        + territory.duration[people.home]
        + motivation_on_return * people.motivation
    )
    return Propensities(
        onset=onset,
        accident_share=np.minimum(accident, 0.6),
        ending=np.exp(log_ending),
        jobs=np.exp(territory.jobs[people.home] + _CONTRACT_JOBS[people.contract] + 0.25 * (people.sex == 2) - 0.12),
        rehire=0.0030 * np.exp(-territory.jobs[people.home] - 0.03 * (age - 40.0)),
        death=2.2e-6 * np.exp(0.085 * (age - 42.0)),
        retirement_day=(
            (people.birth_year.astype(np.float64) + (people.birth_month - 1) / 12.0 + 62.25 - 1970.0) * 365.25
        ).astype(np.int32),
    )
