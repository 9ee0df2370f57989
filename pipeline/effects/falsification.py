"""Tests that must find nothing, each by the effect's own functions; together they decide whether the effect is told.

- Days on leave before the leave: in months -18 to -7 (`pre_period_days`) and, as a negative-control outcome, in months
  -36 to -25 (`negative_control_days`), which lie outside everything that is matched on. No programme changes the past;
  what makes leaves long has made them long before.
- Death within the horizon (`negative_control_death`): a negative-control outcome after time zero (Lipsitch, Tchetgen &
  Cohen 2010, Epidemiology 21:383). Severity makes leaves long and shortens lives; helping somebody keep a job is not
  expected to change who dies within a year. New work accidents or long-term illness would not do: a return to work
  exposes to the first, a long leave has the second recognised.
- Comparison départements played as designated, platforms played as opened earlier, and those who refused to be
  accompanied played as accompanied (`refused_att`): see `pipeline.effects.whole`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline import database
from pipeline.database import Connection
from pipeline.effects import whole
from pipeline.effects.analysis import Analysis
from pipeline.effects.difference import Difference, matched_difference
from pipeline.effects.placebo import Placebo, PlaceboVerdict, placebo_family
from pipeline.effects.sample import BoolArray, FloatArray
from pipeline.leave.window import months_after
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.study.step import ESTIMANDS, Calendar, open_study

NO_COMPARISON = "no comparison passed the gate"
OUTSIDE_MATCHING = (1095, 731)
"""First and last day before the leave of the negative control: the year before the 24 months that are matched on."""


def placebos(
    connection: Connection, run: Run, dates: Calendar, opened: dict[str, Analysis]
) -> tuple[tuple[PlaceboVerdict, ...], dict[str, int]]:
    """Run the tests and judge them together (Holm).

    Args:
        connection: with the study's views open; they are open again on return.
        run: the run, for the protocol and the released units.
        dates: the study's calendar.
        opened: estimands that passed the gate.

    Returns:
        The verdicts, the same tests whatever the data carry, and the treated persons behind each that was carried.
    """
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

    for estimand in ESTIMANDS:
        found, suffix = opened.get(estimand), estimand.lower()
        before = past = None
        difference, why_not, tested = None, NO_COMPARISON, ""
        past_why, past_tested = NO_COMPARISON, ""
        if found is not None:
            complete = found.horizons[months].complete
            before = _difference(found, found.members["days_before"].to_numpy().astype(np.float64), complete, protocol)
            days, known = prior_days(connection, protocol, dates, found)
            share = float(known[found.sample.treated & complete].mean()) if complete.any() else 0.0
            past = _difference(found, days, complete & known, protocol) if share else None
            past_why = "payment lines do not reach back 36 months before any leave"
            past_tested = (
                "negative-control outcome: days on leave in months -36 to -25 before the leave, outside what is "
                f"matched on; {share:.0%} of the treated have lines that old"
            )
            difference, why_not = death_difference(connection, protocol, found)
            tested = f"negative-control outcome: share who died within {months} months"
        pre_period = "days on leave in months -18 to -7 before the leave, in the matched sample"
        add(f"pre_period_days_{suffix}", estimand, before, pre_period, NO_COMPARISON)
        add(f"negative_control_days_{suffix}", estimand, past, past_tested, past_why)
        add(f"negative_control_death_{suffix}", estimand, difference, tested, why_not)
    units = whole.released_units(run, "ITT")
    difference, why_not, played = None, NO_COMPARISON, 0
    if "ITT" in opened:
        difference, played = whole.placebo_departments(connection, protocol, dates, units)
        why_not = f"{played} comparison départements are too few to play designated ones"
    tested = f"{played} comparison départements played as if designated, days on leave at {months} months"
    add("placebo_departments", "ITT", difference, tested, why_not)
    shift, difference, why_not = protocol.inference.placebo_shift_months, None, NO_COMPARISON
    if "ITT" in opened:
        difference = whole.placebo_opening(connection, protocol, dates)
        open_study(connection, run.home, run.release)  # the placebo moved the opening dates
        why_not = f"not enough history before an opening {shift} months earlier"
    tested = f"platforms played as if opened {shift} months earlier, days on leave at {months} months"
    add("placebo_opening", "ITT", difference, tested, why_not)
    difference, why_not = None, NO_COMPARISON
    if not protocol.inference.refusal_test:
        why_not = "left out by the protocol"
    elif "ATT" in opened:
        difference, _ = whole.refused(connection, protocol, dates, units)
        why_not = "too few persons on leave refused to be accompanied"
    tested = f"persons who refused played as if accompanied, days on leave at {months} months"
    add("refused_att", "ATT", difference, tested, why_not)
    return placebo_family(family, level=protocol.inference.placebo_level), persons


def prior_days(
    connection: Connection, protocol: Protocol, dates: Calendar, found: Analysis
) -> tuple[FloatArray, BoolArray]:
    """Days on leave of each member in the window `OUTSIDE_MATCHING` before its leave.

    Returns:
        float64[n] days, and bool[n]: payment lines reach back that far. They are whole from the month after the first
        one delivered on, as for `Calendar.history_from`.
    """
    lines_from = months_after(dates.history_from, -protocol.study.history_months)
    members = pa.table(
        {"member": found.members["member"], "person": found.members["person"], "start_date": found.units["start_date"]}
    )
    connection.register("members", members)
    values = {"from_day": OUTSIDE_MATCHING[0], "to_day": OUTSIDE_MATCHING[1], "lines_from": lines_from}
    database.create(connection, "prior_days", database.sql(__file__, "prior_days"), values)
    counted = connection.sql("SELECT * FROM prior_days ORDER BY member").to_arrow_table()
    return (
        counted["days"].to_numpy().astype(np.float64),
        counted["known"].to_numpy(zero_copy_only=False).astype(np.bool_),
    )


def death_difference(connection: Connection, protocol: Protocol, found: Analysis) -> tuple[Difference | None, str]:
    """Share who died within the primary horizon, treated minus comparison.

    Returns:
        The difference, None where fewer than the safe-harbour number of persons died in an arm: too few to tell
        anything, and to be told of; and why it would be None.
    """
    connection.register("members", found.members.select(["member", "person", "time_zero"]))
    days = protocol.study.primary_horizon_days
    listed = connection.execute(
        "SELECT m.member FROM members AS m JOIN persons AS p USING (person) "
        "WHERE p.death_date >= m.time_zero AND p.death_date < m.time_zero + CAST($days AS INTEGER)",
        {"days": days},
    ).fetchall()
    dead: BoolArray = np.isin(found.members["member"].to_numpy(), [member for (member,) in listed])
    complete = found.horizons[protocol.study.primary_horizon_months].complete
    sample, why_not = found.sample, "too few deaths within the horizon"
    counts = [sample.count_persons(dead & complete & (sample.treated == arm)) for arm in (True, False)]
    if min(counts) < protocol.disclosure.k:
        return None, why_not
    return _difference(found, dead.astype(np.float64), complete, protocol), why_not


def _difference(found: Analysis, outcome: FloatArray, eligible: BoolArray, protocol: Protocol) -> Difference:
    rule = protocol.inference
    return matched_difference(
        found.sample, outcome, eligible, level=rule.level, minimum_clusters=rule.minimum_departments
    )
