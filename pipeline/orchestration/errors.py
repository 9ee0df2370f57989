"""Any error as one sentence that quotes no data.

Messages written by this project hold no personal value (a rule of the house, tested), so they pass. A library's message
may quote the row it stumbled over: of such an error only its class and its place pass.
"""

from __future__ import annotations

import traceback
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


class CommandError(RuntimeError):
    """A command did not do what was asked; the message is one sentence."""


def sentence(error: BaseException, doing: str) -> str:
    """One sentence for people.

    Args:
        error: what was raised.
        doing: what failed, for example `step leave`.
    """
    if is_ours(error):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{doing} failed: {error.strerror}" + (f": {error.filename}" if error.filename else "")
    return (
        f"{doing} failed on an internal error, {type(error).__name__} at {place(error)}; nothing was published; "
        "PDP_DEBUG=1 prints its details, which may quote the data"
    )


def is_ours(error: BaseException) -> bool:
    """Whether this project wrote the message."""
    return type(error).__module__.split(".")[0] == "pipeline"


def place(error: BaseException) -> str:
    """Last line of this project that the error went through, as `pipeline/leave/step.py:33`."""
    packages = [PROJECT / name for name in ("pipeline", "assets", "checks")]
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if any(package in Path(frame.filename).parents for package in packages)
    ]
    if not frames:
        return "unknown place"
    return f"{Path(frames[-1].filename).relative_to(PROJECT).as_posix()}:{frames[-1].lineno}"
