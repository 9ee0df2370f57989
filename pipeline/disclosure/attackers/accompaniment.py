"""Was a person of a département with a platform accompanied? The microdata do not say; the tables might.

The attacker knows département, sex, age band, status and cause. He starts from the share accompanied among
the exposed, moved as the département's own share departs from that of all (`departments`), and weighs each
characteristic by how much more frequent it is among the accompanied (`participant_profile`) than among the exposed
(strata of `impact`), as if characteristics were independent. He says yes above one half.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from pipeline.disclosure.attackers.measure import measure
from pipeline.disclosure.facts import Attack

KNOWN = ("sex", "age_band", "status", "cause")
ALL = "all"


def accompaniment(
    exposed: pd.DataFrame, tables: Mapping[str, pa.Table], uptake: float | None, base: int
) -> Attack | None:
    """Guess who was accompanied from what is published.

    Args:
        exposed: one row per treated person of the microdata: `department_code`, the exact columns of `KNOWN`, and
            `accompanied` (the truth).
        tables: `departments`, `participant_profile`, and of `impact` the rows of the headline's outcome and horizon.
        uptake: share accompanied, as published; None when it is not.
        base: rounding base: the number of attempts, which rests on restricted rows, is rounded.

    Returns:
        None where the share accompanied is not published, or fewer than one base of persons are exposed.
    """
    attempts = base * round(len(exposed) / base)
    if uptake is None or not attempts:
        return None
    truth = exposed["accompanied"].to_numpy(np.bool_)
    yes = _odds(exposed, tables, uptake) > 1
    everyone = ["department_code", *KNOWN]
    groups = exposed.groupby(everyone, sort=False, dropna=False)["accompanied"]
    marked = groups.transform("mean").to_numpy(np.float64) > 0.5

    def right(guess: npt.NDArray[np.bool_]) -> float:
        return float((guess == truth).mean())

    return measure(
        "inference", "Deviner qui a été accompagné parmi les exposés, par le département et quatre caractéristiques",
        attempts, attempts * right(yes), control=right(marked), baseline=right(np.full(len(truth), uptake > 0.5)),
        restricted=True,
    )  # fmt: skip


def _odds(exposed: pd.DataFrame, tables: Mapping[str, pa.Table], uptake: float) -> npt.NDArray[np.float64]:
    places = tables["departments"].to_pandas().set_index("department_code")
    shown = places[places["share"].notna()]
    usual = float(shown["participants"].sum()) / max(float(shown["persons_on_long_leave"].sum()), 1.0)
    share = exposed["department_code"].map(shown["share"]).astype(np.float64).fillna(usual)
    relative: pd.Series = share * (1 - usual) / np.maximum((1 - share) * usual, 1e-9)
    odds = np.asarray(relative, np.float64) * uptake / max(1 - uptake, 1e-9)
    profile = tables["participant_profile"].to_pandas()
    profile = profile[profile["platform_id"] == ALL]
    strata = tables["impact"].to_pandas()
    for name in KNOWN:
        among = profile[profile["variable"] == name].set_index("modality")["share"]
        treated = strata[strata["stratum_type"] == name].set_index("stratum")["n_treated"]
        # A characteristic that is masked on either side tells nothing.
        ratio = among * treated.sum() / treated
        odds = odds * exposed[name].map(ratio).astype(np.float64).fillna(1.0).to_numpy(np.float64)
    return odds
