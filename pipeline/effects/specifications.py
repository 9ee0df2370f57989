"""The specification curve: the headline's difference again, one decision changed at a time.

Every row goes through the functions of the release: the same eligibility, scoring, matching and difference under
another protocol, other units, another design or another estimator. What cannot be run keeps its row, without a value.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.database import Connection
from pipeline.effects import whole
from pipeline.effects.adjustment import adjusted_difference, weighted_difference
from pipeline.effects.analysis import Analysis
from pipeline.effects.curves import cumulative_days
from pipeline.effects.difference import Difference
from pipeline.effects.jackknife import Estimate
from pipeline.effects.panel import panel_difference
from pipeline.effects.rows import Row, withheld
from pipeline.leave.step import other_gap_rules
from pipeline.matching.scores import stratum_columns
from pipeline.matching.units import Design, Scored, score_units
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.study.covariates import matrix
from pipeline.study.neighbours import neighbours
from pipeline.study.states import NOT_OBSERVED, daily_states, member_states
from pipeline.study.step import ESTIMANDS, Calendar, days_after

LATER_TRIGGER = 90
GAPS = (0, 7, 30)


@dataclass(frozen=True)
class Found:
    """What a row needs of a difference, however it was estimated."""

    estimate: Estimate
    n_treated: int
    n_comparison: int


def specifications(
    connection: Connection, run: Run, dates: Calendar, opened: dict[str, Analysis], held: dict[str, str]
) -> list[Row]:
    """Rows of the table `sensitivity`, the same whatever the data carry.

    Args:
        connection: with the study's views open; they are open again on return.
        run: the run, for the protocol and the released units.
        dates: the study's calendar.
        opened: estimands that passed the gate.
        held: estimand -> why it is withheld; nothing is estimated for it.
    """
    stated = {name: _Headline(connection, run, dates, found) for name, found in opened.items() if name not in held}
    rows: list[Row] = []
    for estimand in ESTIMANDS:
        for name, description, attempt in _attempts(run.protocol, estimand):
            found = _possible(attempt, stated.get(estimand))
            rows.append(_row(run.protocol, name, estimand, description, found, held.get(estimand)))
    return rows + _gap_rows(connection, run.protocol, dates, set(stated), held)


def _gap_rows(
    connection: Connection, protocol: Protocol, dates: Calendar, stated: set[str], held: dict[str, str]
) -> list[Row]:
    """Rows under other gap rules: leaves are rebuilt, once for both estimands."""
    rows: list[Row] = []
    with other_gap_rules(connection, protocol) if stated else nullcontext() as under:
        for gap in GAPS:
            changed = protocol.model_copy(update={"leave": protocol.leave.model_copy(update={"gap_days": gap})})
            units: dict[str, pa.Table] = {}
            if under is not None:
                under(changed)
                units = _units(connection, changed, dates)
            for estimand in ESTIMANDS:
                found = None
                if estimand in stated and estimand in units:
                    found = _variant(connection, changed, dates, units[estimand], estimand)
                description = f"paid periods up to {gap} days apart are one leave"
                rows.append(_row(protocol, f"gap_{gap}", estimand, description, found, held.get(estimand)))
    return rows


class _Headline:
    """One estimand that may be told, and the ways of estimating it again with the leaves as released."""

    def __init__(self, connection: Connection, run: Run, dates: Calendar, opened: Analysis) -> None:
        self.connection, self.protocol, self.dates, self.run = connection, run.protocol, dates, run
        self.opened, self.estimand = opened, opened.estimand
        self.months = run.protocol.study.primary_horizon_months
        self.units = whole.released_units(run, opened.estimand)

    @cached_property
    def scored(self) -> Scored:
        return score_units(self.units, self.protocol)

    def as_published(self) -> Found:
        return _found(self.opened.difference("days_on_leave", self.months))

    def designed(self, **changed: Any) -> Found:
        rule = self.protocol.matching
        matched = self.scored.match(replace(Design.of(rule), **changed), rule.minimum_candidates)
        return _found(
            whole.days_difference(
                self.connection, self.protocol, self.dates, matched, self.opened.estimand, self.months
            )
        )

    def among(self, keep: pa.Array) -> Found | None:
        return _variant(self.connection, self.protocol, self.dates, self.units.filter(keep), self.estimand)

    def employees(self) -> Found | None:
        return self.among(pc.equal(self.units["status"], "employee"))

    def without_neighbours(self) -> Found | None:
        codes = self.connection.execute("SELECT department_code FROM designated").fetchall()
        return self.among(not_neighbours(self.units, {code for (code,) in codes}))

    def doubly_robust(self) -> Found:
        horizon, rule = self.opened.horizons[self.months], self.protocol.inference
        covariates, _ = matrix(self.opened.units, prognosis=True)
        return _found(
            adjusted_difference(
                self.opened.sample, horizon.outcomes["days_on_leave"], covariates, horizon.complete,
                level=rule.level, minimum_clusters=rule.minimum_departments,
            )
        )  # fmt: skip

    def odds_weights(self) -> Found:
        """Every eligible unit with both arms in its exact stratum; the ITT alone, where each has one time zero."""
        scored, rule = self.scored, self.protocol.inference
        units, stratum = scored.units, scored.levels[-1]
        members = units.select(["person", "time_zero"]).append_column("member", pa.array(np.arange(len(units))))
        measured = days_after(self.connection, self.dates, members, self.protocol.study.primary_horizon_days)
        both_arms = np.intersect1d(stratum[scored.treated], stratum[~scored.treated])
        used = np.isin(stratum, both_arms) & measured["complete"].to_numpy(zero_copy_only=False).astype(np.bool_)
        strata, _ = stratum_columns(units)
        return _found(
            weighted_difference(
                scored.treated[used],
                (scored.at_risk * np.exp(scored.common - scored.common.max()))[used],
                units["department_code"].to_numpy(zero_copy_only=False)[used],
                units["person"].to_numpy()[used],
                measured["days_on_leave"].to_numpy().astype(np.float64)[used],
                np.hstack([scored.covariates, strata])[used],
                level=rule.level,
                minimum_clusters=rule.minimum_departments,
            )
        )

    def any_follow_up(self) -> Found:
        study, rule, sample = self.protocol.study, self.protocol.inference, self.opened.sample
        state = daily_states(member_states(self.run, self.estimand), study.primary_horizon_days)
        days = cumulative_days(sample, state, level=rule.level, minimum_clusters=rule.minimum_departments)
        observed = state[:, 0] != NOT_OBSERVED
        counted = [sample.count_persons(observed & (sample.treated == arm)) for arm in (True, False)]
        return Found(days.difference, counted[0], counted[1])

    def later_trigger(self) -> Found | None:
        study = self.protocol.study.model_copy(update={"trigger_days": LATER_TRIGGER})
        later = self.protocol.model_copy(update={"study": study})
        units = whole.units_under(self.connection, later, self.dates)[self.estimand]
        return _variant(self.connection, later, self.dates, units, self.estimand)

    def agreement(self) -> Found | None:
        known = whole.released_units(self.run, "ITT")
        units = whole.units_met(self.connection, self.protocol, self.dates, known, "agreement")
        return _variant(self.connection, self.protocol, self.dates, units, self.estimand)

    def panel(self) -> Found | None:
        found = panel_difference(self.connection, self.protocol, self.dates)
        return None if found is None else Found(found.estimate, found.n_treated, found.n_comparison)


Attempt = Callable[[_Headline], Found | None]


def _attempts(protocol: Protocol, estimand: str) -> list[tuple[str, str, Attempt]]:
    """Name, description and computation of each row of an estimand that keeps the leaves as released."""
    months = protocol.study.primary_horizon_months
    both: list[tuple[str, str, Attempt]] = [
        ("protocol", "the protocol itself", _Headline.as_published),
        ("caliper_0_1", "caliper 0.1 SD", lambda h: h.designed(caliper_sd=0.1)),
        ("caliper_none", "no caliper", lambda h: h.designed(caliper_sd=None)),
        ("ratio_1", "one control per treated", lambda h: h.designed(ratio=1)),
        ("ratio_5", "five controls per treated", lambda h: h.designed(ratio=5)),
        ("with_replacement", "controls may serve several treated", lambda h: h.designed(replacement=True)),
        ("mahalanobis", "nearest by Mahalanobis distance within the caliper", lambda h: h.designed(mahalanobis=True)),
        ("without_self_employed", "employees alone", _Headline.employees),
        ("without_neighbours", "comparison départements that touch a designated one left out",
         _Headline.without_neighbours),
        ("doubly_robust", "regression on the covariates in the matched sets", _Headline.doubly_robust),
        ("any_follow_up", "persons followed for less than the horizon as well: mean cumulative days under censoring",
         _Headline.any_follow_up),
    ]  # fmt: skip
    if estimand == "ATT":
        return [*both, ("agreement", "time zero at the agreement, not at first contact", _Headline.agreement)]
    return [
        *both,
        ("odds_weights", "all eligible comparison persons weighted by the odds of the propensity, with a regression "
         "(AIPW)", _Headline.odds_weights),
        (f"trigger_{LATER_TRIGGER}", f"time zero at {LATER_TRIGGER} days on leave", _Headline.later_trigger),
        ("panel_department_month", f"second look without matching: département x month panel of the days in the "
         f"{months} months after a leave reached the trigger, before and after the opening, stacked by opening date",
         _Headline.panel),
    ]  # fmt: skip


def _possible(attempt: Attempt, headline: _Headline | None) -> Found | None:
    if headline is None:
        return None
    try:
        return attempt(headline)
    except whole.NOT_POSSIBLE:
        return None


def not_neighbours(units: pa.Table, designated: set[str]) -> pa.Array:
    """Which units stay when comparison départements that touch a designated one are left out.

    Args:
        units: rows of the table `units`.
        designated: codes of the designated départements.

    Returns:
        bool[n].
    """
    touching = pa.array(sorted(neighbours(designated) - designated), pa.string())
    return pc.or_(pc.equal(units["arm"], "treated"), pc.invert(pc.is_in(units["department_code"], touching)))


def _variant(
    connection: Connection, protocol: Protocol, dates: Calendar, units: pa.Table, estimand: str
) -> Found | None:
    try:
        design = Design.of(protocol.matching)
        return _found(whole.variant(connection, protocol, dates, units, estimand, design))
    except whole.NOT_POSSIBLE:
        return None


def _units(connection: Connection, protocol: Protocol, dates: Calendar) -> dict[str, pa.Table]:
    """Units of both estimands under another protocol; none where the data cannot carry it."""
    try:
        return whole.units_under(connection, protocol, dates)
    except whole.NOT_POSSIBLE:
        return {}


def _found(difference: Difference) -> Found:
    return Found(difference.estimate, difference.n_treated, difference.n_comparison)


def _row(
    protocol: Protocol, name: str, estimand: str, description: str, found: Found | None, reason: str | None
) -> Row:
    row: Row = {
        "specification": f"{name}_{estimand.lower()}", "estimand": estimand, "outcome": "days_on_leave",
        "horizon_months": protocol.study.primary_horizon_months, "description": description, "reason": reason,
    }  # fmt: skip
    if found is not None:
        estimate = found.estimate
        row |= {
            "n_treated": found.n_treated, "n_comparison": found.n_comparison, "difference": estimate.value,
            "ci_low": estimate.ci_low, "ci_high": estimate.ci_high,
            "reason": withheld(estimate, None),
        }  # fmt: skip
    return row
