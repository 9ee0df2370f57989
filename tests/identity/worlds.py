"""Runs the two first steps of the road over hand-written deliveries."""

from __future__ import annotations

import pyarrow.parquet as pq

from pipeline.deliveries.step import ingest
from pipeline.identity.step import pseudonymise
from pipeline.run import StepReport
from tests.deliveries.samples import MONTH, Place, agreement, insured, line, measure, platform, report, worked


def land_two_persons(here: Place, month: str = MONTH) -> None:
    """Persons 1 and 2: each insured, paid, employed, with an agreed case and a report with a measure."""
    flow = f"{month}-01"
    persons = (1, 2)
    here.put("plateformes", [platform()], month)
    here.put("beneficiaires", [insured(n, BEN_SEX_COD=n) for n in persons], month)
    here.put("ij_lignes", [line(n, order=n, FLX_DIS_DTD=flow) for n in persons], month)
    here.put("accords", [agreement(n) for n in persons], month)
    here.put("bilans_suivi", [report(n, f"B{n}") for n in persons], month)
    here.put("bilan_mesures", [measure(f"B{n}") for n in persons], month)
    here.put("emploi_mensuel", [worked(n) for n in persons], month)


def road(here: Place, release: str = MONTH) -> StepReport:
    run = here.run(release)
    ingest(run)
    return pseudonymise(run)


def table(here: Place, name: str, release: str = MONTH) -> list[dict[str, object]]:
    return pq.read_table(here.home.artefact(release, "pseudonymise", name)).to_pylist()


def sexes(here: Place, name: str, release: str = MONTH) -> list[object]:
    """Sex of the person of each row of a table: in these worlds it tells persons apart."""
    sex = {row["person"]: row["sex"] for row in table(here, "persons", release)}
    return sorted(str(sex[row["person"]]) for row in table(here, name, release))


PERSON_LEVEL = ("persons", "person_history", "payment_lines", "reports", "report_measures", "agreements", "employment")
