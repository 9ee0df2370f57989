"""Withdrawals executed at once: the person's rows leave the restricted zone, and a keyed tombstone keeps them out.

A tombstone is an HMAC of the identifier under its own sub-key: it recognises the person when a delivery brings it back,
and tells nothing without the key.
"""

from __future__ import annotations

import json
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

IDENTIFIERS = ("nir", "dossier_id")


@dataclass(slots=True)
class Tombstones:
    """Digests of erased persons and cases, by key version."""

    path: Path
    digests: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def load(cls, home: Home) -> Tombstones:
        """The tombstones of a home; none where the file is missing."""
        if not home.tombstones.exists():
            return cls(home.tombstones)
        return cls(home.tombstones, json.loads(home.tombstones.read_text(encoding="utf-8")))

    def save(self) -> None:
        """Write atomically, readable by the owner alone."""
        partial = self.path.with_suffix(".partial")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps(self.digests, sort_keys=True), encoding="utf-8")
        partial.replace(self.path)

    def register(self, connection: Connection, home: Home) -> None:
        """Tables `erased_persons` (stable_identifier) and `erased_cases` (dossier_id) among the rows of `<table>_in`.

        Every version of the key that has tombstones is asked: they outlive a rotation.
        """
        connection.execute("CREATE OR REPLACE TEMP TABLE erased_persons (stable_identifier VARCHAR)")
        connection.execute("CREATE OR REPLACE TEMP TABLE erased_cases (dossier_id VARCHAR)")
        for key in keys.every(home):
            stones = self.digests.get(_version(key))
            if not stones:
                continue
            connection.register("tombstones", pa.table({"digest": pa.array(stones, pa.string())}))
            pads = key.pads(Purpose.TOMBSTONE)
            connection.execute(
                "INSERT INTO erased_persons SELECT DISTINCT stable_identifier FROM beneficiaries_in "
                f"WHERE {_digest('nir')} IN (SELECT digest FROM tombstones)",
                pads,
            )
            connection.execute(
                "INSERT INTO erased_cases SELECT DISTINCT dossier_id FROM (SELECT dossier_id FROM agreements_in UNION "
                f"SELECT dossier_id FROM reports_in) WHERE {_digest('dossier_id')} IN (SELECT digest FROM tombstones)",
                pads,
            )


def _digest(name: str) -> str:
    text = f"'{name}:' || {name}"
    return f"sha256($tombstone_outer::BLOB || unhex(sha256($tombstone_inner::BLOB || encode({text}))))"


def _version(key: Key) -> str:
    return f"v{key.version}"


def _requests(path: Path) -> list[tuple[str, str]]:
    """(identifier name, value) of each line of a request file.

    Raises:
        HomeError: the file cannot be read or a line is not one identifier; the value is never quoted.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise HomeError(f"request file {path} cannot be read") from None
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
            ((name, value),) = content.items()
        except (ValueError, AttributeError):
            name, value = "", None
        if name not in IDENTIFIERS or not isinstance(value, str) or not value:
            raise HomeError(f'{path}, line {number}: expected {{"nir": "..."}} or {{"dossier_id": "..."}}')
        found.append((name, value))
    if not found:
        raise HomeError(f"{path} holds no request")
    return found


def erase(home: Home, request: Path) -> str:
    """Execute the withdrawals of a request file.

    Every stored row of the persons (validated, quarantine) is rewritten without them, what was computed from them for
    any release (work) is removed, and their tombstones are kept. Published releases and the anonymous rows in them stand.

    Returns:
        One sentence with counts.
    """
    wanted = _requests(request)
    key = keys.current(home)
    stones = Tombstones.load(home)
    digests = set(stones.digests.get(_version(key), []))
    digests |= {key.digest(Purpose.TOMBSTONE, f"{name}:{value}") for name, value in wanted}
    stones.digests[_version(key)] = sorted(digests)
    stones.save()
    rows = forget(home)
    shutil.rmtree(home.restricted / "work", ignore_errors=True)
    return f"{len(wanted)} requests executed: {rows} stored rows removed; the next run leaves these persons out"


def forget(home: Home) -> int:
    """Remove the rows of tombstoned persons from every stored file; returns the number of rows removed."""
    stones = Tombstones.load(home)
    if not stones.digests:
        return 0
    removed = 0
    with database.connect(home.scratch) as connection:
        for table in INPUTS:
            stored = [*(home.restricted / "validated" / table.name).glob("*.parquet")]
            stored += [*(home.restricted / "quarantine" / table.name).glob("*.parquet")]
            if stored:
                connection.execute(
                    f"CREATE OR REPLACE TEMP VIEW {table.name}_in AS SELECT * FROM "
                    f"{database.parquet(sorted(stored), union_by_name=True)}"
                )
            else:
                empty = ", ".join(f"NULL::VARCHAR AS {name}" for name in table.names)
                connection.execute(f"CREATE OR REPLACE TEMP VIEW {table.name}_in AS SELECT {empty} WHERE false")
        connection.execute("CREATE OR REPLACE TEMP TABLE nir_person AS SELECT DISTINCT nir, stable_identifier FROM beneficiaries_in")
        stones.register(connection, home)
        database.create(
            connection,
            "erased_numbers",
            "SELECT DISTINCT nir FROM nir_person SEMI JOIN erased_persons USING (stable_identifier) UNION "
            "SELECT nir FROM agreements_in SEMI JOIN erased_cases USING (dossier_id) UNION "
            "SELECT nir FROM reports_in SEMI JOIN erased_cases USING (dossier_id)",
        )
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE erased_pseudonyms AS SELECT DISTINCT payment_pseudonym, twin_rank FROM "
            "beneficiaries_in SEMI JOIN erased_numbers USING (nir)"
        )
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE erased_reports AS SELECT DISTINCT report_id FROM reports_in SEMI JOIN "
            "erased_numbers USING (nir)"
        )
        using = {
            "beneficiaries": "erased_numbers USING (nir)",
            "reports": "erased_numbers USING (nir)",
            "agreements": "erased_numbers USING (nir)",
            "employment": "erased_numbers USING (nir)",
            "payment_lines": "erased_pseudonyms USING (payment_pseudonym, twin_rank)",
            "report_measures": "erased_reports USING (report_id)",
        }
        for name, condition in using.items():
            for folder in ("validated", "quarantine"):
                for path in sorted((home.restricted / folder / name).glob("*.parquet")):
                    before = database.count(connection, database.parquet(path))
                    gone = database.count(connection, f"{database.parquet(path)} SEMI JOIN {condition}")
                    if gone:
                        after = database.write(
                            connection,
                            f"SELECT * FROM {database.parquet(path)} ANTI JOIN {condition} ORDER BY source_file, source_line",
                            path,
                        )
                        removed += before - after
    return removed
