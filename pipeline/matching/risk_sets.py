"""Risk sets: on which elapsed days of a leave somebody can be compared with whom."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.protocol import Matching
from pipeline.study.covariates import bands

Int = NDArray[np.int64]
EXACT = ("risk", "ald", "part_time_begun", "sex", "status", "start_quarter", "elapsed_band")
"""Never given up; the age band and the sector give way where candidates are too few."""


def elapsed_cell(elapsed: Int, rule: Matching) -> Int:
    """Cell of elapsed days whose treated share one pool of controls: ±3 days below 180, ±7 beyond (protocol)."""
    short, long = 2 * rule.risk_window_short_days + 1, 2 * rule.risk_window_long_days + 1
    switch = rule.risk_window_switch_days
    below = elapsed // short
    return np.where(elapsed < switch, below, switch // short + 1 + (elapsed - switch) // long).astype(np.int64)


def codes_of(units: pa.Table, names: tuple[str, ...]) -> Int:
    """One integer per distinct combination of columns; a missing value is a value of its own."""
    combined = np.zeros(len(units), dtype=np.int64)
    for name in names:
        column = units[name].combine_chunks()
        code = pc.dictionary_encode(column, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
        combined = np.unique(combined * (int(code.max(initial=0)) + 1) + code, return_inverse=True)[1].astype(np.int64)
    return combined


def by_elapsed_band(units: pa.Table, lower: list[int]) -> pa.Table:
    """Each comparison unit once per elapsed band in which it is at risk and somebody treated is, each treated once.

    The accompanied are reached at different elapsed days, and who is reached late differs from who is reached early:
    the score and the exact strata are those of the band.

    Args:
        units: eligible units of one estimand.
        lower: lower bounds of the bands, days.

    Returns:
        The units with a column `elapsed_band` (index of the band), `risk_from` and `risk_until` cut to it for the
        comparison; treated and comparison rows by band, then unit.
    """
    treated = pc.equal(units["arm"], "treated").to_numpy(zero_copy_only=False)
    elapsed = bands(pc.fill_null(units["elapsed"], 0).to_numpy().astype(np.int64), lower)
    risk_from, risk_until = units["risk_from"].to_numpy(), units["risk_until"].to_numpy()
    upper = [*(bound - 1 for bound in lower[1:]), np.iinfo(np.int32).max]
    rows, band, first, last = [], [], [], []
    for number in np.unique(elapsed[treated]).tolist():
        low, high = np.maximum(risk_from, lower[number]), np.minimum(risk_until, upper[number])
        held = np.flatnonzero(np.where(treated, elapsed == number, low <= high))
        rows.append(held)
        band.append(np.full(len(held), number, dtype=np.int64))
        first.append(low[held])
        last.append(high[held])
    found = units.take(pa.array(np.concatenate(rows)))
    for name, values in (("risk_from", first), ("risk_until", last)):
        found = found.set_column(found.schema.get_field_index(name), name, pa.array(np.concatenate(values), pa.int64()))
    return found.append_column("elapsed_band", pa.array(np.concatenate(band)))


def times_at_risk(stratum: Int, treated: NDArray[np.bool_], elapsed: Int, risk_from: Int, risk_until: Int) -> Int:
    """How many treated of its stratum each unit could be compared with: its weight in the propensity model.

    A leave is at risk at many elapsed days; weighted so, the comparison units stand for the risk sets and not for
    leaves as such. Zero: the unit can be nobody's control.
    """
    order = np.lexsort((elapsed[treated], stratum[treated]))
    keys = stratum[treated][order] * 100_000 + elapsed[treated][order]
    low = np.searchsorted(keys, stratum * 100_000 + np.maximum(risk_from, 0), side="left")
    high = np.searchsorted(keys, stratum * 100_000 + np.maximum(risk_until, -1), side="right")
    counted: Int = np.maximum(high - low, 0).astype(np.int64)
    return counted
