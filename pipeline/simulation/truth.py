"""The true effects of a world: the mean difference between the two paths of the same insured.

Definitions are those of the study design. A day on leave is a calendar day inside a leave that payment lines show, its
waiting days included. A horizon of h days counts the days T0 <= day < T0 + h. A sustained return is the first day of at
least 30 days without allowance with employment at the month-end that follows (found only at a later month-end of the
same stretch: that day), before T0 + h; it counts when neither invalidity, retirement, death, a month-end without work
nor the end of rights came before it or on the same day. Employment at h is that of the last month-end at least a month
old.

- ATT: over the accompanied, time zero = first contact.
- ITT: over insured living in an open designated département when their leave is on its 60th elapsed day, the first
  such leave since the earliest opening anywhere; time zero = leave start + 60. No effect acts before the 61st day of
  that leave, so that this population is the same in both worlds.

Both: two years of deliveries before time zero; alive, neither retired nor invalid then; birth year known; employees
with work at the month-end before the leave. The accompanied who withdraw by the last delivery are left out of both,
unless the name says `with_withdrawn`.

`complete_horizon` restricts to time zeros at least h before the follow-up's end (29 days more for the return, which is
known on its thirtieth day), as the study does; `all` does not.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from pipeline.simulation.allowance import DailyRates, appears, paid_between
from pipeline.simulation.config import (
    HORIZONS,
    SUSTAINED_RETURN_DAYS,
    TRIGGER_DAYS,
    month_of,
)
from pipeline.simulation.paths import AGREED, END_OF_RIGHTS, HIRED, NEW_EMPLOYER, REFUSED, JobEvents, Paths
from pipeline.simulation.population import NEVER
from pipeline.simulation.territory import Territory
from pipeline.simulation.world import World

_NEVER = 10**9
_WORK_ENDS_FOR_GOOD = (38, 39, 66)
"""DSN codes of retirement and death: events of their own."""
_DAYS = 100_000
"""More than any day number: person * _DAYS + day sorts by person, then day."""


def employed_on(jobs: JobEvents, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Whether persons have work on given days; everyone has when their path starts.

    Args:
        jobs: employment events.
        person: positions.
        day: days since 1970, same shape.

    Returns:
        Boolean, same shape.
    """
    address = jobs.person.astype(np.int64) * _DAYS + jobs.day
    last = np.searchsorted(address, person.astype(np.int64) * _DAYS + day, side="right") - 1
    has = (last >= 0) & (len(address) > 0)
    last = np.maximum(last, 0)
    mine = has & (jobs.person[last] == person) if len(address) else np.zeros(person.shape, dtype=bool)
    code = jobs.code[last] if len(address) else np.zeros(person.shape, dtype=np.int32)
    result: np.ndarray = np.where(mine, (code == HIRED) | (code == NEW_EMPLOYER), True)
    return result


def month_end(day: np.ndarray) -> np.ndarray:
    """Last day of the month of each day."""
    return (month_of(day).astype(np.int64) + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) - 1


class Outcomes:
    """Outcomes of one world's paths for a set of persons with a time zero each.

    Args:
        paths: leaves, work and fates.
        rates: daily allowance of each leave.
        person: positions, distinct, shape (P,).
        time_zero: days since 1970, shape (P,).
    """

    def __init__(self, paths: Paths, rates: DailyRates, person: np.ndarray, time_zero: np.ndarray) -> None:
        self.person, self.time_zero = person, time_zero.astype(np.int64)
        slot = np.full(len(paths.fates.death), -1, dtype=np.int64)
        slot[person] = np.arange(len(person))
        kept = (slot[paths.leaves.person] >= 0) & appears(paths.leaves)
        self.leaves = paths.leaves.take(kept)
        self.rates = DailyRates(rates.first[kept], rates.later[kept], rates.part_time[kept])
        self.slot = slot[self.leaves.person]
        self.paths = paths
        self._return_day: np.ndarray | None = None

    def days_on_leave(self, horizon: int) -> np.ndarray:
        """Days on leave within the horizon, int64 (P,)."""
        t0 = self.time_zero[self.slot]
        days = np.minimum(self.leaves.end + 1, t0 + horizon) - np.maximum(self.leaves.start, t0)
        result: np.ndarray = np.bincount(self.slot, weights=np.maximum(days, 0), minlength=len(self.person))
        return result

    def allowance(self, horizon: int) -> np.ndarray:
        """Euros of allowance for the days within the horizon, float64 (P,)."""
        t0 = self.time_zero[self.slot]
        euros = paid_between(self.leaves, self.rates, t0, t0 + horizon)
        result: np.ndarray = np.bincount(self.slot, weights=euros, minlength=len(self.person))
        return result

    def full_days(self, horizon: int) -> np.ndarray:
        """Days on leave outside the therapeutic part-time phase within the horizon, float64 (P,)."""
        t0 = self.time_zero[self.slot]
        end = np.minimum(self.leaves.end.astype(np.int64) + 1, self.leaves.part_time_from)
        days = np.minimum(end, t0 + horizon) - np.maximum(self.leaves.start, t0)
        result: np.ndarray = np.bincount(self.slot, weights=np.maximum(days, 0), minlength=len(self.person))
        return result

    def employed(self, horizon: int) -> np.ndarray:
        """Work at the end of the month that is one month before the horizon, float64 (P,)."""
        month = month_of(self.time_zero + horizon) - 1
        day = month_end(month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64))
        return employed_on(self.paths.jobs, self.person.astype(np.int64), day).astype(np.float64)

    def other_event_day(self) -> np.ndarray:
        """First day from time zero on of an event that competes with the return, int64 (P,); `_NEVER` without.

        Invalidity, retirement, death, end of rights, or a month-end without work (an end of contract by retirement or
        death is not one).
        """
        first = np.full(len(self.person), _NEVER, dtype=np.int64)
        fates, jobs = self.paths.fates, self.paths.jobs
        for fate in (fates.invalidity, fates.retirement, fates.death):
            day = fate[self.person].astype(np.int64)
            first = np.minimum(first, np.where((day >= self.time_zero) & (day < NEVER), day, _NEVER))
        exhausted = self.leaves.cause == END_OF_RIGHTS
        after, slot = self.leaves.end[exhausted].astype(np.int64) + 1, self.slot[exhausted]
        later = after >= self.time_zero[slot]
        np.minimum.at(first, slot[later], after[later])
        of_person = np.full(len(fates.death), -1, dtype=np.int64)
        of_person[self.person] = np.arange(len(self.person))
        lost = (of_person[jobs.person] >= 0) & ~np.isin(jobs.code, (HIRED, NEW_EMPLOYER, *_WORK_ENDS_FOR_GOOD))
        slot = of_person[jobs.person[lost]]
        probe = month_end(np.maximum(jobs.day[lost], self.time_zero[slot]))
        without = ~employed_on(jobs, jobs.person[lost].astype(np.int64), probe)
        np.minimum.at(first, slot[without], probe[without])
        return first

    def return_day(self) -> np.ndarray:
        """First day of the sustained return, int64 (P,); `_NEVER` where there is none within the longest horizon.

        None where a competing event came before it or on the same day. A stretch without allowance of at least 30 days
        gives a return on its first day where the month-end that follows finds the person in employment, else on the
        first month-end that does with 30 days of the stretch left.
        """
        if self._return_day is None:
            # Stretches follow the leaves that end at or after time zero.
            ends = self.leaves.end >= self.time_zero[self.slot] - 1
            slot, begin = self.slot[ends], self.leaves.end[ends].astype(np.int64) + 1
            follows = np.append(self.leaves.person[1:] == self.leaves.person[:-1], False)
            last = np.where(follows, np.append(self.leaves.start[1:], 0) - 1, _NEVER)[ends]
            person = self.person[slot].astype(np.int64)
            found = np.full(len(self.person), _NEVER, dtype=np.int64)
            open_ = last - begin + 1 >= SUSTAINED_RETURN_DAYS
            probe = month_end(begin)
            candidate = begin.copy()
            while open_.any():
                i = np.flatnonzero(open_)
                works = employed_on(self.paths.jobs, person[i], probe[i])
                np.minimum.at(found, slot[i[works]], candidate[i[works]])
                probe[i] = month_end(probe[i] + 1)
                candidate[i] = probe[i]
                enough = last[i] - candidate[i] + 1 >= SUSTAINED_RETURN_DAYS
                soon = candidate[i] < self.time_zero[slot[i]] + max(HORIZONS.values())
                open_[i] = ~works & enough & soon
            self._return_day = np.where(found < self.other_event_day(), found, _NEVER)
        return self._return_day

    def returned(self, horizon: int) -> np.ndarray:
        """Whether a sustained return began within the horizon, float64 (P,)."""
        result: np.ndarray = (self.return_day() < self.time_zero + horizon).astype(np.float64)
        return result


def eligible(world: World, paths: Paths, person: np.ndarray, start: np.ndarray, time_zero: np.ndarray) -> np.ndarray:
    """Whether persons on leave may enter the study (study design): alive, neither retired nor invalid, with work.

    Args:
        world: the world.
        paths: its paths, either kind.
        person: positions.
        start: first day of the leave.
        time_zero: day of entry.

    Returns:
        Boolean, same shape. Work is that of the month-end before the leave, for employees.
    """
    fates = paths.fates
    before = first_day_of_month(start) - 1
    ok = (fates.death[person] > time_zero) & (fates.retirement[person] > time_zero)
    ok &= (fates.invalidity[person] > time_zero) & world.people.known_birth[person]
    ok &= employed_on(paths.jobs, person, before) | world.people.self_employed[person]
    ok &= time_zero >= world.config.study_from
    kept: np.ndarray = ok & (time_zero <= world.config.last_known_day)
    return kept


def first_day_of_month(day: np.ndarray) -> np.ndarray:
    """First day of the month of each day."""
    days: np.ndarray = month_of(day).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    return days


def itt_population(territory: Territory, paths: Paths, world: World) -> tuple[np.ndarray, np.ndarray]:
    """Insured of the treated arm of the intention-to-treat comparison.

    Args:
        territory: the départements.
        paths: the world's paths, with or without the programme: the answer is the same.
        world: the world.

    Returns:
        Positions and time zeros, shape (P,).
    """
    leaves = paths.leaves
    time_zero = leaves.start + np.int32(TRIGGER_DAYS)
    reaches = (leaves.end >= time_zero) & (time_zero >= territory.earliest_opening) & appears(leaves)
    candidates = leaves.take(reaches)
    t0 = time_zero[reaches]
    # Sorted by person then start: the first row of a person is the first such leave.
    person, first = np.unique(candidates.person, return_index=True)
    t0 = t0[first]
    place = world.people.residence(person, month_of(t0))
    ok = (t0 >= territory.opening[place]) & (t0 <= territory.closing[place]) & territory.designated[place]
    ok &= world.people.known_residence[person]
    ok &= eligible(world, paths, person, candidates.start[first], t0)
    return person[ok], t0[ok]


def _means(world: World, person: np.ndarray, time_zero: np.ndarray, keep_all: bool) -> dict[str, dict[str, Any]]:
    """Mean differences by outcome and horizon, with both worlds' means and the number of persons."""
    with_programme = Outcomes(world.observed, world.rates, person, time_zero)
    without = Outcomes(world.without, world.rates_without, person, time_zero)
    result: dict[str, dict[str, Any]] = {}
    for outcome, method in (
        ("days_on_leave", Outcomes.days_on_leave),
        ("days_full_leave", Outcomes.full_days),
        ("sustained_return_to_work", Outcomes.returned),
        ("employed", Outcomes.employed),
        ("allowance_eur", Outcomes.allowance),
    ):
        result[outcome] = {}
        for months, horizon in HORIZONS.items():
            kept = np.ones(len(person), dtype=bool)
            if not keep_all:
                # A return is known 30 days after its first day.
                known = SUSTAINED_RETURN_DAYS - 1 if outcome == "sustained_return_to_work" else 0
                kept = time_zero.astype(np.int64) + horizon + known <= world.config.follow_up_end
            treated, untreated = method(with_programme, horizon)[kept], method(without, horizon)[kept]
            n = int(kept.sum())
            result[outcome][months] = {
                "effect": round(float((treated - untreated).mean()), 6) if n else None,
                "with_programme": round(float(treated.mean()), 6) if n else None,
                "without_programme": round(float(untreated.mean()), 6) if n else None,
                "n": n,
            }
    return result


def _effects(means: dict[str, dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """The effects alone."""
    return {outcome: {m: cell["effect"] for m, cell in by.items()} for outcome, by in means.items()}


def true_effects(world: World) -> dict[str, Any]:
    """The content of `truth.json`.

    Args:
        world: a world.

    Returns:
        Seed, effect, parameters, and under `ATT` and `ITT` the mean effect by outcome and horizon in months (days,
        share, euros) over the persons the study uses: complete horizon, withdrawn excluded. `detail` holds the same
        with both worlds' means and counts, for complete horizons and for all, withdrawn excluded and included.
    """
    contacts = world.observed.contacts
    agreed = np.flatnonzero(contacts.outcome == AGREED)
    agreed = agreed[eligible(world, world.observed, agreed, contacts.leave_start[agreed], contacts.contact[agreed])]
    kept = world.withdrawal[agreed] > world.config.last_known_day
    itt, itt_zero = itt_population(world.territory, world.without, world)
    itt_kept = world.withdrawal[itt] > world.config.last_known_day
    att_zero = contacts.contact[agreed]
    detail = {
        "ATT": {
            "complete_horizon": _means(world, agreed[kept], att_zero[kept], keep_all=False),
            "complete_horizon_with_withdrawn": _means(world, agreed, att_zero, keep_all=False),
            "all": _means(world, agreed[kept], att_zero[kept], keep_all=True),
        },
        "ITT": {
            "complete_horizon": _means(world, itt[itt_kept], itt_zero[itt_kept], keep_all=False),
            "complete_horizon_with_withdrawn": _means(world, itt, itt_zero, keep_all=False),
            "all": _means(world, itt[itt_kept], itt_zero[itt_kept], keep_all=True),
        },
    }
    in_itt = contacts.outcome[itt]
    return {
        "seed": world.config.seed,
        "effect": world.effect.name,
        "parameters": {"world": asdict(world.config), "effect": asdict(world.effect)},
        "ATT": _effects(detail["ATT"]["complete_horizon"]),
        "ITT": _effects(detail["ITT"]["complete_horizon"]),
        "uptake": round(float((in_itt == AGREED).mean()), 6) if len(itt) else None,
        "n": {
            "persons": world.people.count,
            "contacted": int((contacts.outcome != 0).sum()),
            "accompanied": int((contacts.outcome == AGREED).sum()),
            "refused": int((contacts.outcome == REFUSED).sum()),
            "withdrawn": int((world.withdrawal != NEVER).sum()),
            "itt": len(itt),
        },
        "definitions": (__doc__ or "").strip(),
        "detail": detail,
    }
