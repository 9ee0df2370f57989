"""What is said about the tables, generated from their declarations: nothing about a column is written twice.

From the registry come the Frictionless descriptor of a release, its DuckDB comments, its `dictionary` table and
`docs/data-dictionary.md` (`python -m pipeline.tables.descriptor docs/data-dictionary.md`).
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.tables.inputs import INPUTS
from pipeline.tables.intermediate import INTERMEDIATE
from pipeline.tables.model import FRICTIONLESS, SQL, Column, Role, Sensitivity, Table
from pipeline.tables.published import BAND, BANDED, PUBLISHED, published

MISSING = [""]


def code_labels(column: Column) -> dict[str, dict[str, str]]:
    """Closed list of a column as `{code: {"fr": …, "en": …}}`, each code once, in the order declared."""
    labels: dict[str, dict[str, str]] = {}
    for code in column.codes or ():
        labels.setdefault(code.code, {"fr": code.label_fr, "en": code.label_en})
    return labels


def accepted(column: Column) -> re.Pattern[str] | None:
    """What a published code may be: one of the closed list or, where the column is banded, a band of numbers.

    Returns:
        A pattern for `fullmatch`, or None where the column is open.
    """
    if column.codes is None:
        return None
    codes = [re.escape(code) for code in code_labels(column)]
    return re.compile("|".join([*codes, BAND] if column.name in BANDED else codes))


def field(column: Column) -> dict[str, Any]:
    """One column as a Frictionless field (Table Schema v1), with `unit`, `label_fr` and `label_en` beside."""
    constraints: dict[str, Any] = {}
    if not column.nullable:
        constraints["required"] = True
    pattern = accepted(column)
    if pattern is not None:
        if column.name in BANDED:
            constraints["pattern"] = pattern.pattern
        else:
            constraints["enum"] = list(code_labels(column))
    described: dict[str, Any] = {
        "name": column.name,
        "type": FRICTIONLESS[column.type],
        "title": column.label_fr,
        "description": column.source or "",
        "unit": column.unit or "",
        "label_fr": column.label_fr,
        "label_en": column.label_en,
        "role": column.role.value,
    }
    if constraints:
        described["constraints"] = constraints
    if column.codes is not None:
        described["codes"] = code_labels(column)
    return described


def resource(table: Table) -> dict[str, Any]:
    """One published table as a Frictionless resource whose file is `tables/<name>.parquet`."""
    schema: dict[str, Any] = {"fields": [field(column) for column in table], "missingValues": MISSING}
    if table.key:
        schema["primaryKey"] = list(table.key)
    return {
        "name": table.name,
        "title": table.title_fr,
        "title_en": table.title_en,
        "description": table.description,
        "path": f"tables/{table.name}.parquet",
        "format": "parquet",
        "mediatype": "application/vnd.apache.parquet",
        "schema": schema,
    }


def datapackage(release: str, tables: Sequence[Table] = PUBLISHED) -> dict[str, Any]:
    """The Frictionless descriptor (Data Package v1) of a release."""
    return {
        "profile": "data-package",
        "name": "pdp-impact",
        "title": "Effet des plateformes de lutte contre la désinsertion professionnelle",
        "title_en": "Effect of the platforms against desinsertion from work",
        "description": "Anonymised synthesis: no table holds a figure on fewer than k persons (see manifest.json).",
        "version": release,
        "languages": ["fr", "en"],
        "resources": [resource(table) for table in tables],
    }


def comments(table: Table) -> list[str]:
    """`COMMENT ON` statements of a table and its columns: French / English [unit]."""

    def quoted(said: str) -> str:
        return "'" + said.replace("'", "''") + "'"

    return [
        f'COMMENT ON TABLE "{table.name}" IS {quoted(_said(table.title_fr, table.title_en))}',
        *(
            f'COMMENT ON COLUMN "{table.name}"."{column}" IS {quoted(said)}'
            for column, said in comment_of_columns(table).items()
        ),
    ]


def comment_of_columns(table: Table) -> dict[str, str]:
    """Column -> its comment in the database."""
    return {column.name: _said(column.label_fr, column.label_en, column.unit) for column in table}


def _said(fr: str, en: str, unit: str | None = None) -> str:
    return f"{fr} / {en}" + (f" [{unit}]" if unit else "")


def dictionary(release: str, tables: Sequence[Table] = PUBLISHED) -> pa.Table:
    """Rows of the published table `dictionary`: one per column of every table, this one included."""
    rows = [
        {
            "release": release,
            "table_name": table.name,
            "column_name": column.name,
            "type": column.type.value,
            "unit": column.unit,
            "label_fr": column.label_fr,
            "label_en": column.label_en,
            "source": column.source,
            "codes": json.dumps(code_labels(column), ensure_ascii=False) if column.codes else None,
        }
        for table in tables
        for column in table
    ]
    return pa.Table.from_pylist(rows, schema=published("dictionary").schema)


SENSITIVITY = {
    Sensitivity.NONE: "",
    Sensitivity.DIRECT: "direct identifier",
    Sensitivity.QUASI: "quasi-identifier",
    Sensitivity.SENSITIVE: "sensitive",
    Sensitivity.FREE_TEXT: "free text",
}
ROLE = {
    Role.KEY: "key",
    Role.DIMENSION: "dimension",
    Role.COUNT: "count of persons",
    Role.ESTIMATE: "estimate",
    Role.ATTRIBUTE: "",
    Role.FLAG: "flag",
}
LONGEST_LIST = 12
"""Codes printed in a cell of the data dictionary; longer lists are in the registry and in the dictionary table."""


def data_dictionary(sections: Sequence[tuple[str, Sequence[Table]]]) -> str:
    """The data dictionary as Markdown: one section per stage, one table per table."""
    lines = [
        "# Data dictionary",
        "",
        "Generated from the registry (`pipeline/tables/`): do not edit; run",
        "`python -m pipeline.tables.descriptor docs/data-dictionary.md` after a change.",
    ]
    for title, tables in sections:
        lines += ["", f"## {title}"]
        for table in tables:
            lines += ["", *_section(table)]
    return "\n".join(lines) + "\n"


def _section(table: Table) -> list[str]:
    source = f" (source: `{table.source}`)" if table.source else ""
    step = f" Written by the step `{table.step}`." if table.step else ""
    key = f" Key: {', '.join(f'`{name}`' for name in table.key)}." if table.key else ""
    description = f" {table.description}" if table.description else ""
    last = "source column" if table.stage == "input" else "how it is obtained"
    lines = [
        f"### `{table.name}`{source}",
        "",
        f"{table.title_fr} / {table.title_en}.{description}{key}{step}",
        "",
        f"| column | type | unit | French label | English label | mark | {last} | codes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for column in table:
        mark = ", ".join(filter(None, (ROLE[column.role], SENSITIVITY[column.sensitivity])))
        cells = (
            f"`{column.name}`", SQL[column.type], column.unit or "", column.label_fr, column.label_en, mark,
            column.source or "", _codes(column),
        )  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    return lines


def _codes(column: Column) -> str:
    codes = list(code_labels(column))
    if len(codes) > LONGEST_LIST:
        return f"{len(codes)} codes"
    return ", ".join(f"`{code}`" for code in codes)


def every_stage() -> list[tuple[str, Sequence[Table]]]:
    """Every declared table, by stage: what `docs/data-dictionary.md` is made of."""
    return [("Inputs", INPUTS), ("Intermediate tables", INTERMEDIATE), ("Published tables", PUBLISHED)]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(data_dictionary(every_stage()), encoding="utf-8")
