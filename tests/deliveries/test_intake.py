"""Every row read is accepted, quarantined or a copy; a delivery is taken in whole, once, or not at all."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import database
from pipeline.database import Connection
from pipeline.deliveries import intake as module
from pipeline.deliveries.files import DeliveryRefused
from pipeline.deliveries.intake import Intake, TableIntake, take_in
from pipeline.home import Home
from tests.deliveries.samples import (
    MONTH,
    Place,
    Row,
    accepted,
    agreement,
    csv_text,
    insured,
    json_lines,
    line,
    nir,
    place,
    platform,
    quarantined,
    worked,
    write,
)

LOOSE = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


def test_exact_duplicates_are_dropped_and_counted(here: Place) -> None:
    write(here.folder, "ij_lignes/a.csv", [line(order=1), line(order=1), line(order=2)])
    write(here.folder, "ij_lignes/b.jsonl", [line(order=1), line(order=3)])
    counts = here.take_in().tables["payment_lines"]
    assert (counts.rows_read, counts.rows_accepted, counts.rows_duplicate) == (5, 3, 2)
    where = [(row["source_file"], row["source_line"]) for row in accepted(here.home, "ij_lignes", where=True)]
    assert where == [("ij_lignes/a.csv", 2), ("ij_lignes/a.csv", 4), ("ij_lignes/b.jsonl", 2)]


def test_every_row_of_a_key_with_other_content_is_refused(here: Place) -> None:
    here.put("ij_lignes", [line(order=1), line(order=1, PRS_ACT_NBR=13), line(order=1), line(order=2)])
    counts = here.take_in().tables["payment_lines"]
    assert (counts.rows_accepted, counts.reasons, counts.rows_duplicate) == (1, {"duplicate_key": 2}, 1)
    assert quarantined(here.home, "ij_lignes")[0]["broken_column"] == (
        "DCT_ORD_NUM, FLX_DIS_DTD, FLX_EMT_NUM, FLX_EMT_ORD, FLX_EMT_TYP, FLX_TRT_DTD, ORG_CLE_NUM, PRS_ORD_NUM, "
        "REM_TYP_AFF"
    )


def test_a_good_row_whose_key_a_faulty_one_repeats_is_refused_too(here: Place) -> None:
    here.put("emploi_mensuel", [worked(), worked(quotite=101)])
    assert here.take_in().tables["employment"].reasons == {"duplicate_key": 1, "out_of_range": 1}


def test_rows_without_a_key_do_not_repeat_one(here: Place) -> None:
    here.put("ij_lignes", [line(ORG_CLE_NUM=None), line(ORG_CLE_NUM=None, PRS_ACT_NBR=13), line()])
    assert here.take_in().tables["payment_lines"].reasons == {"missing_key": 2}


def test_a_table_without_key_has_copies_but_no_repeated_key(here: Place) -> None:
    here.put("accords", [agreement(), agreement(), agreement(mode="ORAL_TRACE")])
    counts = here.take_in().tables["agreements"]
    assert (counts.rows_accepted, counts.rows_duplicate) == (2, 1)


def test_two_unreadable_values_are_not_copies_of_each_other(here: Place) -> None:
    here.put("emploi_mensuel", [worked(quotite="x"), worked(quotite="y"), worked(quotite="x")])
    counts = here.take_in().tables["employment"]
    assert (counts.reasons, counts.rows_duplicate) == ({"unreadable_value": 2}, 1)
    here.put("accords", [agreement(mode="FAX"), agreement(mode="PIGEON"), agreement(mode="FAX")], "2023-04")
    counts = here.take_in("2023-04").tables["agreements"]
    assert (counts.reasons, counts.rows_duplicate) == ({"unknown_code": 2}, 1)


def test_registers_repeat_a_key_in_later_deliveries(here: Place) -> None:
    for month, status in (("2023-03", "EXPERIMENTALE"), ("2023-04", "CLOSE"), ("2023-05", "CLOSE")):
        here.put("plateformes", [platform(statut=status)], month)
        here.put("beneficiaires", [insured(csp={"EXPERIMENTALE": 5}.get(status, 6))], month)
        assert all(counts.rows_accepted == 1 for counts in here.take_in(month).tables.values())
    assert here.verdicts("2023-03", "2023-04", "2023-05") == []


VALUES: dict[str, list[str | None]] = {
    "nir": [nir(1), nir(2), nir(1)[:13] + "00", None],
    "mois": ["2023-01", "2023-02", "2023-2", None],
    "en_emploi": ["true", "0", "peut-être", None],
    "siret": ["12345678901234", "1", None],
    "nature_contrat": ["CDI", "CDD", "FREELANCE", "?", None],
    "quotite": ["100", "100.0", "50.5", "-1", None],
    "meme_employeur": ["true", "x", None],
    "motif_rupture": ["091", "\n;\"'", None],
}
DIRTY = st.lists(st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()}), max_size=14)


def _read(
    rows: list[Row], parts: int, suffix: str, connection: Connection
) -> tuple[TableIntake, Counter[str], Counter[str]]:
    """Counts, accepted content and (reason, column) of refused rows, of one delivery written in some parts."""
    with tempfile.TemporaryDirectory() as folder:
        here = place(Path(folder), connection)
        columns = list(VALUES)
        for part in range(parts):
            name = f"emploi_mensuel/part-{part}{suffix}"
            if suffix == ".csv":
                path = here.folder / name
                path.parent.mkdir(exist_ok=True)
                path.write_text(csv_text(rows[part::parts], columns=columns), encoding="utf-8", newline="")
            elif suffix == ".parquet" or rows[part::parts]:
                write(here.folder, name, [*rows[part::parts], *([ANCHOR] if suffix == ".jsonl" else [])])
        if not any(here.folder.rglob("*.*")):
            write(here.folder, "emploi_mensuel.jsonl", [ANCHOR])
        counts = here.take_in().tables["employment"]
        good = Counter(repr(row) for row in accepted(here.home, "emploi_mensuel"))
        bad = Counter(f"{row['reason']} {row['broken_column']}" for row in quarantined(here.home, "emploi_mensuel"))
        return counts, good, bad


ANCHOR = worked(9, month="2020-01")
"""Holds every required column: a JSON Lines part without one of them would be refused."""


@LOOSE
@given(rows=DIRTY, parts=st.integers(1, 3))
def test_rows_read_are_accepted_quarantined_or_copies(rows: list[Row], parts: int, connection: Connection) -> None:
    counts, good, bad = _read(rows, parts, ".csv", connection)
    assert counts.rows_read == len(rows)
    assert counts.rows_read == counts.rows_accepted + counts.rows_quarantined + counts.rows_duplicate
    assert counts.balanced
    assert counts.rows_accepted == good.total()
    assert counts.rows_quarantined == bad.total() == sum(counts.reasons.values())


@LOOSE
@given(rows=DIRTY, parts=st.integers(1, 3), data=st.data())
def test_neither_order_nor_parts_nor_format_matter(
    rows: list[Row], parts: int, data: st.DataObject, connection: Connection
) -> None:
    shuffled = data.draw(st.permutations(rows))
    suffix = data.draw(st.sampled_from([".csv", ".parquet"]))
    assert _read(rows, 1, ".csv", connection) == _read(shuffled, parts, suffix, connection)


@LOOSE
@given(rows=DIRTY)
def test_json_lines_with_nulls_left_out_are_the_same_rows(rows: list[Row], connection: Connection) -> None:
    # A JSON Lines file without any row that has a required column lacks it: one whole row is put in both.
    assert _read([*rows, ANCHOR], 1, ".csv", connection) == _read(rows, 1, ".jsonl", connection)


# Whole or not at all


def stored(home: Home) -> dict[str, bytes]:
    return {
        path.relative_to(home.restricted).as_posix(): path.read_bytes()
        for path in sorted(home.restricted.rglob("*"))
        if path.is_file()
    }


def test_the_same_bytes_are_read_once(here: Place) -> None:
    here.put("emploi_mensuel", [worked()])
    assert take_in(here.connection, here.landing, here.home, MONTH)[1]
    assert not take_in(here.connection, here.landing, here.home, MONTH)[1]


def test_a_delivery_landed_again_with_other_bytes_replaces_the_first(here: Place) -> None:
    here.put("emploi_mensuel", [worked(1), worked(2, quotite=101)])
    here.put("accords", [agreement()])
    here.take_in()
    here.put("emploi_mensuel", [worked(3), worked(4)])
    (here.folder / "accords.jsonl").unlink()
    record, read = take_in(here.connection, here.landing, here.home, MONTH)
    assert (read, list(record.tables)) == (True, ["employment"])
    assert {row["nir"] for row in accepted(here.home, "emploi_mensuel")} == {nir(3), nir(4)}
    assert quarantined(here.home, "emploi_mensuel") == []
    assert accepted(here.home, "accords") == []


def test_another_contract_reads_the_delivery_again(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    here.put("emploi_mensuel", [worked()])
    here.take_in()
    monkeypatch.setattr(module, "contract_fingerprint", lambda: "another")
    assert take_in(here.connection, here.landing, here.home, MONTH)[1]


@pytest.mark.parametrize("kind", ["validated", "quarantine"])
def test_a_stored_file_that_vanished_is_made_again(here: Place, kind: str) -> None:
    here.put("emploi_mensuel", [worked(), worked(2, quotite=101)])
    here.take_in()
    before = stored(here.home)
    getattr(here.home, kind)("employment", MONTH).unlink()
    here.take_in()
    assert stored(here.home) == before


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"delivery": "2023-03"}'])
def test_a_record_that_cannot_be_read_is_no_record(here: Place, text: str) -> None:
    here.put("emploi_mensuel", [worked()])
    here.take_in()
    here.home.intake(MONTH).write_text(text, encoding="utf-8")
    assert Intake.load(here.home.intake(MONTH)) is None
    assert take_in(here.connection, here.landing, here.home, MONTH)[1]


def test_the_same_delivery_gives_the_same_bytes(here: Place, tmp_path: Path) -> None:
    here.put("emploi_mensuel", [worked(n) for n in range(200)] + [worked(n, quotite=101) for n in range(300, 320)])
    here.take_in()
    other = Place(here.landing, Home(tmp_path / "other").prepare(), here.connection)
    other.take_in()
    assert stored(other.home) == stored(here.home)


def test_a_refused_delivery_leaves_what_was_there(here: Place) -> None:
    here.put("emploi_mensuel", [worked(1), worked(2, quotite=101)])
    here.take_in()
    published = here.home.release("2023-02")
    published.mkdir(parents=True)
    (published / "a.csv").write_text("x", encoding="utf-8")
    before = stored(here.home)
    here.put("emploi_mensuel", [worked(5)])
    (here.folder / "ij_lignes.csv").write_text("DCT_ORD_NUM\n1\n", encoding="utf-8")
    with pytest.raises(DeliveryRefused):
        here.take_in()
    assert stored(here.home) == before
    assert [p.name for p in published.iterdir()] == ["a.csv"]


class Crash(BaseException):
    """The machine stops."""


def test_a_crash_at_any_write_is_made_good_by_the_next_run(here: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    here.put("emploi_mensuel", [worked(1), worked(2, quotite=101)])
    here.put("accords", [agreement(), agreement(2, mode="FAX")])
    here.take_in()
    first = stored(here.home)
    here.put("emploi_mensuel", [worked(3), worked(4), worked(5, quotite=101)])
    here.put("accords", [agreement(3)])
    other = place(here.home.root / "clean", here.connection)
    for path in here.folder.iterdir():
        (other.folder / path.name).write_bytes(path.read_bytes())
    other.take_in()
    expected = stored(other.home)
    real = Path.replace
    crashes = 0
    for step in range(20):
        calls = iter(range(100))

        def replace(path: Path, target: Path, step: int = step, calls: object = calls) -> Path:
            if next(calls) == step:  # type: ignore[call-overload]
                raise Crash
            return real(path, target)

        monkeypatch.setattr(Path, "replace", replace)
        try:
            here.take_in()
        except Crash:
            crashes += 1
            monkeypatch.setattr(Path, "replace", real)
            assert not (here.home.incoming(MONTH)).exists()
            here.take_in()
            assert stored(here.home) == expected
            for name in [*stored(here.home)]:  # back to the first delivery, as stored before the crash
                (here.home.restricted / name).unlink()
            for name, content in first.items():
                (here.home.restricted / name).write_bytes(content)
        else:
            break
        finally:
            monkeypatch.setattr(Path, "replace", real)
    assert crashes >= 5
    assert stored(here.home) == expected


def test_nothing_is_left_in_the_database(here: Place) -> None:
    here.put("emploi_mensuel", [worked(), worked()])
    here.take_in()
    left = {row[0] for row in here.connection.execute("SHOW TABLES").fetchall()}
    assert left.isdisjoint({"staged", "copies", "repeats", "refused", "begins"})


def test_the_record_names_files_hashes_and_counts_and_no_value(here: Place) -> None:
    here.put("beneficiaires", [insured(1), insured(2, csp=9)])
    here.take_in()
    text = here.home.intake(MONTH).read_text(encoding="utf-8")
    record = json.loads(text)
    assert record["tables"]["beneficiaries"]["reasons"] == {"unknown_code": 1}
    assert record["rows"] == {"beneficiaires.jsonl": 2}
    assert not any(str(value) in text for value in insured(1).values() if value and len(value) > 4)


def test_stored_rows_have_the_declared_types(here: Place) -> None:
    from pyarrow import parquet as pq

    from pipeline.tables.inputs import BENEFICIARIES

    here.put("beneficiaires", [insured(1)])
    here.take_in()
    schema = pq.read_schema(here.home.validated("beneficiaries", MONTH))
    assert [schema.field(name).type for name in BENEFICIARIES.names] == [field.type for field in BENEFICIARIES.schema]
    with database.connect() as fresh:
        assert database.count(fresh, database.parquet(here.home.validated("beneficiaries", MONTH))) == 1


def test_rows_as_json_are_those_landed() -> None:
    assert json_lines([worked()]).count("null") == 0
