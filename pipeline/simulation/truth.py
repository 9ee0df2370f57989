"""The true effects of a world: the mean difference between the two paths of the same insured.

Definitions are those of the study design. A day on leave is a calendar day inside a leave that payment lines show, its
waiting days included. A horizon of h days counts the days T0 <= day < T0 + h. A sustained return is the first day after
time zero of 30 consecutive days without allowance on which the insured is in employment (month-end status of that
day's month, as the employment register shows it), found before T0 + h.

- ATT: over the accompanied, time zero = first contact.
- ITT: over insured living in an open designated département when their leave is on its 60th elapsed day, the first
  such leave since the earliest opening anywhere, not dead, retired or invalid, with work; time zero = leave start + 60.
  No effect acts before the 61st day, so that this population is the same in both worlds.

`complete_horizon` restricts to time zeros at least h before the follow-up's end, as the study does; `all` does not.
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
from pipeline.simulation.paths import AGREED, HIRED, NEW_EMPLOYER, REFUSED, JobEvents, Leaves, Paths
from pipeline.simulation.population import NEVER
from pipeline.simulation.territory import Territory
from pipeline.simulation.world import World

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

    def return_day(self) -> np.ndarray:
        """First day of the sustained return, int64 (P,); far in the future where there is none."""
        if self._return_day is None:
            self._return_day = self._find_return()
        return self._return_day

    def _find_return(self) -> np.ndarray:
        """Walk gap by gap: each pass moves everyone not yet returned past their next leave or spell out of work."""
        count = len(self.person)
        fates = self.paths.fates
        gone = np.minimum(fates.death[self.person], fates.retirement[self.person]).astype(np.int64)
        address = self.leaves.person.astype(np.int64) * _DAYS + self.leaves.start
        day = self.time_zero.copy()
        found = np.full(count, 10**9, dtype=np.int64)
        active = np.ones(count, dtype=bool)
        limit = self.time_zero + max(HORIZONS.values())
        while active.any():
            i = np.flatnonzero(active)
            who = self.person[i].astype(np.int64)
            # The leave that covers the day, or the next one.
            before = np.searchsorted(address, who * _DAYS + day[i], side="right") - 1
            covers = (before >= 0) & (self.leaves.person[np.maximum(before, 0)] == who)
            covers &= self.leaves.end[np.maximum(before, 0)] >= day[i]
            after = np.minimum(before + 1, len(address) - 1)
            has_next = (before + 1 < len(address)) & (self.leaves.person[after] == who)
            next_start = np.where(has_next, self.leaves.start[after], 10**8)
            free = (
                ~covers & (next_start - day[i] >= SUSTAINED_RETURN_DAYS) & (gone[i] - day[i] >= SUSTAINED_RETURN_DAYS)
            )
            works = employed_on(self.paths.jobs, who, month_end(day[i]))
            ok = free & works
            found[i[ok]] = day[i[ok]]
            # Elsewhere: past the leave in progress, or a day later where work is what lacks.
            step = np.where(covers, self.leaves.end[np.maximum(before, 0)] + 1, day[i] + 1)
            step = np.where(~covers & ~free & has_next, self.leaves.end[after] + 1, step)
            waits = free & ~works
            step = np.where(waits, first_of_next_month(day[i]), step)
            day[i] = step
            active[i] = ~ok & (step < limit[i]) & (step < gone[i])
        return found

    def returned(self, horizon: int) -> np.ndarray:
        """Whether a sustained return began within the horizon, float64 (P,)."""
        result: np.ndarray = (self.return_day() < self.time_zero + horizon).astype(np.float64)
        return result


def first_of_next_month(day: np.ndarray) -> np.ndarray:
    """First day of the month after each day."""
    return month_end(day) + 1


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
    fates = paths.fates
    ok = (t0 >= territory.opening[place]) & (t0 <= territory.closing[place]) & territory.designated[place]
    ok &= (fates.death[person] > t0) & (fates.retirement[person] > t0) & (fates.invalidity[person] > t0)
    ok &= world.people.known_residence[person] & employed_on(paths.jobs, person, t0)
    ok &= t0 <= world.config.last_known_day
    return person[ok], t0[ok]


def _means(world: World, person: np.ndarray, time_zero: np.ndarray, keep_all: bool) -> dict[str, dict[str, Any]]:
    """Mean differences by outcome and horizon, with both worlds' means and the number of persons."""
    with_programme = Outcomes(world.observed, world.rates, person, time_zero)
    without = Outcomes(world.without, world.rates_without, person, time_zero)
    result: dict[str, dict[str, Any]] = {}
    for outcome, method in (
        ("days_on_leave", Outcomes.days_on_leave),
        ("sustained_return_to_work", Outcomes.returned),
        ("allowance_eur", Outcomes.allowance),
    ):
        result[outcome] = {}
        for months, horizon in HORIZONS.items():
            kept = np.ones(len(person), dtype=bool)
            if not keep_all:
                kept = time_zero.astype(np.int64) + horizon <= world.config.follow_up_end
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
    agreed = np.flatnonzero((contacts.outcome == AGREED) & world.people.known_residence)
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
