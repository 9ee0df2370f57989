"""What is known of single words: the closed vocabulary, names, places, cues.

Lists are plain text files, words parted by spaces, `#` starting a comment. The project ships its own; a site may give
larger official ones by the protocol (docs/free-text.md says which). Words are compared folded: case and accents count
for the shape of a token only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.text.normal import fold

LISTS = Path(__file__).parent / "lists"


class ListError(ValueError):
    """A list of words cannot be used; the message names the file."""


class Is:
    """What a token is, as bits of one integer: plain ones, since `IntFlag` would take most of a reading's time.

    A word may be several things: `petit` is a word and a surname.
    """

    WORD = 1  # of the closed vocabulary
    FUNCTION = 2  # grammar
    FIRST = 4  # first name
    SURNAME = 8
    TOWN = 16
    CAPITALISED = 32  # prose capitalises it without naming anybody
    ACRONYM = 64
    EPONYM = 128  # a name that medicine made a word
    CUED_EPONYM = 256  # the same, after a medical word only
    DRUG = 512
    VERB = 1024
    MONTH = 2048
    NUMERAL = 4096
    CIVILITY = 8192
    ROLE = 16384  # `Médecin :` announces a name
    NAMING = 32768  # `Nom :`, `née` announce a name
    FACILITY = 65536
    EMPLOYER = 131072
    STREET = 262144
    WEAK_STREET = 524288  # a street only behind a number
    DISEASE = 1048576  # announces an eponym
    PARTICLE = 2097152
    LOWER = 1 << 22
    TITLE = 1 << 23
    CAPS = 1 << 24
    SINGLE = 1 << 25  # one capital letter
    DIGITS = 1 << 26
    FOREIGN = 1 << 27  # another alphabet
    LOOK = 1 << 28  # not a plain lower-case word: the reader must look at it
    ESTABLISHMENT = 1 << 29  # heads the name of an organisation (`conserverie Tartanvielle`)
    FIRM_END = 1 << 30  # ends the name of a firm (`Tartanvielle Services`)
    TRADE = 1 << 31  # the same, in small letters too (`tartanvielle toitures`)


_SUFFIXES = re.compile(
    r"(?:(?:[tsx]ion|ment|ite|ique|isme|[ai]ble|[ae]nce|logie|logue|pathie|scopie|graphie|therapie|ectomie|otomie|plastie|"
    r"algie|ose|iste|eus|euse|trice|ateur|aire|oire|atif|ative|age|ien|ienne|ieme|isee)s?|emie|urie|ogene|phobie|phagie|"
    r"plegie|metrie|eux|iser|eraient|erait|eront|assent|issent|aient)$"
)
_SURE_SUFFIXES = re.compile(
    r"(?:[ts]ions?|[a-z]{4}ement|logie|logique|pathie|scopie|graphie|therapie|ectomie|otomie|plastie|emie|urie|algies?|isme)$"
)
CUES = (
    Is.MONTH | Is.NUMERAL | Is.CIVILITY | Is.ROLE | Is.NAMING | Is.FACILITY | Is.EMPLOYER | Is.STREET | Is.WEAK_STREET
)
NAME = Is.FIRST | Is.SURNAME | Is.TOWN
CAPITAL = Is.TITLE | Is.CAPS | Is.SINGLE
READABLE = Is.WORD | Is.FUNCTION | Is.CAPITALISED | Is.ACRONYM | Is.DRUG | Is.EPONYM | Is.MONTH

WEEKDAYS = frozenset(["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"])
_PREFIXES = re.compile(
    r"(?:anti|auto|cardio|contre|co|dis|electro|endo|extra|gastro|hemi|hyper|hypo|im|inter|intra|in|ir|micro|multi|neuro|non|para|peri|"
    r"pluri|poly|post|pre|psycho|radio|sub|super|tele|trans|ultra|re)(?=[a-z]{4})"
)
_SHORTEST_DERIVED = 8
_DRUG_SUFFIXES = re.compile(
    r"(?:mab|nib|pril|sartan|olol|statine|prazole|zepam|triptyline|oxacine|cilline|mycine|parine|gliptine|cycline|"
    r"profene|caine|setron|triptan|gliflozine|xaban|platine|rubicine|taxel|dronate|vir|azole|idone|oxetine)$"
)


@dataclass(frozen=True, slots=True)
class Lists:
    """Which files the lexicon is read from; several files of one kind add up.

    Attributes:
        vocabulary, first_names, surnames, towns: further files beside the project's own.
    """

    vocabulary: tuple[Path, ...] = ()
    first_names: tuple[Path, ...] = ()
    surnames: tuple[Path, ...] = ()
    towns: tuple[Path, ...] = ()


def read(path: Path) -> list[str]:
    """Words of a list file.

    Raises:
        ListError: the file cannot be read or is not UTF-8.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ListError(f"list {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ListError(f"list {path}: it is not UTF-8") from None
    return [word for line in content.splitlines() for word in line.partition("#")[0].split()]


def _pieces(words: list[str]) -> set[str]:
    """Folded parts of words: compounds are read part by part."""
    return {part for word in words for part in re.split(r"[^a-z]+", fold(word)) if part}


_OTHER_FORMS = {
    "al": ("aux",),
    "au": ("aux",),
    "ail": ("aux",),
    "eu": ("eux",),
    "ou": ("oux",),
    "eux": ("euse", "euses"),
    "f": ("ve", "ves"),
    "el": ("elle", "elles"),
    "il": ("ille", "illes"),
    "en": ("enne", "ennes"),
    "on": ("onne", "onnes"),
    "et": ("ette", "ettes"),
    "eur": ("euse", "euses", "rice", "rices"),
    "x": ("sse", "sses"),
    "s": ("sse", "sses"),
    "c": ("che", "ches", "que", "ques"),
}


def inflected(word: str) -> set[str]:
    """A noun or adjective with its feminine and plural, folded: generous, since a form too many does no harm."""
    forms = {word, word + "s", word + "e", word + "es"}
    for ending, others in _OTHER_FORMS.items():
        if word.endswith(ending):
            forms.update(word[: -len(ending)] + other for other in others)
    return forms


_ER = [
    "e",
    "es",
    "ons",
    "ez",
    "ent",
    "er",
    "ee",
    "ees",
    "ant",
    "ante",
    "antes",
    "ants",
    "ais",
    "ait",
    "ions",
    "iez",
    "aient",
    "a",
    "ai",
    "as",
    "ames",
    "ates",
    "erent",
    "erai",
    "eras",
    "era",
    "erons",
    "erez",
    "eront",
    "erais",
    "erait",
    "erions",
    "eriez",
    "eraient",
    "asse",
    "asses",
    "assent",
    "at",
]
_IR = [
    "is",
    "it",
    "issons",
    "issez",
    "issent",
    "issant",
    "issants",
    "issante",
    "issais",
    "issait",
    "issaient",
    "irai",
    "iras",
    "ira",
    "irons",
    "irez",
    "iront",
    "irait",
    "iraient",
    "i",
    "ie",
    "ies",
    "isse",
    "irent",
    "ir",
]


def conjugated(verb: str) -> set[str]:
    """The forms of a regular verb, folded; other infinitives give themselves alone."""
    if verb.endswith("er"):
        stem = verb[:-2]
        forms = {stem + ending for ending in _ER} | {stem + "es"}
        if verb.endswith("ger"):
            forms |= {stem + "e" + ending for ending in ("ons", "ant", "a", "ait", "ais", "aient", "ames")}
        if verb.endswith("yer"):
            forms |= {stem[:-1] + "i" + ending for ending in ("e", "es", "ent", "era", "eront", "erait", "eraient")}
        return forms
    if verb.endswith("ir"):
        return {verb[:-2] + ending for ending in _IR}
    return {verb}


@dataclass(slots=True)
class Lexicon:
    """Token -> what it is, remembered: most tokens of a text have been seen before."""

    words: dict[str, int] = field(default_factory=dict)
    acronyms: frozenset[str] = frozenset()
    compounds: frozenset[str] = frozenset()
    seen: dict[str, int] = field(default_factory=dict)

    MOST_SEEN = 200_000

    @classmethod
    def load(cls, lists: Lists | None = None) -> Lexicon:
        """Read the project's lists and the given ones.

        Raises:
            ListError: a file cannot be used.
        """
        lists = lists or Lists()
        words: dict[str, int] = {}

        def add(entries: set[str], kind: int) -> None:
            for entry in entries:
                words[entry] = words.get(entry, 0) | kind

        nouns = _pieces([w for name in ("words", "medical", "social") for w in read(LISTS / f"{name}.txt")])
        add({form for noun in nouns for form in inflected(noun)}, Is.WORD)
        for path in lists.vocabulary:
            add(_pieces(read(path)), Is.WORD)
        verbs = _pieces(read(LISTS / "verbs.txt"))
        forms = {form for verb in verbs for form in conjugated(verb)} | _pieces(read(LISTS / "irregular.txt"))
        add(forms | {form + "s" for form in forms if form.endswith("e")}, Is.WORD | Is.VERB)
        add(_pieces(read(LISTS / "function_words.txt")), Is.WORD | Is.FUNCTION)
        for name, extra, kind in (
            ("first_names", lists.first_names, Is.FIRST),
            ("surnames", lists.surnames, Is.SURNAME),
            ("towns", lists.towns, Is.TOWN),
        ):
            add({p for path in (LISTS / f"{name}.txt", *extra) for p in _pieces(read(path)) if len(p) > 1}, kind)
        ends = read(LISTS / "firm_ends.txt")
        trades = ends.index("=")
        for nouns_, kind in (
            (read(LISTS / "establishments.txt"), Is.ESTABLISHMENT),
            (ends[:trades], Is.FIRM_END | Is.TRADE),
            (ends[trades:], Is.FIRM_END),
        ):
            found = {piece + plural for piece in _pieces(nouns_) for plural in ("", "s", "x")}
            add(found, kind)
            add({one for one in found if not words[one] & NAME}, Is.WORD)  # a name among them stays one
        add(_pieces(read(LISTS / "drugs.txt")), Is.DRUG | Is.WORD)
        add(_pieces(read(LISTS / "capitalised.txt")), Is.CAPITALISED | Is.WORD)
        eponyms = read(LISTS / "eponyms.txt")
        alone = eponyms.index("=")
        add(_pieces(eponyms[:alone]), Is.CUED_EPONYM)
        add(_pieces([e for e in eponyms[alone:] if "-" not in e]), Is.EPONYM)
        add(_pieces(eponyms[alone:]), Is.CUED_EPONYM)
        section = Is.WORD
        for word in read(LISTS / "cues.txt"):
            if word.isupper():
                section = getattr(Is, word) | (0 if word == "PARTICLE" else Is.WORD)
            else:
                add({word}, section)
        for word, kind in words.items():  # grammar is by itself nobody's name
            if kind & (Is.PARTICLE | Is.FUNCTION):
                words[word] = kind & ~NAME
        compounds = frozenset(fold(e) for e in eponyms if "-" in e)
        return cls(words, frozenset(read(LISTS / "acronyms.txt")), compounds)

    def __call__(self, token: str) -> int:
        """Everything a token is (a set of `Is`)."""
        known = self.seen.get(token)
        if known is None:
            if len(self.seen) > self.MOST_SEEN:
                self.seen.clear()
            known = self.seen[token] = self._of(token)
        return known

    def _of(self, token: str) -> int:
        if token.isdecimal():
            return Is.DIGITS | Is.LOOK
        folded = fold(token)
        kind = self.words.get(folded, 0)
        if token.islower():
            shape = Is.LOWER
        elif len(token) == 1:
            shape = Is.SINGLE
        elif token.isupper():
            shape = Is.CAPS
            if token in self.acronyms:
                kind |= Is.ACRONYM
        else:
            shape = Is.TITLE
        if not folded.isascii() or not folded.isalpha():
            return kind | shape | Is.FOREIGN | Is.LOOK
        if not kind & (Is.WORD | NAME) and self._derived(folded, shape):
            kind |= Is.WORD
        plain = shape == Is.LOWER and kind & Is.WORD and not kind & CUES
        return kind | shape | (0 if plain else Is.LOOK)

    def _derived(self, folded: str, shape: int) -> bool:
        """Whether a word is formed from the vocabulary by the rules of French: a learned suffix or prefix."""
        if len(folded) < _SHORTEST_DERIVED:
            return False
        suffixes = _SUFFIXES if shape == Is.LOWER else _SURE_SUFFIXES
        if suffixes.search(folded) or _DRUG_SUFFIXES.search(folded):
            return True
        prefix = _PREFIXES.match(folded) if shape == Is.LOWER else None
        return prefix is not None and bool(self.words.get(folded[prefix.end() :], 0) & Is.WORD)
