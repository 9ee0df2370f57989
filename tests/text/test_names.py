"""Names by civility, label, shape and neighbourhood; eponyms, drugs and months stay readable."""

from __future__ import annotations

import pytest

from pipeline.text.deidentify import Deidentifier


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Vu avec M. Durand ce jour.", ["Durand"]),
        ("Vu avec mme petit et le dr roi.", ["petit", "roi"]),
        ("Vu par le Docteur Blanc.", ["Blanc"]),
        ("Mme Le Gall épouse O'Brien est reçue.", ["Le Gall", "O'Brien"]),
        ("Dr J-P. Martin-Lagrange, Pr de la Motte.", ["J-P. Martin-Lagrange", "de la Motte"]),
        ("JALONVILLE Christine, interne.", ["JALONVILLE", "Christine"]),
        ("Nom : petit Prénom : jean", ["petit", "jean"]),
        ("F.V. se dit isolé.", ["F.V."]),
        ("Mme F. et M. K. sont d'accord.", ["F.", "K."]),
        ("Sa fille Rose et son fils Marc vont bien.", ["Rose", "Marc"]),
        ("Dr A.Mariniere, MmeDupont.", ["A.Mariniere", "Dupont"]),
        ("Suivi à la Timone puis à Larivoise.", ["Timone", "Larivoise"]),
        ("Vu à l'hôpital Bichat et à la clinique saint roch.", ["Bichat", "saint roch"]),
        ("Il travaille chez Ateliers Boissinot & Fils.", ["Ateliers Boissinot & Fils"]),
        ("MARCHEUR née le 12 mars 1965.", ["MARCHEUR"]),
        ("Martin va bien.", ["Martin"]),
        ("Rendez-vous pour LAMPE SERRURE prévu demain.", ["LAMPE", "SERRURE"]),
        ("Vu avec J. SERRURE hier.", ["J.", "SERRURE"]),
        ("SERRURE, Yvon\nPoint de situation.", ["SERRURE", "Yvon"]),
        ("Suivi à Villers-aux-Bois et à La Défense.", ["Villers-aux-Bois", "La Défense"]),
        ("Avis de M. n'diaye et de mme ben saïd.", ["n'diaye", "ben saïd"]),
    ],
)
def test_a_name_is_covered_whole(engine: Deidentifier, text: str, names: list[str]) -> None:
    covered = {k for s in engine.deidentify(text).spans for k in range(s.start, s.end)}
    for name in names:
        start = text.index(name)
        assert set(range(start, start + len(name))) <= covered, name


@pytest.mark.parametrize(
    "text",
    [
        "Maladie de Crohn connue, syndrome de Guillain-Barré, canal de Guyon.",
        "Suspicion de maladie de Raynaud ; test de Schober, fracture de Pouteau-Colles.",
        "Un Parkinson débutant.",
        "Traitement par Doliprane, Lyrica et méthotrexate.",
        "La reprise est prévue en mars, la visite en avril.",
        "Orientation vers Cap emploi et demande de RQTH à la MDPH.",
        "L'assuré a donné son accord à la Caisse primaire d'assurance maladie.",
        "POINT DE SITUATION : ARRÊT EN COURS.",
    ],
)
def test_what_names_nobody_stays_readable(engine: Deidentifier, text: str) -> None:
    assert engine.deidentify(text).text == text


def test_an_eponym_is_a_name_without_a_medical_word(engine: Deidentifier) -> None:
    assert engine.deidentify("Vu par Raynaud ce jour.").text == "Vu par [nom] ce jour."


def test_an_unknown_word_is_masked_in_any_case(engine: Deidentifier) -> None:
    assert engine.deidentify("Revoir tartanvielle et Tartanvielle.").text == "Revoir [mot] et [nom]."


def test_a_text_of_unknown_words_is_withheld(engine: Deidentifier) -> None:
    judged = engine.deidentify("Wir haben gestern den neuen Kollegen im Büro getroffen und lange mit ihm gesprochen.")
    assert (judged.decision, judged.reasons) == ("withhold", ("many_unknown_words",))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Lampe, 12/03/1965.", "name_beside"),
        ("LAMPE 12/03/1965", "name_beside"),
        ("Lampe\nSuivi en cours.", "name_beside"),
        ("Voir le 4512 à ce sujet.", "number_left"),
    ],
)
def test_without_a_record_a_doubt_withholds(engine: Deidentifier, text: str, reason: str) -> None:
    assert engine.deidentify(text).reasons == (reason,)
    assert engine.deidentify(text, {"nom": "Tartanvielle"}).decision == "release"
