"""Small deliveries written by hand: rows as the source systems write them, in any format of the contract."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.database import Connection
from pipeline.deliveries import judge
from pipeline.deliveries.intake import Intake, take_in
from pipeline.home import Home, Landing
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.tables.inputs import INPUTS
from pipeline.tables.model import Table, Type

Row = dict[str, str | None]
BY_SOURCE: dict[str, Table] = {str(table.source): table for table in INPUTS}
BY_NAME: dict[str, Table] = {table.name: table for table in INPUTS}
MONTH = "2023-03"


def nir(number: int, place: str = "75056") -> str:
    """A social-security number with its key; `place` is the département and commune of birth."""
    body = f"18501{place}{number:03d}"
    digits = body.replace("2A", "19").replace("2B", "18")
    return f"{body}{97 - int(digits) % 97:02d}"


def _row(table: str, values: Mapping[str, object], changes: Mapping[str, object]) -> Row:
    unknown = set(changes) - {str(column.source) for column in BY_SOURCE[table]}
    assert not unknown, unknown
    filled = {str(column.source): None for column in BY_SOURCE[table]} | dict(values) | dict(changes)
    return {name: None if value is None else str(value) for name, value in filled.items()}


def insured(number: int = 1, **changes: object) -> Row:
    values = {
        "nir": nir(number), "nom": "DURAND", "prenom": "ALIX", "BEN_NIR_PSA": f"PSA{number:014d}", "BEN_RNG_GEM": 1,
        "BEN_IDT_ANO": f"ANO{number:014d}", "BEN_SEX_COD": 2, "BEN_NAI_ANN": 1985, "BEN_RES_DPT": "075",
        "BEN_DCD_DTE": "1600-01-01", "RGM_COD": 101, "csp": 5, "ape": "8621Z", "taille_entreprise": "10-49",
        "salaire_ref": "2500.50",
    }  # fmt: skip
    return _row("beneficiaires", values, changes)


def line(number: int = 1, order: int = 1, **changes: object) -> Row:
    values = {
        "DCT_ORD_NUM": order, "FLX_DIS_DTD": f"{MONTH}-01", "FLX_EMT_NUM": 1, "FLX_EMT_ORD": 1, "FLX_EMT_TYP": 2,
        "FLX_TRT_DTD": "2023-02-20", "ORG_CLE_NUM": "01751", "PRS_ORD_NUM": 1, "REM_TYP_AFF": 0,
        "BEN_NIR_PSA": f"PSA{number:014d}", "BEN_RNG_GEM": 1, "EXE_SOI_DTD": "2023-01-10", "EXE_SOI_DTF": "2023-01-23",
        "PRS_NAT_REF": 6111, "RGO_ASU_NAT": 10, "PRS_ACT_NBR": 14, "PRS_ACT_QTE": 14, "BSE_REM_MNT": "520.10",
        "BSE_REM_SGN": 1, "RGM_COD": 101, "BEN_RES_DPT": "075", "DPN_QLF": 0,
    }  # fmt: skip
    return _row("ij_lignes", values, changes)


def platform(name: str = "PDP75", **changes: object) -> Row:
    values = {
        "plateforme_id": name, "code_departement": "075", "code_cpam": "017510000", "date_designation": "2022-01-01",
        "date_ouverture": "2022-03-01", "statut": "EXPERIMENTALE",
    }  # fmt: skip
    return _row("plateformes", values, changes)


def report(number: int = 1, name: str = "B1", **changes: object) -> Row:
    values = {
        "bilan_id": name, "version": 1, "statut": "VALIDE", "dossier_id": f"D{number}", "plateforme_id": "PDP75",
        "nir": nir(number), "nom": "DURAND", "prenom": "ALIX", "date_naissance": "1985-01-15", "type_bilan": "INITIAL",
        "date_signalement": "2023-01-15", "date_premier_contact": "2023-01-18", "date_diagnostic": "2023-02-01",
        "date_bilan": "2023-02-10", "origine_signalement": "EMPLOYEUR", "statut_pro": "SALARIE",
        "risque_arret": "MALADIE", "situation_emploi": "EN_ARRET", "narratif": "Alix Durand, vue le 10 février.",
    }  # fmt: skip
    return _row("bilans_suivi", values, changes)


def measure(name: str = "B1", **changes: object) -> Row:
    return _row("bilan_mesures", {"bilan_id": name, "mesure": "TPT", "statut": "PROPOSEE"}, changes)


def agreement(number: int = 1, event: str = "ACCORD", date: str = "2023-01-20", **changes: object) -> Row:
    values = {
        "dossier_id": f"D{number}", "nir": nir(number), "portee": "ACCOMPAGNEMENT", "evenement": event, "date": date,
        "mode": "ECRIT",
    }  # fmt: skip
    return _row("accords", values, changes)


def worked(number: int = 1, month: str = "2023-02", **changes: object) -> Row:
    values = {"nir": nir(number), "mois": month, "en_emploi": "true", "nature_contrat": "CDI", "quotite": 100}
    return _row("emploi_mensuel", values, changes)


def cost(name: str = "PDP75", **changes: object) -> Row:
    values = {
        "plateforme_id": name, "mois": "2023-02", "categorie": "AIDES", "montant_eur": "120.50", "financement": "FNASS",
    }  # fmt: skip
    return _row("couts_programme", values, changes)


def csv_text(rows: Sequence[Row], delimiter: str = ";", end: str = "\n", columns: Iterable[str] | None = None) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end)
    names = list(columns or rows[0])
    writer.writerow(names)
    writer.writerows([[row.get(name) or "" for name in names] for row in rows])
    return text.getvalue()


def json_lines(rows: Sequence[Row]) -> str:
    return "".join(json.dumps({k: v for k, v in row.items() if v is not None}) + "\n" for row in rows)


ARROW = {
    Type.INTEGER: pa.int32(), Type.EUROS: pa.float64(), Type.DATE: pa.date32(), Type.BOOLEAN: pa.bool_(),
}  # fmt: skip


def write_parquet(path: Path, rows: Sequence[Row], *, typed: bool = False) -> None:
    """Text columns, or (`typed`) the column types a careful sender would choose; every value must then be readable."""
    table = next(BY_SOURCE[name] for name in (path.stem, *reversed(path.parts)) if name in BY_SOURCE)
    arrays = {}
    for column in table:
        values = pa.array([row[str(column.source)] for row in rows], pa.string())
        number = column.codes is not None and all(code.source.isdigit() for code in column.codes)
        kind = pa.int16() if number else ARROW.get(column.type)
        arrays[str(column.source)] = values.cast(kind) if typed and kind else values
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays), path)


def write(folder: Path, name: str, rows: Sequence[Row]) -> Path:
    """One file of a delivery, in the format of its name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        write_parquet(path, rows)
    else:
        path.write_text(csv_text(rows) if path.suffix == ".csv" else json_lines(rows), encoding="utf-8", newline="")
    return path


def announce(folder: Path, **changes: object) -> dict[str, object]:
    """Write the `delivery.json` of a folder of CSV or JSON Lines files; keyword arguments replace its parts."""
    files = [
        {
            "file": path.relative_to(folder).as_posix(),
            "rows": len(path.read_text(encoding="utf-8").splitlines()) - (path.suffix == ".csv"),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "delivery.json"
    ]
    content: dict[str, object] = {"delivery": folder.name, "files": files, **changes}
    (folder / "delivery.json").write_text(json.dumps(content), encoding="utf-8")
    return content


@dataclass(frozen=True, slots=True)
class Place:
    """A landing folder, a home and a database."""

    landing: Landing
    home: Home
    connection: Connection

    @property
    def folder(self) -> Path:
        """The delivery of `MONTH`."""
        return self.month(MONTH)

    def month(self, month: str) -> Path:
        folder = self.landing.delivery(month)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def put(self, source: str, rows: Sequence[Row], month: str = MONTH) -> None:
        """Land rows of a table as JSON Lines, which leave out what is empty."""
        columns = BY_SOURCE[source]
        assert all(set(row) == {str(c.source) for c in columns} for row in rows)
        write(self.month(month), f"{source}.jsonl", rows)

    def take_in(self, month: str = MONTH) -> Intake:
        return take_in(self.connection, self.landing, self.home, month)[0]

    def run(self, release: str = MONTH) -> Run:
        return Run(self.home, self.landing, Protocol.load(), release)

    def verdicts(self, *months: str) -> list[tuple[str, int, str]]:
        """(table, line, verdict) of the rules across deliveries."""
        found = judge.judge(self.connection, self.home, list(months or (MONTH,))).to_pylist()
        return [(row["input_table"], row["source_line"], row["verdict"]) for row in found]


def place(root: Path, connection: Connection) -> Place:
    landing = Landing(root / "landing")
    landing.root.mkdir(parents=True)
    return Place(landing, Home(root / "home").prepare(), connection)


def accepted(home: Home, source: str, month: str = MONTH, *, where: bool = False) -> list[dict[str, object]]:
    """Accepted rows in the order of their content; with file and line if `where`."""
    return _rows(home.validated(BY_SOURCE[source].name, month), where)


def quarantined(home: Home, source: str, month: str = MONTH, *, where: bool = True) -> list[dict[str, object]]:
    """Refused rows, in the order of file and line."""
    return _rows(home.quarantine(BY_SOURCE[source].name, month), where)


def _rows(path: Path, where: bool) -> list[dict[str, object]]:
    if not path.exists():
        return []
    rows = pq.read_table(path, partitioning=None).to_pylist()
    if where:
        return rows
    kept = [{k: v for k, v in row.items() if k not in ("source_file", "source_line")} for row in rows]
    return sorted(kept, key=lambda row: repr(sorted(row.items())))
