"""What a recogniser finds, and how findings become one masked text."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Label(StrEnum):
    """Kinds of identifiers; the value is what `pdp deidentify` writes."""

    PERSON = "PERSON"
    DATE = "DATE"
    AGE = "AGE"
    NIR = "NIR"
    RPPS = "RPPS"
    ADELI = "ADELI"
    FINESS = "FINESS"
    SIREN = "SIREN"
    SIRET = "SIRET"
    IBAN = "IBAN"
    PHONE = "PHONE"
    EMAIL = "EMAIL"
    URL = "URL"
    ADDRESS = "ADDRESS"
    POSTCODE = "POSTCODE"
    TOWN = "TOWN"
    FACILITY = "FACILITY"
    EMPLOYER = "EMPLOYER"
    NUMBER = "NUMBER"
    UNKNOWN = "UNKNOWN"


PLACEHOLDERS = {
    Label.PERSON: "[nom]",
    Label.DATE: "[date]",
    Label.AGE: "[âge]",
    Label.NIR: "[NIR]",
    Label.RPPS: "[RPPS]",
    Label.ADELI: "[ADELI]",
    Label.FINESS: "[FINESS]",
    Label.SIREN: "[SIREN]",
    Label.SIRET: "[SIRET]",
    Label.IBAN: "[IBAN]",
    Label.PHONE: "[téléphone]",
    Label.EMAIL: "[courriel]",
    Label.URL: "[site]",
    Label.ADDRESS: "[adresse]",
    Label.POSTCODE: "[code postal]",
    Label.TOWN: "[commune]",
    Label.FACILITY: "[établissement]",
    Label.EMPLOYER: "[employeur]",
    Label.NUMBER: "[numéro]",
    Label.UNKNOWN: "[mot]",
}
"""Label -> what a reader sees in its place."""


class Span(NamedTuple):
    """Characters `start` (included) to `end` (excluded) of a text, with a score in [0, 1]."""

    start: int
    end: int
    label: str
    score: float


NAMES = frozenset((Label.PERSON, Label.TOWN, Label.FACILITY, Label.EMPLOYER, Label.UNKNOWN))
"""Labels of proper names: the parts of one name may bear several."""
_LONGEST_ABBREVIATION = 3
HYPHENS = frozenset(("-", "'", "-\n", "\n-"))
JOINTS = frozenset(" -',\n\t")
"""Characters that do not part two findings of one kind (at most two of them)."""


def union(found: Iterable[Span], text: str) -> tuple[Span, ...]:
    """Disjoint spans that cover every finding; each bears the label of its best-scored member.

    Nothing is ever dropped: overlapping spans grow together, and neighbours of one label parted by at most two joints
    become one, as do neighbouring parts of a proper name. Linear but for the sort.
    """
    merged: list[Span] = []
    for span in sorted(found):
        if merged:
            last = merged[-1]
            gap = text[last.end : span.start]
            if span.start < last.end or _one_name(last, span, gap):
                best = last if last.score >= span.score else span
                merged[-1] = Span(last.start, max(last.end, span.end), best.label, best.score)
                continue
        merged.append(span)
    return tuple(merged)


def _one_name(left: Span, right: Span, gap: str) -> bool:
    if left.label == right.label:
        if left.label == Label.ADDRESS and gap.strip() == ",":  # `12 rue des Lilas, bâtiment B`
            return True
        short = left.end - left.start <= _LONGEST_ABBREVIATION and gap in (".", ". ")
        return short or (len(gap) <= 2 and all(character in JOINTS for character in gap))
    labels = {left.label, right.label}
    return labels <= NAMES and (gap == " " or gap in HYPHENS)


def masked(text: str, spans: Iterable[Span]) -> str:
    """The text with a placeholder for each span.

    Args:
        text: the text the spans count in.
        spans: disjoint, in order.
    """
    parts, last = [], 0
    for span in spans:
        parts += [text[last : span.start], PLACEHOLDERS[Label(span.label)]]
        last = span.end
    parts.append(text[last:])
    return "".join(parts)
