"""Rules across tables and deliveries, judged anew at each release over every delivery up to it.

A row accepted when its delivery was read may be refused here: its platform never arrived, its agreement is missing, or
a later delivery repeats its key with other content. Verdicts are kept by file and line; accepted files stay as they
are.
"""

from __future__ import annotations

import pyarrow as pa

from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home
from pipeline.tables.inputs import INPUTS
from pipeline.tables.model import SQL, Table

_PLATFORM = "platform_id IS NULL OR platform_id NOT IN (SELECT platform_id FROM known_platforms)"
_ACCOMPANIMENT = "a.scope = 'accompaniment' AND a.dossier_id = t.dossier_id"
# A report corrected since does not date the diagnosis of its case for the correction, only for itself.
_FIRST_DIAGNOSIS = "least(t.diagnosis_date, f.first_diagnosis)"
RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "reports": (
        ("unknown_platform", _PLATFORM),
        (
            "agreement_missing_or_late",
            f"{_FIRST_DIAGNOSIS} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM agreements_now a WHERE "
            f"{_ACCOMPANIMENT} AND a.event = 'agreement' AND a.event_date <= {_FIRST_DIAGNOSIS})",
        ),
        (
            "no_agreement_at_all",
            f"{_FIRST_DIAGNOSIS} IS NULL AND NOT EXISTS (SELECT 1 FROM agreements_now a WHERE "
            f"{_ACCOMPANIMENT} AND a.event = 'agreement')",
        ),
        (
            "report_after_withdrawal",
            f"EXISTS (SELECT 1 FROM agreements_now a WHERE {_ACCOMPANIMENT} AND a.event = 'withdrawal' "
            "AND a.event_date < t.report_date)",
        ),
    ),
    "report_measures": (
        ("unknown_report", "report_id IS NULL OR report_id NOT IN (SELECT report_id FROM known_reports)"),
    ),
    "programme_costs": (("unknown_platform", _PLATFORM),),
}
"""Table -> (reason code, SQL true where row `t` breaks the rule; `f` is the report's case with its first diagnosis)."""
_CASES = """LEFT JOIN (
    SELECT dossier_id, min(diagnosis_date) AS first_diagnosis FROM reports_accepted
    WHERE status = 'valid' AND report_id NOT IN
        (SELECT replaces_report_id FROM reports_accepted WHERE replaces_report_id IS NOT NULL)
    GROUP BY dossier_id) f USING (dossier_id)"""


def stored(connection: Connection, home: Home, table: Table, deliveries: list[str]) -> None:
    """Views `<table>_accepted` and `<table>_refused`: rows so judged when their deliveries were read."""
    columns = [(column.name, SQL[column.type]) for column in table]
    columns += [(name, "VARCHAR") for name in ("delivery", "source_file")] + [("source_line", "BIGINT")]
    empty = ", ".join(f"CAST(NULL AS {kind}) AS {column}" for column, kind in columns)
    for kind, path in (("accepted", home.validated), ("refused", home.quarantine)):
        present = [path(table.name, month) for month in deliveries if path(table.name, month).exists()]
        name = f"{table.name}_{kind}"
        if present:
            database.view(connection, name, present)
        else:
            connection.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT {empty} WHERE false")


def judge(connection: Connection, home: Home, deliveries: list[str]) -> pa.Table:
    """Verdicts of the release: one row per refused or repeated row.

    Args:
        connection: an open database; the views of `stored` are left in it.
        home: where the stored rows lie.
        deliveries: months up to the release.

    Returns:
        Columns `input_table, delivery, source_file, source_line, verdict`, in that order of rows.
    """
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE verdicts (input_table VARCHAR, delivery VARCHAR, source_file VARCHAR, "
        "source_line BIGINT, verdict VARCHAR)"
    )
    for table in INPUTS:
        stored(connection, home, table, deliveries)
        if table.key_scope == "release":
            _repeats(connection, table)
    # What a row refers to is known as soon as it was delivered, even when the row itself was refused.
    for known, of, column in (
        ("known_platforms", "platforms", "platform_id"),
        ("known_reports", "reports", "report_id"),
    ):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE {known} AS SELECT {column} FROM {of}_accepted WHERE {column} IS NOT NULL "
            f"UNION SELECT {column} FROM {of}_refused WHERE {column} IS NOT NULL"
        )
    connection.execute(f"CREATE OR REPLACE TEMP VIEW agreements_now AS {standing('agreements')}")
    for name, rules in RULES.items():
        case = " ".join(f"WHEN {condition} THEN '{reason}'" for reason, condition in rules)
        connection.execute(
            f"INSERT INTO verdicts SELECT * FROM (SELECT '{name}', t.delivery, t.source_file, t.source_line, "
            f"CASE {case} END AS verdict FROM ({standing(name)}) t {_CASES if name == 'reports' else ''}) "
            "WHERE verdict IS NOT NULL"
        )
    return connection.sql("SELECT * FROM verdicts ORDER BY ALL").to_arrow_table()


def standing(table: str) -> str:
    """SQL: accepted rows of a table without those refused so far."""
    return (
        f"SELECT * FROM {table}_accepted a ANTI JOIN (SELECT * FROM verdicts WHERE input_table = '{table}') v "
        "ON a.delivery = v.delivery AND a.source_file = v.source_file AND a.source_line = v.source_line"
    )


def _repeats(connection: Connection, table: Table) -> None:
    """Rows repeated in a later delivery: the same content again is a duplicate, other content refuses every row.

    A row refused when its delivery was read still says that its key was repeated with other content.
    """
    key = table.key or table.names
    same = " AND ".join(f"a.{name} IS NOT DISTINCT FROM r.{name}" for name in key)
    key_list, content = ", ".join(key), ", ".join(table.names)
    conflict = " AND ".join(f"{name} IS NOT NULL" for name in table.key) or "false"
    columns = f"{content}, delivery, source_file, source_line"
    connection.execute(f"""
        CREATE OR REPLACE TEMP VIEW delivered AS
        SELECT {columns}, true AS good FROM {table.name}_accepted
        UNION ALL SELECT {columns}, false FROM {table.name}_refused""")
    connection.execute(f"""
        INSERT INTO verdicts
        SELECT '{table.name}', delivery, source_file, source_line,
               CASE WHEN conflict THEN 'duplicate_key' ELSE 'exact_duplicate' END
        FROM (SELECT *, {conflict} AND min(content_id) OVER (PARTITION BY {key_list})
                     <> max(content_id) OVER (PARTITION BY {key_list}) AS conflict,
                     row_number() OVER (PARTITION BY content_id, good ORDER BY delivery, source_file, source_line)
                     AS copy
              FROM (SELECT a.*, dense_rank() OVER (ORDER BY {content}) AS content_id FROM delivered a
                    SEMI JOIN (SELECT {key_list} FROM delivered GROUP BY {key_list} HAVING count(*) > 1) r ON {same}))
        WHERE good AND (conflict OR copy > 1)""")
