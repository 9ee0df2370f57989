"""Weekly curves of each arm: cumulative incidence of what ends the leave, shares on leave and part-time.

One interval per arm, by the jackknife over that arm's own départements. It says how sure one may be of the arm's
curve; whether the arms differ is said by the effect, not by two intervals that do or do not overlap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.effects.jackknife import (
    DEFAULT_VARIANCE,
    Estimate,
    Variance,
    interval,
    one_arm_interval,
    replicates_of,
)
from pipeline.effects.sample import BoolArray, FloatArray, IntArray, MatchedSample, ReplicateWeights
from pipeline.effects.survival import state_probabilities
from pipeline.study.states import FULL_LEAVE, NOT_OBSERVED, PART_TIME

_MOMENTS_AT_ONCE = 16  # bounds memory to rows × 16 numbers, three times


@dataclass(frozen=True)
class Curve:
    """A probability of one arm by week, with its interval (nan where the départements are too few).

    Attributes:
        arm: ``treated`` or ``comparison``.
        name: the event, ``on_leave`` or ``part_time``.
        week: int64[w], weeks since time zero.
        value: float64[w]; nan where nobody is observed.
        std_err: float64[w].
        ci_low: float64[w], not below 0.
        ci_high: float64[w], not above 1.
        persons: int64[w], distinct persons still followed: at risk on that day, or observed in that week.
    """

    arm: str
    name: str
    week: IntArray
    value: FloatArray
    std_err: FloatArray
    ci_low: FloatArray
    ci_high: FloatArray
    persons: IntArray


def incidence_curves(
    sample: MatchedSample,
    time_days: NDArray[np.integer],
    event_code: NDArray[np.integer],
    *,
    events: Mapping[str, int],
    weeks: int,
    eligible: BoolArray | None = None,
    level: float = 0.95,
    minimum_clusters: int = 3,
) -> tuple[Curve, ...]:
    """Weighted Aalen–Johansen cumulative incidence of competing events, by arm.

    Args:
        sample: the matched sample.
        time_days: int[n], days from time zero to the first event or the end of follow-up.
        event_code: int[n], 0 when follow-up ended first, else the event; every code above 0 competes.
        events: name of each event to give back, with its code.
        weeks: last week of the grid 0, 1, …, weeks; a week is the day 7 × week, that day included.
        eligible: bool[n], rows that may count.
        level: confidence level.
        minimum_clusters: fewest départements of an arm that carry an interval.

    Returns:
        A curve by arm and event, treated first, events in the order given.

    Raises:
        ValueError: a row that counts has a negative time or event code, or an event's code is not above 0.
    """
    if min(events.values()) < 1:
        raise ValueError("Events have codes from 1 on; 0 is the end of follow-up.")
    table = sample.replicate_weights(eligible)
    n_codes = max(int(np.max(event_code[table.rows], initial=0)), *events.values()) + 1
    last_day = 7 * weeks
    grid = np.arange(weeks + 1, dtype=np.int64)
    curves = []
    for treated in (True, False):
        rows = table.arm_rows(treated)
        day, code = time_days[rows].astype(np.int64), event_code[rows].astype(np.int64)
        if rows.size and (day.min() < 0 or code.min() < 0):
            raise ValueError("Times and event codes are not negative.")
        bins = np.minimum(day, last_day + 1) * n_codes + np.where(day > last_day, 0, code)
        counts = table.histograms(bins, (last_day + 2) * n_codes, treated)
        whole, without = (_cumulative_incidence(count.reshape(-1, last_day + 2, n_codes), weeks) for count in counts)
        persons = _persons_until(sample.person_code[rows], day, 7 * grid)
        for name, number in events.items():
            probability = whole[0, :, number], without[..., number]
            curves.append(_curve(table, treated, name, grid, *probability, persons, level, minimum_clusters))
    return tuple(curves)


def share_curves(
    sample: MatchedSample,
    state: NDArray[np.uint8],
    *,
    eligible: BoolArray | None = None,
    level: float = 0.95,
    minimum_clusters: int = 3,
) -> tuple[Curve, ...]:
    """Weighted shares of the persons observed who are on leave (full or part-time), and on part-time leave.

    Args:
        sample: the matched sample.
        state: uint8[n, w], by week since time zero: 0 not on leave, 1 full leave, 2 part-time, 255 not observed.
        eligible: bool[n], rows that may count.
        level: confidence level.
        minimum_clusters: fewest départements of an arm that carry an interval.

    Returns:
        ``on_leave`` and ``part_time`` of the treated, then of the comparison. ``on_leave`` counts both kinds of leave,
        as ``days_on_leave`` does.

    Raises:
        ValueError: ``state`` has not one line per row, or a row that counts has an unknown state.
    """
    if state.ndim != 2 or state.shape[0] != sample.n_rows:
        raise ValueError("States have one line per membership and one column per week.")
    table = sample.replicate_weights(eligible)
    grid = np.arange(state.shape[1], dtype=np.int64)
    curves = []
    for treated in (True, False):
        rows = table.arm_rows(treated)
        whole, without = _shares(table, state, treated, (FULL_LEAVE, PART_TIME))
        persons = np.array(
            [
                np.count_nonzero(np.bincount(sample.person_code[rows[state[rows, week] != NOT_OBSERVED]]))
                for week in grid
            ],
            dtype=np.int64,
        )
        for kind, name in enumerate(("on_leave", "part_time")):
            shares = whole[kind], without[:, kind]
            curves.append(_curve(table, treated, name, grid, *shares, persons, level, minimum_clusters))
    return tuple(curves)


@dataclass(frozen=True)
class CumulativeDays:
    """Mean cumulative days on leave by day since time zero, of each arm and between them.

    Attributes:
        treated: float64[d], mean days on leave up to the end of each day 0, 1, …; nan from the first day on which
            nobody is observed.
        comparison: float64[d].
        difference: treated minus comparison at the end of the last day, with its interval.
    """

    treated: FloatArray
    comparison: FloatArray
    difference: Estimate


def cumulative_days(
    sample: MatchedSample,
    state: NDArray[np.uint8],
    *,
    eligible: BoolArray | None = None,
    level: float = 0.95,
    minimum_clusters: int = 3,
    variance: Variance = DEFAULT_VARIANCE,
) -> CumulativeDays:
    """Mean cumulative function of days on leave, leaves coming back as often as they do, under censoring.

    Each day adds the weighted share on leave among those still observed (Nelson 1995, Technometrics 37:147; Lin, Wei,
    Yang & Ying 2000). The dead stay observed, not on leave, so that death ends a leave and does not censor it (Ghosh &
    Lin 2000, Biometrics 56:554). With complete follow-up it is the difference of mean days.

    Args:
        sample: the matched sample.
        state: uint8[n, d], by day since time zero: 0 not on leave, 1 full leave, 2 part-time, 255 not observed.
        eligible: bool[n], rows that may count.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.
        variance: how the two arms' variances are joined, see ``pipeline.effects.jackknife``.

    Raises:
        ValueError: ``state`` has not one line per row, or a row that counts has an unknown state.
    """
    if state.ndim != 2 or state.shape[0] != sample.n_rows:
        raise ValueError("States have one line per membership and one column per day.")
    table = sample.replicate_weights(eligible)

    def days(replicates: ReplicateWeights) -> tuple[list[FloatArray], FloatArray]:
        """Both arms of the whole sample, and the last day's difference of each replicate."""
        arms = [_shares(replicates, state, arm, (FULL_LEAVE,)) for arm in (True, False)]
        last = [without[:, 0].sum(axis=1) for _, without in arms]
        return [np.cumsum(whole[0]) for whole, _ in arms], last[0] - last[1]

    (treated, comparison), without = days(table)
    cells = days(table.overlap)[1] if variance == "two_way" else None
    draws = replicates_of(sample, table, without, cells)
    value = float(treated[-1] - comparison[-1])
    return CumulativeDays(treated, comparison, interval(value, draws, level=level, minimum_clusters=minimum_clusters))


def _shares(
    table: ReplicateWeights, state: NDArray[np.uint8], treated: bool, least: tuple[int, ...]
) -> tuple[FloatArray, FloatArray]:
    """Weighted share of one arm's observed in a state of at least each level, float64[levels, w] and [r, levels, w]."""
    rows, columns = table.arm_rows(treated), state.shape[1]
    whole = np.empty((len(least), columns))
    without = np.empty((table.department.size, len(least), columns))
    for first in range(0, columns, _MOMENTS_AT_ONCE):
        block = slice(first, first + _MOMENTS_AT_ONCE)
        states = state[rows, block]
        observed = states != NOT_OBSERVED
        if np.any(observed & (states > PART_TIME)):
            raise ValueError("A state is 0, 1, 2 or 255.")
        seen = table.totals(observed.astype(np.float64), treated)
        for kind, lowest in enumerate(least):
            found = table.totals((observed & (states >= lowest)).astype(np.float64), treated)
            whole[kind, block], without[:, kind, block] = (
                _ratio(part, total) for part, total in zip(found, seen, strict=True)
            )
    return whole, without


def _cumulative_incidence(counts: FloatArray, weeks: int) -> FloatArray:
    """float64[r, weeks + 1, codes] from weighted counts float64[r, days, codes]; column 0 is the initial state."""
    at_risk = np.cumsum(counts.sum(axis=2)[:, ::-1], axis=1)[:, ::-1]
    probability: FloatArray = state_probabilities(counts[..., 1:], at_risk)[:, 7 * np.arange(weeks + 1)]
    return probability


def _persons_until(person: IntArray, day: IntArray, moments: IntArray) -> IntArray:
    """int64[w]: distinct persons with a row followed to each moment or beyond."""
    latest = np.full(int(person.max(initial=-1)) + 1, -1, dtype=np.int64)
    np.maximum.at(latest, person, day)
    latest = np.sort(latest[latest >= 0])
    return latest.size - np.searchsorted(latest, moments, side="left")


def _ratio(part: FloatArray, total: FloatArray) -> FloatArray:
    # A total below any weight is the rounding error of a replicate in which nobody is observed.
    ratio: FloatArray = np.divide(part, total, out=np.full(part.shape, np.nan), where=total > 1e-9)
    return ratio


def _curve(
    table: ReplicateWeights,
    treated: bool,
    name: str,
    grid: IntArray,
    whole: FloatArray,
    without: FloatArray,
    persons: IntArray,
    level: float,
    minimum_clusters: int,
) -> Curve:
    own = table.is_treated_department == treated
    se, low, high = one_arm_interval(whole, without[own], level=level, minimum_clusters=minimum_clusters)
    return Curve(
        arm="treated" if treated else "comparison",
        name=name,
        week=grid,
        value=whole if table.rows.size else np.full(grid.shape, np.nan),
        std_err=se,
        ci_low=np.maximum(low, 0.0),
        ci_high=np.minimum(high, 1.0),
        persons=persons,
    )
