"""Suppression and audit of tables at the size of a country: 20 tables, 100,000 cells, 24 monthly releases.

Persons arrive month after month in 101 départements of 18 regions, 24 platforms and 8 quarters, with characteristics of
2 to 10 modalities, most of them unequal. Fourteen tables cross the territory (département, region, France) with two
characteristics, five cross platform and quarter with one, one counts characteristics alone. Every table holds all its
margins; tables that count by the same characteristics share theirs, cell by cell.

    python -m benchmarks.tables --persons 300000 --releases 24

Each release is published after all those before it, as the step `anonymise` does: secondary suppression over one linear
system, increment rule, readers of every release. Measured: that; the audit by linear programming of every masked count
(true figures as the start, as the step that publishes has them); the comparison with each of the releases before; and
the same audit of a sample of masked counts by two linear programmes each, over the whole system, which is what the
audit would be without its shortcuts.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import optimize

from pipeline.disclosure import ledger
from pipeline.disclosure.deduction import Reading, deduce, deduce_changes
from pipeline.disclosure.measured import counted, moved
from pipeline.disclosure.successive import Publication, publish_all
from pipeline.disclosure.system import Equality, system_of
from pipeline.disclosure.tables import CountTable, Margin, Measure, Rules

RESULTS = Path(__file__).parent / "results" / "tables.json"
K, BASE = 11, 5
REGIONS, PLATFORMS, QUARTERS = 18, 24, 8
MODALITIES = {"sex": 2, "age": 6, "status": 4, "sector": 10, "cause": 6, "risk": 3, "source": 8}
ALL = "all"
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Persons:
    """Codes of each person, in order of arrival."""

    department: Counts
    platform: Counts
    quarter: Counts
    characteristics: dict[str, Counts]
    departments: int

    def first(self, n: int) -> Persons:
        """The first to arrive."""
        return Persons(
            self.department[:n], self.platform[:n], self.quarter[:n],
            {name: codes[:n] for name, codes in self.characteristics.items()}, self.departments,
        )  # fmt: skip


def draw(persons: int, departments: int, seed: int) -> Persons:
    rng = np.random.default_rng(seed)

    def unequal(size: int, shape: float) -> Counts:
        weights = rng.gamma(shape, 1.0, size)
        return rng.choice(size, persons, p=weights / weights.sum())

    return Persons(
        unequal(departments, 1.5), unequal(PLATFORMS, 2.0), rng.integers(0, QUARTERS, persons),
        {name: unequal(size, 1.5) for name, size in MODALITIES.items()}, departments,
    )  # fmt: skip


def cube(codes: list[Counts], sizes: list[int]) -> Counts:
    """Counts over all codes, each axis with its total last."""
    flat = np.ravel_multi_index(codes, sizes)
    counts = np.bincount(flat, minlength=int(np.prod(sizes))).reshape(sizes)
    for axis in range(len(sizes)):
        counts = np.concatenate([counts, counts.sum(axis=axis, keepdims=True)], axis=axis)
    return counts


def territorial(persons: Persons, names: tuple[str, str]) -> CountTable:
    sizes = [MODALITIES[name] for name in names]
    by_department = cube(
        [persons.department, *(persons.characteristics[n] for n in names)], [persons.departments, *sizes]
    )
    region_of = np.arange(persons.departments) % REGIONS
    regions = min(REGIONS, persons.departments)
    by_region = np.zeros((regions, *by_department.shape[1:]), np.int64)
    np.add.at(by_region, region_of, by_department[:-1])
    counts = np.concatenate([by_department[:-1], by_region, by_department[-1:]])
    region = [f"R{r:02d}" for r in region_of] + [f"R{r:02d}" for r in range(regions)] + [ALL]
    department = [f"D{d:03d}" for d in range(persons.departments)] + [ALL] * (regions + 1)
    inner = list(itertools.product(*([f"{m}" for m in range(size)] + [ALL] for size in sizes)))
    frame = pa.table(
        {
            "region": np.repeat(region, len(inner)),
            "department": np.repeat(department, len(inner)),
            "one": [one for one, _ in inner] * len(region),
            "other": [other for _, other in inner] * len(region),
            "n": counts.ravel(),
        }
    )
    keys = ("region", "department", "one", "other")
    margins = tuple(Margin((name,), {name: ALL}) for name in ("department", "region", "one", "other"))
    return CountTable(f"territory_{names[0]}_{names[1]}", frame, keys, (Measure("n"),), margins)


def of_platforms(persons: Persons, name: str) -> CountTable:
    size = MODALITIES[name]
    codes = [persons.platform, persons.quarter, persons.characteristics[name]]
    counts = cube(codes, [PLATFORMS, QUARTERS, size])
    keys = ("platform", "quarter", "one")
    listed = [
        [f"P{i:02d}" for i in range(PLATFORMS)] + [ALL], [f"Q{i}" for i in range(QUARTERS)] + [ALL],
        [f"{i}" for i in range(size)] + [ALL],
    ]  # fmt: skip
    columns = list(zip(*itertools.product(*listed), strict=True))
    frame = pa.table({**{key: list(column) for key, column in zip(keys, columns, strict=True)}, "n": counts.ravel()})
    margins = tuple(Margin((key,), {key: ALL}) for key in keys)
    return CountTable(f"platform_{name}", frame, keys, (Measure("n"),), margins)


def profile(persons: Persons) -> CountTable:
    rows = [("all", ALL, len(persons.department))]
    for name, size in MODALITIES.items():
        counted = np.bincount(persons.characteristics[name], minlength=size)
        rows += [(name, f"{code}", int(n)) for code, n in enumerate(counted)]
    variable, modality, n = zip(*rows, strict=True)
    frame = pa.table({"variable": variable, "modality": modality, "n": n})
    whole = Margin(("variable", "modality"), {"variable": "all", "modality": ALL}, within=("variable",))
    return CountTable("profile", frame, ("variable", "modality"), (Measure("n"),), (whole,))


def tables_of(persons: Persons) -> tuple[list[CountTable], list[Equality]]:
    """Twenty tables and the margins that they share."""
    pairs = sorted(itertools.combinations(MODALITIES, 2), key=lambda pair: -MODALITIES[pair[0]] * MODALITIES[pair[1]])
    crossed = pairs[:14]
    tables = [territorial(persons, pair) for pair in crossed]
    tables += [of_platforms(persons, name) for name in ("age", "status", "sector", "cause", "source")]
    tables.append(profile(persons))
    shared: dict[tuple[Any, ...], tuple[str, tuple[str, ...], str]] = {}
    found = []
    for table in tables:
        for row in table.frame.drop_columns(["n"]).to_pylist():
            what = _what(table, row)
            cell = (table.name, tuple(row.values()), "n")
            if what is None:
                continue
            if what in shared and shared[what][0] != table.name:
                found.append(Equality(shared[what], (cell,), "the same persons counted in two tables"))
            shared.setdefault(what, cell)
    return tables, found


def _what(table: CountTable, row: dict[str, str]) -> tuple[Any, ...] | None:
    """Whom a cell counts; None for cells that no other table can hold."""
    kind, *names = table.name.split("_")
    if kind == "profile":
        return ("", "", "", "", *sorted([(row["variable"], row["modality"])] if row["modality"] != ALL else []))
    told = [(name, row[key]) for name, key in zip(names, ("one", "other"), strict=False) if row[key] != ALL]
    if len(told) > 1:
        return None
    place = [row.get(key, ALL) for key in ("region", "department", "platform", "quarter")]
    return (*("" if code == ALL else code for code in place), *told)


def months(persons: int, departments: int, releases: int, seed: int) -> Iterator[Persons]:
    """Persons known at each release: half at the first, then as many more each month."""
    everyone = draw(persons, departments, seed)
    for number in np.linspace(persons / 2, persons, releases).astype(int):
        yield everyone.first(int(number))


class Timed:
    """Seconds on the clock and of the processor of a block."""

    def __enter__(self) -> Timed:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._began[0]
        self.cpu = time.process_time() - self._began[1]

    def figures(self, name: str) -> dict[str, float]:
        """For the results."""
        return {f"{name}_seconds": round(self.seconds, 1), f"{name}_cpu_seconds": round(self.cpu, 1)}


def peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)


def hidden(table: CountTable, made: Publication) -> npt.NDArray[np.bool_]:
    """Bool `(1, rows)`: the counts that are not shown."""
    return made.table["n"].is_null().to_numpy()[None, :]


def naive(reading: Reading, sample: int, seed: int) -> dict[str, float]:
    """Two linear programmes over the whole system for each of a few masked counts."""
    rng = np.random.default_rng(seed)
    cells = rng.choice(np.flatnonzero(reading.secret), sample, replace=False)
    high = np.minimum(reading.high, 4 * float(np.nanmax(reading.system.values)))
    sums = optimize.LinearConstraint(reading.matrix, 0, 0)
    with Timed() as clock:
        for cell, sign in itertools.product(cells, (1.0, -1.0)):
            objective = np.zeros(len(high))
            objective[cell] = sign
            limits = optimize.Bounds(reading.low, high)
            optimize.milp(objective, constraints=sums, bounds=limits, options={"time_limit": 120.0})
    return {"naive_cells": sample, "naive_cpu_seconds_a_cell": round(clock.cpu / sample, 2)}


def measure(persons: int, departments: int, releases: int, seed: int, base: int, sample: int) -> dict[str, Any]:
    """Every release protected and audited."""
    kept: dict[str, Reading] = {}
    history: list[tuple[str, pa.Table]] = []
    load = round(os.getloadavg()[0], 1)
    found: dict[str, Any] = {"persons": persons, "departments": departments, "k": K, "base": base, "seed": seed}
    found |= {"load_before": load, "releases": []}
    for number, known in enumerate(months(persons, departments, releases, seed)):
        month = f"{2024 + number // 12}-{number % 12 + 1:02d}"
        tables, equalities = tables_of(known)
        # Every release has the same cells: the last one has the last word on each.
        previous = history[-1][1] if history else ledger.CELLS.empty_table()
        with Timed() as suppression:
            made = publish_all(
                tables, previous, Rules(K, mask_zero=True), base=base, equalities=equalities, history=history, kept=kept
            )
        history.append((month, pa.concat_tables([each.cells for each in made])))
        system = system_of(tables, equalities, k=K)
        masked = system.flat([hidden(table, each) for table, each in zip(tables, made, strict=True)])
        primary = np.nan_to_num(system.values) < K
        reading = Reading.before(system, masked & (system.counter < 0), K, base)
        with Timed() as audit:
            verdict = deduce(reading)
        seen = Reading(
            [replace(t, frame=each.table) for t, each in zip(tables, made, strict=True)], equalities, K, base
        )
        exposed = 0
        with Timed() as comparison:
            now = counted(history[-1][1])
            for (_, cells), before in zip(history, kept.values(), strict=False):
                exposed += len(deduce_changes(seen, before, moved=partial(moved, now=now, then=counted(cells))).exposed)
        kept[month] = seen
        cell = {"cells": system.size, "sums": len(system.labels), "masked": round(float(masked.mean()), 4)}
        cell |= {"masked_primary": round(float(primary.mean()), 4), **suppression.figures("suppression")}
        cell |= {**audit.figures("audit"), **comparison.figures("comparison"), "changes_exposed": exposed}
        for name in ("counts", "groups", "exact", "certified", "open", "narrowest", "programmes"):
            cell[name] = getattr(verdict, name)
        cell |= {"exposed": len(verdict.exposed), "peak_gib": peak()}
        if number == 0 and sample:
            cell |= naive(reading, sample, seed)
        found["releases"].append(cell)
        print(json.dumps(cell), flush=True)
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--persons", type=int, default=1_000_000, help="at the last release")
    parser.add_argument("--departments", type=int, default=101)
    parser.add_argument("--releases", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--base", type=int, default=BASE, help="rounding base; 1 = exact, the harder case")
    parser.add_argument("--sample", type=int, default=3, help="masked counts of the naive reference")
    args = parser.parse_args()
    found = measure(args.persons, args.departments, args.releases, args.seed, args.base, args.sample)
    RESULTS.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
