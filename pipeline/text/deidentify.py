"""One text, and at best the record of its report: masked and released, or withheld with reasons.

The order is the design's: normal form and limits, recognisers, union, masking, and a gate that reads the masked text
again. Whatever fails on the way withholds the text: no exception, no slow text and no doubt releases one.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.protocol import Protocol
from pipeline.text import gate
from pipeline.text import record as records
from pipeline.text.frame import Frame
from pipeline.text.gate import Reason
from pipeline.text.lexicon import Lexicon, Lists
from pipeline.text.normal import normalise
from pipeline.text.spans import Span, masked, union

Decision = Literal["release", "withhold"]
MAXIMUM_CHARACTERS = 20_000
"""The contract's longest narrative."""
MAXIMUM_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Deidentified:
    """The verdict on one text.

    Attributes:
        spans: what was found, disjoint, in order, in characters of the text as given.
        text: the masked text; None when withheld.
        decision: release or withhold.
        reasons: why it is withheld (`gate.Reason`); empty when released.
    """

    spans: tuple[Span, ...]
    text: str | None
    decision: Decision
    reasons: tuple[str, ...]


class Deidentifier:
    """Finds, masks and judges texts. One object serves any number of texts, in one process.

    Args:
        lists: word lists beside the project's own.
        model: folder of a spaCy model that adds spans, or None.
        maximum_characters: longer texts are withheld unread.
        maximum_seconds: a text that took longer is withheld.

    Raises:
        ListError, ModelError: a file named by the protocol cannot be used.
    """

    def __init__(
        self,
        lists: Lists | None = None,
        *,
        model: Path | None = None,
        maximum_characters: int = MAXIMUM_CHARACTERS,
        maximum_seconds: float = MAXIMUM_SECONDS,
    ) -> None:
        self._lexicon = Lexicon.load(lists)
        self._frame = Frame(self._lexicon, model)
        self._maximum_characters = maximum_characters
        self._maximum_seconds = maximum_seconds

    def deidentify(self, text: str, record: Mapping[str, object] | None = None) -> Deidentified:
        """Judge one text.

        Args:
            text: as delivered.
            record: columns of `bilans_suivi`, under their own names; None where there is none (the vocabulary alone
                decides then). A record without the insured's name withholds the text.
        """
        if len(text) > self._maximum_characters:
            return _withheld((), Reason.TOO_LONG)
        if gate.undecodable(text):
            return _withheld((), Reason.UNDECODABLE)
        began = time.monotonic()
        try:
            verdict = self._judge(text, record)
        except Exception:  # the message could quote the text: it is not looked at
            return _withheld((), Reason.ERROR)
        if time.monotonic() - began > self._maximum_seconds:
            return _withheld(verdict.spans, *verdict.reasons, Reason.TIMEOUT)
        return verdict

    def _judge(self, text: str, record: Mapping[str, object] | None) -> Deidentified:
        normal = normalise(text)
        known = None if record is None else records.known(record, self._lexicon)
        inner = self._frame.spans(normal.text, known)
        given = tuple(Span(*normal.given(s.start, s.end), s.label, s.score) for s in inner)
        spans = union(given, text) if normal.starts is not None else given
        reasons = list(gate.reasons(normal.text, inner, known, self._lexicon))
        if known is not None:
            if not any(name.telling for name in known.insured):
                reasons.append(Reason.NO_INSURED_NAME)
            if known.unsafe:
                reasons.append(Reason.NAME_IS_GRAMMAR)
        if reasons:
            return _withheld(spans, *reasons)
        return Deidentified(spans, unicodedata.normalize("NFC", masked(text, spans)), "release", ())


def of_protocol(protocol: Protocol) -> Deidentifier:
    """The engine a protocol asks for.

    Raises:
        ListError, ModelError: a file it names cannot be used.
    """
    rules = protocol.text
    lists = Lists(
        *(tuple(map(Path, files)) for files in (rules.vocabulary, rules.first_names, rules.surnames, rules.towns))
    )
    return Deidentifier(
        lists,
        model=Path(rules.model) if rules.model else None,
        maximum_characters=rules.maximum_characters,
        maximum_seconds=rules.maximum_seconds,
    )


def _withheld(spans: tuple[Span, ...], *reasons: str) -> Deidentified:
    return Deidentified(spans, None, "withhold", tuple(sorted({str(reason) for reason in reasons})))
