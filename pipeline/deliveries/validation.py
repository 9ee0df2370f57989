"""SQL generated from the tables registry: typing, translation and the rules on one row.

Everything about a column comes from its declaration; nothing here names one.
"""

from __future__ import annotations

from pipeline.deliveries.files import Source
from pipeline.tables.model import SQL, Column, Table, Type

UNKNOWN_CODE = "?"
"""Stands for a code outside its closed list until its row is quarantined; never stored among accepted rows."""
ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T]00:00:00(\.0+)?(Z|[+-]00(:?00)?)?)?"
"""Midnight is how some tools write a date."""
NATIVE: dict[Type, tuple[str, ...]] = {
    Type.INTEGER: ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
    Type.DATE: ("date32[day]",),
    Type.BOOLEAN: ("bool",),
}
"""Column types of a Parquet file taken as they are; anything else is read as text, as CSV and JSON Lines are."""


def typed(table: Table, found: Source) -> str:
    """Query that types and translates a file's rows.

    Args:
        table: the declaration.
        found: how the file is read; an optional column it lacks is empty.

    Returns:
        SQL with the table's columns, `unreadable` (source name of the first value that cannot be read), `as_written`
        (every value as written, where one of them cannot be read or is outside its closed list: two such rows are
        copies only when they were written alike) and `source_line`.
    """
    held = [column for column in table if column.source in found.types]
    native = {column.name for column in held if found.types[str(column.source)] in NATIVE.get(_stored(column), ())}
    raw = [
        f'"{column.source}" AS {column.name}'
        if column.name in native
        else f"nullif(CAST(\"{column.source}\" AS VARCHAR), '') AS {column.name}"
        for column in held
    ]
    doubtful = [
        column for column in held if column.name not in native and _stored(column) not in (Type.TEXT, Type.MONTH)
    ]
    read = [f"{_parsed(column) if column in doubtful else column.name} AS read_{column.name}" for column in held]
    kept = [column for column in held if column in doubtful or column.codes]
    values = [
        f"{_translated(column)} AS {column.name}"
        if column in held
        else f"CAST(NULL AS {SQL[column.type]}) AS {column.name}"
        for column in table
    ]
    cases = "".join(
        f" WHEN {column.name} IS NOT NULL AND read_{column.name} IS NULL THEN '{column.source}'" for column in doubtful
    )
    unreadable = f"CASE{cases} END" if cases else "CAST(NULL AS VARCHAR)"
    broken = ["unreadable IS NOT NULL", *(f"{column.name} = '{UNKNOWN_CODE}'" for column in kept if _recoded(column))]
    written = ", ".join(f"coalesce(CAST(raw_{column.name} AS VARCHAR), '')" for column in kept) or "''"
    carried = "".join(f", {column.name} AS raw_{column.name}" for column in kept)
    return (
        f"SELECT {', '.join(table.names)}, unreadable, "
        f"CASE WHEN {' OR '.join(broken)} THEN concat_ws(chr(31), {written}) END AS as_written, source_line FROM ("
        f"SELECT {', '.join(values)}, {unreadable} AS unreadable"
        f"{carried}, source_line FROM ("
        f"SELECT {', '.join([*(column.name for column in held), *read])}, source_line FROM ("
        f"SELECT {', '.join(raw)}, source_line FROM {found.sql})))"
    )


def _recoded(column: Column) -> bool:
    """Whether values are replaced by our codes; a closed list of numbers kept as numbers is not."""
    return column.codes is not None and column.type is not Type.INTEGER


def _stored(column: Column) -> Type:
    """Type of the values in the source system: a closed list of numbers may come as `1` or, from some tools, `1.0`."""
    if column.codes is not None and all(code.source.isdigit() for code in column.codes):
        return Type.INTEGER
    return column.type


def _parsed(column: Column) -> str:
    """SQL from the text as written to the source system's type; NULL where it cannot be read."""
    text, kind = column.name, _stored(column)
    if kind is Type.INTEGER:  # DuckDB's own cast would round 3.5
        return f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]{{1,19}}(\\.0+)?') THEN TRY_CAST({text} AS BIGINT) END"
    if kind is Type.DATE:  # DuckDB's own cast knows 'epoch', 'infinity' and drops the time of day
        return f"CASE WHEN regexp_full_match({text}, '{ISO_DATE}') THEN TRY_CAST(substr({text}, 1, 10) AS DATE) END"
    if kind is Type.BOOLEAN:
        return f"TRY_CAST(CASE {text} WHEN '1.0' THEN '1' WHEN '0.0' THEN '0' ELSE {text} END AS BOOLEAN)"
    return f"TRY_CAST({text} AS {SQL[kind]})"


def _translated(column: Column) -> str:
    read = f"read_{column.name}"
    if not _recoded(column):
        return f"CAST({read} AS {SQL[column.type]})"
    assert column.codes is not None  # noqa: S101  narrowed by _recoded
    quote = "" if _stored(column) is Type.INTEGER else "'"
    cases = " ".join(f"WHEN {quote}{code.source}{quote} THEN '{code.code}'" for code in column.codes)
    return f"CASE WHEN {read} IS NOT NULL THEN CASE {read} {cases} ELSE '{UNKNOWN_CODE}' END END"


def faults(table: Table) -> list[tuple[str, str, str]]:
    """(reason, source column, SQL true where the row breaks it), in the order in which a row's reason is decided."""
    rules = [("unreadable_value", "", "unreadable IS NOT NULL")]
    rules += [
        (check.reason, column.source or "", f"coalesce({check.breaks.format(c=column.name)}, false)")
        for column in table
        for check in column.checks
    ]
    rules += [("unknown_code", column.source or "", _unknown_code(column)) for column in table if column.codes]
    rules += [(rule.reason, rule.column, f"coalesce({rule.breaks}, false)") for rule in table.rules if not rule.warns]
    return rules


def _unknown_code(column: Column) -> str:
    assert column.codes is not None  # noqa: S101  narrowed by the caller
    if column.type is Type.INTEGER:
        listed = ", ".join(code.source for code in column.codes)
        outside = f"coalesce({column.name} NOT IN ({listed}), false)"
    else:
        outside = f"coalesce({column.name} = '{UNKNOWN_CODE}', false)"
    return outside if column.nullable else f"({outside} OR {column.name} IS NULL)"


def first_fault(table: Table) -> str:
    """SQL number, from 1, of the first rule in `faults` that a row breaks; NULL for a good row."""
    cases = " ".join(
        f"WHEN {condition} THEN {number}" for number, (_, _, condition) in enumerate(faults(table), start=1)
    )
    return f"CASE {cases} ELSE NULL END"


def warnings(table: Table) -> list[tuple[str, str]]:
    """(reason, SQL) of the rules that only warn."""
    return [(rule.reason, f"coalesce({rule.breaks}, false)") for rule in table.rules if rule.warns]
