"""SQL generated from the tables registry: typing, translation and the rules on one row.

Everything about a column comes from its declaration; nothing here names one.
"""

from __future__ import annotations

from pipeline.tables.model import SQL, Column, Table, Type

UNKNOWN_CODE = "?"
"""Stands for a code outside its closed list until its row is quarantined; never stored among accepted rows."""
PROVENANCE = ("source_file", "source_line")


def typed(table: Table, held: set[str]) -> str:
    """Select list that types and translates a file's columns and names the first one that cannot be read.

    Args:
        table: the declaration.
        held: source columns the file holds; an optional column it lacks is empty.
    """
    parts = [
        f"{_value(column) if column.source in held else f'CAST(NULL AS {SQL[column.type]})'} AS {column.name}"
        for column in table
    ]
    unreadable = " ".join(
        f"WHEN {broken} THEN '{column.source}'" for column in table if column.source in held and (broken := _unreadable(column))
    )
    parts.append(f"CASE {unreadable} ELSE NULL END AS unreadable" if unreadable else "CAST(NULL AS VARCHAR) AS unreadable")
    return ", ".join(parts)


def _text(column: Column) -> str:
    return f"nullif(CAST(\"{column.source}\" AS VARCHAR), '')"


def _integer(text: str) -> str:
    """A whole number, also when a tool wrote it as `3.0`; DuckDB's own cast would round 3.5."""
    return f"CASE WHEN regexp_full_match({text}, '[+-]?[0-9]{{1,18}}(\\.0+)?') THEN TRY_CAST({text} AS BIGINT) END"


def _numeric_codes(column: Column) -> bool:
    return column.codes is not None and all(code.source.isdigit() for code in column.codes)


def _value(column: Column) -> str:
    text = _text(column)
    if column.type is Type.INTEGER:
        return _integer(text)
    if column.codes is None:
        return text if column.type in (Type.TEXT, Type.MONTH) else f"TRY_CAST({text} AS {SQL[column.type]})"
    source = f"CAST({_integer(text)} AS VARCHAR)" if _numeric_codes(column) else text
    cases = " ".join(f"WHEN '{code.source}' THEN '{code.code}'" for code in column.codes)
    return f"CASE WHEN {source} IS NULL THEN NULL ELSE CASE {source} {cases} ELSE '{UNKNOWN_CODE}' END END"


def _unreadable(column: Column) -> str | None:
    text = _text(column)
    if column.type is Type.INTEGER or _numeric_codes(column):
        return f"({text} IS NOT NULL AND ({_integer(text)}) IS NULL)"
    if column.type in (Type.TEXT, Type.MONTH):
        return None
    return f"({text} IS NOT NULL AND TRY_CAST({text} AS {SQL[column.type]}) IS NULL)"


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
    cases = " ".join(f"WHEN {condition} THEN {number}" for number, (_, _, condition) in enumerate(faults(table), start=1))
    return f"CASE {cases} ELSE NULL END"


def warnings(table: Table) -> list[tuple[str, str]]:
    """(reason, SQL) of the rules that only warn."""
    return [(rule.reason, f"coalesce({rule.breaks}, false)") for rule in table.rules if rule.warns]
