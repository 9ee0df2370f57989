"""The step takes in every delivery up to the release and accounts for every row, verdict by verdict."""

from __future__ import annotations

import pandas as pd
import pyarrow.parquet as pq
import pytest

from pipeline.deliveries.files import DeliveryRefused
from pipeline.deliveries.step import ingest, too_dirty
from pipeline.home import HomeError
from tests.deliveries.samples import Place, agreement, insured, platform, report, worked


def land(here: Place, month: str) -> None:
    here.put("plateformes", [platform()], month)
    here.put("beneficiaires", [insured(n) for n in range(1, 4)], month)
    here.put("emploi_mensuel", [worked(n, month="2023-01") for n in range(1, 30)] + [worked(1, quotite=101)], month)


def test_every_delivery_up_to_the_release_is_taken_in_and_none_after(here: Place) -> None:
    for month in ("2023-01", "2023-02", "2023-03", "2023-04"):
        land(here, month)
    report_ = ingest(here.run("2023-03"))
    assert report_.figures == {"deliveries": 3, "deliveries read in this run": 3}
    assert report_.rows["beneficiaries"] == 9
    assert not here.home.intake("2023-04").exists()
    assert ingest(here.run("2023-04")).figures == {"deliveries": 4, "deliveries read in this run": 1}


def test_a_release_needs_its_own_delivery(here: Place) -> None:
    land(here, "2023-02")
    with pytest.raises(HomeError, match="delivery 2023-03 has not landed"):
        ingest(here.run("2023-03"))
    here.month("2023-03")
    with pytest.raises(DeliveryRefused, match="the folder holds no file of a table"):
        ingest(here.run("2023-03"))


def test_a_month_without_delivery_between_others_is_said(here: Place) -> None:
    for month in ("2022-11", "2023-01", "2023-03"):
        land(here, month)
    assert ingest(here.run("2023-03")).warnings == ["no delivery between others for: 2022-12, 2023-02"]


def test_the_accounting_adds_up_rule_by_rule(here: Place) -> None:
    land(here, "2023-02")
    land(here, "2023-03")
    here.put("accords", [agreement(), agreement(2, mode="FAX")], "2023-03")
    here.put("bilans_suivi", [report(), report(2, "B2"), report(1, "B1")], "2023-03")
    report_ = ingest(here.run("2023-03"))
    quality = pq.read_table(here.home.artefact("2023-03", "ingest", "data_quality")).to_pandas()
    parts = quality["rows_accepted"] + quality["rows_quarantined"] + quality["rows_duplicate"]
    assert (quality["rows_read"] == parts).all()
    assert "quality:accounting" not in report_.failures
    whole = quality[quality["rule"] == "all"].set_index(["delivery", "input_table"])
    rules = quality[quality["rule"] != "all"].groupby(["delivery", "input_table"])["rows_quarantined"].sum()
    assert (whole.loc[rules.index, "rows_quarantined"] == rules).all()
    said = quality.set_index(["delivery", "input_table", "rule"])
    assert said.loc[("2023-03", "reports", "agreement_missing_or_late"), "rows_quarantined"] == 1
    assert said.loc[("2023-03", "reports", "all"), ["rows_read", "rows_accepted", "rows_duplicate"]].tolist() == [
        3,
        1,
        1,
    ]
    assert said.loc[("2023-03", "reports", "narrative_withheld"), "rows_flagged"] == 2
    # The second month repeats the employment rows of the first.
    assert said.loc[("2023-03", "employment", "all"), "rows_duplicate"] == 29
    assert said.loc[("2023-03", "employment", "out_of_range"), "rate"] == pytest.approx(1 / 30)


def test_the_step_says_the_same_twice(here: Place) -> None:
    land(here, "2023-03")
    here.put("bilans_suivi", [report()], "2023-03")
    ingest(here.run())
    paths = [here.home.artefact("2023-03", "ingest", name) for name in ("verdicts", "data_quality")]
    first = [path.read_bytes() for path in paths]
    ingest(here.run())
    assert [path.read_bytes() for path in paths] == first


def _quality(rows: list[tuple[str, str, int, int]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["delivery", "input_table", "rows_read", "rows_quarantined"])
    return frame.assign(rule="all")


def test_a_large_table_is_judged_in_its_delivery_and_small_ones_together() -> None:
    quality = _quality([
        ("2023-01", "employment", 200, 10),
        ("2023-02", "employment", 200, 11),
        ("2023-01", "reports", 199, 12),
        ("2023-02", "reports", 41, 0),
        ("2023-01", "agreements", 100, 6),
    ])  # fmt: skip
    assert too_dirty(quality, 0.05, 200) == [
        "2023-02/employment: 11 of 200 rows quarantined",
        "agreements, over its small deliveries: 6 of 100 rows quarantined",
    ]


def test_a_delivery_too_dirty_is_a_failure(here: Place) -> None:
    here.put("emploi_mensuel", [worked(n, quotite=101 if n < 11 else 50) for n in range(200)])
    (sentence,) = ingest(here.run()).failures.values()
    assert sentence == "more than 5% of rows quarantined: 2023-03/employment: 11 of 200 rows quarantined"
