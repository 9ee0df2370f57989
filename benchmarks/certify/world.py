"""One world: drawn, taken through the study in memory, its estimates set beside its truth."""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.certify.bridge import open_world
from benchmarks.certify.naive import naive_comparisons
from pipeline import database
from pipeline.database import Connection
from pipeline.effects.analysis import Analysis, analysis
from pipeline.effects.coherence import coherence, uptake
from pipeline.effects.difference import matched_difference
from pipeline.effects.falsification import prior_days
from pipeline.effects.jackknife import Estimate, two_sided_p
from pipeline.effects.whole import placebo_departments, refused, units_under
from pipeline.home import Home, Landing
from pipeline.matching.passage import Passage
from pipeline.matching.step import match
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.simulation import World, WorldConfig, draw_world, true_effects
from pipeline.simulation.config import month_text
from pipeline.study.step import COHORT, ESTIMANDS, MATCHING, Calendar, events_of, outcomes_of

OUTCOMES = ("days_on_leave", "sustained_return_to_work", "days_on_leave_change", "allowance_eur")
MONTHS = 12
TRUTH_OF = {"days_on_leave_change": "days_on_leave"}
"""What came before time zero is the same on both paths: the effect on the change is that on the days."""


@dataclass(frozen=True)
class Studied:
    """A world after its matching and its outcomes.

    Attributes:
        connection: with the study's tables open.
        run: home in a temporary folder; holds `units`, `members` and the gate.
        dates: the study's calendar.
        units: estimand -> eligible units.
        found: estimand -> matched sample with its outcomes at 12 months; absent where no comparison was possible.
        gate: estimand -> status and sentences.
    """

    connection: Connection
    run: Run
    dates: Calendar
    units: dict[str, pa.Table]
    found: dict[str, Analysis]
    gate: dict[str, Any]


def study(
    connection: Connection, world: World, folder: Path, protocol: Protocol, number: np.ndarray | None = None
) -> Studied:
    """Take a world through the study, whatever the gate says.

    Args:
        connection: a fresh database in memory.
        world: a world.
        folder: an empty folder for the files that steps exchange.
        protocol: the study protocol.
        number: of the insured, see `open_world`.
    """
    release = month_text(world.config.last_delivery)
    run = Run(Home(folder).prepare(), Landing(folder), protocol, release)
    dates = open_world(connection, world, protocol, number)
    units = units_under(connection, protocol, dates)
    pq.write_table(pa.concat_tables(list(units.values())), run.home.artefact(release, COHORT, "units"))
    dates.save(run.home.artefact(release, COHORT, "calendar", "json"))
    match(run)
    members = pq.read_table(run.home.artefact(release, MATCHING, "members"))
    found = _analysed(connection, protocol, dates, members, units)
    gate = json.loads(run.home.artefact(release, MATCHING, "gate", "json").read_text(encoding="utf-8"))
    return Studied(connection, run, dates, units, found, gate)


def _analysed(
    connection: Connection, protocol: Protocol, dates: Calendar, members: pa.Table, units: dict[str, pa.Table]
) -> dict[str, Analysis]:
    """Both estimands at the main horizon alone; their members are followed together, numbered one after the other."""
    days = protocol.study.horizons_days[MONTHS]
    members = members.sort_by([("estimand", "ascending"), ("member", "ascending")])
    own, place = members["member"], members.schema.get_field_index("member")
    together = members.set_column(place, "member", pa.array(np.arange(len(members))))

    def named(measured: pa.Table, months: int | None = None) -> pa.Table:
        measured = measured.set_column(measured.schema.get_field_index("member"), "member", own)
        measured = measured.append_column("estimand", members["estimand"])
        return measured.append_column("horizon_months", pa.array([months] * len(measured), pa.int64()))

    outcomes = named(outcomes_of(connection, protocol, dates, together, days), MONTHS)
    events = named(events_of(connection, protocol, dates, together))
    return {
        # Leave the gate did not give: what it would have withheld is measured too, and told apart.
        estimand: analysis(
            Passage(estimand, "warn"), members, units[estimand], outcomes, events, {MONTHS: days}, protocol.inference
        )
        for estimand in ESTIMANDS
        if pc.any(pc.equal(members["estimand"], estimand)).as_py()
    }


def pre_period_days(studied: Studied, estimand: str) -> Estimate | None:
    """Days on leave in months -18 to -7 before the leave, in the matched sample."""
    found = studied.found[estimand]
    rule = studied.run.protocol.inference
    return matched_difference(
        found.sample,
        found.members["days_before"].to_numpy().astype(float),
        found.horizons[MONTHS].complete,
        level=rule.level,
        minimum_clusters=rule.minimum_departments,
    ).estimate


def days_outside_matching(studied: Studied, estimand: str) -> Estimate | None:
    """Days on leave in months -36 to -25 before the leave, of those whose payment lines reach back."""
    found = studied.found[estimand]
    protocol = studied.run.protocol
    days, known = prior_days(studied.connection, protocol, studied.dates, found)
    counted = known & found.horizons[MONTHS].complete
    if not counted.any():
        return None
    rule = protocol.inference
    return matched_difference(
        found.sample, days, counted, level=rule.level, minimum_clusters=rule.minimum_departments
    ).estimate


def departments_played(studied: Studied, estimand: str) -> Estimate | None:
    """Comparison départements played as designated; the ITT's."""
    if estimand != "ITT":
        return None
    found, _ = placebo_departments(studied.connection, studied.run.protocol, studied.dates, studied.units["ITT"])
    return None if found is None else found.estimate


def refusal(studied: Studied, estimand: str) -> Estimate | None:
    """Those who refused, played as accompanied; the ATT's."""
    if estimand != "ATT":
        return None
    found, _ = refused(studied.connection, studied.run.protocol, studied.dates, studied.units["ITT"])
    return None if found is None else found.estimate


def distance_of_estimands(studied: Studied, estimand: str) -> Estimate | None:
    """ITT less share accompanied times ATT, printed beside the effects; told with the ATT, which takes it for 0."""
    if estimand != "ATT" or "ITT" not in studied.found:
        return None
    protocol, found = studied.run.protocol, studied.found
    share = uptake(studied.connection, protocol, found["ITT"]).share
    itt, att = (found[name].difference("days_on_leave", MONTHS).estimate for name in ("ITT", "ATT"))
    return coherence(itt, att, share, minimum_clusters=protocol.inference.minimum_departments)[1]


Diagnostic = Callable[[Studied, str], Estimate | None]
DIAGNOSTICS: dict[str, Diagnostic] = {
    "pre_period_days": pre_period_days,
    "negative_control_days": days_outside_matching,
    "placebo_departments": departments_played,
    "refused_att": refusal,
    "coherence": distance_of_estimands,
}
"""Name -> effect found where there can be none, for one estimand; None where the data cannot carry it.

Whatever is added here is recorded for every world and read by the summary.
"""
UNMOVED = ("placebo_departments", "refused_att")
"""Diagnostics on persons whom no programme touches, each with a matching of its own: a third of a world's time."""
NOTHING_HAPPENS = ("null", "selection")


def certify(effect: str, seed: int, persons: int, protocol: Protocol | None = None) -> dict[str, Any]:
    """The record of one world.

    It holds its seed, what the truth says of it (`n`, as in `store.N`, and `uptake`), by estimand the gate, outcomes
    (`OUTCOMES`, figures as in `store.CELL`) and diagnostics (`store.DIAGNOSTIC`), the errors of the naive comparisons,
    and seconds (elapsed, of processor).

    Args:
        effect: one of the simulator's effects.
        seed: of the world.
        persons: insured drawn.
        protocol: the project's by default.
    """
    started = time.perf_counter(), time.process_time()
    protocol = protocol or Protocol.load()
    world = draw_world(WorldConfig(persons=persons, seed=seed, effect=effect))
    truth = true_effects(world)
    with tempfile.TemporaryDirectory(prefix="certify-") as folder, database.connect(threads=1) as connection:
        studied = study(connection, world, Path(folder), protocol)
        n = [truth["n"][name] for name in ("itt", "contacted", "accompanied", "refused", "withdrawn")]
        record: dict[str, Any] = {"seed": seed, "n": n, "uptake": _short(truth["uptake"])}
        for estimand in ESTIMANDS:
            record[estimand] = _estimates(studied, estimand, effect, truth[estimand])
        true_att = truth["ATT"]["days_on_leave"][str(MONTHS)]
        naive = naive_comparisons(connection, protocol, studied.dates, studied.units, seed)
        record["naive"] = {
            name: None if value is None or true_att is None else _short(value - true_att)
            for name, value in naive.items()
        }
    record["seconds"] = [round(time.perf_counter() - started[0], 1), round(time.process_time() - started[1], 1)]
    return record


def _estimates(studied: Studied, estimand: str, effect: str, truth: dict[str, Any]) -> dict[str, Any]:
    gate = studied.gate[estimand]
    cell: dict[str, Any] = {"gate": gate["status"]}
    # Sentences on what lies within chance are many and decide nothing.
    if failed := [sentence for sentence in gate["sentences"] if gate["status"] == "fail" and _fails(sentence)]:
        cell["failed"] = failed
    found = studied.found.get(estimand)
    if found is None:
        return cell
    differences = [found.difference(outcome, MONTHS) for outcome in OUTCOMES]
    cell |= {"n_treated": differences[0].n_treated, "df": _short(differences[0].estimate.df)}
    cell["outcomes"] = [
        [
            _short(value)
            for value in (
                truth[TRUTH_OF.get(outcome, outcome)][str(MONTHS)],
                difference.estimate.value,
                _half(difference.estimate),
                _half(difference.individual),
            )
        ]
        for outcome, difference in zip(OUTCOMES, differences, strict=True)
    ]
    cell["diagnostics"] = [
        None if tested is None else [_short(tested.value), _short(two_sided_p(tested))]
        for tested in (_tested(studied, estimand, effect, name) for name in DIAGNOSTICS)
    ]
    return cell


def _tested(studied: Studied, estimand: str, effect: str, name: str) -> Estimate | None:
    """A diagnostic, unless it is one that no effect can move and the world has one: the worlds without tell it."""
    if name in UNMOVED and effect not in NOTHING_HAPPENS:
        return None
    return DIAGNOSTICS[name](studied, estimand)


def _fails(sentence: str) -> bool:
    return sentence.endswith(": fail") or not sentence.endswith((": warn", ": pass"))


def _half(estimate: Estimate) -> float:
    """Half the width of an interval, which is symmetric around its estimate."""
    return (estimate.ci_high - estimate.ci_low) / 2


def _short(value: float | None) -> float | None:
    """Four significant digits: far below the spread between worlds."""
    return None if value is None or math.isnan(value) else float(f"{value:.4g}")
