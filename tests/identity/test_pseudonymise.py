"""Past the border a person is a rank; agreement, withdrawal and report versions decide what passes."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from pipeline.identity import keys
from tests.deliveries.samples import Place, agreement, insured, line, measure, nir, platform, report, worked
from tests.identity.worlds import PERSON_LEVEL, land_two_persons, road, sexes, table

NEXT = "2023-04"


def test_everyone_is_in_every_table(here: Place) -> None:
    land_two_persons(here)
    figures = road(here).figures
    for name in PERSON_LEVEL:
        assert sexes(here, name) == ["female", "male"], name
    assert figures["persons"] == 2
    assert {name: n for name, n in figures.items() if "unknown" in name} == {
        "payment lines of unknown persons": 0, "employment rows of unknown persons": 0, "reports of unknown persons": 0,
    }  # fmt: skip


def test_tables_have_the_declared_columns_and_keys(here: Place) -> None:
    from pipeline.tables.intermediate import of_step

    land_two_persons(here)
    road(here)
    for declared in of_step("pseudonymise"):
        found = pq.read_table(here.home.artefact("2023-03", "pseudonymise", declared.name))
        assert tuple(found.column_names) == declared.names
        if declared.key:
            assert found.group_by(list(declared.key)).aggregate([]).num_rows == found.num_rows


def test_the_rank_orders_persons_by_pseudonym(here: Place) -> None:
    here.put("beneficiaires", [insured(n) for n in range(50)])
    road(here)
    rows = table(here, "persons")
    assert [row["person"] for row in rows] == list(range(1, 51))
    assert [row["person_id"] for row in rows] == sorted(str(row["person_id"]) for row in rows)
    key = keys.current(here.home)
    expected = {f"v1:{key.digest(keys.Purpose.PERSON, f'ANO{n:014d}')[:32]}" for n in range(50)}
    assert {row["person_id"] for row in rows} == expected


# Identifiers


def test_payment_lines_join_on_any_pseudonym_ever_delivered(here: Place) -> None:
    here.put("beneficiaires", [insured(1)])
    here.put("beneficiaires", [insured(1, BEN_NIR_PSA="P" * 17)], NEXT)
    here.put(
        "ij_lignes",
        [line(1, 1, FLX_DIS_DTD="2023-04-01"), line(1, 2, FLX_DIS_DTD="2023-04-01", BEN_NIR_PSA="P" * 17)],
        NEXT,
    )
    road(here, NEXT)
    assert len(table(here, "payment_lines", NEXT)) == 2
    assert len(table(here, "persons", NEXT)) == 1


def test_a_number_that_changed_is_the_same_person(here: Place) -> None:
    here.put("beneficiaires", [insured(1)])
    here.put("emploi_mensuel", [worked(1, month="2023-01")])
    here.put("beneficiaires", [insured(1, nir=nir(901))], NEXT)
    here.put("emploi_mensuel", [worked(901, month="2023-01", quotite=50), worked(901, month="2023-02")], NEXT)
    road(here, NEXT)
    assert len(table(here, "persons", NEXT)) == 1
    found = [(row["person"], row["month"], row["working_time_share"]) for row in table(here, "employment", NEXT)]
    assert found == [(1, "2023-01", 50), (1, "2023-02", 100)]


def test_twins_share_a_pseudonym_and_are_two_persons(here: Place) -> None:
    twins = [insured(1, BEN_SEX_COD=1), insured(2, BEN_SEX_COD=2, BEN_NIR_PSA="PSA00000000000001", BEN_RNG_GEM=2)]
    here.put("beneficiaires", twins)
    here.put("ij_lignes", [line(1, 1), line(1, 2, BEN_RNG_GEM=2), line(1, 3, BEN_RNG_GEM=2)])
    road(here)
    assert sexes(here, "payment_lines") == ["female", "female", "male"]


def test_rows_of_nobody_known_are_counted_and_left_out(here: Place) -> None:
    land_two_persons(here)
    here.put("ij_lignes", [line(1), line(8, 2), line(1, 3, BEN_RNG_GEM=2), line(1, 4, BEN_RNG_GEM=None)])
    here.put("emploi_mensuel", [worked(8)])
    here.put("bilans_suivi", [report(8, "B8")])
    here.put("accords", [agreement(8)])
    figures = road(here).figures
    assert figures["payment lines of unknown persons"] == 3
    assert figures["employment rows of unknown persons"] == figures["reports of unknown persons"] == 1
    assert len(table(here, "payment_lines")) == 1
    assert table(here, "employment") == table(here, "reports") == []


def test_dated_facts_are_the_last_delivered_and_situations_are_kept(here: Place) -> None:
    here.put("beneficiaires", [insured(1, BEN_RES_DPT="075", retraite_debut=None)])
    later = insured(1, BEN_RES_DPT="999", ald_debut="2023-01-05", ald_fin="1600-01-01", retraite_debut="2023-04-01")
    here.put("beneficiaires", [later], NEXT)
    road(here, NEXT)
    (person,) = table(here, "persons", NEXT)
    assert (str(person["ald_start"]), person["ald_end"], person["death_date"]) == ("2023-01-05", None, None)
    assert str(person["retirement_date"]) == "2023-04-01"
    history = [(row["valid_from"], row["department_code"]) for row in table(here, "person_history", NEXT)]
    assert history == [("2023-03", "075"), ("2023-04", None)]
    road(here)
    assert table(here, "persons")[0]["retirement_date"] is None


def test_the_last_row_of_a_platform_stands(here: Place) -> None:
    here.put("plateformes", [platform(), platform("PDP13", code_departement="013")])
    here.put("plateformes", [platform(statut="CLOSE", date_fin="2023-03-31")], NEXT)
    road(here, NEXT)
    found = [(row["platform_id"], row["status"]) for row in table(here, "platforms", NEXT)]
    assert found == [("PDP13", "experimental"), ("PDP75", "closed")]


# Versions of a report


def reports(here: Place, *rows: dict[str, str | None]) -> list[str]:
    """Stages of the reports that stand: each row of a test has its own."""
    land_two_persons(here)
    here.put("bilans_suivi", list(rows))
    here.put("bilan_mesures", [measure(str(name)) for name in sorted({str(row["bilan_id"]) for row in rows})])
    road(here)
    return sorted(str(row["stage"]) for row in table(here, "reports"))


FIRST, SECOND, THIRD = "INITIAL", "INTERMEDIAIRE", "FINAL"


def test_a_correction_replaces_what_it_names(here: Place) -> None:
    corrected = report(1, "B2", version=2, remplace_bilan_id="B1", type_bilan=SECOND)
    again = report(1, "B3", version=3, remplace_bilan_id="B2", type_bilan=THIRD)
    assert reports(here, report(1, "B1"), corrected, again) == ["final"]
    assert len(table(here, "report_measures")) == 1


def test_an_annulled_report_is_withdrawn_with_what_it_replaced(here: Place) -> None:
    annulled = report(1, "B2", version=2, remplace_bilan_id="B1", statut="ANNULE")
    assert reports(here, report(1, "B1"), annulled, report(2, "B5", type_bilan=THIRD)) == ["final"]


def test_only_the_last_version_of_a_report_stands(here: Place) -> None:
    assert reports(here, report(1, "B1"), report(1, "B1", version=2, type_bilan=SECOND)) == ["intermediate"]
    assert len(table(here, "report_measures")) == 1


def test_annulling_a_version_annuls_the_report(here: Place) -> None:
    assert reports(here, report(1, "B1"), report(1, "B1", version=2, statut="ANNULE", remplace_bilan_id="B1")) == []


def test_a_correction_that_was_refused_replaces_nothing(here: Place) -> None:
    wrong = report(1, "B2", version=2, remplace_bilan_id="B1", satisfaction=11)
    assert reports(here, report(1, "B1"), wrong) == ["initial"]


def test_a_correction_of_a_later_delivery_replaces_from_then_on(here: Place) -> None:
    land_two_persons(here)
    here.put("bilans_suivi", [report(1, "B9", version=2, remplace_bilan_id="B1", type_bilan=THIRD)], NEXT)
    road(here)
    assert [row["stage"] for row in table(here, "reports")] == ["initial", "initial"]
    road(here, NEXT)
    assert sorted(str(row["stage"]) for row in table(here, "reports", NEXT)) == ["final", "initial"]


# Withdrawal


WITHDRAWN = agreement(1, "RETRAIT", "2023-03-20")


def persons_after(here: Place, *events: dict[str, str | None]) -> list[object]:
    land_two_persons(here)
    here.put("accords", [agreement(2), *events])
    road(here)
    found = {tuple(sexes(here, name)) for name in ("persons", "payment_lines", "employment")}
    assert len(found) == 1
    return list(found.pop())


def test_a_withdrawal_takes_the_person_out_of_every_table_and_leaves_a_count(here: Place) -> None:
    assert persons_after(here, agreement(1), WITHDRAWN) == ["female"]
    for name in PERSON_LEVEL:
        assert sexes(here, name) == ["female"], name
    assert table(here, "withdrawals") == [{"platform_id": "PDP75", "quarter": "2023-Q1", "withdrawals": 1}]


@pytest.mark.parametrize(
    ("events", "stays"),
    [
        ([agreement(1), WITHDRAWN, agreement(1, date="2023-03-21")], True),
        ([agreement(1), agreement(1, date="2023-03-21"), WITHDRAWN], True),
        ([agreement(1), WITHDRAWN, agreement(1, date="2023-03-20")], False),
        ([agreement(1), agreement(1, "RETRAIT", "2023-03-20", portee="CONTACT_EMPLOYEUR")], True),
        ([agreement(1), agreement(1, "REFUS", "2023-03-20")], True),
        ([agreement(1), agreement(1, "RETRAIT", "2023-03-20", mode="FAX")], False),
        ([agreement(1), agreement(1, "RETRAIT", "2023-03-20", nir="0")], False),
        ([agreement(1), agreement(1, "RETRAIT", "20 mars")], False),
        ([agreement(1), agreement(1, "RETRAIT", "2023-03-20", dossier_id=None)], False),
        ([agreement(1), agreement(1, "RETRAIT", "2023-03-20", dossier_id="D7")], False),
    ],
)
def test_the_latest_event_of_a_case_counts_and_no_fault_of_a_row_undoes_a_withdrawal(
    here: Place, events: list[dict[str, str | None]], stays: bool
) -> None:
    assert persons_after(here, *events) == (["female", "male"] if stays else ["female"])


def test_a_withdrawal_counts_from_the_next_release_on(here: Place) -> None:
    land_two_persons(here)
    here.put("accords", [WITHDRAWN], NEXT)
    road(here)
    assert sexes(here, "persons") == ["female", "male"]
    road(here, NEXT)
    assert sexes(here, "persons", NEXT) == ["female"]


def test_a_withdrawal_reaches_the_person_under_every_number(here: Place) -> None:
    land_two_persons(here)
    here.put("beneficiaires", [insured(1, nir=nir(901), BEN_SEX_COD=1)], NEXT)
    here.put("emploi_mensuel", [worked(901)], NEXT)
    here.put("accords", [agreement(901, "RETRAIT", "2023-03-20")], NEXT)
    road(here, NEXT)
    for name in PERSON_LEVEL:
        assert sexes(here, name, NEXT) == ["female"], name


def test_the_text_of_a_withdrawn_person_is_deleted(here: Place) -> None:
    land_two_persons(here)
    refused = report(1, "B8", satisfaction=11, narratif="Texte refusé mais gardé.")
    here.put("bilans_suivi", [report(1, "B1"), refused, report(2, "B2", narratif="Autre personne.")])
    here.put("accords", [WITHDRAWN], NEXT)
    road(here)
    assert road(here, NEXT).figures["narratives of withdrawn persons deleted"] == 2
    texts = [
        row["narrative"]
        for path in (here.home.validated("reports", "2023-03"), here.home.quarantine("reports", "2023-03"))
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]
    assert [text for text in texts if text] == ["Autre personne."]
    assert len(texts) == 3
    assert road(here, NEXT).figures["narratives of withdrawn persons deleted"] == 0


def test_the_order_of_rows_changes_nothing(here: Place) -> None:
    land_two_persons(here)
    road(here)
    first = {name: table(here, name) for name in PERSON_LEVEL}
    for path in here.folder.glob("*.jsonl"):
        path.write_text("".join(reversed(path.read_text(encoding="utf-8").splitlines(keepends=True))), encoding="utf-8")
    road(here)
    assert {name: table(here, name) for name in PERSON_LEVEL} == first
