"""How a promise is judged inside Dagster: evidence in, one verdict out, never a value of a person."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import dagster as dg

from pipeline.orchestration.errors import place, sentence
from pipeline.orchestration.resources import PdpHome
from pipeline.run import Run

LISTED = 5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a check saw.

    Attributes:
        faults: a sentence per fault: names, places and counts, no personal value. Empty = the promise is kept.
        figures: name -> count, so that a pass says what it rests on.
    """

    faults: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)


def judge(context: dg.AssetCheckExecutionContext, pdp: PdpHome, look: Callable[[Run], Evidence]) -> dg.AssetCheckResult:
    """The verdict of one check on the context's partition.

    Raises:
        dg.Failure: the evidence could not be gathered; for a blocking check that stops the release too.
    """
    failed: BaseException
    try:
        seen = look(pdp.run(context.partition_key))
    except Exception as error:
        if os.environ.get("PDP_DEBUG"):
            traceback.print_exc()
        failed = error
    else:
        return dg.AssetCheckResult(passed=not seen.faults, description=_said(seen), metadata=dict(seen.figures))
    # Outside the handler, so that the stored event holds no context of the first error.
    said = sentence(failed, f"check {context.op_execution_context.op_def.name}")
    raise dg.Failure(description=said, metadata={"where": place(failed)}, allow_retries=False)


def _said(seen: Evidence) -> str:
    if not seen.faults:
        return "kept: " + ", ".join(f"{count} {name}" for name, count in seen.figures.items())
    more = f", and {len(seen.faults) - LISTED} more" if len(seen.faults) > LISTED else ""
    return "; ".join(seen.faults[:LISTED]) + more
