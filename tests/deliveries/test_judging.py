"""Rules across tables and deliveries are judged anew at each release."""

from __future__ import annotations

import pytest

from tests.deliveries.samples import Place, agreement, cost, insured, line, measure, platform, report, worked


def landed(here: Place, **tables: object) -> None:
    """The least a report needs, with what a test changes."""
    rows = {
        "plateformes": [platform()], "beneficiaires": [insured()], "accords": [agreement()], "bilans_suivi": [report()],
    } | tables  # fmt: skip
    for source, content in rows.items():
        if content:
            here.put(source, content)  # type: ignore[arg-type]
    here.take_in()


def test_a_report_with_platform_and_agreement_stands(here: Place) -> None:
    landed(here, bilan_mesures=[measure()], couts_programme=[cost()])
    assert here.verdicts() == []


def test_a_platform_must_be_in_the_register(here: Place) -> None:
    landed(here, plateformes=[], couts_programme=[cost(), cost("PDP99"), cost(None, montant_eur=1)])  # type: ignore[arg-type]
    assert here.verdicts() == [
        ("programme_costs", 1, "unknown_platform"),
        ("programme_costs", 2, "unknown_platform"),
        ("programme_costs", 3, "unknown_platform"),
        ("reports", 1, "unknown_platform"),
    ]


def test_a_platform_registered_later_makes_its_rows_good(here: Place) -> None:
    landed(here, plateformes=[])
    here.put("plateformes", [platform()], "2023-04")
    here.take_in("2023-04")
    assert here.verdicts("2023-03") == [("reports", 1, "unknown_platform")]
    assert here.verdicts("2023-03", "2023-04") == []


def test_a_measure_names_a_report_of_any_delivery(here: Place) -> None:
    here.put("bilan_mesures", [measure(), measure("B9")])
    here.take_in()
    assert here.verdicts() == [("report_measures", 1, "unknown_report"), ("report_measures", 2, "unknown_report")]
    for source, rows in {"plateformes": [platform()], "accords": [agreement()], "bilans_suivi": [report()]}.items():
        here.put(source, rows, "2023-04")
    here.take_in("2023-04")
    assert here.verdicts("2023-03", "2023-04") == [("report_measures", 2, "unknown_report")]


def test_a_report_refused_is_known_all_the_same(here: Place) -> None:
    landed(here, bilans_suivi=[report(satisfaction=11)], bilan_mesures=[measure()])
    assert here.verdicts() == []


@pytest.mark.parametrize(
    ("agreements", "verdict"),
    [
        ([], "agreement_missing_or_late"),
        ([agreement(date="2023-02-01")], None),
        ([agreement(date="2023-02-02")], "agreement_missing_or_late"),
        ([agreement(portee="CONTACT_EMPLOYEUR")], "agreement_missing_or_late"),
        ([agreement(event="REFUS")], "agreement_missing_or_late"),
        ([agreement(2)], "agreement_missing_or_late"),
        ([agreement(nir="0")], "agreement_missing_or_late"),
        ([agreement(), agreement(event="RETRAIT", date="2023-02-10")], None),
        ([agreement(), agreement(event="RETRAIT", date="2023-02-09")], "report_after_withdrawal"),
        ([agreement(), agreement(event="RETRAIT", date="2023-02-09", portee="CONTACT_EMPLOYEUR")], None),
    ],
)
def test_no_accompaniment_without_agreement(here: Place, agreements: list[object], verdict: str | None) -> None:
    landed(here, accords=agreements)
    assert here.verdicts() == ([("reports", 1, verdict)] if verdict else [])


def test_a_case_without_diagnosis_needs_an_agreement_of_any_date(here: Place) -> None:
    landed(here, bilans_suivi=[report(date_diagnostic=None)], accords=[agreement(date="2023-03-15")])
    assert here.verdicts() == []
    landed(here, bilans_suivi=[report(date_diagnostic=None)], accords=[agreement(event="REFUS")])
    assert here.verdicts() == [("reports", 1, "no_agreement_at_all")]


def test_the_first_diagnosis_of_the_case_decides_for_all_its_reports(here: Place) -> None:
    later = report(name="B2", date_diagnostic="2023-02-20", date_bilan="2023-02-25")
    landed(here, accords=[agreement(date="2023-02-10")], bilans_suivi=[report(), later])
    assert [verdict for _, _, verdict in here.verdicts()] == ["agreement_missing_or_late"] * 2


def test_a_corrected_diagnosis_date_no_longer_dates_the_case(here: Place) -> None:
    right = {"version": 2, "remplace_bilan_id": "B1", "date_diagnostic": "2023-02-10"}
    landed(here, accords=[agreement(date="2023-02-05")], bilans_suivi=[report(), report(name="B2", **right)])
    assert here.verdicts() == [("reports", 1, "agreement_missing_or_late")]


def test_an_agreement_may_come_after_the_report_it_allows(here: Place) -> None:
    landed(here, accords=[])
    here.put("accords", [agreement()], "2023-04")
    here.take_in("2023-04")
    assert here.verdicts("2023-03", "2023-04") == []


def test_the_same_row_in_a_later_delivery_is_a_copy(here: Place) -> None:
    for month in ("2023-03", "2023-04"):
        here.put("emploi_mensuel", [worked()], month)
        here.put("accords", [agreement()], month)
        here.take_in(month)
    assert here.verdicts("2023-03", "2023-04") == [
        ("agreements", 1, "exact_duplicate"),
        ("employment", 1, "exact_duplicate"),
    ]


def test_a_key_repeated_with_other_content_in_a_later_delivery_refuses_both(here: Place) -> None:
    for month, share in (("2023-03", 100), ("2023-04", 50)):
        here.put("emploi_mensuel", [worked(quotite=share), worked(2)], month)
        here.take_in(month)
    assert here.verdicts("2023-03", "2023-04") == [
        ("employment", 1, "duplicate_key"),
        ("employment", 1, "duplicate_key"),
        ("employment", 2, "exact_duplicate"),
    ]
    assert here.verdicts("2023-03") == []


def test_a_key_in_conflict_stays_in_conflict(here: Place) -> None:
    here.put("emploi_mensuel", [worked(), worked(quotite=50)])
    here.put("emploi_mensuel", [worked()], "2023-04")
    here.take_in()
    here.take_in("2023-04")
    assert here.verdicts("2023-03", "2023-04") == [("employment", 1, "duplicate_key")]


def test_payment_lines_of_two_deliveries_never_share_a_key(here: Place) -> None:
    here.put("ij_lignes", [line()])
    here.put("ij_lignes", [line(FLX_DIS_DTD="2023-04-01")], "2023-04")
    here.take_in()
    here.take_in("2023-04")
    assert here.verdicts("2023-03", "2023-04") == []
