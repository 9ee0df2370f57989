"""The step `effects`: every estimate of the release, still with the persons behind it, before disclosure control.

A failed gate withholds an estimand before its outcomes are opened; a failed placebo withholds it after. Withheld rows
keep their keys, have no value and say why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import database
from pipeline.database import Connection
from pipeline.effects import savings_table, whole
from pipeline.effects.analysis import OUTCOME_UNITS, Analysis, analysis
from pipeline.effects.curves import incidence_curves, share_curves
from pipeline.effects.difference import Difference, matched_difference
from pipeline.effects.jackknife import TOO_FEW_CLUSTERS
from pipeline.effects.placebo import Placebo, PlaceboVerdict, placebo_family
from pipeline.effects.power import minimum_detectable_effect
from pipeline.effects.savings_table import savings_rows
from pipeline.effects.sensitivity import e_value_of_difference, outcome_standard_deviation
from pipeline.leave.step import forget
from pipeline.matching.units import Design
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.study.states import member_states, weekly_states
from pipeline.study.step import COHORT, ESTIMANDS, MATCHING, OUTCOMES_STEP, Calendar, open_study
from pipeline.study.strata import ALL, DEPARTMENT, expected_strata, strata_of
from pipeline.tables import codes
from pipeline.tables.model import Role
from pipeline.tables.published import published

STEP = "effects"
HEADLINE = ("ITT", "days_on_leave")
STRATUM_OUTCOMES = ("days_on_leave", "sustained_return_to_work")
GATE, PLACEBO = "gate", "placebo"
NOT_RAW = ("release", "suppressed", "suppression_reason")
Row = dict[str, Any]


def estimate(run: Run) -> StepReport:
    """Write the estimate tables `impact`, curves, `savings`, `balance`, `sensitivity`, `placebo`, `power`, `flow`."""
    home, release, protocol = run.home, run.release, run.protocol
    verdicts = json.loads(home.artefact(release, MATCHING, "gate", "json").read_text(encoding="utf-8"))
    held = {name: GATE for name in ESTIMANDS if verdicts[name]["status"] == "fail"}
    tables: dict[str, list[Row]] = {
        name: [] for name in ("impact", "return_to_work_curve", "on_leave_curve", "savings", "power")
    }
    report, facts = StepReport(), {"gate": verdicts}
    with database.connect(home.scratch) as connection:
        open_study(connection, home, release)
        dates = Calendar.load(home.artefact(release, COHORT, "calendar", "json"))
        opened = {name: open_estimand(run, name) for name in ESTIMANDS if name not in held}
        opened = {name: found for name, found in opened.items() if found.members.num_rows}
        held |= {name: GATE for name in ESTIMANDS if name not in opened}
        run.progress("estimating", 0, 4)
        placebos, tested = _placebos(connection, run, dates, opened)
        held |= {v.estimand: PLACEBO for v in placebos if v.passed is False and v.estimand not in held}
        run.progress("estimating", 1, 4)
        specifications = _specifications(connection, run, dates, opened, held)
        run.progress("estimating", 2, 4)
        for estimand in ESTIMANDS:
            found = None if estimand in held else opened[estimand]
            reason = held.get(estimand)
            tables["impact"] += _impact(protocol, estimand, found, reason)
            tables["power"] += _power(protocol, estimand, opened.get(estimand))
            tables["savings"] += savings_rows(connection, run, dates, estimand, found, reason)
            tables["on_leave_curve"] += _on_leave(run, estimand, found, reason)
            tables["return_to_work_curve"] += _incidence(protocol, estimand, found, reason)
        run.progress("estimating", 3, 4)
        facts["uptake"] = _uptake(connection, opened.get("ITT"), protocol)
        balance_groups = _balance_groups(connection, run)
    tables["placebo"] = [_placebo_row(verdict, tested.get(verdict.test)) for verdict in placebos]
    tables["sensitivity"] = specifications
    tables["balance"] = pq.read_table(home.artefact(release, MATCHING, "balance")).to_pylist()
    tables["balance_groups"] = balance_groups
    frames = {name: raw_frame(name, rows) for name, rows in tables.items()}
    facts["held"] = held
    for name, frame in frames.items():
        frame.to_parquet(home.artefact(release, STEP, name))
        report.rows[name] = len(frame)
    home.artefact(release, STEP, "facts", "json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    for verdict in placebos:
        if verdict.passed is False:
            report.failures[f"placebo:{verdict.test}"] = f"{verdict.test} finds an effect where there can be none"
    report.tables["Placebo tests"] = frames["placebo"]
    report.figures["effect withheld"] = ", ".join(f"{k}: {v}" for k, v in held.items()) or "no"
    run.progress("estimating", 4, 4)
    return report


PERSONS_BEHIND: dict[str, tuple[str, ...]] = {
    "on_leave_curve": ("n_persons",),
    "savings": savings_table.PERSONS_BEHIND,
    "power": ("n_comparison",),
    "balance": ("n_treated",),
    "balance_groups": ("n_treated", "n_comparison"),
    "sensitivity": ("n_treated", "n_comparison"),
    "placebo": ("n_treated",),
}
"""Columns of a raw table that are not published: the persons its figures rest on, for the disclosure control."""


def raw_frame(name: str, rows: list[Row]) -> pd.DataFrame:
    """Rows of an estimate table with every column it can have, whatever was withheld; figures as float64.

    Args:
        name: published table.
        rows: what was estimated; a withheld row holds its keys and its reason alone.
    """
    declared = published(name)
    numbers = [c.name for c in declared if c.role in (Role.COUNT, Role.ESTIMATE)] + list(PERSONS_BEHIND.get(name, ()))
    texts = [c.name for c in declared if c.name not in numbers and c.name not in NOT_RAW]
    frame = pd.DataFrame(rows, columns=[*texts, *numbers, "reason"])
    frame[numbers] = frame[numbers].astype("float64")
    frame["reason"] = frame["reason"].astype(object).where(frame["reason"].notna(), None)
    return frame


def open_estimand(run: Run, estimand: str) -> Analysis:
    """Outcomes of one estimand: called only for those the gate let through."""
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
        estimand, read["members"], read["units"], read["outcomes"], read["events"],
        protocol.study.horizons_days, protocol.inference,
    )  # fmt: skip


def _withheld(difference: Difference, reason: str | None) -> str | None:
    if reason is not None:
        return reason
    return TOO_FEW_CLUSTERS if difference.estimate.reason == TOO_FEW_CLUSTERS else None


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
            row |= _difference(found.difference(outcome, months, among))
            if not math.isnan(row["difference"]) and outcome != "days_on_leave_change":
                known = found.horizons[months].known(outcome)
                eligible = known if among is None else known & among
                sd = outcome_standard_deviation(found.sample, found.horizons[months].outcomes[outcome], eligible)
                row["e_value"] = e_value_of_difference(found.difference(outcome, months, among).estimate, sd).point
        yield row


def _difference(found: Difference) -> Row:
    estimate_ = found.estimate
    return {
        "n_treated": found.n_treated, "n_comparison": found.n_comparison,
        "value_treated": found.value_treated, "value_comparison": found.value_comparison,
        "difference": estimate_.value, "ci_low": estimate_.ci_low, "ci_high": estimate_.ci_high,
        "ci_method": estimate_.method, "reason": _withheld(found, None),
    }  # fmt: skip


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
                    "reason": _withheld(difference, None),
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
    followed = np.sort(found.followed_days)
    for curve in curves:
        for week in range(weeks + 1):
            still = (len(followed) - np.searchsorted(followed, 7 * week)) / max(len(followed), 1)
            if still < rule.curve_minimum_share:
                break
            yield {
                "estimand": estimand, "arm": curve.arm, "week": week, "event": curve.name,
                "at_risk": int(curve.persons[week]), "cumulative_incidence": float(curve.value[week]),
                "ci_low": float(curve.ci_low[week]), "ci_high": float(curve.ci_high[week]), "reason": None,
            }  # fmt: skip


def _placebos(
    connection: Connection, run: Run, dates: Calendar, opened: dict[str, Analysis]
) -> tuple[tuple[PlaceboVerdict, ...], dict[str, int]]:
    """The tests that must find nothing, taken together (Holm); and the treated persons behind each that was carried."""
    protocol = run.protocol
    months = protocol.study.primary_horizon_months
    family: list[Placebo] = []
    persons: dict[str, int] = {}

    def add(test: str, estimand: str, difference: Difference | None, tested: str, why_not: str) -> None:
        if difference is None:
            family.append(Placebo(test, estimand, None, f"not tested: {why_not}"))
            return
        family.append(Placebo(test, estimand, difference.estimate, tested))
        persons[test] = difference.n_treated

    no_comparison = "no comparison passed the gate"
    for estimand in ESTIMANDS:
        found, difference = opened.get(estimand), None
        if found is not None:
            difference = matched_difference(
                found.sample,
                found.members["days_before"].to_numpy().astype(np.float64),
                found.horizons[months].complete,
                level=protocol.inference.level,
                minimum_clusters=protocol.inference.minimum_departments,
            )
        tested = "days on leave in months -18 to -7 before the leave, in the matched sample"
        add(f"pre_period_days_{estimand.lower()}", estimand, difference, tested, no_comparison)
    difference, why_not, played = None, no_comparison, 0
    if "ITT" in opened:
        units = _eligible_units(run, "ITT")
        difference, played = whole.placebo_departments(connection, protocol, dates, units)
        why_not = f"{played} comparison départements are too few to play designated ones"
    tested = f"{played} comparison départements played as if designated, days on leave at {months} months"
    add("placebo_departments", "ITT", difference, tested, why_not)
    shift, difference, why_not = protocol.inference.placebo_shift_months, None, no_comparison
    if "ITT" in opened:
        difference = whole.placebo_opening(connection, protocol, dates)
        open_study(connection, run.home, run.release)  # the placebo moved the opening dates
        why_not = f"not enough history before an opening {shift} months earlier"
    tested = f"platforms played as if opened {shift} months earlier, days on leave at {months} months"
    add("placebo_opening", "ITT", difference, tested, why_not)
    return placebo_family(family, level=protocol.inference.placebo_level), persons


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


def _eligible_units(run: Run, estimand: str) -> pa.Table:
    units = pq.read_table(run.home.artefact(run.release, COHORT, "units"))
    return units.filter(pc.equal(units["estimand"], estimand)).sort_by("unit")


def _specifications(
    connection: Connection, run: Run, dates: Calendar, opened: dict[str, Analysis], held: dict[str, str]
) -> list[Row]:
    """The headline's difference with one decision changed at a time."""
    protocol, months = run.protocol, run.protocol.study.primary_horizon_months
    base = Design.of(protocol.matching)
    designs = {
        "caliper_0_1": (replace(base, caliper_sd=0.1), "caliper 0.1 SD"),
        "caliper_none": (replace(base, caliper_sd=None), "no caliper"),
        "ratio_1": (replace(base, ratio=1), "one control per treated"),
        "ratio_5": (replace(base, ratio=5), "five controls per treated"),
        "with_replacement": (replace(base, replacement=True), "controls may serve several treated"),
    }
    rows: list[Row] = []

    def add(name: str, estimand: str, description: str, difference: Difference | None) -> None:
        row: Row = {
            "specification": f"{name}_{estimand.lower()}", "estimand": estimand, "outcome": "days_on_leave",
            "horizon_months": months, "description": description, "reason": held.get(estimand),
        }  # fmt: skip
        if difference is not None and estimand not in held:
            found = _difference(difference)
            row |= {
                name: found[name] for name in ("n_treated", "n_comparison", "difference", "ci_low", "ci_high", "reason")
            }
        rows.append(row)

    def attempt(units: pa.Table | None, estimand: str, design: Design, rule: Protocol = protocol) -> Difference | None:
        if units is None or estimand in held:
            return None
        try:
            return whole.variant(connection, rule, dates, units, estimand, design)
        except whole.NOT_POSSIBLE:
            return None

    for estimand in ESTIMANDS:
        units = _eligible_units(run, estimand) if estimand in opened else None
        add(
            "protocol",
            estimand,
            "the protocol itself",
            opened[estimand].difference("days_on_leave", months) if estimand in opened else None,
        )
        for name, (design, description) in designs.items():
            add(name, estimand, description, attempt(units, estimand, design))
        employees = None if units is None else units.filter(pc.equal(units["status"], "employee"))
        add("without_self_employed", estimand, "employees alone", attempt(employees, estimand, base))
    if "ITT" in opened and "ITT" not in held:
        later = protocol.model_copy(update={"study": protocol.study.model_copy(update={"trigger_days": 90})})
        add(
            "trigger_90", "ITT", "time zero at 90 days on leave", _rebuilt(connection, later, dates, attempt, gap=False)
        )
        for gap in (0, 7, 30):
            changed = protocol.model_copy(update={"leave": protocol.leave.model_copy(update={"gap_days": gap})})
            difference = _rebuilt(connection, changed, dates, attempt, gap=True)
            add(f"gap_{gap}", "ITT", f"paid periods up to {gap} days apart are one leave", difference)
    else:
        for name, description in (
            ("trigger_90", "time zero at 90 days on leave"),
            *((f"gap_{g}", f"paid periods up to {g} days apart are one leave") for g in (0, 7, 30)),
        ):
            add(name, "ITT", description, None)
    return rows


def _rebuilt(
    connection: Connection, protocol: Protocol, dates: Calendar, attempt: Any, *, gap: bool
) -> Difference | None:
    make = whole.units_with_gap if gap else whole.units_under
    try:
        units = make(connection, protocol, dates)["ITT"]
        found: Difference | None = attempt(units, "ITT", Design.of(protocol.matching), protocol)
        return found
    except whole.NOT_POSSIBLE:
        return None
    finally:
        if gap:
            forget(connection)


def _uptake(connection: Connection, found: Analysis | None, protocol: Protocol) -> Row:
    """Share of the treated ITT persons accompanied within the primary horizon, for the coherence line."""
    if found is None:
        return {"n_treated": 0, "n_accompanied": 0}
    complete = found.horizons[protocol.study.primary_horizon_months].complete
    treated = found.members.filter(pa.array(found.sample.treated & complete))
    connection.register("treated_members", treated.select(["person", "time_zero"]))
    ((persons, accompanied),) = connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE person IN (SELECT r.person FROM reports r JOIN agreements a USING "
        "(person, case_number) WHERE a.scope = 'accompaniment' AND a.event = 'agreement' AND r.first_contact_date < "
        "m.time_zero + CAST($days AS INTEGER))) FROM treated_members m",
        {"days": protocol.study.primary_horizon_days},
    ).fetchall()
    return {"n_treated": int(persons), "n_accompanied": int(accompanied)}
