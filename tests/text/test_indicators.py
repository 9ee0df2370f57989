"""Obstacles, actions and themes of a narrative: what is said, what is denied, what is only planned."""

from __future__ import annotations

import json
import re
import time
import tomllib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tables.codes import INDICATOR_FAMILY, INDICATOR_STATUS, MEASURE
from pipeline.text import indicators as module
from pipeline.text.evaluate import Evaluation, read, report
from pipeline.text.indicators import Family, Status, codebook, codes

ANNOTATED = Path(__file__).parent / "annotated"
LISTS = tomllib.loads(Path(module.__file__).with_name("indicators.toml").read_text(encoding="utf-8"))
PRESENT, PLANNED, NEGATED = Status.PRESENT, Status.PLANNED, Status.NEGATED


def texts(name: str) -> list[str]:
    lines = (ANNOTATED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("Elle se plaint de douleurs lombaires.", "pain", PRESENT),
        ("Pas de douleur.", "pain", NEGATED),
        ("Aucune douleur, fatigue ni trouble de la marche.", "fatigue", NEGATED),
        ("Pas de douleur, fatigue importante.", "fatigue", PRESENT),
        ("Les douleurs ont disparu.", "pain", NEGATED),
        ("Les douleurs n'ont pas disparu.", "pain", PRESENT),
        ("Pas de douleur au repos, douleur à l'effort.", "pain", PRESENT),
        ("Il n'est plus isolé depuis son déménagement.", "isolation", NEGATED),
        ("La mobilité n'est plus un frein.", "mobility", NEGATED),
        ("Le logement pose problème.", "housing", PRESENT),
        ("Le logement ne pose pas de problème.", "housing", NEGATED),
        ("Elle habite un logement social.", "housing", None),
        ("Aucune difficulté financière, de logement ou de mobilité.", "mobility", NEGATED),
        ("Il n'a pas le permis.", "mobility", PRESENT),
        ("Le conflit avec la direction est réglé.", "work_conflict", NEGATED),
        ("Le conflit n'est pas réglé.", "work_conflict", PRESENT),
        ("Ce n'est pas seulement un conflit d'horaires.", "work_conflict", PRESENT),
        ("En cas de conflit, il saisirait le CSE.", "work_conflict", None),
        ("Illettrisme ?", "literacy", None),
        ("Fatigue : non. Logement : RAS.", "fatigue", NEGATED),
        ("Fatigue : non. Logement : RAS.", "housing", NEGATED),
        ("Surendetement et surrendettement.", "debt", PRESENT),
        ("Le salarié travaille de jour.", "financial_hardship", None),
    ],
)
def test_an_obstacle_is_present_unless_the_clause_denies_it(text: str, code: str, status: Status | None) -> None:
    assert codes(text).get(code) == status


@pytest.mark.parametrize(
    ("text", "code", "status"),
    [
        ("L'essai encadré s'est déroulé en mars.", "supervised_trial", PRESENT),
        ("Un essai encadré est envisagé.", "supervised_trial", PLANNED),
        (
            "Un essai encadré est envisagé. Il a été réalisé en mai : l'essai encadré a eu lieu.",
            "supervised_trial",
            PRESENT,
        ),
        ("Elle refuse l'essai encadré.", "supervised_trial", NEGATED),
        ("Elle accepte sans délai l'essai encadré.", "supervised_trial", PLANNED),
        ("Il n'est pas opposé à un reclassement.", "redeployment", PLANNED),
        ("Le reclassement n'a pas été retenu.", "redeployment", NEGATED),
        ("La visite de pré-reprise n'a pas encore eu lieu.", "pre_return_visit", PLANNED),
        ("La visite de pré-reprise et l'essai encadré n'ont pas été réalisés.", "pre_return_visit", NEGATED),
        ("PMSMP non réalisée. À reprogrammer en juin.", "work_immersion", PLANNED),
        ("La RQTH lui a été proposée. Elle l'a refusée.", "disabled_worker_application", NEGATED),
        ("Demande de RQTH déposée.", "disabled_worker_application", PRESENT),
        ("Demande d'aménagement de poste faite.", "post_adaptation", PLANNED),
        ("Actions proposées : RQTH, bilan de compétences et PMSMP.", "skills_review", PLANNED),
        ("A sollicité une aide financière, refusée depuis.", "financial_aid", NEGATED),
        ("L'aménagement envisagé (deux semaines) est refusé.", "post_adaptation", NEGATED),
        ("TPT : refusé.", "therapeutic_part_time", NEGATED),
        ("RQTH : non.", "disabled_worker_application", NEGATED),
        ("Le temps partiel thérapeutique est en cours depuis mai.", "therapeutic_part_time", PRESENT),
        ("Une formation d'aide-soignante ?", "training", PLANNED),
    ],
)
def test_an_action_is_carried_out_planned_or_refused(text: str, code: str, status: Status) -> None:
    assert codes(text).get(code) == status


def test_a_theme_is_spoken_of_even_when_nothing_is_wrong() -> None:
    assert codes("Pas de dettes, ses enfants sont grands.") == {
        "debt": NEGATED,
        "money": PRESENT,
        "family": PRESENT,
        "childcare": NEGATED,
    }


@pytest.mark.parametrize("name", ["development", "held_out"])
def test_accents_case_and_typography_change_nothing(name: str) -> None:
    for text in texts(name):
        expected = codes(text)
        bare = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))
        for variant in (bare, unicodedata.normalize("NFD", text), text.upper(), text.replace("'", "’"), f"{text}\r\n"):
            assert codes(variant) == expected


def test_a_line_broken_inside_a_sentence_does_not_end_it() -> None:
    assert codes("Il ne souhaite pas\n  d'essai encadré.") == codes("Il ne souhaite pas d'essai encadré.")
    assert codes("Pas de dettes\nDouleurs") == {"pain": PRESENT, "debt": NEGATED, "money": PRESENT}


def test_a_text_beyond_the_contracts_limit_is_not_read() -> None:
    assert codes("Douleurs. " + "x" * 20_000) == {}


@given(st.text(max_size=400))
def test_any_text_yields_codes_of_the_list_and_obstacles_are_never_planned(text: str) -> None:
    for code, status in codes(text).items():
        assert codebook().family[code] is Family.ACTION or status is not PLANNED


@given(st.lists(st.sampled_from(" ".join(texts("development")).split()), max_size=60))
@settings(max_examples=50)
def test_words_in_any_order_yield_codes_of_the_list(words: list[str]) -> None:
    assert codes(" ".join(words)).keys() <= codebook().family.keys()


@pytest.mark.parametrize(
    "unit",
    [
        "pas de ",
        "ne ",
        "pas,",
        "douleur, ",
        "refuse propose rqth ",
        "(",
        "a.",
        "\n",
        "poste pas plus ",
        "+",
        "abcdefghijk ",
    ],
)
def test_no_text_of_20_kb_takes_half_a_second(unit: str) -> None:
    codes("Douleurs.")  # the lists are compiled once
    began = time.process_time()
    codes((unit * 20_000)[:20_000])
    assert time.process_time() - began < 0.5


def test_codes_are_unique_and_share_the_labels_of_the_measures_that_reports_tick() -> None:
    book = codebook().indicators
    assert len({one.code for one in book}) == len(book)
    assert all(one.label_fr and one.label_en for one in book)
    assert [one.code for one in INDICATOR_FAMILY] == list(Family)
    assert [one.code for one in INDICATOR_STATUS] == list(Status)
    measures = {code.code: code.label_fr for code in MEASURE if code.code != "other"}
    assert measures.items() <= {one.code: one.label_fr for one in book}.items()


def test_patterns_are_written_in_the_words_that_texts_are_read_in() -> None:
    for section in ("obstacle", "action", "theme"):
        for code, entry in LISTS[section].items():
            for kind in ("says", "beside", "fine", "leads"):
                for word in entry.get(kind, "").replace(";", " ").split():
                    assert re.fullmatch(r"\.\.|\*?[a-z0-9+|_*/]+", word), (code, kind, word)
    for cue, patterns in LISTS["cue"].items():
        for word in patterns.replace(";", " ").split():
            assert re.fullmatch(r"\.\.|\?|\*?[a-z0-9+|_*]+", word), (cue, word)


@pytest.mark.parametrize(("name", "least"), [("development", 60), ("held_out", 150)])
def test_annotated_texts_are_distinct_and_enough(name: str, least: int) -> None:
    assert len(set(texts(name))) == len(texts(name)) >= least
    if name == "held_out":
        assert not set(texts(name)) & set(texts("development"))


def test_the_guide_defines_every_code_and_its_figures_are_those_measured() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "annotate-reports.md").read_text(encoding="utf-8")
    defined = set(re.findall(r"\w+", " ".join(row.split("|")[1] for row in guide.splitlines() if row.startswith("| "))))
    assert {one.code for one in codebook().indicators} <= defined
    counts = Evaluation()
    for given_text in read(ANNOTATED / "held_out.jsonl"):
        assert given_text.codes is not None
        counts.add_codes(given_text.codes, codes(given_text.text))
    for line in report(counts):
        assert line in guide
