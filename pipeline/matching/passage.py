"""Leave to read outcomes: what the gate hands out for an estimand whose arms are alike, and for no other.

An analysis cannot be put together without it (`pipeline.effects.analysis`), and what is published of an estimand comes
from its analysis: nobody reads its outcomes first and judges the comparison afterwards.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

STATUSES = ("pass", "warn")


class GateClosedError(RuntimeError):
    """Outcomes were asked for before the gate let the comparison through."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Leave to read the outcomes of one estimand.

    Attributes:
        estimand: ITT or ATT.
        status: the gate's verdict, ``pass`` or ``warn``.

    Raises:
        GateClosedError: any other verdict.
    """

    estimand: str
    status: str

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise GateClosedError(f"the gate does not let the {self.estimand} through: {self.status}.")


def passages(verdicts: Path) -> dict[str, Passage]:
    """The estimands that the gate let through.

    Args:
        verdicts: what the step `matching` wrote: `{estimand: {"status", "sentences"}}`.

    Raises:
        FileNotFoundError: nothing was judged yet.
    """
    judged = json.loads(verdicts.read_text(encoding="utf-8"))
    return {name: Passage(name, found["status"]) for name, found in judged.items() if found["status"] in STATUSES}
