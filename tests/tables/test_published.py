"""The published tables hold what the output contract asks, and every column says what it is in both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.tables.model import Role, Sensitivity, Type
from pipeline.tables.published import EXACT, PUBLISHED, published, suppressible

CONTRACT = Path(__file__).resolve().parents[3] / "shared" / "contract" / "outputs.md"
ADDED = {"leaves", "balance_groups"}
"""Tables that the contract does not ask for: it gives the least."""
NO_FIGURE_ON_PERSONS = {*EXACT, "microdata", "dictionary"}


def contract_tables() -> dict[str, tuple[list[str], list[str]]]:
    """Table -> (key columns, value columns), as the contract's own table gives them."""
    if not CONTRACT.is_file():
        pytest.skip("the output contract is not beside the repository")
    section = CONTRACT.read_text(encoding="utf-8").split("| table | key columns | value columns |")[1]
    rows = re.findall(r"^\| ([a-z_]+) \| ([a-z_, 0-9]+) \| ([a-z_, 0-9]+) \|$", section, flags=re.MULTILINE)
    return {name: (keys.split(", "), values.split(", ")) for name, keys, values in rows}


def test_every_table_of_the_contract_is_declared_with_its_columns_in_order():
    asked = contract_tables()
    assert len(asked) == 21
    assert [table.name for table in PUBLISHED if table.name not in ADDED] == list(asked)
    for name, (keys, values) in asked.items():
        table = published(name)
        assert table.names[: 1 + len(keys) + len(values)] == ("release", *keys, *values), name
        if name != "microdata":
            assert table.key == ("release", *keys), name


def test_only_announced_columns_are_added_to_the_contract():
    added = {
        (name, column)
        for name, (keys, values) in contract_tables().items()
        for column in published(name).names
        if column not in {"release", *keys, *values, "suppressed", "suppression_reason"}
    }
    of_savings = (
        "gross_ci_low", "gross_ci_high", "days_avoided_per_person", "cost_per_day_ci_low", "cost_per_day_ci_high",
        "break_even_days",
    )  # fmt: skip
    assert added == {
        ("impact", "e_value_bound"), ("impact", "randomisation_p"), ("impact", "individual_ci_low"),
        ("impact", "individual_ci_high"), ("impact", "treated_departments"), ("impact", "outcome_sd"),
        ("impact", "unit"), ("sensitivity", "p_holm"), ("data_quality", "rows_flagged"), ("dictionary", "codes"),
        *(("savings", name) for name in of_savings),
        ("balance", "variance_ratio_before"), ("balance", "ks_before"), ("balance", "smd_limit"),
    }  # fmt: skip


@pytest.mark.parametrize("table", PUBLISHED, ids=lambda table: table.name)
def test_tables_on_persons_end_with_what_was_suppressed_and_why(table):
    if table.name in NO_FIGURE_ON_PERSONS:
        assert not suppressible(table)
        assert not table.with_role(Role.COUNT, Role.ESTIMATE)
    else:
        assert table.names[-2:] == ("suppressed", "suppression_reason")
        assert table.with_role(Role.COUNT, Role.ESTIMATE)


@pytest.mark.parametrize("table", PUBLISHED, ids=lambda table: table.name)
def test_every_column_says_what_it_is(table):
    assert table.title_fr and table.title_en
    assert table.description
    for column in table:
        assert column.label_fr and column.label_en and column.source, column.name
        if column.role in (Role.COUNT, Role.ESTIMATE):
            assert column.unit, column.name
            assert column.nullable, column.name
        if column.role is Role.COUNT:
            assert column.type is Type.INTEGER, column.name
        for code in column.codes or ():
            assert code.code in ("*", "ITT", "ATT") or re.fullmatch(r"[a-z0-9_+-]+", code.code), code.code
            assert code.label_fr and code.label_en


def test_a_column_of_one_name_has_one_type():
    types: dict[str, set[Type]] = {}
    for table in PUBLISHED:
        for column in table:
            types.setdefault(column.name, set()).add(column.type)
    assert {name: kinds for name, kinds in types.items() if len(kinds) > 1} == {}


def test_no_published_column_is_a_direct_identifier_or_free_text_of_a_person():
    for table in PUBLISHED:
        assert not table.with_sensitivity(Sensitivity.DIRECT, Sensitivity.FREE_TEXT)
    assert published("microdata").with_sensitivity(Sensitivity.QUASI) == (
        "index_quarter", "arm", "sex", "age_band", "territory", "status", "sector", "cause",
    )  # fmt: skip
