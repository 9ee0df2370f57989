"""A road whose steps after ingestion are replaced by small ones that write what the registry declares, empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pandas as pd
import pyarrow.parquet as pq

from pipeline.disclosure.facts import ReleaseFacts
from pipeline.disclosure.ledger import CELLS
from pipeline.home import Home, Landing
from pipeline.orchestration.reports import tables_of
from pipeline.run import Run, StepReport

RELEASE = "2021-08"

REPLACED = {
    "pseudonymise": ("pipeline.identity.step", "pseudonymise"),
    "text": ("pipeline.text.step", "mask"),
    "leave": ("pipeline.leave.step", "rebuild_leaves"),
    "cohort": ("pipeline.study.cohort", "build_cohort"),
    "matching": ("pipeline.matching.step", "match"),
    "outcomes": ("pipeline.study.step", "measure_outcomes"),
    "effects": ("pipeline.effects.step", "estimate"),
    "anonymise": ("pipeline.disclosure.step", "anonymise"),
    "publish": ("pipeline.release.step", "publish"),
}


@dataclass
class Road:
    """The replaced steps: what ran, and what each does."""

    home: Home
    landing: Landing
    ran: list[str] = field(default_factory=list)
    does: dict[str, Callable[[Run], StepReport]] = field(default_factory=dict)


def writes_empty_tables(step: str) -> Callable[[Run], StepReport]:
    def run_step(run: Run) -> StepReport:
        run.progress("working", 1, 1)
        for table in tables_of(step):
            pq.write_table(table.schema.empty_table(), run.home.artefact(run.release, step, table.name))
        if step == "effects":
            pq.write_table(
                tables_of("outcomes")[0].schema.empty_table(), run.home.artefact(run.release, step, "impact")
            )
        if step == "anonymise":
            ReleaseFacts(inputs={}, key_id="v1:test", seeds={}).save(
                run.home.artefact(run.release, step, "facts", "json")
            )
            pq.write_table(CELLS.empty_table(), run.home.artefact(run.release, step, "ledger_cells"))
        if step == "publish":
            run.home.release(run.release).mkdir(parents=True, exist_ok=True)
        return StepReport(
            rows={table.name: 0 for table in tables_of(step)},
            tables={"Sizes": pd.DataFrame({"class": ["small", "large"], "persons": [120, 80]})},
        )

    return run_step
