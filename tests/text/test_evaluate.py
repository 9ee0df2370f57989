"""The tool judged on annotated texts: whole identifiers, honest intervals, and nothing of a text unless asked for."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipeline import cli
from pipeline.text import evaluate
from pipeline.text.deidentify import Decision, Deidentified, Deidentifier
from pipeline.text.evaluate import Evaluation, Share, TextError
from pipeline.text.indicators import Family, Status
from pipeline.text.spans import Label, Span

SECRET = "Madame Zoé Quintard appelle le 06 12 34 56 78."
NAME, PHONE = (7, 19), (31, 45)


class Engine:
    """Finds what it is told to find."""

    def __init__(self, *found: tuple[int, int, str], decision: Decision = "release") -> None:
        self.found, self.decision, self.records = found, decision, list[object]()

    def deidentify(self, text: str, record: object = None) -> Deidentified:
        self.records.append(record)
        spans = tuple(Span(start, end, label, 1.0) for start, end, label in self.found)
        return Deidentified(spans, None, self.decision, ())


def annotated(path: Path, *lines: object) -> Path:
    source = path / "annotated.jsonl"
    source.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    return source


def line(*spans: tuple[int, int, str], **more: object) -> dict[str, object]:
    named = [{"start": start, "end": end, "label": label} for start, end, label in spans]
    return {"id": 1, "text": SECRET, "spans": named, **more}


def judged(path: Path, engine: Engine, *lines: object, with_record: bool = True) -> Evaluation:
    return evaluate.evaluate(annotated(path, *lines), cast(Deidentifier, engine), with_record=with_record)


def test_an_identifier_counts_only_when_every_character_is_masked(tmp_path: Path) -> None:
    for found, hits in (((7, 19), 1), ((7, 18), 0), ((8, 19), 0), ((0, 46), 1), ((7, 10), 0)):
        counts = judged(tmp_path, Engine((*found, "PERSON")), line((*NAME, "PERSON")))
        assert counts.recall("PERSON") == Share(hits, 1)


def test_two_findings_may_share_an_identifier_and_a_blank_names_nobody(tmp_path: Path) -> None:
    counts = judged(tmp_path, Engine((7, 10, "PERSON"), (11, 19, "EMPLOYER")), line((*NAME, "PERSON")))
    assert counts.recall("PERSON") == Share(1, 1)
    assert counts.precision("PERSON", "EMPLOYER") == Share(2, 2)


def test_the_label_of_a_finding_matters_to_precision_alone(tmp_path: Path) -> None:
    engine = Engine((*NAME, "UNKNOWN"), (20, 27, "TOWN"))
    counts = judged(tmp_path, engine, line((*NAME, "PERSON")))
    assert counts.recall("PERSON") == Share(1, 1)
    assert counts.precision("UNKNOWN") == Share(1, 1)
    assert counts.precision("TOWN") == Share(0, 1)
    assert (counts.needless_characters, counts.characters) == (7, len(SECRET))


@pytest.mark.parametrize(("decision", "left"), [("release", 1), ("withhold", 0)])
def test_a_direct_identifier_left_is_exposed_only_where_the_text_is_released(
    tmp_path: Path, decision: Decision, left: int
) -> None:
    counts = judged(
        tmp_path,
        Engine((*PHONE, "PHONE"), decision=decision),
        line((*NAME, "PERSON"), (0, 6, "DATE"), (*PHONE, "PHONE")),
    )
    assert counts.missed_when_released() == counts.exposed == left
    assert len(counts.misses) == 2
    assert counts.released == left


def test_a_record_is_given_unless_it_is_held_back(tmp_path: Path) -> None:
    record = {"nom": "Quintard"}
    engine = Engine()
    judged(tmp_path, engine, line(record=record))
    judged(tmp_path, engine, line(record=record), with_record=False)
    assert engine.records == [record, None]


def test_wilson_intervals_are_those_of_the_literature() -> None:
    # Brown, Cai & DasGupta (2001): z²/(n+z²) above for nothing in n; Newcombe (1998), table I: 81 of 263, 15 of 148.
    assert Share(0, 200).interval == pytest.approx((0.0, 0.018845), abs=1e-6)
    assert Share(81, 263).interval == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert Share(15, 148).interval == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert (Share(0, 0).value, Share(0, 0).interval) == (None, (0.0, 1.0))


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_stays_within_zero_and_one(pair: tuple[int, int]) -> None:
    share = Share(*pair)
    low, high = share.interval
    assert share.value is not None
    assert -1e-12 <= low <= share.value + 1e-12
    assert share.value - 1e-12 <= high <= 1 + 1e-12


def test_indicators_count_with_their_status_and_without(tmp_path: Path) -> None:
    text = "Pas de dettes. Douleurs."
    counts = judged(
        tmp_path,
        Engine(),
        {
            "id": 1,
            "text": text,
            "codes": {"debt": "present", "pain": "present", "money": "present", "housing": "present"},
        },
    )
    assert counts.family(Family.OBSTACLE) == {"annotated": 3, "found": 2, "agreed": 2, "exact": 1}
    assert counts.family(Family.OBSTACLE, "pain") == {"annotated": 1, "found": 1, "agreed": 1, "exact": 1}
    assert counts.statuses[Family.OBSTACLE, Status.PRESENT] == {"annotated": 3, "found": 1, "exact": 1}
    assert counts.statuses[Family.OBSTACLE, Status.NEGATED] == {"annotated": 0, "found": 1, "exact": 0}
    assert (counts.texts, counts.coded_texts) == (0, 1)


def test_no_line_of_the_figures_holds_a_word_of_a_text(tmp_path: Path) -> None:
    counts = judged(tmp_path, Engine((*PHONE, "PHONE")), line((*NAME, "PERSON"), codes={"pain": "present"}))
    shown = "\n".join(evaluate.report(counts, each_code=True))
    assert "Quintard" not in shown + repr(counts)
    assert "True" not in shown and "False" not in shown  # figures are numbers
    assert "direct identifiers left in them              1" in shown


def test_misses_are_written_only_for_the_owner_the_worst_first(tmp_path: Path) -> None:
    lines = [line((0, 6, "DATE"), (*NAME, "PERSON")), line((*NAME, "PERSON"), id=2)]
    counts = judged(tmp_path, Engine(), *lines)
    target = tmp_path / "missed.jsonl"
    assert evaluate.write_misses(counts, target) == 3
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    rows = [json.loads(row) for row in target.read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["label"]) for row in rows] == [(1, "PERSON"), (2, "PERSON"), (1, "DATE")]
    assert "Quintard" in rows[0]["excerpt"]
    with pytest.raises(TextError, match="File exists"):
        evaluate.write_misses(counts, target)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (SECRET, "line 2: expected"),
        ({"text": SECRET, "spans": []}, "line 2: expected"),
        ({"id": 2, "text": SECRET}, "line 2: neither spans nor codes"),
        (line(id=2, record=SECRET), "line 2: its record is not an object"),
        (line((0, 6, SECRET), id=2), "line 2, span 1: its label is none of ADDRESS"),
        (line((0, 6, "PERSON"), (6, 6, "PERSON"), id=2), "line 2, span 2: it is empty or goes beyond the text's 46"),
        (line((0, 47, "PERSON"), id=2), "line 2, span 1: it is empty or goes beyond"),
        (line((-1, 4, "PERSON"), id=2), "line 2, span 1: it is empty or goes beyond"),
        (
            {
                "id": 2,
                "text": SECRET,
                "spans": [
                    {"start": 7, "end": 19, "label": "PERSON"},
                    {"start": 11, "end": 19, "label": "PERSON"},
                ],
            },
            "line 2, span 2: it overlaps another one",
        ),
        (
            {"id": 2, "text": SECRET, "spans": [{"start": 6, "end": 7, "label": "PERSON"}]},
            "line 2, span 1: it is empty",
        ),
        ({"id": 2, "text": SECRET, "spans": [[0, 6, "PERSON"]]}, "line 2, span 1: start and end must be whole numbers"),
        ({"id": 2, "text": SECRET, "spans": SECRET}, "line 2: its spans are not a list"),
        ({"id": 2, "text": SECRET, "codes": {SECRET: "present"}}, "line 2: its codes are not an object"),
        ({"id": 2, "text": SECRET, "codes": {"pain": SECRET}}, "line 2: the status of a code is none of present"),
        (line(id=1), "line 2: its id was already used on line 1"),
    ],
)
def test_a_line_that_cannot_be_used_is_named_without_its_text(tmp_path: Path, given: object, said: str) -> None:
    source = annotated(tmp_path, line(), given)
    with pytest.raises(TextError) as refused:
        list(evaluate.read(source))
    assert said in str(refused.value)
    assert "Quintard" not in str(refused.value)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    source = tmp_path / "annotated.jsonl"
    with pytest.raises(TextError, match="No such file"):
        list(evaluate.read(source))
    source.write_text("\n\n", encoding="utf-8")
    with pytest.raises(TextError, match="holds no annotated text"):
        list(evaluate.read(source))
    source.write_bytes(b'{"id": 1, "text": "\xff", "spans": []}\n')
    with pytest.raises(TextError, match="line 1: it is not UTF-8"):
        list(evaluate.read(source))


def test_every_label_of_the_tool_is_direct_or_indirect_but_the_unknown() -> None:
    assert {str(label) for label in Label} - {"UNKNOWN"} == evaluate.LABELS - {"OTHER"}
    assert not evaluate.DIRECT & evaluate.INDIRECT


def test_the_command_shows_figures_and_writes_misses_only_when_asked(tmp_path: Path) -> None:
    source = annotated(tmp_path, line((*NAME, "PERSON"), (*PHONE, "PHONE"), (20, 26, "OTHER")))
    shown = CliRunner().invoke(cli.app, ["evaluate-texts", str(source)])
    assert shown.exit_code == 0, shown.output
    assert "Identifiers: 1 texts, 3 annotated identifiers" in shown.output
    assert "Quintard" not in shown.output
    assert list(tmp_path.iterdir()) == [source]
    missed = tmp_path / "missed.jsonl"
    asked = CliRunner().invoke(cli.app, ["evaluate-texts", str(source), "--misses", str(missed)])
    assert "Quintard" not in asked.output
    assert "Quintard" in missed.read_text(encoding="utf-8")
    again = CliRunner().invoke(cli.app, ["evaluate-texts", str(source), "--misses", str(missed)])
    assert "is there already" in str(again.exception)
