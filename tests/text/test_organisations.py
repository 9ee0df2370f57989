"""Organisations are masked from the noun that heads their name to the word that ends it; institutions stay readable."""

from __future__ import annotations

import re

import pytest

from pipeline.text.deidentify import Deidentifier


def masked(engine: Deidentifier, text: str) -> str | None:
    return engine.deidentify(text).text


@pytest.mark.parametrize(
    "name",
    [
        "conserverie Tartanvielle", "office de tourisme de Tartanvielle", "Conseil régional de la Loire",
        "syndicat mixte des eaux de Tartanvielle", "librairie Tartanvielle", "Institut des 3 Lampes",
        "coopérative T2V", "usine 7T", "association d'aide à domicile Tartanvielle", "Ville de Tartanvielle",
        "quincaillerie Tartanvielle et fils", "garderie de Tartanvielle",
        "Auberge de France", "Auberge des lampes", "GIE Santé Tartanvielle",
    ],
)  # fmt: skip
def test_a_noun_of_organisations_belongs_to_the_name_behind_it(engine: Deidentifier, name: str) -> None:
    found = masked(engine, f"Elle a repris à la {name}, sans aménagement.")
    assert found in (f"Elle a repris à la [{one}], sans aménagement." for one in ("employeur", "établissement", "nom"))


@pytest.mark.parametrize(
    "name",
    ["Tartanvielle Services", "Tartanvielle Santé", "tartanvielle plomberie", "Tartanvielle & fils",
     "Tartanvielle frères", "Tartanvielle Propreté 45", "SCI TARTANVIELLE", "EI Tartanvielle",
     "tartanvielle et associés"],
)  # fmt: skip
def test_a_firms_name_goes_on_to_its_last_word(engine: Deidentifier, name: str) -> None:
    found = masked(engine, f"Il est peintre ({name}), en arrêt.")
    assert found in (f"Il est peintre ([{label}]), en arrêt." for label in ("employeur", "nom", "mot"))


@pytest.mark.parametrize(
    "text",
    [
        "Elle tient une mercerie, « [] ».", "Il est gérant de « [] ».", 'L\'association "[]" l\'aide.',
        "On l'appelle « [] ».", "Connue ici comme « [] ».", "Surnommé « [] ».",
    ],
)  # fmt: skip
def test_a_quotation_may_be_a_name(engine: Deidentifier, text: str) -> None:
    found = masked(engine, text.replace("[]", "Aux Belles Lampes"))
    assert found is not None and not {"Aux", "Belles", "Lampes"} & set(re.findall(r"\w+", found))


def test_a_nickname_is_masked_with_its_article(engine: Deidentifier) -> None:
    assert masked(engine, "On l'appelle le roi de la lampe et il en rit.") == "On l'appelle [nom] et il en rit."


@pytest.mark.parametrize(
    "text",
    [
        "Le conseil départemental verse le RSA.",
        "Suivi par l'association d'aide à domicile et la mission locale.",
        "Le magasin a fermé, licenciement économique en cours.",
        "Elle tient seule une boulangerie, sans chauffage.",
        "Le comité social et économique a été consulté.",
        "Travaux de peinture et nettoyage contre-indiqués.",
        "Il dit « Je ne peux plus porter » à son médecin.",
        "Le patron a parlé de « Burn-out » devant tous.",
        "Il a ouvert un dossier « Reconnaissance » à la MDPH.",
        "On l'appelle le matin pour fixer le rendez-vous.",
        "Connu comme diabétique, il est dit « apte » par le centre.",
    ],
)
def test_prose_of_firms_and_quotations_stays_readable(engine: Deidentifier, text: str) -> None:
    assert masked(engine, text) == text


@pytest.mark.parametrize("text", ["une librairie à Rouen", "la cantine et Rouen", "la mercerie pour Durand"])
def test_a_place_behind_a_preposition_is_no_part_of_the_name(engine: Deidentifier, text: str) -> None:
    found = masked(engine, f"Vu pour {text}, merci.")
    assert found is not None and text.split()[1] in found
