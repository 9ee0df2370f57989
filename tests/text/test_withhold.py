"""Without recognisers no text leaves: each is withheld, says why, and no message quotes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.text.withhold import TextError, deidentify, withheld

SECRET = "M. Dupont habite au 3, rue des Lilas"


@given(st.one_of(st.integers(), st.text()))
def test_a_text_that_cannot_be_judged_is_withheld_with_its_reason(identifier: object) -> None:
    assert withheld(identifier) == {
        "id": identifier,
        "text": None,
        "spans": [],
        "decision": "withhold",
        "reasons": ["no_recogniser"],
    }


def test_every_line_is_answered_in_order(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    texts = [{"id": 2, "text": SECRET}, {"id": "a", "text": "", "record": {"nom": "Dupont"}}]
    source.write_text("\n".join(json.dumps(text) for text in texts) + "\n\n", encoding="utf-8")
    assert deidentify(source, target) == {"withhold": 2}
    answers = [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]
    assert [answer["id"] for answer in answers] == [2, "a"]
    assert "Dupont" not in target.read_text(encoding="utf-8")


@pytest.mark.parametrize("line", [SECRET, json.dumps([SECRET]), json.dumps({"text": SECRET}), '{"id": 1, "text": 3}'])
def test_a_line_of_another_shape_is_named_by_its_number_alone(tmp_path: Path, line: str) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "x"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(TextError, match="line 2: expected") as refused:
        deidentify(source, target)
    assert "Dupont" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [source]


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    with pytest.raises(TextError, match="No such file"):
        deidentify(source, tmp_path / "out.jsonl")
    source.write_bytes(b'{"id": 1, "text": "\xff"}\n')
    with pytest.raises(TextError, match="not UTF-8"):
        deidentify(source, tmp_path / "out.jsonl")
