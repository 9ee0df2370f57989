"""What a value must be: every rule of the contract breaks on a row made to break it, and on no other."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from tests.deliveries.samples import (
    Place,
    Row,
    accepted,
    agreement,
    cost,
    insured,
    line,
    measure,
    nir,
    platform,
    quarantined,
    report,
    worked,
)

GOOD: dict[str, Row] = {
    "plateformes": platform(), "beneficiaires": insured(), "ij_lignes": line(), "bilans_suivi": report(),
    "bilan_mesures": measure(), "accords": agreement(), "emploi_mensuel": worked(), "couts_programme": cost(),
}  # fmt: skip

FAULTS: list[tuple[str, str, dict[str, object]]] = [
    ("plateformes", "unknown_departement", {"code_departement": "096"}),
    ("plateformes", "unknown_departement", {"code_departement": "75"}),
    ("plateformes", "unknown_departement", {"code_departement": "977"}),
    ("plateformes", "dates_out_of_order", {"date_designation": "2022-03-02"}),
    ("plateformes", "dates_out_of_order", {"date_fin": "2024-03-02"}),
    ("plateformes", "dates_out_of_order", {"date_fin": "2022-02-28"}),
    ("plateformes", "missing_key", {"plateforme_id": None}),
    ("plateformes", "unknown_code", {"statut": "FERMEE"}),
    ("plateformes", "unknown_code", {"statut": None}),
    ("plateformes", "unreadable_value", {"date_ouverture": "01/03/2022"}),
    ("beneficiaires", "wrong_nir_key", {"nir": nir(1)[:13] + "98"}),
    ("beneficiaires", "wrong_nir_key", {"nir": nir(1)[:13]}),
    ("beneficiaires", "wrong_nir_key", {"nir": nir(1, "2A004").replace("2A", "2C")}),
    ("beneficiaires", "wrong_nir_key", {"nir": nir(1) + "\n"}),
    ("beneficiaires", "missing_key", {"nir": None}),
    ("beneficiaires", "missing_key", {"BEN_NIR_PSA": None}),
    ("beneficiaires", "missing_key", {"BEN_RNG_GEM": None}),
    ("beneficiaires", "missing_key", {"BEN_IDT_ANO": ""}),
    ("beneficiaires", "wrong_length", {"BEN_NIR_PSA": "PSA1"}),
    ("beneficiaires", "wrong_length", {"BEN_IDT_ANO": "A" * 18}),
    ("beneficiaires", "wrong_length", {"ape": "86"}),
    ("beneficiaires", "unknown_departement", {"BEN_RES_DPT": "200"}),
    ("beneficiaires", "impossible_date", {"BEN_DCD_DTE": "1984-12-31"}),
    ("beneficiaires", "impossible_date", {"BEN_DCD_DTE": "2023-04-01"}),
    ("beneficiaires", "dates_out_of_order", {"ald_debut": "2022-02-01", "ald_fin": "2022-01-31"}),
    ("beneficiaires", "impossible_year", {"BEN_NAI_ANN": 1899}),
    ("beneficiaires", "impossible_year", {"BEN_NAI_ANN": 2016}),
    ("beneficiaires", "negative_amount", {"salaire_ref": "-0.01"}),
    ("beneficiaires", "unknown_code", {"BEN_SEX_COD": 3}),
    ("beneficiaires", "unknown_code", {"RGM_COD": 102}),
    ("beneficiaires", "unknown_code", {"RGM_COD": None}),
    ("beneficiaires", "unknown_code", {"csp": 7}),
    ("beneficiaires", "unknown_code", {"taille_entreprise": "250 +"}),
    ("beneficiaires", "unreadable_value", {"BEN_RNG_GEM": "3.5"}),
    ("beneficiaires", "unreadable_value", {"BEN_SEX_COD": "F"}),
    ("beneficiaires", "unreadable_value", {"salaire_ref": "2500,50"}),
    ("beneficiaires", "unreadable_value", {"ald_debut": "2022-02-30"}),
    ("ij_lignes", "missing_key", {"ORG_CLE_NUM": None}),
    ("ij_lignes", "missing_key", {"BEN_NIR_PSA": None}),
    ("ij_lignes", "negative_duration", {"EXE_SOI_DTF": "2023-01-09"}),
    ("ij_lignes", "impossible_date", {"EXE_SOI_DTD": "2023-03-02", "EXE_SOI_DTF": "2023-03-03"}),
    ("ij_lignes", "impossible_date", {"EXE_SOI_DTD": "1989-12-31"}),
    ("ij_lignes", "impossible_date", {"EXE_SOI_DTF": None}),
    ("ij_lignes", "wrong_delivery", {"FLX_DIS_DTD": "2023-02-01"}),
    ("ij_lignes", "unknown_code", {"PRS_NAT_REF": 6119}),
    ("ij_lignes", "unknown_code", {"RGO_ASU_NAT": 20}),
    ("ij_lignes", "unknown_code", {"BSE_REM_SGN": 0}),
    ("ij_lignes", "unknown_code", {"IJR_RVL_NAT": "AA"}),
    ("ij_lignes", "unknown_departement", {"BEN_RES_DPT": "20A"}),
    ("ij_lignes", "unreadable_value", {"PRS_ACT_NBR": "quatorze"}),
    ("ij_lignes", "unreadable_value", {"DCT_ORD_NUM": "1e3"}),
    ("ij_lignes", "unreadable_value", {"DCT_ORD_NUM": "99999999999999999999"}),
    ("ij_lignes", "unreadable_value", {"BSE_REM_MNT": "1e30"}),
    ("bilans_suivi", "missing_key", {"bilan_id": None}),
    ("bilans_suivi", "missing_key", {"dossier_id": None}),
    ("bilans_suivi", "missing_key", {"version": None}),
    ("bilans_suivi", "wrong_nir_key", {"nir": None}),
    ("bilans_suivi", "dates_out_of_order", {"date_signalement": "2023-01-19"}),
    ("bilans_suivi", "dates_out_of_order", {"date_diagnostic": "2023-01-17"}),
    ("bilans_suivi", "dates_out_of_order", {"date_parcours": "2023-01-31"}),
    ("bilans_suivi", "dates_out_of_order", {"date_diagnostic": None, "date_parcours": "2023-02-11"}),
    ("bilans_suivi", "dates_out_of_order", {"date_sortie": "2023-02-09"}),
    ("bilans_suivi", "out_of_range", {"satisfaction": 11}),
    ("bilans_suivi", "out_of_range", {"nb_entretiens": -1}),
    ("bilans_suivi", "out_of_range", {"narratif": "é" * 20_001}),
    ("bilans_suivi", "unknown_reason", {"motifs_risque": "RPS;ISOLEMENT"}),
    ("bilans_suivi", "unknown_reason", {"motifs_risque": "RPS||ISOLEMENT"}),
    ("bilans_suivi", "unknown_code", {"issue": "AUTRE"}),
    ("bilans_suivi", "unknown_code", {"type_bilan": None}),
    ("bilans_suivi", "unknown_code", {"statut": "valide"}),
    ("bilan_mesures", "negative_duration", {"date_debut": "2023-02-02", "date_fin": "2023-02-01"}),
    ("bilan_mesures", "negative_amount", {"cout_eur": -1}),
    ("bilan_mesures", "unknown_code", {"mesure": "CURE"}),
    ("accords", "missing_key", {"dossier_id": None}),
    ("accords", "missing_key", {"date": None}),
    ("accords", "wrong_nir_key", {"nir": "0"}),
    ("accords", "unknown_code", {"evenement": "?"}),
    ("emploi_mensuel", "wrong_nir_key", {"nir": None}),
    ("emploi_mensuel", "impossible_date", {"mois": "2023-13"}),
    ("emploi_mensuel", "impossible_date", {"mois": "2023-02-01"}),
    ("emploi_mensuel", "impossible_date", {"mois": None}),
    ("emploi_mensuel", "missing_status", {"en_emploi": None}),
    ("emploi_mensuel", "unreadable_value", {"en_emploi": "oui"}),
    ("emploi_mensuel", "out_of_range", {"quotite": 101}),
    ("emploi_mensuel", "out_of_range", {"quotite": -1}),
    ("emploi_mensuel", "wrong_siret", {"siret": "1234567890123"}),
    ("emploi_mensuel", "unknown_code", {"nature_contrat": "cdi"}),
    ("couts_programme", "impossible_date", {"mois": "2023"}),
    ("couts_programme", "missing_amount", {"montant_eur": None}),
    ("couts_programme", "unknown_code", {"categorie": None}),
]


def test_every_row_of_a_faulty_delivery_is_refused_for_its_own_reason(here: Place) -> None:
    for source in GOOD:
        here.put(source, [{**GOOD[source], **_texts(change)} for table, _, change in FAULTS if table == source])
    here.take_in()
    for source in GOOD:
        rows = [(reason, change) for table, reason, change in FAULTS if table == source]
        found = {row["source_line"]: row["reason"] for row in quarantined(here.home, source)}
        said = {number: (found.get(number), change) for number, (_, change) in enumerate(rows, start=1)}
        assert said == dict(enumerate(rows, start=1))


def _texts(change: dict[str, object]) -> Row:
    return {name: None if value is None else str(value) for name, value in change.items()}


@pytest.mark.parametrize("source", GOOD)
def test_a_row_without_fault_is_accepted(here: Place, source: str) -> None:
    here.put(source, [GOOD[source]])
    (counts,) = here.take_in().tables.values()
    assert (counts.rows_accepted, counts.reasons) == (1, {})


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("beneficiaires", {"nir": nir(1, "2A004")}),
        ("beneficiaires", {"nir": nir(2, "2B033")}),
        ("beneficiaires", {"nir": nir(3, "97411"), "BEN_RES_DPT": "974"}),
        ("beneficiaires", {"nir": nir(4, "99352"), "BEN_RES_DPT": "099"}),
        ("beneficiaires", {"BEN_RES_DPT": "201"}),
        ("beneficiaires", {"BEN_NAI_ANN": 1600, "BEN_SEX_COD": 9, "BEN_RES_DPT": "999", "BEN_DCD_DTE": None}),
        ("beneficiaires", {"BEN_DCD_DTE": "2023-03-31"}),
        ("beneficiaires", {"ald_debut": "2022-01-01", "ald_fin": "1600-01-01"}),
        ("beneficiaires", {"BEN_RNG_GEM": "3.0", "BEN_SEX_COD": "1.0", "csp": "06"}),
        ("plateformes", {"date_fin": "2024-03-01"}),
        ("ij_lignes", {"BSE_REM_SGN": 2, "BSE_REM_MNT": "-520.10", "PRS_ACT_NBR": -14, "PRS_ACT_QTE": "-14.0"}),
        ("ij_lignes", {"PRS_NAT_REF": 6011, "BSE_REM_MNT": 0}),
        ("ij_lignes", {"DCT_ORD_NUM": 2**63 - 1}),
        ("bilans_suivi", {"motifs_risque": "RPS|USURE_PRO"}),
        ("bilans_suivi", {"date_diagnostic": None, "satisfaction": 0, "narratif": "é" * 20_000}),
        ("emploi_mensuel", {"en_emploi": "1.0", "quotite": 0, "motif_rupture": "091", "siret": "00000000000000"}),
        ("couts_programme", {"montant_eur": "-12.5"}),
    ],
)
def test_a_rare_but_lawful_row_is_accepted(here: Place, source: str, change: dict[str, object]) -> None:
    here.put(source, [{**GOOD[source], **_texts(change)}])
    (counts,) = here.take_in().tables.values()
    assert counts.reasons == {}


@pytest.mark.parametrize("text", ["true", "True", "TRUE", "1", "1.0", "t"])
def test_forms_of_true(here: Place, text: str) -> None:
    here.put("emploi_mensuel", [worked(en_emploi=text, meme_employeur={"1.0": "0.0", "1": "0"}.get(text, "false"))])
    here.take_in()
    (row,) = accepted(here.home, "emploi_mensuel")
    assert (row["employed"], row["same_employer"]) == (True, False)


@pytest.mark.parametrize("text", ["2023-02-10", "2023-02-10 00:00:00", "2023-02-10T00:00:00.000Z"])
def test_a_date_may_come_with_midnight(here: Place, text: str) -> None:
    here.put("bilans_suivi", [report(date_bilan=text)])
    here.take_in()
    assert accepted(here.home, "bilans_suivi")[0]["report_date"] == dt.date(2023, 2, 10)


@pytest.mark.parametrize("text", ["2023-02-10 10:30:00", "2023-2-10", "2023/02/10", "epoch", "infinity", "20230210"])
def test_a_date_is_iso(here: Place, text: str) -> None:
    here.put("bilans_suivi", [report(date_bilan=text)])
    here.take_in()
    (row,) = quarantined(here.home, "bilans_suivi")
    assert (row["reason"], row["broken_column"], row["report_date"]) == ("unreadable_value", "date_bilan", None)


def test_columns_and_codes_speak_english_past_ingestion(here: Place) -> None:
    here.put("ij_lignes", [line(BSE_REM_SGN=2, BSE_REM_MNT="-10.25")])
    here.put("beneficiaires", [insured()])
    here.take_in()
    (paid,) = accepted(here.home, "ij_lignes")
    assert (paid["sign"], paid["risk"], paid["benefit_code"]) == ("negative", "sickness", 6111)
    assert (paid["amount"], paid["scheme"]) == (Decimal("-10.25"), "employee")
    (person,) = accepted(here.home, "beneficiaires")
    assert (person["sex"], person["social_class"], person["employer_size"]) == ("female", "clerical", "10_49")


def test_a_rule_that_only_warns_counts_and_lets_pass(here: Place) -> None:
    late = line(order=2, EXE_SOI_DTD="2022-01-10", EXE_SOI_DTF="2022-01-23")
    here.put("ij_lignes", [line(BSE_REM_MNT="-1"), late, line(order=3, PRS_ACT_NBR=15), line(order=4)])
    counts = here.take_in().tables["payment_lines"]
    assert counts.rows_accepted == 4
    assert counts.warnings == {"sign_and_amount_disagree": 1, "payment_delay": 1, "more_paid_than_period": 1}


def test_every_narrative_is_counted_as_withheld(here: Place) -> None:
    here.put("bilans_suivi", [report(), report(name="B2", narratif=None), report(name="B3", satisfaction=11)])
    assert here.take_in().tables["reports"].warnings == {"narrative_withheld": 1}


def test_the_broken_column_is_named_in_the_sources_words(here: Place) -> None:
    here.put(
        "beneficiaires",
        [insured(BEN_SEX_COD="F"), insured(2, csp=9), insured(3, ald_debut="2022-02-01", ald_fin="2022-01-01")],
    )
    here.take_in()
    columns = [row["broken_column"] for row in quarantined(here.home, "beneficiaires")]
    assert columns == ["BEN_SEX_COD", "csp", "ald_debut, ald_fin"]
