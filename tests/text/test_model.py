"""The optional spaCy model, from a local folder: it only adds spans, and is off unless the protocol names it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import spacy
from spacy.training import Example

from pipeline.protocol import Protocol
from pipeline.text.deidentify import Deidentifier, of_protocol
from pipeline.text.frame import ModelError

SENTENCES = (
    "le chantier de {} avance", "le poste de {} reste vacant", "{} est en arrêt", "la reprise de {} est prévue",
    "{} souhaite une formation", "avis de {} : apte", "le dossier de {} est complet", "selon {} la charge est lourde",
)  # fmt: skip
WORDS = ("soleil", "marteau", "lampe", "colombe")
"""Words of the vocabulary: rules alone leave them."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model that takes four made-up names for persons."""
    spacy.util.fix_random_seed(0)
    model = spacy.blank("fr")
    recogniser = model.add_pipe("ner")
    recogniser.add_label("PER")  # type: ignore[attr-defined]
    examples = []
    for sentence in SENTENCES:
        for word in WORDS:
            start = sentence.index("{}")
            entities = {"entities": [(start, start + len(word), "PER")]}
            examples.append(Example.from_dict(model.make_doc(sentence.format(word)), entities))
    model.initialize(lambda: examples)
    for _ in range(15):
        model.update(examples)
    path = tmp_path_factory.mktemp("model")
    model.to_disk(path)
    return path


def test_a_model_adds_spans_and_takes_none_away(folder: Path, engine: Deidentifier) -> None:
    text = "Mme Durand est reçue ce jour. le dossier de marteau est complet"
    with_model = Deidentifier(model=folder)
    found = {(s.start, s.end) for s in engine.deidentify(text).spans}
    more = {(s.start, s.end) for s in with_model.deidentify(text).spans}
    added = {text[start:end] for start, end in more - found}
    assert "marteau" in added
    covered = {k for start, end in more for k in range(start, end)}
    assert {k for start, end in found for k in range(start, end)} <= covered


def test_it_is_off_unless_the_protocol_names_it(folder: Path) -> None:
    protocol = Protocol.load()
    assert protocol.text.model == ""
    text = "le dossier de marteau est complet"
    assert of_protocol(protocol).deidentify(text).spans == ()
    named = protocol.model_copy(update={"text": protocol.text.model_copy(update={"model": str(folder)})})
    assert of_protocol(named).deidentify(text).spans


@pytest.mark.parametrize("content", [None, {}, {"meta.json": "{"}])
def test_a_folder_without_a_model_is_named(tmp_path: Path, content: dict[str, str] | None) -> None:
    folder = tmp_path / "model"
    if content is not None:
        folder.mkdir()
        for name, text in content.items():
            (folder / name).write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="model"):
        Deidentifier(model=folder)


def test_nothing_opens_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    judged = Deidentifier().deidentify("Écrire à a.b@exemple.fr ou au 06 12 34 56 78, www.exemple.fr")
    assert judged.decision == "release"
