"""Names of persons that only their surroundings tell: a second look at a text that `reading.py` has read.

Who bears a title once bears the same name further down; a first name in small letters has a surname beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.text.lexicon import CAPITAL, CUES, NAME, READABLE, Is
from pipeline.text.normal import fold
from pipeline.text.spans import NAMES, Label

if TYPE_CHECKING:
    from pipeline.text.reading import Reading

RELATIVES = frozenset(
    ("père", "pere", "mère", "mere", "fils", "fille", "frère", "frere", "sœur", "soeur", "mari", "femme",
     "époux", "epoux", "épouse", "epouse", "conjoint", "conjointe", "compagnon", "compagne", "oncle", "tante", "cousin",
     "cousine", "neveu", "nièce", "niece", "prénom", "prenom")
)  # fmt: skip
_KNOWN_PERSONS = RELATIVES | frozenset(
    ("maman", "papa", "ami", "amie", "collegue", "voisin", "voisine", "tata", "tonton", "copain", "copine", "marraine",
     "parrain", "fillette", "jumeau", "jumelle", "patron", "patronne", "chef", "stagiaire", "apprenti", "apprentie")
)  # fmt: skip
_TITLED = 0.85
"""What a title or a label announces is marked with this score."""
_SHORTEST_TITLED = 3
_NAMED_THOUGH_A_VERB = frozenset(("marie", "maria", "lise", "aida"))
_QUALITY = re.compile(
    r"(?:[ée]e?s?|[ae]nte?s?|i[fv]e?s?|eux|euses?|iques?|[ai]bles?|elles?|al|ales?|aires?|istes?|ienn?e?s?|ine|eurs?|trices?|ment)$"
)
"""Endings of words that say how or what somebody is."""
_SIGNED = frozenset(("signé", "signée", "signature"))
_SIGNED_GAP = re.compile(r"[ ]?[:,]?[ ]{0,2}\n?")
_INITIALS = (2, 3)
_CLOSING = frozenset(("", ",", ".", ")", ";", "\n"))


def complete(reading: Reading) -> None:
    """Cover names that stand beside, or repeat, what was found. Linear in the text."""
    _Persons(reading).complete()


class _Persons:
    def __init__(self, reading: Reading) -> None:
        self.r = reading
        self.word, self.kind, self.n = reading.word, reading.kind, len(reading.word)
        self.marks = reading.marks

    def complete(self) -> None:
        self._pairs()
        if not RELATIVES.isdisjoint(self.word):
            for i in [i for i, word in enumerate(self.word) if word in RELATIVES]:
                self._relative(i)
        for i in [i for i, gap in enumerate(self.r.gaps) if gap == ". "]:
            self._initial(i - 1)
        for i in self.r.look:
            kind = self.kind[i]
            if kind & Is.FIRST and kind & Is.LOWER:
                self._surname(i)
            elif kind & Is.CAPS and len(self.word[i]) in _INITIALS:
                self._signature(i)
        for i in [i for i, (label, _) in self.marks.items() if label in NAMES and len(self.word[i - 1]) == 1]:
            self._hyphenated_initials(i)
        self._repeated()

    def _pairs(self) -> None:
        """Two names and a hyphen are one, in any case (`rose-aimée`)."""
        for i in [i for i, gap in enumerate(self.r.gaps) if gap == "-"]:
            if (
                0 < i < self.n
                and (self.kind[i - 1] | self.kind[i]) & Is.FIRST
                and all(self.kind[k] & NAME for k in (i - 1, i))
                and f"{fold(self.word[i - 1])}-{fold(self.word[i])}" not in self.r.compounds
            ):
                self._cover(i - 1, i)

    def _cover(self, first: int, last: int) -> None:
        for k in range(first, last + 1):
            self.r.mark(k, Label.PERSON, 0.5)

    def _relative(self, i: int) -> None:
        """A first name in small letters behind a relative (`sa fille rose`)."""
        j = i + 1
        if j >= self.n or self.r.gap(j) != " " or not self.kind[j] & Is.FIRST:
            return
        if not self.kind[j] & Is.VERB or self.word[j] in _NAMED_THOUGH_A_VERB:
            self._cover(j, j)

    def _initial(self, i: int) -> None:
        """An initial in small letters before a listed name (`j. marchand`)."""
        j = i + 1
        if not 0 < j < self.n or len(self.word[i]) > 1 or self.word[i] in "aày" or not self.kind[i] & Is.LOWER:
            return
        if self.kind[j] & Is.LOWER and self.kind[j] & (Is.FIRST | Is.SURNAME):
            self._cover(i, j)

    def _surname(self, i: int) -> None:
        """The plain word beside a first name in small letters that is no word itself."""
        kind = self.kind[i]
        if not kind & Is.FIRST or kind & READABLE or i not in self.marks:
            return
        j = i + 1
        if j < self.n and self.r.gap(j) == " " and self._is_plain(j) and not _QUALITY.search(self.word[j]):
            self._cover(i, j)
        heads = i == 1 or (i > 1 and "\n" in self.r.gap(i - 1))
        ends = j == self.n or self.kind[j] & Is.DIGITS or self.r.gap(j) != " "
        if heads and ends and self.r.gap(i) == " " and self._is_plain(i - 1):  # `tisserand aline, 47 ans` heads a line
            self._cover(i - 1, i)

    def _is_plain(self, j: int) -> bool:
        """Whether a token is a noun in small letters that says nothing of a person's place among others."""
        kind, word = self.kind[j], self.word[j]
        plain = kind & Is.LOWER and kind & Is.WORD and len(word) > _SHORTEST_TITLED
        if kind & Is.VERB and not (
            word.endswith("er") and self.r.gaps[j + 1][:1] in _CLOSING
        ):  # `aline faucher, 40 ans`
            return False
        other = kind & (CUES | Is.FUNCTION | Is.DRUG | Is.DISEASE | Is.EPONYM | Is.CUED_EPONYM)
        return bool(plain and not other and fold(word) not in _KNOWN_PERSONS)

    def _signature(self, i: int) -> None:
        """Initials behind `signé` or as the last word, though they are an abbreviation too."""
        gap = self.r.gap(i)
        signed = i and self.word[i - 1].lower().replace("signe", "signé") in _SIGNED and _SIGNED_GAP.fullmatch(gap)
        last = i and i == self.n - 1 and ("\n" in gap or gap.rstrip().endswith(("–", "—")))
        if signed or last:
            self._cover(i, i)

    def _hyphenated_initials(self, i: int) -> None:
        """`j-p tartanvielle`, `J.-P Tartanvielle`."""
        letters = i > 1 and all(len(self.word[k]) == 1 and not self.kind[k] & Is.DIGITS for k in (i - 1, i - 2))
        if letters and self.r.gap(i) in (" ", ". ") and self.r.gap(i - 1) in ("-", ".-") and len(self.word[i]) > 1:
            self._cover(i - 2, i - 1)

    def _repeated(self) -> None:
        """Who bore a title or stood behind a label keeps the name, be it a word or a month (`Dr Avril`)."""
        titled = {
            fold(self.word[i])
            for i, (label, score) in self.marks.items()
            if label is Label.PERSON and score == _TITLED and self._is_a_name(i)
        }
        for i in self.r.look if titled else ():
            if i not in self.marks and fold(self.word[i]) in titled and self._is_a_name(i):
                self._cover(i, i)

    def _is_a_name(self, i: int) -> bool:
        kind = self.kind[i]
        other = kind & (Is.FUNCTION | Is.CIVILITY | Is.ACRONYM) or (
            kind & (Is.CAPITALISED | Is.ROLE) and not kind & NAME
        )
        return bool(kind & CAPITAL and len(self.word[i]) >= _SHORTEST_TITLED and not other)
