"""The step `pseudonymise`: every table of the study without a direct identifier.

Past this border a person is `person`, the rank of its pseudonym within the release: dense, so that joins are fast, and
drawn by a keyed hash, so that it orders persons at random. The pseudonym itself is in `persons` alone.
"""

from __future__ import annotations

from pathlib import Path

from pipeline import database
from pipeline.database import Connection
from pipeline.deliveries import judge
from pipeline.deliveries.step import STEP as INGEST
from pipeline.home import Home
from pipeline.identity import keys
from pipeline.identity.erase import Tombstones, forget
from pipeline.identity.keys import Purpose, pseudonym_sql
from pipeline.run import Run, StepReport
from pipeline.tables.inputs import INPUTS
from pipeline.tables.intermediate import of_step

STEP = "pseudonymise"


def pseudonymise(run: Run) -> StepReport:
    """Write the pseudonymised tables of a release.

    Raises:
        HomeError: the key is missing, destroyed or readable by others.
    """
    key = keys.ensure(run.home)
    erased = forget(run.home)  # a delivery read again must not bring an erased person back
    parameters: dict[str, object] = {"release": run.release, **key.pads(Purpose.PERSON), **key.pads(Purpose.CASE)}
    report = StepReport(figures={"key": key.id, "rows of erased persons removed": erased})
    with database.connect(run.home.scratch) as connection:
        _inputs(connection, run)
        _identities(connection, parameters, key)
        _erased_withdrawals(connection, run)
        report.figures |= _counts(connection)
        tables = of_step(STEP)
        for number, table in enumerate(tables):
            run.progress("pseudonymising", number, len(tables))
            query = database.sql(__file__, table.name)
            path = run.home.artefact(run.release, STEP, table.name)
            report.rows[table.name] = database.write(connection, query, path, parameters)
        run.progress("pseudonymising", len(tables), len(tables))
        report.figures["narratives of withdrawn persons deleted"] = _delete_texts(connection, run.home)
    return report


def narratives(connection: Connection, run: Run) -> int:
    """Table `narratives`: the free texts that cross the border, with the identifiers of their record.

    It is for the step that masks them, and for the check that reads the masked ones again; it is never stored.

    Returns:
        The number of texts.
    """
    key = keys.ensure(run.home)
    _inputs(connection, run)
    _identities(connection, {**key.pads(Purpose.PERSON), **key.pads(Purpose.CASE)}, key)
    return database.create(connection, "narratives", database.sql(__file__, "narratives"))


def _inputs(connection: Connection, run: Run) -> None:
    """Views `<table>_in`: accepted rows without those the release refused; `<table>_refused`: the quarantine."""
    months = run.landing.deliveries(run.release)
    verdicts = run.home.artefact(run.release, INGEST, "verdicts")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE verdicts AS SELECT * FROM {database.parquet(verdicts)}")
    for table in INPUTS:
        judge.stored(connection, run.home, table, months)
        connection.execute(f"CREATE OR REPLACE TEMP VIEW {table.name}_in AS {judge.standing(table.name)}")


def _identities(connection: Connection, parameters: dict[str, object], key: keys.Key) -> None:
    """Who is who: `nir_person`, `payment_person`, `gone` (withdrawn), `person_rank`, `case_rank`."""
    person = pseudonym_sql(Purpose.PERSON, "stable_identifier", key.version)
    database.create(
        connection,
        "known",
        f"SELECT *, {person} AS person_id FROM (SELECT DISTINCT stable_identifier FROM beneficiaries_in)",
        parameters,
    )
    # A number that later names another person belongs to the one it was delivered for last.
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE nir_person AS
        SELECT nir, max_by(stable_identifier, (delivery, stable_identifier)) AS stable_identifier
        FROM beneficiaries_in GROUP BY nir""")
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE payment_person AS
        SELECT payment_pseudonym, twin_rank,
               max_by(stable_identifier, (delivery, stable_identifier)) AS stable_identifier
        FROM beneficiaries_in GROUP BY payment_pseudonym, twin_rank""")
    for name in ("withdrawn_cases", "gone", "standing_reports"):
        connection.execute(database.sql(__file__, name))
    connection.execute("""
        CREATE OR REPLACE TEMP TABLE person_rank AS
        SELECT stable_identifier, person_id, row_number() OVER (ORDER BY person_id) AS person
        FROM known ANTI JOIN gone USING (stable_identifier)""")
    case = pseudonym_sql(Purpose.CASE, "dossier_id", key.version)
    database.create(
        connection,
        "case_rank",
        f"SELECT dossier_id, row_number() OVER (ORDER BY {case}) AS case_number FROM "
        "(SELECT dossier_id FROM reports_in UNION SELECT dossier_id FROM agreements_in)",
        parameters,
    )


def _erased_withdrawals(connection: Connection, run: Run) -> None:
    """Table `erased_withdrawals` (platform_id, quarter): what is kept of erased cases, up to the release's quarter."""
    quarter = f"{run.release[:4]}-Q{(int(run.release[5:]) + 2) // 3}"
    kept = sorted(pair for pair in Tombstones.load(run.home).withdrawals.values() if pair[1] <= quarter)
    connection.execute("CREATE OR REPLACE TEMP TABLE erased_withdrawals (platform_id VARCHAR, quarter VARCHAR)")
    if kept:
        connection.executemany("INSERT INTO erased_withdrawals VALUES (?, ?)", kept)


def _delete_texts(connection: Connection, home: Home) -> int:
    """Empty the narratives of withdrawn persons wherever they are stored; returns how many there were."""
    withdrawn = (
        "narrative IS NOT NULL AND (nir IN (SELECT nir FROM gone_numbers) OR nir IN (SELECT nir FROM nir_person "
        "SEMI JOIN gone USING (stable_identifier)) OR dossier_id IN (SELECT dossier_id FROM withdrawn_cases))"
    )
    deleted = 0
    for folder in ("validated", "quarantine"):
        for path in sorted((home.restricted / folder / "reports").glob("*.parquet")):
            stored = database.parquet(path)
            texts = database.count(connection, f"{stored} WHERE {withdrawn}")
            if texts:
                emptied = f"CASE WHEN {withdrawn} THEN NULL ELSE narrative END AS narrative"
                query = f"SELECT * REPLACE ({emptied}) FROM {stored} ORDER BY source_file, source_line"
                database.write(connection, query, path)
                deleted += texts
    return deleted


def _counts(connection: Connection) -> dict[str, float | int | str | None]:
    """How many rows could not be linked to an insured person: counted, never guessed."""
    questions = {
        "persons": "SELECT count(*) FROM person_rank",
        "persons withdrawn": "SELECT count(*) FROM gone",
        "payment lines of unknown persons": "SELECT count(*) FROM payment_lines_in ANTI JOIN payment_person "
        "USING (payment_pseudonym, twin_rank)",
        "employment rows of unknown persons": "SELECT count(*) FROM employment_in ANTI JOIN nir_person USING (nir)",
        "reports of unknown persons": "SELECT count(*) FROM reports_in ANTI JOIN nir_person USING (nir)",
    }
    return {name: int(database.scalar(connection, query)) for name, query in questions.items()}


def paths(home: Home, release: str) -> dict[str, Path]:
    """Table -> file of this step."""
    return {table.name: home.artefact(release, STEP, table.name) for table in of_step(STEP)}
