"""`pdp run` as typed, and the release made of the small territory of these tests."""

from __future__ import annotations

from pathlib import Path

from pipeline.cli import main

RELEASE = "2023-06"


def run(landing: Path, home: Path, *more: str, release: str = RELEASE) -> int:
    """`pdp run`, as typed."""
    try:
        main(["run", "--landing", str(landing), "--home", str(home), "--release", release, *more])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
