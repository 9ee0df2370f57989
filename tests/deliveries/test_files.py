"""Every format of the contract is read, every unreadable file refuses its delivery, lines are those of an editor."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.deliveries import files
from pipeline.deliveries.files import DeliveryRefused
from tests.deliveries.samples import (
    MONTH,
    Place,
    accepted,
    agreement,
    announce,
    csv_text,
    insured,
    json_lines,
    line,
    quarantined,
    report,
    worked,
    write,
    write_parquet,
)


def refusal(here: Place) -> DeliveryRefused:
    with pytest.raises(DeliveryRefused) as refused:
        here.take_in()
    assert refused.value.delivery == MONTH
    assert str(refused.value).endswith("nothing of it was taken in")
    return refused.value


ROWS = [insured(1), insured(2, salaire_ref=None, nom='Dœuf; l\'aîné, dit «"Zé"»'), insured(3, ape=None)]


@pytest.mark.parametrize("delimiter", [";", ","])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_is_read_whatever_its_delimiter_its_line_ends_and_its_mark(
    here: Place, delimiter: str, end: str, mark: str
) -> None:
    text = mark + csv_text(ROWS, delimiter, end)
    (here.folder / "beneficiaires.csv").write_text(text, encoding="utf-8", newline="")
    assert here.take_in().tables["beneficiaries"].rows_accepted == 3
    names = [(row["last_name"], row["source_line"]) for row in accepted(here.home, "beneficiaires", where=True)]
    assert names == [("DURAND", 2), ('Dœuf; l\'aîné, dit «"Zé"»', 3), ("DURAND", 4)]


def test_every_format_gives_the_same_rows(here: Place) -> None:
    contents = []
    for month, write_rows in (
        ("2023-03", lambda f: write(f, "beneficiaires.csv", ROWS)),
        ("2023-04", lambda f: write(f, "beneficiaires.jsonl", ROWS)),
        ("2023-05", lambda f: write(f, "beneficiaires.parquet", ROWS)),
        ("2023-06", lambda f: write_parquet(f / "beneficiaires.parquet", ROWS, typed=True)),
    ):
        write_rows(here.month(month))
        here.take_in(month)
        rows = accepted(here.home, "beneficiaires", month)
        contents.append([{k: v for k, v in row.items() if k != "delivery"} for row in rows])
    assert len(contents[0]) == 3
    assert contents[1:] == contents[:1] * 3


def test_numbers_and_booleans_of_json_are_those_of_text(here: Place) -> None:
    as_json = {"nir": worked()["nir"], "mois": "2023-02", "en_emploi": True, "quotite": 80.0, "meme_employeur": None}
    (here.folder / "emploi_mensuel.jsonl").write_text(json.dumps(as_json) + "\n", encoding="utf-8")
    here.take_in()
    (row,) = accepted(here.home, "emploi_mensuel")
    assert (row["employed"], row["working_time_share"], row["same_employer"]) == (True, 80, None)


def test_parts_of_a_table_may_mix_formats(here: Place) -> None:
    write(here.folder, "ij_lignes/part-0.csv", [line(order=1)])
    write(here.folder, "ij_lignes/part-1.jsonl", [line(order=2)])
    write(here.folder, "ij_lignes/deeper/part-2.parquet", [line(order=3)])
    write(here.folder, "ij_lignes.ndjson", [line(order=4)])
    assert here.take_in().tables["payment_lines"].rows_accepted == 4


def test_lines_are_those_of_an_editor(here: Place) -> None:
    two = report(name="B1", narratif="première ligne\ndeuxième\r\n\r\nquatrième")
    wrong = report(name="B2", satisfaction="11")
    before = csv_text([two, report(name="B0")], end="\r\n")
    text = before + "\r\n\r\n" + csv_text([wrong], end="\r\n").split("\r\n", 1)[1]
    path = here.folder / "bilans_suivi.csv"
    path.write_text(text, encoding="utf-8", newline="")
    here.take_in()
    (refused,) = quarantined(here.home, "bilans_suivi")
    shown = path.read_bytes().decode().split("\n")
    assert shown[int(str(refused["source_line"])) - 1].startswith("B2;")
    assert [row["source_line"] for row in accepted(here.home, "bilans_suivi", where=True)] == [2, 6]


def test_blank_lines_of_json_lines_are_counted(here: Place) -> None:
    text = json_lines([worked()]) + "\n  \n" + json_lines([worked(2, quotite=101)])
    (here.folder / "emploi_mensuel.jsonl").write_text(text, encoding="utf-8")
    here.take_in()
    assert quarantined(here.home, "emploi_mensuel")[0]["source_line"] == 4


def test_lines_of_a_long_csv_keep_their_order(here: Place) -> None:
    rows = [
        worked(n % 900, month=f"{1990 + n // 900:04d}-01", quotite="x" * 1000 if n % 9973 == 0 else 1)
        for n in range(30_000)
    ]
    write(here.folder, "emploi_mensuel.csv", rows)
    here.take_in()
    assert [row["source_line"] for row in quarantined(here.home, "emploi_mensuel")] == [2, 9975, 19948, 29921]


def test_a_file_with_rows_of_other_width_names_the_line(here: Place) -> None:
    good = csv_text([report(name="B1", narratif="deux\nlignes")])
    (here.folder / "bilans_suivi.csv").write_text(good + "B2;1\n", encoding="utf-8")
    refused = refusal(here)
    assert (refused.file, refused.line, refused.reason) == ("bilans_suivi.csv", 4, "it cannot be read as csv")


def test_a_quote_left_open_names_the_line_of_its_row(here: Place) -> None:
    text = csv_text([worked()]) + '"' + csv_text([worked(2)]).split("\n")[1] + "\n"
    (here.folder / "emploi_mensuel.csv").write_text(text, encoding="utf-8")
    assert refusal(here).line == 3


@pytest.mark.parametrize("name", ["beneficiaires.csv", "beneficiaires.jsonl"])
def test_latin_1_is_refused_with_its_line(here: Place, name: str) -> None:
    rows = [insured(1), insured(2, nom="LEFÈVRE")]
    text = csv_text(rows) if name.endswith("csv") else "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)
    (here.folder / name).write_bytes(text.encode("latin-1"))
    refused = refusal(here)
    assert (refused.reason, refused.line) == ("it is not UTF-8", 3 if name.endswith("csv") else 2)


@pytest.mark.parametrize(
    "bad",
    ['{"nir": ', "[1, 2]", "3", '{"nir": "1", "nir": "2"}', '{"nir": "\\ud800"}', '{"nir": 1}{"nir": 2}', "\ufeff{}"],
)
def test_a_line_that_is_not_a_json_object_names_its_place(here: Place, bad: str) -> None:
    text = json_lines([worked()]) + "\n" + bad + "\n" + json_lines([worked(2)])
    (here.folder / "emploi_mensuel.jsonl").write_text(text, encoding="utf-8")
    refused = refusal(here)
    assert (refused.file, refused.line, refused.reason) == ("emploi_mensuel.jsonl", 3, "it cannot be read as jsonl")


@pytest.mark.parametrize("kept", [0, 3, 200, -9])
def test_a_truncated_parquet_file_is_refused(here: Place, kept: int) -> None:
    path = write(here.folder, "emploi_mensuel.parquet", [worked()])
    path.write_bytes(path.read_bytes()[:kept])
    assert refusal(here).reason == "it cannot be read as parquet"


def test_damaged_pages_of_parquet_are_refused(here: Place) -> None:
    path = here.folder / "emploi_mensuel.parquet"
    write_parquet(path, [worked(n % 900) for n in range(5000)])
    content = bytearray(path.read_bytes())
    content[4:400] = b"\xff" * 396
    path.write_bytes(bytes(content))
    assert refusal(here).file == "emploi_mensuel.parquet"


def test_a_required_column_must_be_there(here: Place) -> None:
    columns = [name for name in worked() if name != "en_emploi"]
    (here.folder / "emploi_mensuel.csv").write_text(csv_text([worked()], columns=columns), encoding="utf-8")
    refused = refusal(here)
    assert (refused.column, refused.reason) == ("en_emploi", "a required column is absent")
    assert str(refused).startswith(f"delivery {MONTH} refused: {MONTH}/emploi_mensuel.csv, column en_emploi: ")


def test_a_file_without_header_is_refused_without_showing_its_first_row(here: Place) -> None:
    text = csv_text([insured(7)]).split("\n", 1)[1]
    (here.folder / "beneficiaires.csv").write_text(text, encoding="utf-8")
    assert str(insured(7)["nir"]) not in str(refusal(here))


def test_optional_columns_may_be_absent_and_unknown_ones_are_let_be(here: Place) -> None:
    rows = [{**worked(), "source_line": "9", "breaks": "x", "record": "y", "nom de famille": "DURAND"}]
    columns = [name for name in rows[0] if name not in ("siret", "quotite", "motif_rupture")]
    (here.folder / "emploi_mensuel.csv").write_text(csv_text(rows, columns=columns), encoding="utf-8")
    here.take_in()
    (row,) = accepted(here.home, "emploi_mensuel", where=True)
    assert (row["working_time_share"], row["employer_number"], row["source_line"]) == (None, None, 2)
    assert "nom de famille" not in row


@pytest.mark.parametrize(
    "header", ["nir;mois;nir", "nir;mois;NIR", "nir;;mois", "", "\nnir;mois;en_emploi", '"nir\nx";mois']
)
def test_an_ambiguous_header_is_refused(here: Place, header: str) -> None:
    (here.folder / "emploi_mensuel.csv").write_text(header + "\n1;2;3\n", encoding="utf-8")
    assert (refusal(here).line, refusal(here).reason) == (1, "its header is empty or names a column twice")


def test_files_without_rows_are_read(here: Place) -> None:
    (here.folder / "emploi_mensuel.jsonl").write_text("", encoding="utf-8")
    (here.folder / "beneficiaires.csv").write_text(csv_text([insured()]).split("\n")[0] + "\n", encoding="utf-8")
    write_parquet(here.folder / "accords.parquet", [])
    assert {name: counts.rows_read for name, counts in here.take_in().tables.items()} == {
        "beneficiaries": 0, "agreements": 0, "employment": 0,
    }  # fmt: skip


def test_a_csv_file_of_no_byte_lacks_its_header(here: Place) -> None:
    (here.folder / "emploi_mensuel.csv").write_text("", encoding="utf-8")
    assert refusal(here).reason.startswith("its header is empty")


def test_a_folder_without_data_is_not_a_delivery(here: Place) -> None:
    (here.folder / "lisez-moi.txt").write_text("à venir", encoding="utf-8")
    assert refusal(here).reason == "the folder holds no file of a table"


@pytest.mark.parametrize("name", ["ij_lignes.csv.gz", "ij_lignes.xlsx", "ij_lignes.txt"])
def test_data_in_another_format_is_not_lost_in_silence(here: Place, name: str) -> None:
    write(here.folder, "beneficiaires.csv", [insured()])
    (here.folder / name).write_bytes(b"x")
    assert "its format is none of" in refusal(here).reason


def test_a_table_outside_the_contract_is_refused(here: Place) -> None:
    write(here.folder, "beneficiaires.csv", [insured()])
    (here.folder / "salaires.csv").write_text("a;b\n", encoding="utf-8")
    assert refusal(here).reason == "no table of the input contract has this name"


def test_read_me_and_hidden_files_are_let_be(here: Place) -> None:
    write(here.folder, "accords/part-0.jsonl", [agreement()])
    for name in ("LISEZMOI.md", ".accords.csv", "accords/_SUCCESS", "accords/.part-0.crc"):
        (here.folder / name).write_text("?", encoding="utf-8")
    assert here.take_in().tables["agreements"].rows_accepted == 1


# delivery.json


def announced(here: Place) -> list[dict[str, object]]:
    write(here.folder, "accords.csv", [agreement(1), agreement(2)])
    write(here.folder, "emploi_mensuel/part-0.jsonl", [worked(1)])
    content = announce(here.folder)["files"]
    assert isinstance(content, list)
    return content


def test_a_delivery_as_announced_is_taken_in(here: Place) -> None:
    found = announced(here)
    announce(here.folder, files=[{**f, "sha256": str(f["sha256"]).upper()} for f in found])
    assert here.take_in().rows == {"accords.csv": 2, "emploi_mensuel/part-0.jsonl": 1}


def test_an_announcement_without_hash_nor_rows_announces_presence(here: Place) -> None:
    announce(here.folder, files=[{"file": f["file"]} for f in announced(here)])
    assert len(here.take_in().tables) == 2


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rows": 3}, "it holds 2 rows, delivery.json announces 3"),
        ({"sha256": "0" * 64}, "its SHA-256 is not the one in delivery.json"),
        ({"file": "autre.csv"}, "listed in delivery.json but absent"),
    ],
)
def test_a_file_that_is_not_as_announced_refuses_the_delivery(
    here: Place, change: dict[str, object], reason: str
) -> None:
    first, *rest = announced(here)
    announce(here.folder, files=[{**first, **change}, *rest])
    assert refusal(here).reason == reason


def test_a_file_not_announced_refuses_the_delivery(here: Place) -> None:
    announce(here.folder, files=announced(here)[:1])
    assert refusal(here).reason == "not listed in delivery.json"


def test_a_file_announced_twice_refuses_the_delivery(here: Place) -> None:
    announce(here.folder, files=announced(here) * 2)
    assert refusal(here).reason == "it lists a file twice"


def test_the_announcement_is_for_its_own_month(here: Place) -> None:
    announced(here)
    announce(here.folder, delivery="2023-04")
    assert refusal(here).reason == "it announces another month than its folder's"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": []}', '{"delivery": "2023-03"}', "\x00", '{"files": [3]}'])
def test_an_announcement_in_another_form_refuses_the_delivery(here: Place, text: str) -> None:
    announced(here)
    (here.folder / "delivery.json").write_text(text, encoding="utf-8")
    assert refusal(here).file == "delivery.json"


def test_an_announcement_corrected_after_the_reading_is_heard(here: Place) -> None:
    first, *rest = announced(here)
    here.take_in()
    announce(here.folder, files=[{**first, "rows": 3}, *rest])
    assert refusal(here).reason == "it holds 2 rows, delivery.json announces 3"


def test_a_wide_value_is_read(here: Place) -> None:
    write(here.folder, "bilans_suivi.csv", [report(narratif="é" * 3_000_000)])
    assert here.take_in().tables["reports"].reasons == {"out_of_range": 1}


def test_a_column_of_lists_in_parquet_is_text_that_no_code_matches(here: Place) -> None:
    path = here.folder / "bilans_suivi.parquet"
    write_parquet(path, [report()])
    table = pq.read_table(path, partitioning=None)
    position = table.column_names.index("motifs_risque")
    pq.write_table(table.set_column(position, "motifs_risque", pa.array([["RPS"]])), path)
    assert here.take_in().tables["reports"].reasons == {"unknown_reason": 1}


def test_formats_of_the_contract() -> None:
    assert set(files.FORMATS.values()) == {"parquet", "csv", "jsonl"}
