"""`pdp run` as typed, and the release made of the small territory of these tests."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.cli import main

RELEASE = "2023-06"
ROOT = Path(__file__).resolve().parents[2]


def run(landing: Path, home: Path, *more: str, release: str = RELEASE) -> int:
    """`pdp run`, as typed."""
    try:
        main(["run", "--landing", str(landing), "--home", str(home), "--release", release, *more])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def protocol_with(folder: Path, **changed: str) -> Path:
    """The project's protocol with some parameters changed, as a file."""
    text = (ROOT / "protocol.toml").read_text(encoding="utf-8")
    for name, value in changed.items():
        text, count = re.subn(rf"^{name} = \S+", f"{name} = {value}", text, flags=re.MULTILINE)
        assert count == 1, name
    path = folder / "protocol.toml"
    path.write_text(text, encoding="utf-8")
    return path
