"""The notebook runs from start to end on a release, on a withheld one, and says so where there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.tables.published import published

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "headline.py"
pytestmark = pytest.mark.slow


def write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    table = published(name)
    full = [dict.fromkeys(table.names) | {"release": "2024-06"} | row for row in rows]
    (folder / "tables").mkdir(exist_ok=True, parents=True)
    pq.write_table(pa.Table.from_pylist(full, schema=table.schema), folder / "tables" / f"{name}.parquet")


def release(folder: Path, *, withheld: bool) -> Path:
    figures = {} if withheld else {"difference": -5.7, "ci_low": -9.3, "ci_high": -2.1}
    masked = {"suppressed": withheld, "suppression_reason": "gate" if withheld else None}
    common = {"estimand": "ITT", "horizon_months": 12}
    row = common | {"outcome": "days_on_leave", "stratum_type": "all", "stratum": "all", "is_headline": True}
    write(folder, "impact", [row | figures | masked])
    for name, value in (("return_to_work_curve", "cumulative_incidence"), ("on_leave_curve", "share_on_leave")):
        points = [
            {"estimand": "ITT", "arm": arm, "week": week, "event": "sustained_return_to_work", value: 0.4}
            for arm in ("treated", "comparison")
            for week in range(3)
        ]
        known = published(name).names
        write(
            folder, name, [{k: v for k, v in point.items() if k in known} | {"suppressed": False} for point in points]
        )
    euros = {} if withheld else {"net_eur_per_person": 120.0, "net_ci_low": -50.0, "net_ci_high": 290.0}
    write(folder, "savings", [common | {"perimeter": "allowances"} | euros | masked])
    write(folder, "disclosure", [{"published_table": "impact", "cells": 1}])
    return folder


def exported(folder: Path, target: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "marimo", "export", "html", str(NOTEBOOK), "-o", str(target), "--force"],
        env=os.environ | {"PDP_RELEASE": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return target.read_text(encoding="utf-8")


def test_the_headline_is_shown_with_its_interval(tmp_path: Path) -> None:
    page = exported(release(tmp_path / "release", withheld=False), tmp_path / "page.html")
    assert "5.7 fewer days on leave" in page
    assert "95 % interval -9.3 to -2.1" in page


def test_a_withheld_effect_is_shown_as_withheld(tmp_path: Path) -> None:
    page = exported(release(tmp_path / "release", withheld=True), tmp_path / "page.html")
    assert "The effect is withheld" in page
    assert "Every saving is withheld." in page


def test_without_a_release_it_says_how_to_make_one(tmp_path: Path) -> None:
    assert "make one with" in exported(tmp_path / "none", tmp_path / "page.html")
