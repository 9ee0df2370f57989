"""A step's report as people see it in the UI, and as checks read it back.

Nothing here sees a person: a report holds counts and small tables.
"""

from __future__ import annotations

import base64
import html
import json
from dataclasses import asdict
from typing import Any

import dagster as dg
import pandas as pd

from pipeline.home import Home
from pipeline.run import StepReport
from pipeline.tables.inputs import INPUTS
from pipeline.tables.intermediate import of_step
from pipeline.tables.model import Table
from pipeline.tables.published import PUBLISHED

REPORT = "report"
LONGEST_TABLE = 60
LONGEST_PLOT = 24


def save(home: Home, release: str, step: str, report: StepReport) -> None:
    """Keep the report's figures and failures beside the step's files, for the checks."""
    kept = {name: value for name, value in asdict(report).items() if name != "tables"}
    path = home.artefact(release, step, REPORT, "json")
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(kept, indent=1, sort_keys=True, default=str), encoding="utf-8")
    partial.replace(path)


def _saved(home: Home, release: str, step: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(home.artefact(release, step, REPORT, "json").read_text(encoding="utf-8"))
    return content


def failures(home: Home, release: str, step: str, family: str) -> dict[str, str]:
    """Promises of one family that a step says it did not keep: reason -> sentence.

    Raises:
        FileNotFoundError: the step has left no report for this release.
    """
    found: dict[str, str] = _saved(home, release, step)["failures"]
    return {name: sentence for name, sentence in found.items() if family_of(name) == family}


def warnings(home: Home, release: str, step: str) -> list[str]:
    """A step's sentences that are worth reading and stop nothing; FileNotFoundError without a report."""
    return list(_saved(home, release, step)["warnings"])


def family_of(failure: str) -> str:
    """`privacy` of `privacy:small_count`."""
    return failure.split(":", 1)[0]


def tables_of(step: str) -> tuple[Table, ...]:
    """The tables a step writes, from the registry."""
    if step == "ingest":
        return INPUTS
    return PUBLISHED if step in ("anonymise", "publish") else of_step(step)


def schema(step: str) -> dict[str, Any]:
    """Definition metadata: every column with its type and description, from the registry."""
    tables = tables_of(step)
    several = len(tables) > 1
    columns = [
        dg.TableColumn(
            name=f"{table.name}.{column.name}" if several else column.name,
            type=column.type.value,
            description=f"{column.label_en} ({column.label_fr})" + (f", {column.unit}" if column.unit else ""),
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for table in tables
        for column in table
    ]
    return {"dagster/column_schema": dg.TableSchema(columns=columns)} if columns else {}


def metadata(report: StepReport) -> dict[str, Any]:
    """Materialisation metadata: row counts, figures, small tables as Markdown, one plot."""
    shown: dict[str, Any] = {}
    if report.rows:
        shown["dagster/row_count"] = sum(report.rows.values())
        shown["rows by table"] = dg.MetadataValue.md(markdown(_rows(report)))
    for name, value in report.figures.items():
        shown[name] = dg.MetadataValue.text("none") if value is None else value
    for title, table in report.tables.items():
        shown[title] = dg.MetadataValue.md(markdown(table))
    if picture := plot(report):
        shown["plot"] = dg.MetadataValue.md(picture)
    if report.warnings:
        shown["warnings"] = dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in report.warnings))
    if report.failures:
        shown["promises not kept"] = dg.MetadataValue.md("\n".join(f"- {s}" for s in report.failures.values()))
    return shown


def _rows(report: StepReport) -> pd.DataFrame:
    return pd.DataFrame({"table": list(report.rows), "rows": list(report.rows.values())})


def markdown(table: pd.DataFrame) -> str:
    """A small table as Markdown; a long one is cut, and says so."""
    head = table.head(LONGEST_TABLE)
    lines = [
        "| " + " | ".join(_cell(name) for name in head.columns) + " |",
        "|" + "---|" * len(head.columns),
        *("| " + " | ".join(_cell(value) for value in row) + " |" for row in head.itertuples(index=False)),
    ]
    if len(table) > len(head):
        lines.append(f"\n{len(table) - len(head)} more rows")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value):
        return ""
    text = f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def plot(report: StepReport) -> str | None:
    """Bars of the report's first table with a label and a number, else of the rows by table, as an inline picture.

    The picture is in the metadata itself: the UI needs no file and no network to show it.
    """
    candidates = [*report.tables.items(), *([("rows by table", _rows(report))] if report.rows else [])]
    for title, table in candidates:
        numbers = [name for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]
        labels = [name for name in table.columns if name not in numbers]
        if len(table) and numbers and labels:
            values = table.head(LONGEST_PLOT)
            names = [" ".join(_cell(value) for value in row) for row in values[labels].itertuples(index=False)]
            svg = bars(names, [float(value) for value in values[numbers[0]].fillna(0)], f"{title}: {numbers[0]}")
            return f"![{title}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"
    return None


def bars(names: list[str], values: list[float], title: str) -> str:
    """A horizontal bar chart as SVG.

    Args:
        names: one label per bar.
        values: one finite number per bar.
        title: over the chart.
    """
    height, left, width = 20, 260, 640
    low, high = min(0.0, *values), max(0.0, *values)
    scale = (width - left - 90) / ((high - low) or 1.0)
    zero = left - low * scale
    drawn = []
    for row, (name, value) in enumerate(zip(names, values, strict=True)):
        top, start, end = row * height + 37, zero + min(value, 0) * scale, zero + max(value, 0) * scale
        drawn += [
            f'<text x="{left - 8}" y="{top + 12}" text-anchor="end">{html.escape(name[:38])}</text>',
            f'<rect x="{start:.1f}" y="{top}" width="{end - start:.1f}" height="14" fill="#3b6ea5"/>',
            f'<text x="{end + 5:.1f}" y="{top + 12}">{_cell(value)}</text>',
        ]
    size = f'width="{width}" height="{len(names) * height + 45}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
        f'<rect width="100%" height="100%" fill="#fff"/><text x="10" y="20" font-size="14">{html.escape(title)}</text>'
        f"{''.join(drawn)}</svg>"
    )
