"""Where things lie on disk: the only module that builds paths inside a home or a landing folder.

<home>/restricted/validated/<table>/delivery=YYYY-MM.parquet    typed rows, direct identifiers still there
<home>/restricted/quarantine/<table>/delivery=YYYY-MM.parquet   refused rows with file, line, column, reason
<home>/restricted/intake/YYYY-MM.json                           what was read, from which bytes
<home>/restricted/work/release=YYYY-MM/<step>/<table>.parquet   everything past the pseudonymisation border
<home>/restricted/ledger/                                       published cells and frozen microdata
<home>/keys/                                                    pseudonymisation keys
<home>/published/release=YYYY-MM/                               what leaves
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


class HomeError(RuntimeError):
    """The home folder cannot be used; the message says why and what to do."""


def month_number(month: str) -> int:
    """Months since year 0 of `YYYY-MM`; ValueError when it is not one."""
    if not MONTH.fullmatch(month):
        raise ValueError(f"{month!r} is not a month YYYY-MM")
    return int(month[:4]) * 12 + int(month[5:]) - 1


def missing_months(months: Iterable[str]) -> list[str]:
    """Months between the first and the last that are not among those given."""
    present = set(months)
    expected, last, gaps = min(present, default=""), max(present, default=""), []
    while expected < last:
        if expected not in present:
            gaps.append(expected)
        expected = add_months(expected, 1)
    return gaps


def add_months(month: str, months: int) -> str:
    """`YYYY-MM` shifted by that many months."""
    number = month_number(month) + months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


@dataclass(frozen=True, slots=True)
class Landing:
    """A landing folder: one folder of files per monthly delivery."""

    root: Path

    def deliveries(self, up_to: str) -> list[str]:
        """Months delivered up to and including `up_to`, in order.

        Raises:
            HomeError: the folder does not exist.
        """
        if not self.root.is_dir():
            raise HomeError(f"landing folder {self.root} does not exist; give the folder that holds YYYY-MM/ folders")
        months = (p.name for p in self.root.iterdir() if p.is_dir() and MONTH.fullmatch(p.name))
        return sorted(month for month in months if month <= up_to)

    def delivery(self, month: str) -> Path:
        """Folder of one delivery."""
        return self.root / month


@dataclass(frozen=True, slots=True)
class Home:
    """A home folder. Creating the object creates nothing; `prepare` does."""

    root: Path

    def prepare(self) -> Home:
        """Create the folders, private to the owner where persons are inside.

        Raises:
            HomeError: a folder cannot be created or written.
        """
        try:
            for folder in (self.restricted, self.keys):
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o700)
            self.published.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(f"home folder {self.root} cannot be prepared: {error.strerror}") from None
        return self

    @property
    def restricted(self) -> Path:
        """Persons: 0700."""
        return self.root / "restricted"

    @property
    def keys(self) -> Path:
        """Pseudonymisation keys: 0700."""
        return self.root / "keys"

    @property
    def published(self) -> Path:
        """Releases."""
        return self.root / "published"

    @property
    def lock(self) -> Path:
        """Lock file: one run at a time writes in a home."""
        return self.restricted / "run.lock"

    @property
    def dagster(self) -> Path:
        """Dagster's instance folder (runs, events) of this home."""
        return self.root / "dagster"

    @property
    def scratch(self) -> Path:
        """Spill files of DuckDB: persons, so restricted."""
        return self.restricted / "scratch"

    def validated(self, table: str, delivery: str) -> Path:
        """Accepted rows of one table and delivery."""
        return self.restricted / "validated" / table / f"delivery={delivery}.parquet"

    def quarantine(self, table: str, delivery: str) -> Path:
        """Refused rows of one table and delivery."""
        return self.restricted / "quarantine" / table / f"delivery={delivery}.parquet"

    def intake(self, delivery: str) -> Path:
        """Record of one delivery's reading: input hashes, row accounting."""
        return self.restricted / "intake" / f"{delivery}.json"

    def incoming(self, delivery: str) -> Path:
        """Where a delivery is sorted out before it replaces its predecessor."""
        return self.restricted / "incoming" / delivery

    @property
    def transitions(self) -> Path:
        """Tables that carry pseudonyms over a change of key."""
        return self.restricted / "transitions"

    @property
    def tombstones(self) -> Path:
        """Keyed digests of erased persons and cases."""
        return self.restricted / "tombstones.json"

    def work(self, release: str) -> Path:
        """Everything computed for one release."""
        return self.restricted / "work" / f"release={release}"

    def artefact(self, release: str, step: str, name: str, suffix: str = "parquet") -> Path:
        """One file of one step of one release; its folder is created."""
        folder = self.work(release) / step
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.{suffix}"

    @property
    def ledger(self) -> Path:
        """What was published, with the persons behind it."""
        return self.restricted / "ledger"

    def release(self, release: str) -> Path:
        """Published folder of one release."""
        return self.published / f"release={release}"

    def staging(self, release: str) -> Path:
        """Where a release is written before it is switched in."""
        return self.published / f".staging-release={release}"

    @property
    def latest(self) -> Path:
        """Link to the newest release."""
        return self.published / "latest"

    def releases(self) -> list[str]:
        """Published months in order."""
        if not self.published.is_dir():
            return []
        names = (p.name.removeprefix("release=") for p in self.published.iterdir() if p.name.startswith("release="))
        return sorted(name for name in names if MONTH.fullmatch(name))

    def switch_latest(self, release: str) -> None:
        """Point `latest` to a release, atomically (a rename of a fresh link)."""
        fresh = self.published / ".latest-next"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.release(release).name)
        fresh.replace(self.latest)

    def clear_work(self, release: str) -> None:
        """Remove what an earlier attempt at a release left."""
        shutil.rmtree(self.work(release), ignore_errors=True)
