"""Numbers and addresses: found in every way they are typed, a wrong key included, and nothing else with them."""

from __future__ import annotations

import pytest

from pipeline.text.deidentify import Deidentifier
from pipeline.text.numbers import iban_is_right, luhn, nir_key_is_right, siret_is_right


def masked(engine: Deidentifier, text: str) -> str:
    """The text with its spans replaced by their label, released or not."""
    for span in reversed(engine.deidentify(text).spans):
        text = f"{text[: span.start]}<{span.label}>{text[span.end :]}"
    return text


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("184127645108946", "NIR"),
        ("1 84 12 76 451 089 46", "NIR"),
        ("1.84.12.76.451.089.46", "NIR"),
        ("1841276451089", "NIR"),
        ("1 84 12 2A 004 123 45", "NIR"),
        ("2 69 05 2b 588 157", "NIR"),
        ("184127645108999", "NIR"),
        ("1 8 4 1 2 7 6 4 5 1 0 8 9 4 6", "NIR"),
        ("06 12 34 56 78", "PHONE"),
        ("06.12.34.56.78", "PHONE"),
        ("06-12-34-56-78", "PHONE"),
        ("O6 12 34 56 78", "PHONE"),
        ("+33 6 12 34 56 78", "PHONE"),
        ("+33 (0)6 12 34 56 78", "PHONE"),
        ("0033 6 12 34 56 78", "PHONE"),
        ("0262 12 34 56", "PHONE"),
        ("+590 590 12 34 56", "PHONE"),
        ("a.b-c@exemple.fr", "EMAIL"),
        ("jean . dupuy @ exemple . fr", "EMAIL"),
        ("www.exemple.fr/dossier", "URL"),
        ("FR76 3000 6000 0112 3456 7890 189", "IBAN"),
        ("732 829 320 00074", "SIRET"),
        ("732829320", "SIREN"),
        ("35600000000048", "SIRET"),
        ("12/03/1965", "DATE"),
        ("12.03.65", "DATE"),
        ("1965-03-12", "DATE"),
        ("12 mars 1965", "DATE"),
        ("1er mars", "DATE"),
        ("douze mars mille neuf cent soixante-cinq", "DATE"),
        ("12 sept. 2019", "DATE"),
        ("mars 2019", "DATE"),
        ("zéro six douze trente-quatre cinquante-six soixante-dix-huit", "NUMBER"),
    ],
)
def test_an_identifier_is_covered_whole_and_named(engine: Deidentifier, text: str, label: str) -> None:
    spans = engine.deidentify(f"Voir {text} ce jour.").spans
    assert [(s.start, s.end, s.label) for s in spans] == [(5, 5 + len(text), label)]


@pytest.mark.parametrize(
    ("cue", "label"), [("RPPS 10001234567", "RPPS"), ("ADELI 759312345", "ADELI"), ("FINESS 750712184", "FINESS")]
)
def test_a_word_before_a_number_names_it(engine: Deidentifier, cue: str, label: str) -> None:
    assert masked(engine, f"N° {cue}.") == f"N° {cue.split()[0]} <{label}>."


def test_a_wrong_key_lowers_the_score_and_drops_nothing(engine: Deidentifier) -> None:
    (right,), (wrong,) = (engine.deidentify(f"NIR {n}").spans for n in ("184127645108946", "184127645108947"))
    assert right.label == wrong.label == "NIR"
    assert right.score > wrong.score > 0


def test_the_keys_are_those_of_their_norms() -> None:
    assert nir_key_is_right("184127645108946")
    assert not nir_key_is_right("184127645108947")
    assert luhn("732829320")
    assert siret_is_right("73282932000074")
    assert siret_is_right("35600000000048")
    assert iban_is_right("FR1420041010050500013M02606")
    assert not iban_is_right("FR1520041010050500013M02606")


@pytest.mark.parametrize(
    "text",
    [
        "Rappel le 3 du mois dernier, en mars ou en mai.",
        "Douleur cotée à 6/10, 75 mg deux fois par jour, 45 ans, 50 % sur trois mois.",
        "Retraite de 1 250 euros, indemnité de 12000 euros.",
        "Articles L. 323-3 et R. 4624-31 du code de la sécurité sociale.",
        "Périmètre de marche réduit à 300 mètres, 214 jours indemnisés.",
    ],
)
def test_measures_amounts_and_articles_stay_readable(engine: Deidentifier, text: str) -> None:
    assert engine.deidentify(text).text == text


def test_an_age_over_ninety_is_an_identifier(engine: Deidentifier) -> None:
    assert masked(engine, "Son père a 94 ans, sa mère 89 ans.") == "Son père a <AGE>, sa mère 89 ans."


@pytest.mark.parametrize(
    "address",
    [
        "12 bis, rue des Lilas 75012 Paris",
        "12 rue des petits champs\n75012 Paris",
        "Résidence Les Oliviers, bât B, appt 12, 13008 Marseille",
        "3 imp. des Acacias, 44000 nantes",
        "47-83 Boulevard de l'Hôpital, 75013 Paris",
        "17 RUE DE RENNES 35000 RENNES CEDEX 7",
        "98 sentier des Vignes, 59297 Bellefontaine-en-Sologne",
    ],
)
def test_an_address_goes_over_lines_to_its_town(engine: Deidentifier, address: str) -> None:
    spans = engine.deidentify(f"Demeure {address}.").spans
    covered = {k for s in spans for k in range(s.start, s.end)}
    missed = [c for k, c in enumerate(f"Demeure {address}.") if 8 <= k < 8 + len(address) and k not in covered]
    assert {c for c in missed if c.isalnum()} == set()
    assert spans[0].start == 8
