"""The recognisers as Presidio runs them: `AnalyzerEngine` for `fr` with `NoOpNlpEngine`, and no other recogniser.

Presidio's own recognisers are left out: for French it has none, `EmailRecognizer` fetches a list of domains from the
network, and a pattern that times out is skipped in silence. Nothing here opens a connection.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NlpArtifacts, NoOpNlpEngine
from spacy.tokens import Doc
from spacy.vocab import Vocab

from pipeline.text import record as records
from pipeline.text.lexicon import Lexicon
from pipeline.text.reading import Reading, read
from pipeline.text.record import Known
from pipeline.text.spans import Label, Span, union

LANGUAGE = "fr"
logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)  # its warnings quote entities


_EMPTY = Doc(Vocab())
_ENGINE = NoOpNlpEngine([{"lang_code": LANGUAGE, "model_name": "none"}])


class Artifacts(NlpArtifacts):
    """A text read once for all recognisers, with what is known of its persons."""

    def __init__(self, reading: Reading, known: Known | None) -> None:
        super().__init__([], _EMPTY, [], [], _ENGINE, LANGUAGE)
        self.reading = reading
        self.known = known


def _ours(artifacts: NlpArtifacts) -> Artifacts:
    if not isinstance(artifacts, Artifacts):
        raise TypeError("the recognisers read a text through Frame.spans alone")
    return artifacts


class _Recogniser(EntityRecognizer):
    """Base: spans into Presidio's results."""

    def __init__(self, name: str) -> None:
        super().__init__(supported_entities=[str(label) for label in Label], name=name, supported_language=LANGUAGE)
        self._metadata = {
            RecognizerResult.RECOGNIZER_NAME_KEY: name,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
        }

    def load(self) -> None:
        """Nothing to load."""

    def results(self, spans: Iterable[Span]) -> list[RecognizerResult]:
        """Presidio's form of findings."""
        return [
            RecognizerResult(str(s.label), s.start, s.end, s.score, recognition_metadata=self._metadata) for s in spans
        ]


class FrenchRecogniser(_Recogniser):
    """Every French rule in one pass (`reading`)."""

    def __init__(self) -> None:
        super().__init__("FrenchRecogniser")

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """Identifiers by rules alone."""
        artifacts = _ours(nlp_artifacts)
        return self.results(union(artifacts.reading.spans(), text))


class RecordRecogniser(_Recogniser):
    """The identifiers of the record at hand (`record`)."""

    def __init__(self) -> None:
        super().__init__("RecordRecogniser")

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """The record's identifiers; none without a record."""
        artifacts = _ours(nlp_artifacts)
        if artifacts.known is None:
            return []
        return self.results(union(records.find(artifacts.reading, artifacts.known), text))


class ModelError(ValueError):
    """A statistical model cannot be used; the message names its path."""


class ModelRecogniser(_Recogniser):
    """A spaCy model of persons, places and organisations from a local folder. It only ever adds spans."""

    LABELS: ClassVar = {
        "PER": Label.PERSON,
        "PERSON": Label.PERSON,
        "LOC": Label.TOWN,
        "GPE": Label.TOWN,
        "ORG": Label.EMPLOYER,
    }
    SCORE = 0.4

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ModelError(f"model {folder}: no such folder")
        import spacy

        try:
            self._model: Any = spacy.load(folder)
        except (OSError, ValueError) as error:
            raise ModelError(f"model {folder}: spaCy cannot load it ({type(error).__name__})") from None
        super().__init__("ModelRecogniser")

    def analyze(self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts) -> list[RecognizerResult]:
        """What the model takes for a name."""
        found = (
            Span(entity.start_char, entity.end_char, self.LABELS.get(entity.label_, Label.UNKNOWN), self.SCORE)
            for entity in self._model(text).ents
        )
        return self.results(span for span in found if span.end > span.start)


class _NoEnhancer(ContextAwareEnhancer):
    """The rules weigh their own context; Presidio's enhancer would copy every result to no effect."""

    def __init__(self) -> None:
        super().__init__(0.0, 0.0, 0, 0)

    def enhance_using_context(
        self, text: str, raw_results: list[RecognizerResult], *_: object, **__: object
    ) -> list[RecognizerResult]:
        """The results as they are."""
        return raw_results


class Frame:
    """Presidio's engine around the recognisers.

    Args:
        lexicon: what the rules know of words.
        model: folder of a spaCy model, or None.

    Raises:
        ModelError: the model cannot be loaded.
    """

    def __init__(self, lexicon: Lexicon, model: Path | None = None) -> None:
        self._lexicon = lexicon
        recognisers: list[_Recogniser] = [FrenchRecogniser(), RecordRecogniser()]
        if model is not None:
            recognisers.append(ModelRecogniser(model))
        self._engine = AnalyzerEngine(
            registry=RecognizerRegistry(recognizers=recognisers, supported_languages=[LANGUAGE]),
            nlp_engine=_ENGINE,
            supported_languages=[LANGUAGE],
            context_aware_enhancer=_NoEnhancer(),
        )
        self._entities = [str(label) for label in Label]

    def spans(self, text: str, known: Known | None) -> tuple[Span, ...]:
        """Disjoint findings of all recognisers in a text in normal form."""
        artifacts = Artifacts(read(text, self._lexicon), known)
        results = self._engine.analyze(text, LANGUAGE, entities=self._entities, nlp_artifacts=artifacts)
        return union((Span(r.start, r.end, r.entity_type, r.score) for r in results), text)
