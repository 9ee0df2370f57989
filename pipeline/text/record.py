"""What the record of a report says about who may be named in it, looked for in the report's text.

Names are compared folded, in any case, whole or with a slip of the pen, glued, spelt apart or broken by a line;
numbers by their digits whatever parts them.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pipeline.text.lexicon import CAPITAL, Is, Lexicon
from pipeline.text.normal import fold, normalise
from pipeline.text.numbers import digits
from pipeline.text.reading import TOKEN, Reading
from pipeline.text.spans import Label, Span

NAMES = {
    "nom": Label.PERSON,
    "prenom": Label.PERSON,
    "medecin_traitant": Label.PERSON,
    "medecin_travail": Label.PERSON,
    "employeur": Label.EMPLOYER,
}
"""Columns of `bilans_suivi` that hold names."""
NUMBERS = {"nir": Label.NIR, "telephone": Label.PHONE}
INSURED = "nom"
"""The column without which a text cannot be judged."""
_SHORTEST_GLUED = 5
_SHORTEST_FUZZY = 5
_LONGEST_VALUE = 200
_AND = "et"
"""Left out of firms' names wherever they are compared: `&` and `et` are one, and often neither stands."""
_GENERIC_FIRM = re.compile(
    r"\b(?:sarl|sas|sasu|eurl|sa|scop|ets|etablissements?|societe|groupe|et|fils|freres?|cie|compagnie)\b"
)


@dataclass(frozen=True, slots=True)
class Name:
    """One name of the record.

    Attributes:
        label: what it is.
        parts: its folded words in order.
        telling: those that point to somebody by themselves (not particles, civilities, nor a firm's trade).
    """

    label: Label
    parts: tuple[str, ...]
    telling: frozenset[str]


@dataclass(frozen=True, slots=True)
class Known:
    """What a record gives to look for.

    Attributes:
        names: names, the insured's first.
        numbers: label and digits of identifiers made of digits.
        emails: folded addresses.
        initials: of the insured, first name first, or empty.
        unsafe: whether a name is nothing but words of grammar, so that no text can be shown free of it.
        insured: the insured's surname, as a tuple of one name, or empty.
    """

    names: tuple[Name, ...]
    numbers: tuple[tuple[Label, str], ...]
    emails: tuple[str, ...]
    initials: str
    unsafe: bool
    insured: tuple[Name, ...]

    @property
    def telling(self) -> dict[str, Label]:
        """Every folded word that points to somebody."""
        return {part: name.label for name in reversed(self.names) for part in name.telling}


def _value(record: Mapping[str, object], column: str) -> str:
    value = record.get(column)
    return "" if value is None else normalise(str(value)).text.strip()[:_LONGEST_VALUE]


def known(record: Mapping[str, object], lexicon: Lexicon) -> Known:
    """Prepare a record (columns of `bilans_suivi`; missing ones are ignored)."""
    names: list[Name] = []
    insured: tuple[Name, ...] = ()
    unsafe = False
    for column, label in NAMES.items():
        written = tokens(fold(_value(record, column)))
        parts = tuple(p for p in written if p != _AND and (p.isalpha() or label is Label.EMPLOYER))
        if not parts:
            continue
        telling = {p for p in parts if _tells(p, label, lexicon)}
        if label is Label.PERSON and not telling:
            short = {p for p in parts if not lexicon.words.get(p, 0) & Is.CIVILITY}
            unsafe |= bool(short)
        names.append(Name(label, parts, frozenset(telling)))
        if column == INSURED:
            insured = (names[-1],)
    numbers = [
        (label, found)
        for column, label in NUMBERS.items()
        if len(found := _digits(_value(record, column), column)) >= 6
    ]
    numbers += [(Label.DATE, written) for written in _birth(_value(record, "date_naissance"))]
    emails = [fold(address) for address in (_value(record, "email"),) if "@" in address]
    first, last = fold(_value(record, "prenom")), fold(_value(record, INSURED))
    return Known(tuple(names), tuple(numbers), tuple(emails), _initials_of(first, last), unsafe, insured)


def _initials_of(first: str, last: str) -> str:
    letters = first[:1] + last[:1]
    return letters if len(letters) == 2 and letters.isascii() and letters.isalpha() else ""


def _birth(value: str) -> list[str]:
    """The digits of an ISO date, day first and year first; none for anything else."""
    parts = re.match(r"(\d{4})-(\d\d)-(\d\d)", value)
    if parts is None:
        return []
    year, month, day = parts.groups()
    return [day + month + year, year + month + day]


def _digits(value: str, column: str) -> str:
    if column == "nir":
        return re.sub(r"[^0-9A-B]", "", value.upper())[:13]
    return digits(value)[-9:]


def _tells(part: str, label: Label, lexicon: Lexicon) -> bool:
    kind = lexicon.words.get(part, 0)
    if kind & (Is.PARTICLE | Is.CIVILITY) or len(part) < 2 or not part.isalpha():
        return False
    if label is Label.EMPLOYER:
        plain = kind & (Is.WORD | Is.FUNCTION) and not kind & (Is.FIRST | Is.SURNAME | Is.TOWN)
        return not plain and not _GENERIC_FIRM.fullmatch(part)
    return not kind & Is.FUNCTION


def find(reading: Reading, record: Known) -> Iterator[Span]:
    """Every place of a text where the record's identifiers stand. Linear in the text for a given record."""
    text = reading.text
    telling = record.telling
    folded = [fold(word) for word in reading.word]
    yield from _words(reading, folded, telling)
    kept: Sequence[int] = range(len(folded))
    words = folded
    if _AND in folded:
        kept = [i for i, word in enumerate(folded) if word != _AND]
        words = without_and(folded)
    for name in record.names:
        if len(name.parts) > 1:
            yield from _phrases(reading, kept, words, name)
    squeezed = "".join(folded)
    bounds = [0, *accumulate(map(len, folded))]
    glued = dict(telling)
    for name in record.names:
        if len(name.parts) > 1 and name.telling:
            glued["".join(name.parts)] = name.label
    for part, label in sorted(glued.items()):
        # Whole words are found above: only what is left over is worth a closer look.
        if len(part) >= _SHORTEST_GLUED and squeezed.count(part) > folded.count(part):
            yield from _glued(reading, squeezed, bounds, part, label)
    yield from _numbers(text, record)
    for address in record.emails:
        yield from _addresses(text, address)
    if record.initials:
        yield from _initials(reading, record.initials)


def _words(reading: Reading, folded: list[str], telling: Mapping[str, Label]) -> Iterator[Span]:
    """Exact words in any case; capitals one slip away."""
    if not telling.keys().isdisjoint(folded):
        for i, word in enumerate(folded):
            if word in telling:
                yield Span(reading.start[i], reading.end[i], telling[word], 0.95)
    fuzzy = [part for part in telling if len(part) >= _SHORTEST_FUZZY]
    for i in reading.look:
        if reading.kind[i] & CAPITAL and len(word := folded[i]) >= _SHORTEST_FUZZY - 1 and word not in telling:
            for part in fuzzy:
                if abs(len(part) - len(word)) <= 1 and one_slip(word, part):
                    yield Span(reading.start[i], reading.end[i], telling[part], 0.7)
                    break


def one_slip(word: str, other: str) -> bool:
    """Whether two words differ by one letter changed, added, left out, or by two neighbours changing places."""
    if word == other:
        return True
    if len(word) > len(other):
        word, other = other, word
    k = 0
    while k < len(word) and word[k] == other[k]:
        k += 1
    if len(word) == len(other):
        return word[k + 1 :] == other[k + 1 :] or (
            word[k + 1 : k + 2] == other[k : k + 1]
            and word[k : k + 1] == other[k + 1 : k + 2]
            and word[k + 2 :] == other[k + 2 :]
        )
    return len(other) == len(word) + 1 and word[k:] == other[k + 1 :]


def without_and(words: list[str]) -> list[str]:
    """Folded words as names of several words are compared."""
    return [word for word in words if word != _AND]


def _phrases(reading: Reading, kept: Sequence[int], words: list[str], name: Name) -> Iterator[Span]:
    """A name of several words where all of them stand in order; `kept` gives the tokens of the words."""
    first, size = name.parts[0], len(name.parts)
    for k in (k for k, word in enumerate(words) if word == first) if first in words else ():
        if tuple(words[k : k + size]) == name.parts:
            yield Span(reading.start[kept[k]], reading.end[kept[k + size - 1]], name.label, 0.95)
        elif size > 2 and tuple(words[k : k + size - 1]) == name.parts[:-1]:
            yield Span(reading.start[kept[k]], reading.end[kept[k + size - 2]], name.label, 0.8)


def _glued(reading: Reading, squeezed: str, bounds: list[int], part: str, label: Label) -> Iterator[Span]:
    """A name inside a longer word, spelt apart or broken: told from chance by what it is made of.

    Args:
        reading: of the text.
        squeezed: its folded words without anything between them.
        bounds: where each of them begins in it, and where the last one ends.
        part: what is looked for.
        label: what it is.
    """
    at = squeezed.find(part)
    while at >= 0:
        end = at + len(part)
        token, last = bisect_right(bounds, at) - 1, bisect_left(bounds, end) - 1
        aligned = bounds[token] == at and bounds[last + 1] == end
        inside_word = token == last and reading.kind[token] & (Is.WORD | Is.FUNCTION) and reading.kind[token] & Is.LOWER
        ordinary = all(reading.kind[k] & Is.WORD and reading.kind[k] & Is.LOWER for k in range(token, last + 1))
        near = all(len(reading.gap(k)) <= 3 for k in range(token + 1, last + 1))
        if near and (aligned or not (inside_word or ordinary)):
            yield Span(reading.start[token], reading.end[last], label, 0.8)
        at = squeezed.find(part, at + 1)


_RUN = re.compile(
    r"[0-9OoQIl](?:[^0-9A-Za-z]{0,3}(?:[0-9]|[OoQIl](?![^\W\d_])|[ABab](?=[^0-9A-Za-z]{0,3}[0-9]))){5,60}"
)


def _numbers(text: str, record: Known) -> Iterator[Span]:
    if not record.numbers:
        return
    for match in _RUN.finditer(text):
        found = digits(match.group().upper().replace("A", "").replace("B", ""))
        for label, number in record.numbers:
            if re.sub(r"[AB]", "", number) in found:
                yield Span(match.start(), match.end(), label, 0.95)


def _addresses(text: str, address: str) -> Iterator[Span]:
    folded = fold(text)
    if len(folded) != len(text):
        folded = text.lower()
    local, _, domain = address.partition("@")
    for wanted in (address, local) if len(local) >= _SHORTEST_GLUED else (address,):
        at = folded.find(wanted)
        while at >= 0:
            end = at + len(wanted)
            yield Span(
                at,
                end + len(domain) + 1 if folded[end : end + 1 + len(domain)] == "@" + domain else end,
                Label.EMAIL,
                0.95,
            )
            at = folded.find(wanted, at + 1)


def _initials(reading: Reading, initials: str) -> Iterator[Span]:
    """The insured's initials as two capitals, with or without points."""
    first, last = initials[0].upper(), initials[1].upper()
    for i in reading.look:
        word = reading.word[i]
        if word in (first + last, last + first) and not reading.kind[i] & Is.ACRONYM:
            yield Span(reading.start[i], reading.end[i], Label.PERSON, 0.5)
        elif (
            reading.kind[i] & Is.SINGLE
            and i + 1 < len(reading.word)
            and reading.kind[i + 1] & Is.SINGLE
            and {word, reading.word[i + 1]} == {first, last}
            and reading.gap(i + 1) in (".", ". ", "", " ", "-")
        ):
            yield Span(reading.start[i], reading.end[i + 1], Label.PERSON, 0.6)


def tokens(text: str) -> list[str]:
    """Folded tokens of a text."""
    return [fold(match.group()) for match in TOKEN.finditer(text)]
