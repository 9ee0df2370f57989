"""One form for texts that look alike, with the way back to the characters as given.

Decomposed accents (NFD) cut names, no-break and thin spaces part numbers, curly apostrophes and exotic hyphens hide
words, invisible characters split them. Recognisers see the composed form; spans are reported in the given one.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

_SPACES = "\t\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_APOSTROPHES = "\u2018\u2019\u201b\u02bc\u02b9\u00b4\u0060\u2032\uff07"
_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff\u180e" + "".join(
    map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A)))
)
_ONE_TO_ONE = str.maketrans(
    {**dict.fromkeys(_SPACES, " "), **dict.fromkeys(_APOSTROPHES, "'"), **dict.fromkeys(_HYPHENS, "-")}
    | {"\u2028": "\n", "\u2029": "\n", "\r": "\n", "\x00": " "}
)
_MARKS = "\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
_CLUSTER = re.compile(f"[^{_MARKS}]?[{_MARKS}]*")
_ODD = re.compile(f"[{_INVISIBLE}{_MARKS}\ufb00-\ufb06\uff01-\uff5e]")
_EXTRA = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ß": "ss"})


@dataclass(frozen=True, slots=True)
class Normalised:
    """A text in composed form.

    Attributes:
        text: the composed form.
        starts, ends: for each of its characters, where it starts and ends in the text as given; None where both texts
            have the same length, character for character.
    """

    text: str
    starts: list[int] | None
    ends: list[int] | None

    def given(self, start: int, end: int) -> tuple[int, int]:
        """The same characters in the text as given (`start` < `end`)."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]


def normalise(text: str) -> Normalised:
    """Compose accents, unify spaces, apostrophes and hyphens, drop what is invisible. Linear."""
    if text.isascii() or (unicodedata.is_normalized("NFC", text) and not _ODD.search(text)):
        return Normalised(text.translate(_ONE_TO_ONE), None, None)
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for match in _CLUSTER.finditer(text):
        cluster = match.group()
        if not cluster or cluster in _INVISIBLE:
            continue
        # More marks than any language stacks on a letter are an attack on the composition.
        composed = unicodedata.normalize("NFKC" if _ODD.match(cluster[0]) else "NFC", cluster[:8])
        composed = composed.translate(_ONE_TO_ONE)
        # Marks that do not compose say nothing about identity.
        plain = "".join(c for c in composed if not unicodedata.combining(c)) or " "
        characters.append(plain)
        starts += [match.start()] * len(plain)
        ends += [match.end()] * len(plain)
    return Normalised("".join(characters), starts, ends)


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Lower case without accents or ligatures: the form in which words are compared."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in decomposed if not unicodedata.combining(c)).translate(_EXTRA)
