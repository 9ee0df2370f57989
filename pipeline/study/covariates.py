"""Covariates as numbers: what the propensity and the prognosis see, all known before time zero."""

from __future__ import annotations

from collections.abc import Mapping

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


MAY_BE_MISSING = ("wage", "daily_allowance")
"""Numbers that a delivery may leave out."""


def means(units: pa.Table) -> dict[str, float]:
    """Mean of each number that may be missing, over the units that have it; 0 where none has."""
    found = {}
    for name in MAY_BE_MISSING:
        present = pc.cast(units[name], pa.float64()).drop_null().to_numpy()
        found[name] = float(np.sort(present).mean()) if present.size else 0.0
    return found


def matrix(
    units: pa.Table, *, prognosis: bool, fill: Mapping[str, float] | None = None
) -> tuple[FloatArray, list[str]]:
    """Covariates of units.

    A missing number counts as a mean and raises an indicator; a missing category is the reference.

    Args:
        units: rows of the table `units`.
        prognosis: whether the prognostic score is one of them.
        fill: number -> what it counts as where it is missing, each with its indicator. By default the numbers missing
            somewhere among the units, and the means of the others.

    Returns:
        float64[n, p] without missing values, and the p names.
    """
    if fill is None:
        fill = {name: mean for name, mean in means(units).items() if units[name].null_count}
    columns: list[FloatArray] = []
    names: list[str] = []
    for name in (*NUMBERS, PROGNOSIS) if prognosis else NUMBERS:
        values = pc.cast(units[name], pa.float64())
        if name in fill:
            columns.append(pc.fill_null(values, fill[name]).to_numpy())
            names.append(name)
            columns.append(pc.cast(pc.is_null(values), pa.float64()).to_numpy())
            names.append(f"{name}_missing")
        else:
            columns.append(values.to_numpy())
            names.append(name)
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
