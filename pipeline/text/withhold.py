"""What is said of a text that nothing here can yet judge: withheld, with the reason.

Free text leaves only when recognisers have masked it and a gate has re-read it. Without recognisers, the one honest
decision is to withhold every text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

REASON = "no_recogniser"


class TextError(ValueError):
    """A file of texts cannot be used; the message names file and line, never their content."""


def withheld(identifier: object) -> dict[str, Any]:
    """The verdict on one text.

    Args:
        identifier: the text's `id`, given back as it came.
    """
    return {"id": identifier, "text": None, "spans": [], "decision": "withhold", "reasons": [REASON]}


def deidentify(source: Path, target: Path) -> dict[str, int]:
    """Judge every line of a JSON Lines file; the result appears whole or not at all.

    Args:
        source: lines `{"id", "text", "record"?}`.
        target: lines `{"id", "text", "spans", "decision", "reasons"}`, in the same order.

    Returns:
        Decision -> number of texts.

    Raises:
        TextError: a file cannot be read or written, or a line is not such an object.
    """
    partial = target.with_name(f".{target.name}.partial")
    judged = 0
    try:
        with source.open(encoding="utf-8") as lines, partial.open("w", encoding="utf-8") as out:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    verdict = withheld(_identifier(line, source, number))
                    out.write(json.dumps(verdict, ensure_ascii=False) + "\n")
                    judged += 1
        partial.replace(target)
    except UnicodeDecodeError:
        raise TextError(f"{source}: it is not UTF-8") from None
    except OSError as error:
        raise TextError(f"{error.filename}: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return {"withhold": judged}


def _identifier(line: str, source: Path, number: int) -> object:
    try:
        content = json.loads(line)
    except ValueError:
        content = None
    if not isinstance(content, dict) or "id" not in content or not isinstance(content.get("text"), str):
        raise TextError(f'{source}, line {number}: expected {{"id": ..., "text": "...", "record": {{...}}?}}')
    return content["id"]
