"""Coded indicators: which obstacles, actions and themes of a closed list a narrative speaks of, and how.

A text becomes words without accents or case; patterns of `indicators.toml` find mentions and the words that deny, plan
or close them; each mention is judged inside its clause (the reach of a negation ends with the clause, as in NegEx:
Chapman et al. 2001, J Biomed Inform 34:301). What comes out is codes, never words of the text.

Cost is linear in the length of the text: a word is looked up once, a pattern looks at most a few words ahead.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, lru_cache
from itertools import pairwise, product
from pathlib import Path

from pipeline.tables.codes import MEASURE, RISK_REASON

MAX_CHARACTERS = 20_000
REACH = 10  # words from a cue to the mention it bears on
GAP = 5  # words that `..` may stand for
STOP_LOOKING_BACK = 4  # words between a denial and the word that says a difficulty is over
CORRECTED = 7  # letters from which a word of the lists is recognised with a swapped or doubled letter
LONG = 10  # ... and with any one slip
LONGEST_WORD = 30
LONGEST_FIELD = 5  # words of a field's name ("Projet professionnel : aucun")
LONG_SENTENCE = 200  # words from which a sentence ends at its next comma, so that cost stays linear

SENTENCE_ENDS = frozenset(".;!?\n")
LISTING = frozenset({",", "/", "(", ")", "-", ":", "et", "ou", "puis", "ni", "ainsi", "ensuite"})
TURNS = frozenset(
    {
        "mais", "revanche", "contre", "malgre", "car", "parce", "puisque", "sauf", "tandis", "qui", "dont", "lorsque",
        "quand", ">",
    }
)  # fmt: skip
CONNECTORS = frozenset(
    {
        "de", "d", "du", "des", "la", "le", "les", "l", "un", "une", "et", "ou", "a", "au", "aux", "en", "son", "sa",
        "ses", "leur", "leurs", "par", "pour", "avec", "avoir", "ce", "cette", "ces", "m", "s", "se", "ne", "n", "que",
        "qu", "y",
    }
)  # fmt: skip
_MENTIONS = frozenset({"obstacle", "action", "beside", "fine", "leads", "held"})
_PRECEDENCE = {**dict.fromkeys({*_MENTIONS, "neutral"}, 0), "void": 1, "open": 1, "not_yet": 1, "verb": 3}
_ON_ACTIONS = frozenset({"refused", "refused_it", "again", "done", "applied", "planned", "open", "not_yet", "unable"})
_APPOSED = frozenset({"refused", "refused_it", "done", "applied", "planned", "over"})
PROSPECTS = frozenset({"therapeutic_part_time", "post_adaptation", "redeployment"})
"""Actions that a report names bare when it prescribes them, not when they are carried out."""
APPLICATIONS = frozenset({"disabled_worker_application", "invalidity_application", "financial_aid"})
DENIED_ACTION = frozenset({"non", "aucun", "aucune", "neant", "0", "refus", "ras"})
_TOKEN = re.compile(
    r"[a-z]{1,60}|\d{1,3}[a-z]{1,2}/[a-z]{1,10}|\d{1,20}(?:[.,/:]\d{1,20}){0,5}|\+{1,5}|[.,;:!?()\n/>]|(?<![a-z0-9])-|-(?![a-z0-9])"
)
_ABBREVIATED = re.compile(r"(?<![a-z])((?:[a-z]\.){2,8})")
_SHORTENED = re.compile(r"(?<![a-z])([a-z]|mme|mlle|mr|dr|pr|st|env|cf|emp|resp|tel|ex|art)\.")
_WRAPPED = re.compile(r"(?<=[^.;!?:\s])[ \t]{0,20}\r?\n[ \t]{0,20}(?=[a-zà-öø-ÿ])")
_LIGATURES = str.maketrans(
    {"œ": "oe", "æ": "ae", "’": "'", "–": "-", "—": "-", "→": ">", "\u2011": "-", "\u00ad": None}
)
_REPORTED = {code.code: (code.label_fr, code.label_en) for code in (*MEASURE, *RISK_REASON)}
"""Labels of codes that reports also tick: they are declared there."""


class Family(StrEnum):
    """Kind of code."""

    OBSTACLE = "obstacle"
    ACTION = "action"
    THEME = "theme"


class Status(StrEnum):
    """What a report says of a code.

    PRESENT: the difficulty exists; the action is carried out or under way; the theme is spoken of.
    PLANNED: actions alone: proposed, accepted, asked for or to come.
    NEGATED: the difficulty does not exist or is over; the action is refused, ruled out or fell through.
    """

    PRESENT = "present"
    PLANNED = "planned"
    NEGATED = "negated"


_REFERRING = {"refused_it": Status.NEGATED, "again": Status.PLANNED}


@dataclass(frozen=True, slots=True)
class Indicator:
    """One code of the closed list, with its labels."""

    family: Family
    code: str
    label_fr: str
    label_en: str


@dataclass(frozen=True, slots=True, eq=False)
class _Pattern:
    """A row of words.

    `elements` are numbers of alternatives; `gaps[i]`: words may stand before element i. `kind` is a family or a cue.
    """

    elements: tuple[int, ...]
    gaps: tuple[bool, ...]
    kind: str
    code: str


@dataclass(frozen=True, slots=True)
class _Word:
    """What a word of a text may stand for: words of the lists, and the numbers of the alternatives they belong to."""

    forms: tuple[str, ...]
    elements: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Found:
    """A pattern at work: positions of its words in the sentence."""

    pattern: _Pattern
    at: tuple[int, ...]

    @property
    def start(self) -> int:
        return self.at[0]

    @property
    def end(self) -> int:
        return self.at[-1]


@dataclass(slots=True)
class _Clause:
    """Words between two separators. `list_item`: nothing but mentions, so that a neighbour's cue covers it.

    `completes`: no action of its own, so that its cues may bear on what precedes ("une formation, refusée depuis").
    """

    start: int
    end: int
    opened_by: str
    mentions: list[_Found] = field(default_factory=list)
    cues: list[_Found] = field(default_factory=list)
    list_item: bool = False
    completes: bool = False
    group: int = 0


class Codebook:
    """The lists, compiled.

    Args:
        content: the parsed `indicators.toml`.

    Attributes:
        indicators: every code, in the order of the file.
    """

    def __init__(self, content: Mapping[str, Mapping[str, object]]) -> None:
        self.indicators: tuple[Indicator, ...] = tuple(
            Indicator(family, code, *(_REPORTED.get(code) or (str(entry["fr"]), str(entry["en"]))))
            for family in Family
            for code, entry in _entries(content, family)
        )
        self.family = {indicator.code: indicator.family for indicator in self.indicators}
        self._exact: defaultdict[str, set[int]] = defaultdict(set)
        self._stems: defaultdict[str, set[int]] = defaultdict(set)
        self._endings: defaultdict[str, set[int]] = defaultdict(set)
        self._numbers: dict[str, int] = {}
        self._of_mentions: set[str] = set()
        # Patterns by their first two words (the second None where there is but one): few of those that begin with "pas"
        # are tried at a "pas".
        self._starts: dict[str, dict[str | None, list[_Pattern]]] = {}
        self.themes_of: defaultdict[str, list[str]] = defaultdict(list)
        for family in Family:
            for code, entry in _entries(content, family):
                for kind in ("says", "beside", "fine", "leads", "held"):
                    self._add(str(entry.get(kind, "")), family if kind == "says" else kind, code)
                sources = entry.get("from", [])
                for source in sources if isinstance(sources, list) else []:
                    self.themes_of[source].append(code)
        self._never_corrected = tuple(str(content["words"]["never_corrected"]).replace(";", " ").split())
        self._add(str(content["words"]["neutral"]), "neutral", "")
        for cue, patterns in content["cue"].items():
            self._add(str(patterns), cue, "")
        self._slips: defaultdict[str, set[str]] = defaultdict(set)
        for word in self._of_mentions:
            if len(word) >= CORRECTED:
                for form in (word, *_one_letter_less(word)):
                    self._slips[form].add(word)
        self._look_up = lru_cache(maxsize=65_536)(self._word)

    def _add(self, patterns: str, kind: str, code: str) -> None:
        for row in patterns.split(";"):
            for words in product(*map(_readings, row.split())):
                elements, gaps, gap = [], [], False
                for word in " ".join(words).split():
                    if word == "..":
                        gap = True
                        continue
                    elements.append(self._number(word))
                    gaps.append(gap)
                    gap = False
                if kind in _MENTIONS:
                    self._of_mentions.update(word.rstrip("*") for word in re.findall(r"[a-z]+\*?", " ".join(words)))
                if elements:
                    pattern = _Pattern(tuple(elements), tuple(gaps), kind, code)
                    forms = [word.split("|") for word in " ".join(words).split() if word != ".."]
                    for first in forms[0]:
                        followers = self._starts.setdefault(first, {})
                        for second in forms[1] if len(forms) > 1 else [None]:
                            followers.setdefault(second, []).append(pattern)

    def _number(self, alternatives: str) -> int:
        if alternatives not in self._numbers:
            number = self._numbers[alternatives] = len(self._numbers)
            for word in alternatives.split("|"):
                among = self._stems if word.endswith("*") else self._endings if word.startswith("*") else self._exact
                among[word.strip("*")].add(number)
        return self._numbers[alternatives]

    def _word(self, token: str) -> _Word:
        """What a word of a text may stand for; one slip in a long word of the lists is forgiven."""
        forms = [token] if token in self._exact else []
        for length in range(1, min(len(token), LONGEST_WORD) + 1):
            forms += [f"{token[:length]}*"] if token[:length] in self._stems else []
            forms += [f"*{token[-length:]}"] if token[-length:] in self._endings else []
        if not forms and CORRECTED <= len(token) <= LONGEST_WORD and not token.startswith(self._never_corrected):
            for word in sorted(self._nearby(token)):
                forms += ([word] if word in self._exact else []) + ([f"{word}*"] if word in self._stems else [])
        elements: set[int] = set()
        for form in forms:
            among = self._stems if form.endswith("*") else self._endings if form.startswith("*") else self._exact
            elements |= among[form.strip("*")]
        return _Word(tuple(forms), frozenset(elements))

    def _nearby(self, token: str) -> set[str]:
        """Words of the mentions' lists that a token is one slip away from, the first letter being right."""
        near = set()
        for length in range(CORRECTED - 1, len(token) + 1):
            begins = token[:length]
            for form in (begins, *_one_letter_less(begins)):
                for word in self._slips.get(form, ()):
                    whole = word not in self._stems
                    if (length == len(token) or not whole) and word[0] == token[0] and _one_slip(word, begins):
                        near.add(word)
        return near

    def find(self, tokens: list[str]) -> tuple[list[_Found], set[str]]:
        """Patterns present in a sentence, and themes; where patterns share words, mentions first, then the longest."""
        words = [self._look_up(token) for token in tokens]
        found = []
        for position, here in enumerate(words):
            candidates: dict[_Pattern, None] = {}
            for first in here.forms:
                followers = self._starts.get(first)
                if followers is None:
                    continue
                candidates.update(dict.fromkeys(followers.get(None, ())))
                for near in words[position + 1 : position + 2 + GAP]:
                    for second in near.forms:
                        candidates.update(dict.fromkeys(followers.get(second, ())))
            found += [
                _Found(pattern, at)
                for pattern in candidates
                if (at := _fits(pattern, tokens, words, position)) is not None
            ]
        themes = {one.pattern.code for one in found if one.pattern.kind == Family.THEME}
        found = [one for one in found if one.pattern.kind != Family.THEME]
        found.sort(
            key=lambda one: (_PRECEDENCE.get(one.pattern.kind, 2), -len(one.at), one.start, one.end, one.pattern.code)
        )
        by_mentions: dict[int, tuple[int, ...]] = {}
        by_actions: set[int] = set()
        by_cues: set[int] = set()
        kept = []
        for one in found:
            if one.pattern.code or one.pattern.kind == "neutral":
                # The same words may say two things ("aide alimentaire"); other overlaps give way.
                if any(by_mentions.get(position, one.at) != one.at for position in one.at):
                    continue
                by_mentions |= dict.fromkeys(one.at, one.at)
                if self.family.get(one.pattern.code) is not Family.OBSTACLE:
                    by_actions.update(one.at)
            elif one.pattern.kind != "problem":  # a word of difficulty serves many
                # What is refused bears on actions alone: it may be a word of a difficulty ("l'employeur refuse").
                if not by_cues.isdisjoint(one.at) or not by_actions.isdisjoint(one.at):
                    continue
                by_cues.update(one.at)
                if one.pattern.kind not in _ON_ACTIONS and any(position in by_mentions for position in one.at):
                    if one.pattern.kind != "absent":
                        continue
                    # "Aucun poste de reclassement": a difficulty, and an action denied.
                    one = _Found(replace(one.pattern, kind="absent_for_actions"), one.at)
            if one.pattern.kind != "neutral":
                kept.append(one)
        return sorted(kept, key=lambda one: (one.start, one.end, one.pattern.kind, one.pattern.code)), themes


def _entries(content: Mapping[str, Mapping[str, object]], family: Family) -> Iterator[tuple[str, Mapping[str, object]]]:
    for code, entry in content[family].items():
        if not isinstance(entry, dict):
            raise TypeError(f"{family}.{code} is not a table")
        yield code, entry


def _readings(alternatives: str) -> list[str]:
    """An element as it is, and once for each of its alternatives of several words (`rendez_vous`)."""
    words = alternatives.split("|")
    single = "|".join(word for word in words if "_" not in word)
    return [*([single] if single else []), *(word.replace("_", " ") for word in words if "_" in word)]


def _one_letter_less(word: str) -> Iterator[str]:
    return (word[:i] + word[i + 1 :] for i in range(1, len(word)))


def _one_slip(word: str, other: str) -> bool:
    """Whether two letters swapped or a letter doubled or not, in a long word any letter, make one word of the other."""
    at = next((i for i, (a, b) in enumerate(zip(word, other, strict=False)) if a != b), min(len(word), len(other)))
    left, right = word[at:], other[at:]
    if left[1::-1] == right[:2] and left[2:] == right[2:]:
        return True
    dropped = left[1:] == right or left == right[1:]
    if dropped and at and (left if len(left) > len(right) else right)[0] == word[at - 1]:
        return True
    return len(word) >= LONG and (dropped or left[1:] == right[1:])


def _fits(
    pattern: _Pattern, tokens: list[str], words: list[_Word], start: int, index: int = 1
) -> tuple[int, ...] | None:
    """Positions of a pattern whose word `index - 1` is at `start`; None when it is not there."""
    if index == len(pattern.elements):
        return (start,)
    for position in range(start + 1, min(start + 2 + GAP * pattern.gaps[index], len(tokens))):
        if pattern.elements[index] in words[position].elements:
            rest = _fits(pattern, tokens, words, position, index + 1)
            if rest is not None:
                return (start, *rest)
        if tokens[position] in LISTING or tokens[position] in TURNS:
            break
    return None


@cache
def codebook() -> Codebook:
    """The closed lists of this version, compiled once."""
    return Codebook(tomllib.loads(Path(__file__).with_name("indicators.toml").read_text(encoding="utf-8")))


def codes(text: str) -> dict[str, Status]:
    """Codes of one narrative.

    Args:
        text: French prose. Beyond 20,000 characters (the contract's limit) it is not read at all: cut anywhere, a text
            may lose the word that denies.

    Returns:
        Code -> status, in the order of the codebook. A code with several mentions is present if one says so; otherwise
        the last mention decides.
    """
    if len(text) > MAX_CHARACTERS:
        return {}
    book = codebook()
    status: dict[str, Status] = {}
    themes: set[str] = set()
    last_action: str | None = None
    for tokens in _sentences(text):
        found, spoken_of = book.find(tokens)
        themes |= spoken_of
        clauses = _clauses(tokens, found)
        said: list[tuple[str, Status]] = []
        fine: set[str] = set()
        for number, clause in enumerate(clauses):
            actions = [m for m in clause.mentions if book.family[m.pattern.code] is Family.ACTION]
            if last_action and not actions:
                referring = [_REFERRING[cue.pattern.kind] for cue in clause.cues if cue.pattern.kind in _REFERRING]
                said.extend((last_action, reference) for reference in referring)
            for mention in clause.mentions:
                judged = _judge(book, mention, number, clauses, tokens)
                themes.update(book.themes_of.get(mention.pattern.code, ()) if judged is not None else ())
                if judged is not None:
                    said.append((mention.pattern.code, judged))
                if mention.pattern.kind == "fine" and judged is Status.NEGATED:
                    fine.add(mention.pattern.code)
            if actions:
                last_action = actions[-1].pattern.code
        for code, judged in said:
            if status.get(code) is not Status.PRESENT and not (code in fine and judged is Status.PRESENT):
                status[code] = judged
    status |= dict.fromkeys(themes, Status.PRESENT)
    return {indicator.code: status[indicator.code] for indicator in book.indicators if indicator.code in status}


def _sentences(text: str) -> Iterator[list[str]]:
    """Words of each sentence, without accents, in lower case; separators are words too."""
    text = _WRAPPED.sub(" ", unicodedata.normalize("NFC", text))
    text = unicodedata.normalize("NFKD", text.lower().translate(_LIGATURES))
    text = "".join(character for character in text if not unicodedata.combining(character))
    text = _ABBREVIATED.sub(lambda match: match[1].replace(".", ""), text)
    text = _SHORTENED.sub(r"\1 ", text)
    sentence: list[str] = []
    for word in _TOKEN.findall(text):
        if word == "?":
            sentence.append(word)  # a question plans at most
        if word in SENTENCE_ENDS or (
            len(sentence) >= LONG_SENTENCE and (word in LISTING or len(sentence) > 1.5 * LONG_SENTENCE)
        ):
            if sentence:
                yield sentence
            sentence = []
        else:
            sentence.append(word)
    if sentence:
        yield sentence


def _clauses(tokens: list[str], found: list[_Found]) -> list[_Clause]:
    """Clauses of a sentence with what is found in them, grouped where a list carries a cue on."""
    inside = {position for one in found if one.pattern.code or tokens[one.start] != "ni" for position in one.at}
    clauses = [_Clause(0, 0, "")]
    for position, word in enumerate(tokens):
        if (word in LISTING or word in TURNS) and (position not in inside or word in "(),/:"):
            clauses[-1].end = position
            begins = position + (word != "ni")  # "ni" denies what it opens
            clauses.append(_Clause(begins, begins, word))
    clauses[-1].end = len(tokens)
    current = 0
    for one in found:
        while (
            one.start >= clauses[current].end and current + 1 < len(clauses) and one.start >= clauses[current + 1].start
        ):
            current += 1
        (clauses[current].mentions if one.pattern.code else clauses[current].cues).append(one)
    for clause in clauses:
        words = set(range(clause.start, clause.end)) - {at for one in clause.mentions for at in one.at}
        strange = [position for position in words if tokens[position] not in CONNECTORS]
        deciding = [cue for cue in clause.cues if cue.pattern.kind not in {"problem", "void"}]
        clause.completes = not any(one.pattern.kind in {"action", "leads", "held"} for one in clause.mentions)
        clause.list_item = bool(clause.mentions) and not deciding and len(strange) <= 2
    led = {0} if any(cue.pattern.kind in _APPOSED for cue in clauses[0].cues) else set()  # groups with a cue so far
    for previous, clause in pairwise(clauses):
        apposing = _APPOSED if not clause.mentions else {"refused", "refused_it"} if clause.completes else frozenset()
        apposed = any(cue.start <= clause.start + 2 and cue.pattern.kind in apposing for cue in clause.cues)
        if clause.opened_by == ")" and clause.completes:  # "l'essai (deux semaines) est refusé"
            before = clauses.index(clause)
            clause.group = clauses[max((i for i in range(before) if clauses[i].opened_by == "("), default=1) - 1].group
            continue
        continued = previous.list_item and not (previous.group in led and clause.cues)
        # Nobody lists a thing twice: "pas de douleur au repos, douleur à l'effort".
        again = {one.pattern.code for one in clause.mentions} & {one.pattern.code for one in previous.mentions}
        linked = clause.opened_by in LISTING and not again and (clause.list_item or continued or apposed)
        clause.group = previous.group if linked else previous.group + 1
        if any(cue.pattern.kind in _APPOSED for cue in clause.cues):
            led.add(clause.group)
    return clauses


def _judge(book: Codebook, mention: _Found, number: int, clauses: list[_Clause], tokens: list[str]) -> Status | None:
    """Status of one mention; None when it is none after all (feared, or a word of the domain without difficulty)."""
    own = clauses[number]
    group = [clause for clause in clauses if clause.group == own.group]
    decided = any(cue.pattern.kind in _ON_ACTIONS for cue in own.cues)
    here = _Bearing(mention, own, group, [] if decided else _heading(number, clauses))
    value = _value(mention, number, clauses)
    first = tokens[value.start] if value is not None and value.start < value.end else ""
    if book.family[mention.pattern.code] is Family.ACTION:
        return Status.NEGATED if first in DENIED_ACTION else _judge_action(here, value)
    opening = {cue.pattern.kind for cue in value.cues if cue.start == value.start} if value is not None else set()
    if mention.pattern.kind == "fine":  # "n'est pas bien entourée"
        return Status.PRESENT if here.forward("not", "not_so", "not_yet", "absent", crossing=False) else Status.NEGATED
    if first in DENIED_ACTION or opening & {"nil", "absent", "not_so"}:
        return Status.NEGATED
    if here.forward("clear") or tokens[mention.end + 1 : own.end] in (["ok"], ["ras"], ["non"]):
        return Status.NEGATED
    if mention.pattern.kind == "beside" and not here.any("problem"):
        return None
    if here.forward("if", crossing=False) or tokens[-1] == "?":
        return None
    return Status.NEGATED if _denied_obstacle(here) else Status.PRESENT


def _value(mention: _Found, number: int, clauses: list[_Clause]) -> _Clause | None:
    """The clause that fills in a field named by the mention ("Fatigue : non")."""
    following = clauses[number + 1] if number + 1 < len(clauses) else None
    field = clauses[number].end - clauses[number].start <= LONGEST_FIELD
    filled = following is not None and following.opened_by == ":" and field and mention.end >= clauses[number].end - 2
    return following if filled else None


def _heading(number: int, clauses: list[_Clause]) -> list[_Found]:
    """Cues of a heading without mentions ("Actions proposées :"), for clauses after it that have none of their own."""
    for index in range(number, 0, -1):
        if clauses[index].opened_by == ":":
            return [] if clauses[index - 1].mentions else clauses[index - 1].cues
    return []


class _Bearing:
    """Which cues bear on a mention.

    Args:
        mention: what is judged.
        own: its clause.
        group: the clauses whose cues may reach it, its own among them.
        heading: cues that reach it from any distance.
    """

    def __init__(self, mention: _Found, own: _Clause, group: list[_Clause], heading: list[_Found]) -> None:
        self.mention, self.own, self.heading = mention, own, heading
        self.cues = [cue for clause in group for cue in clause.cues] + [cue for cue in heading if cue not in own.cues]
        self.after = [cue for clause in group if not clause.mentions for cue in clause.cues]

    def _within(self, cue: _Found) -> bool:
        return self.own.start <= cue.start < self.own.end

    def forward(self, *kinds: str, crossing: bool = True) -> list[_Found]:
        """Cues before the mention; `crossing`: from another item of the list as well."""
        return [
            cue
            for cue in self.cues
            if cue.pattern.kind in kinds
            and cue.start < self.mention.end
            and (self._within(cue) or crossing)
            and (cue in self.heading or self.mention.start - cue.end <= REACH)
        ]

    def backward(self, *kinds: str, crossing: bool = True) -> list[_Found]:
        """Cues after the mention."""
        return [
            cue
            for cue in self.cues
            if cue.pattern.kind in kinds
            and cue.end > self.mention.end
            and (self._within(cue) or crossing or cue in self.after)
            and cue.start - self.mention.end <= REACH
        ]

    def any(self, *kinds: str) -> list[_Found]:
        """Cues on either side."""
        return self.forward(*kinds) + self.backward(*kinds)

    def nearest(self, *kinds: str) -> str | None:
        """Kind of the nearest cue."""
        distances = [
            (max(cue.start - self.mention.end, self.mention.start - cue.end), cue.pattern.kind)
            for cue in self.cues
            if cue.pattern.kind in kinds
        ]
        return min(distances)[1] if distances else None


def _denied_obstacle(here: _Bearing) -> bool:
    stops = here.any("not", "not_so", "not_yet", "absent", "partly")
    spent: list[_Found] = []
    over = False
    for end in here.backward("over", crossing=False):
        against = [stop for stop in stops if 0 <= end.start - stop.end <= STOP_LOOKING_BACK]
        spent += against
        over = over or not against
    return (
        over
        or bool(here.forward("settled", crossing=False))
        or any(cue not in spent for cue in here.forward("absent"))
        or any(cue not in spent for cue in here.forward("not", "not_so", crossing=False))
        or any(cue not in spent for cue in here.backward("not_so"))
    )


def _judge_action(here: _Bearing, value: _Clause | None) -> Status | None:
    if here.any("open", "not_yet", "again"):
        return Status.PLANNED
    if here.mention.pattern.kind == "held":
        return Status.PRESENT
    condition = here.forward("if", crossing=False)
    denied = here.forward("absent") or here.forward("absent_for_actions", crossing=False) or here.any("not")
    if denied or here.any("refused", "refused_it", "not_so") or here.forward("unable", crossing=False):
        return None if condition else Status.NEGATED
    if condition or here.mention.pattern.kind == "leads":
        return Status.PLANNED
    kind = here.nearest("done", "planned", "applied")
    if kind is None and value is not None:
        kind = next(
            (cue.pattern.kind for cue in value.cues if cue.pattern.kind in {"done", "planned", "applied"}), None
        )
    if kind is None and here.any("meeting"):  # an appointment named bare is to come
        return Status.PLANNED
    code = here.mention.pattern.code
    asked_for = (
        kind == "planned" or (kind == "applied" and code not in APPLICATIONS) or (kind is None and code in PROSPECTS)
    )
    return Status.PLANNED if asked_for else Status.PRESENT
