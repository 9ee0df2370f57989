"""Payment lines to leaves to cohorts, at the size of a country: `python -m benchmarks.leaves --lines 1e6 1e7 1e8`.

For each size, in one run and each in a process of its own (so that peak memory is its own):

- `reference`: DuckDB reads the columns that the rules use, lines in arrival order, and groups them by person (one
  aggregate a column). Nothing can rebuild leaves without at least that.
- `spells`: the SQL of `pipeline/leave` from the same file to leave spells held in memory.
- `leave`: the whole step, which also writes spells, days, payments and ends to Parquet.
- `cohort`: the whole step: both estimands, risk sets, covariates, prognosis, from the files of `leave`.

The population is that of `benchmarks.population`. Results go to `benchmarks/results/leaves.json`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.population import CLOSING, DESIGNATED, OPENING, Size, write_lines, write_registers
from pipeline import database
from pipeline.home import Home, Landing
from pipeline.leave.step import LINES_AT_ONCE, rebuild_leaves, rebuild_spells
from pipeline.protocol import Protocol
from pipeline.release.version import code_version
from pipeline.run import Run
from pipeline.study.cohort import build_cohort
from pipeline.tables.intermediate import INTERMEDIATE, of_step

RELEASE = "2024-06"
RESULTS = Path(__file__).parent / "results" / "leaves.json"
READ = (
    "flow_date", "period_start", "period_end", "benefit_code", "risk", "days_paid", "quantity", "amount", "revaluation",
    "expense_qualifier",
)  # fmt: skip
"""Columns that the rules read, the person apart."""
ACCOMPANIED_PER_LINE = 1 / 1_000


def run_of(folder: Path, lines: int) -> Run:
    """The run of one size, in its own home."""
    return Run(Home(folder / f"home-{lines}").prepare(), Landing(folder / "none"), Protocol.load(), RELEASE)


def source(run: Run, name: str) -> Path:
    """A table as the step `pseudonymise` leaves it."""
    return run.home.artefact(RELEASE, "pseudonymise", name)


def generate(run: Run, lines: int) -> dict[str, Any]:
    """Draw the population, unless it is there."""
    size = Size(lines)
    if not source(run, "platforms").exists():
        write_lines(source(run, "payment_lines"), size, lambda done, total: show(f"lines, month {done} of {total}"))
        write_registers(lambda name: source(run, name), size)
        for table in of_step("pseudonymise"):
            if not source(run, table.name).exists():
                with database.connect() as connection:
                    connection.register("nobody", table.schema.empty_table())
                    database.write(connection, "SELECT * FROM nobody", source(run, table.name))
    with database.connect() as connection:
        return {
            name: database.count(connection, database.parquet(source(run, name)))
            for name in ("payment_lines", "persons", "employment")
        }


def reference(run: Run, lines: int) -> dict[str, Any]:
    """Read and group by person."""
    with database.connect(run.home.scratch) as connection:
        connection.execute("SET preserve_insertion_order = false")
        database.view(connection, "payment_lines", source(run, "payment_lines"))
        aggregates = ", ".join(f"max({name}) AS {name}" for name in READ)
        grouped = database.create(
            connection, "grouped", f"SELECT person, {aggregates} FROM payment_lines GROUP BY person"
        )
    return {"persons": grouped}


def spells(run: Run, lines: int) -> dict[str, Any]:
    """Leave spells alone, counted and let go part by part."""
    with database.connect(run.home.scratch) as connection:
        database.view(connection, "payment_lines", source(run, "payment_lines"))
        return {"spells": sum(rebuild_spells(connection, run.protocol))}


def leave(run: Run, lines: int) -> dict[str, Any]:
    """The whole step."""
    return dict(rebuild_leaves(run).rows)


def accompany(run: Run, lines: int, wanted: int | None = None) -> dict[str, Any]:
    """Reports and agreements of persons on long leave where a platform is open: input of the cohort, not timed."""
    with database.connect(run.home.scratch) as connection:
        connection.execute("SET preserve_insertion_order = false")
        for name in ("person_history", "platforms"):
            database.view(connection, name, source(run, name))
        database.view(connection, "leave_spells", run.home.artefact(RELEASE, "leave", "leave_spells"))
        database.create(connection, "contacts", CONTACTS, {
            "opening": OPENING.item(), "closing": CLOSING.item(),
            "wanted": math.ceil(lines * ACCOMPANIED_PER_LINE) if wanted is None else wanted,
        })  # fmt: skip
        tables = {table.name: table for table in INTERMEDIATE}
        connection.register("no_report", tables["reports"].schema.empty_table())
        connection.register("no_agreement", tables["agreements"].schema.empty_table())
        database.write(connection, REPORTS, source(run, "reports"))
        database.write(connection, AGREEMENTS, source(run, "agreements"))
        return {"accompanied": database.count(connection, "contacts")}


CONTACTS = """
    SELECT person, min(start_date + 46 + CAST(person % 30 AS INTEGER)) AS day, min(platform_id) AS platform_id
    FROM leave_spells JOIN person_history USING (person) JOIN platforms USING (department_code)
    WHERE valid_from = '2019-07' AND start_date + 46 + CAST(person % 30 AS INTEGER) BETWEEN $opening AND $closing
      AND start_date + 46 + CAST(person % 30 AS INTEGER) <= end_date
    GROUP BY person ORDER BY hash(person) LIMIT $wanted"""
REPORTS = """
    SELECT * FROM no_report UNION ALL BY NAME
    SELECT person, person AS case_number, person AS report_number, platform_id, day AS first_contact_date
    FROM contacts"""
AGREEMENTS = """
    SELECT * FROM no_agreement UNION ALL BY NAME
    SELECT person, person AS case_number, 'accompaniment' AS scope, 'agreement' AS event, day AS event_date
    FROM contacts"""


def cohort(run: Run, lines: int) -> dict[str, Any]:
    """The whole step."""
    return dict(build_cohort(run).rows)


def show(what: str) -> None:
    """One line of progress, written over."""
    print(f"\r\033[K{what}", end="", file=sys.stderr, flush=True)


def _measured(work: Callable[[Run, int], dict[str, Any]], folder: Path, lines: int, answer: Any) -> None:
    started = time.perf_counter()
    found = work(run_of(folder, lines), lines)
    found["seconds"] = round(time.perf_counter() - started, 2)
    found["peak_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    answer.put(found)


def measure(work: Callable[[Run, int], dict[str, Any]], folder: Path, lines: int) -> dict[str, Any]:
    """Run in a fresh process; what it found, its seconds and its peak memory."""
    show(f"{lines:,} lines: {work.__name__}")
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_measured, args=(work, folder, lines, answer))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{work.__name__} stopped with code {process.exitcode}")
    return dict(answer.get())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", nargs="+", type=float, default=[1e6, 1e7, 1e8], help="sizes")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/data"), help="where the populations are kept")
    parser.add_argument("--keep", action="store_true", help="keep what was computed")
    args = parser.parse_args()
    sizes: list[dict[str, Any]] = []
    for lines in map(int, args.lines):
        cell: dict[str, Any] = {"lines": lines}
        for work in (generate, reference, spells, leave, accompany, cohort):
            cell[work.__name__] = measure(work, args.folder, lines)
        base = cell["reference"]["seconds"]
        cell["ratio"] = {name: round(cell[name]["seconds"] / base, 2) for name in ("spells", "leave")}
        sizes.append(cell)
        show("")
        print(
            f"{cell['generate']['payment_lines']:>12,} lines | reference {base:.1f} s | spells "
            f"{cell['spells']['seconds']:.1f} s = {cell['ratio']['spells']}x, {cell['spells']['peak_gib']} GiB | whole "
            f"step {cell['leave']['seconds']:.1f} s = {cell['ratio']['leave']}x, {cell['leave']['peak_gib']} GiB | "
            f"cohort {cell['cohort']['seconds']:.1f} s, {cell['cohort']['peak_gib']} GiB",
            flush=True,
        )
        made_by = {"code": code_version(), "lines_at_once": LINES_AT_ONCE, "designated": len(DESIGNATED)}
        RESULTS.write_text(json.dumps(made_by | {"sizes": sizes}, indent=1), encoding="utf-8")
        if not args.keep:
            shutil.rmtree(run_of(args.folder, lines).home.root)


if __name__ == "__main__":
    main()
