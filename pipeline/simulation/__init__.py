"""Synthetic deliveries with a known truth: what `pdp simulate` writes, and worlds drawn without a file."""

from __future__ import annotations

import json
from pathlib import Path

from pipeline.simulation.config import WorldConfig
from pipeline.simulation.paths import Progress
from pipeline.simulation.programme import EFFECTS
from pipeline.simulation.truth import true_effects
from pipeline.simulation.world import World, draw_world
from pipeline.simulation.write import write_deliveries

__all__ = ["EFFECTS", "World", "WorldConfig", "draw_world", "simulate", "true_effects", "write_deliveries"]


def simulate(
    landing: Path,
    *,
    start: str = "2021-07",
    months: int = 36,
    history_months: int = 24,
    persons: int = 48_000,
    seed: int = 1,
    effect: str = "moderate",
    departments: int = 40,
    designated: int = 12,
    fault_share: float = 0.0,
    progress: Progress | None = None,
) -> Path:
    """Write synthetic monthly deliveries and the true effects beside them.

    Args:
        landing: folder to fill with `YYYY-MM/` deliveries.
        start: month in which the first platforms open, `YYYY-MM`.
        months: deliveries from `start` on.
        history_months: deliveries before it.
        persons: insured persons.
        seed: seed of every draw.
        effect: one of `EFFECTS`.
        departments: départements of the territory.
        designated: how many of them open a platform.
        fault_share: share of rows made to break the input contract.
        progress: called with the name of a stage, the items done and the items in all.

    Returns:
        Path of `truth.json`, beside `landing`, never inside it.

    Raises:
        ValueError: an argument is out of range, or `effect` names no effect.
        FileExistsError: `landing` already holds deliveries of these months.
    """
    config = WorldConfig(start, months, history_months, persons, seed, effect, departments, designated, fault_share)
    world = draw_world(config, progress)
    write_deliveries(world, landing, progress)
    truth = landing.resolve().parent / "truth.json"
    truth.write_text(json.dumps(true_effects(world), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return truth
