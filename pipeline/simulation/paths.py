"""Paths of leave and work, day by day, with and without the programme.

Each insured walks through every day of the simulated period. A day's draw is read at an address (`streams`), so the
walk with the programme and the walk without it read the same numbers: they are one path until the programme changes a
hazard, and become one again when the two states meet.

The hazard of ending a leave declines with the days elapsed. Its shape is solved so that the share of incident leaves
still running follows the national anchors once personal differences are averaged out.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numba import njit

from pipeline.simulation.config import TRIGGER_DAYS, WorldConfig, first_day
from pipeline.simulation.population import NEVER, SELF_EMPLOYED_CONTRACT, Population, Propensities
from pipeline.simulation.programme import (
    FIRST_DAY_OF_EFFECT,
    FREQUENT_DAYS,
    PROLONGED_FROM,
    REFERRAL_FROM,
    REFERRAL_UNTIL,
    Effect,
    Exposure,
)
from pipeline.simulation.streams import PURPOSES, uniform
from pipeline.simulation.territory import NOT_DESIGNATED, Territory

Progress = Callable[[str, int, int], None]
"""Called with the name of a stage, the items done and the items in all."""

SICKNESS, WORK_INJURY = 10, 40
"""RGO_ASU_NAT of the two risks."""
ONGOING, RETURN, JOB_LOST, END_OF_RIGHTS, INVALIDITY, RETIREMENT, DEATH = range(7)
"""Why a leave ended."""
HIRED, NEW_EMPLOYER = 1, 2
"""Employment events that are not the end of a contract (those carry their DSN code)."""
NO_DOSSIER, REFUSED, AGREED = range(3)
"""What became of a contact."""

ANCHOR_DAYS = np.array([0, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1100], dtype=np.float64)
_SOLVER_SHARES = np.array([1.0, 0.794, 0.631, 0.4445, 0.279, 0.1915, 0.1495, 0.0865, 0.0465, 0.0145, 0.004])
"""Survival the solver aims at for the insured in the population at large, part-time and long illness left out.

The walk turns it into the national shares still on leave (7 days 60 %, 30 days 24 %, 90 days 11.5 %, 180 days 5.5 %,
365 days 1.8 %): found by fixed-point iteration over worlds without effect; a test holds the walk to the anchors.
"""
OTHER_ENDS = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.00018, 0.0011, 0.0016, 0.0016])
"""Mean daily hazard of ending otherwise than by returning, on the interval that ends at each anchor."""
RIGHTS_DAYS, RIGHTS_WINDOW = 360, 1095
"""Sickness allowance outside ALD: days payable in three rolling years; also the longest leave under ALD."""
LONG_ILLNESS_ONSET = 0.0020
"""Entries a day into the long-term illness scheme during a sickness leave of more than 60 days."""
LONG_ILLNESS_RATIO = 0.75
"""Hazard ratio of ending a sickness leave under that scheme."""
PART_TIME_ONSET, PART_TIME_RATIO = 0.0035, 1.5
"""Entries a day into therapeutic part-time after 60 days, and the hazard ratio of ending once in it."""
WAITING_DAYS = 3
"""First days of a sickness leave, not paid."""
MINIMUM_GAP = 5
"""Days at work before a new leave: two leaves stay two whatever the gap rule of a prolongation."""
_BLOCK = 20_000
_SEASON = (0.17, 20.0)
"""Amplitude and peak day of the year of new leaves."""


@dataclass(frozen=True, slots=True)
class Leaves:
    """Leaves, one array position each, sorted by person then start; shape (L,), days since 1970.

    Attributes:
        person: position of the insured.
        start: first day, waiting days included.
        end: last day on leave; the last simulated day where `cause` is ONGOING.
        risk: SICKNESS or WORK_INJURY.
        part_time_from: first day of the therapeutic part-time phase, or `NEVER`.
        cause: why it ended.
    """

    person: np.ndarray
    start: np.ndarray
    end: np.ndarray
    risk: np.ndarray
    part_time_from: np.ndarray
    cause: np.ndarray

    @property
    def count(self) -> int:
        """Number of leaves."""
        return len(self.person)

    def take(self, which: np.ndarray) -> Leaves:
        """The leaves at given positions (or where a boolean holds), in that order."""
        return Leaves(*(getattr(self, f.name)[which] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class JobEvents:
    """Changes of employment, sorted by person then day; shape (J,).

    Attributes:
        person: position of the insured.
        day: first day of the new state, since 1970.
        code: HIRED, NEW_EMPLOYER, or the DSN code of the end of a contract.
    """

    person: np.ndarray
    day: np.ndarray
    code: np.ndarray


@dataclass(frozen=True, slots=True)
class Fates:
    """What ended or changed a person's working life, shape (N,), days since 1970 or `NEVER`."""

    death: np.ndarray
    retirement: np.ndarray
    invalidity: np.ndarray
    invalidity_category: np.ndarray
    long_illness: np.ndarray


@dataclass(frozen=True, slots=True)
class Contacts:
    """The first dossier of each insured, shape (N,), days since 1970 or `NEVER`.

    Attributes:
        outcome: NO_DOSSIER, REFUSED or AGREED.
        signal: day of detection.
        contact: day of first contact.
        agreement: day of agreement or refusal.
        leave_start: first day of the leave in which the contact fell.
        platform: position of the département whose platform it is.
    """

    outcome: np.ndarray
    signal: np.ndarray
    contact: np.ndarray
    agreement: np.ndarray
    leave_start: np.ndarray
    platform: np.ndarray


@dataclass(frozen=True, slots=True)
class Paths:
    """One world's leaves, employment, fates and contacts."""

    leaves: Leaves
    jobs: JobEvents
    fates: Fates
    contacts: Contacts


def return_hazard(ending: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Cumulative hazard steps of returning, by day elapsed, for a multiplier of one.

    Solves, anchor by anchor, for the constant hazard that makes the weighted mean survival of the insured meet the
    national share, other ends of leave taken off.

    Args:
        ending: multipliers of a sample of insured, shape (N,).
        weight: how many leaves each of them starts, shape (N,).

    Returns:
        float64 (1101,): position e holds the hazard of the day e of a leave.
    """
    multiplier, weight = ending[:20_000], weight[:20_000] / weight[:20_000].sum()
    daily = np.zeros(int(ANCHOR_DAYS[-1]) + 1)
    cumulated = 0.0
    others = 0.0
    for i in range(1, len(ANCHOR_DAYS)):
        days = ANCHOR_DAYS[i] - ANCHOR_DAYS[i - 1]
        others += OTHER_ENDS[i] * days
        target = _SOLVER_SHARES[i] / np.exp(-others)
        low, high = 0.0, 2.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            share = float(weight @ np.exp(-multiplier * (cumulated + middle * days)))
            low, high = (middle, high) if share > target else (low, middle)
        hazard = 0.5 * (low + high)
        cumulated += hazard * days
        daily[int(ANCHOR_DAYS[i - 1]) + 1 : int(ANCHOR_DAYS[i]) + 1] = hazard
    return daily


class _Insured(NamedTuple):
    """What the kernel reads of each insured, shape (N,); names as in `Population`, `Propensities` and `Exposure`."""

    stream: np.ndarray
    onset: np.ndarray
    accident_share: np.ndarray
    ending: np.ndarray
    jobs: np.ndarray
    rehire: np.ndarray
    death: np.ndarray
    retirement_day: np.ndarray
    ald_start: np.ndarray
    ald_end: np.ndarray
    contract: np.ndarray
    home: np.ndarray
    move_day: np.ndarray
    moved_to: np.ndarray
    detection: np.ndarray
    acceptance: np.ndarray
    strength: np.ndarray


class _Setting(NamedTuple):
    """What is common to all: calendar, platforms, hazard of returning, and the programme's effect if it acts.

    Attributes:
        origin: day since 1970 of index 0.
        days: number of days walked.
        facts_from: first day on which insured can die, retire or become invalid.
        earliest: day of the earliest opening.
        opening, closing, uptake: by département.
        trend: multiplier of the hazard of ending, by département and run of 30 days.
        season: multiplier of new leaves, by day index.
        daily: hazard of returning by elapsed day.
        acts: the programme changes hazards.
        curve: log hazard ratio by day since first contact.
        relapse, job_loss, on_accidents: see `programme.Effect`.
    """

    origin: int
    days: int
    facts_from: int
    earliest: int
    opening: np.ndarray
    closing: np.ndarray
    uptake: np.ndarray
    trend: np.ndarray
    season: np.ndarray
    daily: np.ndarray
    acts: bool
    curve: np.ndarray
    relapse: float
    job_loss: float
    on_accidents: float


class _Rows(NamedTuple):
    """Where the kernel writes: leaves (room, 6), employment events (room, 3), fates (B, 5), contacts (B, 6)."""

    leaves: np.ndarray
    jobs: np.ndarray
    fates: np.ndarray
    contacts: np.ndarray


@njit(inline="always", cache=True)
def _work_event(jobs: np.ndarray, n: int, person: int, day: int, code: int) -> int:
    """Write an employment event; the number of events written."""
    jobs[n, 0] = person
    jobs[n, 1] = day
    jobs[n, 2] = code
    return n + 1


@njit(inline="always", cache=True)
def _code_at_work(draw: float, contract: int) -> int:
    """DSN code of work lost outside leave: resignation, agreed termination, dismissal, end of a fixed term."""
    if draw < 0.4:
        return 33 if contract == 1 else 43
    return 91 if draw < 0.5 else 59


@njit(inline="always", cache=True)
def _code_after_leave(draw: float, contract: int, elapsed: int) -> int:
    """DSN code of work lost at the end of a leave: mostly dismissal for inaptitude after a long one."""
    if contract == 1 and draw > 0.5:
        return 33
    if elapsed > 60 and draw < 0.7:
        return 91 if draw < 0.6 else 92
    return 43 if draw < 0.9 else 59


@njit(inline="always", cache=True)
def _other_end(draw: float, p: _Insured, i: int, day: int, elapsed: int, protected: bool) -> int:
    """Which end other than a return falls on a leave day, or ONGOING; the top of the draw's range is shared out."""
    if elapsed <= 30:
        return ONGOING
    top = 1.0 - p.death[i] * 6.0 * (4.0 if protected else 1.0)
    if draw > top:
        return DEATH
    if elapsed > 150:
        low = top - (0.0009 if elapsed < 365 else 0.0022) * (1.8 if protected else 1.0)
        if draw > low:
            return INVALIDITY
        top = low
    if day >= p.retirement_day[i] and draw > top - 0.003:
        return RETIREMENT
    return ONGOING


@njit(nogil=True, cache=True)
def _walk(people: np.ndarray, p: _Insured, s: _Setting, out: _Rows) -> tuple[int, int]:
    """Walk every day of the listed people.

    Args:
        people: positions, shape (B,).
        p: all the insured.
        s: calendar, platforms and effect.
        out: rows to fill.

    Returns:
        Number of leaves and of employment events written; (-1, -1) when the room is too small.
    """
    n_leaves = 0
    n_jobs = 0
    paid = np.zeros(s.days, dtype=np.uint8)
    away = np.zeros(s.days, dtype=np.uint8)
    for row in range(len(people)):
        if n_leaves + s.days // 6 > len(out.leaves) or n_jobs + s.days // 3 > len(out.jobs):
            return -1, -1
        i = people[row]
        key = p.stream[i]
        paid[:] = 0
        away[:] = 0
        used = 0  # sickness days paid in the last three years
        recent = 0  # days on leave in the last twelve months
        ald_start, ald_end = p.ald_start[i], p.ald_end[i]
        employed, on_leave, over = True, False, False
        start, risk, part_time = 0, SICKNESS, -1
        last_end, last_length = -10_000, 0
        outcome, signal, due, contact = NO_DOSSIER, -1, -1, -1
        entered = False  # a leave went past the trigger of the study after the contact
        for t in range(1, s.days):
            if t > RIGHTS_WINDOW:
                used -= paid[t - RIGHTS_WINDOW - 1]
            if t > 365:
                recent -= away[t - 366]
            day = s.origin + t
            u = uniform(key, t * PURPOSES)
            known = day >= s.facts_from
            if not on_leave:
                top = 1.0 - p.rehire[i]
                if not employed and u > top:
                    employed = True
                    n_jobs = _work_event(out.jobs, n_jobs, i, day, HIRED)
                    continue
                rate = p.onset[i] * s.season[t]
                if last_length > 30:
                    rate *= 1.0 + 2.5 * np.exp(-(t - last_end) / 45.0)
                if not employed:
                    rate *= 0.35
                if s.acts and entered and contact >= 0 and t - contact < 365:
                    rate *= np.exp(p.strength[i] * s.relapse)
                if u < rate:
                    injured = uniform(key, t * PURPOSES + 1) < p.accident_share[i]
                    entitled = employed if injured else (ald_start <= day < ald_end or used <= 320)
                    if entitled and t - last_end > MINIMUM_GAP:
                        on_leave = True
                        start, risk, part_time, due = t, WORK_INJURY if injured else SICKNESS, -1, -1
                        away[t] = 1
                        recent += 1
                    continue
                if known:
                    chance = p.death[i] * (4.0 if ald_start <= day else 1.0)
                    retires = 0.0
                    if day >= p.retirement_day[i]:
                        retires = 0.003 if day < p.retirement_day[i] + 1600 else 0.5
                    if top - chance < u <= top:
                        out.fates[row, 0] = day
                        over = True
                    elif top - chance - retires < u <= top - chance:
                        out.fates[row, 1] = day
                        over = True
                    if over:
                        if employed:
                            pension = 39 if uniform(key, t * PURPOSES + 2) < 0.9 else 38
                            n_jobs = _work_event(out.jobs, n_jobs, i, day, 66 if out.fates[row, 0] == day else pension)
                        break
                if employed:
                    # Two windows of the same draw, far from those above.
                    if 0.9 - 0.00011 * p.jobs[i] < u <= 0.9:
                        employed = False
                        code = _code_at_work(uniform(key, t * PURPOSES + 2), p.contract[i])
                        n_jobs = _work_event(out.jobs, n_jobs, i, day, code)
                    elif 0.8 - 0.00014 < u <= 0.8 and p.contract[i] != SELF_EMPLOYED_CONTRACT:
                        n_jobs = _work_event(out.jobs, n_jobs, i, day, NEW_EMPLOYER)
                continue
            # On leave: first what ends it, then what happens in it.
            elapsed = t - start
            protected = ald_start <= day < ald_end
            place = p.moved_to[i] if day >= p.move_day[i] else p.home[i]
            hazard = s.daily[min(elapsed, len(s.daily) - 1)] * p.ending[i] * s.trend[p.home[i], t // 30]
            if protected and risk == SICKNESS:
                hazard *= LONG_ILLNESS_RATIO
            if part_time >= 0:
                hazard *= PART_TIME_RATIO
            lift = 0.0
            if s.acts and contact >= 0 and elapsed >= FIRST_DAY_OF_EFFECT:
                entered = True
                lift = p.strength[i] * (s.on_accidents if risk == WORK_INJURY else 1.0)
                if t - contact < len(s.curve):
                    hazard *= np.exp(lift * s.curve[t - contact])
            exhausted = risk == SICKNESS and not protected and used >= RIGHTS_DAYS
            cause = ONGOING
            if u < 1.0 - np.exp(-hazard):
                cause = RETURN
            elif exhausted or elapsed >= RIGHTS_WINDOW:
                cause = END_OF_RIGHTS
            elif known:
                cause = _other_end(u, p, i, day, elapsed, protected)
            if cause != ONGOING:
                on_leave = False
                last_end, last_length = t - 1, elapsed
                code = 0
                if cause == DEATH:
                    out.fates[row, 0] = day
                    code = 66
                elif cause == RETIREMENT:
                    out.fates[row, 1] = day
                    code = 39
                elif cause == INVALIDITY:
                    v = uniform(key, t * PURPOSES + 2)
                    out.fates[row, 2] = day
                    out.fates[row, 3] = 1 if v < 0.2 else (2 if v < 0.95 else 3)
                    if uniform(key, t * PURPOSES + 5) > 0.25:
                        code = 91
                elif elapsed > 30 and employed:
                    chance = p.jobs[i] * (0.025 + 0.13 * min(elapsed, 365) / 365.0)
                    if cause == END_OF_RIGHTS:
                        chance = 0.55
                    if uniform(key, t * PURPOSES + 5) < chance * np.exp(lift * s.job_loss):
                        code = _code_after_leave(uniform(key, t * PURPOSES + 2), p.contract[i], elapsed)
                over = cause >= INVALIDITY
                if code > 0 and employed:
                    employed = False
                    n_jobs = _work_event(out.jobs, n_jobs, i, day, code)
                if cause == RETURN and not employed:
                    cause = JOB_LOST
                out.leaves[n_leaves, 0] = i
                out.leaves[n_leaves, 1] = s.origin + start
                out.leaves[n_leaves, 2] = day - 1
                out.leaves[n_leaves, 3] = risk
                out.leaves[n_leaves, 4] = s.origin + part_time if part_time >= 0 else NEVER
                out.leaves[n_leaves, 5] = cause
                n_leaves += 1
                if over:
                    break
                continue
            away[t] = 1
            recent += 1
            if risk == SICKNESS and elapsed >= WAITING_DAYS:
                paid[t] = 1
                used += 1
            enters = risk == SICKNESS and elapsed > 60 and day < ald_start
            if enters and uniform(key, t * PURPOSES + 5) < LONG_ILLNESS_ONSET:
                ald_start, ald_end = np.int32(day), NEVER
                out.fates[row, 4] = day
            if employed and elapsed > 60:
                v = uniform(key, t * PURPOSES + 6)
                if v < 0.00022 * p.jobs[i]:
                    employed = False
                    code = 33 if p.contract[i] == 1 else (91 if elapsed > 120 else 43)
                    n_jobs = _work_event(out.jobs, n_jobs, i, day, code)
                elif part_time < 0 and v > 1.0 - PART_TIME_ONSET:
                    part_time = t
            # Detection, contact and agreement: the same draws in both worlds, whether or not anything follows.
            if outcome != NO_DOSSIER or not employed or not s.opening[place] <= day <= s.closing[place]:
                continue
            if due == t:
                if uniform(key, t * PURPOSES + 4) < p.acceptance[i]:
                    outcome, contact = AGREED, t
                else:
                    outcome = REFUSED
                out.contacts[row, 0] = outcome
                out.contacts[row, 1] = s.origin + signal
                out.contacts[row, 2] = day
                out.contacts[row, 3] = day + np.int32(6.0 * uniform(key, t * PURPOSES + 7) ** 2)
                out.contacts[row, 4] = s.origin + start
                out.contacts[row, 5] = place
            elif due < t and part_time < 0 and REFERRAL_FROM <= elapsed <= REFERRAL_UNTIL:
                qualifies = elapsed >= PROLONGED_FROM or recent >= FREQUENT_DAYS
                # A leave that passed the trigger before the earliest opening is left alone: see `programme`.
                qualifies &= s.origin + start + TRIGGER_DAYS >= s.earliest
                rate = p.detection[i] * s.uptake[place] * (1.0 + 0.003 * min(used, 300))
                if qualifies and uniform(key, t * PURPOSES + 3) < rate:
                    signal = t
                    due = t + 7 + int(24.0 * uniform(key, t * PURPOSES + 7) ** 2)
        if on_leave:
            out.leaves[n_leaves, 0] = i
            out.leaves[n_leaves, 1] = s.origin + start
            out.leaves[n_leaves, 2] = s.origin + s.days - 1
            out.leaves[n_leaves, 3] = risk
            out.leaves[n_leaves, 4] = s.origin + part_time if part_time >= 0 else NEVER
            out.leaves[n_leaves, 5] = ONGOING
            n_leaves += 1
    return n_leaves, n_jobs


def _no_fates(count: int) -> np.ndarray:
    """Rows of people to whom nothing happens."""
    return np.full((count, 5), NEVER, dtype=np.int32)


def _no_contacts(count: int) -> np.ndarray:
    """Rows of people without a dossier."""
    rows = np.full((count, 6), NEVER, dtype=np.int32)
    rows[:, 0] = NO_DOSSIER
    return rows


def walk(
    config: WorldConfig,
    territory: Territory,
    people: Population,
    rates: Propensities,
    exposure: Exposure,
    effect: Effect,
    *,
    programme_acts: bool,
    who: np.ndarray | None = None,
    progress: Progress | None = None,
) -> Paths:
    """Walk insured through every simulated day.

    Args:
        config: the world asked for.
        territory: its départements.
        people: its insured, N of them.
        rates: what drives their paths.
        exposure: how they meet the programme.
        effect: what it does.
        programme_acts: whether it does it; contacts happen either way.
        who: positions of the insured to walk, increasing, at least one; all when None.
        progress: called as blocks of insured are done.

    Returns:
        Leaves and employment events of `who`; fates and contacts of shape (N,), empty for the others.
    """
    chosen = np.arange(people.count, dtype=np.int64) if who is None else who.astype(np.int64)
    origin = config.first_simulated_day
    days = config.last_simulated_day - origin + 1
    day = np.arange(days)
    year_day = (origin + day) % 365.25
    season = 1.0 + _SEASON[0] * np.cos(2.0 * np.pi * (year_day - _SEASON[1]) / 365.25)
    start_day = first_day(config.start_month)
    months = (origin + np.arange(days // 30 + 1) * 30 - start_day) / 365.25
    trend = np.exp(territory.trend[:, None] * months[None, :])
    in_scheme = people.ald_start <= start_day
    daily = return_hazard(rates.ending * np.where(in_scheme, LONG_ILLNESS_RATIO, 1.0), rates.onset)
    moves = people.move_month != NEVER
    move_day = np.full(people.count, NEVER, dtype=np.int32)
    move_day[moves] = people.move_month[moves].astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)
    opening = territory.opening.copy()
    closing = np.where(territory.designated, territory.closing, -1).astype(np.int32)
    opening[opening == NOT_DESIGNATED] = NEVER
    insured = _Insured(
        people.stream, rates.onset, rates.accident_share, rates.ending, rates.jobs, rates.rehire, rates.death,
        rates.retirement_day, people.ald_start, people.ald_end, people.contract, people.home, move_day,
        people.moved_to, exposure.detection, exposure.acceptance, exposure.strength,
    )  # fmt: skip
    setting = _Setting(
        origin, days, first_day(config.first_delivery), territory.earliest_opening, opening, closing,
        np.exp(territory.uptake), trend, season, daily, programme_acts, effect.curve(), effect.relapse,
        effect.job_loss, effect.on_accidents,
    )  # fmt: skip
    fates, contacts = _no_fates(people.count), _no_contacts(people.count)
    blocks = [chosen[i : i + _BLOCK] for i in range(0, len(chosen), _BLOCK)]

    def one(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        room = len(block) * 20 + days
        while True:
            out = _Rows(
                np.empty((room, 6), dtype=np.int32),
                np.empty((room, 3), dtype=np.int32),
                _no_fates(len(block)),
                _no_contacts(len(block)),
            )
            n_leaves, n_jobs = _walk(block, insured, setting, out)
            if n_leaves >= 0:
                break
            room *= 2
        fates[block] = out.fates
        contacts[block] = out.contacts
        return out.leaves[:n_leaves].copy(), out.jobs[:n_jobs].copy()

    stage = "paths with the programme" if programme_acts else "paths without the programme"
    results, done = [], 0
    with ThreadPoolExecutor(2) as pool:
        for result, block in zip(pool.map(one, blocks), blocks, strict=True):
            results.append(result)
            done += len(block)
            if progress:
                progress(stage, done, len(chosen))
    leave_rows = np.concatenate([r[0] for r in results])
    job_rows = np.concatenate([r[1] for r in results])
    return Paths(
        leaves=Leaves(*(np.ascontiguousarray(leave_rows[:, k]) for k in range(6))),
        jobs=JobEvents(*(np.ascontiguousarray(job_rows[:, k]) for k in range(3))),
        fates=Fates(*(np.ascontiguousarray(fates[:, k]) for k in range(5))),
        contacts=Contacts(*(np.ascontiguousarray(contacts[:, k]) for k in range(6))),
    )
