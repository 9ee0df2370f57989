"""One run at a time writes in a home."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.home import Home, HomeError

_held: set[Path] = set()


@contextmanager
def writing(home: Home) -> Iterator[None]:
    """Hold the home's lock; a holder may ask again, so that a run locks around its steps and each step as well.

    The lock goes with the process, whatever ends it: nothing has to be cleaned up after a crash.

    Raises:
        HomeError: another process is writing in this home.
    """
    path = home.prepare().lock.resolve()
    if path in _held:
        yield
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise HomeError(f"another run is writing in {home.root}; wait until it has ended") from None
        _held.add(path)
        try:
            yield
        finally:
            _held.discard(path)
    finally:
        os.close(descriptor)
