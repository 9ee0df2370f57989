"""`pdp run` as typed, and the release made of the small territory of these tests."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline.cli import main

RELEASE = "2023-06"
ROOT = Path(__file__).resolve().parents[2]


KEY = bytes(range(32)).hex()
"""A key anyone can know: pseudonyms break ties, and a territory this small can hang on one."""


def run(landing: Path, home: Path, *more: str, release: str = RELEASE) -> int:
    """`pdp run`, as typed, in a home with the key of these tests unless it has its own."""
    key = home / "keys" / "v1.key"
    if not key.parent.exists():
        key.parent.mkdir(mode=0o700, parents=True)
        key.touch(mode=0o600)
        key.write_text(KEY, encoding="ascii")
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
