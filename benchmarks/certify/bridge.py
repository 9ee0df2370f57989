"""A drawn world as the study reads it, without its deliveries: past the pseudonymisation border, in DuckDB's memory.

The deliveries of a world cost forty seconds to write, read, check and pseudonymise, of which the study keeps what was
in memory to begin with. Here the simulator's own rows go straight to the tables that the step `pseudonymise` writes,
with the columns that the study reads; those of the medical file, of measures and of costs stay empty. The test beside
this module holds it against the whole road.

A person's number is the rank of a seeded hash of its position, where the road ranks a keyed hash of its identifier:
both number persons at random, this one the same way on every run.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.database import Connection
from pipeline.leave.step import SQL as LEAVE_TABLES
from pipeline.leave.step import forget, rebuild
from pipeline.protocol import Protocol
from pipeline.simulation.columns import mixed
from pipeline.simulation.config import month_text
from pipeline.simulation.employment import CODES as TERMINATIONS
from pipeline.simulation.employment import month_ends
from pipeline.simulation.payment_lines import RATES, draw_lines
from pipeline.simulation.population import CONTRACTS
from pipeline.simulation.register import Identities, beneficiaires, draw_identities, register_rows
from pipeline.simulation.reports import SCHEMAS, draw_programme, platform_rows
from pipeline.simulation.world import World
from pipeline.study import sectors
from pipeline.study.step import AGREED_CASES, DESIGNATED, Calendar, calendar
from pipeline.tables import codes as c
from pipeline.tables.intermediate import of_step
from pipeline.tables.model import Code

_NO_DATE = "DATE '1600-01-01'"
_RATES = (*RATES, None)
"""Revaluations by the position that payment lines hold."""
_CASES = "substr({}.dossier_id, 2)::BIGINT"


def person_numbers(world: World) -> np.ndarray:
    """Number of each insured, from 1; 0 for those who withdrew, who are in no table: int64[n]."""
    n = world.people.count
    kept = np.flatnonzero(world.withdrawal > world.config.last_known_day)
    order = kept[np.argsort(mixed(world.config.seed, "certified persons", kept))]
    number = np.zeros(n, dtype=np.int64)
    number[order] = np.arange(1, len(order) + 1)
    return number


def open_world(connection: Connection, world: World, protocol: Protocol, number: np.ndarray | None = None) -> Calendar:
    """Everything the study reads of a world, leaves rebuilt, as tables of a database in memory.

    Args:
        connection: a fresh database; `open_study` is not to be called on it.
        world: a world.
        protocol: the study protocol.
        number: int64[n], as `person_numbers` gives it; another numbering breaks ties in another order.

    Returns:
        The study's calendar.
    """
    number = person_numbers(world) if number is None else number
    queries = _pseudonymised(connection, world, number)
    for table in of_step("pseudonymise"):
        query = queries.get(table.name, "SELECT 1 WHERE false")
        filled = connection.sql(query).columns
        missing = "".join(f", NULL AS {column}" for column in table.names if column not in filled)
        connection.execute(
            f"CREATE TABLE {table.name} AS SELECT {table.select} FROM (SELECT *{missing} FROM ({query}))"
        )
    for name in _REGISTERED:
        connection.unregister(name)
    window = rebuild(connection, protocol)
    for table in of_step("leave"):
        if table.name in LEAVE_TABLES:
            connection.execute(f"CREATE TABLE memory.main.{table.name} AS SELECT {table.select} FROM temp.{table.name}")
    forget(connection)
    connection.execute(sectors.macro())
    for view in (DESIGNATED, AGREED_CASES):
        connection.execute(view)
    return calendar(connection, protocol, window)


_REGISTERED = ("lines_in", "register_in", "employment_in", "reports_in", "agreements_in", "platforms_in", "numbers")


def _pseudonymised(connection: Connection, world: World, number: np.ndarray) -> dict[str, str]:
    """Table -> the query that makes the columns that are filled."""
    identities = draw_identities(world)
    connection.register("lines_in", _lines(world, number))
    connection.register("employment_in", _employment(world, number))
    connection.register("register_in", _register(world, identities, number))
    nir = identities.nir.view(f"S{identities.nir.shape[1]}").ravel().astype(str)
    connection.register("numbers", pa.table({"nir": pa.array(nir), "person": pa.array(number)}))
    programme = draw_programme(world, identities)
    for view, name, rows in (
        ("reports_in", "bilans_suivi", programme.reports),
        ("agreements_in", "accords", programme.agreements),
        ("platforms_in", "plateformes", platform_rows(world)),
    ):
        connection.register(view, _rows(world, name, rows))
    return {
        "persons": f"""
            SELECT person, person::VARCHAR AS person_id, {_translated("BEN_SEX_COD", c.SEX)} AS sex,
                   nullif(BEN_NAI_ANN, 1600) AS birth_year, nullif(BEN_DCD_DTE, {_NO_DATE}) AS death_date,
                   nullif(ald_debut, {_NO_DATE}) AS ald_start, nullif(ald_fin, {_NO_DATE}) AS ald_end,
                   {_translated("invalidite_cat", c.INVALIDITY_CATEGORY)} AS invalidity_category,
                   nullif(invalidite_debut, {_NO_DATE}) AS invalidity_start,
                   nullif(retraite_debut, {_NO_DATE}) AS retirement_date
            FROM register_in WHERE is_last""",
        "person_history": f"""
            SELECT person, valid_from,
                   CASE WHEN BEN_RES_DPT NOT IN ('099', '999') THEN BEN_RES_DPT END AS department_code,
                   {_translated("RGM_COD", c.SCHEME)} AS scheme, {_translated("csp", c.SOCIAL_CLASS)} AS social_class,
                   ape AS activity_code, {_translated("taille_entreprise", c.EMPLOYER_SIZE)} AS employer_size,
                   salaire_ref AS reference_wage
            FROM register_in""",
        "payment_lines": "SELECT * FROM lines_in",
        "employment": "SELECT * FROM employment_in",
        "platforms": f"""
            SELECT plateforme_id AS platform_id, code_departement AS department_code,
                   date_designation AS designation_date, date_ouverture AS opening_date, date_fin AS closing_date,
                   {_translated("statut", c.PLATFORM_STATUS)} AS status
            FROM platforms_in
            QUALIFY row_number() OVER (PARTITION BY plateforme_id ORDER BY delivery DESC) = 1""",
        "agreements": f"""
            SELECT n.person, {_CASES.format("a")} AS case_number,
                   {_translated("portee", c.AGREEMENT_SCOPE)} AS scope,
                   {_translated("evenement", c.AGREEMENT_EVENT)} AS event, date AS event_date,
                   {_translated("mode", c.AGREEMENT_MODE)} AS mode
            FROM agreements_in AS a JOIN numbers AS n USING (nir) WHERE n.person > 0""",
        # The last version of a report, valid, that no other report replaces.
        "reports": f"""
            SELECT n.person, {_CASES.format("b")} AS case_number,
                   row_number() OVER (ORDER BY n.person, case_number, b.date_bilan, b.bilan_id) AS report_number,
                   b.plateforme_id AS platform_id, year(b.date_naissance) AS birth_year,
                   {_translated("b.type_bilan", c.REPORT_STAGE)} AS stage, b.date_signalement AS referral_date,
                   b.date_premier_contact AS first_contact_date, b.date_diagnostic AS diagnosis_date,
                   b.date_parcours AS plan_date, b.date_bilan AS report_date, b.date_sortie AS exit_date
            FROM reports_in AS b
            JOIN numbers AS n USING (nir)
            SEMI JOIN (SELECT bilan_id, max(version) AS version FROM reports_in GROUP BY bilan_id)
                USING (bilan_id, version)
            WHERE n.person > 0 AND b.statut = 'VALIDE' AND b.bilan_id NOT IN (
                SELECT remplace_bilan_id FROM reports_in
                WHERE remplace_bilan_id IS NOT NULL AND remplace_bilan_id <> bilan_id)""",
    }  # fmt: skip


def _translated(expression: str, codes: tuple[Code, ...]) -> str:
    """SQL of our code for a source code."""
    quote = "" if all(code.source.isdigit() for code in codes) else "'"
    cases = " ".join(f"WHEN {quote}{code.source}{quote} THEN '{code.code}'" for code in codes)
    return f"CASE {expression} {cases} END"


def _rows(world: World, name: str, rows: list[tuple[int, dict[str, Any]]]) -> pa.Table:
    """Rows delivered until the last delivery, with their delivery."""
    held = [(month, row) for month, row in rows if month <= world.config.last_delivery]
    table = pa.Table.from_pylist([row for _, row in held], schema=SCHEMAS[name])
    return table.append_column("delivery", pa.array([month for month, _ in held], pa.int64()))


def _register(world: World, identities: Identities, number: np.ndarray) -> pa.Table:
    """Every row of the register with its person, its delivery and whether it is the person's last."""
    register = register_rows(world, identities)
    parts, persons, months = [], [], []
    for month in range(world.config.first_delivery, world.config.last_delivery + 1):
        who = register.person[slice(*np.searchsorted(register.month, [month, month + 1]))]
        who = who[number[who] > 0]
        if len(who):
            parts.append(beneficiaires(world, identities, month, who))
            persons.append(who)
            months.append(np.full(len(who), month))
    person, month = np.concatenate(persons), np.concatenate(months)
    last = np.zeros(world.people.count, dtype=np.int64)
    np.maximum.at(last, person, month)
    rows = pa.concat_tables(parts)
    for name, values in (
        ("person", number[person]),
        ("valid_from", _words([month_text(m) for m in range(month.min(), month.max() + 1)], month - month.min())),
        ("is_last", last[person] == month),
    ):
        rows = rows.append_column(name, pa.array(values) if isinstance(values, np.ndarray) else values)
    return rows


def _lines(world: World, number: np.ndarray) -> pa.Table:
    """Rows of the table `payment_lines`."""
    lines = draw_lines(world)
    kept = number[lines.person] > 0
    person, flow = lines.person[kept], lines.flow[kept]
    row = {name: lines[name][kept] for name in ("first", "last", "nature", "regime", "number", "quantity", "cents")}
    rate, qualifier = lines["rate"][kept], lines["qualifier"][kept]
    months = np.arange(flow.min(), flow.max() + 1)
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)
    revaluation = {code.source: code.code for code in c.REVALUATION}
    return pa.table(
        {
            "person": pa.array(number[person]),
            "flow_date": pa.array(days[flow - months[0]], pa.date32()),
            "period_start": pa.array(row["first"], pa.date32()),
            "period_end": pa.array(row["last"], pa.date32()),
            "benefit_code": pa.array(row["nature"]),
            "risk": _coded(row["regime"], c.RISK),
            "days_paid": pa.array(row["number"]),
            "quantity": pa.array(row["quantity"]),
            "amount": _euros(row["cents"]),
            "revaluation": _words([revaluation.get(str(code)) for code in _RATES], rate),
            "scheme": _coded(world.people.scheme[person], c.SCHEME),
            "expense_qualifier": pa.array(qualifier),
        }
    )


def _employment(world: World, number: np.ndarray) -> pa.Table:
    """Rows of the table `employment`."""
    people, contracts = world.people, {code.source: code.code for code in c.CONTRACT}
    told = list(month_ends(world))
    size = [len(end.person) for end in told]
    who = np.concatenate([end.person for end in told])
    kept = number[who] > 0
    who = who[kept]

    def every(name: str) -> np.ndarray:
        return np.concatenate([getattr(end, name) for end in told])[kept]

    at_work, termination = every("at_work"), every("termination")
    month = np.repeat(np.arange(len(told)), size)[kept]
    no_before = ~every("salaried") | np.repeat([end.is_first for end in told], size)[kept]
    return pa.table(
        {
            "person": pa.array(number[who]),
            "month": _words([month_text(end.delivery - 1) for end in told], month),
            "employed": pa.array(at_work),
            "contract": _words(
                [*(contracts[name] for name in CONTRACTS), None],
                np.where(at_work, people.contract[who], len(CONTRACTS)),
            ),
            "working_time_share": pa.array(people.working_time[who], mask=~at_work),
            "same_employer": pa.array(every("same_employer"), mask=no_before),
            "termination_reason": _words(
                [None, *TERMINATIONS[1:].tolist()], np.minimum(termination, len(TERMINATIONS) - 1)
            ),
        }
    )


def _coded(values: np.ndarray, codes: tuple[Code, ...]) -> pa.DictionaryArray:
    """Our codes for numeric source codes."""
    listed = np.array([int(code.source) for code in codes])
    order = np.argsort(listed)
    return _words([code.code for code in codes], order[np.searchsorted(listed[order], values)])


def _words(listed: list[str | None], index: np.ndarray) -> pa.DictionaryArray:
    """Texts by their position in a list; None is missing."""
    distinct = list(dict.fromkeys(word for word in listed if word is not None))
    position = np.array([-1 if word is None else distinct.index(word) for word in listed], dtype=np.int32)[index]
    return pa.DictionaryArray.from_arrays(pa.array(position, mask=position < 0), pa.array(distinct, pa.string()))


def _euros(cents: np.ndarray) -> pa.Array:
    """Whole cents as decimal128(14, 2): two little-endian words each."""
    words = np.empty((len(cents), 2), dtype="<i8")
    words[:, 0], words[:, 1] = cents, np.where(cents < 0, -1, 0)
    return pa.Array.from_buffers(pa.decimal128(14, 2), len(cents), [None, pa.py_buffer(words)])
