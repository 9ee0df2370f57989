"""Payment lines held against the rules of the allowance: flagged and counted, never dropped.

Leaves concerned are in the restricted table `leave_flags`. Lines concerned are counted by delivery in `flagged_rows`
(delivery, rule, rows_flagged: rows of files, no person), which the disclosure step appends to `data_quality`.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import database
from pipeline.database import Connection
from pipeline.leave.ceilings import INCREASED, INJURY_FIRST_DAYS, by_month
from pipeline.protocol import Protocol
from pipeline.run import StepReport
from pipeline.tables.codes import LEAVE_FLAG

FLAGGED_ROWS = "flagged_rows"
LINES = "payment_lines"
ALL_RULES = "all"
RULES = {"above_maximum": "daily_amount_above_maximum", "self_employed_work_injury": "self_employed_work_injury"}
"""Flag of a leave -> rule of `data_quality` that counts its lines."""


def flag(connection: Connection, protocol: Protocol) -> None:
    """Tables `flagged_lines` (person, spell_number, flag, flow_date) and `leave_flags`.

    Args:
        connection: with `payment_lines` and `leave_spells`.
        protocol: the study protocol.
    """
    last = database.scalar(
        connection, "SELECT coalesce(max(flow_date), $nothing) FROM payment_lines", {"nothing": dt.date(1600, 1, 1)}
    )
    ceilings = by_month(last)
    lowest = {name: pc.min(ceilings[name]).as_py() or 0.0 for name in ceilings.column_names if name != "month"}
    connection.register("ceilings", ceilings)
    parameters = {
        "lowest_sickness": min(lowest["employee"], lowest["self_employed"]),
        "lowest_injury": lowest["injury_first"],
        "tolerance": protocol.leave.maximum_tolerance_eur,
        "injury_first_days": INJURY_FIRST_DAYS,
        "increased": INCREASED,
    }
    database.create(connection, "flagged_lines", database.sql(__file__, "plausibility"), parameters)
    connection.unregister("ceilings")
    database.create(
        connection,
        "leave_flags",
        "SELECT person, spell_number, flag, count(*) AS lines FROM flagged_lines GROUP BY person, spell_number, flag",
    )


def told(connection: Connection, path: Path, report: StepReport) -> None:
    """Write `flagged_rows` and put the table "Plausibility" in the report of the step.

    Args:
        connection: with the tables that `flag` made.
        path: file of `flagged_rows`.
        report: of the step.
    """
    rules = pa.table({"flag": list(RULES), "rule": list(RULES.values())})
    connection.register("rules", rules)
    database.write(
        connection,
        "SELECT strftime(flow_date, '%Y-%m') AS delivery, rule, count(*) AS rows_flagged "
        "FROM flagged_lines JOIN rules USING (flag) GROUP BY ALL ORDER BY ALL",
        path,
    )
    counted: pd.DataFrame = connection.sql(
        "SELECT flag, count(lines) AS leaves, coalesce(sum(lines), 0)::BIGINT AS lines "
        "FROM rules LEFT JOIN leave_flags USING (flag) GROUP BY flag ORDER BY flag"
    ).df()
    connection.unregister("rules")
    labels = {code.code: code.label_en for code in LEAVE_FLAG}
    report.tables["Plausibility"] = counted.assign(flag=counted["flag"].map(labels))


def quality_with_flags(quality: pa.Table, flagged: pa.Table) -> pa.Table:
    """`data_quality` with a row per delivery and rule under which payment lines are flagged.

    Args:
        quality: as the step `ingest` wrote it.
        flagged: `flagged_rows`.

    Returns:
        The same columns. A flagged line was accepted: on its row too, read = accepted + quarantined + duplicates, with
        nothing quarantined under the rule.
    """
    accounts = quality.to_pandas()
    whole = accounts[(accounts["input_table"] == LINES) & (accounts["rule"] == ALL_RULES)]
    found = whole.drop(columns=["rule", "rows_flagged"]).merge(flagged.to_pandas(), on="delivery")
    found["rows_quarantined"] = 0
    found["rows_accepted"] = found["rows_read"] - found["rows_duplicate"]
    found["rate"] = found["rows_flagged"] / found["rows_read"]
    rows = pa.Table.from_pandas(found[quality.column_names], quality.schema, preserve_index=False)
    order = [(name, "ascending") for name in ("delivery", "input_table", "rule")]
    return pa.concat_tables([quality, rows]).sort_by(order)
