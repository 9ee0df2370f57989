"""All attacks on the microdata of a release, with what the restricted zone holds to check them against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import database
from pipeline.disclosure import persons
from pipeline.disclosure.attackers import accompaniment, inference, linkage, risk
from pipeline.disclosure.attackers.measure import CONTROL_DIGITS
from pipeline.disclosure.attackers.rows import GENERALISED, PLACE, QUASI_IDENTIFIERS
from pipeline.disclosure.attackers.tally import Paths
from pipeline.disclosure.facts import Attack, Risk
from pipeline.disclosure.microdata import anonymise
from pipeline.disclosure.tables import CountTable
from pipeline.effects.analysis import Analysis
from pipeline.effects.coherence import accompanied
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.study.step import COHORT, open_study
from pipeline.study.strata import strata_of
from pipeline.tables.descriptor import code_labels
from pipeline.tables.published import published

LEFT_OUT = 20
"""The control of an attack over releases anonymises a quarter a second time without one person in so many."""
KEY = "key"
"""A second name for the person, since the engine drops the column it breaks ties by."""


@dataclass(frozen=True)
class Restricted:
    """What the attacks are checked against.

    Attributes:
        rows: microdata before generalisation, with `person_id`.
        members: one row per member: `person_id`, `department_code`, `accompanied`.
        population: exact quasi-identifiers of everyone eligible in the quarters of the microdata.
        protocol: the study protocol.
    """

    rows: pa.Table
    members: pd.DataFrame
    population: pd.DataFrame
    protocol: Protocol


def restricted(run: Run, found: Analysis, person_id: pa.ChunkedArray, rows: pa.Table) -> Restricted:
    """Gather it from the analysis of the ITT.

    Args:
        run: the run.
        found: the ITT analysis.
        person_id: pseudonym of each member.
        rows: microdata before generalisation, of the quarters published.
    """
    with database.connect(run.home.scratch) as connection:
        open_study(connection, run.home, run.release)
        marked = accompanied(connection, run.protocol, found)
    members = pd.DataFrame(
        {
            "person_id": person_id.to_pandas(),
            "department_code": found.members["department_code"].to_pandas(),
            "accompanied": marked,
        }
    )
    return Restricted(rows, members, _population(run, rows), run.protocol)


def _population(run: Run, rows: pa.Table) -> pd.DataFrame:
    units = pq.read_table(run.home.artefact(run.release, COHORT, "units"), partitioning=None)
    quarters = pc.unique(rows["index_quarter"])
    units = units.filter(pc.and_(pc.equal(units["estimand"], "ITT"), pc.is_in(units["start_quarter"], quarters)))
    strata, treated = strata_of(units, run.protocol), pc.equal(units["arm"], "treated").to_numpy(zero_copy_only=False)
    return pd.DataFrame(
        {
            "index_quarter": units["start_quarter"].to_pandas(),
            "arm": units["arm"].to_pandas(),
            "territory": np.where(treated, "designated", "not_designated"),
            "sector": pc.fill_null(units["sector"], "unknown").to_pandas(),
            **{name: strata[name] for name in ("sex", "age_band", "status", "cause")},
        }
    )[list(QUASI_IDENTIFIERS)]


def attacks(
    run: Run, rows: pa.Table, tables: Mapping[str, pa.Table], effects: CountTable, paths: Paths,
    uptake: float | None, known: Restricted | None,
) -> tuple[list[Attack], Risk]:  # fmt: skip
    """Carry out every attack on the microdata.

    Args:
        run: the run.
        rows: published microdata, at least one row.
        tables: the published tables, this release's microdata among them.
        effects: `impact` with its true counts.
        paths: hierarchies, as published.
        uptake: share accompanied, as published.
        known: what to check against; None when the comparison is withheld in this release.
    """
    rule, headline = run.protocol.disclosure, _headline(tables["impact"], run)
    raw = known.rows if known is not None else None
    found: list[Attack | None] = [linkage.singling_out(rows, raw, paths, rule.k)]
    found.append(
        linkage.from_a_file(
            "Relier un fichier d'employeur (quasi-identifiants exacts, trimestre de l'arrêt) à la ligne d'une "
            "personne, tirée parmi les lignes compatibles",
            rows, raw, paths, rule.rounding_base,
            # Everyone has k candidates or more: nobody draws better, as rounded.
            limit=round(1 / rule.k, CONTROL_DIGITS),
        )
    )  # fmt: skip
    cases = None
    if known is not None:
        exact = known.rows.to_pandas().merge(known.members.drop_duplicates("person_id"), on="person_id", how="left")
        cases = pa.Table.from_pandas(exact[exact["accompanied"].to_numpy(np.bool_)], preserve_index=False)
        exposed = exact[exact["arm"] == "treated"]
    found += [
        linkage.from_a_file(
            "Relier les champs codés des bilans (quasi-identifiants exacts, trimestre, retour au travail à 12 mois) à "
            "la ligne d'une personne accompagnée",
            rows, cases, paths, rule.rounding_base, known=("returned_12m",), beyond=True,
        ),
        linkage.from_a_file(
            "Relier un fichier de paie (le même, et les jours d'arrêt à 6 et à 12 mois) à la ligne d'une personne",
            rows, raw, paths, rule.rounding_base, known=("days_on_leave_6m", "days_on_leave_12m"), beyond=True,
        ),
        linkage.with_tables(
            rows, headline, paths, rule.k, rule.rounding_base,
            true=None if raw is None else (raw, _headline(effects.frame, run)),
        ),
        _over_releases(run, rows, raw, paths),
        inference.certain(rows, raw),
        *inference.guesses(rows, raw),
    ]  # fmt: skip
    if known is not None:
        found.append(accompaniment.accompaniment(exposed, {**tables, "impact": headline}, uptake, rule.rounding_base))
    population = known.population if known is not None else None
    return [attack for attack in found if attack is not None], risk.risk(rows, population, paths, rule.k)


def generalised(rows: pa.Table, known: Restricted, k: int) -> dict[str, float]:
    """Characteristic in French -> share of its persons whose row does not show it exactly, to a hundredth.

    Args:
        rows: published microdata.
        known: the exact rows of the same quarters.
        k: a characteristic of fewer persons than this is never shown: 1, whether there is anybody or not.
    """
    shares = {}
    for name in GENERALISED:
        column = published("microdata")[name]
        shown, exact = (Counter(table[name].to_pylist()) for table in (rows, known.rows))
        for leaf in persons.hierarchies(known.protocol)[name].leaves:
            label = code_labels(column).get(leaf, {"fr": leaf})["fr"]
            lost = 1 - shown[leaf] / exact[leaf] if exact[leaf] >= k else 1.0
            shares[f"{column.label_fr} : {label}"] = round(min(max(lost, 0.0), 1.0), CONTROL_DIGITS)
    return shares


def _headline(impact: pa.Table, run: Run) -> pa.Table:
    wanted = {
        "estimand": "ITT", "outcome": "days_on_leave", "horizon_months": run.protocol.study.primary_horizon_months,
    }  # fmt: skip
    for name, value in wanted.items():
        impact = impact.filter(pc.equal(impact[name], value))
    return impact.select(["stratum_type", "stratum", "n_treated", "n_comparison"])


def _over_releases(run: Run, rows: pa.Table, raw: pa.Table | None, paths: Paths) -> Attack | None:
    earlier = [month for month in run.home.releases() if month < run.release]
    if not earlier:
        return None
    path = run.home.release(earlier[-1]) / "tables" / "microdata.parquet"
    before = pq.read_table(path, partitioning=None)
    if not before.num_rows:
        return None
    return linkage.over_releases(rows, before, _twice(run, before, raw), paths, run.protocol.disclosure.k)


def _twice(run: Run, before: pa.Table, raw: pa.Table | None) -> pa.Table | None:
    """Persons of the latest quarter published before, as two anonymisations would show them: of all, of nearly all."""
    if raw is None:
        return None
    mine = raw.filter(pc.equal(raw["index_quarter"], pc.max(before["index_quarter"]))).sort_by("person_id")
    fewer = mine.filter(pa.array(np.arange(mine.num_rows) % LEFT_OUT > 0))
    both = _version(mine, run).merge(_version(fewer, run), on=["person_id", *PLACE], suffixes=("_1", "_2"))
    return pa.Table.from_pandas(both, preserve_index=False)


def _version(rows: pa.Table, run: Run) -> pd.DataFrame:
    """The rows of a quarter generalised arm by arm, still with the person beside them."""
    columns = [*PLACE, *GENERALISED, persons.SENSITIVE, "person_id"]
    paths = {name: path for name, path in persons.hierarchies(run.protocol).items() if name in GENERALISED}
    rule, parts = run.protocol.disclosure, []
    for arm in ("treated", "comparison"):
        mine = rows.filter(pc.equal(rows["arm"], arm)).select(columns)
        made = anonymise(
            mine.append_column(KEY, mine["person_id"]), quasi_identifiers=paths, k=rule.k,
            sensitive={persons.SENSITIVE: rule.l}, key=KEY,
        )  # fmt: skip
        parts.append(made.table.drop_columns([persons.SENSITIVE]))
    whole: pd.DataFrame = pa.concat_tables(parts).to_pandas()
    return whole
