"""A world beside its deliveries, readable as tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb

from pipeline.simulation import World

TABLES = (
    "plateformes", "beneficiaires", "ij_lignes", "bilans_suivi", "bilan_mesures", "accords", "emploi_mensuel",
    "couts_programme",
)  # fmt: skip


@dataclass(frozen=True)
class Delivered:
    """A world and its deliveries, readable as tables with a `delivery` column."""

    world: World
    landing: Path

    def connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        connection.execute("SET threads = 1")
        for table in TABLES:
            files = [
                str(p) for p in sorted((*self.landing.glob(f"*/{table}.parquet"), *self.landing.glob(f"*/{table}/*")))
            ]
            connection.execute(
                f"CREATE VIEW {table} AS SELECT * EXCLUDE (filename), "
                "regexp_extract(filename, '([0-9]{4}-[0-9]{2})/', 1) AS delivery "
                f"FROM read_parquet({files}, filename = true)"
            )
        return connection
