"""Names of organisations to their full length, from the noun that heads them to the word that ends them.

A second look at a text that `reading.py` has read: where a name was found, the noun phrase around it is named too
(`conserverie de Tartanvielle`, `Tartanvielle et fils`); a quotation may be a name as a whole.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING

from pipeline.text.lexicon import CAPITAL, CUES, Is
from pipeline.text.normal import fold
from pipeline.text.spans import NAMES, Label

if TYPE_CHECKING:
    from pipeline.text.reading import Reading

KIN = frozenset(("fils", "freres", "soeurs", "filles", "cie", "co", "associes"))
"""End the names of firms (`Paul & fils`)."""
LEGAL_FORMS = frozenset(("sas", "sasu", "sarl", "eurl", "ets", "scop", "scea", "gaec", "earl", "selarl", "snc"))
_FORMS_IN_CAPITALS = frozenset(form.upper() for form in LEGAL_FORMS) | frozenset(
    ("SCI", "EIRL", "SCP", "SCM", "GIE", "GIP", "SCIC", "SEM", "SPL", "EPIC", "SIVOM", "SIVU", "SCA", "SELAS", "SCS",
     "SICA", "CUMA", "Sté", "Ets")
)  # fmt: skip
_SHORT_FORMS = frozenset(("SA", "EI"))
"""Legal forms that are other words in a line of capitals."""
_HEADS = Is.ESTABLISHMENT | Is.FACILITY | Is.EMPLOYER
_NO_HEADS = frozenset(("chez", "employeur", "service"))
"""They announce a name without being part of it."""
_TERRITORIES = frozenset(("ville", "commune", "departement", "region", "metropole", "agglomeration"))
"""Public employers where they bear a capital; places otherwise."""
_OF_A_TERRITORY = frozenset(
    ("departemental", "departementale", "regional", "regionale", "municipal", "municipale", "communal", "communale",
     "communautaire", "intercommunal", "intercommunale", "metropolitain", "territorial", "territoriale", "general")
)  # fmt: skip
_OF = frozenset(("de", "du", "des", "d"))
_PLACING = frozenset(("à", "a", "au", "aux", "en", "sur", "sous", "y", "et", "pour"))
"""Behind these a name is where the establishment stands, or somebody else."""
_LONGEST_PHRASE = 9
_PLAIN_WORDS = 4
_WITHIN = re.compile(r"[ ]|[ ]?-[ ]?|'|[ ]&[ ]|&|\n|[ ][\"«][ ]?")
_NEXT = re.compile(r"[ ]|-|[ ]?&[ ]?")
_CLOSED = re.compile(r"[ ]?[,.;:)\n\"»\]]|$|[ ][–—(«]")
_LONGEST_TAIL = 3
_NO_FIRMS = _OF | {"social", "sociale", "sociaux"}
"""Before these the last word of a firm is no such word (`Service de cardiologie`)."""
_SHORTEST_OF_A_CODE = 3
_FEWEST_FIGURES = 6
_QUOTED = re.compile(r"[«\"][ ]?([^«»\"\n]{2,60}?)[ ]?[»\"]")
_RUN = frozenset(
    ("gerant", "gerante", "patron", "patronne", "proprietaire", "exploitant", "exploitante", "fondateur", "fondatrice",
     "tient", "tenait", "gere", "gerait", "dirige", "dirigeait", "exploite", "exploitait", "ouvert", "ouvre", "cree",
     "fonde", "repris", "monte", "enseigne", "denommee", "denomme", "benevole", "adherent", "adherente",
     "franchise", "intitulee", "baptisee", "baptise", "artisan", "commercant", "commercante")
)  # fmt: skip
"""Words of keeping a shop, a firm or an association."""
_SPEECH = frozenset(("je", "j", "il", "elle", "on", "nous", "vous", "tu", "ils", "elles", "ne", "n", "pas", "se", "me"))
"""Words of speech: what holds one is said, not called."""
_CUE_WITHIN = 6
_MOST_QUOTED_WORDS = 6
_SAID = re.compile(r"[.!?;:…,]")
_CALLED = re.compile(
    r"\b(?:(?:on|monde)[ ]l'appel(?:le|ait)|surnomm[ée]e?s?|surnom|sobriquet|alias|dite?|"
    r"connue?s?\b[^.\n«\"]{0,40}\bcomme)[ ]?[:,]?[ ]?(?P<quote>[«\"][ ]?)?",
    re.IGNORECASE,
)
_MOST_CALLED_WORDS = 6
_ROADS = Is.STREET | Is.WEAK_STREET
_SIGNS_OF_A_NICKNAME = ("l'appel", "urnom", "obriquet", "lias")
"""One of these, or a quotation, stands in every text that tells a nickname."""
_SIGNS_OF_A_DWELLING = ("emeurant", "omicili", "dresse", "abite", "oge ")
_DWELLS = re.compile(r"\b(?:(?P<at>habite|loge)|demeurant|domicili[ée]e?s?|adresse[ ]?:)[ ]", re.IGNORECASE)
_AT_HOME = frozenset(("adresse", "habite", "demeurant", "demeure", "domicilie", "domiciliee", "loge", "vit"))
_BESIDE = frozenset(("derriere", "devant", "dessus", "cote", "pres", "face"))
_AT_HOME_WITHIN = 6
_TIMES = frozenset(("matin", "midi", "soir", "jour", "semaine", "mois", "fois", "veille", "lendemain", "week"))


def complete(reading: Reading) -> None:
    """Cover organisations whole where a part of their name is covered. Linear in the text."""
    _Organisations(reading).complete()


class _Organisations:
    def __init__(self, reading: Reading) -> None:
        self.r = reading
        self.word, self.kind, self.n = reading.word, reading.kind, len(reading.word)
        self.marks = reading.marks

    def complete(self) -> None:
        self._codes()
        names = sorted(i for i, (label, _) in self.marks.items() if label in NAMES)
        k = 0
        while k < len(names):
            first = last = names[k]
            while k + 1 < len(names) and names[k + 1] == last + 1 and _WITHIN.fullmatch(self.r.gap(last + 1)):
                k += 1
                last = names[k]
            k += 1
            self._complete(first, last)
        text = self.r.text
        quotes = "«" in text or '"' in text
        if quotes:
            self._quotations()
        if quotes or any(sign in text for sign in _SIGNS_OF_A_NICKNAME):
            self._nicknames()
        if any(sign in text for sign in _SIGNS_OF_A_DWELLING):
            self._dwellings()

    def _complete(self, first: int, last: int) -> None:
        """Cover what belongs to the name of tokens first to last."""
        person = bool(self.kind[first] & Is.CIVILITY)
        head = first if person else self._head(first)
        end = self._end(first, last, person=person)
        if end == last and any(self._is_head(k) for k in range(head, end + 1)):
            end = self._complement(end)
        if beside := self._beside(head):
            self._cover(beside, end, Label.ADDRESS)
        if head < first or end > last:
            self._cover(head, end, Label.FACILITY if self.kind[head] & Is.FACILITY else Label.EMPLOYER)

    def _cover(self, first: int, last: int, label: Label) -> None:
        for k in range(first, last + 1):
            self.r.mark(k, label, 0.83)
        self.r.fill(first, last, label, 0.83)

    def _beside(self, head: int) -> int:
        """Where an address begins that tells what it is beside (`habite derrière la mercerie T.`); 0 if none does."""
        j = head - 1
        while j >= 0 and self.kind[j] & Is.PARTICLE and head - j <= 2:
            j -= 1
        if j < 1 or fold(self.word[j]) not in _BESIDE:
            return 0
        told = any(fold(word) in _AT_HOME for word in self.word[max(0, j - _AT_HOME_WITHIN) : j])
        return j if told else 0

    def _codes(self) -> None:
        """Letters and figures of one word are masked together: `5tartan`, `usine T2V`, `19ABCD240588`."""
        done = -1
        for i in self.r.look:
            if not self.kind[i] & Is.DIGITS or i <= done:
                continue
            first = last = i
            while first and not self.r.gap(first).strip("_"):
                first -= 1
            while last + 1 < self.n and not self.r.gap(last + 1).strip("_"):
                last += 1
            done = last
            inside = range(first, last + 1)
            firm = first and self._is_head(first - 1) and self.r.gap(first) in (" ", ' "', " « ")
            told = firm and any(self.kind[k] & CAPITAL for k in inside)
            if first < last and (told or any(self._named(k) for k in inside)):
                for k in inside:
                    self.r.mark(k, Label.EMPLOYER, 0.5)
            elif last - first > 1 and self._is_reference(first, last):
                self._cover(first, last, Label.NUMBER)

    def _is_reference(self, first: int, last: int) -> bool:
        """Whether tokens of one word are a number with letters inside (`19ABCD240588`)."""
        ends = self.kind[first] & self.kind[last] & Is.DIGITS
        figures = sum(len(self.word[k]) for k in range(first, last + 1) if self.kind[k] & Is.DIGITS)
        return bool(ends) and figures >= _FEWEST_FIGURES

    def _named(self, k: int) -> bool:
        return k in self.marks and self.marks[k][0] in NAMES and len(self.word[k]) >= _SHORTEST_OF_A_CODE

    def _is_head(self, j: int) -> bool:
        word = fold(self.word[j])
        if self.kind[j] & _HEADS:
            return word not in _NO_HEADS
        if word in _TERRITORIES:
            return bool(self.kind[j] & Is.TITLE)
        return word == "conseil" and j + 1 < self.n and fold(self.word[j + 1]) in _OF_A_TERRITORY

    def _head(self, first: int) -> int:
        """Where the noun phrase begins whose last word is the name at token first; first itself if there is none."""
        if self._legal_form(first - 1) or self._trade(first - 1):
            return first - 1
        found, plain, j = first, 0, first - 1
        while j >= 0 and first - j <= _LONGEST_PHRASE and _WITHIN.fullmatch(self.r.gap(j + 1)):
            kind, word = self.kind[j], self.word[j]
            if kind & (Is.CIVILITY | Is.MONTH | Is.FOREIGN) or (j in self.marks and self.marks[j][0] not in NAMES):
                break
            if self._is_head(j) or self._legal_form(j):
                found, plain = j, 0
            elif kind & Is.DIGITS:
                if len(word) > 2 or not self.kind[j + 1] & CAPITAL:
                    break
            elif word.lower() in _PLACING and self._named_behind(j, first):
                break
            elif kind & Is.PARTICLE or word == "pour":
                pass
            elif kind & Is.FUNCTION or self._verb(j):
                break
            else:
                plain += 1
                if plain > _PLAIN_WORDS:
                    break
            j -= 1
        return found

    def _legal_form(self, j: int) -> bool:
        if j < 0 or self.r.gap(j + 1) != " ":
            return False
        shouted = j > 0 and self.kind[j - 1] & Is.CAPS and not self.r.opens(j)
        return self.word[j] in _FORMS_IN_CAPITALS or (self.word[j] in _SHORT_FORMS and not shouted)

    def _trade(self, j: int) -> bool:
        """Whether token j is a capital trade right before a name (`Ravalement Tartanvielle`)."""
        return j >= 0 and self.r.gap(j + 1) == " " and bool(self.kind[j] & Is.TRADE and self.kind[j] & CAPITAL)

    def _named_behind(self, j: int, first: int) -> bool:
        """Whether nothing but articles stands between token j and the name."""
        return all(self.kind[k] & Is.PARTICLE for k in range(j + 1, first))

    def _verb(self, j: int) -> bool:
        """Whether a token is a verb: its form is one, and no article or preposition makes it a noun (`de garde`)."""
        if not self.kind[j] & Is.VERB or self.kind[j] & Is.PARTICLE:
            return False
        return not (j and self.kind[j - 1] & Is.PARTICLE and self.word[j - 1] not in _PLACING)

    def _end(self, first: int, last: int, *, person: bool) -> int:
        """The last token of the firm's name that begins with tokens first to last."""
        end = last
        while end + 1 < self.n and end - last < _LONGEST_TAIL:
            j = end + 1
            gap, word = self.r.gap(j), fold(self.word[j])
            if word == "et" and j + 1 < self.n and gap == " " and fold(self.word[j + 1]) in KIN:
                return j + 1
            if word in KIN and ("&" in gap or (gap == " " and word in ("freres", "soeurs"))):
                return j
            if person or not _NEXT.fullmatch(gap) or not self._ends_firm(j, first):
                break
            end = j
        return self._numbered(end)

    def _complement(self, end: int) -> int:
        """The last token of what a firm's name goes on with: `Hôtel de France`, `Compagnie des eaux`."""
        j = end + 1
        while j < self.n and j - end <= 2 and self.kind[j] & Is.PARTICLE and self.r.gap(j) in (" ", "'"):
            j += 1
        if j == end + 1 or j >= self.n or self.word[end + 1] not in _OF or self.r.gap(j) not in (" ", "'"):
            return end
        kind = self.kind[j]
        if kind & CAPITAL:
            return j if kind & Is.CAPITALISED and not kind & (Is.ROLE | Is.CIVILITY) else end
        told = self.kind[end] & CAPITAL and self.kind[end] & _HEADS and kind & Is.LOWER
        return j if told and not kind & (Is.FUNCTION | CUES) and not self._verb(j) else end

    def _numbered(self, end: int) -> int:
        """The token of a number of a département that ends a firm's name (`Tartanvielle Services 78`)."""
        if not self.kind[end] & Is.FIRM_END:
            return end
        j = end + 1
        short = j < self.n and self.kind[j] & Is.DIGITS and len(self.word[j]) <= 3 and self.r.gap(j) == " "
        return j if short and _CLOSED.match(self.r.gaps[j + 1]) else end

    def _ends_firm(self, j: int, first: int) -> bool:
        kind = self.kind[j]
        if not kind & Is.FIRM_END or (j + 1 < self.n and self.word[j + 1] in _NO_FIRMS):
            return False
        if kind & CAPITAL:
            return True
        bracketed = self.r.gap(first).endswith("(") and self.r.gaps[j + 1].lstrip()[:1] in (")", ",")
        cued = bracketed or (first > 0 and self.kind[first - 1] & Is.EMPLOYER)
        return bool(cued or (kind & Is.TRADE and _CLOSED.match(self.r.gaps[j + 1])))

    def _quotations(self) -> None:
        """A short quotation without a verb is the name of a shop where a shop, or somebody who keeps one, precedes."""
        for match in _QUOTED.finditer(self.r.text):
            first, last = self._tokens(match.start(1), match.end(1))
            capital = first <= last and self.kind[first] & CAPITAL and not self.kind[first] & Is.ACRONYM
            if capital and self._is_called(first, last) and self._kept(first):
                self._cover(first, last, Label.EMPLOYER)

    def _tokens(self, start: int, end: int) -> tuple[int, int]:
        """First and last token between two places of the text."""
        return bisect_left(self.r.start, start), bisect_left(self.r.start, end) - 1

    def _is_called(self, first: int, last: int) -> bool:
        """Whether quoted tokens may be a name: few words, neither verb nor stop."""
        if last - first >= _MOST_QUOTED_WORDS + 2:
            return False
        for k in range(first, last + 1):
            kind = self.kind[k]
            if k > first and _SAID.search(self.r.gap(k)):
                return False
            if self.word[k].lower() in _SPEECH or (kind & Is.LOWER and self._verb(k)):
                return False
        return True

    def _kept(self, first: int) -> bool:
        """Whether a shop, a firm or its keeper is told of shortly before token first, in the same sentence."""
        plain = False
        for j in range(first - 1, max(-1, first - 1 - _CUE_WITHIN), -1):
            if j < first - 1 and re.search(r"[.!?;\n]", self.r.gap(j + 1)):
                return False
            kind = self.kind[j]
            if self._is_head(j) or (fold(self.word[j]) in _RUN and not plain):
                return True
            if self._verb(j):
                return False
            plain = plain or not kind & Is.FUNCTION
        return False

    def _nicknames(self) -> None:
        """What somebody is called: `surnommé « ... »`, `on l'appelle le ...`."""
        for match in _CALLED.finditer(self.r.text):
            first = bisect_left(self.r.start, match.end())
            said = match.group().lower().startswith("dit")
            if said and not (first > 1 and first - 2 in self.marks):
                continue  # `Tartanvielle dit « le Grand »`, but not `il dit « le dos »`
            if match["quote"]:
                quoted = _QUOTED.match(self.r.text, match.start("quote"))
                last = self._tokens(quoted.start(1), quoted.end(1))[1] if quoted else first - 1
            elif said or "omme" in match.group():
                continue  # both say more often what somebody does
            else:
                last = self._noun_phrase(first)
            if first <= last and (not said or self._is_called(first, last)):
                self._cover(first, last, Label.PERSON)

    def _dwellings(self) -> None:
        """Where somebody dwells, in small letters (`domicilié la croix blanche`, `habite chemin des vignes`)."""
        for match in _DWELLS.finditer(self.r.text):
            first = bisect_left(self.r.start, match.end())
            if match["at"] and not (first < self.n and self.kind[first] & _ROADS):
                continue  # `habite la maison de ses parents`
            if (last := self._noun_phrase(first)) >= first:
                self._cover(first, last, Label.ADDRESS)

    def _noun_phrase(self, first: int) -> int:
        """The last token of the phrase that an article or a road opens at token first; first - 1 if none does."""
        if first >= self.n or not (fold(self.word[first]) in ("le", "la", "l", "les") or self.kind[first] & _ROADS):
            return first - 1
        last = first - 1
        for k in range(first, min(self.n, first + _MOST_CALLED_WORDS)):
            kind = self.kind[k]
            if (k > first and self.r.gap(k) not in (" ", "'", "-")) or fold(self.word[k]) in _TIMES:
                break
            if kind & Is.PARTICLE and fold(self.word[k]) not in _PLACING:
                continue
            if kind & (Is.FUNCTION | Is.DIGITS | Is.CIVILITY) or self._verb(k):
                break
            last = k
        return last
