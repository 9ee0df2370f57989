"""Records of worlds on disk: a header, then one line of JSON a world, each written at once as it is done.

A file belongs to the code, the protocol and the size that its header names. Other code makes other worlds: its runs
start anew, and the file of the former code is kept beside it under the name `*.former.jsonl` until the next change.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from benchmarks.certify.world import DIAGNOSTICS, OUTCOMES
from pipeline.protocol import Protocol
from pipeline.release.version import code_version

RESULTS = Path(__file__).parent.parent / "results"
CELL = ("truth", "estimate", "half_width", "individual_half_width")
"""Figures of an outcome, in this order: an interval is its estimate, half a width on either side.

The standard error is half the width over Student's t with the estimand's `df`.
"""
N = ("itt", "contacted", "accompanied", "refused", "withdrawn")
"""Counts of persons of a world, in this order."""
DIAGNOSTIC = ("difference", "p")
"""Figures of a diagnostic, in this order; p before any adjustment."""
_MAKES_RECORDS = ("bridge.py", "naive.py", "world.py")


class Store:
    """The records of one effect.

    Args:
        effect: of the worlds.
        persons: insured of each.
        folder: where the file lies.
    """

    def __init__(self, effect: str, persons: int, folder: Path = RESULTS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / f"certify_{effect}_{persons}.jsonl"
        self.header = {
            "effect": effect,
            "persons": persons,
            "code": code_version(),
            "certify": _own_version(),
            "protocol": Protocol.load().sha256,
            "n": N,
            "outcomes": OUTCOMES,
            "figures": CELL,
            "diagnostics": tuple(DIAGNOSTICS),
            "diagnostic_figures": DIAGNOSTIC,
        }

    def open(self) -> Store:
        """Make the file ready for this code's records: a file of other code is put aside."""
        if not self.is_mine():
            if self.path.exists():
                self.path.replace(self.path.with_suffix(".former.jsonl"))
            self._write([])
        return self

    def is_mine(self) -> bool:
        """Whether what is stored was made by this code, protocol and size."""
        if not self.path.exists():
            return False
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return bool(lines) and lines[0] == _line(self.header)

    def records(self) -> list[dict[str, Any]]:
        """Worlds done, by seed; a line cut short by a crash is not one."""
        found: dict[int, dict[str, Any]] = {}
        if not self.path.exists():
            return []
        for line in self.path.read_text(encoding="utf-8").splitlines()[1:]:
            try:
                record = json.loads(line)
            except json.JSONDecodeError:
                continue
            found[record["seed"]] = record
        return [found[seed] for seed in sorted(found)]

    def add(self, record: dict[str, Any]) -> None:
        """Append one world."""
        content = (_line(record) + "\n").encode()
        with self.path.open("rb+") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":  # a line cut short stays a line of its own
                    content = b"\n" + content
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def tidy(self) -> None:
        """Worlds by seed, each once."""
        self._write(self.records())

    def _write(self, records: list[dict[str, Any]]) -> None:
        partial = self.path.with_suffix(".partial")
        partial.write_text("".join(_line(each) + "\n" for each in (self.header, *records)), encoding="utf-8")
        partial.replace(self.path)


def _line(content: dict[str, Any]) -> str:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False)


def _own_version() -> str:
    """Hash of the modules here that make records; what only prints them may change."""
    digest = hashlib.sha256()
    for name in _MAKES_RECORDS:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:12]
