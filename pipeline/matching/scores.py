"""The score on which study units are matched: one for all, then one for each treated département.

One model over all treated départements balances the treated taken together and leaves each département's own
composition as it is: earlier leaves are longer here, farmers more common there. Each treated département is therefore
compared on a score of its own: treated here against the comparison units at risk for somebody here, given the common
score and as many covariates as its treated can carry (`events_per_column` of them a column: Peduzzi et al. 1996,
Journal of Clinical Epidemiology 49:1373). The order of the covariates is fixed: the prognosis and the earlier days
first, then the other numbers, then the categories.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline.matching.propensity import PropensityError, PropensityFit, logit_scores
from pipeline.matching.risk_sets import EXACT, Int, times_at_risk
from pipeline.protocol import Matching
from pipeline.study.covariates import NUMBERS, PROGNOSIS, STRICT

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class DepartmentScore:
    """The treated of one département, those who can be compared with one of them, and their score.

    Attributes:
        department_code: The département.
        treated: Rows of its treated units, int64.
        comparison: Rows of the comparison units at risk for one of them, int64.
        score_treated: float64, on the logit scale.
        score_comparison: float64.
        spread: SD of the score over both: what calipers are multiples of. 0 where there is nobody to compare with.
        columns: Covariates of the département's own model, beside the common score; none: the common score itself.
    """

    department_code: str
    treated: Int
    comparison: Int
    score_treated: Float
    score_comparison: Float
    spread: float
    columns: tuple[str, ...]


def common_score(
    covariates: Float, names: list[str], units: pa.Table, treated: Bool, elapsed: Int, at_risk: Int, rule: Matching
) -> Float:
    """The score of one model over all treated départements, for every unit.

    Args:
        covariates: float64[n, p].
        names: The p names.
        units: n units with `elapsed_band`, by band, then unit.
        treated: bool[n].
        elapsed: int64[n], read for the treated.
        at_risk: int64[n] from `times_at_risk`; 1 for the treated.
        rule: Matching section of the protocol.

    Returns:
        float64[n], log odds up to a constant.

    Raises:
        PropensityError: as `logit_scores`.
    """
    model, model_names = _with_time(covariates, names, units, treated, elapsed)
    strata, stratum_names = stratum_columns(units)
    model, model_names = np.hstack([model, strata]), [*model_names, *stratum_names]
    rows = learners(units["person"].to_numpy(), treated, rule.score_learners)
    fit = logit_scores(
        model[rows], treated[rows], at_risk[rows].astype(np.float64), names=model_names, separated="drop"
    )
    return fit.linear_predictor(model, model_names)


def department_scores(
    common: Float,
    covariates: Float,
    names: list[str],
    units: pa.Table,
    treated: Bool,
    elapsed: Int,
    stratum: Int,
    rule: Matching,
) -> list[DepartmentScore]:
    """The score of each treated département, in the order of the codes.

    Args:
        common: float64[n] from `common_score`.
        covariates: float64[n, p].
        names: The p names.
        units: n units.
        treated: bool[n].
        elapsed: int64[n].
        stratum: int64[n], what pairs agree on exactly.
        rule: Matching section of the protocol.
    """
    department = units["department_code"].to_numpy(zero_copy_only=False).astype(str)
    risk_from, risk_until = units["risk_from"].to_numpy(), units["risk_until"].to_numpy()
    person = units["person"].to_numpy()
    offered = np.flatnonzero(~treated)
    listed = in_order(names)
    found = []
    for code in np.unique(department[treated]).tolist():
        own = np.flatnonzero(treated & (department == code))
        rows = np.concatenate([own, offered])
        is_own = np.arange(len(rows)) < len(own)
        at_risk = times_at_risk(stratum[rows], is_own, elapsed[rows], risk_from[rows], risk_until[rows])
        kept = is_own | (at_risk > 0)
        rows, is_own, weight = rows[kept], is_own[kept], np.where(is_own, 1, at_risk)[kept]
        carried = listed[: max(0, len(own) // rule.events_per_column - 1)]
        score, columns = common[rows], tuple[str, ...]()
        if carried and not is_own.all():
            labels = ["common score", *(names[column] for column in carried)]
            model = np.column_stack([score, covariates[rows][:, carried]])
            fit = _own_fit(model, labels, is_own, weight, learners(person[rows], is_own, rule.score_learners))
            if fit is not None:
                score, columns = fit.linear_predictor(model, labels), fit.names[1:]
        found.append(
            DepartmentScore(
                department_code=code,
                treated=rows[is_own],
                comparison=rows[~is_own],
                score_treated=score[is_own],
                score_comparison=score[~is_own],
                spread=0.0 if is_own.all() else float(np.std(np.sort(score), ddof=1)),
                columns=columns,
            )
        )
    return found


def _own_fit(model: Float, labels: list[str], treated: Bool, weight: Int, rows: Int) -> PropensityFit | None:
    """The département's own model; None where its persons cannot carry one: the common score then stands."""
    try:
        return logit_scores(model[rows], treated[rows], weight[rows].astype(np.float64), names=labels, separated="drop")
    except PropensityError:
        return None


def in_order(names: list[str]) -> list[int]:
    """Columns in the order in which a département's own model takes them up."""
    first = [PROGNOSIS, *(name for name in STRICT if name != PROGNOSIS), *NUMBERS]
    ranked = list(dict.fromkeys(name for name in first if name in names))
    return [names.index(name) for name in [*ranked, *(name for name in names if name not in ranked)]]


def learners(person: Int, treated: Bool, most: int) -> Int:
    """Rows a model is fitted on: all treated, and the comparison rows of the persons of the lowest numbers.

    Persons are numbered by a keyed hash of who they are, so that the first are as good as drawn; leaving out comparison
    rows at random moves the intercept alone (Prentice & Pyke 1979, Biometrika 66:403).

    Args:
        person: int64[n].
        treated: bool[n].
        most: Comparison rows, at most.

    Returns:
        Rows, ascending.
    """
    comparison = np.flatnonzero(~treated)
    if len(comparison) > most:
        comparison = comparison[np.argsort(person[comparison], kind="stable")[:most]]
    return np.sort(np.concatenate([np.flatnonzero(treated), comparison]))


def _with_time(
    covariates: NDArray[np.float64], names: list[str], units: pa.Table, treated: NDArray[np.bool_], elapsed: Int
) -> tuple[NDArray[np.float64], list[str]]:
    """The model's columns: covariates may weigh differently as the leave goes on and as the programme goes on.

    Who is reached late in a leave differs from who is reached early; and once platforms have been open for a while,
    those with long earlier leaves have been reached in one of them. The elapsed day enters as the logarithm of the mean
    day of the band's treated, the calendar as the rank of the quarter in which the leave started: the same for both
    arms.
    """
    band = np.unique(units["elapsed_band"].to_numpy(), return_inverse=True)[1]
    mean = np.bincount(band[treated], weights=elapsed[treated]) / np.bincount(band[treated])
    listed = np.unique(units["start_quarter"].to_numpy(zero_copy_only=False).astype(str))
    rank = np.searchsorted(listed, units["start_quarter"].to_numpy(zero_copy_only=False).astype(str))
    varying = [number for number, name in enumerate(names) if name in NUMBERS or name == PROGNOSIS]
    columns, labels = [covariates], list(names)
    for label, clock in (("elapsed", np.log1p(mean)[band]), ("quarter", rank.astype(np.float64))):
        if clock.max() > clock.min():
            centred = (clock - (clock.min() + clock.max()) / 2)[:, None]
            columns += [centred, covariates[:, varying] * centred]
            labels += [label, *(f"{names[number]} x {label}" for number in varying)]
    return np.hstack(columns), labels


def stratum_columns(units: pa.Table) -> tuple[NDArray[np.float64], list[str]]:
    """Indicators of what pairs agree on exactly: the score ranks persons within strata, so its model knows the strata.

    Left out, differences between strata (long-term illness goes with long earlier leaves) would pass for differences
    within them, and the covariates would not be balanced where pairs are made.
    """
    columns, labels = [np.empty((len(units), 0))], []
    for name in (*EXACT, "sector"):
        values = units[name].to_numpy(zero_copy_only=False).astype(str)
        for value in np.unique(values)[1:].tolist():  # the first is the reference
            columns.append((values == value).astype(np.float64)[:, None])
            labels.append(f"{name}: {value}")
    return np.hstack(columns), labels
