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

import numpy as np
from numba import njit

from pipeline.simulation.config import WorldConfig, first_day, month_of
from pipeline.simulation.population import NEVER, Population, Propensities
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

The walk turns it into the national shares still on leave (7 days 60 %, 30 days 24 %, 90 days 11.5 %, 180 days 5.5 %, 365
days 1.8 %): found by fixed-point iteration over eight worlds without effect; a test holds the walk to the anchors."""
OTHER_ENDS = np.array([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.00018, 0.0011, 0.0016, 0.0016])
"""Mean daily hazard of ending otherwise than by returning, on the interval that ends at each anchor."""
RIGHTS_DAYS, RIGHTS_WINDOW = 360, 1095
"""Sickness allowance outside ALD: days payable in three rolling years; also the longest leave under ALD."""
LONG_ILLNESS_ONSET = 0.0020
"""Entries a day into the long-term illness scheme during a sickness leave of more than 60 days."""
LONG_ILLNESS_RATIO = 0.75
"""Hazard ratio of ending a sickness leave under that scheme."""
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


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _walk(
    people, stream, onset, accident_share, ending, jobs, rehire, death, retirement_day, ald_from, ald_until, contract,
    home, move_day, moved_to, detection, acceptance, strength,
    origin, days, facts_from, earliest, opening, closing, uptake, trend, season, daily, effect_curve, effect_relapse,
    effect_jobs, effect_accidents, acts, leave_rows, job_rows, fate_rows, contact_rows,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Walk every day of the listed people; see `walk` for the meaning of each array.

    Returns the number of leaves and of employment events, or (-1, -1) when the room given is too small.
    """
    n_leaves = 0
    n_jobs = 0
    paid = np.zeros(days, dtype=np.uint8)
    away = np.zeros(days, dtype=np.uint8)
    for row in range(len(people)):
        i = people[row]
        key = stream[i]
        paid[:] = 0
        away[:] = 0
        used = 0
        recent = 0
        ald_start = ald_from[i]
        ald_end = ald_until[i]
        employed = True
        on_leave = False
        start = 0
        risk = 10
        part_time = -1
        last_end = -10_000
        last_length = 0
        outcome = 0
        signal = -1
        due = -1
        contact = -1
        over = False
        if n_leaves + 200 > len(leave_rows) or n_jobs + 400 > len(job_rows):
            return -1, -1
        for t in range(1, days):
            if t > 1095:
                used -= paid[t - 1096]
            if t > 365:
                recent -= away[t - 366]
            day = origin + t
            u = uniform(key, t * 8)
            real = day >= facts_from
            if not on_leave:
                if not employed:
                    if u > 1.0 - rehire[i]:
                        employed = True
                        job_rows[n_jobs, 0] = i
                        job_rows[n_jobs, 1] = day
                        job_rows[n_jobs, 2] = 1
                        n_jobs += 1
                        continue
                rate = onset[i] * season[t]
                if last_length > 30:
                    rate *= 1.0 + 2.5 * np.exp(-(t - last_end) / 45.0)
                if not employed:
                    rate *= 0.35
                if acts and contact >= 0 and t - contact < 365:
                    rate *= np.exp(strength[i] * effect_relapse)
                if u < rate:
                    if t - last_end > 5:
                        injured = uniform(key, t * 8 + 1) < accident_share[i]
                        protected = ald_start <= day < ald_end
                        if injured and not employed:
                            continue
                        if not injured and not protected and used > 320:
                            continue
                        risk = 40 if injured else 10
                        on_leave = True
                        start = t
                        part_time = -1
                        due = -1
                        away[t] = 1
                        recent += 1
                    continue
                high = 1.0 - rehire[i]
                if real:
                    chance = death[i]
                    if ald_start <= day:
                        chance *= 4.0
                    if high - chance < u <= high:
                        fate_rows[row, 0] = day
                        if employed:
                            job_rows[n_jobs, 0] = i
                            job_rows[n_jobs, 1] = day
                            job_rows[n_jobs, 2] = 66
                            n_jobs += 1
                        over = True
                        break
                    high -= chance
                    chance = 0.003 if day < retirement_day[i] + 1600 else 1.0
                    if day >= retirement_day[i] and high - chance < u <= high:
                        fate_rows[row, 1] = day
                        if employed:
                            job_rows[n_jobs, 0] = i
                            job_rows[n_jobs, 1] = day
                            job_rows[n_jobs, 2] = 39 if uniform(key, t * 8 + 2) < 0.9 else 38
                            n_jobs += 1
                        over = True
                        break
                if employed:
                    high = 0.9
                    if u > high - 0.00011 * jobs[i] and u <= high:
                        employed = False
                        v = uniform(key, t * 8 + 2)
                        code = 59
                        if contract[i] == 1 and v < 0.4:
                            code = 33
                        elif v < 0.4:
                            code = 43
                        elif v < 0.5:
                            code = 91
                        job_rows[n_jobs, 0] = i
                        job_rows[n_jobs, 1] = day
                        job_rows[n_jobs, 2] = code
                        n_jobs += 1
                    elif u <= high - 0.1 and u > high - 0.1 - 0.00014 and contract[i] != 5:
                        job_rows[n_jobs, 0] = i
                        job_rows[n_jobs, 1] = day
                        job_rows[n_jobs, 2] = 2
                        n_jobs += 1
                continue
            # On leave: first what ends it, then what happens in it.
            elapsed = t - start
            protected = ald_start <= day < ald_end
            place = moved_to[i] if day >= move_day[i] else home[i]
            cause = 0
            base = daily[elapsed] if elapsed < len(daily) else daily[-1]
            hazard = base * ending[i] * trend[home[i], t // 30]
            if protected and risk == 10:
                hazard *= LONG_ILLNESS_RATIO
            if part_time >= 0:
                hazard *= 1.5
            lift = 0.0
            if acts and contact >= 0 and elapsed >= FIRST_DAY_OF_EFFECT:
                lift = strength[i] * (effect_accidents if risk == 40 else 1.0)
                since = t - contact
                if since < len(effect_curve):
                    hazard *= np.exp(lift * effect_curve[since])
            if u < 1.0 - np.exp(-hazard):
                cause = 1
            elif risk == 10 and not protected and used >= 360:
                cause = 3
            elif elapsed >= 1095:
                cause = 3
            elif real and elapsed > 30:
                high = 1.0
                chance = death[i] * 6.0
                if protected:
                    chance *= 4.0
                if u > high - chance:
                    cause = 6
                else:
                    high -= chance
                    if elapsed > 150:
                        chance = 0.0009 if elapsed < 365 else 0.0022
                        if protected:
                            chance *= 1.8
                        if u > high - chance:
                            cause = 4
                        high -= chance
                    if cause == 0 and day >= retirement_day[i] and u > high - 0.003:
                        cause = 5
            if cause > 0:
                leave_rows[n_leaves, 0] = i
                leave_rows[n_leaves, 1] = origin + start
                leave_rows[n_leaves, 2] = day - 1
                leave_rows[n_leaves, 3] = risk
                leave_rows[n_leaves, 4] = origin + part_time if part_time >= 0 else 2147483647
                on_leave = False
                last_end = t - 1
                last_length = elapsed
                code = 0
                if cause == 6:
                    fate_rows[row, 0] = day
                    code = 66
                    over = True
                elif cause == 5:
                    fate_rows[row, 1] = day
                    code = 39
                    over = True
                elif cause == 4:
                    fate_rows[row, 2] = day
                    v = uniform(key, t * 8 + 2)
                    fate_rows[row, 3] = 1 if v < 0.2 else (2 if v < 0.95 else 3)
                    if uniform(key, t * 8 + 5) > 0.25:
                        code = 91
                    over = True
                elif elapsed > 30 and employed:
                    chance = 0.55 if cause == 3 else jobs[i] * (0.025 + 0.13 * min(elapsed, 365) / 365.0)
                    if lift > 0.0:
                        chance *= np.exp(lift * effect_jobs)
                    if uniform(key, t * 8 + 5) < chance:
                        v = uniform(key, t * 8 + 2)
                        if elapsed > 60 and v < 0.6:
                            code = 91
                        elif elapsed > 60 and v < 0.7:
                            code = 92
                        elif v < 0.9:
                            code = 43
                        else:
                            code = 59
                        if contract[i] == 1 and v > 0.5:
                            code = 33
                        if cause == 1:
                            cause = 2
                if code > 0 and employed:
                    employed = False
                    job_rows[n_jobs, 0] = i
                    job_rows[n_jobs, 1] = day
                    job_rows[n_jobs, 2] = code
                    n_jobs += 1
                if cause == 1 and not employed:
                    cause = 2
                leave_rows[n_leaves, 5] = cause
                n_leaves += 1
                if over:
                    break
                continue
            away[t] = 1
            recent += 1
            if risk == 10 and elapsed >= 3:
                paid[t] = 1
                used += 1
            if risk == 10 and elapsed > 60 and day < ald_start and uniform(key, t * 8 + 5) < LONG_ILLNESS_ONSET:
                ald_start = day
                ald_end = 2147483647
                fate_rows[row, 4] = day
            if employed and elapsed > 60:
                v = uniform(key, t * 8 + 6)
                if v < 0.00022 * jobs[i]:
                    employed = False
                    job_rows[n_jobs, 0] = i
                    job_rows[n_jobs, 1] = day
                    job_rows[n_jobs, 2] = 33 if contract[i] == 1 else (91 if elapsed > 120 else 43)
                    n_jobs += 1
                elif part_time < 0 and v > 1.0 - 0.0035:
                    part_time = t
            if outcome == 0 and employed and day >= opening[place] and day <= closing[place]:
                if contact < 0 and due == t:
                    if uniform(key, t * 8 + 4) < acceptance[i]:
                        outcome = 2
                        contact = t
                    else:
                        outcome = 1
                    contact_rows[row, 0] = outcome
                    contact_rows[row, 1] = origin + signal
                    contact_rows[row, 2] = day
                    contact_rows[row, 3] = day + np.int32(6.0 * uniform(key, t * 8 + 7) ** 2)
                    contact_rows[row, 4] = origin + start
                    contact_rows[row, 5] = place
                elif (
                    due < t
                    and part_time < 0
                    and elapsed >= REFERRAL_FROM
                    and elapsed <= REFERRAL_UNTIL
                    and (elapsed >= PROLONGED_FROM or recent >= FREQUENT_DAYS)
                    and origin + start + 60 >= earliest
                    and uniform(key, t * 8 + 3) < detection[i] * uptake[place] * (1.0 + 0.3 * min(used, 300) / 100.0)
                ):
                    signal = t
                    due = t + 7 + np.int32(24.0 * uniform(key, t * 8 + 7) ** 2)
        if on_leave:
            leave_rows[n_leaves, 0] = i
            leave_rows[n_leaves, 1] = origin + start
            leave_rows[n_leaves, 2] = origin + days - 1
            leave_rows[n_leaves, 3] = risk
            leave_rows[n_leaves, 4] = origin + part_time if part_time >= 0 else 2147483647
            leave_rows[n_leaves, 5] = 0
            n_leaves += 1
    return n_leaves, n_jobs


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
        who: positions of the insured to walk, increasing; all when None.
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
    fates = np.full((people.count, 5), NEVER, dtype=np.int32)
    contacts = np.full((people.count, 6), NEVER, dtype=np.int32)
    contacts[:, 0] = NO_DOSSIER
    blocks = [chosen[i : i + _BLOCK] for i in range(0, len(chosen), _BLOCK)]
    stage = "paths with the programme" if programme_acts else "paths without the programme"
    done = 0

    def one(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        room = len(block) * 20 + 2_000
        while True:
            leave_rows = np.empty((room, 6), dtype=np.int32)
            job_rows = np.empty((room, 3), dtype=np.int32)
            fate_rows = np.full((len(block), 5), NEVER, dtype=np.int32)
            contact_rows = np.full((len(block), 6), NEVER, dtype=np.int32)
            contact_rows[:, 0] = NO_DOSSIER
            n_leaves, n_jobs = _walk(
                block, people.stream, rates.onset, rates.accident_share, rates.ending, rates.jobs, rates.rehire,
                rates.death, rates.retirement_day, people.ald_start, people.ald_end, people.contract,
                people.home, move_day, people.moved_to,
                exposure.detection, exposure.acceptance, exposure.strength,
                origin, days, first_day(config.first_delivery), territory.earliest_opening, opening, closing,
                np.exp(territory.uptake), trend, season, daily, effect.curve(), effect.relapse,
                effect.job_loss, effect.on_accidents, programme_acts, leave_rows, job_rows, fate_rows, contact_rows,
            )  # fmt: skip
            if n_leaves >= 0:
                break
            room *= 2
        fates[block] = fate_rows
        contacts[block] = contact_rows
        return leave_rows[:n_leaves].copy(), job_rows[:n_jobs].copy()

    results = []
    with ThreadPoolExecutor(2) as pool:
        for result, block in zip(pool.map(one, blocks), blocks, strict=True):
            results.append(result)
            done += len(block)
            if progress:
                progress(stage, done, len(chosen))
    leave_rows = np.concatenate([r[0] for r in results]) if results else np.empty((0, 6), dtype=np.int32)
    job_rows = np.concatenate([r[1] for r in results]) if results else np.empty((0, 3), dtype=np.int32)
    return Paths(
        leaves=Leaves(*(np.ascontiguousarray(leave_rows[:, k]) for k in range(6))),
        jobs=JobEvents(*(np.ascontiguousarray(job_rows[:, k]) for k in range(3))),
        fates=Fates(*(np.ascontiguousarray(fates[:, k]) for k in range(5))),
        contacts=Contacts(*(np.ascontiguousarray(contacts[:, k]) for k in range(6))),
    )
