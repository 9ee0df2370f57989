"""A placebo test that finds something: the effect is in nothing that is published, and the release says why."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from pipeline.cli import main
from tests.e2e.territory import RELEASE, protocol_with, run

pytestmark = pytest.mark.slow


def test_a_failed_placebo_leaves_no_outcome_by_arm_in_the_release(landing: Path, tmp_path: Path) -> None:
    # No adjusted p-value is above 1: at that level every test the data carry finds something, whatever the key.
    protocol = protocol_with(tmp_path, share_matched="0.5", placebo_level="1.0")
    assert run(landing, tmp_path / "home", "--protocol", str(protocol)) == 0
    folder = tmp_path / "home" / "published" / f"release={RELEASE}"

    def read(name: str) -> pd.DataFrame:
        return pd.read_parquet(folder / "tables" / f"{name}.parquet")

    impact = read("impact")
    mine = impact[impact["estimand"] == "ITT"]
    assert mine["difference"].isna().all()
    assert set(mine["suppression_reason"]) == {"placebo"}
    assert read("microdata").empty
    for name in ("savings", "on_leave_curve", "return_to_work_curve", "sensitivity"):
        table = read(name)
        assert (table.loc[table["estimand"] == "ITT", "suppression_reason"] == "placebo").all(), name
    assert not read("platform_activity").empty
    assert "test à blanc" in (folder / "synthese.html").read_text(encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        main(["audit", str(folder)])
        raise SystemExit(0)
    assert not stop.value.code
