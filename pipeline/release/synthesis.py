"""The one-page synthesis in plain French, written from the published tables alone: what it can say, they already say.

Each function turns one or two tables into sentences; the template only lays them out. The words follow the figures:
an interval that holds zero never reads as an effect, and a withheld figure says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.protocol import Protocol
from pipeline.release import charts, french
from pipeline.release.french import NBSP, number, percent, quantity
from pipeline.tables.codes import ALLOWANCE_PARTS, PERIMETER
from pipeline.tables.descriptor import code_labels
from pipeline.tables.published import published

Row = Mapping[str, Any]
Tables = Mapping[str, pa.Table]

WHY = {
    "gate": "les groupes comparés ne se ressemblent pas assez avant le début de l'étude, ou trop peu de personnes "
    "exposées ont trouvé à qui être comparées ; leur différence pourrait venir d'eux et non des plateformes",
    "placebo": "un test à blanc a trouvé un « effet » là où il ne peut pas y en avoir ; la mesure n'est donc pas "
    "fiable",
    "too_few_clusters": "trop peu de départements ont une plateforme pour que l'incertitude puisse être mesurée",
    "primary": "trop peu de personnes ont assez de recul pour qu'un chiffre soit publié sans risque pour leur vie "
    "privée",
    "secondary": "publier ce chiffre permettrait de retrouver celui d'un trop petit groupe",
    "increment": "trop peu de personnes se sont ajoutées depuis la publication précédente",
}
"""Why a figure is withheld, for a reader who knows nothing of statistics."""
NO_ROW = "aucune personne n'a encore assez de recul"


@dataclass(frozen=True, slots=True)
class Identity:
    """Which release this is, and what no table holds: parameters, the share accompanied, months without a delivery."""

    release: str
    code_version: str
    protocol_sha256: str
    protocol: Protocol
    uptake: float | None
    missing: tuple[str, ...] = ()


@cache
def environment() -> Environment:
    """Jinja2 over the templates of this folder: everything is escaped, an unknown name is an error."""
    loaded = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    loaded.filters["french"] = french.typographic
    return loaded


def stylesheet() -> Markup:
    """The style common to both documents."""
    return Markup(Path(__file__).with_name("style.css").read_text(encoding="utf-8"))  # noqa: S704  our own file


def synthesis(tables: Tables, identity: Identity) -> str:
    """The synthesis as one self-contained HTML page.

    Args:
        tables: published tables by name, as they are written.
        identity: which release this is.
    """
    rows = {name: table.to_pylist() for name, table in tables.items() if name not in ("microdata", "dictionary")}
    return environment().get_template("synthesis.html").render(style=stylesheet(), **story(rows, identity))


def story(rows: Mapping[str, list[Row]], identity: Identity) -> dict[str, Any]:
    """Everything the template prints, by name."""
    horizon = identity.protocol.study.primary_horizon_months
    headline = _first(rows["impact"], is_headline=True)
    att = _effect(rows, "ATT", "days_on_leave", horizon)
    return {
        "release": french.month(identity.release),
        "release_code": identity.release,
        "code_version": identity.code_version,
        "protocol": identity.protocol_sha256[:12],
        "k": identity.protocol.disclosure.k,
        "base": identity.protocol.disclosure.rounding_base,
        "level": percent(identity.protocol.inference.level),
        "horizon": horizon,
        "trigger": identity.protocol.study.trigger_days,
        "detectable": detectable(rows["power"], horizon, identity.protocol.inference.power),
        "headline": headline_words(headline, horizon),
        "interval_chart": _interval_chart(headline, att),
        "results": [
            result(_effect(rows, estimand, outcome, horizon), label, estimand)
            for estimand in ("ITT", "ATT")
            for outcome, label in (
                ("days_on_leave", "Jours d'arrêt"),
                ("sustained_return_to_work", "Retour durable au travail"),
                ("employed", "En emploi à l'échéance"),
            )
        ],
        "withheld_together": withheld_together(rows["impact"]),
        "coherence": coherence(headline, att, identity.uptake),
        "curve_chart": _curve_chart(rows["on_leave_curve"]),
        "savings": [
            savings(row, headline)
            for row in _savings(rows, horizon)
            if row["perimeter"] in ("allowances", "allowances_and_invalidity")
        ],
        "savings_in_detail": savings_in_detail(_savings(rows, horizon), identity.protocol.savings.tariff_year),
        "trust": trust(rows["balance"], rows["balance_groups"], rows["placebo"]),
        "love_plot": love_plot(rows["balance"]),
        "love_plot_reading": LOVE_PLOT_READING,
        "activity": activity(rows["platform_activity"]),
        "delays": delays(rows["delays"]),
        "profile": profile(rows["participant_profile"]),
        "sources": sources(rows["referral_sources"]),
        "exits": exits(rows["exits"]),
        "quality": quality(rows["data_quality"], identity.missing),
        "limits": limits(headline, horizon, identity.protocol.inference.level),
    }


def _first(rows: list[Row], **wanted: object) -> Row | None:
    return next((row for row in rows if all(row[name] == value for name, value in wanted.items())), None)


def _effect(rows: Mapping[str, list[Row]], estimand: str, outcome: str, horizon: int) -> Row | None:
    return _first(
        rows["impact"], estimand=estimand, outcome=outcome, horizon_months=horizon, stratum_type="all", stratum="all"
    )


def _label(table: str, column: str, code: str) -> str:
    return code_labels(published(table)[column]).get(code, {"fr": code})["fr"]


def why(row: Row | None) -> str:
    """Why a figure is not there."""
    return NO_ROW if row is None else WHY.get(row["suppression_reason"] or "", "ce chiffre n'est pas disponible")


def _has(row: Row | None, *names: str) -> bool:
    return row is not None and all(row[name] is not None for name in names)


def detectable(power: list[Row], horizon: int, probability: float) -> str:
    """What the study can see, said before any effect."""
    row = _first(power, estimand="ITT", outcome="days_on_leave", horizon_months=horizon)
    if row is None or not _has(row, "minimum_detectable_effect", "n_treated"):
        return f"Le plus petit effet détectable n'est pas publié : {why(row)}."
    effect = quantity(row["minimum_detectable_effect"], "jour d'arrêt", "jours d'arrêt", 1)
    return (
        f"Avec {quantity(row['n_treated'], 'personne exposée', 'personnes exposées')}, l'étude a "
        f"{round(10 * probability)} chances sur 10 de voir un effet d'au moins {effect} par personne sur "
        f"{horizon} mois. "
        "Un effet plus petit peut exister sans qu'elle le voie."
    )


@dataclass(frozen=True, slots=True)
class Headline:
    """The main result: a sentence in large type, what it means, and whether it is withheld."""

    sentence: str
    meaning: str
    withheld: bool


def headline_words(row: Row | None, horizon: int) -> Headline:
    """The main result in words."""
    if row is None or not _has(row, "difference"):
        return Headline(
            "L'effet des plateformes ne peut pas être énoncé dans cette publication.",
            f"Raison : {why(row)}. L'activité des plateformes, décrite plus bas, n'est pas concernée.",
            withheld=True,
        )
    means = ""
    if _has(row, "value_treated", "value_comparison", "n_treated", "n_comparison"):
        means = (
            f"En moyenne {quantity(row['value_treated'], 'jour', 'jours', 1)} d'arrêt pour "
            f"{quantity(row['n_treated'], 'personne exposée', 'personnes exposées')}, contre "
            f"{quantity(row['value_comparison'], 'jour', 'jours', 1)} pour {number(row['n_comparison'])} personnes "
            "semblables de départements sans plateforme."
        )
    if not _has(row, "ci_low", "ci_high"):
        return Headline(
            f"L'écart observé est de {french.change(row['difference'], 'jour', 'jours')} d'arrêt par personne en "
            f"{horizon} mois, sans intervalle : on ne peut pas conclure à un effet.",
            f"{means} L'incertitude n'a pas pu être mesurée : {why(row)}.".strip(),
            withheld=False,
        )
    low, high = row["ci_low"], row["ci_high"]
    between = french.interval(low, high, "jour d'arrêt", "jours d'arrêt")
    if not french.concludes(low, high):
        return Headline(
            f"On ne peut pas conclure à un effet des plateformes : {between} par personne en {horizon} mois.",
            f"{means} L'intervalle contient zéro : les données sont compatibles avec une baisse, une hausse ou aucun "
            "effet.",
            withheld=False,
        )
    verb = "réduit" if high < 0 else "allongé"
    return Headline(
        f"Vivre dans un département où une plateforme est ouverte a {verb} la durée d'arrêt : {between} par personne "
        f"en {horizon} mois.",
        means,
        withheld=False,
    )


def _interval_chart(headline: Row | None, att: Row | None) -> Markup:
    names = ("difference", "ci_low", "ci_high")
    return charts.interval_chart(
        [
            charts.Interval(label, row["difference"], row["ci_low"], row["ci_high"])
            for label, row in (("Exposés", headline), ("Accompagnés", att))
            if row is not None and _has(row, *names)
        ],
        f"jours d'arrêt par personne{NBSP}: moins, à gauche",
    )


def _curve_chart(rows: list[Row]) -> Markup:
    def curve(arm: str, label: str) -> charts.Curve:
        points = [
            (row["week"], row["share_on_leave"]) for row in rows if row["estimand"] == "ITT" and row["arm"] == arm
        ]
        return charts.Curve(label, sorted(points, key=lambda point: point[0]))

    return charts.curve_chart(
        curve("treated", "exposés à une plateforme"), curve("comparison", "groupe de comparaison")
    )


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the table of results, as printed."""

    estimand: str
    label: str
    treated: str
    comparison: str
    interval: str
    conclusion: str
    n: str


def result(row: Row | None, label: str, estimand: str) -> Result:
    """One outcome of one estimand; masked figures print `n.p.` and the reason."""
    if row is None or not _has(row, "difference"):
        return Result(estimand, label, "n.p.", "n.p.", "n.p.", f"Non publié : {why(row)}.", "n.p.")
    share = row["unit"] == "share"
    one, many = {"share": ("point", "points"), "eur": ("euro", "euros")}.get(row["unit"], ("jour", "jours"))
    factor = 100 if share else 1

    def value(name: str) -> str:
        return percent(row[name], 1) if share else number(row[name], 1)

    n = number(row["n_treated"])
    if not _has(row, "ci_low", "ci_high"):
        between, conclusion = "sans intervalle", "on ne peut pas conclure"
    else:
        low, high = factor * row["ci_low"], factor * row["ci_high"]
        between = french.interval(low, high, one, many)
        conclusion = "l'intervalle exclut zéro" if french.concludes(low, high) else "on ne peut pas conclure"
    return Result(estimand, label, value("value_treated"), value("value_comparison"), between, conclusion, n)


def coherence(headline: Row | None, att: Row | None, uptake: float | None) -> str:
    """ITT against uptake × ATT: the distance is selection and spillover."""
    if (
        headline is None
        or att is None
        or uptake is None
        or not (_has(headline, "difference") and _has(att, "difference"))
    ):
        return (
            "La cohérence des deux effets (effet sur l'ensemble, contre part accompagnée × effet sur les accompagnés) "
            "ne peut pas être calculée dans cette publication."
        )
    through = uptake * att["difference"]
    distance = quantity(abs(headline["difference"] - through), "jour", "jours", 1)
    return (
        f"Cohérence : {percent(uptake)} des exposés sont accompagnés. Si tout passait par l'accompagnement, l'effet "
        f"sur l'ensemble serait de {french.change(through, 'jour', 'jours')} ; on mesure "
        f"{french.change(headline['difference'], 'jour', 'jours')}. L'écart, {distance}, peut venir du hasard, de "
        "la sélection des accompagnés ou d'un effet sur les autres."
    )


def withheld_together(impact: list[Row]) -> str:
    """One sentence in place of the table of results when every effect is withheld for one reason; else empty."""
    reasons = {row["suppression_reason"] for row in impact}
    if any(row["difference"] is not None for row in impact) or len(reasons) != 1:
        return ""
    return "Aucun effet, sur aucun critère ni aucun sous-groupe, n'est publié : la même raison vaut pour tous."


def _savings(rows: Mapping[str, list[Row]], horizon: int) -> list[Row]:
    order = [code.code for code in PERIMETER]
    mine = [row for row in rows["savings"] if row["estimand"] == "ITT" and row["horizon_months"] == horizon]
    return sorted(mine, key=lambda row: order.index(row["perimeter"]))


def savings(row: Row, headline: Row | None) -> str:
    """Net savings of one perimeter in a sentence; a reason already given for the headline is not repeated."""
    perimeter = _label("savings", "perimeter", row["perimeter"])
    start = f"{perimeter[0].upper()}{perimeter[1:]} : "
    if not _has(row, "net_eur_per_person"):
        if _has(row, "gross_eur_per_person"):
            gross = french.euros(row["gross_eur_per_person"])
            return f"{start}économie brute {gross} par personne ; le coût du programme n'est pas connu."
        if headline is not None and headline["suppression_reason"] == row["suppression_reason"]:
            return f"{start}non publié, pour la même raison que l'effet."
        return f"{start}non publié, car {why(row)}."
    if not _has(row, "net_ci_low", "net_ci_high"):
        return f"{start}sans intervalle, on ne peut pas conclure."
    low, high = row["net_ci_low"], row["net_ci_high"]
    end = "." if french.concludes(low, high) else " ; on ne peut pas conclure à une économie."
    return f"{start}{french.money_interval(low, high)}{end}"


def savings_in_detail(rows: list[Row], tariff_year: int) -> list[str]:
    """Gross, parts, cost and net of every perimeter, and the days that repay the cost; what is withheld is left out.

    Args:
        rows: of the table `savings`, one estimand and horizon.
        tariff_year: of the protocol.
    """
    by = {row["perimeter"]: row for row in rows if _has(row, "gross_eur_per_person")}
    said = []
    if "allowances" in by:
        parts = [by[code] for code in ALLOWANCE_PARTS if code in by]
        listed = [
            f"{_label('savings', 'perimeter', row['perimeter']).removeprefix('dont ')} {_gross(row)}" for row in parts
        ]
        of_parts = f", soit {', '.join(listed)}" if listed else ""
        said.append(f"Économie brute {_gross(by['allowances'])}{of_parts}{_net(by['allowances'], cost=True)}.")
    for code, start in (
        ("allowances_and_invalidity", "Avec les pensions d'invalidité"),
        ("allowances_same_tariff", f"Indemnités au barème de {tariff_year}"),
    ):
        if code in by:
            said.append(f"{start} : brut {_gross(by[code])}{_net(by[code])}.")
    whole = by.get("allowances")
    if whole is not None and _has(whole, "break_even_days", "days_avoided_per_person"):
        days = quantity(whole["break_even_days"], "jour d'arrêt évité", "jours d'arrêt évités", 1)
        measured = french.change(-whole["days_avoided_per_person"], "jour", "jours")
        said.append(f"Coût couvert à partir de {days} ; écart mesuré : {measured}.")
    return said


def _gross(row: Row) -> str:
    return french.euros(row["gross_eur_per_person"])


def _net(row: Row, *, cost: bool = False) -> str:
    """What follows a gross saving: the cost, and the net with its interval where the sentences above do not give it."""
    if not _has(row, "cost_eur_per_person", "net_eur_per_person"):
        return ""
    net = f"net {french.euros(row['net_eur_per_person'])}"
    if cost:
        return f" ; coût du programme {french.euros(row['cost_eur_per_person'])}, {net}"
    if row["perimeter"] == "allowances_same_tariff" and _has(row, "net_ci_low", "net_ci_high"):
        return f", {net} ({french.euros(row['net_ci_low'])} à {french.euros(row['net_ci_high'])})"
    return f", {net}"


ITT_DEPARTMENTS = ("ITT", "department")


def trust(balance: list[Row], groups: list[Row], placebo: list[Row]) -> str:
    """Balance and placebo tests in two sentences."""
    gaps = [abs(row["smd_after"]) for row in balance if row["estimand"] == "ITT" and row["smd_after"] is not None]
    alike = (
        f"Avant l'inclusion, les deux groupes ont été comparés sur "
        f"{quantity(len(gaps), 'caractéristique', 'caractéristiques')} : le plus grand écart est de "
        f"{number(max(gaps), 2)} écart-type."
        if gaps
        else "La ressemblance des deux groupes n'est pas publiée."
    )
    there = [row["verdict"] for row in groups if (row["estimand"], row["stratum_type"]) == ITT_DEPARTMENTS]
    judged_there, far = sum(verdict is not None for verdict in there), there.count("warn")
    if far:
        alike += (
            f" Limite dépassée, dans la marge du hasard, dans {quantity(far, 'département', 'départements')} sur "
            f"{judged_there}."
        )
    judged = [row["passed"] for row in placebo if row["passed"] is not None]
    if not judged:
        return f"{alike} Aucun test à blanc n'a pu être mené."
    passed = sum(judged)
    carried = quantity(len(judged), "mené", "menés")
    if len(judged) < len(placebo):
        carried += f" sur {len(placebo)} prévus"
    failed = len(judged) - passed
    found = (
        f"{quantity(failed, 'test trouve', 'tests trouvent')} un effet au-delà du hasard"
        if failed
        else "aucun ne trouve d'effet au-delà du hasard"
    )
    tests = f"Tests à blanc (chercher un effet là où il ne peut y en avoir), {carried} : {found}."
    return f"{alike} {tests}"


LOVE_PLOT_READING = (
    "Lecture : chaque ligne est une caractéristique mesurée avant l'inclusion ; le rond vide dit de combien les deux "
    "groupes différaient avant appariement, le rond plein de combien ils diffèrent après ; à gauche de la limite en "
    "tirets (la plus stricte pour les lignes en gras), ils sont tenus pour semblables."
)


def love_plot(balance: list[Row]) -> Markup:
    """How alike the groups of both estimands are before and after matching."""
    return charts.love_plot(
        {
            title: [
                charts.Gap(
                    _label("balance", "covariate", row["covariate"]), row["smd_before"], row["smd_after"],
                    row["smd_limit"],
                )
                for row in balance
                if row["estimand"] == estimand
            ]
            for estimand, title in (("ITT", "Exposés à une plateforme"), ("ATT", "Accompagnés"))
        }
    )  # fmt: skip


def activity(rows: list[Row]) -> list[tuple[str, str]]:
    """Milestones of all platforms since the opening: (figure, label)."""
    row = _first(rows, platform_id="all", quarter="all")
    names = ("referrals", "contacts", "agreements", "refusals", "withdrawals", "diagnoses", "plans", "exits")
    return [(number(row[name] if row else None), published("platform_activity")[name].label_fr) for name in names]


def delays(rows: list[Row]) -> str:
    """Median delays of the first steps."""
    said = [
        f"{quantity(row['median'], 'jour', 'jours')} {_label('delays', 'step', row['step'])}"
        for step in ("referral_to_first_contact", "first_contact_to_agreement", "diagnosis_to_plan")
        if (row := _first(rows, step=step)) is not None and row["median"] is not None
    ]
    return f"Délai médian : {french.joined(said)}." if said else "Les délais ne sont pas publiés."


PROFILE_LINES = (
    "entry_situation", "sex", "age_band", "pathology", "leave_risk", "status", "occupation_status",
    "cause",
)  # fmt: skip
"""Characteristics of the accompanied in the order in which the synthesis tells the first that are published."""


def profile(rows: list[Row], most: int = 3) -> list[tuple[str, str]]:
    """Who the accompanied persons are: (characteristic, its most frequent modalities)."""
    lines = []
    for variable in PROFILE_LINES:
        shown = sorted(
            (
                row
                for row in rows
                if row["platform_id"] == "all" and row["variable"] == variable and row["share"] is not None
                and row["modality"] != "all"
            ),
            key=lambda row: (-row["share"], row["modality"]),
        )[:most]  # fmt: skip
        if shown:
            words = [f"{_label('participant_profile', 'modality', r['modality'])} {percent(r['share'])}" for r in shown]
            lines.append((_label("participant_profile", "variable", variable), ", ".join(words)))
    return lines[:6]


def sources(rows: list[Row]) -> str:
    """Who refers, and the share from outside article 56."""
    total = sorted(
        (row for row in rows if row["quarter"] == "all" and row["source"] != "all" and row["share"] is not None),
        key=lambda row: (-row["share"], row["source"]),
    )
    if not total:
        return "L'origine des signalements n'est pas publiée."
    first = [f"{_label('referral_sources', 'source', row['source'])} {percent(row['share'])}" for row in total[:3]]
    outside = [row["share"] for row in total if row["outside_article_56"]]
    apart = (row for row in rows if row["quarter"] == "all" and row["outside_article_56"])
    masked = any(row["share"] is None and row["suppressed"] for row in apart)
    least = "au moins " if masked else ""  # a sum of what is left after masking is not the total
    end = f" ; hors des trois origines de l'article 56 : {least}{percent(sum(outside))}" if outside else ""
    return f"Premières origines des signalements : {', '.join(first)}{end}."


def exits(rows: list[Row]) -> str:
    """The most frequent exits."""
    total = [row for row in rows if row["leave_risk"] == "all" and row["exit"] != "all" and row["share"] is not None]
    total.sort(key=lambda row: (-row["share"], row["exit"]))
    said = [f"{_label('exits', 'exit', row['exit'])} {percent(row['share'])}" for row in total[:4]]
    return f"Premières issues : {', '.join(said)}." if said else "Les issues ne sont pas publiées."


def quality(rows: list[Row], missing: tuple[str, ...] = ()) -> str:
    """Rows read, quarantined, repeated; narratives masked or withheld."""
    totals = [row for row in rows if row["rule"] == "all"]
    read, quarantined, duplicate = (
        sum(row[name] or 0 for row in totals) for name in ("rows_read", "rows_quarantined", "rows_duplicate")
    )
    withheld, masked = (
        sum(row["rows_flagged"] or 0 for row in rows if row["rule"] == f"narrative_{fate}")
        for fate in ("withheld", "released")
    )
    share = percent(quarantined / read, 2) if read else "sans objet"
    return (
        f"{quantity(read, 'ligne lue', 'lignes lues')}, dont {quantity(quarantined, 'écartée', 'écartées')} ({share}) "
        f"et {number(duplicate)} en double. "
        f"{quantity(masked, 'texte libre masqué', 'textes libres masqués')} pour la lecture qualitative, "
        f"{quantity(withheld, 'retenu', 'retenus')} par prudence ; aucun texte n'est publié."
        + (f" Livraisons absentes : {french.joined([french.month(each) for each in missing])}." if missing else "")
    )


def limits(headline: Row | None, horizon: int, level: float) -> list[str]:
    """What one may not conclude from this page."""
    said = [
        "Que l'effet serait le même ailleurs : il vaut pour les départements et les personnes observés.",
        f"Que l'effet ou l'économie continue au-delà de {horizon} mois : rien n'est prolongé après la période "
        "observée.",
        "Que la fin des indemnités est un retour au travail : fin de droits, invalidité, retraite et décès les "
        "arrêtent aussi.",
        "Que l'effet sur les accompagnés est prouvé : ceux qui acceptent peuvent différer de façon non mesurée.",
        "Qu'une plateforme fait mieux qu'une autre : l'étude ne les compare pas, et les sous-groupes sont indicatifs.",
    ]
    if headline is not None and _has(headline, "ci_low", "ci_high"):
        if not french.concludes(headline["ci_low"], headline["ci_high"]):
            said.insert(
                0, "Que les plateformes n'ont pas d'effet : ne pas en voir n'est pas prouver qu'il n'y en a pas."
            )
        else:
            said.insert(
                0,
                f"Que l'effet est certain : un intervalle à {percent(level)} se trompe dans {percent(1 - level)} des "
                "cas.",
            )
    else:
        said.insert(
            0, "Que les plateformes ont un effet, ou qu'elles n'en ont pas : la mesure manque dans cette publication."
        )
    return said
