"""Rules across tables and deliveries, judged anew at each release over every delivery up to it.

A row accepted when its delivery was read may be refused here: its platform never arrived, its agreement is missing, or
a later delivery repeats its key with other content. Verdicts are kept by file and line; accepted files stay as they are.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home
from pipeline.tables.inputs import INPUTS
from pipeline.tables.model import SQL, Table

VERDICT_COLUMNS = ("input_table", "delivery", "source_file", "source_line", "verdict")

_PLATFORM = "platform_id IS NULL OR platform_id NOT IN (SELECT platform_id FROM known_platforms)"
_ACCOMPANIMENT = "a.scope = 'accompaniment' AND a.dossier_id = t.dossier_id"
RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "reports": (
        ("unknown_platform", _PLATFORM),
        (
            "agreement_missing_or_late",
            "f.first_diagnosis IS NOT NULL AND NOT EXISTS (SELECT 1 FROM agreements_now a WHERE "
            f"{_ACCOMPANIMENT} AND a.event = 'agreement' AND a.event_date <= f.first_diagnosis)",
        ),
        (
            "no_agreement_at_all",
            "f.first_diagnosis IS NULL AND NOT EXISTS (SELECT 1 FROM agreements_now a WHERE "
            f"{_ACCOMPANIMENT} AND a.event = 'agreement')",
        ),
        (
            "report_after_withdrawal",
            f"EXISTS (SELECT 1 FROM agreements_now a WHERE {_ACCOMPANIMENT} AND a.event = 'withdrawal' "
            "AND a.event_date < t.report_date)",
        ),
    ),
    "report_measures": (("unknown_report", "report_id IS NULL OR report_id NOT IN (SELECT report_id FROM known_reports)"),),
    "programme_costs": (("unknown_platform", _PLATFORM),),
}
"""Table -> (reason code, SQL true where row `t` breaks the rule; `f` is the report's case with its first diagnosis)."""


def accepted(connection: Connection, home: Home, table: Table, deliveries: list[str]) -> None:
    """View `<table>_accepted`: rows accepted when their deliveries were read, up to the release."""
    _stored(connection, f"{table.name}_accepted", table, [home.validated(table.name, month) for month in deliveries])


def _stored(connection: Connection, name: str, table: Table, paths: list[Path]) -> None:
    present = [path for path in paths if path.exists()]
    if present:
        database.view(connection, name, present)
        return
    columns = [(column.name, SQL[column.type]) for column in table]
    columns += [("delivery", "VARCHAR"), ("source_file", "VARCHAR"), ("source_line", "BIGINT")]
    empty = ", ".join(f"CAST(NULL AS {kind}) AS {column}" for column, kind in columns)
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS SELECT {empty} WHERE false")


def judge(connection: Connection, home: Home, deliveries: list[str]) -> pa.Table:
    """Verdicts of the release: one row per refused or repeated row.

    Args:
        connection: an open database; the views `<table>_accepted` are left in it.
        home: where the accepted rows lie.
        deliveries: months up to the release.

    Returns:
        Columns `input_table, delivery, source_file, source_line, verdict`, in that order of rows.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE verdicts (input_table VARCHAR, delivery VARCHAR, source_file VARCHAR, "
        "source_line BIGINT, verdict VARCHAR)"
    )
    for table in INPUTS:
        accepted(connection, home, table, deliveries)
        if table.key_scope == "release":
            _repeats(connection, table)
    # What a row refers to is known as soon as it was delivered, even when the row itself was refused.
    for name, table, column in (("known_platforms", "platforms", "platform_id"), ("known_reports", "reports", "report_id")):
        declared = next(t for t in INPUTS if t.name == table)
        _stored(connection, f"{table}_refused", declared, [home.quarantine(table, month) for month in deliveries])
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT DISTINCT {column} FROM (SELECT {column} FROM {table}_accepted "
            f"UNION ALL SELECT {column} FROM {table}_refused) WHERE {column} IS NOT NULL"
        )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW agreements_now AS {standing('agreements')}")
    for name, rules in RULES.items():
        case = " ".join(f"WHEN {condition} THEN '{reason}'" for reason, condition in rules)
        cases = (
            " LEFT JOIN (SELECT dossier_id, min(diagnosis_date) AS first_diagnosis FROM reports_accepted GROUP BY ALL) f "
            "USING (dossier_id)"
            if name == "reports"
            else ""
        )
        connection.execute(
            f"INSERT INTO verdicts SELECT * FROM (SELECT '{name}', t.delivery, t.source_file, t.source_line, "
            f"CASE {case} END AS verdict FROM ({standing(name)}) t{cases}) WHERE verdict IS NOT NULL"
        )
    return connection.sql("SELECT * FROM verdicts ORDER BY ALL").to_arrow_table()


def standing(table: str) -> str:
    """SQL: accepted rows of a table without those refused so far."""
    return (
        f"SELECT * FROM {table}_accepted a ANTI JOIN (SELECT * FROM verdicts WHERE input_table = '{table}') v "
        "ON a.delivery = v.delivery AND a.source_file = v.source_file AND a.source_line = v.source_line"
    )


def _repeats(connection: Connection, table: Table) -> None:
    """Rows repeated in a later delivery: the same content again is a duplicate, other content refuses every row."""
    key = ", ".join(table.key or table.names)
    same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM r.{name}" for name in (table.key or table.names))
    content = ", ".join(table.names)
    named = " AND ".join(f"{name} IS NOT NULL" for name in table.key) or "false"
    connection.execute(f"""
        INSERT INTO verdicts
        SELECT '{table.name}', delivery, source_file, source_line,
               CASE WHEN conflict AND {named} THEN 'duplicate_key' ELSE 'exact_duplicate' END
        FROM (SELECT *, min(content_id) OVER (PARTITION BY {key}) <> max(content_id) OVER (PARTITION BY {key}) AS conflict,
                     row_number() OVER (PARTITION BY {content} ORDER BY delivery, source_file, source_line) AS copy
              FROM (SELECT a.*, dense_rank() OVER (ORDER BY {content}) AS content_id FROM {table.name}_accepted a
                    SEMI JOIN (SELECT {key} FROM {table.name}_accepted GROUP BY {key} HAVING count(*) > 1) r ON {same}))
        WHERE (conflict AND {named}) OR copy > 1""")
