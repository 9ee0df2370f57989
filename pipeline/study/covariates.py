"""Covariates as numbers: what the propensity and the prognosis see, all known before time zero."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.tables import codes

FloatArray = NDArray[np.float64]

NUMBERS = (
    "age", "wage", "daily_allowance", "days_12m", "days_24m", "spells_12m", "spells_24m", "euros_12m", "euros_24m",
)  # fmt: skip
CATEGORIES = {
    "employer_size": codes.EMPLOYER_SIZE,
    "contract": codes.CONTRACT,
    "social_class": codes.SOCIAL_CLASS,
}
PROGNOSIS = "prognosis"
STRICT = ("days_12m", "days_24m", PROGNOSIS)
"""Covariates held to the stricter balance limit."""


def matrix(units: pa.Table, *, prognosis: bool) -> tuple[FloatArray, list[str]]:
    """Covariates of units.

    A missing number counts as the mean of the others and raises an indicator; a missing category is the reference.

    Args:
        units: rows of the table `units`.
        prognosis: whether the prognostic score is one of them.

    Returns:
        float64[n, p] without missing values, and the p names.
    """
    columns: list[FloatArray] = []
    names: list[str] = []
    for name in (*NUMBERS, PROGNOSIS) if prognosis else NUMBERS:
        values = pc.cast(units[name], pa.float64()).to_numpy()
        missing = np.isnan(values)
        present = values[~missing]
        columns.append(np.where(missing, np.sort(present).mean() if present.size else 0.0, values))
        names.append(name)
        if missing.any():
            columns.append(missing.astype(np.float64))
            names.append(f"{name}_missing")
    part_time = pc.less(units["working_time_share"], 100)
    columns.append(pc.cast(pc.fill_null(part_time, False), pa.float64()).to_numpy())
    names.append("part_time_contract")
    columns.append(pc.cast(pc.is_null(units["employed_before"]), pa.float64()).to_numpy())
    names.append("employment_unknown")
    for name, listed in CATEGORIES.items():
        for code in dict.fromkeys(code.code for code in listed):
            held = pc.fill_null(pc.equal(units[name], code), False)
            columns.append(pc.cast(held, pa.float64()).to_numpy())
            names.append(f"{name}_{code}")
    return np.column_stack(columns), names


def bands(values: NDArray[np.int64], lower: list[int]) -> NDArray[np.int64]:
    """Index of the band of each value, from 0; -1 below the first bound.

    Args:
        values: int64[n].
        lower: lower bounds, increasing.
    """
    return np.searchsorted(np.asarray(lower), values, side="right").astype(np.int64) - 1


def band_label(index: int, lower: list[int]) -> str:
    """`18-29`, …, `58+`."""
    return f"{lower[index]}+" if index == len(lower) - 1 else f"{lower[index]}-{lower[index + 1] - 1}"
