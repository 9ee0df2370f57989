"""The table that carries pseudonyms over a change of key."""

from __future__ import annotations

from pipeline import database
from pipeline.home import Home
from pipeline.identity.keys import Key, Purpose, pseudonym_sql


def write_transition(home: Home, old: Key, new: Key) -> int:
    """Write `transitions/vA-vB.parquet`: (old_person_id, new_person_id) of every insured person delivered so far.

    Returns:
        Number of persons.
    """
    paths = sorted((home.restricted / "validated" / "beneficiaries").glob("*.parquet"))
    if not paths:
        return 0
    target = home.transitions / f"v{old.version}-v{new.version}.parquet"
    with database.connect(home.scratch) as connection:
        for name, key in (("old_ids", old), ("new_ids", new)):
            database.create(
                connection,
                name,
                f"SELECT stable_identifier, {pseudonym_sql(Purpose.PERSON, 'stable_identifier', key.version)} "
                f"AS person_id FROM (SELECT DISTINCT stable_identifier FROM {database.parquet(paths)})",
                key.pads(Purpose.PERSON),
            )
        return database.write(
            connection,
            "SELECT o.person_id AS old_person_id, n.person_id AS new_person_id FROM old_ids o JOIN new_ids n "
            "USING (stable_identifier) ORDER BY old_person_id",
            target,
        )
