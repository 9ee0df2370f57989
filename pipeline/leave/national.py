"""National orders of magnitude of sickness leaves: what the rebuilt leaves are held against.

General scheme, self-employed left out. `FIGURES` are statistics on the leaves paid in a year, as seen at its end, in
paid days (waiting days left out):

* 2023: DREES and Cnam, "Arrêts maladie : au-delà des effets de la crise sanitaire, une accélération depuis 2019",
  Études et Résultats, December 2024 (Cnam, SNDS): 8.4 million leaves, 286 million days, 10.2 billion euros;
* 2016, by age: Cnam.

`STILL_ON_LEAVE` is no statistic but a fit of this project to them: of the leaves that begin, the share that lasts
longer.
"""

from __future__ import annotations

from dataclasses import dataclass

SHARE, MEAN_DAYS, EUROS_PER_DAY, SHARE_OF_EUROS = "share", "mean_days", "euros_per_day", "share_of_euros"


@dataclass(frozen=True, slots=True)
class Figure:
    """One national figure.

    Attributes:
        variable, modality: row of the published table `leaves` that it is held against.
        measure: `share` (of the leaves of the year, in [0, 1]), `mean_days` (paid in the year, a leave),
            `euros_per_day` (paid), `share_of_euros`.
        value: the figure.
        source: who and of which year.
    """

    variable: str
    modality: str
    measure: str
    value: float
    source: str


FIGURES = (
    Figure("all", "all", MEAN_DAYS, 34, "DREES-Cnam, 2023"),
    Figure("all", "all", EUROS_PER_DAY, 35.7, "DREES-Cnam, 2023"),
    Figure("duration", "181+", SHARE, 0.07, "DREES-Cnam, 2023"),
    Figure("duration", "181+", SHARE_OF_EUROS, 0.45, "DREES-Cnam, 2023"),
    Figure("duration", "366+", SHARE, 0.03, "DREES-Cnam, 2023"),
    Figure("duration", "366+", SHARE_OF_EUROS, 0.24, "DREES-Cnam, 2023"),
    Figure("age_band", "25-29", MEAN_DAYS, 23, "Cnam, 2016"),
    Figure("age_band", "35-39", MEAN_DAYS, 28, "Cnam, 2016"),
    Figure("age_band", "55-59", MEAN_DAYS, 52, "Cnam, 2016"),
    Figure("age_band", "60+", MEAN_DAYS, 76, "Cnam, 2016"),
)
STILL_ON_LEAVE = {7: 0.60, 30: 0.24, 90: 0.115, 180: 0.055, 365: 0.018}
"""Paid days -> share of the leaves that begin which last longer."""


def figure(variable: str, modality: str, measure: str) -> Figure | None:
    """The national figure of a row and measure; None where none is known."""
    known = (f for f in FIGURES if (f.variable, f.modality, f.measure) == (variable, modality, measure))
    return next(known, None)
