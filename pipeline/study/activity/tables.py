"""Counts of persons for the tables of activity, before disclosure control."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home, add_months
from pipeline.protocol import Protocol
from pipeline.study.covariates import band_label, bands
from pipeline.study.step import COHORT, Calendar, open_study

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
    units = pq.read_table(home.artefact(release, COHORT, "units"), columns=["estimand", "person", "department_code", "reason"])
    connection.register("all_units", units)
    connection.execute("CREATE OR REPLACE TEMP VIEW itt_units AS SELECT * FROM all_units WHERE estimand = 'ITT'")
    first = min(dates.earliest_opening.isoformat()[:7], release)
    connection.register("quarters", pa.table({"quarter": pa.array(quarters(first, release), pa.string())}))
    connection.execute(database.sql(__file__, "cases"))
    people = connection.execute("SELECT person, coalesce(age, -1) AS age FROM cases").fetchnumpy()
    index = bands(np.asarray(people["age"], dtype=np.int64), protocol.study.age_bands)
    labels = [band_label(int(i), protocol.study.age_bands) if i >= 0 else "unknown" for i in index]
    connection.register(
        "banded", pa.table({"person": pa.array(people["person"]), "age_band": pa.array(labels, pa.string())})
    )
    return {name: connection.sql(database.sql(__file__, name)).df() for name in TABLES}
