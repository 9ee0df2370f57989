"""What the UI shows of a step: counts, small tables, one picture."""

from __future__ import annotations

import base64
import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from pipeline.orchestration.reports import LONGEST_TABLE, bars, markdown, metadata, plot, schema, tables_of
from pipeline.orchestration.steps import STORY
from pipeline.run import StepReport


def test_a_table_becomes_markdown_with_empty_cells_for_missing_values() -> None:
    table = pd.DataFrame({"arm": ["treated", None], "share|of": [0.123456, float("nan")]})
    assert markdown(table).splitlines() == ["| arm | share\\|of |", "|---|---|", "| treated | 0.1235 |", "|  |  |"]


def test_a_long_table_is_cut_and_says_so() -> None:
    assert markdown(pd.DataFrame({"n": range(LONGEST_TABLE + 3)})).endswith("3 more rows")


def test_the_picture_is_drawn_from_the_first_table_with_a_label_and_a_number() -> None:
    report = StepReport(
        rows={"persons": 3},
        tables={"Only words": pd.DataFrame({"a": ["x"]}), "Sizes": pd.DataFrame({"class": ["<b>"], "persons": [12]})},
    )
    drawn = plot(report)
    assert drawn is not None
    found = re.fullmatch(r"!\[Sizes\]\(data:image/svg\+xml;base64,(.*)\)", drawn)
    assert found is not None
    texts = [node.text for node in ElementTree.fromstring(base64.b64decode(found[1])).iter() if node.text]  # noqa: S314
    assert texts == ["Sizes: persons", "<b>", "12"]


def test_without_such_a_table_the_rows_by_table_are_drawn_and_without_rows_nothing() -> None:
    assert "rows by table" in str(plot(StepReport(rows={"persons": 3})))
    assert plot(StepReport()) is None


@pytest.mark.parametrize("values", [[0.0], [-3.0, 5.0], [1e9, 2.0], [-1.0]])
def test_every_bar_lies_inside_the_picture(values: list[float]) -> None:
    svg = ElementTree.fromstring(bars([str(value) for value in values], values, "t"))  # noqa: S314
    width = float(svg.attrib["width"])
    found = [node for node in svg.iter("{http://www.w3.org/2000/svg}rect") if node.attrib["width"] != "100%"]
    assert len(found) == len(values)
    for node in found:
        start, length = float(node.attrib["x"]), float(node.attrib["width"])
        assert start >= 0 and length >= 0 and start + length <= width


def test_metadata_holds_row_count_figures_and_warnings() -> None:
    shown = metadata(StepReport(rows={"a": 2, "b": 3}, figures={"key": None, "n": 4}, warnings=["look"]))
    assert shown["dagster/row_count"] == 5
    assert shown["n"] == 4
    assert shown["key"].value == "none"
    assert shown["warnings"].value == "- look"


def test_columns_of_several_tables_are_told_apart() -> None:
    for step in STORY:
        tables = tables_of(step)
        columns = schema(step)["dagster/column_schema"].columns if tables else []
        assert len({column.name for column in columns}) == sum(len(table.columns) for table in tables)
