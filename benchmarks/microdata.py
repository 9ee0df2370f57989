"""Loss and speed of the microdata engine: `python -m benchmarks.microdata`.

Each case runs in a process of its own: the persons are read or drawn (not timed), the compiled loops are called once on
a small table, then one run counts, from the table to the published rows; the checker's verdict on them is not timed.
Peak memory is that of the process up to the end of the run, persons included.

Loss is what the engine minimises. Discernibility (persons that each cannot be told from, summed) and persons per class
are not. Figures of others are facts from another machine (ARX 3.9.2 and anjana), on the same data and hierarchies for
Adult; the million persons they were measured on are not these.

Adult is read from the folder `--adult` (`adult.csv` and its hierarchies, from the ARX repository); without it its cases
are left out. Results go to `benchmarks/results/microdata.json`.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from pipeline.disclosure.hierarchy import Hierarchy
from pipeline.disclosure.microdata import AnonymisedMicrodata, anonymise, anonymise_globally
from pipeline.disclosure.verify import verify
from pipeline.release.version import code_version

RESULTS = Path(__file__).parent / "results" / "microdata.json"
ADULT = Path(__file__).parents[2] / "shared" / "reference" / "anonymity"
SEED = 20_260_102
Data = tuple[pa.Table, dict[str, Hierarchy]]


@dataclass(frozen=True)
class Case:
    """What is measured, and what is known of others.

    Attributes:
        left_out: columns of Adult that are not quasi-identifiers; None = the million persons.
        k: least persons in a class.
        goal: seconds it should take.
        distinct: sensitive column -> distinct values asked.
        entropy: sensitive column -> exp(entropy) asked.
        everywhere: one recoding for all, at most 5 % suppressed.
        others: named reference -> its loss, and seconds where known.
    """

    left_out: tuple[str, ...] | None
    k: int
    goal: float = 5.0
    distinct: Mapping[str, int] = field(default_factory=dict)
    entropy: Mapping[str, float] = field(default_factory=dict)
    everywhere: bool = False
    others: Mapping[str, tuple[float, float | None]] = field(default_factory=dict)


ALL = ("salary-class",)
CASES = {
    "Adult, 8 columns, k = 2": Case(ALL, 2, others={"ARX local": (0.0229, 2.4)}),
    "Adult, 8 columns, k = 5": Case(ALL, 5, others={"ARX local": (0.0515, 15.9)}),
    "Adult, 8 columns, k = 10": Case(ALL, 10, others={"ARX local": (0.0747, 9.4)}),
    "Adult, 8 columns, k = 11": Case(ALL, 11, others={"ARX local": (0.0782, 18.4)}),
    "Adult, 7 columns, k = 5, 3 occupations": Case((*ALL, "occupation"), 5, distinct={"occupation": 3}),
    "Adult, 7 columns, k = 5, occupations worth 3": Case((*ALL, "occupation"), 5, entropy={"occupation": 3.0}),
    "Adult, 8 columns, k = 5, one recoding": Case(
        ALL, 5, everywhere=True, others={"ARX global": (0.279, None), "anjana": (0.327, 12.6)}
    ),
    "a million, 6 columns, k = 11": Case(None, 11, goal=20.0),
}


def adult(folder: Path, left_out: tuple[str, ...]) -> Data:
    """30,162 persons, and the hierarchies of the quasi-identifiers kept."""
    table = pa_csv.read_csv(folder / "adult.csv", parse_options=pa_csv.ParseOptions(delimiter=";"))
    hierarchies = {}
    for name in table.column_names:
        if name not in left_out:
            with (folder / f"adult_hierarchy_{name}.csv").open(encoding="utf-8") as lines:
                hierarchies[name] = Hierarchy.from_rows(list(csv.reader(lines, delimiter=";")))
    return table.append_column("id", pa.array(np.arange(len(table)))), hierarchies


def million(n: int = 1_000_000) -> Data:
    """Skewed, correlated categories: six columns of 2 to 96 values, each after one hidden number and chance."""
    draw = np.random.default_rng(SEED)
    hidden = draw.normal(size=n)
    columns: dict[str, pa.Array] = {}
    hierarchies = {}
    for number, (leaves, widths) in enumerate(
        ((2, ()), (6, ()), (10, (3,)), (24, (2, 8)), (60, (5, 15)), (96, (8, 32)))
    ):
        mixed = 0.65 * hidden + 0.525 * draw.normal(size=n)
        share = (np.argsort(np.argsort(mixed)) + 0.5) / n
        code = np.minimum((share**2.2 * leaves).astype(np.int64), leaves - 1)
        names = np.array([f"v{i}" for i in range(leaves)])
        columns[f"q{number}"] = pa.array(names[code])
        hierarchies[f"q{number}"] = Hierarchy.from_rows(
            [(f"v{i}", *(f"{width} from {i // width * width}" for width in widths), "*") for i in range(leaves)]
        )
    return pa.table({**columns, "id": np.arange(n)}), hierarchies


def run(case: Case, table: pa.Table, hierarchies: Mapping[str, Hierarchy]) -> AnonymisedMicrodata:
    """The case on these persons."""
    rules: dict[str, Any] = {
        "quasi_identifiers": hierarchies, "k": case.k, "sensitive": case.distinct, "entropy": case.entropy, "key": "id",
    }  # fmt: skip
    return anonymise_globally(table, **rules) if case.everywhere else anonymise(table, **rules)


def measure(case: Case, folder: Path) -> dict[str, Any]:
    """Figures of one case; the published rows are checked.

    Raises:
        RuntimeError: the checker refuses them.
    """
    table, hierarchies = million() if case.left_out is None else adult(folder, case.left_out)
    run(case, table.slice(0, 1000), hierarchies)
    started, used = time.perf_counter(), time.process_time()
    result = run(case, table, hierarchies)
    seconds = {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - used}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    verdict = verify(
        result.table.to_pydict(),
        hierarchies={name: hierarchy.as_paths() for name, hierarchy in hierarchies.items()},
        k=case.k, sensitive=case.distinct, entropy=case.entropy,
    )  # fmt: skip
    if not verdict.passed or verdict.rows != len(table):
        raise RuntimeError("; ".join(verdict.failures) or "persons are missing")
    return {
        "loss": result.loss, **seconds, "goal": case.goal, "peak_gib": peak, "persons": len(table),
        "classes": result.classes, "smallest_class": verdict.smallest_class, "average_class": result.average_class,
        "discernibility": result.discernibility, "suppressed": result.suppressed,
        "others": {name: {"loss": loss, "seconds": taken} for name, (loss, taken) in case.others.items()},
    }  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", nargs="+", choices=CASES, default=list(CASES), help="cases, all by default")
    parser.add_argument("--adult", type=Path, default=ADULT, help="folder of Adult and its hierarchies")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    for name in args.case:
        if CASES[name].left_out is not None and not args.adult.exists():
            print(f"{name:<46}left out: no Adult in {args.adult}")
            continue
        load = round(os.getloadavg()[0], 2)
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
            cell = {"load_before": load} | process.submit(measure, CASES[name], args.adult).result()
        found[name] = {key: round(value, 5) if isinstance(value, float) else value for key, value in cell.items()}
        others = "".join(f", {other} {known['loss']:g}" for other, known in cell["others"].items())
        print(
            f"{name:<46}loss {cell['loss']:.5f}{others}; {cell['seconds']:.1f} s ({cell['cpu_seconds']:.1f} s of "
            f"processor), {cell['peak_gib']:.2f} GiB; {cell['average_class']:.2f} persons per class, discernibility "
            f"{cell['discernibility']:.3g}",
            flush=True,
        )
    RESULTS.write_text(json.dumps({"code": code_version(), "seed": SEED, "cases": found}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
