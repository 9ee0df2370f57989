"""Matching and weighting at the size of a country: `python -m benchmarks.matching`.

Each case runs in a process of its own: the population is drawn and scored (not timed), the compiled loops are called
once on a small part of it, and the best of three runs counts. Peak memory is that of the process up to then, population
included. Where something others maintain does the nearest thing, it runs afterwards in the same process and on the same
numbers: a ratio of processor times below 1 is faster. scipy's tree does less: it knows no caliper, no stratum, and lets
a control serve many.

R's figures beside them are facts from another machine (MatchIt 4.7.2 and `glm`, R 4.2.2; one thread).

Results go to `benchmarks/results/matching.json`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from pipeline.matching.entropy import entropy_weights
from pipeline.matching.mahalanobis import mahalanobis_space
from pipeline.matching.nearest import nearest_neighbour
from pipeline.matching.problem import caliper_width
from pipeline.matching.propensity import logit_scores
from pipeline.matching.strata import coarsened_exact
from pipeline.release.version import code_version

RESULTS = Path(__file__).parent / "results" / "matching.json"
SEED = 20_260_101
RUNS = 3
Float = npt.NDArray[np.float64]
Timed = Callable[[], Any]


@dataclass(frozen=True)
class People:
    """A drawn population, in random row order.

    Attributes:
        treated: bool[n].
        numbers: age, days on leave in the 12 months before, elapsed days, wage, earlier leaves: float64[n, 5].
        model: the 27 columns of the propensity model.
        cell: exact cell (cause, sector, sex, age band: 1,200 of them), int64[n].
    """

    treated: npt.NDArray[np.bool_]
    numbers: Float
    model: Float
    cell: npt.NDArray[np.int64]

    def part(self, n: int) -> People:
        """The first n."""
        return People(self.treated[:n], self.numbers[:n], self.model[:n], self.cell[:n])


def draw_people(n_treated: int, n_control: int) -> People:
    """Treated persons are older, more often ill before and longer on leave; they come from heavier sectors."""
    draw = np.random.default_rng(SEED)
    n = n_treated + n_control
    treated = np.zeros(n, dtype=np.bool_)
    treated[draw.choice(n, n_treated, replace=False)] = True
    heavier = 1 + 0.35 * treated

    def category(kinds: int, own: Float, theirs: Float) -> npt.NDArray[np.int64]:
        out = np.empty(n, dtype=np.int64)
        for arm, odds in ((treated, own), (~treated, theirs)):
            out[arm] = draw.choice(kinds, int(arm.sum()), p=odds / odds.sum())
        return out

    cause = category(12, np.linspace(3, 1, 12), np.linspace(2, 1.5, 12))
    sector = category(10, np.linspace(1, 2, 10), np.ones(10))
    sex = (draw.random(n) < 0.52 + 0.05 * treated).astype(np.int64)
    age = np.clip(draw.normal(45 + 3 * treated, 10), 18, 66).round(3)
    before = np.clip(draw.gamma(1.5, 25 * heavier), 0, 365).round(2)
    elapsed = (60 + draw.gamma(2.0, 40 * heavier)).round(2)
    wage = np.exp(draw.normal(7.6 - 0.1 * treated, 0.35)).round(2)
    spells = draw.poisson(0.8 * heavier).astype(np.float64)
    numbers = np.column_stack([age, before, elapsed, wage, spells])
    kinds = [cause[:, None] == np.arange(1, 12), sector[:, None] == np.arange(1, 10)]
    model = np.column_stack([numbers, sex, *kinds, age**2]).astype(np.float64)
    cell = ((cause * 10 + sector) * 2 + sex) * 5 + np.searchsorted([30, 40, 50, 58], age)
    return People(treated, numbers, model, cell)


def best(work: Timed, runs: int = RUNS) -> dict[str, float]:
    """Seconds of the fastest run, by the clock and of processor time."""
    seconds, processor = [], []
    for _ in range(runs):
        started, used = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    return {"seconds": min(seconds), "cpu_seconds": min(processor)}


def beside(name: str, work: Timed) -> dict[str, Any]:
    """The reference, once, on one thread as everything here."""
    with threadpool_limits(limits=1):
        found = best(work, 1)
    return {"reference": name} | {f"reference_{key}": value for key, value in found.items()}


def matching(people: People, logit: Float, *, exact: bool, ratio: int, space: bool = False) -> Timed:
    """Nearest neighbours within 0.2 SD of the logit."""
    treated, row = people.treated, np.arange(len(logit))
    caliper = caliper_width(logit, 0.2)
    options: dict[str, Any] = {"ratio": ratio, "caliper": caliper}
    if exact:
        options |= {"stratum_treated": people.cell[treated], "stratum_control": people.cell[~treated]}

    def work() -> Any:
        if space:
            coordinates = mahalanobis_space(people.numbers, treated)
            options["space_treated"], options["space_control"] = coordinates[treated], coordinates[~treated]
        own, theirs = logit[treated], logit[~treated]
        return nearest_neighbour(own, theirs, tie_treated=row[treated], tie_control=row[~treated], **options)

    return work


def nearest_of_all(points: Float, treated: npt.NDArray[np.bool_], k: int) -> Timed:
    """Scipy's tree: build it on the controls, ask it the k nearest of every treated."""
    from scipy.spatial import cKDTree

    return lambda: cKDTree(points[~treated]).query(points[treated], k=k)


def pairs_case(n_treated: int, n_control: int, **options: Any) -> dict[str, Any]:
    """One nearest-neighbour case with scipy's tree as the reference."""
    people = draw_people(n_treated, n_control)
    logit = logit_scores(people.model, people.treated).logit
    small = people.part(20_000)
    matching(small, logit[:20_000], **options)()
    work = matching(people, logit, **options)
    found = best(work) | {"peak_gib": peak(), "pairs": len(work().pairs)}
    points = mahalanobis_space(people.numbers, people.treated) if options.get("space") else logit[:, None]
    return found | beside("scipy cKDTree", nearest_of_all(points, people.treated, options["ratio"]))


def propensity_case() -> dict[str, Any]:
    """The propensity model on 520,000 persons, with statsmodels as the reference."""
    import statsmodels.api as sm

    people = draw_people(20_000, 500_000)
    logit_scores(*(getattr(people.part(20_000), name) for name in ("model", "treated")))
    found = best(lambda: logit_scores(people.model, people.treated)) | {"peak_gib": peak()}
    design = sm.add_constant((people.model - people.model.mean(axis=0)) / people.model.std(axis=0))
    return found | beside("statsmodels Logit", lambda: sm.Logit(people.treated.astype(float), design).fit(disp=False))


def weights_case() -> dict[str, Any]:
    """Entropy weights on the 27 columns of 520,000 persons."""
    people = draw_people(20_000, 500_000)
    small = people.part(20_000)
    entropy_weights(small.model, small.treated)
    return best(lambda: entropy_weights(people.model, people.treated)) | {"peak_gib": peak()}


def strata_case() -> dict[str, Any]:
    """Coarsened exact matching of 520,000 persons on five numbers within the exact cells."""
    people = draw_people(20_000, 500_000)

    def work() -> Any:
        return coarsened_exact(people.numbers, people.treated, cutpoints="q5", categories=people.cell[:, None])

    return best(work) | {"peak_gib": peak(), "strata": work().n_strata}


CASES: dict[str, tuple[Callable[[], dict[str, Any]], dict[str, float]]] = {
    "1:1 on the logit, 20,000 x 500,000": (
        lambda: pairs_case(20_000, 500_000, exact=False, ratio=1),
        {"goal": 0.25, "r_seconds": 0.218},
    ),
    "1:3 within 1,200 cells, 20,000 x 500,000": (
        lambda: pairs_case(20_000, 500_000, exact=True, ratio=3),
        {"goal": 1.0, "r_seconds": 9.39},
    ),
    "1:3 within 1,200 cells, 100,000 x 900,000": (
        lambda: pairs_case(100_000, 900_000, exact=True, ratio=3),
        {"goal": 5.0, "r_seconds": 83.0},
    ),
    "propensity, 520,000 x 27": (propensity_case, {"goal": 2.0, "r_seconds": 4.72}),
    "Mahalanobis within the caliper, 20,000 x 500,000": (
        lambda: pairs_case(20_000, 500_000, exact=False, ratio=1, space=True),
        {},
    ),
    "Mahalanobis within caliper and cells, 1:3": (
        lambda: pairs_case(20_000, 500_000, exact=True, ratio=3, space=True),
        {},
    ),
    "coarsened exact, 520,000": (strata_case, {}),
    "entropy weights, 520,000 x 27": (weights_case, {}),
}
"""What is measured; the seconds it should take; R's seconds on another machine (MatchIt 4.7.2, and R's `glm`)."""


def peak() -> float:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _measured(name: str, answer: Any) -> None:
    answer.put(CASES[name][0]())


def measure(name: str) -> dict[str, Any]:
    """One case in a fresh process."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_measured, args=(name, answer))
    process.start()
    found = dict(answer.get()) | CASES[name][1]
    process.join()
    if "reference" in found:
        found["ratio"] = found["cpu_seconds"] / found["reference_cpu_seconds"]
    return {key: round(value, 3) if isinstance(value, float) else value for key, value in found.items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES), help="cases, all by default")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    for name in args.case:
        cell = found[name] = {"load_before": round(os.getloadavg()[0], 2)} | measure(name)
        goal = f", goal {cell['goal']:g} s" if "goal" in cell else ""
        ratio = f", {cell['ratio']:.2f} x {cell['reference']}" if "ratio" in cell else ""
        seconds = f"{cell['seconds']:>8.3f} s ({cell['cpu_seconds']:.3f} s of processor)"
        print(f"{name:<52}{seconds}{goal}{ratio}, {cell['peak_gib']:.2f} GiB", flush=True)
    RESULTS.write_text(json.dumps({"code": code_version(), "seed": SEED, "cases": found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
