"""`pdp audit` fails on any altered byte, cell or hash, from the release's own files, and says which in a sentence."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import as_tables, example_facts, example_rows

from pipeline.disclosure.facts import Fidelity
from pipeline.release.errors import ReleaseError
from pipeline.release.verify import verify
from pipeline.release.write import write_release
from pipeline.tables.published import PUBLISHED

FILES = (
    "impact.duckdb", "synthese.html", "audit.html", "audit.json", "datapackage.json", "tables/impact.parquet",
    "tables/microdata.parquet", "tables/dictionary.parquet",
)  # fmt: skip
Rows = list[dict[str, Any]]


def failures(folder: Path) -> dict[str, str]:
    """What is broken; attacks and documents that were not judged because the tables are broken are left aside."""
    return {v.rule: v.detail for v in verify(folder) if not v.passed and not v.detail.startswith("not ")}


def sign_again(folder: Path) -> None:
    """What a forger would do: write the hashes and row counts of the altered files in the manifest."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"] = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        for name in (*manifest["files"],)
        if (folder / name).is_file()
    }
    manifest["rows"] = {
        table.name: pq.read_metadata(folder / "tables" / f"{table.name}.parquet").num_rows for table in PUBLISHED
    }
    path.write_text(json.dumps(manifest), encoding="utf-8")


def alter(folder: Path, name: str, change: Callable[[Rows], Any], *, in_database: bool = True) -> None:
    """Change the rows of a table in the Parquet file and, unless told, in the database, and sign the manifest again."""
    path = folder / "tables" / f"{name}.parquet"
    table = pq.read_table(path, partitioning=None)
    rows = table.to_pylist()
    change(rows)
    altered = pa.Table.from_pylist(rows, schema=table.schema)
    pq.write_table(altered, path, compression="zstd")
    if in_database:
        with duckdb.connect(str(folder / "impact.duckdb")) as connection:
            connection.register("altered", altered)
            connection.execute(f'DELETE FROM "{name}"; INSERT INTO "{name}" SELECT * FROM altered')
    sign_again(folder)


def test_an_untouched_release_passes_wherever_it_is_copied(release_copy):
    assert failures(release_copy) == {}


@pytest.mark.parametrize("name", FILES)
def test_one_altered_byte_fails_the_audit(release_copy, name):
    content = bytearray((release_copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (release_copy / name).write_bytes(content)
    assert failures(release_copy)["files"] == f"{name} is not the file that was published (its hash differs)"


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_fails_the_audit(release_copy, name):
    (release_copy / name).unlink()
    assert failures(release_copy)["files"] == f"{name} is missing"


def test_a_file_added_after_the_audit_fails_it(release_copy):
    (release_copy / "persons.csv").write_text("one more", encoding="utf-8")
    assert failures(release_copy) == {"files": "persons.csv is not in the manifest"}


def test_an_altered_hash_in_the_manifest_fails_the_audit(release_copy):
    path = release_copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"]["synthese.html"] = "0" * 64
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert set(failures(release_copy)) == {"files"}


def test_parameters_other_than_those_of_the_protocol_hash_fail_the_audit(release_copy):
    path = release_copy / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["protocol"]["parameters"]["disclosure"]["k"] = 5
    path.write_text(json.dumps(manifest), encoding="utf-8")
    found = failures(release_copy)
    assert found["manifest"] == "the protocol's hash is not that of the parameters printed beside it"
    assert set(found) == {"manifest", "documents"}


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"release": "2024-06"}'])
def test_without_a_manifest_nothing_passes(release_copy, content):
    if content is None:
        (release_copy / "manifest.json").unlink()
    else:
        (release_copy / "manifest.json").write_text(content, encoding="utf-8")
    assert failures(release_copy) == {"manifest": "manifest.json is missing or is not the manifest of a release"}


def test_a_cell_that_differs_between_parquet_and_duckdb_fails_even_when_signed(release_copy):
    alter(release_copy, "delays", lambda rows: rows[0].update(median=9.5), in_database=False)
    assert failures(release_copy) == {"database": "impact.duckdb: delays does not hold what its Parquet file holds"}


def test_a_cell_changed_in_duckdb_alone_fails_even_when_signed(release_copy):
    with duckdb.connect(str(release_copy / "impact.duckdb")) as connection:
        connection.execute("UPDATE impact SET difference = -50 WHERE is_headline")
    sign_again(release_copy)
    assert failures(release_copy) == {"database": "impact.duckdb: impact does not hold what its Parquet file holds"}


def test_a_table_slipped_into_duckdb_fails_even_when_signed(release_copy):
    with duckdb.connect(str(release_copy / "impact.duckdb")) as connection:
        connection.execute("CREATE TABLE persons AS SELECT 1 AS nir")
    sign_again(release_copy)
    assert failures(release_copy) == {"database": "impact.duckdb holds persons"}


def masked(rows: Rows) -> dict[str, Any]:
    return next(row for row in rows if row["suppressed"])


ALTERATIONS: dict[str, tuple[str, Callable[[Rows], Any], str, str]] = {
    "a count under k": ("delays", lambda rows: rows[0].update(n=10), "k", "delays publishes a count of 10, under 11"),
    "a zero count": ("delays", lambda rows: rows[0].update(n=0), "k", "delays publishes a count of 0, under 11"),
    "a count that is not rounded": (
        "power", lambda rows: rows[0].update(n_treated=4181), "rounding",
        "power.n_treated holds a count that is not a multiple of 5",
    ),
    "a code outside its list": (
        "delays", lambda rows: rows[0].update(step="somewhere"), "codes",
        "delays.step: 1 codes outside the closed list",
    ),
    "a masked row that says it is not": (
        "situations", lambda rows: masked(rows).update(suppressed=False, suppression_reason=None), "suppression",
        "situations (final, employment_situation, full_return): has an empty count that is not marked suppressed",
    ),
    "a suppressed row that shows everything": (
        "situations", lambda rows: masked(rows).update(n_initial=115), "suppression",
        "situations (final, employment_situation, full_return): marked suppressed and shows every figure",
    ),
    "a suppression without reason": (
        "departments", lambda rows: masked(rows).update(suppression_reason=None), "suppression",
        "departments (067): suppressed without a known reason",
    ),
    "a reason without suppression": (
        "delays", lambda rows: rows[0].update(suppression_reason="primary"), "suppression",
        "delays (first_contact_to_agreement): gives a reason and is not suppressed",
    ),
    "a smaller count than announced": (
        "measures", lambda rows: rows[1].update(n=85), "k",
        "disclosure announces another smallest count than measures holds",
    ),
    "a microdata class under k": (
        "microdata", lambda rows: rows[0].update(age_band="58+"), "microdata",
        "the smallest class holds 1 persons, under 11",
    ),
    "a microdata value not rounded": (
        "microdata", lambda rows: rows[0].update(days_on_leave_12m=17), "microdata",
        "microdata.days_on_leave_12m is not rounded to 5",
    ),
    "rows read that nobody accounts for": (
        "data_quality", lambda rows: rows[0].update(rows_accepted=rows[0]["rows_accepted"] - 1), "accounting",
        "2024-06 payment_lines (all): rows read are not accepted + quarantined + duplicate",
    ),
    "two rows with one key": ("delays", lambda rows: rows.append(dict(rows[0])), "tables",
                              "table delays has two rows with one key"),
    "a row of another release": ("delays", lambda rows: rows[0].update(release="2024-05"), "tables",
                                 "table delays holds rows of another release"),
    "another label": ("dictionary", lambda rows: rows[0].update(label_fr="autre"), "dictionary",
                      "the dictionary and datapackage.json disagree"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_altered_cell_fails_its_rule_even_when_every_hash_is_signed_again(release_copy, name):
    table, change, rule, said = ALTERATIONS[name]
    alter(release_copy, table, change)
    found = failures(release_copy)
    assert "files" not in found and "database" not in found
    assert said in found[rule]


def test_a_row_whose_earlier_value_stands_is_not_suppressed_and_says_why(run):
    rows = example_rows()
    rows["delays"][0]["suppression_reason"] = "increment"
    assert failures(write_release(run, as_tables(rows), example_facts(held={"delays": 1}))) == {}


def test_a_class_of_one_outcome_state_fails_l(release_copy):
    def one_state(rows: Rows) -> None:
        for row in rows:
            if row["sex"] == "male" and row["arm"] == "treated":
                row["state_12m"] = "invalidity"

    alter(release_copy, "microdata", one_state)
    assert failures(release_copy)["microdata"] == "a class holds 1 distinct values of state_12m, under 3"


def test_a_masked_cell_that_the_totals_give_back_fails(release_copy):
    """Withdrawals are masked in both quarters of each platform; showing one of a margin opens the others."""

    def open_one(rows: Rows) -> None:
        for row in rows:
            if (row["platform_id"], row["quarter"]) in {("PDP94", "all"), ("PDP39", "2023-Q1"), ("PDP94", "2023-Q1")}:
                row["withdrawals"] = 30
                row.update(suppressed=False, suppression_reason=None)

    alter(release_copy, "platform_activity", open_one)
    found = failures(release_copy)["subtraction"]
    assert "platform_activity (PDP39, all): the masked withdrawals can be computed from other cells" in found


def test_a_column_dropped_from_a_table_fails(release_copy):
    path = release_copy / "tables" / "delays.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["p75"]), path)
    sign_again(release_copy)
    assert failures(release_copy) == {"tables": "table delays has other columns or types than declared"}


def test_a_document_that_loads_something_from_elsewhere_fails(release_copy):
    path = release_copy / "synthese.html"
    path.write_text(
        path.read_text(encoding="utf-8").replace("<body>", '<body><img src="https://example.org/x.png">'),
        encoding="utf-8",
    )
    sign_again(release_copy)
    assert failures(release_copy)["documents"].startswith("synthese.html loads something from outside itself; ")


def test_a_spoilt_parquet_file_is_a_failed_verdict_and_not_a_crash(release_copy):
    (release_copy / "tables" / "impact.parquet").write_bytes(b"not parquet")
    sign_again_without_rows = failures(release_copy)
    assert sign_again_without_rows["tables"] == "a table's Parquet file cannot be read"


def test_no_rule_is_written_that_a_release_of_the_other_kind_would_fail(run):
    """An empty microdata file and no declared sum are a legitimate first release."""
    rows = example_rows()
    rows["microdata"] = []
    nothing = {"sums": {}, "microdata": None, "risk": None, "attacks": (), "fidelity": Fidelity(reason="none yet")}
    folder = write_release(run, as_tables(rows), example_facts(**nothing))
    assert failures(folder) == {}


def test_sentences_of_failed_verdicts_hold_no_value_of_the_microdata(run):
    rows = example_rows()
    rows["microdata"][0]["sector"] = "1850675123456"
    with pytest.raises(ReleaseError) as refused:
        write_release(run, as_tables(rows), example_facts())
    assert "1850675123456" not in str(refused.value)


def in_database(folder: Path, statement: str) -> None:
    with duckdb.connect(str(folder / "impact.duckdb")) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(
    ("rule", "plant"),
    [
        ("database", lambda f: in_database(f, "COMMENT ON COLUMN exits.n IS 'a name'")),
        ("database", lambda f: in_database(f, "CREATE MACRO who() AS 'a name'")),
        ("database", lambda f: in_database(f, "CREATE VIEW who AS SELECT 'a name' AS name")),
        ("database", lambda f: in_database(f, "CREATE SEQUENCE a_name")),
        ("tables", lambda f: with_metadata(f / "tables" / "exits.parquet")),
        ("manifest", lambda f: with_an_entry(f / "manifest.json")),
    ],
)
def test_nothing_can_be_planted_beside_the_figures(
    release_copy: Path, rule: str, plant: Callable[[Path], object]
) -> None:
    plant(release_copy)
    sign_again(release_copy)
    assert rule in failures(release_copy)


def with_metadata(path: Path) -> None:
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.replace_schema_metadata({"who": "a name"}), path, compression="zstd")


def with_an_entry(path: Path) -> None:
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"who": "a name"}), encoding="utf-8")
