"""Outcomes are read with the gate's leave, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.matching.passage import GateClosedError, Passage, passages


def test_a_failed_comparison_gets_no_leave_to_read_outcomes() -> None:
    assert Passage("ITT", "pass").status == "pass"
    assert Passage("ITT", "warn").status == "warn"
    for status in ("fail", "", "unknown"):
        with pytest.raises(GateClosedError, match="ITT"):
            Passage("ITT", status)


def test_leave_is_what_the_gate_wrote_and_nothing_else(tmp_path: Path) -> None:
    verdicts = tmp_path / "gate.json"
    with pytest.raises(FileNotFoundError):
        passages(verdicts)
    verdicts.write_text(json.dumps({"ITT": {"status": "warn"}, "ATT": {"status": "fail"}}))
    assert passages(verdicts) == {"ITT": Passage("ITT", "warn")}
