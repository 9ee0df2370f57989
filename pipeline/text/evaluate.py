"""How well identifiers are masked and indicators coded, on texts that a site annotated itself: `pdp evaluate-texts`.

An identifier counts as found only when every character of it, blanks apart, is masked: half a name still names.
Proportions come with Wilson intervals at 95 % (Wilson 1927; Brown, Cai & DasGupta 2001), which take the units for
independent: identifiers of one text, or texts of one author, are alike, so that the truth is less sure than that.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from statsmodels.stats.proportion import proportion_confint

from pipeline.text.deidentify import Deidentified, Deidentifier
from pipeline.text.files import TextError
from pipeline.text.indicators import Family, Status, codebook, codes
from pipeline.text.spans import Label, Span

DIRECT = frozenset(
    {
        "PERSON", "NIR", "RPPS", "ADELI", "SIREN", "SIRET", "IBAN", "PHONE", "EMAIL", "URL", "ADDRESS", "EMPLOYER",
        "NUMBER", "OTHER",
    }
)  # fmt: skip
"""Labels that point to a person alone, or through the doctor or the employer."""
INDIRECT = frozenset({"DATE", "AGE", "POSTCODE", "TOWN", "FACILITY", "FINESS"})
"""Labels that point to a person together with others."""
LABELS = DIRECT | INDIRECT
CONTEXT = 40  # characters of the text beside a miss
_SHAPE = '{"id": ..., "text": "...", "record": {...}?, "spans": [{"start", "end", "label"}]?, "codes": {...}?}'


@dataclass(frozen=True, slots=True)
class Annotated:
    """One annotated text.

    Attributes:
        line: its line in the file.
        id: as given.
        text: as given.
        record: columns of `bilans_suivi`, or None.
        spans: every identifier of the text, in characters; None where identifiers were not annotated.
        codes: code -> status of every indicator; None where indicators were not annotated.
    """

    line: int
    id: object
    text: str
    record: dict[str, object] | None
    spans: tuple[Span, ...] | None
    codes: dict[str, Status] | None


@dataclass(frozen=True, slots=True)
class Share:
    """Hits among trials."""

    hits: int
    trials: int

    @property
    def value(self) -> float | None:
        """In [0, 1]; None without trials."""
        return self.hits / self.trials if self.trials else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson, 95 %; everything is possible without trials."""
        if not self.trials:
            return 0.0, 1.0
        low, high = proportion_confint(self.hits, self.trials, alpha=0.05, method="wilson")
        return float(low), float(high)

    def __str__(self) -> str:
        if self.value is None:
            return "none to judge"
        low, high = self.interval
        return f"{self.value:6.1%}  [{low:.1%}, {high:.1%}]  {self.hits} of {self.trials}"


@dataclass(frozen=True, slots=True)
class Miss:
    """An annotated identifier with a character left to read."""

    line: int
    id: object
    label: str
    start: int
    end: int
    decision: str
    excerpt: str

    @property
    def severity(self) -> tuple[bool, bool, int]:
        """Ascending: direct identifiers of released texts come first."""
        return self.label not in DIRECT, self.decision != "release", self.line


@dataclass(slots=True)
class Evaluation:
    """Counts over a file.

    Attributes:
        texts: texts whose identifiers were annotated.
        released: those released.
        exposed: released texts in which a direct identifier can be read.
        masked: label -> annotated identifiers masked whole.
        annotated: label -> annotated identifiers.
        touching: label given by the tool -> findings that touch an annotated identifier.
        found: label given by the tool -> findings.
        characters, needless_characters: of all texts; those masked outside any annotated identifier.
        misses: what was missed, with its text: never shown unless asked for.
        coded: (family, code) -> texts in which the code is `annotated`, `found`, both whatever the status (`agreed`),
            both with the same status (`exact`).
        statuses: (family, status) -> the same, of codes annotated or found with that status.
        coded_texts: texts whose indicators were annotated.
    """

    texts: int = 0
    released: int = 0
    exposed: int = 0
    masked: Counter[str] = field(default_factory=Counter)
    annotated: Counter[str] = field(default_factory=Counter)
    touching: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    characters: int = 0
    needless_characters: int = 0
    misses: list[Miss] = field(default_factory=list, repr=False)
    coded: dict[tuple[Family, str], Counter[str]] = field(default_factory=dict)
    statuses: dict[tuple[Family, Status], Counter[str]] = field(default_factory=dict)
    coded_texts: int = 0

    def recall(self, *labels: str) -> Share:
        """Annotated identifiers of some labels that are masked whole."""
        return Share(sum(self.masked[one] for one in labels), sum(self.annotated[one] for one in labels))

    def precision(self, *labels: str) -> Share:
        """Findings of some labels that touch an annotated identifier of any label."""
        return Share(sum(self.touching[one] for one in labels), sum(self.found[one] for one in labels))

    def missed_when_released(self) -> int:
        """Direct identifiers that can be read in released texts."""
        return sum(miss.label in DIRECT and miss.decision == "release" for miss in self.misses)

    def add_spans(self, given: Annotated, judged: Deidentified) -> None:
        """Count one text's identifiers."""
        covered = bytearray(len(given.text))
        for span in judged.spans:
            covered[span.start : span.end] = b"\1" * (span.end - span.start)
        owned = bytearray(len(given.text))
        exposed = False
        for span in given.spans or ():
            owned[span.start : span.end] = b"\1" * (span.end - span.start)
            readable = any(not covered[at] and not given.text[at].isspace() for at in range(span.start, span.end))
            self.annotated[span.label] += 1
            self.masked[span.label] += not readable
            if readable:
                exposed = exposed or span.label in DIRECT
                excerpt = given.text[max(0, span.start - CONTEXT) : span.end + CONTEXT]
                self.misses.append(
                    Miss(given.line, given.id, span.label, span.start, span.end, judged.decision, excerpt)
                )
        for span in judged.spans:
            self.found[span.label] += 1
            self.touching[span.label] += any(owned[span.start : span.end])
        self.texts += 1
        self.released += judged.decision == "release"
        self.exposed += exposed and judged.decision == "release"
        self.characters += len(covered)
        self.needless_characters += sum(mask and not own for mask, own in zip(covered, owned, strict=True))

    def add_codes(self, annotated: Mapping[str, Status], found: Mapping[str, Status]) -> None:
        """Count one text's indicators."""
        self.coded_texts += 1
        for code in annotated.keys() | found.keys():
            family, given, got = codebook().family[code], annotated.get(code), found.get(code)
            counts = self.coded.setdefault((family, code), Counter())
            counts.update(annotated=int(given is not None), found=int(got is not None), exact=int(given == got))
            counts["agreed"] += given is not None and got is not None
            for status in {given, got} - {None}:
                by_status = self.statuses.setdefault((family, cast(Status, status)), Counter())
                by_status.update(annotated=int(given == status), found=int(got == status), exact=int(given == got))

    def family(self, family: Family, code: str | None = None) -> Counter[str]:
        """Counts of one family, or of one of its codes."""
        total: Counter[str] = Counter()
        for (one, other), counts in self.coded.items():
            if one is family and code in {None, other}:
                total.update(counts)
        return total


def evaluate(
    source: Path,
    engine: Deidentifier,
    *,
    with_record: bool = True,
    progress: Callable[[str, int, int], None] | None = None,
) -> Evaluation:
    """Judge every annotated text of a JSON Lines file.

    Args:
        source: lines `{"id", "text", "record"?, "spans"?, "codes"?}` with at least one of spans and codes.
        engine: the engine to be judged.
        with_record: give the record where there is one; without, every text is judged by itself.
        progress: told (what, texts judged, texts in all).

    Raises:
        TextError: the file cannot be read, or a line is not such an object; the message never shows the text.
    """
    texts = list(read(source))
    counts = Evaluation()
    for number, given in enumerate(texts, start=1):
        if given.spans is not None:
            counts.add_spans(given, engine.deidentify(given.text, given.record if with_record else None))
        if given.codes is not None:
            counts.add_codes(given.codes, codes(given.text))
        if progress is not None:
            progress("judging annotated texts", number, len(texts))
    return counts


def read(source: Path) -> Iterator[Annotated]:
    """Annotated texts of a file, checked.

    Raises:
        TextError: with file, line and reason.
    """
    seen: dict[str, int] = {}
    try:
        with source.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    given = _parsed(line, f"{source}, line {number}", number)
                    key = json.dumps(given.id, sort_keys=True)
                    if key in seen:
                        raise TextError(f"{source}, line {number}: its id was already used on line {seen[key]}")
                    seen[key] = number
                    yield given
    except OSError as error:
        raise TextError(f"{error.filename}: {error.strerror}") from None
    if not seen:
        raise TextError(f"{source}: it holds no annotated text")


def _parsed(line: bytes, place: str, number: int) -> Annotated:
    try:
        content = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError:
        raise TextError(f"{place}: it is not UTF-8") from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "id" not in content or not isinstance(content.get("text"), str):
        raise TextError(f"{place}: expected {_SHAPE}")
    text, record = content["text"], content.get("record")
    if record is not None and not isinstance(record, dict):
        raise TextError(f"{place}: its record is not an object of columns")
    if content.get("spans") is None and content.get("codes") is None:
        raise TextError(f'{place}: neither spans nor codes; a text without any identifier has "spans": []')
    spans = None if content.get("spans") is None else _spans(content["spans"], text, place)
    indicators = None if content.get("codes") is None else _codes(content["codes"], place)
    return Annotated(number, content["id"], text, record, spans, indicators)


def _spans(given: Any, text: str, place: str) -> tuple[Span, ...]:
    if not isinstance(given, list):
        raise TextError(f"{place}: its spans are not a list")
    spans: list[Span] = []
    for rank, span in enumerate(given, start=1):
        start, end = (span.get("start"), span.get("end")) if isinstance(span, dict) else (None, None)
        if type(start) is not int or type(end) is not int:
            raise TextError(f"{place}, span {rank}: start and end must be whole numbers of characters")
        if not 0 <= start < end <= len(text) or not text[start:end].strip():
            raise TextError(f"{place}, span {rank}: it is empty or goes beyond the text's {len(text)} characters")
        if any(start < other.end and other.start < end for other in spans):
            raise TextError(f"{place}, span {rank}: it overlaps another one, and would count twice")
        if span.get("label") not in LABELS:
            raise TextError(f"{place}, span {rank}: its label is none of {', '.join(sorted(LABELS))}")
        spans.append(Span(start, end, span["label"], 1.0))
    return tuple(spans)


def _codes(given: Any, place: str) -> dict[str, Status]:
    if not isinstance(given, dict) or not given.keys() <= codebook().family.keys():
        raise TextError(f"{place}: its codes are not an object of codes of the list (docs/annotate-reports.md)")
    if not set(map(str, given.values())) <= {str(status) for status in Status}:
        raise TextError(f"{place}: the status of a code is none of {', '.join(Status)}")
    return {code: Status(status) for code, status in given.items()}


def report(counts: Evaluation, *, each_code: bool = False) -> Iterator[str]:
    """The figures, line by line; no line holds a character of any text.

    Args:
        counts: what was counted.
        each_code: a line for each code beside those of the families.
    """
    if counts.texts:
        yield from _report_spans(counts)
    if counts.coded_texts:
        yield from _report_codes(counts, each_code)


def _report_spans(counts: Evaluation) -> Iterator[str]:
    direct, indirect = sorted(DIRECT), sorted(INDIRECT)
    needless = Share(counts.needless_characters, counts.characters).value or 0.0
    yield f"Identifiers: {counts.texts} texts, {sum(counts.annotated.values())} annotated identifiers"
    yield ""
    yield f"  texts released                          {Share(counts.released, counts.texts)}"
    yield f"  direct identifiers masked whole         {counts.recall(*direct)}"
    yield f"  indirect identifiers masked whole       {counts.recall(*indirect)}"
    yield f"  released texts with a direct one left   {Share(counts.exposed, counts.released)}"
    yield f"  direct identifiers left in them         {counts.missed_when_released():6}"
    yield f"  characters masked for nothing           {needless:6.1%}  of {counts.characters}"
    yield ""
    yield _row("label", "annotated, masked whole", "found, touching an annotated one")
    for label in [*direct, *indirect, str(Label.UNKNOWN)]:
        if counts.annotated[label] or counts.found[label]:
            yield _row(label, counts.recall(label), counts.precision(label))
    yield _row("all", counts.recall(*LABELS), counts.precision(*LABELS, Label.UNKNOWN))


def _report_codes(counts: Evaluation, each_code: bool) -> Iterator[str]:
    yield f"Indicators: {counts.coded_texts} texts; a code counts only with its status"
    yield ""
    yield _row("family", "annotated, found", "found, annotated", "F1")
    for family in Family:
        yield _code_row(family, counts.family(family), "exact")
        for status in Status if family is not Family.THEME else ():
            if of_status := counts.statuses.get((family, status)):
                yield _code_row(f"  that are {status}", of_status, "exact")
        for indicator in codebook().indicators if each_code else ():
            if indicator.family is family and (of_code := counts.family(family, indicator.code)):
                yield _code_row(f"  {indicator.code}", of_code, "exact")
    yield ""
    yield _row("whatever the status", "annotated, found", "found, annotated", "F1")
    for family in Family:
        yield _code_row(family, counts.family(family), "agreed")


def _code_row(name: str, counts: Counter[str], hits: str) -> str:
    units = counts["annotated"] + counts["found"]
    f1 = f"{2 * counts[hits] / units:.2f}" if units else ""
    return _row(name, Share(counts[hits], counts["annotated"]), Share(counts[hits], counts["found"]), f1)


def _row(name: str, recall: object, precision: object, f1: str = "") -> str:
    return f"  {name:<30}  {recall!s:<38}  {precision!s:<38}  {f1}".rstrip()


def write_misses(counts: Evaluation, target: Path) -> int:
    """Write what was missed, the worst first, with the words around it: as confidential as the texts.

    Args:
        counts: what was counted.
        target: a new file, readable by its owner alone (0600).

    Returns:
        How many there were.

    Raises:
        TextError: the file is there already or cannot be written.
    """
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            for miss in sorted(counts.misses, key=lambda one: one.severity):
                row = {name: getattr(miss, name) for name in Miss.__slots__}
                out.write(json.dumps(row, ensure_ascii=True) + "\n")
    except OSError as error:
        raise TextError(f"{error.filename or target}: {error.strerror}") from None
    return len(counts.misses)
