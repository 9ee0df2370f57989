"""What a column and a table are: the vocabulary in which every table of the project is declared.

Belongs here: the types of a declaration. Must not: any particular column (see `inputs`, `intermediate`, `published`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

import pyarrow as pa


class Type(StrEnum):
    """Logical type of a column. Euros are exact decimals: sums must not depend on the order of addition."""

    TEXT = "text"
    INTEGER = "integer"
    DECIMAL = "decimal"
    EUROS = "euros"
    DATE = "date"
    BOOLEAN = "boolean"
    MONTH = "month"


ARROW: dict[Type, pa.DataType] = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.DECIMAL: pa.float64(),
    Type.EUROS: pa.decimal128(14, 2),
    Type.DATE: pa.date32(),
    Type.BOOLEAN: pa.bool_(),
    Type.MONTH: pa.string(),
}
SQL: dict[Type, str] = {
    Type.TEXT: "VARCHAR",
    Type.INTEGER: "BIGINT",
    Type.DECIMAL: "DOUBLE",
    Type.EUROS: "DECIMAL(14, 2)",
    Type.DATE: "DATE",
    Type.BOOLEAN: "BOOLEAN",
    Type.MONTH: "VARCHAR",
}
FRICTIONLESS: dict[Type, str] = {
    Type.TEXT: "string",
    Type.INTEGER: "integer",
    Type.DECIMAL: "number",
    Type.EUROS: "number",
    Type.DATE: "date",
    Type.BOOLEAN: "boolean",
    Type.MONTH: "yearmonth",
}


class Sensitivity(StrEnum):
    """How much a column says of a person (marks of the input contract)."""

    NONE = "none"
    DIRECT = "direct_identifier"
    QUASI = "quasi_identifier"
    SENSITIVE = "sensitive_attribute"
    FREE_TEXT = "free_text"


class Role(StrEnum):
    """What a column is for."""

    KEY = "key"
    DIMENSION = "dimension"
    COUNT = "count_of_persons"
    ESTIMATE = "estimate"
    ATTRIBUTE = "attribute"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Code:
    """One value of a closed list: the source system's code, ours, and its labels."""

    source: str
    code: str
    label_fr: str
    label_en: str


@dataclass(frozen=True, slots=True)
class Check:
    """A rule on one column. `breaks` is SQL that is true where the value breaks it; `{c}` stands for the column."""

    reason: str
    breaks: str


@dataclass(frozen=True, slots=True)
class Column:
    """One column, declared once.

    Attributes:
        name: English name, used everywhere past ingestion.
        type: logical type.
        label_fr: French label.
        label_en: English label.
        unit: unit of measure, or None.
        sensitivity: mark of the input contract.
        role: what the column is for.
        source: the source system's name (inputs), or where the figure comes from (published).
        required: inputs only: the file must hold the column.
        nullable: the value may be empty.
        codes: closed list, or None.
        checks: rules on the value alone.
    """

    name: str
    type: Type
    label_fr: str
    label_en: str
    unit: str | None = None
    sensitivity: Sensitivity = Sensitivity.NONE
    role: Role = Role.ATTRIBUTE
    source: str | None = None
    required: bool = True
    nullable: bool = True
    codes: tuple[Code, ...] | None = None
    checks: tuple[Check, ...] = ()

    @property
    def arrow(self) -> pa.Field:
        """Arrow field with the labels as metadata."""
        return pa.field(self.name, ARROW[self.type], metadata={"label_fr": self.label_fr, "label_en": self.label_en})


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on a row, within its delivery or, for `scope="release"`, over all deliveries up to the release.

    Attributes:
        reason: reason code of the quarantine.
        column: the source column named in messages.
        breaks: SQL that is true where the row breaks the rule (English column names).
        warns: the row is counted, not quarantined.
    """

    reason: str
    column: str
    breaks: str
    warns: bool = False


Stage = Literal["input", "intermediate", "published"]


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its columns, key and rules.

    Attributes:
        name: English name.
        source: the source system's table name (inputs only).
        key: columns that identify a row.
        key_scope: where a key must be unique: within a `delivery` (registers) or over all deliveries (`release`).
        follows: intermediate tables: the step that writes it.
    """

    name: str
    stage: Stage
    title_fr: str
    title_en: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    source: str | None = None
    key_scope: Literal["delivery", "release"] = "release"
    rules: tuple[Rule, ...] = ()
    step: str | None = None
    description: str = ""
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        by_name = {column.name: column for column in self.columns}
        if len(by_name) != len(self.columns):
            raise ValueError(f"{self.name}: a column is declared twice")
        if unknown := set(self.key) - set(by_name):
            raise ValueError(f"{self.name}: key columns not declared: {sorted(unknown)}")
        object.__setattr__(self, "_by_name", by_name)

    def __getitem__(self, name: str) -> Column:
        """The column of that name; KeyError when the table has none."""
        return self._by_name[name]

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema in column order."""
        return pa.schema([column.arrow for column in self.columns])

    @property
    def select(self) -> str:
        """SQL select list of the columns in their declared types."""
        return ", ".join(f"CAST({column.name} AS {SQL[column.type]}) AS {column.name}" for column in self.columns)

    def with_role(self, *roles: Role) -> tuple[str, ...]:
        """Names of the columns with one of these roles."""
        return tuple(column.name for column in self.columns if column.role in roles)

    def with_sensitivity(self, *marks: Sensitivity) -> tuple[str, ...]:
        """Names of the columns with one of these marks."""
        return tuple(column.name for column in self.columns if column.sensitivity in marks)
