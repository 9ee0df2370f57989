"""The microdata as an attacker groups them: what is known of a person before, and what is looked for."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.disclosure.attackers.tally import Ints

QUASI_IDENTIFIERS = ("index_quarter", "arm", "sex", "age_band", "territory", "status", "sector", "cause")
PLACE = ("index_quarter", "arm", "territory")
"""Never generalised: whoever knows the person and the date of the leave knows them."""
GENERALISED = tuple(name for name in QUASI_IDENTIFIERS if name not in PLACE)
STATE = "state_12m"


def lines_of(table: pa.Table, columns: Sequence[str]) -> tuple[pd.DataFrame, Ints, Ints]:
    """Distinct combinations of some columns.

    Returns:
        The combinations, a row each; int64 `(combinations,)` persons in each; int64 `(rows,)` combination of each row.
    """
    frame = table.select(list(columns)).to_pandas()
    of = frame.groupby(list(columns), sort=False, dropna=False).ngroup().to_numpy().astype(np.int64)
    first = np.unique(of, return_index=True)[1]
    return frame.iloc[first].reset_index(drop=True), np.bincount(of, minlength=len(first)).astype(np.int64), of
