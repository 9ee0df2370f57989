"""The rows of the table `savings`: every perimeter at every horizon, before disclosure control.

The programme has one cost: it is taken off a perimeter that holds all allowances, never off one of their parts.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline import database
from pipeline.database import Connection
from pipeline.effects.analysis import Analysis
from pipeline.effects.difference import Difference, matched_difference
from pipeline.effects.rows import Row, withheld
from pipeline.effects.sample import BoolArray, FloatArray, MatchedSample
from pipeline.effects.savings import Net, savings
from pipeline.run import Run
from pipeline.study.step import COHORT, Calendar
from pipeline.tables import codes

EUROS = {
    "allowances": ("allowance_eur",),
    "sickness_allowances": ("sickness_eur",),
    "work_injury_allowances": ("work_injury_eur",),
    "part_time_allowances": ("part_time_eur",),
    "allowances_and_invalidity": ("allowance_eur", "invalidity_eur"),
    "allowances_same_tariff": ("same_tariff_eur",),
}
"""Perimeter -> columns of the table `outcomes` that it adds up."""
OWN = {**{part: EUROS[part][0] for part in codes.ALLOWANCE_PARTS}, "allowances_and_invalidity": "invalidity_eur"}
"""Perimeter -> euros that not everyone has and that a reader learns from it, by subtraction if need be."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of the programme for those who could reach a horizon.

    Attributes:
        per_person: euros; None where no cost is delivered or nobody entered.
        entered: persons of the estimand entered by the end of the entry window.
    """

    per_person: float | None
    entered: int


def savings_rows(
    connection: Connection, run: Run, dates: Calendar, estimand: str, found: Analysis | None, reason: str | None
) -> Iterator[Row]:
    """Rows of one estimand: every perimeter and horizon, with keys and reason alone where the effect is withheld.

    Args:
        connection: with the study's views open.
        run: the release.
        dates: the study's calendar.
        estimand: ITT or ATT.
        found: its matched sample and outcomes; None where they are withheld.
        reason: why they are.
    """
    for months, days in run.protocol.study.horizons_days.items():
        figures = {} if found is None else figures_of(found, months, cost_of(connection, run, dates, estimand, days))
        for perimeter in (code.code for code in codes.PERIMETER):
            keys = {"estimand": estimand, "perimeter": perimeter, "horizon_months": months, "reason": reason}
            yield keys | figures.get(perimeter, {})


def cost_of(connection: Connection, run: Run, dates: Calendar, estimand: str, days: int) -> Cost:
    """Platform costs up to the end of the entry window over the persons of the estimand entered by then.

    The window ends on the last day from which the horizon is still followed whole. Persons are all who entered, matched
    or not: the platforms were paid for all of them.

    Args:
        connection: with the views `programme_costs` and `platforms`.
        run: the release.
        dates: the study's calendar.
        estimand: ITT or ATT.
        days: length of the horizon.
    """
    database.view(connection, "cohort_units", run.home.artefact(run.release, COHORT, "units"))
    parameters = {"last_entry": dates.follow_up_end - dt.timedelta(days=days), "estimand": estimand}
    ((euros, persons),) = connection.execute(database.sql(__file__, "programme_cost"), parameters).fetchall()
    return Cost(None if euros is None or not persons else float(euros) / int(persons), int(persons))


def figures_of(found: Analysis, months: int, cost: Cost) -> dict[str, Row]:
    """Perimeter -> figures of its row at one horizon, those behind it included, without keys.

    Args:
        found: the matched sample and its outcomes.
        months: horizon.
        cost: of the programme, for this horizon.
    """
    horizon, sample, rule = found.horizons[months], found.sample, found.rule

    def difference(values: FloatArray) -> Difference:
        return matched_difference(
            sample, values, horizon.complete, level=rule.level, minimum_clusters=rule.minimum_departments
        )

    on_leave = difference(horizon.outcomes["days_on_leave"])
    rows: dict[str, Row] = {}
    for perimeter, columns in EUROS.items():
        euros = np.sum([horizon.euros[name] for name in columns], axis=0)
        paid, part, own = difference(euros), perimeter in codes.ALLOWANCE_PARTS, OWN.get(perimeter)
        priced = own is None and on_leave.value_comparison > 0
        made = savings(
            paid, on_leave, cost_per_person=None if part else cost.per_person,
            daily_allowance=paid.value_comparison / on_leave.value_comparison if priced else None,
        )  # fmt: skip
        n_treated, n_comparison, largest, others = _behind(
            sample, horizon.euros[own] if own else euros, horizon.complete
        )
        rows[perimeter] = {
            "n_persons": made.n_persons, "n_comparison": made.n_comparison, "n_entered": cost.entered,
            "n_paid_treated": n_treated if own else None, "n_paid_comparison": n_comparison if own else None,
            "largest_share": largest, "others_over_largest": others,
            "gross_eur_per_person": made.gross.value, "gross_ci_low": made.gross.ci_low,
            "gross_ci_high": made.gross.ci_high, "gross_total_eur": made.gross_total_eur,
            "days_avoided_per_person": None if part else made.days_avoided.value,
            "reason": withheld(paid.estimate, None),
        } | ({} if made.net is None else _net(made.net))  # fmt: skip
    return rows


def _net(net: Net) -> Row:
    return {
        "cost_eur_per_person": net.cost_eur_per_person, "net_eur_per_person": net.per_person.value,
        "net_ci_low": net.per_person.ci_low, "net_ci_high": net.per_person.ci_high,
        "cost_total_eur": net.cost_total_eur, "net_total_eur": net.total_eur,
        "probability_net_positive": net.probability_positive,
        "cost_eur_per_day_avoided": net.cost_eur_per_day_avoided,
        "cost_per_day_ci_low": net.cost_per_day_low, "cost_per_day_ci_high": net.cost_per_day_high,
        "break_even_days": net.break_even_days,
    }  # fmt: skip


def _behind(sample: MatchedSample, euros: FloatArray, complete: BoolArray) -> tuple[int, int, float, float]:
    """Persons of each arm with any of these euros, and how few of them hold most, in the arm where it is worst.

    That is the largest share that one of them has in its sum, and what all but the two largest hold over the largest.
    """
    weight = sample.weights(eligible=complete)
    paid, largest, others = [], 0.0, math.inf
    for treated in (True, False):
        rows = sample.order[(weight[sample.order] > 0) & (sample.treated[sample.order] == treated)]
        of_person = np.bincount(sample.person_code[rows], weights=weight[rows] * np.abs(euros[rows]))
        ordered = np.sort(of_person)
        total = float(ordered.sum())
        paid.append(int(np.count_nonzero(of_person)))
        if total > 0:
            largest = max(largest, float(ordered[-1]) / total)
            others = min(others, float(ordered[:-2].sum()) / float(ordered[-1]))
    return paid[0], paid[1], largest, others
