"""Study units matched under a design: what the release does once, and the specification curve many times.

Scores depend on the units alone and are computed once; a design then says how to compare. Each treated département is
matched on its own score, in a matching of its own: within it a comparison unit serves once in a trial (the treated of
one quarter and a few elapsed days), and treated départements share the comparison territory. What one département
finds therefore does not hang on who else is designated, which is what leaving out a département in turn supposes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline.matching.balance import BalanceTable, balance_table
from pipeline.matching.mahalanobis import mahalanobis_space
from pipeline.matching.nearest import match_with_relaxation
from pipeline.matching.propensity import PropensityError
from pipeline.matching.result import JoinedResult, Part
from pipeline.matching.risk_sets import EXACT, Int, by_elapsed_band, codes_of, elapsed_cell, times_at_risk
from pipeline.matching.scores import DepartmentScore, common_score, department_scores
from pipeline.protocol import Matching, Protocol
from pipeline.study.covariates import NUMBERS, PROGNOSIS, bands, matrix
from pipeline.tables.intermediate import MEMBERS


@dataclass(frozen=True, slots=True)
class Design:
    """How units are compared; the protocol's by default, varied by the specification curve.

    Attributes:
        ratio: controls per treated.
        caliper_sd: in standard deviations of the logit, None for no caliper.
        replacement: whether a control may serve several treated of one trial.
        mahalanobis: whether, within the caliper on the score, the nearest is the one of smallest Mahalanobis distance
            between the numbers and the prognosis, and not the one of nearest score (Rosenbaum & Rubin 1985).
    """

    ratio: int
    caliper_sd: float | None
    replacement: bool = False
    mahalanobis: bool = False

    @classmethod
    def of(cls, rule: Matching) -> Design:
        """The protocol's design."""
        return cls(rule.ratio, rule.caliper_sd)


@dataclass(frozen=True, slots=True)
class Matched:
    """A matching of study units with what balance needs.

    Attributes:
        units: eligible units, treated and comparison, ordered by unit.
        treated: bool[n].
        covariates: float64[n, p] and their names.
        result: who was matched to whom; positions are within each arm, in unit order.
    """

    units: pa.Table
    treated: NDArray[np.bool_]
    covariates: NDArray[np.float64]
    names: list[str]
    result: JoinedResult

    @property
    def balance(self) -> BalanceTable:
        """Balance of the whole sample."""
        return balance_table(self.covariates, self.names, self.treated, self.result.stacked_weights(self.treated))

    def members(self, estimand: str) -> pa.Table:
        """Rows of the table `members`: the treated of each set, then its controls, with their time zero."""
        pairs, units = self.result.pairs, self.units
        row_treated, row_control = np.flatnonzero(self.treated), np.flatnonzero(~self.treated)
        first, position = np.unique(pairs.set_id, return_index=True)
        row = np.concatenate([row_treated[pairs.treated[position]], row_control[pairs.control]])
        set_id = np.concatenate([first, pairs.set_id])
        of_treated = np.concatenate([row_treated[pairs.treated[position]], row_treated[pairs.treated]])
        in_treated_arm = np.arange(len(row)) < len(first)
        order = np.lexsort((row, ~in_treated_arm, set_id))
        row, set_id, of_treated, arm = row[order], set_id[order], of_treated[order], in_treated_arm[order]
        # Two leaves of one person can be at risk on the same elapsed day: the person counts once in a set.
        person = units["person"].to_numpy()[row]
        _, once = np.unique(np.stack([set_id, person]), axis=1, return_index=True)
        kept = np.sort(once)
        row, set_id, of_treated, arm = row[kept], set_id[kept], of_treated[kept], arm[kept]
        taken = units.take(pa.array(row))
        # A control's clock starts at the same elapsed day of its own leave as its treated's.
        start = taken["start_date"].to_numpy()
        elapsed = units["elapsed"].take(pa.array(of_treated)).to_numpy().astype("timedelta64[D]")
        level = np.zeros(len(row_treated), dtype=np.int64)
        level[:] = self.result.level
        position_of = np.cumsum(self.treated) - 1
        return pa.table(
            {
                "estimand": pa.array([estimand] * len(row), pa.string()),
                "member": pa.array(np.arange(len(row))),
                "set_id": pa.array(set_id),
                "arm": pa.array(np.where(arm, "treated", "comparison")),
                "person": taken["person"],
                "unit": taken["unit"],
                "department_code": taken["department_code"],
                "time_zero": pa.array((start + elapsed).astype("datetime64[D]"), pa.date32()),
                "level": pa.array(level[position_of[of_treated]]),
                "status": taken["status"],
                "wage": taken["wage"],
                "days_before": taken["days_before"],
            }
        ).cast(MEMBERS.schema)


def eligible(units: pa.Table, estimand: str) -> pa.Table:
    """Units of one estimand, ordered by unit."""
    return units.filter(pc.equal(units["estimand"], estimand)).sort_by("unit")


@dataclass(frozen=True, eq=False)
class Scored:
    """Units of one estimand with everything a design needs to compare them.

    Attributes:
        units: Treated and comparison units at risk for one of them, by elapsed band, then unit.
        treated: bool[n].
        covariates: float64[n, p].
        names: The p names.
        common: float64[n], score of one model over all treated départements: log odds up to a constant.
        at_risk: int64[n], treated of its stratum each comparison unit could be compared with; 1 for the treated.
        departments: Score of each treated département.
        levels: Exact stratum of each unit at each level of relaxation, int64[n].
        age_band: int64[n].
        key: uint64[n], breaks ties.
        elapsed: int64[n], elapsed day at time zero; read for the treated.
        trial: int64[n], quarter and cell of elapsed days; read for the treated.
    """

    units: pa.Table
    treated: NDArray[np.bool_]
    covariates: NDArray[np.float64]
    names: list[str]
    common: NDArray[np.float64]
    at_risk: Int
    departments: list[DepartmentScore]
    levels: tuple[Int, ...]
    age_band: Int
    key: NDArray[np.uint64]
    elapsed: Int
    trial: Int

    def match(self, design: Design, minimum_candidates: int) -> Matched:
        """Match every département under a design.

        Args:
            design: how to compare.
            minimum_candidates: candidates below which the exact strata give way.
        """
        position = np.where(self.treated, np.cumsum(self.treated), np.cumsum(~self.treated)) - 1
        risk_from, risk_until = self.units["risk_from"].to_numpy(), self.units["risk_until"].to_numpy()
        parts = []
        for own in self.departments:
            treated, comparison = own.treated, own.comparison
            space = self._space(own) if design.mahalanobis else (None, None)
            result = match_with_relaxation(
                own.score_treated,
                own.score_comparison,
                strata_treated=[ids[treated] for ids in self.levels],
                strata_control=[ids[comparison] for ids in self.levels],
                minimum_candidates=minimum_candidates,
                caliper=None if design.caliper_sd is None else design.caliper_sd * own.spread,
                ratio=design.ratio,
                replacement=design.replacement,
                tie_treated=self.key[treated],
                tie_control=self.key[comparison],
                risk_from=risk_from[comparison],
                risk_until=risk_until[comparison],
                elapsed=self.elapsed[treated],
                trial_treated=self.trial[treated],
                band_treated=self.age_band[treated],
                band_control=self.age_band[comparison],
                band_slack=(None, None, 1),
                space_treated=space[0],
                space_control=space[1],
            )
            parts.append(Part(result, position[treated], position[comparison]))
        n_treated = int(self.treated.sum())
        joined = JoinedResult.of(parts, n_treated, len(self.treated) - n_treated)
        return Matched(self.units, self.treated, self.covariates, self.names, joined)

    def _space(self, own: DepartmentScore) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Coordinates of a département's treated and comparison units; none where there is nobody to compare with."""
        rows = np.concatenate([own.treated, own.comparison])
        if len(rows) < 3 or not len(own.comparison):
            return None, None
        columns = [self.names.index(name) for name in (PROGNOSIS, *NUMBERS)]
        is_treated = np.arange(len(rows)) < len(own.treated)
        space = mahalanobis_space(self.covariates[rows][:, columns], is_treated)
        return space[is_treated], space[~is_treated]


def score_units(units: pa.Table, protocol: Protocol) -> Scored:
    """Score the eligible units of one estimand.

    Args:
        units: rows of one estimand, as `eligible` gives them.
        protocol: the study protocol.

    Raises:
        PropensityError: an arm is empty or the covariates tell the arms apart.
    """
    treated = pc.equal(units["arm"], "treated").to_numpy(zero_copy_only=False)
    if not treated.any() or treated.all():
        raise PropensityError(f"{int(treated.sum())} treated and {int((~treated).sum())} comparison units")
    study, rule = protocol.study, protocol.matching
    units = by_elapsed_band(units, study.elapsed_bands)
    treated = pc.equal(units["arm"], "treated").to_numpy(zero_copy_only=False)
    elapsed = pc.fill_null(units["elapsed"], 0).to_numpy()
    at_risk = times_at_risk(
        codes_of(units, EXACT), treated, elapsed, units["risk_from"].to_numpy(), units["risk_until"].to_numpy()
    )
    keep = np.flatnonzero(treated | (at_risk > 0))
    units, treated, elapsed = units.take(pa.array(keep)), treated[keep], elapsed[keep]
    at_risk = np.where(treated, 1, at_risk[keep])
    covariates, names = matrix(units, prognosis=True)
    common = common_score(covariates, names, units, treated, elapsed, at_risk, rule)
    age_band = bands(units["age"].to_numpy(zero_copy_only=False).astype(np.int64), study.age_bands)
    aged = units.append_column("age_band", pa.array(age_band))
    levels = tuple(codes_of(aged, names_) for names_ in ((*EXACT, "sector", "age_band"), (*EXACT, "age_band"), EXACT))
    key = units["unit"].to_numpy() * len(study.elapsed_bands) + units["elapsed_band"].to_numpy()
    cell = elapsed_cell(elapsed, rule)
    return Scored(
        units=units,
        treated=treated,
        covariates=covariates,
        names=names,
        common=common,
        at_risk=at_risk,
        departments=department_scores(common, covariates, names, units, treated, elapsed, levels[-1], rule),
        levels=levels,
        age_band=age_band,
        key=key.astype(np.uint64),
        elapsed=elapsed,
        trial=codes_of(units, ("start_quarter", "elapsed_band")) * (int(cell.max()) + 1) + cell,
    )


def match_units(units: pa.Table, protocol: Protocol, design: Design) -> Matched:
    """Score the eligible units of one estimand and match them.

    Args:
        units: rows of one estimand, as `eligible` gives them.
        protocol: the study protocol.
        design: how to compare.

    Raises:
        PropensityError: an arm is empty or the covariates tell the arms apart.
    """
    return score_units(units, protocol).match(design, protocol.matching.minimum_candidates)
