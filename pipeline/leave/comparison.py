"""Rebuilt leaves beside national orders of magnitude: in the report of the step, and as the published table `leaves`.

Measured as the national statistics are: on the sickness leaves with a paid day in a calendar year, seen at its end. The
unit of a share or a mean is the leave; the persons behind it are counted beside, for disclosure control.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import database
from pipeline.database import Connection
from pipeline.leave.national import EUROS_PER_DAY, FIGURES, MEAN_DAYS, SHARE, SHARE_OF_EUROS, STILL_ON_LEAVE, figure
from pipeline.leave.window import Window, months_after
from pipeline.run import StepReport
from pipeline.tables.codes import LEAVES_MODALITY

LEAVES = "leaves"
DURATIONS = (8, 31, 91, 181, 366)
"""Paid days from which a leave has lasted more than 7, 30, 90 days, six months, a year."""
AGES = (0, 25, 30, 35, 40, 45, 50, 55, 60)
"""Lower bounds of the age bands: those of the national figures, and five years between."""
FACTOR = 2.0
"""A measured figure further than this factor from the national one is warned about."""
TITLE = "Sickness leaves and national orders of magnitude"
NAMES = {
    SHARE: "share of leaves", MEAN_DAYS: "mean paid days a leave", EUROS_PER_DAY: "euros a paid day",
    SHARE_OF_EUROS: "share of euros",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """What is compared, small groups included.

    Attributes:
        year: the calendar year; None where none is known from beginning to end.
        leaves: rows of `leaves`: year, variable, modality, n, n_leaves, share, mean_days, largest_days, total_days,
            national_share, national_mean_days. Empty without a year.
        euros: variable, modality, measure, n, value. Empty without a year.
        lasting: days, n (persons on the smaller side), share.
    """

    year: int | None
    leaves: pd.DataFrame
    euros: pd.DataFrame
    lasting: pd.DataFrame


def duration_labels() -> list[str]:
    """Modality of each duration: `8+` and so on."""
    return [f"{low}+" for low in DURATIONS]


def age_labels() -> list[str]:
    """Modality of each age band: `0-24` to `60+`, then `unknown`."""
    highs = [*(f"-{high - 1}" for high in AGES[1:]), "+"]
    return [*(f"{low}{high}" for low, high in zip(AGES, highs, strict=True)), "unknown"]


def year_known(first_flow: dt.date, follow_up_end: dt.date) -> int | None:
    """The last calendar year all of whose paid days are known, and the year before it: a leave of over a year shows.

    Args:
        first_flow: first payment flow.
        follow_up_end: days before it are fully paid.
    """
    year = follow_up_end.year - 1
    return year if first_flow <= dt.date(max(year - 1, 1), 1, 1) else None


def measure(connection: Connection, window: Window) -> Measured:
    """Measure the rebuilt leaves.

    Args:
        connection: with `payment_lines`, `persons`, `leave_spells` and `leave_payments`.
        window: what the payment lines let one see.
    """
    first, end = months_after(window.first_payment, 1), window.complete_until
    known = year_known(first, end)
    year = end.year - 1 if known is None else known
    parameters = {
        "first_flow": first, "follow_up_end": end, "year": year, "first_day": dt.date(year, 1, 1),
        "last_day": dt.date(year, 12, 31), "longest_days": max(STILL_ON_LEAVE),
    }  # fmt: skip
    helpers = {
        "durations": {"modality": duration_labels(), "low": DURATIONS},
        "age_bands": {
            "modality": age_labels(), "low": [*AGES, None], "high": [*(high - 1 for high in AGES[1:]), 999, None],
        },
        "lasting": {"days": list(STILL_ON_LEAVE)},
    }  # fmt: skip
    for name, columns in helpers.items():
        connection.register(name, pa.table(columns))
    database.create(connection, "year_leaves", database.sql(__file__, "year_leaves"), parameters)
    found = {}
    for name in (LEAVES, "leaves_euros", "still_on_leave"):
        query = database.sql(__file__, name)
        found[name] = connection.execute(query, database.used(query, parameters)).df()
    for name in helpers:
        connection.unregister(name)
    leaves, euros = found[LEAVES], found["leaves_euros"]
    for column in (SHARE, MEAN_DAYS):
        beside = [figure(v, m, column) for v, m in zip(leaves["variable"], leaves["modality"], strict=True)]
        leaves[f"national_{column}"] = [np.nan if known is None else float(known.value) for known in beside]
    if known is None:
        leaves, euros = leaves.iloc[:0], euros.iloc[:0]
    return Measured(known, leaves, euros, found["still_on_leave"])


def compare(connection: Connection, window: Window, k: int, path: Path, report: StepReport) -> None:
    """Write the rows of `leaves` for the disclosure step, and report the leaves beside the national figures.

    Args:
        connection: as for `measure`.
        window: what the payment lines let one see.
        k: fewest persons behind a figure that is shown.
        path: file of the rows.
        report: of the step; gets a table, a figure and a warning where a measured figure is far from the national one.
    """
    found = measure(connection, window)
    pq.write_table(pa.Table.from_pandas(found.leaves, preserve_index=False), path, compression="zstd")
    report.figures["leaves held against national figures"] = (
        "no calendar year is known from beginning to end, with the year before it"
        if found.year is None
        else f"sickness leaves paid in {found.year}, seen at its end, in paid days; those still on leave are of the "
        "leaves that begin, on those whose start is observed and that are old enough"
    )
    table = beside(found, k)
    report.tables[TITLE] = table
    far = table[(table["ratio"] > FACTOR) | (table["ratio"] < 1 / FACTOR)]
    if len(far):
        told = (f"{row.figure} (measured {row.measured:g}, national {row.national:g})" for row in far.itertuples())
        report.warnings.append(
            f"rebuilt leaves are more than a factor of {FACTOR:g} from national orders of magnitude: {'; '.join(told)}"
        )


def beside(found: Measured, k: int) -> pd.DataFrame:
    """Each national figure and the measured one, empty where fewer than k persons are behind it.

    Returns:
        Columns figure, measured, national, ratio, source.
    """
    return pd.DataFrame(
        [
            {
                "figure": name,
                "measured": round(value, 3),
                "national": national,
                "ratio": round(value / national, 2),
                "source": source,
            }
            for name, n, measured, national, source in _pairs(found)
            for value in [float(measured) if n >= k and pd.notna(measured) else np.nan]
        ]
    )


def _pairs(found: Measured) -> Iterator[tuple[str, int, Any, float, str]]:
    """Name, persons, measured, national, source."""
    labels = {code.code: code.label_en for code in LEAVES_MODALITY}
    leaves = {(row["variable"], row["modality"]): row for row in found.leaves.to_dict("records")}
    euros = {(row["variable"], row["modality"], row["measure"]): row for row in found.euros.to_dict("records")}
    nobody: dict[Any, Any] = {"n": 0, "value": np.nan, SHARE: np.nan, MEAN_DAYS: np.nan}
    for national in FIGURES:
        where = "" if national.variable == "all" else f", {labels[national.modality]}"
        if national.measure in (SHARE, MEAN_DAYS):
            row = leaves.get((national.variable, national.modality), nobody)
            value = row[national.measure]
        else:
            row = euros.get((national.variable, national.modality, national.measure), nobody)
            value = row["value"]
        yield f"{NAMES[national.measure]}{where}", row["n"], value, national.value, national.source
    for row in found.lasting.to_dict("records"):
        name = f"share still on leave after {row['days']} paid days"
        yield name, row["n"], row["share"], STILL_ON_LEAVE[row["days"]], "fit of this project"
