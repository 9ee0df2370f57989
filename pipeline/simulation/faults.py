"""Rows made to break the input contract, so that quarantine has something to catch: none unless asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_FAULTS: dict[str, tuple[tuple[str, object], ...]] = {
    "beneficiaires": (("BEN_SEX_COD", 7), ("BEN_RES_DPT", "123"), ("csp", 9), ("nir", "100000000000000")),
    "ij_lignes": (("RGO_ASU_NAT", 77), ("PRS_NAT_REF", 9999), ("BSE_REM_SGN", 5), ("BEN_RES_DPT", "123")),
    "bilans_suivi": (("situation_emploi", "EN_VACANCES"), ("plateforme_id", "PDP-XXX"), ("satisfaction", 14)),
    "bilan_mesures": (("mesure", "CURE_THERMALE"), ("statut", "PEUT_ETRE")),
    "accords": (("portee", "TOUT"), ("evenement", "PEUT_ETRE")),
    "emploi_mensuel": (("nature_contrat", "BENEVOLE"), ("quotite", 150), ("nir", "100000000000000")),
    "couts_programme": (("categorie", "RESTAURATION"), ("plateforme_id", "PDP-XXX")),
}
"""Column and value that break a rule, by table; a table without an entry stays clean."""


def with_faults(name: str, table: pa.Table, share: float, rng: Callable[[], np.random.Generator]) -> pa.Table:
    """The table with a share of its rows broken and the same share repeated exactly.

    Args:
        name: table of the input contract.
        table: its rows.
        share: share of rows to break, and to repeat.
        rng: gives the generator of this table and delivery; not called when nothing is asked.

    Returns:
        The same table when the share is zero.
    """
    if share <= 0 or name not in _FAULTS or not len(table):
        return table
    random = rng()
    for column, value in _FAULTS[name]:
        hit = random.random(len(table)) < share / len(_FAULTS[name])
        if hit.any():
            k = table.schema.get_field_index(column)
            kind = table.schema.field(k).type
            broken = pc.if_else(pa.array(hit), pa.scalar(value, type=kind), table.column(k))
            table = table.set_column(k, table.schema.field(k), broken)
    repeated = np.flatnonzero(random.random(len(table)) < share / 4)
    return pa.concat_tables([table, table.take(pa.array(repeated))]) if len(repeated) else table
