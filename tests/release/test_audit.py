"""The audit states the attacker, the rules and what was measured, and never promises anonymity."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from conftest import as_tables, example_facts, example_rows

from pipeline.disclosure.facts import Fidelity, ReleaseFacts
from pipeline.release.audit import RULES
from pipeline.release.verify import verify
from pipeline.release.write import write_release


@pytest.fixture(scope="module")
def record(published_once):
    return json.loads((published_once / "audit.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def text(published_once):
    html = (published_once / "audit.html").read_text(encoding="utf-8")
    body = re.sub(r"<style>.*?</style>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)).replace("\u2019", "'"))


def test_every_rule_judged_has_a_french_title(published_once):
    assert {verdict.rule for verdict in verify(published_once)} == set(RULES)


def test_the_audit_gives_the_measured_figures_and_a_verdict_per_rule(record, text):
    assert record["measured"]["smallest_class"] == 15
    assert record["measured"]["fewest_states"] == 3
    assert record["measured"]["smallest_published_count"] == 20
    assert all(verdict["passed"] for verdict in record["verdicts"])
    assert text.count(" conforme") >= len(record["verdicts"])
    assert "non conforme" not in text
    assert "plus petite classe : 15 (k = 11), au moins 3 situations par classe (l = 3)" in text


def test_the_audit_names_attacker_quasi_identifiers_and_reassessment(record, text):
    assert "Il connaît les tables publiées, toutes les publications précédentes" in text
    names = [quasi["name"] for quasi in record["quasi_identifiers"]]
    assert names == ["index_quarter", "arm", "sex", "age_band", "territory", "status", "sector", "cause"]
    assert record["reassessment"] == "2025-06"
    assert "au plus tard en juin 2025" in text


def test_an_attack_is_shown_with_its_interval_and_its_control_and_a_missing_one_is_said(text):
    assert "isoler une personne par ses quasi-identifiants 180 0,0 % 0,0 % à 2,1 % 64,0 %" in text
    assert text.count("Aucune attaque de ce type n'a été mesurée") == 2


def test_the_audit_never_promises_anonymity(text):
    assert not re.search(r"anonym\w* (est |sont )?garanti|garanti\w* anonym|risque (nul|zéro)", text)
    assert "ils ne l'annulent pas" in text


def test_the_suppression_is_counted_by_table_and_reason(record, text):
    assert record["suppressed_rows"]["departments"] == {"primary": 1}
    assert record["suppressed_rows"]["platform_activity"] == {"primary": 8}
    assert "repose sur trop peu de personnes : 8" in text
    assert "Textes libres retenus (aucun n'est publié) 1 987" in text


def test_the_exact_tables_are_declared(record, text):
    assert record["exact_tables"] == ["data_quality", "disclosure"]
    assert "data_quality , disclosure" in text


def test_the_rebuilt_leaves_stand_beside_the_national_figures_of_the_same_unit(record, text):
    rows = {row["modality"]: row for row in record["leaves"]}
    assert list(rows) == ["all", "181+", "25-29", "60+"]
    assert (rows["all"]["measured"], rows["all"]["national"], rows["all"]["ratio"]) == (36, 34, 1.06)
    assert "Arrêts maladie payés en 2023" in text
    assert "ensemble jours payés par arrêt 9 000 36 34 1,06 DREES-Cnam, 2023" in text
    assert "plus de 6 mois part des arrêts 640 6 % 7 % 0,86 DREES-Cnam, 2023" in text
    assert "60 ans et plus jours payés par arrêt n.p. n.p. 76 n.p. Cnam, 2016" in text


def test_without_a_whole_year_no_leave_is_compared(run):
    rows = example_rows() | {"leaves": []}
    folder = write_release(run, as_tables(rows), example_facts())
    assert "Aucune année civile n\u2019est encore entièrement connue" in (folder / "audit.html").read_text("utf-8")


def test_the_balance_stands_with_its_love_plot_and_its_verdicts_by_departement_and_subgroup(
    published_once, record, text
):
    html = (published_once / "audit.html").read_text(encoding="utf-8")
    assert html.count('aria-label="Écarts entre les groupes comparés') == 1
    assert {row["covariate"]: row["smd_limit"] for row in record["balance"]} == {
        "age": 0.1, "days_24m": 0.05, "prognosis": 0.05, "wage": 0.1,
    }  # fmt: skip
    assert "département 094 0,12 salaire de référence 0,04 0,06 0,91 à 1,12 hors limite, hasard possible" in text
    assert "département 039 n.p. n.p. n.p. n.p. à n.p." in text
    assert "sexe femme 0,12 salaire de référence 0,04 0,06 0,91 à 1,12 Après appariement" in text  # not judged
    assert "les sous-groupes sont montrés et ne décident de rien" in text


def test_lines_that_the_rules_of_the_allowance_do_not_allow_are_counted(record, text):
    assert {rule["rule"]: rule["rows_flagged"] for rule in record["allowance_rules"]} == {
        "daily_amount_above_maximum": 1357, "self_employed_work_injury": 0,
    }  # fmt: skip
    assert "jamais écartées : montant journalier supérieur au maximum légal, 1 357 ;" in text


def test_a_withheld_headline_gives_no_fidelity_figure(run):
    facts = example_facts(fidelity=Fidelity(reason="gate"), microdata=None)
    folder = write_release(run, as_tables(example_rows()), facts)
    html = (folder / "audit.html").read_text(encoding="utf-8")
    assert "non calculée (les groupes comparés ne sont pas assez semblables)" in html
    assert (
        json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["fidelity"]["distance_in_intervals"] is None
    )


@pytest.mark.parametrize(("published", "faithful"), [(-5.7, True), (-5.0, True), (-4.9, False), (-7.0, False)])
def test_microdata_more_than_a_tenth_of_the_interval_away_are_said_not_to_give_the_headline(run, published, faithful):
    facts = example_facts(fidelity=Fidelity(restricted=-5.7, published=published, ci_low=-9.3, ci_high=-2.1))
    folder = write_release(run, as_tables(example_rows()), facts)
    fidelity = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["fidelity"]
    assert fidelity["faithful"] is faithful
    assert fidelity["distance_in_intervals"] == pytest.approx(abs(published + 5.7) / 7.2)
    html = (folder / "audit.html").read_text(encoding="utf-8")
    assert ("les microdonnées ne redonnent pas l" in html) is not faithful


def test_facts_survive_their_file(tmp_path):
    facts = example_facts()
    facts.save(tmp_path / "facts.json")
    assert ReleaseFacts.load(tmp_path / "facts.json") == facts
