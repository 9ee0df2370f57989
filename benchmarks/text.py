"""De-identification: texts per second, the slowest texts, and what annotated files say.

Time is processor time of this process, so that other work on the machine counts little.

    python -m benchmarks.text [--annotated FILE.jsonl ...] [--reports LANDING] [--result FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np

from pipeline import database
from pipeline.simulation.names import FEMALE_NAMES, FIRMS, SURNAMES
from pipeline.simulation.narratives import Narrator, Record
from pipeline.text.deidentify import Deidentifier
from pipeline.text.evaluate import evaluate

LENGTH = 1_500
LONGEST = 20_000
UNITS = (
    *("deux ", "a", "A", "1", "1 ", "1.", "O ", "O", "@", "a@", "a.", "12/", "12 rue ", "rue de la ", "M. ", "Dr A. "),
    *("A.", "Nom : ", "maladie de ", "e\u0301", "\u0301", "\u200b", "ﬁ", "petit ", "pe tit ", "p e t i t ", "jean-"),
    *("2A", "\n", "\n-", "'", "l'", "deux-", "mars ", "1 mars ", "vingt et ", "FR76 1234 ", "www.", "a.fr", "http://"),
    *("n° ", "dossier de ", "1 2 3 / ", "(((", "é", "я", "漢", "A1b2 ", "X y ", "0123456789", "petitpetit", "aarobase"),
    *("boissinot ", "ateliers boissinot ", "chez ", "saint ", "tél ", "+33", "(+", "Abc-", "J.P.", "des Abc "),
)
"""Repeated to `LONGEST` characters each: what a pattern or a loop could choke on."""
RECORD = {
    "nom": "Petit", "prenom": "Jean-Pascal", "telephone": "0353015426", "email": "jp.petit@exemple.fr",
    "medecin_traitant": "Dr Le Goff", "medecin_travail": "Dr Fonzevigne", "employeur": "Ateliers Boissinot & Fils",
    "nir": "161045900213884",
}  # fmt: skip


def reports(seed: int, count: int) -> list[tuple[str, Mapping[str, object]]]:
    """Simulated reports of `LENGTH` characters with their records."""
    rng = np.random.default_rng(seed)
    narrator = Narrator(rng)
    made: list[tuple[str, Mapping[str, object]]] = []
    for _ in range(count):
        drawn = (SURNAMES, FEMALE_NAMES, SURNAMES, SURNAMES, FIRMS)
        surname, first, doctor, other, firm = (str(rng.choice(names)) for names in drawn)
        people = (f"Dr {doctor}", f"Dr {other}", firm)
        contact = (RECORD["nir"], date(1970, 3, 4), RECORD["telephone"], RECORD["email"])
        record = Record(surname, first, False, *contact, *people, "PSYCHIQUE", "INITIAL", "EN_ARRET", date(2023, 5, 6))
        text = ""
        while len(text) < LENGTH:
            text += narrator.write(record) + "\n"
        known = {
            **RECORD, "nom": surname, "prenom": first, "medecin_traitant": record.doctor,
            "medecin_travail": record.occupational_doctor, "employeur": record.employer,
        }  # fmt: skip
        made.append((text[:LENGTH], known))
    return made


def speed(engine: Deidentifier, count: int = 400) -> dict[str, float]:
    """Texts per second of processor time, without and with record: the best of three rounds."""
    texts = reports(1, count)
    found = {}
    for name, given in (("without_record", False), ("with_record", True)):
        rounds = []
        for _ in range(3):
            began = time.process_time()
            for text, record in texts:
                engine.deidentify(text, record if given else None)
            rounds.append(count / (time.process_time() - began))
        found[name] = round(max(rounds), 1)
    return found


def slowest(engine: Deidentifier) -> list[dict[str, object]]:
    """The five slowest of the repeated units, with their record."""
    timed = []
    for unit in UNITS:
        text = (unit * LONGEST)[:LONGEST]
        began = time.process_time()
        engine.deidentify(text, RECORD)
        timed.append((time.process_time() - began, unit))
    return [{"unit": unit, "seconds": round(seconds, 3)} for seconds, unit in sorted(timed, reverse=True)[:5]]


def annotated(engine: Deidentifier, path: Path) -> dict[str, object]:
    """What an annotated file says of the engine."""
    counts = evaluate(path, engine)
    return {
        "texts": counts.texts,
        "released": counts.released,
        "released_with_a_direct_identifier": counts.exposed,
        "masked": dict(sorted(counts.masked.items())),
        "annotated": dict(sorted(counts.annotated.items())),
        "needless_share": round(counts.needless_characters / max(counts.characters, 1), 4),
    }


def released(engine: Deidentifier, landing: Path) -> dict[str, object]:
    """Share of the reports of a landing folder that are released with their record, and the reasons of the others."""
    columns = "nir, nom, prenom, telephone, email, medecin_traitant, medecin_travail, employeur"
    paths = sorted(landing.glob("*/bilans_suivi/*.parquet")) + sorted(landing.glob("*/bilans_suivi.parquet"))
    with database.connect() as connection:
        query = (
            f"SELECT narratif, {columns} FROM {database.parquet(paths, union_by_name=True)} WHERE narratif IS NOT NULL"
        )
        rows = connection.execute(query).fetchall()
    reasons: Counter[str] = Counter()
    free = 0
    for text, *values in rows:
        verdict = engine.deidentify(text, dict(zip(columns.split(", "), values, strict=True)))
        free += verdict.decision == "release"
        reasons.update(verdict.reasons)
    return {"texts": len(rows), "released": free, "reasons": dict(sorted(reasons.items()))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotated", type=Path, nargs="*", default=[], help="files in the form of pdp evaluate-texts")
    parser.add_argument("--reports", type=Path, help="landing folder whose reports are judged with their records")
    parser.add_argument("--result", type=Path, default=Path(__file__).parent / "results" / "text.json")
    asked = parser.parse_args()
    engine = Deidentifier()
    result: dict[str, object] = {"texts_per_second": speed(engine), "slowest_20000_characters": slowest(engine)}
    for path in asked.annotated:
        result[path.stem] = annotated(engine, path)
    if asked.reports:
        result["reports"] = released(engine, asked.reports)
    asked.result.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
