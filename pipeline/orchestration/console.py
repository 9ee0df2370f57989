"""Progress on a terminal: bars for a person, dated lines for a log file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from pipeline.run import Progress

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """A progress callback that draws bars on a terminal and prints lines elsewhere."""
    if console.is_terminal:
        with _bars(console) as bars:
            yield bars
    else:
        yield _lines(console)


@contextmanager
def _bars(console: Console) -> Iterator[Progress]:
    columns = (SpinnerColumn(finished_text="✓"), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done, total=total)

        yield show


def _lines(console: Console) -> Progress:
    began: dict[str, float] = {}
    said: dict[str, float] = {}

    def show(what: str, done: int, total: int) -> None:
        now = time.monotonic()
        start = began.setdefault(what, now)
        if done >= total:
            console.print(f"{what}: done ({now - start:.1f} s)", highlight=False, markup=False)
        elif what not in said or now - said[what] > SECONDS_BETWEEN_LINES:
            said[what] = now
            counted = f" {done} of {total}" if total > 1 else ""
            console.print(f"{what} …{counted}", highlight=False, markup=False)

    return show
