"""What the records of many worlds say of the study."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.proportion import proportion_confint

from benchmarks.certify.naive import NAIVE
from benchmarks.certify.store import CELL, DIAGNOSTIC
from benchmarks.certify.world import DIAGNOSTICS, NOTHING_HAPPENS, OUTCOMES
from pipeline.effects.jackknife import student_quantile
from pipeline.effects.sensitivity import holm
from pipeline.study.step import ESTIMANDS

LEVEL, COVERAGE_FLOOR = 0.95, 0.92
GOAL_OUTCOMES = ("days_on_leave", "sustained_return_to_work")
"""Outcomes for which the goal is set."""
NORMAL_REACH = 1.959964
Records = list[dict[str, Any]]
Figures = NDArray[np.float64]


def figures(records: Records, estimand: str, outcome: str) -> tuple[Figures, NDArray[np.bool_]]:
    """Figures of one estimand and outcome, of the worlds that have an interval.

    Returns:
        float64[worlds, len(CELL) + 1], the standard error last, and for each world whether its gate did not fail.
    """
    rows, passed = [], []
    for record in records:
        cell = record[estimand]
        held = cell["outcomes"][OUTCOMES.index(outcome)] if "outcomes" in cell else [None]
        if None not in held:
            rows.append([*held, held[CELL.index("half_width")] / student_quantile(0.5 + LEVEL / 2, cell["df"])])
            passed.append(cell["gate"] != "fail")
    return np.array(rows, dtype=np.float64).reshape(-1, len(CELL) + 1), np.array(passed, dtype=np.bool_)


def share(hits: NDArray[np.bool_]) -> tuple[float, float, float]:
    """A share with its Wilson interval; nan without any."""
    if not hits.size:
        return (np.nan, np.nan, np.nan)
    low, high = proportion_confint(int(hits.sum()), hits.size, method="wilson")
    return float(hits.mean()), float(low), float(high)


def measured(found: Figures, passed: NDArray[np.bool_]) -> dict[str, float]:
    """What many worlds say of one estimator, see the module's command line.

    Args:
        found: as `figures` gives them.
        passed: whether the gate of each did not fail.
    """
    truth, estimate, half, individual, se = found.T
    error = estimate - truth
    holds, excludes = np.abs(error) <= half, np.abs(estimate) > half
    worlds = len(found)
    spread = float(error.std(ddof=1)) if worlds > 1 else np.nan
    coverage, low, high = share(holds)
    alarms, alarms_low, alarms_high = share(excludes)
    among, among_low, among_high = share(holds[passed])
    return {
        "worlds": worlds,
        "coverage": coverage, "coverage_low": low, "coverage_high": high,
        "coverage_passed": among, "coverage_passed_low": among_low, "coverage_passed_high": among_high,
        "coverage_individual": float((np.abs(error) <= individual).mean()),
        "excludes_zero": alarms, "excludes_zero_low": alarms_low, "excludes_zero_high": alarms_high,
        "effect": float(truth.mean()), "bias": float(error.mean()), "bias_se": spread / np.sqrt(worlds),
        "sd": spread, "se_ratio": float(se.mean()) / spread if spread else np.nan,
        "width": float(2 * half.mean()),
        "width_ratio": float(half.mean()) / (NORMAL_REACH * spread) if spread else np.nan,
    }  # fmt: skip


def goal_met(of: dict[str, float]) -> bool:
    """95 % lies in the Wilson interval of the coverage, which is at least 92 %."""
    return of["coverage_low"] <= LEVEL <= of["coverage_high"] and of["coverage"] >= COVERAGE_FLOOR


def summary(effect: str, records: Records) -> list[str]:
    """The figures of one effect as text.

    Args:
        effect: of the worlds.
        records: one a world.
    """
    seeds = [record["seed"] for record in records]
    lines = [f"{effect}: {len(seeds)} worlds" + (f", seeds {min(seeds)} to {max(seeds)}" if seeds else "")]
    if not records:
        return lines
    cpu = np.mean([record["seconds"][1] for record in records])
    lines[0] += f", {cpu:.1f} CPU seconds a world"
    if len(seeds) < max(seeds):
        lines.append(f"  {max(seeds) - len(seeds)} seeds are not done yet: nothing can be concluded")
    for estimand in ESTIMANDS:
        failed = np.array([record[estimand]["gate"] == "fail" for record in records])
        lines.append(f"  {estimand}: gate failed in {_interval(share(failed))} of the worlds")
        for outcome in OUTCOMES:
            found, passed = figures(records, estimand, outcome)
            if len(found) > 1:
                lines += _outcome(effect, outcome, measured(found, passed))
        lines += _diagnostics(records, estimand)
    lines.append("  naive comparisons, days on leave, estimate - true effect on the accompanied")
    for name in NAIVE:
        errors = np.array([e for record in records if (e := record["naive"][name]) is not None])
        if errors.size:
            lines.append(
                f"    {name:26s} mean error {errors.mean():+8.2f} days, {errors.min():+.1f} to {errors.max():+.1f}"
            )
    return lines


def _outcome(effect: str, outcome: str, of: dict[str, float]) -> list[str]:
    nothing_happens = effect in NOTHING_HAPPENS
    goal = ""
    if outcome in GOAL_OUTCOMES:
        goal = " goal met" if goal_met(of) else " GOAL MISSED"
    alarms = "false alarms" if nothing_happens else "power"
    if nothing_happens and outcome in GOAL_OUTCOMES:
        held = of["excludes_zero_low"] <= 1 - LEVEL <= of["excludes_zero_high"]
        alarms = f"false alarms ({'goal met' if held else 'GOAL MISSED'})"
    of_effect = "" if nothing_happens else f" = {of['bias'] / of['effect']:+.1%} of the effect"
    excludes = (of["excludes_zero"], of["excludes_zero_low"], of["excludes_zero_high"])
    passed = (of["coverage_passed"], of["coverage_passed_low"], of["coverage_passed_high"])
    return [
        f"    {outcome}: coverage {_interval((of['coverage'], of['coverage_low'], of['coverage_high']))}{goal}; "
        f"gate not failed {_interval(passed)}; individual level only {of['coverage_individual']:.1%}",
        f"      effect {of['effect']:+.4g}, bias {of['bias']:+.3g} (se {of['bias_se']:.2g}){of_effect}; "
        f"{alarms} {_interval(excludes)}",
        f"      width {of['width']:.4g}, {of['width_ratio']:.2f} x ideal; se/SD {of['se_ratio']:.2f}",
    ]


def _diagnostics(records: Records, estimand: str) -> list[str]:
    """How often each diagnostic finds something by itself, and how often one of them does after Holm's adjustment."""
    column = DIAGNOSTIC.index("p")
    held = [record[estimand].get("diagnostics", [None] * len(DIAGNOSTICS)) for record in records]
    p_values = [[None if each is None else each[column] for each in tested] for tested in held]
    lines = []
    for position, name in enumerate(DIAGNOSTICS):
        p = np.array([tested[position] for tested in p_values if tested[position] is not None], dtype=np.float64)
        if p.size:
            lines.append(f"    diagnostic {name}: p < 5 % in {_interval(share(p < 1 - LEVEL))}")
    found = np.array([_finds(tested) for tested in p_values])
    gated = np.array([record[estimand]["gate"] == "fail" for record in records])
    lines.append(f"    one of its diagnostics, after Holm: {_interval(share(found))}")
    lines.append(f"    flagged by the gate or by one of them: {_interval(share(gated | found))}")
    return lines


def _finds(p: list[float | None]) -> bool:
    """Whether one of several tests rejects after Holm's adjustment over those that have a p-value."""
    known = [value for value in p if value is not None]
    return bool(known) and min(holm(known)) < 1 - LEVEL


def _interval(values: tuple[float, float, float]) -> str:
    value, low, high = values
    return "none" if np.isnan(value) else f"{value:.1%} ({low:.1%} to {high:.1%})"
