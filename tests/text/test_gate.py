"""The gate by itself: what is withheld when a recogniser has left something."""

from __future__ import annotations

import pytest

from pipeline.text import gate, record
from pipeline.text.gate import Reason
from pipeline.text.lexicon import Lexicon
from pipeline.text.record import Known
from pipeline.text.spans import Label, Span


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon.load()


@pytest.fixture(scope="module")
def known(lexicon: Lexicon) -> Known:
    return record.known({"nom": "Tartanvielle"}, lexicon)


def judged(text: str, masked: str, known: Known | None, lexicon: Lexicon) -> tuple[Reason, ...]:
    start = text.index(masked)
    return gate.reasons(text, (Span(start, start + len(masked), Label.EMPLOYER, 0.8),), known, lexicon)


@pytest.mark.parametrize("text", ["Elle a vu XX, puis Lampe ce jour.", "Vu XX, suivi d'Armoire."])
def test_without_a_record_a_capital_word_inside_a_sentence_withholds(text: str, lexicon: Lexicon, known: Known) -> None:
    assert judged(text, "XX", None, lexicon) == (Reason.NAME_BESIDE,)
    assert judged(text, "XX", known, lexicon) == ()


@pytest.mark.parametrize("head", ["coopérative", "librairie de", "société"])
def test_a_firm_masked_in_part_withholds(head: str, lexicon: Lexicon, known: Known) -> None:
    text = f"Elle est à la {head} XX Lampe, en arrêt."
    assert judged(text, "XX", known, lexicon) == (Reason.NAME_LEFT,)
    assert Reason.NAME_LEFT in judged(text, "XX", None, lexicon)


@pytest.mark.parametrize(
    "text", ["Elle a vu la société XX. Reprise en mars.", "Vu la librairie XX pour Cap emploi.", "Vu XX, à la MDPH."]
)
def test_what_is_whole_is_released(text: str, lexicon: Lexicon, known: Known) -> None:
    assert judged(text, "XX", known, lexicon) == ()
    assert judged(text, "XX", None, lexicon) == ()
