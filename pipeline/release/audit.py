"""What a data-protection officer reads and signs: attacker, rules, measured figures, what is left of the risk.

`record` gathers everything as plain data (`audit.json`); `document` lays it out (`audit.html`). It states rules and
measures; it never promises anonymity. Criteria: opinion 05/2014 of the Article 29 working party (singling out,
linkability, inference).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipeline.disclosure.attackers.inference import nearly_certain
from pipeline.disclosure.facts import Attack, ReleaseFacts
from pipeline.home import add_months, missing_months
from pipeline.leave import national
from pipeline.leave.plausibility import RULES as ALLOWANCE_RULES
from pipeline.protocol import Protocol
from pipeline.release import french, verify
from pipeline.release.synthesis import LOVE_PLOT_READING, environment, love_plot, stylesheet
from pipeline.tables.codes import LEAVE_FLAG
from pipeline.tables.descriptor import code_labels
from pipeline.tables.inputs import INPUTS
from pipeline.tables.published import EXACT, published

REASSESSMENT_MONTHS = 12
MEASURES_OF_LEAVES = {national.SHARE: "part des arrêts", national.MEAN_DAYS: "jours payés par arrêt"}

RULES = {
    "manifest": "Manifeste complet, protocole conforme à son empreinte",
    "files": "Chaque fichier est celui qui a été publié",
    "tables": "Tables, colonnes et types déclarés",
    "dictionary": "Dictionnaire et descripteur conformes aux tables",
    "database": "Base DuckDB identique aux fichiers Parquet",
    "codes": "Codes dans leur liste fermée",
    "k": "Aucun effectif publié sous k personnes",
    "suppression": "Toute case masquée est signalée, avec sa raison",
    "subtraction": "Aucune case masquée ne se retrouve par différence",
    "rounding": "Effectifs arrondis",
    "sums": "Sommes et parts cohérentes entre chiffres publiés",
    "figures": "Intervalles, courbes et chiffres déduits cohérents",
    "disclosure": "Compte du masquage conforme aux tables",
    "microdata": "Microdonnées : k personnes et l situations par classe",
    "certificate": "Certificat des microdonnées conforme aux lignes",
    "accounting": "Toute ligne lue est comptée",
    "attacks": "Attaques refaites, aucune au-delà de sa règle",
    "documents": "Documents autonomes et conformes aux tables",
}
"""French title of each rule of `verify`."""

ATTACKER = (
    "Il connaît les tables publiées, toutes les publications précédentes, ce code, le protocole, la règle d'arrondi et "
    "les hiérarchies de généralisation.",
    "Il sait qu'une personne donnée est dans l'étude (collègue, employeur, proche, assureur) et connaît son sexe, son "
    "âge, son statut, son secteur, la cause de son arrêt, son département et le trimestre de son arrêt.",
    "Il cherche à apprendre ce qu'il ne sait pas : son accompagnement, sa durée d'arrêt, ses indemnités, sa situation "
    "à douze mois.",
    "Il n'a pas accès à la zone restreinte ni à la clé de pseudonymisation : ce risque relève de la sécurité du "
    "serveur.",
)
BEYOND = (
    "Les règles ne protègent pas contre celui qui connaît déjà une partie de ce qui est publié. Deux attaquants de ce "
    "genre sont mesurés à part : l'agent d'une plateforme, qui sait si la personne a repris le travail, et le service "
    "de paie, qui connaît ses jours d'arrêt. Ils peuvent reconnaître la ligne d'une personne et y lire le reste ; seul "
    "leur devoir de confidentialité s'y oppose."
)
QUASI_IDENTIFIERS = {
    "index_quarter": "la date approximative de l'arrêt est connue de l'entourage et de l'employeur",
    "arm": "dit si le département de résidence a une plateforme",
    "sex": "visible de tous",
    "age_band": "l'âge est connu de l'entourage et souvent public",
    "territory": "le département de résidence est connu de tous",
    "status": "salarié ou indépendant : visible de l'entourage, public pour les indépendants",
    "sector": "l'employeur et les collègues le connaissent",
    "cause": "un accident du travail est connu de l'employeur ; une longue maladie, souvent, des collègues",
}
CRITERIA = {
    "singling_out": "Individualisation : isoler une personne",
    "linkability": "Corrélation : relier deux fichiers sur la même personne",
    "inference": "Inférence : déduire une information sur une personne",
}
TRANSFORMATIONS = (
    "Pseudonymes par HMAC-SHA-256 à clé, une sous-clé par usage ; aucun pseudonyme n'est publié.",
    "Sans accord, aucun bilan ni texte ne dépasse la première frontière ; un retrait efface la personne des tables.",
    "Textes libres : jamais publiés, jamais joints ; retenus au moindre doute.",
    "Microdonnées : recodage local des quasi-identifiants jusqu'à k personnes et l situations par classe ; jours et "
    "euros arrondis ; accompagnement non marqué ; ordre des lignes sans signification ; chaque trimestre est figé une "
    "fois publié.",
    "Tables : secret primaire, dominance, secret secondaire, arrondi des effectifs (jamais sous k) ; les taux "
    "viennent des effectifs arrondis.",
    "Entre publications : un chiffre ne change que si au moins k personnes ont changé, sinon l'ancien est maintenu.",
)
RETENTION = (
    "La présente publication ne contient pas de ligne nominative ni de pseudonyme : elle est conservée sans limite.",
    "La zone restreinte (données pseudonymisées, quarantaine, registre des publications) est conservée jusqu'à la fin "
    "légale de l'expérimentation.",
    "À cette date la clé est détruite (« pdp key destroy ») : plus aucun pseudonyme ne peut être relié à une personne.",
)
RESIDUAL = (
    "Les seuils mesurés réduisent le risque, ils ne l'annulent pas. Restent possibles : la reconnaissance d'une ligne "
    "par qui connaît déjà les jours d'arrêt ou la reprise du travail (mesurée plus haut), l'inférence sur un groupe "
    "homogène (si presque toutes les personnes d'une classe ont la même situation, on l'apprend avec une forte "
    "probabilité), le recoupement avec une source que cet audit n'a pas envisagée, et une faute dans la préparation "
    "des données en amont. Une mesure qui n'a pas été faite est signalée comme telle."
)


def record(
    tables: Mapping[str, pa.Table],
    verdicts: Sequence[verify.Verdict],
    manifest: Mapping[str, Any],
    facts: ReleaseFacts,
    protocol: Protocol,
    hashes: Mapping[str, str],
) -> dict[str, Any]:
    """The audit as plain data.

    Args:
        tables: published tables, as written.
        verdicts: the rules judged on the written files.
        manifest: the manifest without its file hashes.
        facts: what the disclosure step hands over.
        protocol: the study protocol.
        hashes: file -> SHA-256 of what the signature is to bind (`verify.hashes`).
    """
    release = manifest["release"]
    measured = verify.microdata_figures(tables["microdata"], verify.Parameters.of(manifest))
    smallest = verify.smallest_counts(tables)
    return {
        "release": release,
        "reassessment": add_months(release, REASSESSMENT_MONTHS),
        "attacker": list(ATTACKER),
        "beyond": BEYOND,
        "quasi_identifiers": [
            {"name": name, "label_fr": published("microdata")[name].label_fr, "why_fr": QUASI_IDENTIFIERS[name]}
            for name in verify.quasi_identifiers(published("microdata"))
        ],
        "parameters": protocol.disclosure.model_dump(mode="json"),
        "verdicts": [
            {
                "rule": verdict.rule,
                "title_fr": RULES[verdict.rule],
                "passed": verdict.passed,
                "detail": verdict.detail,
                "detail_fr": verdict.detail_fr or verdict.detail,
            }
            for verdict in verdicts
        ],
        "measured": {
            "microdata_persons": measured.rows,
            "microdata_classes": measured.classes,
            "smallest_class": measured.smallest_class,
            "fewest_candidates": measured.fewest_candidates,
            "fewest_states": measured.distinct["state_12m"],
            "t": measured.t_closeness["state_12m"],
            "nearly_certain": nearly_certain(tables["microdata"]) if measured.rows else None,
            "smallest_published_count": min(smallest.values(), default=None),
        },
        "exact_tables": list(EXACT),
        "criteria": [
            {
                "criterion": criterion,
                "title_fr": title,
                "attacks": [
                    attack.model_dump(mode="json") for attack in facts.attacks if attack.criterion == criterion
                ],
            }
            for criterion, title in CRITERIA.items()
        ],
        "risk": facts.risk.model_dump(mode="json") if facts.risk else None,
        "transformations": list(TRANSFORMATIONS),
        "microdata": facts.microdata.model_dump(mode="json", exclude={"hierarchies"}) if facts.microdata else None,
        "fidelity": manifest["fidelity"],
        "disappeared": facts.disappeared,
        "generalised": facts.generalised,
        "suppression": [
            {**row, "title_fr": published(row["published_table"]).title_fr if row["published_table"] in tables else ""}
            for row in tables["disclosure"].to_pylist()
        ],
        "suppression_log": {name: reasons for name, reasons in facts.suppression.items() if reasons},
        "suppressed_rows": _suppressed_rows(tables),
        "reasons": {
            **{code: labels["fr"] for code, labels in code_labels(published("impact")["suppression_reason"]).items()},
            "no_microdata": "aucun trimestre d'entrées n'est encore complet, ou la comparaison est retenue",
            "headline_withheld": "l'effet principal est lui-même retenu",
        },
        "missing_deliveries": missing_months(manifest["inputs"]),
        "accounting": _accounting(tables["data_quality"]),
        "narratives_masked": _flagged(tables["data_quality"], "narrative_released"),
        "narratives_withheld": _flagged(tables["data_quality"], "narrative_withheld"),
        "allowance_rules": [
            {
                "rule": ALLOWANCE_RULES[flag.code],
                "title_fr": flag.label_fr,
                "rows_flagged": _flagged(tables["data_quality"], ALLOWANCE_RULES[flag.code]),
            }
            for flag in LEAVE_FLAG
        ],
        "leaves": _leaves(tables["leaves"]),
        "balance": tables["balance"].drop_columns(["release"]).to_pylist(),
        "balance_groups": _balance_groups(tables["balance_groups"]),
        "deduction": facts.deduction.model_dump(mode="json") if facts.deduction else None,
        "ledger": list(facts.ledger),
        "held": {name: cells for name, cells in facts.held.items() if cells},
        "versions": {
            "code": manifest["code_version"],
            "protocol_sha256": manifest["protocol"]["sha256"],
            "key_id": manifest["key_id"],
            "seeds": manifest["seeds"],
            "libraries": manifest["libraries"],
            "deliveries": len(manifest["inputs"]),
            "input_files": sum(len(files) for files in manifest["inputs"].values()),
        },
        "hashes": dict(hashes),
        "retention": list(RETENTION),
        "residual_risk": RESIDUAL,
    }


def _suppressed_rows(tables: Mapping[str, pa.Table]) -> dict[str, dict[str, int]]:
    """Table -> reason -> number of rows that say they are suppressed."""
    counted: dict[str, dict[str, int]] = {}
    for name, table in tables.items():
        if "suppression_reason" not in table.column_names:
            continue
        for reason in table["suppression_reason"].drop_null().to_pylist():
            by_reason = counted.setdefault(name, {})
            by_reason[reason] = by_reason.get(reason, 0) + 1
    return counted


def _accounting(quality: pa.Table) -> list[dict[str, Any]]:
    """Rows of each input table over all deliveries."""
    names = {table.name: table.title_fr for table in INPUTS}
    figures = ("rows_read", "rows_accepted", "rows_quarantined", "rows_duplicate")
    totals: dict[str, dict[str, Any]] = {}
    for row in quality.to_pylist():
        if row["rule"] == "all":
            name = row["input_table"]
            total = totals.setdefault(
                name, {"input_table": name, "title_fr": names.get(name, name), **dict.fromkeys(figures, 0)}
            )
            for figure in figures:
                total[figure] += row[figure] or 0
    return [totals[name] for name in sorted(totals)]


def _flagged(quality: pa.Table, rule: str) -> int:
    """Rows flagged by a rule over all deliveries."""
    return sum(row["rows_flagged"] or 0 for row in quality.to_pylist() if row["rule"] == rule)


def _leaves(leaves: pa.Table) -> list[dict[str, Any]]:
    """Each published figure on the rebuilt leaves that has a national one of the same unit, in the order declared."""
    declared = {name: code_labels(published("leaves")[name]) for name in ("variable", "modality")}
    found = {(row["variable"], row["modality"]): row for row in leaves.to_pylist()}
    rows = []
    for variable, labels in declared["variable"].items():
        for modality, label in declared["modality"].items():
            row = found.get((variable, modality), {})
            for measure, title in MEASURES_OF_LEAVES.items():
                known = national.figure(variable, modality, measure)
                if known is None or row.get(f"national_{measure}") is None:
                    continue
                measured, value = row[measure], row[f"national_{measure}"]
                rows.append(
                    {
                        "year": row["year"], "variable": variable, "modality": modality, "measure": measure,
                        "title_fr": title, "variable_fr": labels["fr"], "modality_fr": label["fr"], "n": row["n"],
                        "measured": measured, "national": value,
                        "ratio": None if measured is None else round(measured / value, 2),
                        "source": known.source,
                    }
                )  # fmt: skip
    return rows


def _balance_groups(groups: pa.Table) -> list[dict[str, Any]]:
    """Balance of each département and stratum with its French labels, in the order declared: ITT, then ATT."""
    kinds, covariates, verdicts = (
        code_labels(published("balance_groups")[name]) for name in ("stratum_type", "smd_covariate", "verdict")
    )
    strata = code_labels(published("impact")["stratum"])
    order = {kind: place for place, kind in enumerate(kinds)}
    rows = sorted(
        groups.drop_columns(["release"]).to_pylist(),
        key=lambda row: (row["estimand"] != "ITT", order[row["stratum_type"]], row["stratum"]),
    )
    return [
        {
            **row,
            "stratum_type_fr": kinds[row["stratum_type"]]["fr"],
            "stratum_fr": strata.get(row["stratum"], {"fr": row["stratum"]})["fr"],
            "smd_covariate_fr": covariates[row["smd_covariate"]]["fr"] if row["smd_covariate"] else "",
            "verdict_fr": verdicts[row["verdict"]]["fr"] if row["verdict"] else "",
        }
        for row in rows
    ]


def document(record: Mapping[str, Any]) -> str:
    """The audit as one self-contained HTML page in French."""
    template = environment().get_template("audit.html")
    return template.render(
        style=stylesheet(),
        audit=record,
        f=french,
        love_plot=love_plot(record["balance"]),
        reading=LOVE_PLOT_READING,
        measured=Attack.model_validate,
    )
