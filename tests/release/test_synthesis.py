"""The synthesis says what the published tables say, in words that follow the figures, on one page."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from typing import Any

import pytest
from conftest import RELEASE, Rows, as_tables, example_rows, withheld_rows

from pipeline.protocol import Protocol
from pipeline.release import french
from pipeline.release.synthesis import WHY, Identity, synthesis
from pipeline.tables.codes import ALLOWANCE_PARTS, SUPPRESSION

CHROMIUM = shutil.which("chromium")


def page(rows: dict[str, Rows], uptake: float | None = 0.29) -> str:
    protocol = Protocol.load()
    return synthesis(as_tables(rows), Identity(RELEASE, "0.1.0+abc", protocol.sha256, protocol, uptake))


def text_of(html: str) -> str:
    """What a reader sees, with plain spaces and apostrophes."""
    body = re.sub(r"<style>.*?</style>|<svg.*?</svg>", " ", html, flags=re.DOTALL)
    text = unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u2019", "'")
    return re.sub(r"\s+", " ", text)


def headline_row(rows: dict[str, Rows]) -> dict[str, Any]:
    return next(row for row in rows["impact"] if row["is_headline"])


def test_an_effect_is_stated_with_its_interval_in_words():
    text = text_of(page(example_rows()))
    assert (
        "Vivre dans un département où une plateforme est ouverte a réduit la durée d'arrêt : entre 2,1 et 9,3 jours "
        "d'arrêt de moins par personne en 12 mois." in text
    )
    assert "En moyenne 212,4 jours d'arrêt pour 4 180 personnes exposées, contre 218,1 jours pour 9 875" in text


def test_what_the_study_can_see_is_printed_before_any_effect():
    text = text_of(page(example_rows()))
    assert text.index("effet d'au moins 4,8 jours d'arrêt") < text.index("entre 2,1 et 9,3 jours")


def test_an_interval_that_holds_zero_concludes_to_nothing():
    rows = example_rows()
    headline_row(rows).update(ci_low=-9.3, ci_high=2.1)
    text = text_of(page(rows))
    assert "On ne peut pas conclure à un effet des plateformes : entre 9,3 jours d'arrêt de moins et 2,1 jours" in text
    assert "a réduit" not in text
    assert "ne pas en voir n'est pas prouver qu'il n'y en a pas" in text


def test_a_harmful_effect_is_said_as_plainly_as_a_good_one():
    rows = example_rows()
    headline_row(rows).update(difference=5.7, ci_low=2.1, ci_high=9.3)
    text = text_of(page(rows))
    assert "a allongé la durée d'arrêt : entre 2,1 et 9,3 jours d'arrêt de plus" in text


@pytest.mark.parametrize("reason", sorted(code.code for code in SUPPRESSION))
def test_a_withheld_effect_says_so_and_why_and_shows_none_of_its_figures(reason):
    html = page(withheld_rows(reason))
    text = text_of(html)
    assert "L'effet des plateformes ne peut pas être énoncé dans cette publication." in text
    assert WHY[reason] in text
    for figure in ("212,4", "218,1", "9,3", "16,6", "231 €", "a réduit", "l'intervalle exclut"):
        assert figure not in text, figure
    assert "Effets et intervalles" not in html and "semaine après semaine" not in html  # the charts of effects
    assert "1 230 signalements" in text, "the activity goes on"


def test_a_release_without_anyone_followed_long_enough_says_so():
    rows = example_rows()
    for name in ("impact", "savings", "on_leave_curve", "power", "participant_profile", "exits", "delays"):
        rows[name] = []
    text = text_of(page(rows))
    assert "aucune personne n'a encore assez de recul" in text
    assert "Le plus petit effet détectable n'est pas publié" in text
    assert "Les économies ne sont pas publiées" in text
    assert "Le profil n'est pas publié" in text


def test_an_effect_without_interval_is_not_a_conclusion():
    rows = example_rows()
    headline_row(rows).update(ci_low=None, ci_high=None, suppression_reason="too_few_clusters", suppressed=True)
    text = text_of(page(rows))
    assert "5,7 jours de moins d'arrêt par personne en 12 mois, sans intervalle : on ne peut pas conclure" in text
    assert WHY["too_few_clusters"] in text


def test_the_effect_on_the_accompanied_carries_its_label_and_its_coherence_with_the_headline():
    text = text_of(page(example_rows()))
    assert "suppose qu'il n'y a pas de sélection non mesurée dans l'acceptation" in text
    # 0.29 × -16.6 = -4.8, against -5.7.
    assert "29 % des exposés sont accompagnés" in text
    assert "serait de 4,8 jours de moins ; on mesure 5,7 jours de moins. L'écart, 0,9 jour" in text
    assert "ne peut pas être calculée" in text_of(page(example_rows(), uptake=None))


def test_savings_that_may_be_a_loss_are_not_called_savings():
    text = text_of(page(example_rows()))
    assert "Indemnités journalières : une économie nette comprise entre 24 € et 246 € par personne" in text
    assert "entre un surcoût de 71 € et une économie de 175 € par personne" in text
    assert "on ne peut pas conclure à une économie." in text


def savings_rows(rows: dict[str, Rows]) -> dict[str, dict[str, Any]]:
    return {row["perimeter"]: row for row in rows["savings"]}


def test_savings_are_told_by_what_they_are_made_of_and_what_they_cost():
    text = text_of(page(example_rows()))
    assert (
        "Économie brute 231 €, soit maladie (hors temps partiel) 152 €, accidents du travail et maladies "
        "professionnelles (hors temps partiel) −12 €, temps partiel thérapeutique, tous risques 91 € ; coût du "
        "programme 96 €, net 135 €." in text
    )
    assert "Avec les pensions d'invalidité : brut 148 €, net 52 €." in text
    year = Protocol.load().savings.tariff_year
    assert f"Indemnités au barème de {year} : brut 247 €, net 151 € (32 € à 270 €)." in text


def test_the_days_that_repay_the_cost_stand_beside_those_measured():
    rows = example_rows()
    assert "Coût couvert à partir de 2,4 jours d'arrêt évités ; écart mesuré : 5,7 jours de moins." in text_of(
        page(rows)
    )
    savings_rows(rows)["allowances"].update(break_even_days=1.9, days_avoided_per_person=-3.2)
    assert "à partir de 1,9 jour d'arrêt évité ; écart mesuré : 3,2 jours de plus." in text_of(page(rows))
    savings_rows(rows)["allowances"]["break_even_days"] = None
    assert "Coût couvert" not in text_of(page(rows))


def test_masked_parts_are_left_out_and_the_whole_stays():
    rows = example_rows()
    for part in ALLOWANCE_PARTS:
        savings_rows(rows)[part].update(gross_eur_per_person=None, suppressed=True, suppression_reason="primary")
    text = text_of(page(rows))
    assert "Économie brute 231 € ; coût du programme 96 €, net 135 €." in text
    assert "soit maladie" not in text


def test_without_a_known_cost_the_gross_saving_is_said_and_no_net():
    rows = example_rows()
    for row in rows["savings"]:
        row.update({name: None for name in row if "cost" in name or "net" in name or name == "break_even_days"})
    text = text_of(page(rows))
    assert "Indemnités journalières : économie brute 231 € par personne ; le coût du programme n'est pas connu." in text
    assert "net 1" not in text and "Coût couvert" not in text


def test_every_figure_of_effects_and_savings_is_a_figure_of_the_tables():
    rows = example_rows()
    shown = {12.0, 95.0, 60.0}
    for row in rows["impact"]:
        factor = 100 if row["unit"] == "share" else 1
        shown |= {factor * row[name] for name in ("value_treated", "value_comparison", "ci_low", "ci_high")}
        shown |= {row["n_treated"], row["n_comparison"]}
    for row in rows["savings"]:
        shown |= {v for v in row.values() if isinstance(v, float)}
    printed = {french.number(abs(value), digits).replace("\u202f", "_") for value in shown for digits in (0, 1)}
    text = text_of(page(rows).replace("\u202f", "_"))
    headline = text[text.index("Vivre dans") : text.index("Cohérence :")]
    savings = text[text.index("Économies nettes") : text.index("L'activité")]
    savings = savings.replace(f"barème de {Protocol.load().savings.tariff_year}", "")
    found = set(re.findall(r"\d{1,3}(?:_\d{3})*(?:,\d+)?", headline + savings))
    assert len(found) > 25
    assert found <= printed


def test_failed_placebo_tests_are_counted_and_not_called_passed():
    rows = example_rows()
    rows["placebo"][0]["passed"] = False
    assert "2 menés sur 3 prévus : 1 test trouve un effet au-delà du hasard." in text_of(page(rows))
    rows["placebo"][0]["passed"] = None
    assert "1 mené sur 3 prévus : aucun ne trouve d'effet au-delà du hasard." in text_of(page(rows))
    for row in rows["placebo"]:
        row["passed"] = None
    assert "Aucun test à blanc n'a pu être mené." in text_of(page(rows))


def test_the_likeness_of_the_groups_is_drawn_whatever_becomes_of_the_effect():
    for rows in (example_rows(), withheld_rows("gate")):
        html = page(rows)
        assert html.count('aria-label="Écarts entre les groupes comparés') == 1
        assert "Lecture : chaque ligne est une caractéristique mesurée avant l'inclusion" in text_of(html)
    rows = example_rows()
    for row in rows["balance"]:
        row.update(smd_before=None, smd_after=None, suppressed=True, suppression_reason="primary")
    html = page(rows)
    assert "<details" not in html
    assert "La ressemblance des deux groupes n'est pas publiée." in text_of(html)


def test_masked_figures_are_printed_as_not_published():
    rows = example_rows()
    total = next(r for r in rows["platform_activity"] if r["platform_id"] == r["quarter"] == "all")
    total["withdrawals"] = None
    assert "n.p. retraits" in text_of(page(rows))


def test_the_page_loads_nothing_and_escapes_what_it_prints():
    rows = example_rows()
    rows["participant_profile"][0]["modality"] = "<script>alert(1)</script>"
    html = page(rows)
    assert "<script" not in html
    assert not re.search(r"(src|href)=|url\(|@import", html)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: the number of printed pages is not checked")
@pytest.mark.parametrize("rows", [example_rows(), withheld_rows("gate")], ids=["effect", "withheld"])
def test_the_synthesis_prints_on_one_page(rows, tmp_path):
    (tmp_path / "synthese.html").write_text(page(rows), encoding="utf-8")
    subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer",
         f"--print-to-pdf={tmp_path / 'page.pdf'}", (tmp_path / "synthese.html").as_uri()],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    assert re.findall(rb"/Count (\d+)", (tmp_path / "page.pdf").read_bytes()) == [b"1"]


def test_months_without_a_delivery_are_named() -> None:
    identity = Identity(RELEASE, "0.1.0+abc", Protocol.load().sha256, Protocol.load(), None, ("2023-02", "2023-03"))
    assert "Livraisons absentes\u00a0: février\u00a02023 et mars\u00a02023." in synthesis(
        as_tables(example_rows()), identity
    )
