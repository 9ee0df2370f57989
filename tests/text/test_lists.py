"""Word lists: the project's own, and a site's beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.protocol import Protocol
from pipeline.text.deidentify import of_protocol
from pipeline.text.lexicon import LISTS, Is, Lexicon, ListError, Lists, read


def test_a_sites_words_add_to_the_projects(tmp_path: Path) -> None:
    words, towns = tmp_path / "words.txt", tmp_path / "towns.txt"
    words.write_text("# local words\ntartanvielle\n", encoding="utf-8")
    towns.write_text("Lumière\n", encoding="utf-8")
    rules = Protocol.load().text.model_copy(update={"vocabulary": [str(words)], "towns": [str(towns)]})
    judged = of_protocol(Protocol.load().model_copy(update={"text": rules})).deidentify("Une tartanvielle à Lumière.")
    assert judged.text == "Une tartanvielle à [commune]."


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ListError, match="No such file"):
        Lexicon.load(Lists(surnames=(tmp_path / "none.txt",)))
    broken = tmp_path / "broken.txt"
    broken.write_bytes(b"\xff\xfe")
    with pytest.raises(ListError, match="not UTF-8"):
        Lexicon.load(Lists(towns=(broken,)))


def test_a_word_may_be_several_things() -> None:
    lexicon = Lexicon.load()
    assert lexicon("petit") & Is.WORD and lexicon("petit") & Is.SURNAME and lexicon("petit") & Is.LOWER
    assert lexicon("Été") & Is.FUNCTION and not lexicon("Été") & Is.SURNAME
    assert lexicon("CPAM") & Is.ACRONYM and not lexicon("cpam") & Is.ACRONYM
    assert lexicon("arthroscopies") & Is.WORD, "formed by a learned suffix"
    assert not lexicon("tartanvielle") & Is.WORD


def test_verbs_are_conjugated_and_nouns_inflected() -> None:
    lexicon = Lexicon.load()
    for form in (
        "accompagnaient",
        "aménagée",
        "finissait",
        "loyers",
        "sociaux",
        "heureuse",
        "nouvelles",
        "travaillera",
    ):
        assert lexicon(form) & Is.WORD, form


def test_no_list_holds_a_stray_sign() -> None:
    for path in LISTS.glob("*.txt"):
        stray = [word for word in read(path) if word != "=" and not any(character.isalnum() for character in word)]
        assert stray == [], path.name
