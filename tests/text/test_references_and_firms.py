"""What reports hold beside the numbers of the State: references, plates, handles, firms named in small letters."""

from __future__ import annotations

import pytest

from pipeline.text.deidentify import Deidentifier


def masked(engine: Deidentifier, text: str) -> str | None:
    return engine.deidentify(text, None).text


@pytest.mark.parametrize(
    "text",
    [
        "contrat PRV-2207841", "Réf. : SS/68/2023-1197", "voiture immatriculée EX-418-RD", "contrat P0049311",
        "attestation, alloc. 3318724 K", "numéro d'attente SE-30-771204", "recommandé 1A 204 558 3176 2",
        "voiture ex-418-rd", "réf. ss/68/2023-1197", "contrat p0049311", "alloc. 3318724 k",
        "licence n° 12", "police n° B 4471", "contrat de prêt numéro 7", "dossier XY 4411 220 95",
        "joignable au 06-12.34 56/78", "sur Instagram @fleur_des_prés", "pseudo lolo.bnch38",
        "carte ABC-083-2027-04-11-20220614772", "en ligne sous 19ABCD240588", "l'appartement de la rue de Siam, n° 61",
        "l'adresse : 5 rue Foch, 3e gauche", "le pseudo « Szym_91 »",
    ],
)  # fmt: skip
def test_a_reference_is_masked_to_its_last_sign(engine: Deidentifier, text: str) -> None:
    found = masked(engine, f"Voir {text}, merci.")
    assert found is not None
    assert not any(character.isdigit() for character in found)
    assert "XY" not in found and "ex-" not in found and "ss/" not in found and " k," not in found
    assert "_prés" not in found and "bnch" not in found and not found.endswith("K, merci.")


@pytest.mark.parametrize(
    "text",
    ["hameau de tartanvielle le haut", "place de l'église", "route du lavoir", "domicilié la lampe bleue",
     "domicilié chemin de la lampe",
     "d'adresse connue, derrière l'épicerie tartanvielle"],
)  # fmt: skip
def test_an_address_may_have_neither_number_nor_capital(engine: Deidentifier, text: str) -> None:
    found = masked(engine, f"Il n'a pas {text}, et vit seul.")
    assert found is not None and found.endswith("[adresse], et vit seul.")


@pytest.mark.parametrize(
    "text",
    [
        "Tableau n° 57 reconnu, article n° 3 du code, séance n° 12 sur 15.",
        "Versé 1 250,50 € ; CPAM prévenue, arrêt n° 2 en cours.",
        "Elle est à la place de la mairie dans la liste, en cours de formation.",
        "Demeurant le plus souvent allongé, il vit derrière ses volets.",
        "Il habite la maison de sa mère et loge chez elle.",
        "L'audience aura lieu le matin, sur la route du retour.",
    ],
)
def test_prose_of_numbers_and_places_stays_readable(engine: Deidentifier, text: str) -> None:
    assert masked(engine, text) == text


@pytest.mark.parametrize(
    "text", ["article R4624-31", "article L323-3", "lésion L4-L5", "covid-19", "CIM-10", "article l323-3"]
)
def test_an_article_of_law_or_a_vertebra_is_no_reference(engine: Deidentifier, text: str) -> None:
    assert masked(engine, f"Selon {text}, avis rendu.") == f"Selon {text}, avis rendu."


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("maçon chez sas bati vallée depuis onze ans", "maçon chez [employeur] depuis onze ans"),
        ("cuisinier, resto le lotus bleu, arrêt", "cuisinier, [employeur], arrêt"),
        ("gérant sarl banel et fils a la retraite", "gérant [employeur] a la retraite"),
        ("douleur chez patient diabétique", "douleur chez patient diabétique"),
        ("elle vit chez ses parents", "elle vit chez ses parents"),
    ],
)
def test_a_firm_in_small_letters_is_masked_to_the_next_small_word(
    engine: Deidentifier, text: str, expected: str
) -> None:
    assert masked(engine, text) == expected


@pytest.mark.parametrize(
    "name", ["M. Le Du", "Dr Le Mer", "Mme Hermine Le Du", "Dr Xavier Prud'homme", "David Le Floc'h", "C. de Baecque",
             "Noël Toussaint", "A U B E R T", "L e g r a n d", "Mme Tout"],
)  # fmt: skip
def test_names_of_particles_apostrophes_and_feasts_are_masked_whole(engine: Deidentifier, name: str) -> None:
    assert masked(engine, f"Vu avec {name} qui valide.") == "Vu avec [nom] qui valide."


def test_a_father_is_named_behind_the_word(engine: Deidentifier) -> None:
    assert masked(engine, "Vu avec son père Toussaint et sa femme Rose.") == (
        "Vu avec son père [nom] et sa femme [nom]."
    )


def test_great_ages_are_masked_in_words_too(engine: Deidentifier) -> None:
    assert masked(engine, "Sa mère a quatre-vingt-quatorze ans.") == "Sa mère a [âge]."


@pytest.mark.parametrize("date", ["1ER MARS", "16 nov.", "mercredi 24", "27.03"])
def test_dates_without_a_year_are_masked(engine: Deidentifier, date: str) -> None:
    found = masked(engine, f"Reprise le {date}")
    assert found is not None and not any(character.isdigit() for character in found)


@pytest.mark.parametrize("parts", ["bât. B", "bâtiment c", "escalier 3", "lot 7"])
def test_an_address_is_one_with_the_parts_of_its_building(engine: Deidentifier, parts: str) -> None:
    assert masked(engine, f"Il vit 4 rue de la Lampe, {parts}, avec elle.") == "Il vit [adresse], avec elle."
