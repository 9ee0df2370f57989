"""Withdrawals executed at once: the person's rows leave the restricted zone, and keyed tombstones keep them out.

A tombstone is an HMAC of one identifier under its own sub-key: it recognises the person when a delivery brings any of
their identifiers back, and tells nothing without the key.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home, HomeError
from pipeline.identity import keys
from pipeline.identity.keys import Key, Purpose
from pipeline.tables.inputs import INPUTS
from pipeline.tables.model import SQL

REQUESTED = ("nir", "dossier_id")
IDENTIFIERS = {
    "beneficiaries": {
        "nir": "nir",
        "stable_identifier": "stable_identifier",
        "payment": "payment_pseudonym, twin_rank",
    },
    "payment_lines": {"payment": "payment_pseudonym, twin_rank"},
    "reports": {"nir": "nir", "dossier_id": "dossier_id", "report_id": "report_id"},
    "report_measures": {"report_id": "report_id"},
    "agreements": {"nir": "nir", "dossier_id": "dossier_id"},
    "employment": {"nir": "nir"},
}
"""Table -> kind of identifier -> the columns that hold it. Twins share a payment pseudonym: never without rank."""


@dataclass(slots=True)
class Tombstones:
    """What is kept of erased persons.

    Attributes:
        path: the file.
        digests: public name of a key -> digests under it of every identifier of the erased persons.
        withdrawals: digest of a case -> (platform, quarter) of its withdrawal: the count that remains.
    """

    path: Path
    digests: dict[str, list[str]] = field(default_factory=dict)
    withdrawals: dict[str, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def load(cls, home: Home) -> Tombstones:
        """The tombstones of a home; none where the file is missing.

        Raises:
            HomeError: the file is damaged.
        """
        path = home.tombstones
        if not path.exists():
            return cls(path)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            withdrawals = {name: (platform, quarter) for name, (platform, quarter) in content["withdrawals"].items()}
            return cls(path, content["digests"], withdrawals)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise HomeError(f"{path} is damaged; restore it, or erased persons would come back") from None

    def save(self) -> None:
        """Write atomically, readable by the owner alone."""
        partial = self.path.with_suffix(".partial")
        partial.unlink(missing_ok=True)
        content = {"digests": self.digests, "withdrawals": self.withdrawals}
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(content, file, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)

    def add(self, key: Key, digests: set[str]) -> bool:
        """Add digests under a key; returns whether any is new."""
        known = set(self.digests.get(key.id, []))
        self.digests[key.id] = sorted(known | digests)
        return not digests <= known

    def holders(self, home: Home) -> list[Key]:
        """The keys the tombstones were made with, oldest first: they outlive a rotation.

        Raises:
            HomeError: one of these keys is not in the home: the erased persons could not be recognised.
        """
        held = [key for key in keys.every(home) if key.id in self.digests]
        if len(held) < len(self.digests):
            raise HomeError(f"a key that {self.path} was made with is not in {home.keys}; restore it from its backup")
        return held


def _requests(path: Path) -> list[tuple[str, str]]:
    """(identifier name, value) of each line of a request file.

    Raises:
        HomeError: the file cannot be read or a line is not one identifier; the value is never quoted.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        raise HomeError(f"request file {path} cannot be read") from None
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            ((name, value),) = json.loads(line).items()
        except (ValueError, AttributeError):
            name, value = "", None
        if name not in REQUESTED or not isinstance(value, str) or not value.strip():
            raise HomeError(f'{path}, line {number}: expected {{"nir": "..."}} or {{"dossier_id": "..."}}')
        value = value.strip()
        if name == "nir":
            value = "".join(value.split()).upper()
            if len(value) != 15:
                raise HomeError(f"{path}, line {number}: a nir has 15 characters, its key included")
        found.append((name, value))
    if not found:
        raise HomeError(f"{path} holds no request")
    return found


def erase(home: Home, request: Path) -> str:
    """Execute the withdrawals of a request file.

    Every stored row of the persons (validated, quarantine) is rewritten without them, what was computed from them for
    any release (work) is removed, and their tombstones are kept. Published releases and the anonymous rows in them
    stand.

    Returns:
        One sentence with counts.

    Raises:
        HomeError: the request cannot be read, or the key is missing.
    """
    wanted = _requests(request)
    key = keys.current(home)
    stones = Tombstones.load(home)
    stones.add(key, {key.digest(Purpose.TOMBSTONE, f"{name}:{value}") for name, value in wanted})
    stones.save()
    rows = forget(home)
    shutil.rmtree(home.restricted / "work", ignore_errors=True)
    nobody = "" if rows else "; nothing delivered so far names them"
    return f"{len(wanted)} requests executed: {rows} stored rows removed; the next run leaves these persons out{nobody}"


def forget(home: Home) -> int:
    """Remove the rows of erased persons from every stored file; returns the number of rows removed.

    A person is known again by any of their identifiers, and whatever other identifier is then found beside it becomes a
    tombstone too: a number that changes after the erasure does not bring the person back.

    Raises:
        HomeError: the key of the tombstones is missing.
    """
    stones = Tombstones.load(home)
    if not stones.digests:
        return 0
    holders, newest = stones.holders(home), keys.current(home)
    with database.connect(home.scratch) as connection:
        _all_stored(connection, home)
        _recognise(connection, stones, holders)
        connection.execute(database.sql(__file__, "erased"))
        found = connection.execute("SELECT DISTINCT kind || ':' || value FROM erased ORDER BY ALL").fetchall()
        changed = stones.add(newest, {newest.digest(Purpose.TOMBSTONE, row[0]) for row in found})
        connection.execute(database.sql(__file__, "withdrawn_cases"))
        for case, platform, quarter in connection.execute(
            "SELECT dossier_id, platform_id, quarter FROM withdrawn_cases WHERE dossier_id IN "
            "(SELECT value FROM erased WHERE kind = 'dossier_id') ORDER BY ALL"
        ).fetchall():
            digest = holders[0].digest(Purpose.TOMBSTONE, f"dossier_id:{case}")
            changed |= stones.withdrawals.setdefault(digest, (platform, quarter)) is not None
        if changed:
            stones.save()
        return _remove(connection, home)


def _all_stored(connection: Connection, home: Home) -> None:
    """Views `<table>_in` (validated) and `<table>_refused` (quarantine) over every delivery."""
    for table in INPUTS:
        columns = [(column.name, SQL[column.type]) for column in table] + [("delivery", "VARCHAR")]
        empty = ", ".join(f"CAST(NULL AS {kind}) AS {name}" for name, kind in columns)
        for folder, name in (("validated", "in"), ("quarantine", "refused")):
            paths = sorted((home.restricted / folder / table.name).glob("*.parquet"))
            query = f"FROM {database.parquet(paths)}" if paths else "WHERE false"
            columns_of = ", ".join(column for column, _ in columns) if paths else empty
            connection.execute(f"CREATE OR REPLACE TEMP VIEW {table.name}_{name} AS SELECT {columns_of} {query}")


def _text(columns: str) -> str:
    """SQL text of an identifier; NULL where a part of it is."""
    return " || '/' || ".join(columns.split(", "))


def _recognise(connection: Connection, stones: Tombstones, holders: list[Key]) -> None:
    """Table `recognised` (kind, value): stored identifiers that have a tombstone under any key."""
    parts = [
        f"SELECT '{kind}' AS kind, {_text(columns)} AS value FROM {table}_{stored}"
        for table, kinds in IDENTIFIERS.items()
        for kind, columns in kinds.items()
        for stored in ("in", "refused")
    ]
    connection.execute(f"CREATE OR REPLACE TEMP TABLE delivered AS {' UNION '.join(parts)}")
    connection.execute("CREATE OR REPLACE TEMP TABLE recognised (kind VARCHAR, value VARCHAR)")
    for key in holders:
        connection.register("tombstones", pa.table({"digest": pa.array(stones.digests[key.id], pa.string())}))
        inner = "unhex(sha256($tombstone_inner::BLOB || encode(kind || ':' || value)))"
        connection.execute(
            f"INSERT INTO recognised SELECT kind, value FROM delivered WHERE value IS NOT NULL AND "
            f"sha256($tombstone_outer::BLOB || {inner}) IN (SELECT digest FROM tombstones)",
            key.pads(Purpose.TOMBSTONE),
        )
        connection.unregister("tombstones")


def _remove(connection: Connection, home: Home) -> int:
    """Rewrite every stored file without the rows that hold an identifier in `erased`; returns the rows removed."""
    removed = 0
    for name, kinds in IDENTIFIERS.items():
        named = [
            f"{_text(columns)} IN (SELECT value FROM erased WHERE kind = '{kind}')" for kind, columns in kinds.items()
        ]
        condition = f"coalesce({' OR '.join(named)}, false)"
        for folder in ("validated", "quarantine"):
            for path in sorted((home.restricted / folder / name).glob("*.parquet")):
                stored = database.parquet(path)
                gone = database.count(connection, f"{stored} WHERE {condition}")
                if gone:
                    kept = f"SELECT * FROM {stored} WHERE NOT {condition} ORDER BY source_file, source_line"
                    database.write(connection, kept, path)
                    removed += gone
    return removed
