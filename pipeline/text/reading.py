"""The fused French recogniser: one pass over the tokens of a text, by vocabulary, shape and neighbourhood.

A token is a run of letters of one case pattern (`DUPONTJean` is two) or of digits. Most tokens are plain lower-case
words of the vocabulary and are never looked at again; the rest is judged with its neighbours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate

from pipeline.text import numbers, organisations, persons
from pipeline.text.lexicon import CAPITAL, CUES, NAME, READABLE, WEEKDAYS, Is, Lexicon
from pipeline.text.normal import fold
from pipeline.text.organisations import KIN, LEGAL_FORMS
from pipeline.text.persons import RELATIVES
from pipeline.text.spans import Label, Span

_LATIN = [chr(c) for c in (*range(0x41, 0x250), *range(0x1E00, 0x1F00)) if chr(c).isalpha()]
UPPER = "".join(c for c in _LATIN if unicodedata.category(c) in ("Lu", "Lt"))
LOWER = "".join(c for c in _LATIN if unicodedata.category(c) in ("Ll", "Lo", "Lm"))
TOKEN = re.compile(rf"[{UPPER}]+(?![{LOWER}])|[{UPPER}]?[{LOWER}]+|[0-9]+|[^\W\d_{UPPER}{LOWER}]+")
TOKENS_APART = re.compile(f"({TOKEN.pattern})")
_SENTENCE = re.compile(r"[.!?:;\n•·*\"«»(\[|]|(?:^|\n)\s*-\s|- $")
_ABBREVIATED = frozenset(
    ["m", "mr", "mme", "mlle", "mm", "mrs", "dr", "drs", "pr", "prs", "me", "st", "ste", "av", "bd", "tel"]
)
_PLAIN_GAP = re.compile(r"|[ \n]{1,2}|[ ]?[-'&][ ]?|\.[ ]?-?|\.?[ ]?\n")
_LIST_GAP = re.compile(r"[ ]?,[ ]")
_CUE_GAP = re.compile(r"[ ]?[.:,]?[ :]{0,3}\n?[ ]{0,2}\(?")
_LABEL_GAP = re.compile(r"[ ]?(?:\(?s\)|\(e\))?[ ]{0,2}[:=\-][ ]{0,3}\n?")
_ADDRESS_GAP = re.compile(r"[ ]{0,2}[,.\-'’/]?[ ]{0,2}\n?[ ]?")
_ADDRESS_TAIL = re.compile(
    r"[ ]?,[ ]?(?:(?:n[°º][ ]?)?\d{1,4}(?:[ ]?(?:bis|ter))?|\d{1,2}(?:er|e|ème|eme)[ ](?:étage|gauche|droite|face))"
    r"(?=[ ]?[,.;)\n]|[ ][–—-][ ]|$)(?!\.\d)"
)
"""A number or a floor behind the road (`rue de la Lampe, n° 12`, `8 rue de la Lampe, 3e gauche`)."""
_DATE_GAP = re.compile(r"[ .\-/]{0,3}|\n")
_JOINED = frozenset((" ", "-", "'"))
"""What may stand between two covered tokens of one finding."""
_LONGEST_NAME = 6
_LONGEST_TAIL = 9
_SPELT_RUN = 5
_LONGEST_ABBREVIATION = 4
_LINE = 8
"""Tokens on each side that tell whether a line is in capitals."""
_YEAR_UNITS = re.compile(
    r"[ ]?(?:€|euros?\b|mg\b|ml\b|g\b|kg\b|m\b|kcal\b|h\b|ui\b|mn\b|pas\b|f\b|francs?\b|%)", re.IGNORECASE
)
_KEPT_AFTER_CIVILITY = frozenset(
    [
        "traitant",
        "traitants",
        "conseil",
        "conseils",
        "concerne",
        "generaliste",
        "hospitalier",
        "present",
        "presente",
        "ministre",
        "president",
        "presidente",
        "maire",
        "juge",
    ]
)
_BETWEEN = frozenset(("a", "à", "au", "aux", "et", "en", "y", "sur", "sous"))
"""Particles that join two names more often than they stand inside one."""
_BEFORE_FIRM = frozenset(("chez", "employeur"))
_TRADES = frozenset(
    ("ambulances", "resto", "restaurant", "brasserie", "hotel", "auberge", "camping", "pizzeria", "garage",
     "boulangerie", "boucherie", "salon", "scierie", "transports")
)  # fmt: skip
"""Trades (among the words that announce a firm) that a name of plain words follows behind an article."""
_LONGEST_TRADE = 3
_HAMLETS = frozenset(("hameau", "chemin", "route", "residence", "domaine"))
"""Weak words for a street that an unknown word in small letters makes an address."""
_PLACE_ENDS = frozenset(("vieux", "haut", "bas", "neuf", "grand", "petit", "château", "chateau", "bois", "bourg"))
_LETTERED = frozenset(("bat", "batiment", "apt", "appt", "appartement", "esc", "escalier"))
"""Parts of a building, with a number or a letter."""
_SQUARES = frozenset(("place", "route", "chemin", "cours", "parvis", "rond", "esplanade", "montee"))
_LANDMARKS = frozenset(
    ("eglise", "mairie", "gare", "poste", "ecole", "halle", "halles", "fontaine", "chateau", "chapelle", "republique",
     "liberte", "victoire", "pont", "port", "moulin", "cimetiere", "stade", "lavoir", "cathedrale", "plage", "mer",
     "foret", "abbaye", "paix", "revolution", "resistance", "ferme", "source", "prefecture", "phare", "tour")
)  # fmt: skip
"""What squares and roads are called after (`place de l'église`)."""
_NO_FIRM = frozenset(
    ("patient", "patiente", "patients", "homme", "hommes", "femme", "femmes", "enfant", "enfants", "adulte", "adultes",
     "sujet", "sujets", "salarie", "salariee", "salaries", "assure", "assuree", "employeur", "particulier",
     "particuliers", "parents", "specialiste", "kine", "psychologue", "dentiste", "psychiatre", "rhumatologue",
     "cardiologue", "proches", "amis", "actuel", "actuelle", "prevenu", "informe", "precedent")
)  # fmt: skip
"""Whom one is with (`chez`) without a name; what an employer is said to be."""
_BEFORE_PERSONS = frozenset(["de", "par", "que", "avec", "pour", "chez", "à", "et", "entre", "selon", "contre"])
_UNITS_AFTER_DIGITS = frozenset(["er", "ere", "eme", "e", "nd", "nde", "h", "g", "m", "l", "j", "s"])


class Reading:
    """The tokens of one text.

    Attributes:
        text: in normal form.
        start, end: of each token, in characters.
        word: each token.
        gaps: what stands before each token, and after the last.
        kind: what each is (`Is`).
        look: the tokens that are not plain words.
        marks: label and score by token that a finding covers.
    """

    def __init__(self, text: str, lexicon: Lexicon) -> None:
        self.text = text
        pieces = TOKENS_APART.split(text)
        bounds = list(accumulate(map(len, pieces)))
        self.start = bounds[:-1:2]
        self.end = bounds[1::2]
        self.word = pieces[1::2]
        self.gaps = pieces[::2]
        seen = lexicon.seen
        self.compounds = lexicon.compounds
        self.kind = [seen[w] if w in seen else lexicon(w) for w in self.word]
        self.look = [i for i, kind in enumerate(self.kind) if kind & Is.LOOK]
        self.marks: dict[int, tuple[Label, float]] = {}
        self.extra: list[Span] = []

    def gap(self, i: int) -> str:
        """What stands between token i - 1 and token i."""
        return self.gaps[i]

    def mark(self, i: int, label: Label, score: float) -> None:
        """Cover a token; the better score names it."""
        if i not in self.marks or self.marks[i][1] < score:
            self.marks[i] = (label, score)

    def fill(self, first: int, last: int, label: Label, score: float) -> None:
        """Cover everything from one token to another, with what stands between them."""
        self.extra.append(Span(self.start[first], self.end[last], label, score))

    def opens(self, i: int) -> bool:
        """Whether a sentence, a line, a heading's text or a list item begins at the token."""
        if i == 0:
            return True
        gap = self.gap(i)
        if not _SENTENCE.search(gap) or (gap == " (" and not self.kind[i] & Is.VERB):
            return False
        return not (gap.strip() == "." and (self.kind[i - 1] & Is.SINGLE or fold(self.word[i - 1]) in _ABBREVIATED))

    def spans(self) -> Iterator[Span]:
        """The findings; neighbouring tokens of one label are one span."""
        last = None
        for i in sorted(self.marks):
            label, score = self.marks[i]
            start, end = self.start[i], self.end[i]
            single = self.kind[i] & Is.SINGLE or (len(self.word[i]) == 1 and self.kind[i] & Is.LOWER)
            if single and self.gaps[i + 1][:1] == ".":  # the point belongs to an initial
                end += 1
            if last is not None and last.label is label and self.text[last.end : start] in _JOINED:
                last = Span(last.start, end, label, max(score, last.score))
                continue
            if last is not None:
                yield last
            last = Span(start, end, label, score)
        if last is not None:
            yield last
        yield from self.extra


def read(text: str, lexicon: Lexicon) -> Reading:
    """Find every identifier of a text by French rules alone. Linear in its length."""
    reading = Reading(text, lexicon)
    reading.extra = list(numbers.find(text))
    _Reader(reading).read()
    persons.complete(reading)
    organisations.complete(reading)
    return reading


class _Reader:
    def __init__(self, reading: Reading) -> None:
        self.r = reading
        self.word, self.kind, self.n = reading.word, reading.kind, len(reading.word)
        self.mark, self.marks = reading.mark, reading.marks

    def read(self) -> None:
        look = self.r.look
        covered = self._covered(look)
        for i in look:
            if i not in covered:
                self._judge(i)
        for i in look:
            kind = self.kind[i]
            if kind & Is.CIVILITY:
                self._after_civility(i)
            if kind & (Is.ROLE | Is.NAMING):
                self._after_label(i)
            if kind & (Is.FACILITY | Is.EMPLOYER):
                self._organisation(i)
            if kind & (Is.STREET | Is.WEAK_STREET):
                self._address(i)
            if kind & Is.MONTH:
                self._date(i)
            if kind & Is.DIGITS:
                self._digits(i)
        self._spelt_numbers(look)
        self._initials(look)
        self._chains()

    def _covered(self, look: list[int]) -> set[int]:
        """Tokens of structured findings: not names, not words."""
        spans = sorted((s.start, s.end) for s in self.r.extra)
        covered, k = set(), 0
        for i in look:
            start, end = self.r.start[i], self.r.end[i]
            while k < len(spans) and spans[k][1] <= start:
                k += 1
            if k < len(spans) and spans[k][0] < end:
                covered.add(i)
        return covered

    def _judge(self, i: int) -> None:
        """One token by itself and its place."""
        kind, word = self.kind[i], self.word[i]
        if kind & Is.DIGITS:
            return
        if kind & Is.FOREIGN:
            if len(word) > 1 or not word.islower():
                self.mark(i, Label.UNKNOWN, 0.4)
            return
        if kind & Is.LOWER:
            self._judge_lower(i, kind, word)
        elif kind & Is.TITLE:
            self._judge_title(i, kind)
        elif kind & Is.SINGLE and self._stands_for_a_person(i):
            self.mark(i, Label.PERSON, 0.4)
        elif kind & Is.CAPS:
            if kind & (Is.ACRONYM | Is.DRUG):
                return
            if kind & NAME:
                self._name(i, kind)
            elif kind & (Is.EPONYM | Is.CUED_EPONYM) and self._eponym(i, kind):
                return
            elif kind & READABLE:
                if not kind & (Is.FUNCTION | Is.CAPITALISED) and self._stands_out(i, kind):
                    self.mark(i, Label.PERSON, 0.6)
            else:
                self.mark(i, Label.PERSON if len(word) > 3 else Label.UNKNOWN, 0.5)

    def _judge_lower(self, i: int, kind: int, word: str) -> None:
        if kind & READABLE or (kind & Is.CUED_EPONYM and self._eponym(i, kind)) or kind & Is.PARTICLE:
            return
        if kind & NAME:
            self._name(i, kind)
        elif len(word) > 1 and not (self._after_digit(i) and (word in _UNITS_AFTER_DIGITS or len(word) < 4)):
            self.mark(i, Label.UNKNOWN, 0.3)

    def _judge_title(self, i: int, kind: int) -> None:
        if kind & (Is.EPONYM | Is.CUED_EPONYM) and self._eponym(i, kind):
            return
        if kind & Is.DRUG:
            return
        if kind & NAME and (not kind & (Is.FUNCTION | Is.CAPITALISED) or self._beside_a_name(i)):
            self._name(i, kind)
        elif not kind & Is.FUNCTION and i and self.word[i - 1].lower() in RELATIVES and self.r.gap(i) == " ":
            self.mark(i, Label.PERSON, 0.4)
        elif not kind & READABLE:
            self.mark(i, Label.PERSON, 0.5)
        elif i and self._article(i - 1) and not kind & Is.FUNCTION:
            self._cover([i - 1, i], 0.5)
        elif (kind & Is.FUNCTION and self._elided_behind_a_name(i)) or (
            not kind & (Is.FUNCTION | Is.CAPITALISED | Is.MONTH | Is.CIVILITY | Is.EPONYM)
            and (not self.r.opens(i) or self._born(i))
        ):
            self.mark(i, Label.PERSON, 0.35)

    def _beside_a_name(self, i: int) -> bool:
        """Whether a first name or surname stands next to a token (`Noël Toussaint`): then it is no feast."""
        for j, gap in ((i - 1, self.r.gap(i)), (i + 1, self.r.gaps[i + 1])):
            if 0 <= j < self.n and gap == " " and self.kind[j] & CAPITAL and self.kind[j] & (Is.FIRST | Is.SURNAME):
                return True
        return False

    def _article(self, i: int) -> bool:
        """Whether a token is a capital article inside a sentence: it opens a proper name (`à La Défense`)."""
        return self.word[i] in ("La", "Le", "Les") and not self.r.opens(i) and self.r.gap(i + 1) == " "

    def _elided_behind_a_name(self, i: int) -> bool:
        """Whether `d'` and a capital before it precede a token: `Lampe d'Or`."""
        if i < 2 or self.r.gap(i) != "'" or self.word[i - 1] != "d" or self.r.gap(i - 1) != " ":
            return False
        return bool(self.kind[i - 2] & Is.TITLE and not self.kind[i - 2] & (Is.FUNCTION | Is.CAPITALISED))

    def _stands_out(self, i: int, kind: int) -> bool:
        """Whether a word in capitals is a name: before `né(e)`, behind an initial, or in a line of small letters."""
        listed = self.r.gaps[i + 1][:1] == ","  # `G. SERRURE, P. LAMPE`, but not the heading `A. BILAN`
        initial = i and self.kind[i - 1] & Is.SINGLE and self.r.gap(i) == ". "
        if self._born(i) or (initial and (listed or not self.r.opens(i - 1))):
            return True
        if kind & CUES:
            return False
        small = 0
        for step in (-1, 1):
            j = i + step
            while 0 <= j < self.n and abs(j - i) <= _LINE and "\n" not in self.r.gap(max(j, j - step)):
                small += bool(self.kind[j] & Is.LOWER) - bool(self.kind[j] & Is.CAPS)
                j += step
        return small > 0

    def _stands_for_a_person(self, i: int) -> bool:
        """Whether a lone capital follows a word that persons follow (`l'absence de K`)."""
        before = i and self.word[i - 1] in _BEFORE_PERSONS and self.r.gap(i) in (" ", ' "', " « ")
        numbered = i + 1 < self.n and self.kind[i + 1] & Is.DIGITS  # an article of law, a line, a stage
        apart = self.r.gaps[i + 1][:1] not in ("'", "-", "")
        return bool(before and not numbered and apart and self.word[i] not in "AY")

    def _born(self, i: int) -> bool:
        """Whether `né(e)` follows: what stands before it is a name."""
        return (
            i + 1 < self.n
            and fold(self.word[i + 1]) in ("ne", "nee", "nes", "nees")
            and self.r.gap(i + 1) in (" ", ", ", " (")
        )

    def _name(self, i: int, kind: int) -> None:
        if kind & Is.FIRST:
            self.mark(i, Label.PERSON, 0.8)
        elif kind & Is.SURNAME:
            self.mark(i, Label.PERSON, 0.7)
        else:
            self.mark(i, Label.TOWN, 0.7)

    def _after_digit(self, i: int) -> bool:
        return i > 0 and bool(self.kind[i - 1] & Is.DIGITS) and self.r.start[i] - self.r.end[i - 1] <= 1

    def _eponym(self, i: int, kind: int) -> bool:
        """A disease's name: alone if it names nobody else, otherwise behind a medical word."""
        if kind & Is.EPONYM:
            return True
        for j in (i, i + 1):
            if (
                0 < j < self.n
                and self.r.gap(j) == "-"
                and f"{fold(self.word[j - 1])}-{fold(self.word[j])}" in self.r.compounds
            ):
                return True
        for back in range(1, 6):
            j = i - back
            if j < 0:
                return False
            before = self.kind[j]
            if before & Is.DISEASE:
                return True
            if not (
                before & Is.PARTICLE
                or before & Is.CUED_EPONYM
                or (back <= 3 and before & Is.LOWER and before & Is.WORD and not before & Is.VERB)
            ):
                return False
            if not re.fullmatch(r"[ ]?[-' ][ ]?|", self.r.gap(j + 1)):
                return False
        return False

    def _after_civility(self, i: int) -> None:
        word, kind = self.word[i], self.kind[i]
        if word in ("m", "M") and not (
            self.r.text[self.r.end[i] : self.r.end[i] + 1] in (".", " ") and not self._after_digit(i)
        ):
            return
        if word == "m" and self.r.text[self.r.end[i] : self.r.end[i] + 1] != ".":
            return
        if word in ("me", "pr", "prof", "soeur", "veuve", "maitre", "maître") and not (
            i + 1 < self.n and (self.kind[i + 1] & CAPITAL or word == "pr")
        ):
            return
        if word == "pr" and i + 1 < self.n and self.kind[i + 1] & Is.FUNCTION:
            return
        if kind & Is.CAPS and word in ("ME", "PR", "M") and not (i + 1 < self.n and self.kind[i + 1] & CAPITAL):
            return
        self._run_of_names(i + 1, first_lower=True)
        j = i + 1
        if j + 1 < self.n and j not in self.marks and self._two_particles(j) and _CUE_GAP.fullmatch(self.r.gap(j)):
            self._cover([j, j + 1], 0.85)

    def _two_particles(self, j: int) -> bool:
        """A name of a capital article and one more capital (`M. Le Du`, `Dr Le Mer`)."""
        kind, following = self.kind[j], self.kind[j + 1]
        return bool(kind & Is.PARTICLE and kind & following & Is.TITLE and self.r.gap(j + 1) == " ")

    def _run_of_names(self, j: int, *, first_lower: bool) -> None:
        """Cover the name that starts at token j: capitals, particles between them, or one plain word in lower case."""
        begun, lower = j, False
        pending: list[int] = []
        while j < self.n and j - begun < _LONGEST_NAME:
            gap, kind = self.r.gap(j), self.kind[j]
            if not (_CUE_GAP.fullmatch(gap) if j == begun else _PLAIN_GAP.fullmatch(gap)):
                return
            if kind & (Is.CIVILITY | Is.DIGITS) and not (kind & Is.SINGLE and j > begun):
                return
            if (kind & CAPITAL and not lower) or (kind & CAPITAL and kind & NAME):
                # Behind a name, an institution's word or a new line's first word is not part of it.
                if (
                    j > begun
                    and (kind & (Is.CAPITALISED | Is.ACRONYM) or "\n" in gap)
                    and kind & READABLE
                    and not kind & NAME
                ):
                    return
                if j > begun and kind & Is.TITLE and kind & Is.FUNCTION and not kind & Is.PARTICLE:
                    return
                if j > begun and kind & (Is.NAMING | Is.ROLE) and not kind & NAME:
                    return
                if j == begun and kind & Is.FUNCTION and not kind & (Is.PARTICLE | Is.CAPS | Is.SINGLE):
                    if self.kind[j - 1] & Is.CIVILITY and gap in (" ", ". "):  # `Mme Tout`, `M. Pour`
                        self._cover([j], 0.6)
                    return
                if j == begun and kind & Is.TITLE and kind & Is.ROLE and not kind & NAME:
                    return
                if kind & Is.PARTICLE and kind & Is.FUNCTION and not (kind & Is.SINGLE and j == begun):
                    pending.append(j)
                else:
                    self._cover([*pending, j], 0.85)
                    pending = []
            elif kind & Is.PARTICLE or (len(self.word[j]) == 1 and self.r.gaps[j + 1] == "'"):
                pending.append(j)
            elif kind & Is.FUNCTION or (j == begun and "," in gap):
                return
            elif j == begun or (pending and pending[0] == begun and len(pending) == j - begun):
                plain = kind & Is.WORD and not kind & NAME
                doctor = j == begun and fold(self.word[j - 1]) in ("dr", "docteur") and self.word[j].endswith("é")
                if not first_lower or (
                    plain
                    and not (pending and self._of_a_house(pending[0], kind))
                    and (
                        pending
                        or (kind & Is.VERB and not doctor)  # `le dr massé`
                        or self.word[j] in _KEPT_AFTER_CIVILITY
                        or self.word[j].endswith("ment")
                    )
                ):
                    return
                self._cover([*pending, j], 0.6)
                pending, lower = [], True
            elif not kind & Is.WORD or (lower and kind & (Is.FIRST | Is.SURNAME)):
                self._cover([*pending, j], 0.6)
                pending = []
            else:
                return
            j += 1

    def _of_a_house(self, first: int, kind: int) -> bool:
        """Whether a plain word behind a title and the particle `first` is a name (`mme de la brosse`)."""
        if fold(self.word[first - 1]) == "maitre":  # `maître de stage`
            return False
        return self.word[first] in ("de", "d") and not kind & (CUES | Is.ESTABLISHMENT | Is.CAPITALISED)

    def _cover(self, tokens: list[int], score: float, label: Label = Label.PERSON) -> None:
        for k in tokens:
            self.mark(k, label, score)

    def _after_label(self, i: int) -> None:
        if i + 1 >= self.n:
            return
        gap, kind = self.r.gap(i + 1), self.kind[i]
        if _LABEL_GAP.fullmatch(gap):
            self._run_of_names(i + 1, first_lower=bool(kind & Is.NAMING))
        elif kind & Is.NAMING and gap in (" ", "\n", " : ") and self.kind[i + 1] & (CAPITAL | Is.FIRST | Is.SURNAME):
            self._run_of_names(i + 1, first_lower=fold(self.word[i]) == "nee")  # `née petit`
        elif kind & Is.ROLE and gap in (" ", " (") and self.kind[i + 1] & (Is.TITLE | Is.CAPS):
            following = self.kind[i + 1]
            if not following & (Is.FUNCTION | Is.CAPITALISED | Is.ACRONYM) and following & NAME:
                self._run_of_names(i + 1, first_lower=False)

    def _organisation(self, i: int) -> None:
        """From a word such as hospital or firm to the last capital of the name behind it."""
        label = Label.FACILITY if self.kind[i] & Is.FACILITY else Label.EMPLOYER
        last, plain = i, 0
        chez = self.word[i] in ("chez", "employeur", "Employeur", "Chez", "service", "Service", "SERVICE")
        firm = label is Label.EMPLOYER
        if firm and self._trade_name(i):
            return
        for j in range(i + 1, min(self.n, i + 1 + _LONGEST_TAIL)):
            gap, kind = self.r.gap(j), self.kind[j]
            if firm and kind & Is.DIGITS and len(self.word[j]) <= 2 and i < last == j - 1 and gap == " ":
                last = j  # `chez Métal Déco 39`
                break
            if not re.fullmatch(r"[ ]?[-' &.:/\"«(]?[ ]?[\"«]?|[ ]?\n|-", gap) or kind & (
                Is.CIVILITY | Is.DIGITS | Is.STREET
            ):
                break
            if gap.strip() in (".", ":") and not (gap == "." and kind & CAPITAL) and (j > i + 1 or not self._short(i)):
                break
            if fold(self.word[j]) in KIN and last > i and ("&" in gap or self.word[j - 1] == "et"):
                last = j
            elif firm and kind & Is.CAPITALISED and kind & CAPITAL and i < last == j - 1 and gap == " ":
                last = j  # `chez Toyal Europe`
            elif kind & CAPITAL:
                plain = 0
                if not (
                    kind & (Is.CAPITALISED | Is.ACRONYM) or (kind & Is.CAPS and kind & READABLE and not kind & NAME)
                ):
                    if not kind & Is.FUNCTION:
                        last = j
                elif kind & Is.FUNCTION and not kind & Is.PARTICLE:
                    break
            elif kind & Is.PARTICLE:
                if self.word[j] in ("a", "et", "y", "en", "sur", "sous") and last == i and self.word[j] != "et":
                    break
                if self.word[j] in ("saint", "sainte", "st", "ste") and j + 1 < self.n:
                    last = j + 1
            elif kind & Is.FUNCTION or kind & Is.VERB:
                break
            elif not kind & Is.WORD:
                last = j
            else:
                plain += 1
                if plain > 2:
                    break
        first = i + 1 if chez else i
        if last > i:
            self._cover(list(range(first, last + 1)), 0.82, label)
            self.r.fill(first, last, label, 0.82)

    def _trade_name(self, i: int) -> bool:
        """A firm's name in plain small letters (`chez sas bati rhone`, `resto le lotus d'or`), up to a stop."""
        cue = fold(self.word[i])
        if self.kind[i] & CAPITAL and not self.kind[i] & Is.TITLE:
            return False
        j = i + 1
        if j >= self.n or (cue not in _BEFORE_FIRM and cue not in LEGAL_FORMS and cue not in _TRADES):
            return False
        if self.r.gap(j) != " " and not (cue == "employeur" and _LABEL_GAP.fullmatch(self.r.gap(j))):
            return False
        if cue in _TRADES and self.word[j] not in ("le", "la", "les", "l", "du", "des", "de", "aux", "au"):
            return False
        words, last = 0, i
        while j < self.n and j - i <= _LONGEST_TAIL and words < _LONGEST_TRADE:
            gap, kind, word = self.r.gap(j), self.kind[j], self.word[j]
            if j > i + 1 and gap not in (" ", "'", "-", " & ", "&"):
                break
            if kind & (Is.CIVILITY | Is.DIGITS | Is.NUMERAL | Is.MONTH) or not kind & Is.LOWER:
                break
            if kind & Is.VERB and cue not in LEGAL_FORMS and self.word[j - 1] not in LEGAL_FORMS:
                break
            article = cue in _TRADES and j == i + 1
            if article or (kind & Is.PARTICLE and not (word in _BETWEEN and word != "aux")):
                j += 1
                continue
            if word == "et" and last > i and j + 1 < self.n and fold(self.word[j + 1]) in KIN:
                last = j + 1
                break
            golden = word == "or" and gap == "'"
            if (kind & Is.FUNCTION and not golden) or (last == i and fold(word) in _NO_FIRM):
                break
            words, last = words + 1, j
            j += 1
        told = last > i and (cue in LEGAL_FORMS or cue in _BEFORE_FIRM or last > i + 1)
        if told:
            first = i + 1 if cue in _BEFORE_FIRM else i
            self._cover(list(range(first, last + 1)), 0.6, Label.EMPLOYER)
            self.r.fill(first, last, Label.EMPLOYER, 0.6)
        return bool(told)

    def _short(self, i: int) -> bool:
        """Whether a token may be an abbreviation, whose point ends no sentence."""
        return len(self.word[i]) <= _LONGEST_ABBREVIATION

    def _number_before(self, i: int) -> int:
        """The first token of a street number right before token i, or i."""
        first = i
        for back in range(1, 5):
            j = i - back
            if j < 0 or not _ADDRESS_GAP.fullmatch(self.r.gap(j + 1)) or "." in self.r.gap(j + 1):
                break
            word = fold(self.word[j])
            if (self.kind[j] & Is.DIGITS and len(word) <= 4) or (
                self.kind[j] & Is.NUMERAL and word not in ("un", "une", "premier")
            ):
                first = j
            elif word not in ("bis", "ter", "quater", "b", "a", "c", "t") and not (self.kind[j] & Is.SINGLE):
                break
        return first

    def _address(self, i: int) -> None:
        kind = self.kind[i]
        first = self._number_before(i)
        numbered = first < i
        if self.word[i] in ("lieu", "Lieu") and i + 2 < self.n and self.word[i + 1] == "dit":
            i, kind, numbered = i + 1, kind | Is.STREET, True
        behind = (i + 1 < self.n and self.kind[i + 1]) or 0
        if self.word[i] in ("r", "R") and not numbered:  # a street behind a number alone
            return
        weak = kind & Is.WEAK_STREET and not numbered
        if i + 1 >= self.n:
            return
        if weak and not behind & (CAPITAL | Is.DIGITS | Is.PARTICLE) and len(self.word[i + 1]) > 1:
            return
        lettered = len(self.word[i + 1]) == 1 and self.word[i + 1] not in "aày" and fold(self.word[i]) in _LETTERED
        if lettered or (behind & Is.DIGITS and fold(self.word[i]) in _LETTERED | {"bp", "cs", "lot", "porte"}):
            self._cover([i, i + 1], 0.7, Label.ADDRESS)
            self.r.fill(i, i + 1, Label.ADDRESS, 0.7)
            return
        last, lower, capital = i, 0, False
        hamlet = fold(self.word[i]) in _HAMLETS
        j = i + 1
        while j < self.n and j - i <= _LONGEST_TAIL:
            gap, kind = self.r.gap(j), self.kind[j]
            if not _ADDRESS_GAP.fullmatch(gap) or ("," in gap and last > i):
                break
            if "." in gap and j == i + 1 and not self._short(i):
                break
            if "\n" in gap and not self._goes_on(j, numbered and last == i):
                break
            if kind & Is.DIGITS and (len(self.word[j]) >= 4 or capital or lower):
                break
            if kind & Is.CIVILITY and not numbered and not capital:
                break
            if kind & CAPITAL:
                if not numbered and not capital and kind & (Is.CAPITALISED | Is.ACRONYM | Is.EPONYM):
                    break
                if "." in gap and last > i and not (j and self.kind[j - 1] & CAPITAL):
                    break
                capital, last = True, j
            elif self._landmark(i, j):
                capital, last = True, j
                break
            elif kind & Is.PARTICLE or self.word[j] in ("deux", "trois", "quatre", "onze", "huit", "premier"):
                pass
            elif kind & Is.FUNCTION or ("." in gap and last > i and len(self.word[j]) > 3):
                break
            elif hamlet and last == j - 2 and self.word[j] in _PLACE_ENDS:
                last = j
            elif (
                not kind & Is.WORD
                or (numbered and lower < 3)
                or (not capital and not lower and j > i + 1 and self.kind[i] & Is.STREET)
            ):
                if kind & Is.VERB and not kind & NAME and lower:
                    break
                lower += bool(kind & Is.WORD)
                capital |= hamlet and not kind & Is.WORD
                last = j
            else:
                break
            j += 1
        if last > i and (numbered or capital or self.kind[i] & Is.STREET):
            self._cover(list(range(first, last + 1)), 0.85, Label.ADDRESS)
            self.r.fill(first, last, Label.ADDRESS, 0.85)
            if tail := _ADDRESS_TAIL.match(self.r.text, self.r.end[last]):
                self.r.extra.append(Span(self.r.end[last], tail.end(), Label.ADDRESS, 0.7))

    def _landmark(self, i: int, j: int) -> bool:
        """Whether token j names the square or road of token i (`place de l'église`)."""
        if fold(self.word[i]) not in _SQUARES or fold(self.word[j]) not in _LANDMARKS:
            return False
        between = self.word[i + 1 : j]
        instead = i > 1 and self.word[i - 2] in ("à", "a") and self.word[i - 1] == "la"
        return bool(between) and between[0] in ("de", "du", "des") and len(between) <= 2 and not instead

    def _goes_on(self, j: int, begun: bool) -> bool:
        """Whether an address goes on in the line that begins with token j."""
        kind = self.kind[j]
        if kind & CAPITAL or (kind & Is.LOWER and begun):
            return True
        return bool(kind & Is.PARTICLE and j + 1 < self.n and self.kind[j + 1] & CAPITAL)

    def _digits(self, i: int) -> None:
        word = self.word[i]
        size = len(word)
        near = i + 1 < self.n and _ADDRESS_GAP.fullmatch(self.r.gap(i + 1))
        following = self.kind[i + 1] if near else 0
        named = following & CAPITAL and not following & (Is.FUNCTION | Is.ACRONYM | Is.CAPITALISED)
        article = following & CAPITAL and following & Is.PARTICLE
        if (size == 5 and (named or article or following & Is.TOWN)) or (
            size == 4 and (named or article) and not 1900 <= int(word) <= 2100
        ):
            self.mark(i, Label.POSTCODE, 0.8)
            self._town(i + 1)
        if size <= 2 and 1 <= int(word) <= 31 and i and fold(self.word[i - 1]) in WEEKDAYS and self.r.gap(i) == " ":
            self._cover([i - 1, i], 0.6, Label.DATE)
        if size == 4 and 1900 <= int(word) <= 2100 and not _YEAR_UNITS.match(self.r.text, self.r.end[i]):
            self.mark(i, Label.DATE, 0.5)
            self._day_before(i)
        elif size >= 5 and not (numbers._MONEY.match(self.r.text, self.r.end[i]) and size <= 6):
            self.mark(i, Label.NUMBER, 0.5)

    def _town(self, j: int) -> None:
        """Cover the town behind a postcode."""
        begun = j
        pending: list[int] = []
        while j < self.n and j - begun < 8:
            gap, kind = self.r.gap(j), self.kind[j]
            if not (_ADDRESS_GAP.fullmatch(gap) if j == begun else re.fullmatch(r"[ ]?[-' ][ ]?|\.? ?|[ ]?\n", gap)):
                return
            if (
                kind & CAPITAL
                and not (j > begun and kind & (Is.CIVILITY | Is.ACRONYM | Is.ROLE | Is.NAMING))
                and not (j > begun and ("\n" in gap or "." in gap) and kind & Is.WORD and not pending)
            ):
                self._cover([*pending, j], 0.8, Label.TOWN)
                pending = []
            elif kind & Is.PARTICLE or self.word[j] in ("sur", "sous", "les", "en", "mont", "bois"):
                pending.append(j)
            elif (
                kind & Is.DIGITS and len(self.word[j]) <= 2 and j > begun and self.kind[j - 1] & CAPITAL and gap == " "
            ):
                self.mark(j, Label.TOWN, 0.8)
                return
            elif j == begun and (kind & Is.TOWN or not kind & Is.WORD):
                self.mark(j, Label.TOWN, 0.8)
            else:
                return
            j += 1

    def _numeral(self, i: int) -> bool:
        kind = self.kind[i]
        return bool(
            (kind & Is.DIGITS and len(self.word[i]) <= 4)
            or kind & Is.NUMERAL
            or self.word[i] in ("er", "ER", "mil", "et")
        )

    def _date(self, i: int) -> None:
        """A month with a day before it or a year behind it; alone it stays readable."""
        first, last = i, i
        while first and i - first < 4 and self._numeral(first - 1) and _DATE_GAP.fullmatch(self.r.gap(first)):
            first -= 1
        while first < i and self.word[first] in ("et", "une"):
            first += 1
        while last + 1 < self.n and last - i < 9 and self._numeral(last + 1):
            gap = self.r.gap(last + 1)
            if not _DATE_GAP.fullmatch(gap) and not (gap.strip() == "," and len(self.word[last + 1]) == 4):
                break
            last += 1
        while last > i and self.word[last] in ("et", "un", "une"):
            last -= 1
        word = fold(self.word[i])
        year = last > i and self.kind[last] & Is.DIGITS and len(self.word[last]) == 4
        if first == last or (
            word in ("sept", "sep", "mar") and not year and not (first < i and self.kind[first] & Is.DIGITS)
        ):
            return
        # "du 10 au 11 mars", "de jan à fév 2007", "jeudi 3 mars"
        if (
            first > 1
            and fold(self.word[first - 1]) in ("au", "a", "et", "ou")
            and (
                self.kind[first - 2] & Is.MONTH or (self.kind[first - 2] & Is.DIGITS and len(self.word[first - 2]) <= 2)
            )
        ):
            first -= 2
        if first and fold(self.word[first - 1]) in WEEKDAYS and self.r.gap(first) == " ":
            first -= 1
        self._cover(list(range(first, last + 1)), 0.85, Label.DATE)
        self.r.fill(first, last, Label.DATE, 0.85)
        if last == i and self._short(i) and self.r.gaps[i + 1][:1] == ".":  # the point of `16 nov.`
            self.r.extra.append(Span(self.r.end[i], self.r.end[i] + 1, Label.DATE, 0.5))

    def _day_before(self, i: int) -> None:
        """Day and month in other forms before a year (`vingt-six 02 2012`)."""
        first = i
        while (
            first
            and i - first < 5
            and self.r.gap(first) in (" ", "-", "  ", " - ")
            and (
                self.kind[first - 1] & Is.NUMERAL
                or (self.kind[first - 1] & Is.DIGITS and len(self.word[first - 1]) <= 2)
            )
        ):
            first -= 1
        if i - first >= 2:
            self._cover(list(range(first, i + 1)), 0.7, Label.DATE)

    def _spelt_numbers(self, look: list[int]) -> None:
        """A long run of number words is a number read out: a telephone, an identifier, a year."""
        run: list[int] = []
        for i in [*look, self.n + 1]:
            joined = (
                run
                and i < self.n
                and i - run[-1] <= 2
                and self.kind[i] & Is.NUMERAL
                and (i == run[-1] + 1 or self.word[i - 1] == "et")
                and len(self.r.gap(i)) <= 3
            )
            if joined:
                run.append(i)
                continue
            if len(run) >= _SPELT_RUN:
                self.r.fill(run[0], run[-1], Label.NUMBER, 0.5)
            run = [i] if i < self.n and self.kind[i] & Is.NUMERAL else []

    def _initials(self, look: list[int]) -> None:
        """`F.V.` or `J.-P. D.` stand for a person, unless the letters are a known abbreviation."""
        text = self.r.text
        singles = [i for i in look if self.kind[i] & Is.SINGLE and text[self.r.end[i] : self.r.end[i] + 1] == "."]
        k = 0
        while k < len(singles):
            run = [singles[k]]
            while (
                k + 1 < len(singles)
                and singles[k + 1] == run[-1] + 1
                and self.r.gap(singles[k + 1]) in (".", ". ", ".-")
            ):
                k += 1
                run.append(singles[k])
            k += 1
            if len(run) >= 2:
                letters = "".join(self.word[i] for i in run)
                if len(run) == 2 or letters not in _DOTTED:
                    self._cover(run, 0.5)
                    self.r.extra.append(Span(self.r.start[run[0]], self.r.end[run[-1]] + 1, Label.PERSON, 0.5))

    def _chains(self) -> None:
        """Capitals, initials and particles that touch a name belong to it; so do the parts of a hyphenated word."""
        marks = self.marks
        names = {Label.PERSON, Label.TOWN, Label.FACILITY, Label.EMPLOYER, Label.ADDRESS, Label.UNKNOWN}
        waiting = sorted(i for i, (label, _) in marks.items() if label in names and self.kind[i] & (CAPITAL | Is.LOWER))
        done = set(waiting)
        while waiting:
            i = waiting.pop()
            for j, gap in ((i - 1, self.r.gap(i)), (i + 1, self.r.gap(i + 1) if i + 1 < self.n else "\x00")):
                if not 0 <= j < self.n or j in marks or j in done or self.kind[j] & (Is.DIGITS | Is.FOREIGN):
                    continue
                if self._belongs(i, j, gap):
                    label, score = marks[i]
                    self.mark(j, label, min(score, 0.5))
                    waiting.append(j)
                    done.add(j)
        # A title is masked with its name: it tells the sex, and "Dr" a profession in a small town.
        for i in [i for i in self.r.look if self.kind[i] & Is.CIVILITY and i not in marks]:
            j = i + 1
            while j < self.n and j not in marks and self.kind[j] & Is.PARTICLE and j - i < 3:
                j += 1
            if j < self.n and j in marks and marks[j][0] is Label.PERSON and _CUE_GAP.fullmatch(self.r.gap(i + 1)):
                self._cover(list(range(i, j)), 0.5)
        # Particles in lower case between two names.
        for i in sorted(marks):
            j = i + 1
            while (
                j < self.n
                and j - i <= 3
                and j not in marks
                and self.kind[j] & Is.PARTICLE
                and (self.r.gap(j) in (" ", "-", "'") or (self.r.gap(j) == ". " and self.kind[j - 1] & Is.SINGLE))
            ):
                j += 1
            if (
                i + 1 < j < self.n
                and j in marks
                and marks[j][0] in names
                and marks[i][0] in names
                and self.r.gap(j) in (" ", "-", "'")
            ):
                inside = [self.word[k] for k in range(i + 1, j)]
                if self.r.gap(i + 1) == "-" or not _BETWEEN.intersection(inside):
                    self._cover(list(range(i + 1, j)), 0.4, marks[i][0])

    def _belongs(self, i: int, j: int, gap: str) -> bool:
        """Whether token j, next to the covered token i, is part of the same name."""
        kind, mine = self.kind[j], self.kind[i]
        if gap == "-":
            named = kind & (CAPITAL | Is.PARTICLE) or not kind & Is.FUNCTION
            return bool(named and (mine & (CAPITAL | Is.PARTICLE) or not mine & READABLE))
        if gap == "":  # letters of one word, whatever their case
            return True
        if len(self.word[j]) == 1 and kind & Is.LOWER and self.word[j] != "à" and not self._after_digit(j):
            if j < i and gap == ". ":  # `k. sjabère`
                return not mine & READABLE
            if j > i and gap == " " and self.r.gaps[j + 1][:1] == ".":  # `kowalczyk d.`
                return not mine & READABLE
        if gap == "'" and j > i and kind & Is.LOWER:  # `Le Floc'h`, `Prud'homme`
            named = mine & Is.TITLE or not mine & READABLE  # no word of French is elided but those of the vocabulary
            return bool(self.marks[i][0] in (Label.PERSON, Label.UNKNOWN) and named and len(self.word[i]) > 2)
        if (
            kind & Is.PARTICLE and kind & Is.TITLE and j > i and gap == " "
        ):  # `Hermine Le Du`: inside a sentence, a name
            return bool(self.marks[i][0] is Label.PERSON and self.marks[i][1] >= 0.5 and mine & CAPITAL)
        if kind & mine & Is.LOWER and kind & Is.FIRST and j < i and gap == " " and not mine & READABLE:
            return True  # `rose tartanvielle`
        if kind & Is.LOWER and kind & (Is.FIRST | Is.SURNAME):
            return gap == " " and self.marks[i][0] is Label.PERSON and self.marks[i][1] >= 0.5
        if not kind & CAPITAL or not mine & CAPITAL:
            return False
        if kind & Is.SINGLE:
            return self._initial_belongs(i, j, gap)
        if gap == "'":
            return bool(kind & Is.TITLE)
        if gap == ", ":  # `MARTEAU, Jean` or `MARTEAU, PRUDENCE` at the head of a line
            heads = self.r.opens(min(i, j)) and not kind & (Is.CAPITALISED | Is.FUNCTION | Is.ACRONYM)
            return heads and (bool(kind & mine & Is.CAPS) or (j < i and bool(mine & Is.FIRST)))
        if gap not in (" ", "  ", ". "):
            return False
        unnamed = Is.CIVILITY | Is.ACRONYM | Is.CAPITALISED | Is.ROLE | Is.NAMING | Is.DRUG | Is.EPONYM
        if kind & unnamed and not kind & (Is.FIRST | Is.SURNAME):
            return False
        if kind & Is.FUNCTION:
            if j < i and kind & Is.PARTICLE and gap != ". " and self.word[j].lower() not in _BETWEEN:
                return True
            return gap == " " and self._inside_a_name(i, j)
        if gap == ". ":
            return False
        if kind & Is.TITLE and self.r.opens(j) and j < i:
            return not kind & Is.VERB and not kind & (Is.FACILITY | Is.EMPLOYER) and self.marks[i][0] is Label.PERSON
        return True

    def _inside_a_name(self, i: int, j: int) -> bool:
        """Whether a capital word of grammar beside token i is part of its name (`Aux Lampes`, `Blanc Comme Lampe`)."""
        if not self.kind[i] & self.kind[j] & Is.TITLE or self.r.opens(j) or self.word[j] in _ADDRESSED:
            return False
        return j < i or (j + 1 < self.n and j + 1 in self.marks and self.r.gap(j + 1) == " ")

    def _initial_belongs(self, i: int, j: int, gap: str) -> bool:
        text = self.r.text
        if j < i:
            if gap in (".", ". ", ".-", " -", ". -", ".\n", "\n"):
                return True
            return gap == "'" or (gap in (" ", "") and self.word[j] not in ("A", "Y"))
        return (
            gap in (" ", ".", "", "'")
            and text[self.r.end[j] : self.r.end[j] + 1] in (".", ",", ")", "\n", "", " ")
            and (self.word[j] not in ("A", "Y") or text[self.r.end[j] : self.r.end[j] + 1] == ".")
        )


_ADDRESSED = frozenset(
    ("Vous", "Votre", "Vos", "Nous", "Notre", "Il", "Elle", "Je", "On", "Ils", "Elles", "Ce", "Cette")
)
"""Capital words of grammar that begin a sentence without a stop, or are polite."""
_DOTTED = frozenset(
    ("SARL", "RSA", "CDD", "CDI", "RDV", "CPAM", "URSS", "USA", "IRM", "ECG", "ALD", "CAF", "DRH", "CGT", "ONU", "CMU")
)
