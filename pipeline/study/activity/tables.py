"""Counts of persons for the tables of activity, before disclosure control."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home, add_months
from pipeline.protocol import Protocol
from pipeline.study import sectors
from pipeline.study.covariates import band_label, bands
from pipeline.study.step import COHORT, Calendar, open_study
from pipeline.tables import codes
from pipeline.tables.model import Code

TABLES = (
    "platform_activity", "participant_profile", "referral_sources", "delays", "measures", "exits", "situations",
    "departments",
)  # fmt: skip


def quarters(first: str, last: str) -> list[str]:
    """Quarters `YYYY-Qn` from the month `first` to the month `last`, both included."""
    found, month = [], first
    while month <= last:
        found.append(f"{month[:4]}-Q{(int(month[5:]) - 1) // 3 + 1}")
        month = add_months(month, 1)
    return sorted(set(found))


def activity(connection: Connection, home: Home, release: str, protocol: Protocol) -> dict[str, pd.DataFrame]:
    """Raw tables of activity.

    Args:
        connection: an open database.
        home: the home.
        release: the month.
        protocol: the study protocol (age bands).

    Returns:
        Table name -> keys and counts of persons (plus quantiles and costs), small groups included.
    """
    open_study(connection, home, release)
    dates = Calendar.load(home.artefact(release, COHORT, "calendar", "json"))
    database.view(connection, "eligibility", home.artefact(release, COHORT, "eligibility"))
    first = min(dates.earliest_opening.isoformat()[:7], release)
    connection.register("quarters", pa.table({"quarter": pa.array(quarters(first, release), pa.string())}))
    connection.execute(database.sql(__file__, "cases"))
    people = connection.execute("SELECT person, coalesce(age, -1) AS age FROM cases").fetchnumpy()
    index = bands(np.asarray(people["age"], dtype=np.int64), protocol.study.age_bands)
    labels = [band_label(int(i), protocol.study.age_bands) if i >= 0 else "unknown" for i in index]
    connection.register(
        "banded", pa.table({"person": pa.array(people["person"]), "age_band": pa.array(labels, pa.string())})
    )
    found = {name: connection.sql(database.sql(__file__, name)).df() for name in TABLES}
    platforms = [
        row[0] for row in connection.execute("SELECT platform_id FROM platforms ORDER BY platform_id").fetchall()
    ]
    grids = _grids(platforms, quarters(first, release), protocol)
    return {name: _completed(frame, grids[name]) if name in grids else frame for name, frame in found.items()}


ALL = "all"


def _grids(platforms: list[str], listed: list[str], protocol: Protocol) -> dict[str, pd.DataFrame]:
    """Every row of a table whether anyone is in it or not: a row left out would say that nobody is."""
    ages = [*(band_label(i, protocol.study.age_bands) for i in range(len(protocol.study.age_bands))), "unknown"]
    modalities = {
        ALL: [ALL],
        "sex": _codes(codes.SEX),
        "age_band": ages,
        "occupation_status": _codes(codes.OCCUPATION_STATUS),
        "sector": [*(name for _, _, name in sectors.DIVISIONS), "unknown"],
        "employer_size": [*_codes(codes.EMPLOYER_SIZE), "not_given"],
        "leave_risk": _codes(codes.LEAVE_RISK),
        "pathology": _codes(codes.PATHOLOGY),
        "referral_source": _codes(codes.REFERRAL_SOURCE),
        "entry_situation": list(codes.ENTRY_SITUATION),
    }
    dimensions = {"employment_situation": [*_codes(codes.EMPLOYMENT_SITUATION), "not_given"]}
    dimensions |= {
        f"diagnosis_{part}": [*_codes(codes.DIAGNOSIS), "not_given"] for part in ("administrative", "social", "medical")
    }
    stages = [code for code in _codes(codes.REPORT_STAGE) if code != "intermediate"]
    return {
        "participant_profile": pd.DataFrame(
            [(p, v, m) for p in (*platforms, ALL) for v, held in modalities.items() for m in held],
            columns=["platform_id", "variable", "modality"],
        ),
        "referral_sources": _product(source=[*_codes(codes.REFERRAL_SOURCE), ALL], quarter=[*listed, ALL]),
        "measures": pd.concat(
            [
                _product(measure=_codes(codes.MEASURE), status=[*_codes(codes.MEASURE_STATUS), ALL]),
                _product(measure=[ALL], status=[ALL]),
            ],
            ignore_index=True,
        ),
        "exits": _product(exit=[*_codes(codes.EXIT), ALL], leave_risk=[*_codes(codes.LEAVE_RISK), ALL]),
        "situations": pd.DataFrame(
            [(s, d, m) for s in stages for d, held in dimensions.items() for m in held],
            columns=["stage", "dimension", "modality"],
        ),
    }


def _codes(listed: tuple[Code, ...]) -> list[str]:
    return list(dict.fromkeys(code.code for code in listed))


def _product(**columns: list[str]) -> pd.DataFrame:
    return pd.MultiIndex.from_product(list(columns.values()), names=list(columns)).to_frame(index=False)


def _completed(frame: pd.DataFrame, grid: pd.DataFrame) -> pd.DataFrame:
    """The rows of the grid in order, counts of persons 0 where the table has none.

    Raises:
        ValueError: a row of the table is not in the grid: its persons would be in the totals alone.
    """
    keys = list(grid.columns)
    whole = grid.merge(frame, on=keys, how="left", indicator=True)
    if (whole.pop("_merge") == "both").sum() != len(frame):
        raise ValueError(f"a table of activity has rows outside its closed lists of {', '.join(keys)}")
    counts = [name for name in ("n", "n_initial", "n_cost") if name in whole]
    whole[counts] = whole[counts].fillna(0).astype("int64")
    return whole.sort_values(keys, ignore_index=True)
