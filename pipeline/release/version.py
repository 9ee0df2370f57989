"""Which code made a release."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

SOURCES = {".py", ".sql", ".html", ".css", ".csv"}


@cache
def code_version() -> str:
    """Version of the package and a hash of the sources that compute, check and publish: `0.1.0+0123456789ab`.

    Read once: what runs is what was on disk when it started.
    """
    root = Path(__file__).resolve().parent.parent.parent
    digest = hashlib.sha256()
    for package in ("pipeline", "assets", "checks"):
        for path in sorted(path for path in (root / package).rglob("*") if path.suffix in SOURCES):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    try:
        version = metadata.version("pdp-impact")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"{version}+{digest.hexdigest()[:12]}"
