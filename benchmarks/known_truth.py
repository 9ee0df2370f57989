"""Estimates against a known truth: `python -m benchmarks.known_truth --effect strong --worlds 10`.

Draws worlds with seeds 1 to n (none left out), takes each from its deliveries to its estimates through the steps of
the road, and compares the 95 % intervals with the truth that the simulator computed from counterfactual paths.

Results go to `benchmarks/results/known_truth_<effect>_<persons>.json`, one entry a world as it is done: a stopped run
of the same code goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from statsmodels.stats.proportion import proportion_confint

from pipeline.deliveries.step import ingest
from pipeline.effects.power import minimum_detectable_effect
from pipeline.effects.step import open_estimand
from pipeline.home import Home, Landing
from pipeline.identity.step import pseudonymise
from pipeline.leave.step import rebuild_leaves
from pipeline.matching.step import match
from pipeline.protocol import Protocol
from pipeline.release.version import code_version
from pipeline.run import Run
from pipeline.simulation import simulate
from pipeline.study.cohort import build_cohort
from pipeline.study.step import ESTIMANDS, measure_outcomes

RESULTS = Path(__file__).parent / "results"
OUTCOMES = ("days_on_leave", "sustained_return_to_work")
MONTHS = 12
MDE = "minimum_detectable_effect"


def one_world(effect: str, seed: int, persons: int) -> dict[str, Any]:
    """Simulate, run the road up to the outcomes, and set each estimate beside its truth."""
    folder = Path(tempfile.mkdtemp(prefix="pdp-world-"))
    started = time.perf_counter()
    try:
        truth = json.loads(
            simulate(folder / "landing", persons=persons, seed=seed, effect=effect).read_text(encoding="utf-8")
        )
        landing = Landing(folder / "landing")
        run = Run(Home(folder / "home").prepare(), landing, Protocol.load(), landing.deliveries("9999-12")[-1])
        for step in (ingest, pseudonymise, rebuild_leaves, build_cohort, match, measure_outcomes):
            step(run)
        gate = json.loads(run.home.artefact(run.release, "matching", "gate", "json").read_text(encoding="utf-8"))
        found: dict[str, Any] = {"seed": seed, "seconds": None, "uptake": truth["uptake"], "n": truth["n"]}
        for estimand in ESTIMANDS:
            members = pq.read_table(run.home.artefact(run.release, "matching", "members"), columns=["estimand"])
            if estimand not in members["estimand"].unique().to_pylist():
                found[estimand] = {"gate": gate[estimand]["status"]}
                continue
            analysed = open_estimand(run, estimand)
            cell: dict[str, Any] = {"gate": gate[estimand]["status"]}
            for outcome in OUTCOMES:
                difference = analysed.difference(outcome, MONTHS)
                estimate = difference.estimate
                cell[outcome] = {
                    "truth": truth[estimand][outcome][str(MONTHS)],
                    "estimate": estimate.value,
                    "ci_low": estimate.ci_low,
                    "ci_high": estimate.ci_high,
                    "n_treated": difference.n_treated,
                    MDE: minimum_detectable_effect(estimate),
                }
            found[estimand] = cell
        found["seconds"] = round(time.perf_counter() - started, 1)
        return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def summary(worlds: list[dict[str, Any]]) -> list[str]:
    """One line per estimand and outcome: coverage with its Wilson interval, exclusions of zero, bias, width, gate."""
    lines = []
    for estimand in ESTIMANDS:
        for outcome in OUTCOMES:
            cells = [w[estimand][outcome] for w in worlds if outcome in w[estimand]]
            if not cells:
                lines.append(f"{estimand} {outcome}: no estimate")
                continue
            inside = sum(c["ci_low"] <= c["truth"] <= c["ci_high"] for c in cells)
            low, high = proportion_confint(inside, len(cells), method="wilson")
            excludes = sum(not c["ci_low"] <= 0 <= c["ci_high"] for c in cells)
            mean = {
                k: math.fsum(c[k] for c in cells) / len(cells)
                for k in ("truth", "estimate", "minimum_detectable_effect")
            }
            width = math.fsum(c["ci_high"] - c["ci_low"] for c in cells) / len(cells)
            lines.append(
                f"{estimand} {outcome}: {inside} of {len(cells)} intervals hold the truth "
                f"(Wilson {low:.2f} to {high:.2f}); {excludes} exclude zero; "
                f"mean truth {mean['truth']:.3f}, mean estimate {mean['estimate']:.3f}, "
                f"mean width {width:.3f}, mean minimum detectable effect {mean[MDE]:.3f}"
            )
        gates = [w[estimand]["gate"] for w in worlds]
        lines.append(
            f"{estimand} gate: {', '.join(f'{status} {gates.count(status)}' for status in sorted(set(gates)))}"
        )
    return lines


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--effect", default="null")
    parser.add_argument("--worlds", type=int, default=10, help="seeds 1 to this number")
    parser.add_argument("--persons", type=int, default=48_000)
    args = parser.parse_args()
    path = RESULTS / f"known_truth_{args.effect}_{args.persons}.json"
    RESULTS.mkdir(exist_ok=True)
    made_by = {"code": code_version(), "protocol": Protocol.load().sha256}
    worlds: list[dict[str, Any]] = []
    if path.exists():
        stored = json.loads(path.read_text(encoding="utf-8"))
        if all(stored.get(name) == value for name, value in made_by.items()):  # other code, other worlds
            worlds = stored["worlds"]
    done = {world["seed"] for world in worlds}
    for seed in range(1, args.worlds + 1):
        if seed in done:
            continue
        worlds.append(one_world(args.effect, seed, args.persons))
        worlds.sort(key=lambda world: world["seed"])
        content = {"effect": args.effect, "persons": args.persons, **made_by, "worlds": worlds}
        path.write_text(json.dumps(content, indent=1), encoding="utf-8")
        print(f"world {seed} of {args.worlds}: {worlds[-1]['seconds']} s", file=sys.stderr, flush=True)
    print("\n".join(summary([world for world in worlds if world["seed"] <= args.worlds])))


if __name__ == "__main__":
    main()
