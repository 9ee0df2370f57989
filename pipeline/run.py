"""What every step of the road receives and gives back.

A step reads and writes files of the home; what it returns is for people: counts and small tables without persons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.home import Home, Landing
from pipeline.protocol import Protocol

if TYPE_CHECKING:
    import pandas as pd

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total) on long work."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that shows nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """One release in the making."""

    home: Home
    landing: Landing
    protocol: Protocol
    release: str
    progress: Progress = silent


@dataclass(slots=True)
class StepReport:
    """What a step did, fit to be read by a statistician in the UI: no person, no personal value.

    Attributes:
        rows: output table -> number of rows.
        figures: name -> figure or short text.
        tables: small tables (tens of rows) by title.
        failures: promises not kept: reason -> sentence. An empty dict is a pass.
        warnings: sentences worth reading that stop nothing.
    """

    rows: dict[str, int] = field(default_factory=dict)
    figures: dict[str, float | int | str | None] = field(default_factory=dict)
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
