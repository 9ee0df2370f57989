"""What is said about the tables is generated from their declarations, so descriptor, comments and dictionary agree."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from pipeline.tables import descriptor
from pipeline.tables.published import PUBLISHED, published

DATA_DICTIONARY = Path(__file__).resolve().parents[2] / "docs" / "data-dictionary.md"


def test_the_data_dictionary_in_docs_is_the_registry_of_today():
    assert DATA_DICTIONARY.read_text(encoding="utf-8") == descriptor.data_dictionary(descriptor.every_stage()), (
        "run: python -m pipeline.tables.descriptor docs/data-dictionary.md"
    )


def test_the_dictionary_describes_every_column_of_every_table_itself_included():
    rows = descriptor.dictionary("2024-06").to_pylist()
    described = [(row["table_name"], row["column_name"]) for row in rows]
    assert described == [(table.name, column.name) for table in PUBLISHED for column in table]
    by_key = {(row["table_name"], row["column_name"]): row for row in rows}
    assert json.loads(by_key["impact", "estimand"]["codes"])["ATT"]["fr"] == (
        "effet de l'accompagnement sur les accompagnés"
    )
    assert by_key["power", "minimum_detectable_effect"]["unit"] == "see unit"
    assert by_key["impact", "difference"]["codes"] is None


def test_the_datapackage_gives_type_unit_and_both_labels_of_every_column():
    package = descriptor.datapackage("2024-06")
    assert json.loads(json.dumps(package)) == package
    assert [resource["name"] for resource in package["resources"]] == [table.name for table in PUBLISHED]
    for resource, table in zip(package["resources"], PUBLISHED, strict=True):
        assert resource["path"] == f"tables/{table.name}.parquet"
        for described, column in zip(resource["schema"]["fields"], table, strict=True):
            assert described["name"] == column.name
            assert (described["label_fr"], described["label_en"]) == (column.label_fr, column.label_en)
            assert described["unit"] == (column.unit or "")
            assert described["type"] in {"string", "integer", "number", "boolean", "yearmonth"}
    impact = next(resource for resource in package["resources"] if resource["name"] == "impact")
    fields = {described["name"]: described for described in impact["schema"]["fields"]}
    assert fields["estimand"]["constraints"] == {"required": True, "enum": ["ITT", "ATT"]}
    assert impact["schema"]["primaryKey"] == list(published("impact").key)


def test_bands_of_numbers_are_accepted_where_their_bounds_are_the_protocol_s_and_nowhere_else():
    stratum, sex = published("impact")["stratum"], published("microdata")["sex"]
    accepts_stratum, accepts_sex = descriptor.accepted(stratum), descriptor.accepted(sex)
    assert accepts_stratum is not None and accepts_sex is not None
    assert all(accepts_stratum.fullmatch(code) for code in ("all", "60-89", "365+", "sickness_ald"))
    assert not any(accepts_stratum.fullmatch(code) for code in ("60-", "Paris", "", "all2", "60-89 "))
    assert not accepts_sex.fullmatch("60-89")
    assert descriptor.accepted(published("platform_activity")["platform_id"]) is None


def test_comments_reach_duckdb_with_apostrophes_and_accents():
    with duckdb.connect() as connection:
        for table in PUBLISHED:
            empty = table.schema.empty_table()
            connection.register("empty", empty)
            connection.execute(f'CREATE TABLE "{table.name}" AS SELECT * FROM empty')
            for statement in descriptor.comments(table):
                connection.execute(statement)
        connection.unregister("empty")
        comments = {
            (table, column): comment
            for table, column, comment in connection.execute(
                "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"
            ).fetchall()
        }
        assert len(comments) == sum(len(table.columns) for table in PUBLISHED)
        assert all(comments.values())
        assert comments["on_leave_curve", "week"] == "semaine après l'inclusion / week after time zero [week]"


def test_a_pipe_in_a_declaration_does_not_break_the_markdown_table():
    text = descriptor.data_dictionary(descriptor.every_stage())
    for line in text.splitlines():
        if line.startswith("| `"):
            assert line.replace(r"\|", "").count("|") == 9, line
