"""Records of worlds: none lost, none twice, and what is read off them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.certify import store as stored
from benchmarks.certify.store import Store
from benchmarks.certify.summary import figures, goal_met, measured, summary
from benchmarks.certify.world import DIAGNOSTICS, OUTCOMES


def record(
    seed: int, truth: float = -4.0, estimate: float = -4.0, half: float = 2.0, gate: str = "pass"
) -> dict[str, Any]:
    cell = {
        "gate": gate, "n_treated": 100, "df": 11.0,
        "outcomes": [[truth, estimate, half, half]] * len(OUTCOMES),
        "diagnostics": [[0.1, 0.9]] * len(DIAGNOSTICS),
    }  # fmt: skip
    naive = {"ever_never": 60.0, "random_index": 25.0, "before_after": None}
    return {"seed": seed, "uptake": 0.3, "ITT": cell, "ATT": cell, "naive": naive, "seconds": [1.0, 1.0]}


def test_a_world_is_kept_once_whatever_the_order_of_arrival(tmp_path: Path) -> None:
    store = Store("null", 100, tmp_path).open()
    for seed in (3, 1, 2, 3):
        store.add(record(seed))
    assert [each["seed"] for each in Store("null", 100, tmp_path).records()] == [1, 2, 3]
    store.tidy()
    assert len(store.path.read_text(encoding="utf-8").splitlines()) == 4


def test_a_line_cut_short_by_a_crash_costs_its_world_alone(tmp_path: Path) -> None:
    store = Store("null", 100, tmp_path).open()
    store.add(record(1))
    with store.path.open("a", encoding="utf-8") as file:
        file.write('{"seed":2,"ITT":{"ga')
    store.add(record(3))
    assert [each["seed"] for each in Store("null", 100, tmp_path).records()] == [1, 3]


def test_other_code_starts_anew_and_keeps_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store("null", 100, tmp_path).open().add(record(1))
    monkeypatch.setattr(stored, "code_version", lambda: "another")
    other = Store("null", 100, tmp_path)
    assert [each["seed"] for each in other.records()] == [1], "looking at it changes nothing"
    assert other.open().records() == []
    assert (tmp_path / "certify_null_100.former.jsonl").exists()


def test_coverage_bias_and_width_are_those_of_the_worlds() -> None:
    rng = np.random.default_rng(1)
    drawn = [record(seed, estimate=-3.0 + float(rng.normal()), half=2.5) for seed in range(1, 401)]
    of = measured(*figures(drawn, "ITT", "days_on_leave"))
    errors = np.array([each["ITT"]["outcomes"][0][1] + 4.0 for each in drawn])
    assert of["coverage"] == np.mean(np.abs(errors) <= 2.5)
    assert of["bias"] == pytest.approx(1.0, abs=4 * of["bias_se"])
    assert of["bias_se"] == pytest.approx(errors.std(ddof=1) / 20)
    assert of["width_ratio"] == pytest.approx(2.5 / (1.959964 * errors.std(ddof=1)))


@pytest.mark.parametrize(("missed", "met"), [(0, False), (10, True), (20, False)])
def test_the_goal_asks_for_95_percent_within_the_wilson_interval(missed: int, met: bool) -> None:
    drawn = [record(seed, estimate=-9.0 if seed <= missed else -4.0) for seed in range(1, 201)]
    assert goal_met(measured(*figures(drawn, "ITT", "days_on_leave"))) is met


def test_the_gate_is_counted_and_its_worlds_are_told_apart() -> None:
    drawn = [
        record(seed, estimate=-9.0 if seed <= 5 else -4.0, gate="fail" if seed <= 5 else "pass")
        for seed in range(1, 21)
    ]
    of = measured(*figures(drawn, "ATT", "days_on_leave"))
    assert of["coverage"] == 0.75
    assert of["coverage_passed"] == 1.0
    text = "\n".join(summary("moderate", drawn))
    assert "gate failed in 25.0%" in text


def test_a_world_without_comparison_is_counted_in_no_interval() -> None:
    drawn = [record(1), record(2)]
    drawn[0]["ATT"] = {"gate": "fail", "failed": ["no comparison is possible"]}
    assert len(figures(drawn, "ATT", "allowance_eur")[0]) == 1
    assert summary("null", drawn)


def test_a_seed_left_out_is_said() -> None:
    assert any("1 seeds are not done" in line for line in summary("null", [record(1), record(3)]))
