"""De-identification of a JSON Lines file: the command `pdp deidentify`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipeline.text.deidentify import Deidentified, Deidentifier


class TextError(ValueError):
    """A file of texts cannot be used; the message names file and line, never their content."""


def verdict(identifier: object, judged: Deidentified) -> dict[str, Any]:
    """One line of the result, as the output contract has it.

    Args:
        identifier: the text's `id`, given back as it came.
        judged: the verdict.
    """
    return {
        "id": identifier,
        "text": judged.text,
        "spans": [
            {"start": s.start, "end": s.end, "label": str(s.label), "score": round(s.score, 3)} for s in judged.spans
        ],
        "decision": judged.decision,
        "reasons": list(judged.reasons),
    }


def deidentify(
    source: Path, target: Path, engine: Deidentifier, progress: Callable[[str, int, int], None] | None = None
) -> dict[str, int]:
    """Judge every line of a JSON Lines file; the result appears whole or not at all.

    Args:
        source: lines `{"id", "text", "record"?}`; `record` has the columns of `bilans_suivi`.
        target: lines `{"id", "text", "spans", "decision", "reasons"}`, in the same order; made anew.
        engine: judges the texts.
        progress: told (what, bytes read, bytes in all).

    Returns:
        Decision -> number of texts.

    Raises:
        TextError: a file cannot be read or written, both are one file, or a line is not such an object.
    """
    if source.exists() and target.exists() and source.samefile(target):
        raise TextError(f"{target}: the texts would be replaced by their masked form; name another file")
    partial = target.with_name(f".{target.name}.partial")
    counts = {"release": 0, "withhold": 0}
    done = 0
    try:
        size = source.stat().st_size
        # What is masked stays restricted: for its owner alone.
        partial.unlink(missing_ok=True)
        with source.open("rb") as lines, open(partial, "w", encoding="utf-8", opener=_own) as out:
            for number, line in enumerate(lines, start=1):
                done += len(line)
                if line.strip():
                    identifier, text, record = _parsed(line, source, number)
                    judged = engine.deidentify(text, record)
                    out.write(json.dumps(verdict(identifier, judged), ensure_ascii=False) + "\n")
                    counts[judged.decision] += 1
                if progress is not None:
                    progress("de-identifying", done, size)
        partial.replace(target)
    except UnicodeEncodeError:  # an `id` of half a character: nothing else is given back as it came
        raise TextError(f"{source}, line {number}: its id is not valid text") from None
    except OSError as error:
        raise TextError(f"{error.filename}: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return counts


def _own(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _parsed(line: bytes, source: Path, number: int) -> tuple[object, str, dict[str, object] | None]:
    try:
        content = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError:
        raise TextError(f"{source}, line {number}: it is not UTF-8") from None
    except (ValueError, RecursionError):
        content = None
    record = content.get("record") if isinstance(content, dict) else None
    if (
        not isinstance(content, dict)
        or "id" not in content
        or not isinstance(content.get("text"), str)
        or not (record is None or isinstance(record, dict))
    ):
        raise TextError(f'{source}, line {number}: expected {{"id": ..., "text": "...", "record": {{...}}?}}')
    return content["id"], content["text"], record
