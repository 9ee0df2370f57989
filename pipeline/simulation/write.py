"""Deliveries on disk: `YYYY-MM/<table>.parquet` or part files, and `delivery.json`.

The same world gives the same bytes, whatever the number of threads.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.simulation.config import month_text
from pipeline.simulation.employment import emploi_mensuel
from pipeline.simulation.faults import with_faults
from pipeline.simulation.paths import Progress
from pipeline.simulation.payment_lines import draw_lines, ij_lignes
from pipeline.simulation.register import beneficiaires, draw_identities, register_rows
from pipeline.simulation.reports import SCHEMAS, Row, draw_programme, platform_rows
from pipeline.simulation.streams import generator
from pipeline.simulation.world import World

PART_ROWS = 300_000
"""Rows above which a table is written in part files."""
_DICTIONARY = [
    "BEN_RES_DPT", "ORG_CLE_NUM", "IJR_RVL_NAT", "PRS_NAT_REF", "RGO_ASU_NAT", "RGM_COD", "FLX_DIS_DTD", "mois",
    "nature_contrat", "motif_rupture", "ape", "taille_entreprise", "csp", "nom", "prenom", "FLX_EMT_NUM", "FLX_EMT_TYP",
    "REM_TYP_AFF", "BEN_RNG_GEM", "BSE_REM_SGN", "DPN_QLF", "quotite",
]  # fmt: skip
"""Columns of few distinct values: a dictionary costs more than it saves on identifiers."""


@dataclass
class _Delivery:
    """The files of one month, in the order they are written."""

    folder: Path
    month: int
    seed: int
    fault_share: float
    files: list[dict[str, object]] = field(default_factory=list)

    def add(self, name: str, table: pa.Table) -> None:
        """Write one table, in part files when it is long."""
        table = with_faults(name, table, self.fault_share, lambda: generator(self.seed, f"faults {name} {self.month}"))
        if len(table) <= PART_ROWS:
            self._write(f"{name}.parquet", table)
            return
        for k, low in enumerate(range(0, len(table), PART_ROWS)):
            self._write(f"{name}/part-{k:04d}.parquet", table.slice(low, PART_ROWS))

    def _write(self, file: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, compression="snappy", store_schema=False,
            use_dictionary=[c for c in table.column_names if c in _DICTIONARY], write_statistics=False,
        )  # fmt: skip
        content = sink.getvalue()
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(memoryview(content))
        self.files.append({"file": file, "rows": len(table), "sha256": hashlib.sha256(content).hexdigest()})

    def close(self) -> None:
        """Write `delivery.json`."""
        listing = {"delivery": month_text(self.month), "files": sorted(self.files, key=lambda f: str(f["file"]))}
        (self.folder / "delivery.json").write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")


def write_deliveries(world: World, landing: Path, progress: Progress | None = None) -> None:
    """Write every delivery of a world.

    Args:
        world: a world.
        landing: folder to fill; made where there is none.
        progress: called with stage, done, total as months are written.

    Raises:
        FileExistsError: a delivery of the world is already there.
    """
    config = world.config
    months = range(config.first_delivery, config.last_delivery + 1)
    if any((landing / month_text(m)).exists() for m in months):
        raise FileExistsError(f"{landing} already holds deliveries of these months; choose another folder")
    identities = draw_identities(world)
    lines = draw_lines(world)
    register = register_rows(world, identities)
    programme = draw_programme(world, identities)
    rows: dict[str, dict[int, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for name, listed in (
        ("plateformes", platform_rows(world)),
        ("bilans_suivi", programme.reports),
        ("bilan_mesures", programme.measures),
        ("accords", programme.agreements),
        ("couts_programme", programme.costs),
    ):
        for month, row in listed:
            if month <= config.last_delivery:
                rows[name][month].append(row)

    def write(month: int, employment: pa.Table) -> None:
        delivery = _Delivery(landing / month_text(month), month, config.seed, config.fault_share)
        delivery.folder.mkdir(parents=True, exist_ok=False)
        person = register.person[slice(*np.searchsorted(register.month, [month, month + 1]))]
        if len(person):
            delivery.add("beneficiaires", beneficiaires(world, identities, month, person))
        low, high = np.searchsorted(lines.flow, [month, month + 1])
        delivery.add("ij_lignes", ij_lignes(world, identities, lines, int(low), int(high)))
        delivery.add("emploi_mensuel", employment)
        for name, by_month in rows.items():
            if month in by_month:
                delivery.add(name, pa.Table.from_pylist(by_month[month], schema=SCHEMAS[name]))
        delivery.close()

    with ThreadPoolExecutor(2) as pool:
        pending = []
        for done, (month, employment) in enumerate(emploi_mensuel(world, identities)):
            pending.append(pool.submit(write, month, employment))
            if len(pending) > 2:
                pending.pop(0).result()
            if progress:
                progress("deliveries", done + 1, len(months))
        for job in pending:
            job.result()
