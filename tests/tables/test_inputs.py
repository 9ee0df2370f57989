"""The input registry says what the contract says, and its rules on a value hold for every value."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tables.inputs import BENEFICIARIES, INPUTS, NIR_KEY
from pipeline.tables.model import SQL, Sensitivity, Type

CHECKER = Path(__file__).parents[2].parent / "shared" / "contract" / "check_deliveries.py"
contract_only = pytest.mark.skipif(not CHECKER.exists(), reason="the contract's own checker is not beside the project")
KINDS = {
    "d": {Type.DATE}, "i": {Type.INTEGER, Type.TEXT}, "n": {Type.EUROS}, "b": {Type.BOOLEAN},
    "": {Type.TEXT, Type.MONTH},
}  # fmt: skip


@pytest.fixture(scope="module")
def contract() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_deliveries", CHECKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contract_only
def test_tables_and_columns_are_those_of_the_contract(contract: ModuleType) -> None:
    assert [table.source for table in INPUTS] == list(contract.COLUMNS)
    for table in INPUTS:
        declared = dict([*text.split(":"), ""][:2] for text in contract.COLUMNS[table.source].split())
        assert [column.source for column in table] == list(declared)
        for column in table:
            assert column.type in KINDS[declared[str(column.source)]], column.source
            if declared[str(column.source)] == "i" and column.type is Type.TEXT:
                assert column.codes is not None


@contract_only
def test_closed_lists_are_those_of_the_contract(contract: ModuleType) -> None:
    ours = {
        (str(table.source), str(column.source)): {code.source for code in column.codes}
        for table in INPUTS
        for column in table
        if column.codes
    }
    assert ours == {name: set(codes.split()) for name, codes in contract.CODES.items()}
    for table in INPUTS:
        for column in table:
            if column.codes:
                assert column.nullable == (column.source in contract.OPTIONAL_CODES)


@contract_only
def test_reason_codes_are_those_of_the_contract(contract: ModuleType) -> None:
    for table in INPUTS:
        ours = {check.reason for column in table for check in column.checks} | {rule.reason for rule in table.rules}
        assert ours - {"narrative_withheld"} <= set(contract.RULES[table.source])


@contract_only
def test_keys_are_those_of_the_contract(contract: ModuleType) -> None:
    for table in INPUTS:
        key = [name for name in contract.KEYS.get(table.source, "").split(", ") if name]
        scope = "delivery" if "delivery" in key else "release"
        assert [table[name].source for name in table.key] == [name for name in key if name != "delivery"]
        # The delivery is part of a payment line's key through FLX_DIS_DTD.
        assert table.key_scope == ("delivery" if table.name == "payment_lines" else scope)


def test_every_direct_identifier_of_the_contract_is_marked() -> None:
    direct = {
        str(table.source): {str(table[name].source) for name in table.with_sensitivity(Sensitivity.DIRECT)}
        for table in INPUTS
    }
    assert direct == {
        "plateformes": set(),
        "beneficiaires": {"nir", "nom", "prenom", "BEN_NIR_PSA", "BEN_RNG_GEM", "BEN_IDT_ANO"},
        "ij_lignes": {"BEN_NIR_PSA", "BEN_RNG_GEM", "IJR_EMP_NUM"},
        "bilans_suivi": {
            "dossier_id", "nir", "nom", "prenom", "telephone", "email", "medecin_traitant", "medecin_travail",
            "employeur", "date_naissance",
        },
        "bilan_mesures": set(),
        "accords": {"dossier_id", "nir"},
        "emploi_mensuel": {"nir", "siret"},
        "couts_programme": set(),
    }  # fmt: skip
    free_text = {name for table in INPUTS for name in table.with_sensitivity(Sensitivity.FREE_TEXT)}
    assert free_text == {"narrative"}


def test_every_column_has_both_labels_and_an_english_name() -> None:
    for table in INPUTS:
        assert table.title_fr
        assert table.title_en
        for column in table:
            assert column.label_fr
            assert column.label_en
            assert column.source
            assert column.name.isascii()
            assert column.name == column.name.lower()
            assert column.required is not column.nullable


def test_a_code_is_listed_once_and_no_code_looks_like_the_unknown_one() -> None:
    for table in INPUTS:
        for column in table:
            sources = [code.source for code in column.codes or ()]
            assert len(set(sources)) == len(sources), column.name
            assert all(code.code not in ("", "?") and code.label_fr and code.label_en for code in column.codes or ())


def test_every_rule_is_sql_over_the_columns_of_its_table() -> None:
    with duckdb.connect() as connection:
        for table in INPUTS:
            connection.execute(f"CREATE TABLE {table.name} ({', '.join(f'{c.name} {SQL[c.type]}' for c in table)})")
            conditions = [check.breaks.format(c=column.name) for column in table for check in column.checks]
            conditions += [rule.breaks.replace("$delivery", "'2023-03'") for rule in table.rules]
            for condition in conditions:
                assert connection.execute(f"SELECT * FROM {table.name} WHERE {condition}").fetchall() == []


PLACES = st.sampled_from(["01", "75", "2A", "2B", "97", "99"])
BODIES = st.builds(
    lambda sex, year, month, place, rest: f"{sex}{year:02d}{month:02d}{place}{rest:06d}",
    st.sampled_from("12378"), st.integers(0, 99), st.integers(1, 99), PLACES, st.integers(0, 999_999),
)  # fmt: skip


def _breaks(values: list[str | None]) -> list[bool]:
    with duckdb.connect() as connection:
        rows = [
            connection.execute(f"SELECT {NIR_KEY.breaks.format(c='v')} FROM (SELECT ?::VARCHAR AS v)", [v]).fetchall()
            for v in values
        ]
    return [row[0][0] for row in rows]


@settings(max_examples=40, deadline=None)
@given(BODIES, st.integers(1, 97))
def test_one_key_in_97_is_the_right_one(body: str, key: int) -> None:
    digits = body[:5] + {"2A": "19", "2B": "18"}.get(body[5:7], body[5:7]) + body[7:]
    right = 97 - int(digits) % 97
    assert _breaks([f"{body}{key:02d}"]) == [key != right]


def test_numbers_of_another_shape_are_wrong() -> None:
    good = "185017505600149"
    assert _breaks([good]) == [False]
    shapes = [None, "", good[:13], good + "0", "A" + good[1:], f" {good}", f"{good}\n", "1 85 01 75 056 001 49"]
    assert _breaks(shapes) == [True] * len(shapes)


def test_departements_are_those_of_the_snds() -> None:
    (check,) = BENEFICIARIES["department_code"].checks
    lawful = {f"{n:03d}" for n in range(1, 96)} | {"201", "202", "099", "999"} | {f"97{n}" for n in range(1, 7)}
    with duckdb.connect() as connection:
        every = "(SELECT lpad(i::VARCHAR, 3, '0') AS c FROM range(1000) t(i))"
        query = f"SELECT c FROM {every} WHERE NOT ({check.breaks.format(c='c')})"
        found = {row[0] for row in connection.execute(query).fetchall()}
    assert found == lawful
