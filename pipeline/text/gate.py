"""The residual gate: the masked text is read again, and what cannot be shown free of identifiers is withheld.

It shares the lexicon with the recognisers and nothing else: what a recogniser has missed, forgotten or mislaid is
looked for in what is left, by simpler means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from pipeline.text.lexicon import CAPITAL, NAME, READABLE, Is, Lexicon
from pipeline.text.normal import fold
from pipeline.text.numbers import digits
from pipeline.text.reading import TOKEN
from pipeline.text.record import Known, without_and
from pipeline.text.spans import NAMES, Span


class Reason(StrEnum):
    """Why a text is withheld."""

    TOO_LONG = "too_long"
    UNDECODABLE = "undecodable"
    NO_INSURED_NAME = "no_insured_name"
    NAME_IS_GRAMMAR = "name_is_grammar"
    RECORD_IDENTIFIER = "record_identifier"
    UNKNOWN_WORD = "unknown_word"
    MANY_UNKNOWN_WORDS = "many_unknown_words"
    NAME_LEFT = "name_left"
    NAME_BESIDE = "name_beside"
    NUMBER_LEFT = "number_left"
    TIMEOUT = "timeout"
    ERROR = "error"


MAXIMUM_UNKNOWN_SHARE = 0.25
"""A text of which more letters than this are unknown words is in no French that the rules were written for."""
_FEWEST_LETTERS = 40
# A pattern that begins with a digit skips letters at the speed of a search for a class.
_LONG_DIGITS = re.compile(r"\d(?<![\d.,]\d)\d{4,}(?!\s?(?:€|euros?|eur)\b)")
_MOJIBAKE = re.compile(r"[Ãâ\ufffd\ud800-\udfff\ue000-\uf8ff](?:(?<=[^Ãâ])|(?<=Ã)[\x80-\xbf©¨ª«§¢´]|(?<=â)€)")
_CUT = "\x02"
"""Stands for a masked span: no letter, no digit, joins nothing."""


_WORDS = re.compile(f"{TOKEN.pattern}|{_CUT}")
_NUMBER = re.compile(rf"[0-9](?:[^0-9{_CUT}]{{0,3}}[0-9]){{5,60}}")
_SHORTEST_GLUED = 5


def undecodable(text: str) -> bool:
    """Whether a text carries the marks of a wrong decoding, or characters that are none."""
    return bool(_MOJIBAKE.search(text))


def residue(text: str, spans: Iterable[Span]) -> str:
    """What masking leaves of a text."""
    parts, last = [], 0
    for span in spans:
        parts += [text[last : span.start], _CUT]
        last = span.end
    parts.append(text[last:])
    return "".join(parts)


def reasons(text: str, spans: tuple[Span, ...], record: Known | None, lexicon: Lexicon) -> tuple[Reason, ...]:
    """Why a masked text must not leave; empty when it may.

    Args:
        text: in normal form.
        spans: what is masked in it, disjoint and in order.
        record: what is known of the persons, None without record.
        lexicon: the closed vocabulary.
    """
    left = residue(text, spans)
    words = _WORDS.findall(left)
    found = {reason for token in set(words) - {_CUT} if (reason := _word(token, lexicon))}
    if _LONG_DIGITS.search(left) or "@" in left:
        found.add(Reason.NUMBER_LEFT)
    unknown = sum(_unknown_letters(text[span.start : span.end], lexicon) for span in spans if span.label in NAMES)
    letters = sum(span.end - span.start for span in spans) + len(left)
    if unknown > MAXIMUM_UNKNOWN_SHARE * max(letters, 1) and unknown > _FEWEST_LETTERS:
        found.add(Reason.MANY_UNKNOWN_WORDS)
    if _in_part(left, lexicon):
        found.add(Reason.NAME_LEFT)
    if record is None:
        found |= _doubts(left, lexicon)
    elif _identifies(left, words, record):
        found.add(Reason.RECORD_IDENTIFIER)
    return tuple(sorted(found))


_UNSUSPECTED = (
    Is.FUNCTION | Is.CAPITALISED | Is.ACRONYM | Is.DRUG | Is.EPONYM | Is.CUED_EPONYM | Is.MONTH | Is.CIVILITY | Is.ROLE
    | Is.NAMING | Is.FACILITY | Is.STREET | Is.EMPLOYER | Is.VERB
)  # fmt: skip
_NO_NAME_ENDING = re.compile(r"(?:ment|[st]ion|logie|ments|[st]ions)$")
_TOUCHES_BEFORE = re.compile(rf"{_CUT}[ ,\-]{{0,2}}$")
_TOUCHES_AFTER = re.compile(rf"[ ,\-]{{0,2}}{_CUT}")
_INSIDE = re.compile(r"[^\W\d_][,)]?[ ](?:[dl]')?$")
_LAST_WORD = re.compile(r"([^\W\d_]+)(?:[ ](?:de|du|des|la|le|les)){0,2}[ ][dl]?'?$")
_NEXT_CAPITAL = re.compile(r"[ ]([^\W\d_]{3,})")
_LONGEST_HEAD = 40
_ESTABLISHMENTS = Is.ESTABLISHMENT | Is.EMPLOYER
_FOUR_DIGITS = re.compile(
    r"\d(?<![\d.,/:\-]\d)\d{3}(?![\d.,/:\-]|[ ]?(?:€|euros?|mg|ml|ui|kcal|g|m|km|h|pas|j|jours?|%)\b)"
)


def _doubts(left: str, lexicon: Lexicon) -> set[Reason]:
    """Without a record nobody says who is named: what only might be a name or a number withholds too.

    A capital word of the vocabulary is suspect where it touches a mask, or stands alone at the head of a line: names
    that are words (`Lampe, 12/03/1965`) stand so. So is a number of four digits without unit.
    """
    found = {Reason.NUMBER_LEFT} if _FOUR_DIGITS.search(left) else set()
    for match in TOKEN.finditer(left):
        word = match.group()
        kind = lexicon(word)
        if (
            len(word) < 3
            or not kind & (Is.TITLE | Is.CAPS)
            or kind & _UNSUSPECTED
            or _NO_NAME_ENDING.search(word.lower())
        ):
            continue
        start, end = match.span()
        inside = kind & Is.TITLE and _INSIDE.search(left, max(0, start - 5), start)
        heads = (start == 0 or left[start - 1] == "\n") and left[end : end + 1] in (",", "\n", "")
        if inside or heads or _TOUCHES_BEFORE.search(left, max(0, start - 3), start) or _TOUCHES_AFTER.match(left, end):
            found.add(Reason.NAME_BESIDE)
    return found


def _in_part(left: str, lexicon: Lexicon) -> bool:
    """Whether a firm's name seems masked only in part: its noun before a mask, a capital word behind."""
    at = left.find(_CUT)
    while at >= 0:
        following = _NEXT_CAPITAL.match(left, at + 1)
        if following and lexicon(following[1]) & CAPITAL and not lexicon(following[1]) & _UNSUSPECTED:
            head = _LAST_WORD.search(left, max(0, at - _LONGEST_HEAD), at)
            if head and lexicon(head[1]) & _ESTABLISHMENTS:
                return True
        at = left.find(_CUT, at + 1)
    return False


def _unknown_letters(masked: str, lexicon: Lexicon) -> int:
    """Letters of words in lower case that are neither French nor a name."""
    known = READABLE | NAME
    return sum(len(word) for word in TOKEN.findall(masked) if lexicon(word) & Is.LOWER and not lexicon(word) & known)


def _word(token: str, lexicon: Lexicon) -> Reason | None:
    kind = lexicon(token)
    if kind & Is.DIGITS or kind & READABLE or kind & Is.PARTICLE or kind & Is.CUED_EPONYM:
        if kind & Is.TITLE and kind & (Is.FIRST | Is.SURNAME) and not kind & (READABLE | Is.CUED_EPONYM):
            return Reason.NAME_LEFT
        return None
    if kind & Is.FOREIGN:
        return None if len(token) == 1 and token.islower() else Reason.UNKNOWN_WORD
    if (len(token) <= 3 and not kind & CAPITAL) or len(token) == 1:
        return None
    return Reason.UNKNOWN_WORD


def identifies(text: str, record: Known) -> bool:
    """Whether an identifier of the record stands in a text, whole, glued or parted."""
    return _identifies(text, _WORDS.findall(text), record)


def _identifies(text: str, tokens: list[str], record: Known) -> bool:
    words = [fold(token) for token in tokens]
    telling = record.telling
    if not telling.keys().isdisjoint(words):
        return True
    phrase = without_and(words)
    for parts in (name.parts for name in record.names if len(name.parts) > 1 and name.telling):
        size = len(parts)
        if parts[0] in phrase and any(tuple(phrase[k : k + size]) == parts for k in range(len(phrase) - size + 1)):
            return True
    glued = "".join(words)
    if any(len(part) >= _SHORTEST_GLUED and part in glued and _aligned(words, part) for part in telling):
        return True
    numbers = [re.sub(r"[AB]", "", number) for _, number in record.numbers]
    if any(number in digits(run) for run in _NUMBER.findall(text) for number in numbers):
        return True
    return any(address in fold(text) for address in record.emails)


def _aligned(words: list[str], part: str) -> bool:
    """Whether consecutive words spell a name."""
    for first in range(len(words)):
        spelt = ""
        for word in words[first : first + len(part)]:
            spelt += word
            if spelt == part:
                return True
            if not part.startswith(spelt):
                break
    return False
