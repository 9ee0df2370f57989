"""The texts of the reports that cross the border: masked in the restricted zone, withheld with reasons, or gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from checks.privacy import no_record_identifier
from pipeline import database
from pipeline.identity.erase import erase
from pipeline.protocol import Protocol
from pipeline.run import StepReport, silent
from pipeline.text.step import Narrative, judge, mask, processes, quality_with_texts
from tests.deliveries.samples import MONTH, Place, agreement, insured, nir, place, platform, report
from tests.identity.worlds import road

NEXT = "2023-04"
TEXT = "Mme DURAND (tél. 06 12 34 56 78) vit à Rouen. L'arrêt se poursuit."


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with database.connect() as connection:
        yield place(tmp_path, connection)


def land(here: Place, *reports: dict[str, str | None], month: str = MONTH) -> None:
    here.put("plateformes", [platform()], month)
    here.put("beneficiaires", [insured(n) for n in (1, 2, 3)], month)
    here.put("accords", [agreement(n) for n in (1, 2)], month)
    here.put("bilans_suivi", list(reports), month)


def masked(here: Place, release: str = MONTH) -> StepReport:
    road(here, release)
    return mask(here.run(release))


def rows(here: Place, name: str, release: str = MONTH) -> list[dict[str, object]]:
    return pq.read_table(here.home.artefact(release, "text", name)).to_pylist()


def test_a_text_crosses_masked(here: Place) -> None:
    land(here, report(1, "B1", narratif=TEXT))
    told = masked(here)
    (row,) = rows(here, "masked_texts")
    assert row["masked_text"] == "[nom] (tél. [téléphone]) vit à [commune]. L'arrêt se poursuit."
    assert row["spans"] == 3
    assert rows(here, "text_counts") == [{"delivery": MONTH, "texts": 1, "released": 1}]
    assert told.figures == {"texts": 1, "texts released": 1, "share released": 1.0}
    assert no_record_identifier(here.run()).faults == []


def test_the_number_is_that_of_the_report(here: Place) -> None:
    land(here, report(2, "B2", narratif="Reprise à temps plein."), report(1, "B1", narratif="L'arrêt se poursuit."))
    masked(here)
    numbers = {row["masked_text"]: row["report_number"] for row in rows(here, "masked_texts")}
    found = pq.read_table(here.home.artefact(MONTH, "pseudonymise", "reports")).to_pylist()
    persons = {row["report_number"]: row["case_number"] for row in found}
    assert len(found) == len(numbers) == 2
    assert persons[numbers["Reprise à temps plein."]] != persons[numbers["L'arrêt se poursuit."]]


def test_a_withheld_text_leaves_its_reasons_alone(here: Place) -> None:
    land(here, report(1, "B1", nom="SOUS"), report(2, "B2", narratif="Ã©tat stable"))
    masked(here)
    assert rows(here, "masked_texts") == []
    assert sorted(str(row["reason"]) for row in rows(here, "withheld_texts")) == [
        "name_is_grammar",
        "no_insured_name",
        "undecodable",
    ]


def test_indicators_come_from_released_and_withheld_texts_and_hold_none_of_their_words(here: Place) -> None:
    told = "Mme DURAND n'a pas de dettes. Essai encadré proposé."
    land(here, report(1, "B1", narratif=told), report(2, "B2", nom="SOUS", narratif="Douleurs."))
    masked(here)
    assert len(rows(here, "masked_texts")) == 1
    coded = [(row["family"], row["code"], row["status"]) for row in rows(here, "text_indicators")]
    assert sorted(coded) == [  # type: ignore[type-var]
        ("action", "supervised_trial", "planned"),
        ("obstacle", "debt", "negated"),
        ("obstacle", "pain", "present"),
        ("theme", "money", "present"),
    ]


def test_without_agreement_no_text_crosses(here: Place) -> None:
    land(here, report(3, "B3", narratif=TEXT))
    assert masked(here).figures == {"texts": 0, "texts released": 0}
    assert rows(here, "text_counts") == []


def test_a_withdrawn_persons_text_disappears_from_every_release(here: Place) -> None:
    land(here, report(1, "B1", narratif=TEXT), report(2, "B2", narratif="L'arrêt se poursuit."))
    masked(here)
    assert len(rows(here, "masked_texts")) == 2
    here.put("accords", [agreement(1, "RETRAIT", "2023-03-20")], NEXT)
    masked(here, NEXT)
    assert [row["masked_text"] for row in rows(here, "masked_texts", NEXT)] == ["L'arrêt se poursuit."]
    assert not (here.home.work(MONTH) / "text").exists()


def test_an_erased_persons_text_disappears_at_once(here: Place, tmp_path: Path) -> None:
    land(here, report(1, "B1", narratif=TEXT))
    masked(here)
    request = tmp_path / "request.jsonl"
    request.write_text(f'{{"nir": "{nir(1)}"}}\n', encoding="utf-8")
    erase(here.home, request)
    assert not list(here.home.restricted.rglob("masked_texts.parquet"))
    assert not list(here.home.restricted.rglob("text_indicators.parquet"))


def test_the_check_sees_an_identifier_that_survives_and_does_not_show_it(here: Place) -> None:
    land(here, report(1, "B1", narratif=TEXT))
    masked(here)
    path = here.home.artefact(MONTH, "text", "masked_texts")
    table = pq.read_table(path)
    left = pa.array(["Vu avec Mme Durand, joignable."], pa.string())
    pq.write_table(table.set_column(1, "masked_text", left), path)
    (fault,) = no_record_identifier(here.run()).faults
    assert fault == "masked_texts: 1 texts hold the nom of their record"


def test_any_number_of_processes_gives_the_same_verdicts() -> None:
    months = [
        (
            f"2023-{month:02d}",
            [Narrative(10 * month + n, "", f"{TEXT} Point n° {n}.", {"nom": "DURAND"}) for n in range(3)],
        )
        for month in range(1, 8)
    ]
    alone = list(judge(Protocol.load(), months, 1, silent))
    assert alone == list(judge(Protocol.load(), months, 2, silent))
    assert [month for month, _ in alone] == [month for month, _ in months]


def test_few_texts_are_not_worth_another_process() -> None:
    assert processes(0) == processes(100) == 1


def test_released_and_withheld_texts_add_up_in_the_accounting() -> None:
    def row(delivery: str, rule: str, flagged: int) -> dict[str, object]:
        return {
            "delivery": delivery, "input_table": "reports", "rule": rule, "rows_read": 10, "rows_accepted": 10,
            "rows_quarantined": 0, "rows_duplicate": 0, "rows_flagged": flagged, "rate": flagged / 10,
        }  # fmt: skip

    quality = pa.Table.from_pylist(
        [row("2023-01", "all", 0), row("2023-01", "narrative_withheld", 8), row("2023-02", "narrative_withheld", 5)]
    )
    counts = pa.Table.from_pylist([{"delivery": "2023-01", "texts": 7, "released": 6}])
    said = {(r["delivery"], r["rule"]): r for r in quality_with_texts(quality, counts).to_pylist()}
    assert {key: r["rows_flagged"] for key, r in said.items()} == {
        ("2023-01", "all"): 0,
        ("2023-01", "narrative_withheld"): 2,
        ("2023-01", "narrative_released"): 6,
        ("2023-02", "narrative_withheld"): 5,
    }
    assert said["2023-01", "narrative_released"]["rate"] == pytest.approx(0.6)
