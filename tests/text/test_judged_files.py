"""`pdp deidentify`: each line is answered in order, as the contract has it, and no message quotes a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.text.deidentify import Deidentifier
from pipeline.text.files import TextError, deidentify

SECRET = "M. Dupont habite au 3, rue des Lilas"


def answers(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_line_is_answered_in_order(tmp_path: Path, engine: Deidentifier) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    texts = [
        {"id": 2, "text": SECRET},
        {"id": "a", "text": "", "record": {"nom": "Dupont"}},
        {"id": None, "text": "x" * 20_001},
    ]
    source.write_text("\n".join(json.dumps(text) for text in texts) + "\n\n", encoding="utf-8")
    assert deidentify(source, target, engine) == {"release": 2, "withhold": 1}
    first, second, third = answers(target)
    assert [first["id"], second["id"], third["id"]] == [2, "a", None]
    assert set(first) == {"id", "text", "spans", "decision", "reasons"}
    assert first["text"] == "[nom] habite au [adresse]"
    assert [SECRET[s["start"] : s["end"]] for s in first["spans"]] == ["M. Dupont", "3, rue des Lilas"]  # type: ignore[attr-defined]
    assert (third["text"], third["decision"], third["reasons"]) == (None, "withhold", ["too_long"])


def test_progress_counts_bytes(tmp_path: Path, engine: Deidentifier) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text(json.dumps({"id": 1, "text": "Rien à signaler."}) + "\n", encoding="utf-8")
    seen: list[tuple[str, int, int]] = []
    deidentify(source, tmp_path / "out.jsonl", engine, lambda *step: seen.append(step))
    assert seen[-1][1] == seen[-1][2] == source.stat().st_size


@pytest.mark.parametrize(
    "line",
    [
        SECRET,
        json.dumps([SECRET]),
        json.dumps({"text": SECRET}),
        '{"id": 1, "text": 3}',
        '{"id": 1, "text": "", "record": 3}',
    ],
)
def test_a_line_of_another_shape_is_named_by_its_number_alone(tmp_path: Path, engine: Deidentifier, line: str) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "x"}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(TextError, match="line 2: expected") as refused:
        deidentify(source, target, engine)
    assert "Dupont" not in str(refused.value)
    assert list(tmp_path.iterdir()) == [source]


def test_files_that_cannot_be_used_are_named(tmp_path: Path, engine: Deidentifier) -> None:
    source = tmp_path / "in.jsonl"
    with pytest.raises(TextError, match="No such file"):
        deidentify(source, tmp_path / "out.jsonl", engine)
    source.write_bytes(b'{"id": 1, "text": "\xff"}\n')
    with pytest.raises(TextError, match="not UTF-8"):
        deidentify(source, tmp_path / "out.jsonl", engine)
    source.write_text('{"id": "\\ud800", "text": "Rien."}\n', encoding="utf-8")
    with pytest.raises(TextError, match="line 1: its id"):
        deidentify(source, tmp_path / "out.jsonl", engine)


def test_a_text_with_half_a_character_is_withheld(tmp_path: Path, engine: Deidentifier) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text('{"id": 1, "text": "vu \\ud800 hier"}\n', encoding="utf-8")
    deidentify(source, target, engine)
    assert answers(target)[0]["reasons"] == ["undecodable"]


def test_masked_texts_are_for_their_owner_and_never_replace_their_source(tmp_path: Path, engine: Deidentifier) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"id": 1, "text": SECRET}) + "\n", encoding="utf-8")
    deidentify(source, target, engine)
    assert target.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TextError, match="would be replaced"):
        deidentify(source, tmp_path / "." / "in.jsonl", engine)
    assert SECRET in source.read_text(encoding="utf-8")
