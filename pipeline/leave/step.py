"""The step `leave`: spells, calendar days and euros from the payment lines of every delivery up to the release."""

from __future__ import annotations

import datetime as dt

import pandas as pd

from pipeline import database
from pipeline.database import Connection
from pipeline.identity.step import paths as pseudonymised
from pipeline.leave import comparison, plausibility
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.tables.intermediate import of_step

STEP = "leave"


def parameters(protocol: Protocol, last_flow: dt.date) -> dict[str, object]:
    """Named parameters of the `.sql` files."""
    return {
        "gap_days": protocol.leave.gap_days,
        "sickness_waiting_days": protocol.leave.sickness_waiting_days,
        "payment_lag_months": protocol.study.payment_lag_months,
        "last_flow": last_flow,
    }


def rebuild(connection: Connection, protocol: Protocol) -> dt.date:
    """Tables `paid_periods`, `leave_spells`, `leave_days` and `leave_payments` from the view `payment_lines`.

    Returns:
        The last payment flow (1600-01-01 without any line).
    """
    last_flow: dt.date = database.scalar(
        connection, "SELECT coalesce(max(flow_date), DATE '1600-01-01') FROM payment_lines"
    )
    values = parameters(protocol, last_flow)
    for name in ("paid_periods", "leave_spells", "leave_days", "leave_payments"):
        database.create(connection, name, database.sql(__file__, name), values)
    return last_flow


def rebuild_leaves(run: Run) -> StepReport:
    """Write the leave tables of a release."""
    with database.connect(run.home.scratch) as connection:
        for name in ("payment_lines", "persons"):
            database.view(connection, name, pseudonymised(run.home, run.release)[name])
        last_flow = rebuild(connection, run.protocol)
        plausibility.flag(connection, run.protocol)
        report = StepReport(figures={"last payment flow": last_flow.isoformat()})
        for table in of_step(STEP):
            order = ", ".join(table.key)
            path = run.home.artefact(run.release, STEP, table.name)
            report.rows[table.name] = database.write(
                connection, f"SELECT {table.select} FROM {table.name} ORDER BY {order}", path
            )
        report.tables["Durations of closed leaves"] = _durations(connection)
        plausibility.told(connection, run.home.artefact(run.release, STEP, plausibility.FLAGGED_ROWS), report)
        comparison.compare(connection, run.protocol, run.home.artefact(run.release, STEP, comparison.LEAVES), report)
    return report


def _durations(connection: Connection) -> pd.DataFrame:
    """Classes of duration, to be held against national orders of magnitude."""
    found: pd.DataFrame = connection.sql("""
        SELECT risk,
               CASE WHEN days <= 7 THEN '1 to 7 days' WHEN days <= 30 THEN '8 to 30 days'
                    WHEN days <= 90 THEN '31 to 90 days'
                    WHEN days <= 180 THEN '91 to 180 days' WHEN days <= 365 THEN '181 to 365 days'
                    ELSE 'over 365 days' END AS duration,
               count(*) AS leaves, round(avg(days), 1) AS mean_days
        FROM leave_spells WHERE NOT censored GROUP BY ALL ORDER BY risk, min(days)""").df()
    return found
