"""A release is written whole, verified, then switched in; a published month is never replaced."""

from __future__ import annotations

import hashlib
import json
import os
import random
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import RELEASE, as_tables, example_facts, example_rows

from pipeline.home import Home
from pipeline.release.errors import ReleaseError
from pipeline.release.verify import verify
from pipeline.release.write import conform, write_release
from pipeline.tables.published import PUBLISHED, published


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def shuffled(tables: dict[str, pa.Table], seed: int) -> dict[str, pa.Table]:
    generator = random.Random(seed)  # noqa: S311  a shuffle, not a secret
    return {
        name: table.take(generator.sample(range(table.num_rows), table.num_rows)).select(
            generator.sample(table.column_names, len(table.column_names))
        )
        for name, table in tables.items()
    }


def test_a_release_passes_its_own_audit_and_becomes_the_latest(run):
    folder = write_release(run, as_tables(example_rows()), example_facts())
    assert folder == run.home.release(RELEASE)
    verdicts = verify(folder)
    assert [verdict.rule for verdict in verdicts if not verdict.passed] == []
    assert len(verdicts) == 18
    assert run.home.latest.resolve() == folder.resolve()
    assert not run.home.staging(RELEASE).exists()


def test_the_order_of_rows_and_columns_given_changes_no_byte_of_tables_and_documents(run, published_once):
    folder = write_release(run, shuffled(as_tables(example_rows()), seed=3), example_facts())
    one, other = bytes_of(folder), bytes_of(published_once)
    # DuckDB leaves bytes of its blocks undefined; its content is compared by the audit itself.
    assert {name for name in one if one[name] != other[name]} <= {"impact.duckdb", "manifest.json"}
    assert one.keys() == other.keys()


def test_microdata_rows_stand_in_no_order_that_means_something(published_once):
    table = pq.read_table(published_once / "tables" / "microdata.parquet")
    for name in ("index_quarter", "arm", "sex", "days_on_leave_12m"):
        values = table[name].to_pylist()
        assert values != sorted(values), name
        assert values != sorted(values, reverse=True), name


def test_duckdb_holds_the_tables_with_their_comments_in_a_format_older_versions_open(published_once):
    path = published_once / "impact.duckdb"
    # Bytes 12..20 of a DuckDB file are its storage version; 64 is that of 0.9 to 1.1.
    assert int.from_bytes(path.read_bytes()[12:20], "little") == 64
    with duckdb.connect(str(path), read_only=True) as connection:
        names = {name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        assert names == {table.name for table in PUBLISHED}
        (comment,) = connection.execute("SELECT comment FROM duckdb_tables() WHERE table_name = 'delays'").fetchone()
        assert comment == "Délais du parcours / Delays of the accompaniment"
        (headline,) = connection.execute("SELECT difference FROM impact WHERE is_headline").fetchone()
        assert headline == -5.7


def test_the_manifest_says_where_the_figures_come_from(published_once, run):
    manifest = json.loads((published_once / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["release"] == RELEASE
    assert manifest["protocol"]["sha256"] == run.protocol.sha256
    assert manifest["protocol"]["parameters"]["disclosure"]["k"] == run.protocol.disclosure.k
    assert manifest["rows"]["microdata"] == 180
    assert set(manifest["files"]) == set(bytes_of(published_once)) - {"manifest.json"}
    assert manifest["fidelity"]["distance_in_intervals"] == pytest.approx(0.7 / 7.2)
    assert manifest["libraries"]["pyarrow"] == pa.__version__


def test_publishing_the_same_month_again_with_the_same_tables_changes_nothing(run):
    folder = write_release(run, as_tables(example_rows()), example_facts())
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert write_release(run, as_tables(example_rows()), example_facts()) == folder
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_published_month_is_never_replaced_by_other_figures(run):
    folder = write_release(run, as_tables(example_rows()), example_facts())
    before = bytes_of(folder)
    rows = example_rows()
    rows["delays"][0]["median"] = 10.0
    with pytest.raises(ReleaseError, match="already published with other figures in: delays;"):
        write_release(run, as_tables(rows), example_facts())
    assert bytes_of(folder) == before


def test_a_month_never_published_and_older_than_the_newest_is_refused(run):
    write_release(run, as_tables(example_rows()), example_facts())
    older = replace(run, release="2024-05")
    with pytest.raises(ReleaseError, match="2024-05 was never published and is older than 2024-06"):
        write_release(older, as_tables(example_rows(), "2024-05"), example_facts())
    assert run.home.releases() == [RELEASE]


@pytest.mark.parametrize("truly", [True, False])
def test_a_month_is_not_published_whose_readers_bound_a_change_of_a_few_persons(run, monkeypatch, truly):
    """The figure goes up by one multiple of the base: by 1 to 9 persons, unless the earlier one was held."""
    by = 3.0 if truly else 300.0
    monkeypatch.setattr("pipeline.release.write.moved_since", lambda run: lambda month, cells: np.full(len(cells), by))
    first = write_release(run, as_tables(example_rows()), example_facts())
    told = json.loads((first / "audit.json").read_text(encoding="utf-8"))["deduction"]
    assert (told["counts"], told["exposed"], told["open"], told["releases"]) == (9 - 1, 0, 0, 0)
    rows = example_rows()
    rows["platform_activity"][0]["referrals"] += 5
    july = replace(run, release="2024-07")
    if truly:
        with pytest.raises(ReleaseError, match=r"would bound [0-9]+ changes to fewer than 11 persons"):
            write_release(july, as_tables(rows, "2024-07"), example_facts())
        assert run.home.releases() == [RELEASE]
        return
    write_release(july, as_tables(rows, "2024-07"), example_facts())
    rows["platform_activity"][0]["referrals"] += 25
    for total in rows["platform_activity"]:
        if total["platform_id"] in ("PDP94", "all") and total["quarter"] in ("2023-Q1", "all"):
            total["referrals"] += 30 if total is not rows["platform_activity"][0] else 0
    third = write_release(replace(run, release="2024-08"), as_tables(rows, "2024-08"), example_facts())
    told = json.loads((third / "audit.json").read_text(encoding="utf-8"))["deduction"]
    assert told["releases"] == 2 and told["changes"] > 0 and told["exposed_changes"] == 0


def test_recomputing_an_older_published_month_leaves_the_newest_as_latest(run):
    write_release(run, as_tables(example_rows()), example_facts())
    newer = write_release(replace(run, release="2024-07"), as_tables(example_rows(), "2024-07"), example_facts())
    write_release(run, as_tables(example_rows()), example_facts())
    assert run.home.latest.resolve() == newer.resolve()


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (Path, "rename"),
        (os, "fsync"),
        (Home, "switch_latest"),
    ],
    ids=["at the rename", "while flushing", "at the switch"],
)
def test_a_crash_leaves_the_earlier_release_and_a_second_run_completes(run, monkeypatch, owner, name):
    first = write_release(run, as_tables(example_rows()), example_facts())
    before = bytes_of(first)
    second = replace(run, release="2024-07")
    tables = as_tables(example_rows(), "2024-07")

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(owner, name, crash)
        with pytest.raises(KeyboardInterrupt):
            write_release(second, tables, example_facts())
    assert bytes_of(first) == before
    assert run.home.latest.resolve() == first.resolve()
    if second.home.release("2024-07").exists():
        assert all(verdict.passed for verdict in verify(second.home.release("2024-07")))

    folder = write_release(second, tables, example_facts())
    assert run.home.latest.resolve() == folder.resolve()
    assert all(verdict.passed for verdict in verify(folder))


def test_a_release_that_fails_its_own_audit_is_not_switched_in_and_leaves_nothing_behind(run):
    first = write_release(run, as_tables(example_rows()), example_facts())
    rows = example_rows()
    rows["delays"][0]["n"] = 5
    with pytest.raises(
        ReleaseError, match="fails its own audit and is not published: k: delays publishes a count of 5"
    ):
        write_release(replace(run, release="2024-07"), as_tables(rows, "2024-07"), example_facts())
    assert [path.name for path in run.home.published.iterdir() if not path.is_symlink()] == [first.name]
    assert run.home.latest.resolve() == first.resolve()


def test_a_table_that_is_missing_or_unknown_is_refused(run):
    tables = as_tables(example_rows())
    with pytest.raises(ReleaseError, match="tables missing from the release: power"):
        write_release(run, {name: table for name, table in tables.items() if name != "power"}, example_facts())
    with pytest.raises(ReleaseError, match="tables that are not published: persons"):
        write_release(run, {**tables, "persons": tables["power"]}, example_facts())
    assert run.home.releases() == []


def spoil(column: str, value: object) -> pa.Table:
    rows = as_tables(example_rows())["delays"].to_pylist()
    rows[0][column] = value
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (spoil("nir", "x"), r"delays: columns missing: \[\], not declared: \['nir'\]"),
        (spoil("median", float("nan")), "delays.median: a figure is not finite"),
        (spoil("median", float("inf")), "delays.median: a figure is not finite"),
        (spoil("n", 760.5), "delays.n: values are not of type integer"),
        (spoil("step", None), "delays.step: a required value is empty"),
        (spoil("step", "first_contact_to_agreement"), "delays: two rows have the same key"),
        (spoil("release", "2024-05"), "delays: rows of another release than 2024-06"),
    ],
)
def test_a_table_that_does_not_fit_its_declaration_is_refused_by_name(table, said):
    with pytest.raises(ReleaseError, match=said):
        conform(published("delays"), table, RELEASE)
