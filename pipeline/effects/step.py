"""The step `effects`: every estimate of the release, still with the persons behind it, before disclosure control.

A failed gate withholds an estimand before its outcomes are opened; a failed placebo withholds it after. Withheld rows
keep their keys, have no value and say why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import database
from pipeline.database import Connection
from pipeline.effects.analysis import OUTCOME_UNITS, Analysis, analysis
from pipeline.effects.coherence import coherence, complier_effect, uptake
from pipeline.effects.curves import incidence_curves, share_curves
from pipeline.effects.falsification import placebos
from pipeline.effects.jackknife import Estimate
from pipeline.effects.placebo import PlaceboVerdict
from pipeline.effects.power import minimum_detectable_effect
from pipeline.effects.randomisation import randomisation_p_value
from pipeline.effects.rows import Row, difference_row, raw_frame, withheld
from pipeline.effects.sample import BoolArray
from pipeline.effects.savings_table import savings_rows
from pipeline.effects.sensitivity import e_value_of_difference, outcome_standard_deviation
from pipeline.effects.specifications import specifications
from pipeline.effects.subgroups import HALVES, interactions
from pipeline.matching.passage import Passage, passages
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.study.states import member_states, weekly_states
from pipeline.study.step import COHORT, ESTIMANDS, MATCHING, OUTCOMES_STEP, Calendar, open_study
from pipeline.study.strata import ALL, DEPARTMENT, expected_strata, strata_of
from pipeline.tables import codes

STEP = "effects"
HEADLINE = ("ITT", "days_on_leave")
STRATUM_OUTCOMES = ("days_on_leave", "sustained_return_to_work")
GATE, PLACEBO = "gate", "placebo"


def estimate(run: Run) -> StepReport:
    """Write the estimate tables `impact`, curves, `savings`, `balance`, `sensitivity`, `placebo`, `power`, `flow`."""
    home, release, protocol = run.home, run.release, run.protocol
    judged = home.artefact(release, MATCHING, "gate", "json")
    allowed = passages(judged)
    held = {name: GATE for name in ESTIMANDS if name not in allowed}
    tables: dict[str, list[Row]] = {
        name: [] for name in ("impact", "return_to_work_curve", "on_leave_curve", "savings", "power")
    }
    report, facts = StepReport(), {"gate": json.loads(judged.read_text(encoding="utf-8"))}
    with database.connect(home.scratch) as connection:
        open_study(connection, home, release)
        dates = Calendar.load(home.artefact(release, COHORT, "calendar", "json"))
        opened = {name: open_estimand(run, allowed[name]) for name in ESTIMANDS if name in allowed}
        opened = {name: found for name, found in opened.items() if found.members.num_rows}
        held |= {name: GATE for name in ESTIMANDS if name not in opened}
        run.progress("estimating", 0, 4)
        verdicts_of, tested = placebos(connection, run, dates, opened)
        held |= {v.estimand: PLACEBO for v in verdicts_of if v.passed is False and v.estimand not in held}
        run.progress("estimating", 1, 4)
        tables["sensitivity"] = specifications(connection, run, dates, opened, held)
        run.progress("estimating", 2, 4)
        for estimand in ESTIMANDS:
            found = None if estimand in held else opened[estimand]
            reason = held.get(estimand)
            tables["impact"] += _impact(protocol, estimand, found, reason)
            tables["sensitivity"] += _interactions(protocol, estimand, found, reason)
            tables["power"] += _power(protocol, estimand, opened.get(estimand))
            tables["savings"] += savings_rows(connection, run, dates, estimand, found, reason)
            tables["on_leave_curve"] += _on_leave(run, estimand, found, reason)
            tables["return_to_work_curve"] += _incidence(protocol, estimand, found, reason)
        run.progress("estimating", 3, 4)
        facts |= _coherence(connection, protocol, opened, held)
        balance_groups = _balance_groups(connection, run)
    tables["placebo"] = [_placebo_row(verdict, tested.get(verdict.test)) for verdict in verdicts_of]
    tables["balance"] = pq.read_table(home.artefact(release, MATCHING, "balance")).to_pylist()
    tables["balance_groups"] = balance_groups
    frames = {name: raw_frame(name, rows) for name, rows in tables.items()}
    facts["held"] = held
    for name, frame in frames.items():
        frame.to_parquet(home.artefact(release, STEP, name))
        report.rows[name] = len(frame)
    home.artefact(release, STEP, "facts", "json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    for verdict in verdicts_of:
        if verdict.passed is False:
            report.failures[f"placebo:{verdict.test}"] = f"{verdict.test} finds an effect where there can be none"
    report.tables["Placebo tests"] = frames["placebo"]
    report.tables["Specifications"] = frames["sensitivity"]
    report.figures |= {name: _told(facts[name]) for name in ("coherence", "complier")}
    report.figures["effect withheld"] = ", ".join(f"{k}: {v}" for k, v in held.items()) or "no"
    run.progress("estimating", 4, 4)
    return report


def open_estimand(run: Run, passage: Passage) -> Analysis:
    """The matched sample of an estimand with its outcomes, for whoever has the gate's leave to read them."""
    read = {
        name: pq.read_table(run.home.artefact(run.release, step, name))
        for step, name in (
            (MATCHING, "members"),
            (COHORT, "units"),
            (OUTCOMES_STEP, "outcomes"),
            (OUTCOMES_STEP, "events"),
        )
    }
    protocol = run.protocol
    return analysis(
        passage, read["members"], read["units"], read["outcomes"], read["events"],
        protocol.study.horizons_days, protocol.inference,
    )  # fmt: skip


def _impact(protocol: Protocol, estimand: str, found: Analysis | None, reason: str | None) -> Iterator[Row]:
    primary = protocol.study.primary_horizon_months
    wanted = [(outcome, months, "all", "all") for outcome in OUTCOME_UNITS for months in protocol.study.horizons_days]
    wanted += [
        (outcome, primary, kind, stratum)
        for kind, listed in expected_strata(protocol, estimand).items()
        for stratum in listed
        for outcome in STRATUM_OUTCOMES
    ]
    # A set belongs where its treated belongs.
    strata = strata_of(found.units, protocol) if found else {}
    for outcome, months, kind, stratum in wanted:
        row: Row = {
            "estimand": estimand, "outcome": outcome, "horizon_months": months,
            "stratum_type": kind, "stratum": stratum,
            "is_headline": (estimand, outcome, months, kind) == (*HEADLINE, primary, "all"),
            "unit": OUTCOME_UNITS[outcome], "reason": reason,
        }  # fmt: skip
        if found is not None:
            among = None if kind == "all" else found.sample.of_treated(strata[kind]) == stratum
            row |= _effect(found, protocol, outcome, months, among)
        yield row


def _effect(found: Analysis, protocol: Protocol, outcome: str, months: int, among: BoolArray | None) -> Row:
    """The difference, and what stands beside its interval: E-values, randomisation test, individual interval."""
    difference = found.difference(outcome, months, among)
    row = difference_row(difference)
    row["treated_departments"] = difference.estimate.n_treated_departments
    values, eligible = found.measured(outcome, months, among)
    if not math.isnan(row["difference"]) and outcome != "days_on_leave_change":
        deviation = outcome_standard_deviation(found.sample, values, eligible)
        e_value = e_value_of_difference(difference.estimate, deviation)
        row |= {"e_value": e_value.point, "e_value_bound": e_value.bound, "outcome_sd": deviation}
    if math.isnan(difference.estimate.se):  # no interval is pretended, of no kind
        return row
    row["randomisation_p"] = randomisation_p_value(
        found.sample, values, eligible,
        minimum_departments=protocol.inference.minimum_departments_p_value, seed=protocol.seeds.randomisation,
    )  # fmt: skip
    return row | {
        "individual_ci_low": difference.individual.ci_low,
        "individual_ci_high": difference.individual.ci_high,
    }


def _power(protocol: Protocol, estimand: str, found: Analysis | None) -> Iterator[Row]:
    """The minimum detectable effect is no effect: it is said whatever the placebos say, but needs the gate."""
    for outcome in STRATUM_OUTCOMES:
        for months in protocol.study.horizons_days:
            row: Row = {
                "estimand": estimand, "outcome": outcome, "horizon_months": months, "unit": OUTCOME_UNITS[outcome],
                "reason": None if found else GATE,
            }  # fmt: skip
            if found is not None:
                difference = found.difference(outcome, months)
                row |= {
                    "n_treated": difference.n_treated,
                    "n_comparison": difference.n_comparison,
                    "minimum_detectable_effect": minimum_detectable_effect(
                        difference.estimate, power=protocol.inference.power, level=protocol.inference.level
                    ),
                    "reason": withheld(difference.estimate, None),
                }
            yield row


def _on_leave(run: Run, estimand: str, found: Analysis | None, reason: str | None) -> Iterator[Row]:
    weeks, rule = run.protocol.inference.curve_weeks, run.protocol.inference
    if found is None:
        for arm in ("treated", "comparison"):
            for week in range(weeks + 1):
                yield {"estimand": estimand, "arm": arm, "week": week, "reason": reason}
        return
    state = weekly_states(member_states(run, estimand), weeks)
    curves = share_curves(found.sample, state, level=rule.level, minimum_clusters=rule.minimum_departments)
    by = {(curve.arm, curve.name): curve for curve in curves}
    for arm in ("treated", "comparison"):
        leave, part = by[arm, "on_leave"], by[arm, "part_time"]
        first = leave.persons[0] if len(leave.persons) else 0
        for week in range(weeks + 1):
            persons = int(leave.persons[week])
            if persons < rule.curve_minimum_share * first:  # the calendar ends the curve, not who is in it
                break
            yield {
                "estimand": estimand, "arm": arm, "week": week, "n_persons": persons, "reason": None,
                "share_on_leave": float(leave.value[week]), "share_part_time": float(part.value[week]),
                "ci_low": float(leave.ci_low[week]), "ci_high": float(leave.ci_high[week]),
            }  # fmt: skip


def _incidence(protocol: Protocol, estimand: str, found: Analysis | None, reason: str | None) -> Iterator[Row]:
    weeks, names = protocol.inference.curve_weeks, [code.code for code in codes.EVENT]
    if found is None:
        for arm in ("treated", "comparison"):
            for name in names:
                for week in range(weeks + 1):
                    yield {"estimand": estimand, "arm": arm, "week": week, "event": name, "reason": reason}
        return
    listed = {name: number for number, name in enumerate(names, start=1)}
    known = np.array([listed.get(name, 0) for name in found.event], dtype=np.int64)
    time = np.where(known > 0, found.event_day, found.followed_days).astype(np.int64)
    rule = protocol.inference
    curves = incidence_curves(
        found.sample, time, known, events=listed, weeks=weeks, eligible=found.followed_days > 0,
        level=rule.level, minimum_clusters=rule.minimum_departments,
    )  # fmt: skip
    by_arm = {
        arm: np.sort(found.followed_days[found.sample.treated == treated])
        for arm, treated in (("treated", True), ("comparison", False))
    }
    for curve in curves:
        followed = by_arm[curve.arm]
        for week in range(weeks + 1):
            still = (len(followed) - np.searchsorted(followed, 7 * week)) / max(len(followed), 1)
            if still < rule.curve_minimum_share:
                break
            yield {
                "estimand": estimand, "arm": curve.arm, "week": week, "event": curve.name,
                "at_risk": int(curve.persons[week]), "cumulative_incidence": float(curve.value[week]),
                "ci_low": float(curve.ci_low[week]), "ci_high": float(curve.ci_high[week]), "reason": None,
            }  # fmt: skip


def _placebo_row(verdict: PlaceboVerdict, n_treated: int | None) -> Row:
    return {
        "test": verdict.test, "estimand": verdict.estimand, "difference": verdict.difference, "ci_low": verdict.ci_low,
        "ci_high": verdict.ci_high, "passed": verdict.passed, "description": verdict.description, "reason": None,
        "n_treated": n_treated,
    }  # fmt: skip


def _balance_groups(connection: Connection, run: Run) -> list[Row]:
    """Balance of every département of the register and of every stratum, whoever is in them."""
    register = [code for (code,) in connection.execute("SELECT DISTINCT department_code FROM platforms").fetchall()]
    expected = [
        (estimand, kind, stratum)
        for estimand in ESTIMANDS
        for kind, listed in (
            (ALL, (ALL,)),
            (DEPARTMENT, sorted(register)),
            *expected_strata(run.protocol, estimand).items(),
        )
        for stratum in listed
    ]
    keys = ["estimand", "stratum_type", "stratum"]
    found = pd.read_parquet(run.home.artefact(run.release, MATCHING, "balance_summary"))
    whole = pd.DataFrame(expected, columns=keys).merge(found, on=keys, how="left", validate="one_to_one")
    whole[["n_treated", "n_comparison"]] = whole[["n_treated", "n_comparison"]].fillna(0)
    rows: list[Row] = pa.Table.from_pandas(whole, preserve_index=False).to_pylist()
    return rows


def _interactions(protocol: Protocol, estimand: str, found: Analysis | None, reason: str | None) -> Iterator[Row]:
    months, rule = protocol.study.primary_horizon_months, protocol.inference
    tested = (
        {} if found is None
        else {each.subgroup: each for each in interactions(found, rule.subgroups, HEADLINE[1], months, rule)}
    )  # fmt: skip
    for subgroup in rule.subgroups:
        row: Row = {
            "specification": f"interaction_{subgroup}_{estimand.lower()}", "estimand": estimand,
            "outcome": HEADLINE[1], "horizon_months": months, "reason": reason,
            "description": f"effect in one half minus effect in the other: {HALVES[subgroup][0]}",
        }  # fmt: skip
        if subgroup in tested:
            each = tested[subgroup]
            row |= {
                "n_treated": each.n_treated, "n_comparison": each.n_comparison, "difference": each.estimate.value,
                "ci_low": each.estimate.ci_low, "ci_high": each.estimate.ci_high, "p_holm": each.p_holm,
                "reason": withheld(each.estimate, None),
            }  # fmt: skip
        yield row


def _coherence(
    connection: Connection, protocol: Protocol, opened: dict[str, Analysis], held: dict[str, str]
) -> dict[str, Row]:
    """The share accompanied, which the synthesis says; the coherence and the complier effect, for the run's report."""
    rule, months = protocol.inference, protocol.study.primary_horizon_months
    if "ITT" not in opened:
        return {"uptake": {"n_treated": 0, "n_accompanied": 0}, "coherence": {}, "complier": {}}
    told = uptake(connection, protocol, opened["ITT"])
    told_facts: dict[str, Row] = {
        "uptake": {"n_treated": told.n_treated, "n_accompanied": told.n_accompanied}, "coherence": {}, "complier": {},
    }  # fmt: skip
    stated = {
        name: found.difference(HEADLINE[1], months).estimate for name, found in opened.items() if name not in held
    }
    clusters = {"minimum_clusters": rule.minimum_departments}
    if {"ITT", "ATT"} <= set(stated):
        through, distance = coherence(stated["ITT"], stated["ATT"], told.share, **clusters)
        told_facts["coherence"] = {"through_accompaniment": _number(through.value), **_limits(distance)}
    if "ITT" in stated:
        effect = complier_effect(stated["ITT"], told.share, minimum_uptake=rule.minimum_uptake, **clusters)
        told_facts["complier"] = _limits(effect) if effect is not None else {}
    return told_facts


def _limits(found: Estimate) -> Row:
    """An estimate for JSON, days."""
    return {name: _number(getattr(found, name)) for name in ("value", "ci_low", "ci_high")}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _told(row: Row) -> str:
    """An estimate of the facts in one line for the run's report."""
    if row.get("value") is None:
        return "not stated"
    limits = "no interval" if row["ci_low"] is None else f"{row['ci_low']:.1f} to {row['ci_high']:.1f}"
    return f"{row['value']:.1f} days ({limits})"
