"""Time to an event under censoring, delayed entry and competing events.

Compact code of our own where no library of the project has all of weights, delayed entry and R's standard errors; each
estimator agrees with R's survival 3.5 (``tests/reference/test_survival_r.py``). A person is at risk at t when
entry < t <= time; at equal times, events come before censoring.

Sources: Kaplan & Meier 1958 and Greenwood 1926; Aalen & Johansen 1978; restricted mean: Irwin 1949 with the variance of
Klein & Moeschberger 2003, section 4.5; robust errors: the infinitesimal jackknife (Therneau & Grambsch 2000, section
7.2; R's ``survfit(..., robust = TRUE)`` and its multi-state curves), the square root of the sum over persons of
(weight × derivative of the estimate with respect to the weight)².
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from pipeline.effects.sample import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class SurvivalCurve:
    """Kaplan–Meier estimate at each time an event happens.

    Attributes:
        time: float64[t], distinct event times, rising.
        at_risk: float64[t], weight at risk just before.
        events: float64[t], weight of the events.
        survival: float64[t], just after.
        std_err: float64[t], standard error of ``survival``.
    """

    time: FloatArray
    at_risk: FloatArray
    events: FloatArray
    survival: FloatArray
    std_err: FloatArray

    def at(self, times: NDArray[np.generic]) -> tuple[FloatArray, FloatArray]:
        """Survival and its standard error at ``times`` (1 and 0 before the first event)."""
        return _step(self.time, self.survival, times, 1.0), _step(self.time, self.std_err, times, 0.0)


@dataclass(frozen=True)
class StateCurves:
    """Aalen–Johansen estimate: where persons are, the initial state first, then one state per event.

    Attributes:
        time: float64[t], distinct event times, rising.
        probability: float64[t, 1 + e], just after; each line sums to 1.
        std_err: float64[t, 1 + e], infinitesimal jackknife.
    """

    time: FloatArray
    probability: FloatArray
    std_err: FloatArray

    def at(self, times: NDArray[np.generic]) -> tuple[FloatArray, FloatArray]:
        """Probabilities and standard errors at ``times``, float64[times, 1 + e] each."""
        start = np.zeros(self.probability.shape[1])
        start[0] = 1.0
        return _step(self.time, self.probability, times, start), _step(self.time, self.std_err, times, 0.0)


def kaplan_meier(
    time: NDArray[np.generic],
    event: BoolArray,
    *,
    weights: FloatArray | None = None,
    entry: NDArray[np.generic] | None = None,
    robust: bool = False,
) -> SurvivalCurve:
    """Survival without the event.

    Args:
        time: real[n], end of follow-up.
        event: bool[n], true when the follow-up ends with the event.
        weights: float64[n], 1 when None.
        entry: real[n], start of follow-up when it is later than zero.
        robust: infinitesimal-jackknife errors, right for sampling weights; else Greenwood's.

    Raises:
        ValueError: lengths differ, an entry is not before its time, or a weight is negative or missing.
    """
    follow_up = _follow_up(time, weights, entry)
    moments, at_risk, events = _counts(follow_up, np.asarray(event, dtype=np.int64), 1)
    hazard = events[:, 0] / at_risk
    survival = np.cumprod(1.0 - hazard)
    if robust:
        std_err = _infinitesimal_jackknife(follow_up, np.asarray(event, dtype=np.int64), 1, ())[1][:, 0]
    else:
        with np.errstate(divide="ignore", invalid="ignore"):
            greenwood = survival * np.sqrt(np.cumsum(hazard / (at_risk - events[:, 0])))
        std_err = np.asarray(greenwood, dtype=np.float64)  # nan, as in R, once nobody is left
    return SurvivalCurve(moments, at_risk, events[:, 0], np.asarray(survival, dtype=np.float64), std_err)


def restricted_mean(curve: SurvivalCurve, horizon: float) -> tuple[float, float]:
    """Mean time without the event up to a horizon, with R's standard error.

    Args:
        curve: Kaplan–Meier curve of persons followed from zero.
        horizon: in the unit of time, positive.

    Returns:
        The mean and its standard error (of Greenwood's kind, for unweighted curves).
    """
    inside = curve.time <= horizon
    edges = np.concatenate([[0.0], curve.time[inside], [horizon]])
    area = np.concatenate([[1.0], curve.survival[inside]]) * np.diff(edges)
    after = np.cumsum(area[::-1])[::-1][1:]  # area between each event and the horizon
    at_risk, events = curve.at_risk[inside], curve.events[inside]
    left = at_risk - events
    # The last one leaves nobody at risk: what follows has no area, so its term is zero.
    terms = np.divide(after**2 * events, at_risk * left, out=np.zeros(after.size), where=left > 0)
    return float(area.sum()), float(np.sqrt(terms.sum()))


def aalen_johansen(
    time: NDArray[np.generic],
    event_code: NDArray[np.integer],
    n_events: int,
    *,
    weights: FloatArray | None = None,
    entry: NDArray[np.generic] | None = None,
) -> StateCurves:
    """Probability of each competing event, with infinitesimal-jackknife errors.

    Args:
        time: real[n], end of follow-up.
        event_code: int[n], 0 censored, 1 to ``n_events`` the event that ends the follow-up.
        n_events: number of competing events.
        weights: float64[n], 1 when None.
        entry: real[n], start of follow-up when it is later than zero.

    Raises:
        ValueError: as ``kaplan_meier``, or a code outside 0 to ``n_events``.
    """
    follow_up = _follow_up(time, weights, entry)
    codes = _codes(event_code, n_events)
    moments, at_risk, events = _counts(follow_up, codes, n_events)
    probability = state_probabilities(events, at_risk)
    return StateCurves(moments, probability, _infinitesimal_jackknife(follow_up, codes, n_events, ())[1])


def time_in_states(
    time: NDArray[np.generic],
    event_code: NDArray[np.integer],
    n_events: int,
    horizon: float,
    *,
    weights: FloatArray | None = None,
    entry: NDArray[np.generic] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Mean time spent in the initial state and after each event, up to a horizon.

    Args:
        time: real[n], end of follow-up.
        event_code: int[n], 0 censored, 1 to ``n_events``.
        n_events: number of competing events.
        horizon: in the unit of time, positive.
        weights: float64[n], 1 when None.
        entry: real[n], start of follow-up when it is later than zero.

    Returns:
        Means and standard errors, float64[1 + e] each; the means sum to ``horizon``.

    Raises:
        ValueError: as ``aalen_johansen``.
    """
    follow_up = _follow_up(time, weights, entry)
    codes = _codes(event_code, n_events)
    moments, at_risk, events = _counts(follow_up, codes, n_events)
    inside = moments <= horizon
    start = np.zeros((1, 1 + n_events))
    start[0, 0] = 1.0
    probability = np.concatenate([start, state_probabilities(events, at_risk)[inside]])
    widths = np.diff(np.concatenate([[0.0], moments[inside], [horizon]]))
    area, _ = _infinitesimal_jackknife(follow_up, codes, n_events, (horizon,))
    return widths @ probability, area[0]


def state_probabilities(events: FloatArray, at_risk: FloatArray) -> FloatArray:
    """Aalen–Johansen probabilities from counts; leading dimensions (replicates, say) are kept apart.

    Args:
        events: float64[..., t, e], weight of each event at each time.
        at_risk: float64[..., t], weight at risk just before; nothing happens where it is zero.

    Returns:
        float64[..., t, 1 + e], the initial state first.
    """
    at_risk_safe = np.where(at_risk > 0, at_risk, 1.0)
    hazards = np.where((at_risk > 0)[..., None], events / at_risk_safe[..., None], 0.0)
    initial = np.cumprod(1.0 - hazards.sum(axis=-1), axis=-1)
    before = np.concatenate([np.ones_like(initial[..., :1]), initial[..., :-1]], axis=-1)
    incidence = np.cumsum(before[..., None] * hazards, axis=-2)
    probability: FloatArray = np.concatenate([initial[..., None], incidence], axis=-1)
    return probability


def confidence_limits(
    survival: FloatArray,
    std_err: FloatArray,
    kind: Literal["plain", "log", "log-log"] = "log-log",
    level: float = 0.95,
) -> tuple[FloatArray, FloatArray]:
    """Limits of a probability on the scale R calls by the same name (Kalbfleisch & Prentice 2002, section 1.4).

    Args:
        survival: float64[t], strictly between 0 and 1 for ``log-log``.
        std_err: float64[t], standard errors of ``survival``.
        kind: scale on which the interval is symmetric; limits never leave [0, 1].
        level: confidence level.
    """
    reach = float(ndtri(0.5 + level / 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = std_err / survival
        if kind == "plain":
            low, high = survival - reach * std_err, survival + reach * std_err
        elif kind == "log":
            low, high = survival * np.exp(-reach * relative), survival * np.exp(reach * relative)
        else:
            log = np.log(survival)
            low, high = (survival ** np.exp(side * reach * relative / -log) for side in (1.0, -1.0))
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


@dataclass(frozen=True)
class _FollowUp:
    time: FloatArray
    entry: FloatArray
    weights: FloatArray


def _follow_up(time: NDArray[np.generic], weights: FloatArray | None, entry: NDArray[np.generic] | None) -> _FollowUp:
    end = np.asarray(time, dtype=np.float64)
    start = np.full(end.shape, -np.inf) if entry is None else np.asarray(entry, dtype=np.float64)
    weight = np.ones(end.shape) if weights is None else np.asarray(weights, dtype=np.float64)
    if not end.shape == start.shape == weight.shape or end.ndim != 1:
        raise ValueError("Times, entries and weights have one value per person.")
    if not np.isfinite(end).all() or not (start < end).all():
        raise ValueError("Follow-up ends at a known time, after its start.")
    if not (weight >= 0).all():
        raise ValueError("Weights are known and not negative.")
    return _FollowUp(end, start, weight)


def _codes(event_code: NDArray[np.integer], n_events: int) -> IntArray:
    codes = np.asarray(event_code, dtype=np.int64)
    if codes.size and (codes.min() < 0 or codes.max() > n_events):
        raise ValueError("An event code is 0 (censored) or the number of a competing event.")
    return codes


def _counts(follow_up: _FollowUp, codes: IntArray, n_events: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Event times (float64[t]), weight at risk just before (float64[t]), weight of events (float64[t, e])."""
    happens = (codes > 0) & (follow_up.weights > 0)
    moments, position = np.unique(follow_up.time[happens], return_inverse=True)
    cell = position * n_events + codes[happens] - 1
    events = np.bincount(cell, weights=follow_up.weights[happens], minlength=moments.size * n_events)
    at_risk = _weight_from(follow_up.time, follow_up.weights, moments)
    at_risk -= _weight_from(follow_up.entry, follow_up.weights, moments)
    return moments, at_risk, events.reshape(moments.size, n_events).astype(np.float64)


def _weight_from(values: FloatArray, weights: FloatArray, moments: FloatArray) -> FloatArray:
    """float64[t]: weight of the values at or after each moment."""
    order = np.argsort(values, kind="stable")
    after = np.append(np.cumsum(weights[order][::-1])[::-1], 0.0)
    found: FloatArray = after[np.searchsorted(values[order], moments, side="left")]
    return found


def _infinitesimal_jackknife(
    follow_up: _FollowUp, codes: IntArray, n_events: int, horizons: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    """Robust errors of times in states up to each horizon (float64[h, 1 + e]) and of probabilities (float64[t, 1 + e]).

    The derivative of each estimate with respect to each person's weight is carried from one event time to the next;
    memory stays at n × (1 + e).
    """
    moments, at_risk, events = _counts(follow_up, codes, n_events)
    probability = state_probabilities(events, at_risk)
    derivative = np.zeros((codes.size, 1 + n_events))
    area = np.zeros((len(horizons), codes.size, 1 + n_events))
    errors = np.empty(probability.shape)
    squared = follow_up.weights**2
    initial, previous = 1.0, 0.0
    for t, moment in enumerate(moments):
        for h, horizon in enumerate(horizons):
            area[h] += derivative * max(0.0, min(moment, horizon) - min(previous, horizon))
        hazard = events[t] / at_risk[t]
        exposed = (follow_up.entry < moment) & (follow_up.time >= moment)
        happened = (codes[:, None] == np.arange(1, n_events + 1)) & (follow_up.time == moment)[:, None]
        change = (happened - exposed[:, None] * hazard) / at_risk[t]
        derivative[:, 1:] += derivative[:, :1] * hazard + initial * change
        derivative[:, 0] = -derivative[:, 1:].sum(axis=1)
        errors[t] = np.sqrt(squared @ derivative**2)
        initial, previous = float(probability[t, 0]), float(moment)
    for h, horizon in enumerate(horizons):
        area[h] += derivative * max(0.0, horizon - previous)
    return np.sqrt(np.einsum("i,hie->he", squared, area**2)), errors


def _step(moments: FloatArray, values: FloatArray, times: NDArray[np.generic], start: float | FloatArray) -> FloatArray:
    """Read a step function that is ``start`` before the first moment."""
    first = np.broadcast_to(np.asarray(start, dtype=np.float64), values.shape[1:])[None]
    padded = np.concatenate([first, values])
    read: FloatArray = padded[np.searchsorted(moments, np.asarray(times, dtype=np.float64), side="right")]
    return read
