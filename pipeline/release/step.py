"""The step `publish`: safe tables in, one verified release out."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow.parquet as pq

from pipeline.disclosure import step as ledger_step
from pipeline.disclosure.facts import ReleaseFacts
from pipeline.release import write
from pipeline.release.errors import ReleaseError
from pipeline.run import Run, StepReport
from pipeline.tables.published import PUBLISHED

STEP = "publish"
SAFE = "anonymise"
"""Step that leaves the safe tables and the facts: nothing to its right ever sees a person."""


def publish(run: Run) -> StepReport:
    """Write, verify and switch in the release from the files of the step `anonymise`.

    Reads `<table>.parquet` for every published table but `dictionary`, and `facts.json`. A published month behind which
    a person has been erased since is left alone, and the report says so.

    Raises:
        FactsError: `facts.json` is missing or is not such a record.
        ReleaseError: a table is missing, or the release cannot be published (see `write.write_release`).
    """
    facts = ReleaseFacts.load(run.home.artefact(run.release, SAFE, "facts", "json"))
    already = run.home.release(run.release).exists()
    if already and facts.withdrawn_since:
        return StepReport(
            warnings=[
                f"release {run.release} is left as published: a person behind it has been erased since, "
                "so that it cannot be recomputed and compared"
            ]
        )
    tables = {}
    for declared in PUBLISHED:
        if declared.name == "dictionary":
            continue
        path = run.home.artefact(run.release, SAFE, declared.name)
        if not path.is_file():
            raise ReleaseError(f"table {declared.name} is missing; run the step `{SAFE}`")
        tables[declared.name] = pq.read_table(path, partitioning=None)
        run.progress("reading safe tables", len(tables), len(PUBLISHED) - 1)
    folder = write.write_release(run, tables, facts)
    ledger_step.commit(run.home, run.release)
    audit = json.loads((folder / "audit.json").read_text(encoding="utf-8"))
    verdicts = pd.DataFrame(audit["verdicts"], columns=["rule", "passed", "detail"])
    return StepReport(
        rows=json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["rows"],
        figures={
            "release": run.release,
            "recomputed": "identical to the published month" if already else "published for the first time",
            **audit["measured"],
        },
        tables={"Verdicts of the audit": verdicts},
    )
