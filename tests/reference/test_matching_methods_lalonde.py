"""Replacement, logit and covariate calipers, Mahalanobis and coarsened exact matching agree with MatchIt on LaLonde.

The figures were computed with R 4.2.2 (reference BLAS), MatchIt 4.7.1 and sandwich 3.0-2 from Debian's sources: units
kept, effective number of controls, effect by weighted regression and its error clustered on matched sets or strata
(HC1). An effect in dollars that agrees to twelve digits leaves no room for another matched set. The data are those of
../shared/reference/matching (distributed with MatchIt).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from pipeline.matching.mahalanobis import indicators, mahalanobis_space
from pipeline.matching.nearest import nearest_neighbour
from pipeline.matching.problem import caliper_width
from pipeline.matching.propensity import logit_scores
from pipeline.matching.result import MatchResult
from pipeline.matching.strata import StrataResult, coarsened_exact

REFERENCE = Path(__file__).resolve().parents[2].parent / "shared" / "reference" / "matching"

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(
        not REFERENCE.is_dir(), reason="the published results (../shared/reference/matching) are not beside the project"
    ),
]

MEASURED = ["age", "educ", "re74", "re75"]
RACES = ["black", "hispan", "white"]


@pytest.fixture(scope="module")
def lalonde() -> pd.DataFrame:
    people = pd.read_csv(REFERENCE / "lalonde.csv")
    scores = pd.read_csv(REFERENCE / "lalonde_propensity.csv")
    assert (people["id"] == scores["id"]).all()
    return people.assign(distance=scores["ps"], race_code=people["race"].map(RACES.index))


def nearest(
    people: pd.DataFrame,
    *,
    logit: bool = False,
    plain: bool = False,
    space: list[str] | None = None,
    factor: bool = False,
    caliper: float | None = None,
    bounded: dict[str, float] | None = None,
    exact: str | None = None,
    **options: Any,
) -> MatchResult:
    """One specification; calipers in standard deviations, as MatchIt takes them."""
    treated, row = people["treat"].to_numpy() == 1, np.arange(len(people))
    score = people["distance"].to_numpy()
    if logit:
        names = [*MEASURED, "married", "nodegree", "hispan", "white"]
        columns = people.assign(hispan=people["race_code"] == 1, white=people["race_code"] == 2)[names]
        score = logit_scores(columns.to_numpy(dtype=np.float64), treated, names=names).logit
    if plain:
        score = np.zeros(len(people))
    if caliper is not None:
        options["caliper"] = caliper_width(score, caliper)
    if exact is not None:
        stratum = people[exact].to_numpy()
        options |= {"stratum_treated": stratum[treated], "stratum_control": stratum[~treated]}
    if space is not None:
        columns = people[space].to_numpy(dtype=np.float64)
        if factor:
            columns = np.hstack([columns, indicators(people["race_code"].to_numpy())])
        coordinates = mahalanobis_space(columns, treated)
        options |= {"space_treated": coordinates[treated], "space_control": coordinates[~treated]}
    if bounded is not None:
        columns = people[list(bounded)].to_numpy(dtype=np.float64)
        widths = [caliper_width(column, multiple) for column, multiple in zip(columns.T, bounded.values(), strict=True)]
        options |= {"covariates_treated": columns[treated], "covariates_control": columns[~treated]}
        options["covariate_calipers"] = widths
    return nearest_neighbour(
        score[treated], score[~treated], tie_treated=row[treated], tie_control=row[~treated], **options
    )


def coarsened(people: pd.DataFrame, numbers: list[str], cutpoints: Any) -> StrataResult:
    return coarsened_exact(
        people[numbers].to_numpy(dtype=np.float64),
        people["treat"].to_numpy() == 1,
        names=numbers,
        cutpoints=cutpoints,
        categories=people[["race_code"]].to_numpy(),
    )


Specification = Callable[[pd.DataFrame], MatchResult | StrataResult]
SPECIFICATIONS: dict[str, Specification] = {
    "logit_caliper": lambda p: nearest(p, logit=True, caliper=0.2),
    "logit_caliper_13": lambda p: nearest(p, logit=True, caliper=0.1, ratio=3),
    "three_exact": lambda p: nearest(p, caliper=0.2, ratio=3, exact="race_code"),
    "replacement": lambda p: nearest(p, replacement=True),
    "replacement_13": lambda p: nearest(p, caliper=0.2, ratio=3, exact="race_code", replacement=True),
    "caliper_on_age": lambda p: nearest(p, caliper=0.2, bounded={"age": 0.5}),
    "mahalanobis_in_caliper": lambda p: nearest(p, space=MEASURED, caliper=0.2),
    "mahalanobis_in_caliper_13": lambda p: nearest(p, space=MEASURED, caliper=0.2, ratio=3, exact="race_code"),
    "mahalanobis_in_caliper_replacement": lambda p: nearest(p, space=MEASURED, caliper=0.1, ratio=2, replacement=True),
    "mahalanobis": lambda p: nearest(p, plain=True, space=MEASURED),
    "mahalanobis_13": lambda p: nearest(p, plain=True, space=MEASURED, ratio=2, exact="married"),
    "mahalanobis_factor": lambda p: nearest(
        p, plain=True, space=["age", "re74", "re75"], factor=True, bounded={"re74": 0.2}
    ),
    "mahalanobis_one": lambda p: nearest(p, plain=True, space=["age"]),
    "cem": lambda p: coarsened(p, [*MEASURED, "married", "nodegree"], "sturges"),
    "cem_cut": lambda p: coarsened(p, ["age", "educ", "re74"], {"educ": [8.5, 11, 12], "age": "q5", "re74": 0}),
}
R: dict[str, tuple[int, int, float, float, float | None]] = {
    "logit_caliper": (117, 117, 117, 1770.60290641, 924.234347046),
    "logit_caliper_13": (112, 172, 138.352941176, 1217.81451979, 819.104852529),
    "three_exact": (113, 172, 137.547576302, 1386.81730457, 1000.22085989),
    "replacement": (185, 82, 46.3125845737, 1991.61527351, None),
    "replacement_13": (184, 149, 68.4728089888, 1612.80347571, None),
    "caliper_on_age": (106, 106, 106, 1318.64912123, 997.815557111),
    "mahalanobis_in_caliper": (113, 113, 113, 1480.19089159, 1049.91423074),
    "mahalanobis_in_caliper_13": (113, 172, 137.547576302, 1387.17910605, 1040.57764283),
    "mahalanobis_in_caliper_replacement": (183, 120, 52.0824261275, 654.973711639, None),
    "mahalanobis": (185, 185, 185, 551.806535459, 707.702633736),
    "mahalanobis_13": (185, 279, 248.007246377, 242.330645541, 689.41019181),
    "mahalanobis_factor": (184, 184, 184, 428.832949728, 751.085186096),
    "mahalanobis_one": (185, 185, 185, -1690.72738535, 751.33421462),
    "cem": (65, 75, 41.2898472039, 1070.90732643, 968.773628321),
    "cem_cut": (82, 63, 22.5974607916, 1873.1122176, 1096.05610756),
}
"""Treated kept, controls kept, effective controls, effect on `re78` in dollars, its error (None: controls serve twice,
sets overlap)."""


@pytest.mark.parametrize("specification", SPECIFICATIONS)
def test_units_effect_and_clustered_error_are_those_of_matchit(lalonde: pd.DataFrame, specification: str) -> None:
    treated = lalonde["treat"].to_numpy() == 1
    result = SPECIFICATIONS[specification](lalonde)
    n_treated, n_control, effective, effect, error = R[specification]
    assert int((result.treated_weights > 0).sum()) == n_treated
    assert int((result.control_weights > 0).sum()) == n_control
    assert result.effective_sample_size == pytest.approx(effective, rel=1e-9)
    weights = result.stacked_weights(treated)
    kept = weights > 0
    # Errors depend on the scale of the weights between the arms: MatchIt's.
    weights[~treated] = result.scaled_control_weights
    design = sm.add_constant(treated[kept].astype(float))
    regression = sm.WLS(lalonde["re78"].to_numpy()[kept], design, weights=weights[kept])
    assert regression.fit().params[1] == pytest.approx(effect, rel=1e-9)
    if error is not None:
        groups = clusters(result, treated)[kept]
        fit = regression.fit(cov_type="cluster", cov_kwds={"groups": groups})
        assert fit.bse[1] == pytest.approx(error, rel=1e-9)


def clusters(result: MatchResult | StrataResult, treated: np.ndarray) -> np.ndarray:
    """Matched set or stratum of each person of the full sample, -1 for none."""
    if isinstance(result, StrataResult):
        return result.stacked_strata(treated)
    own, theirs = np.full(treated.sum(), -1), np.full((~treated).sum(), -1)
    own[result.pairs.treated] = result.pairs.set_id
    theirs[result.pairs.control] = result.pairs.set_id
    out = np.empty(len(treated), dtype=np.int64)
    out[treated], out[~treated] = own, theirs
    return out
