"""Everything that is estimated, for about 100,000 treated persons: `python -m benchmarks.estimates`.

From a population of payment lines (`benchmarks.population`), after the steps `leave` and `cohort`; each in a process of
its own so that peak memory is its own:

- `matching`: scores, matched sets, balance and gate, both estimands.
- `outcomes`: days, euros, events and states of all members.
- `effects`: differences and intervals, strata, curves, savings, falsification, specification curve.

The gate is told to pass, for a withheld estimand costs nothing. Results go to `benchmarks/results/estimates.json`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.leaves import accompany, cohort, generate, leave, measure, run_of, show
from pipeline.effects.step import estimate
from pipeline.matching.step import match
from pipeline.release.version import code_version
from pipeline.run import Run
from pipeline.study.step import MATCHING, measure_outcomes

RESULTS = Path(__file__).parent / "results" / "estimates.json"
LINES = 24_000_000
ACCOMPANIED = 100_000


def accompanied(run: Run, lines: int) -> dict[str, Any]:
    """As many accompanied as the ITT has treated, about."""
    return accompany(run, lines, ACCOMPANIED)


def matching(run: Run, lines: int) -> dict[str, Any]:
    """The whole step; then the gate is told to pass."""
    match(run)
    path = run.home.artefact(run.release, MATCHING, "gate", "json")
    verdicts = json.loads(path.read_text(encoding="utf-8"))
    said = {name: found["status"] for name, found in verdicts.items()}
    path.write_text(json.dumps({name: {"status": "warn", "sentences": []} for name in verdicts}), encoding="utf-8")
    members = pq.read_table(run.home.artefact(run.release, MATCHING, "members"), columns=["estimand", "arm"])
    counted = members.group_by(["estimand", "arm"]).aggregate([([], "count_all")]).to_pylist()
    return {"gate": said} | {f"{row['estimand']} {row['arm']}": row["count_all"] for row in counted}


def outcomes(run: Run, lines: int) -> dict[str, Any]:
    """The whole step."""
    return dict(measure_outcomes(run).rows)


def effects(run: Run, lines: int) -> dict[str, Any]:
    """The whole step."""
    report = estimate(run)
    told = pq.read_table(run.home.artefact(run.release, "effects", "sensitivity"))["difference"]
    return {"rows": sum(report.rows.values()), "specifications told": pc.sum(pc.is_finite(told)).as_py()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=float, default=LINES, help="payment lines of the population")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/data"), help="where the population is kept")
    parser.add_argument("--keep", action="store_true", help="keep what was computed")
    args = parser.parse_args()
    lines = int(args.lines)
    cell: dict[str, Any] = {"code": code_version(), "lines": lines}
    for work in (generate, leave, accompanied, cohort, matching, outcomes, effects):
        cell[work.__name__] = found = measure(work, args.folder, lines)
        show("")
        print(f"{work.__name__:<12} {found['seconds']:>8.1f} s {found['peak_gib']:>6.2f} GiB", flush=True)
    RESULTS.write_text(json.dumps(cell, indent=1), encoding="utf-8")
    if not args.keep:
        shutil.rmtree(run_of(args.folder, lines).home.root)


if __name__ == "__main__":
    main()
