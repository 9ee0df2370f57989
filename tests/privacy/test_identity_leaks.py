"""Nothing past the border holds a direct identifier, and no message, log or record holds a personal value."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline import database
from pipeline.deliveries.step import ingest
from pipeline.home import HomeError
from pipeline.identity import keys
from pipeline.identity.erase import erase
from pipeline.tables.inputs import INPUTS
from pipeline.tables.intermediate import of_step
from pipeline.tables.model import Sensitivity
from tests.deliveries.samples import (
    BY_SOURCE,
    Place,
    agreement,
    announce,
    csv_text,
    insured,
    json_lines,
    line,
    measure,
    nir,
    place,
    report,
    worked,
    write_parquet,
)
from tests.identity.worlds import land_two_persons, road

MARK = "Zébulon9X"
"""A value found nowhere else."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with database.connect() as connection:
        yield place(tmp_path, connection)


def identifiers(row: dict[str, str | None], source: str) -> set[str]:
    marks = {
        str(column.source)
        for column in BY_SOURCE[source]
        if column.sensitivity in (Sensitivity.DIRECT, Sensitivity.FREE_TEXT)
    }
    return {value for name, value in row.items() if name in marks and value and len(value) > 3}


def test_no_pseudonymised_file_holds_a_direct_identifier(here: Place) -> None:
    land_two_persons(here)
    full = {
        "telephone": "0612345678", "email": "alix@exemple.fr", "medecin_traitant": "Dr MOREAU",
        "medecin_travail": "Dr PETIT", "employeur": "BOULANGERIE DU PORT",
    }  # fmt: skip
    here.put("bilans_suivi", [report(1, "BILAN-1", **full), report(2, "BILAN-2", **full)])
    here.put("bilan_mesures", [measure("BILAN-1"), measure("BILAN-2")])
    here.put("ij_lignes", [line(1, IJR_EMP_NUM="12345678901234"), line(2, 2)])
    planted: set[str] = set()
    for path in here.folder.glob("*.jsonl"):
        for text in path.read_text(encoding="utf-8").splitlines():
            planted |= identifiers(json.loads(text), path.stem)
    assert {nir(1), "DURAND", "Dr MOREAU", "12345678901234", "PSA00000000000001", "1985-01-15"} <= planted
    road(here)
    for table in of_step("pseudonymise"):
        path = here.home.artefact("2023-03", "pseudonymise", table.name)
        text = repr(pq.read_table(path).to_pylist())
        assert pq.read_metadata(path).num_rows or table.name in ("withdrawals", "programme_costs")
        assert [value for value in planted if value in text] == [], table.name


def test_no_declared_table_past_the_border_has_a_column_that_identifies() -> None:
    marked = (Sensitivity.DIRECT, Sensitivity.FREE_TEXT)
    direct = {name for table in INPUTS for name in table.with_sensitivity(*marked)}
    assert {"nir", "narrative", "birth_date", "stable_identifier"} <= direct
    for table in of_step("pseudonymise"):
        assert table.with_sensitivity(*marked) == ()
        assert direct.isdisjoint(table.names)


def _csv(rows: list[dict[str, str | None]], then: str = "") -> Callable[[Path], None]:
    source = (
        "beneficiaires" if "BEN_IDT_ANO" in rows[0] else "bilans_suivi" if "narratif" in rows[0] else "emploi_mensuel"
    )

    def land(folder: Path) -> None:
        (folder / f"{source}.csv").write_text(csv_text(rows) + then, encoding="utf-8", newline="")

    return land


def _text(name: str, text: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(text.encode(encoding)) and None


def _truncated(folder: Path) -> None:
    path = folder / "beneficiaires.parquet"
    write_parquet(path, [insured(n, nom=MARK) for n in range(50)])
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2] + content[-8:])


def _as_announced(folder: Path) -> None:
    _csv([insured(nom=MARK)])(folder)
    announce(folder, files=[{"file": "beneficiaires.csv", "rows": 2}])


marked = insured(nom=MARK)
ERRORS: dict[str, Callable[[Path], None]] = {
    "row too wide": _csv([marked], f"{MARK};1\n"),
    "quote left open": _csv([marked], f'"{MARK}\n'),
    "quote inside": _csv([marked], f'"{MARK}"x;1\n'),
    "no header": _text("beneficiaires.csv", csv_text([marked]).split("\n", 1)[1]),
    "header twice": _text("beneficiaires.csv", f"{MARK};{MARK}\n1;2\n"),
    "latin-1": _text("beneficiaires.csv", csv_text([insured(nom=MARK)]), "latin-1"),
    "utf-16": _text("beneficiaires.csv", csv_text([insured(nom=MARK)]), "utf-16"),
    "json cut": _text("beneficiaires.jsonl", json_lines([marked]) + f'{{"nom": "{MARK}'),
    "json not an object": _text("beneficiaires.jsonl", json_lines([marked]) + f'"{MARK}"\n'),
    "json name twice": _text("beneficiaires.jsonl", f'{{"nom": "{MARK}", "nom": "{MARK}"}}\n'),
    "json latin-1": _text("beneficiaires.jsonl", f'{{"nom": "{MARK}"}}\n', "latin-1"),
    "json column absent": _text("beneficiaires.jsonl", f'{{"nom": "{MARK}"}}\n'),
    "parquet cut": _truncated,
    "csv called parquet": _text("beneficiaires.parquet", csv_text([marked])),
    "other rows than announced": _as_announced,
    "announcement broken": _text("delivery.json", f'{{"delivery": "{MARK}"'),
}


@pytest.mark.parametrize("error", ERRORS)
def test_no_refusal_shows_a_value(here: Place, error: str, caplog: pytest.LogCaptureFixture, capfd: object) -> None:
    ERRORS[error](here.folder)
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception) as raised:
        ingest(here.run())
    shown = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + repr(vars(raised.value))
    assert type(raised.value).__name__ == "DeliveryRefused"
    _nothing_shown(shown, caplog, capfd)


def _nothing_shown(shown: str, caplog: pytest.LogCaptureFixture, capfd: object) -> None:
    printed = capfd.readouterr()  # type: ignore[attr-defined]
    for text in (shown, caplog.text, printed.out, printed.err):
        for value in (MARK, MARK.encode("latin-1").decode("latin-1"), "Z\ufffdbulon", "bulon9X", nir(1), "DURAND"):
            assert value not in text


BAD_VALUES: list[tuple[str, dict[str, str | None]]] = [
    ("beneficiaires", insured(nir=MARK)),
    ("beneficiaires", insured(2, BEN_SEX_COD=MARK)),
    ("beneficiaires", insured(3, BEN_RNG_GEM=MARK)),
    ("beneficiaires", insured(4, BEN_DCD_DTE=MARK)),
    ("beneficiaires", insured(5, salaire_ref=MARK)),
    ("beneficiaires", insured(6, RGM_COD=MARK)),
    ("bilans_suivi", report(7, MARK, satisfaction=MARK, narratif=MARK, motifs_risque=MARK)),
    ("bilans_suivi", report(8, risque_arret=MARK, nom=MARK)),
    ("emploi_mensuel", worked(9, en_emploi=MARK)),
    ("emploi_mensuel", worked(10, mois=MARK, siret=MARK)),
    ("accords", agreement(11, dossier_id=MARK, mode=MARK)),
]


def test_rows_in_quarantine_are_counted_without_a_value(
    here: Place, caplog: pytest.LogCaptureFixture, capfd: object
) -> None:
    for source in {source for source, _ in BAD_VALUES}:
        here.put(source, [row for name, row in BAD_VALUES if name == source])
    with caplog.at_level(logging.DEBUG):
        said = road(here)
        taken = ingest(here.run())
    reports = f"{said}{taken}" + "".join(t.to_string() for r in (said, taken) for t in r.tables.values())
    record = here.home.intake("2023-03").read_text(encoding="utf-8")
    quality = repr(pq.read_table(here.home.artefact("2023-03", "ingest", "data_quality")).to_pylist())
    verdicts = repr(pq.read_table(here.home.artefact("2023-03", "ingest", "verdicts")).to_pylist())
    assert '"unreadable_value": 5' in record
    _nothing_shown(reports + record + quality + verdicts, caplog, capfd)


@pytest.mark.parametrize("text", [MARK, f'{{"nir": "{MARK}"}}', f'{{"nom": "{MARK}"}}', f'{{"nir": ["{MARK}"]}}'])
def test_no_erasure_shows_a_value(here: Place, text: str, caplog: pytest.LogCaptureFixture, capfd: object) -> None:
    keys.init(here.home)
    path = here.home.root / "request.jsonl"
    path.write_text(text, encoding="utf-8")
    with caplog.at_level(logging.DEBUG), pytest.raises(HomeError) as raised:
        erase(here.home, path)
    _nothing_shown("".join(traceback.format_exception(raised.value)), caplog, capfd)
    path.write_text(f'{{"dossier_id": "{MARK}"}}', encoding="utf-8")
    assert MARK not in erase(here.home, path)
    assert MARK not in here.home.tombstones.read_text(encoding="utf-8")
