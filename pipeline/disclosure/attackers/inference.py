"""What the microdata tell of a person whose quasi-identifiers and quarter are known.

Targets are the published rows themselves, known by their class: the attacker takes what is most frequent in it. That is
more than he has, since other classes may fit the person too. The guess without the release is what is most frequent in
the person's arm.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.disclosure.attackers.linkage import share_of
from pipeline.disclosure.attackers.measure import measure
from pipeline.disclosure.attackers.rows import QUASI_IDENTIFIERS, STATE
from pipeline.disclosure.facts import Attack

CRITERION = "inference"
WITHIN_DAYS, WITHIN_SHARE = 30.0, 0.10
"""A guess of days on leave is right within a month, one of euros within a tenth of their true value."""
NEARLY_ALL = 0.90
"""A class in which this share has one state all but tells it."""


def certain(rows: pa.Table, raw: pa.Table | None) -> Attack:
    """Look for classes whose persons all have the same state at twelve months.

    Args:
        rows: published microdata, at least one row.
        raw: the rows before generalisation; None where they are not at hand.
    """

    def alike(table: pa.Table) -> npt.NDArray[np.bool_]:
        return np.asarray(_largest_share(table) == 1)

    found = alike(rows)
    control = float(alike(raw).mean()) if raw is not None and raw.num_rows else None
    return measure(
        CRITERION, "Connaître avec certitude la situation à 12 mois de toute une classe des microdonnées",
        len(found), float(found.sum()), control=control, limit=0.0,
    )  # fmt: skip


def nearly_certain(rows: pa.Table) -> float:
    """Share of the persons whose class has one state at twelve months for at least nine in ten.

    Args:
        rows: published microdata, at least one row.
    """
    frame = rows.select([*QUASI_IDENTIFIERS, STATE]).to_pandas()
    sizes = frame.groupby(list(QUASI_IDENTIFIERS), sort=False, dropna=False).size().to_numpy()
    return float(sizes[_largest_share(rows) >= NEARLY_ALL].sum() / sizes.sum())


def _largest_share(table: pa.Table) -> npt.NDArray[np.float64]:
    """Class by class, the share of its most frequent state."""
    frame = table.select([*QUASI_IDENTIFIERS, STATE]).to_pandas()
    counts = frame.groupby([*QUASI_IDENTIFIERS, STATE], sort=False, dropna=False).size()
    classes = counts.groupby(level=list(QUASI_IDENTIFIERS), sort=False, dropna=False)
    return np.asarray((classes.max() / classes.sum()).to_numpy(), np.float64)


def guesses(rows: pa.Table, raw: pa.Table | None) -> list[Attack]:
    """Guess state, return, days and euros at twelve months from the class, beside a guess from the arm.

    Args:
        rows: published microdata, at least one row.
        raw: the rows before generalisation; None where they are not at hand.
    """
    what = {
        STATE: "la situation à 12 mois, par la plus fréquente de sa classe",
        "returned_12m": "le retour au travail à 12 mois, par la réponse la plus fréquente de sa classe",
        "days_on_leave_12m": "les jours d'arrêt à 12 mois, à un mois près, par la médiane de sa classe",
        "allowance_eur_12m": "les indemnités à 12 mois, à un dixième près, par la médiane de sa classe",
    }

    def by(columns: tuple[str, ...], name: str, table: pa.Table) -> float:
        frame = table.select([*columns, name]).to_pandas()
        grouped = frame.groupby(list(columns), sort=False, dropna=False)[name]
        if name in ("days_on_leave_12m", "allowance_eur_12m"):
            value = frame[name].to_numpy(np.float64)
            far = np.abs(value - grouped.transform("median").to_numpy(np.float64))
            return float((far <= (WITHIN_DAYS if name.startswith("days") else WITHIN_SHARE * value)).sum())
        return _most_frequent(frame, columns, name)

    return [
        measure(
            CRITERION, f"Deviner {said}", rows.num_rows, by(QUASI_IDENTIFIERS, name, rows),
            control=share_of(partial(by, QUASI_IDENTIFIERS, name), raw),
            baseline=by(("arm",), name, rows) / rows.num_rows,
        )
        for name, said in what.items()
    ]  # fmt: skip


def _most_frequent(frame: pd.DataFrame, columns: tuple[str, ...], name: str) -> float:
    counts = frame.groupby([*columns, name], sort=False, dropna=False).size()
    return float(counts.groupby(level=list(columns), sort=False, dropna=False).max().sum())
