"""An earlier release as its readers kept it: what its published files say."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.disclosure.deduction import Reading
from pipeline.disclosure.facts import Between, Sums


def reading_of(folder: Path) -> Reading:
    """Read back the counts of a release and the sums its manifest declares.

    Args:
        folder: a published release, or a copy of it.

    Raises:
        OSError: a file is missing.
        KeyError, ValueError: the manifest is not one.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    rule = manifest["protocol"]["parameters"]["disclosure"]
    sums = {name: Sums.model_validate(each) for name, each in manifest["sums"].items()}
    tables = {name: pq.read_table(folder / "tables" / f"{name}.parquet", partitioning=None) for name in sums}
    # Releases of earlier versions say nothing of sums between tables.
    between = [Between.model_validate(each).equality for each in manifest.get("between", ())]
    return Reading.of_release(tables, sums, between, rule["k"], rule["rounding_base"])
