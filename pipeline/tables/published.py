"""The published tables, each column once: what leaves, with its unit, its labels and how it is obtained.

Columns follow the output contract. Every table has `release`; every table that counts persons or estimates something
about them ends with `suppressed` and `suppression_reason`. `source` says in one phrase how a figure is obtained.
"""

from __future__ import annotations

from pipeline.tables import codes as c
from pipeline.tables.model import Code, Column, Role, Sensitivity, Table, Type

T, W, N, B, M = Type.TEXT, Type.INTEGER, Type.DECIMAL, Type.BOOLEAN, Type.MONTH

BAND = r"[0-9]+(-[0-9]+|\+)"
"""Bands of numbers (`60-89`, `365+`): their bounds are the protocol's, so no closed list can name them."""

BANDED = ("stratum", "modality", "age_band")
"""Columns that may hold a band of numbers beside the codes of their closed list."""

EXACT = ("data_quality", "disclosure")
"""Tables that count file rows and cells, not persons: exact, never suppressed (declared in the audit)."""


def _key(name: str, type_: Type, fr: str, en: str, *, codes: tuple[Code, ...] | None = None,
         unit: str | None = None, source: str = "key") -> Column:  # fmt: skip
    return Column(name, type_, fr, en, unit, role=Role.KEY, source=source, nullable=False, codes=codes)


def _dimension(name: str, type_: Type, fr: str, en: str, source: str, *, codes: tuple[Code, ...] | None = None,
               unit: str | None = None, nullable: bool = True) -> Column:  # fmt: skip
    return Column(name, type_, fr, en, unit, role=Role.DIMENSION, source=source, nullable=nullable, codes=codes)


def _persons(name: str, fr: str, en: str, source: str, unit: str = "person") -> Column:
    return Column(name, W, fr, en, unit, role=Role.COUNT, source=source)


def _estimate(name: str, fr: str, en: str, unit: str | None, source: str) -> Column:
    return Column(name, N, fr, en, unit, role=Role.ESTIMATE, source=source)


def _flag(name: str, fr: str, en: str, source: str, *, nullable: bool = False) -> Column:
    return Column(name, B, fr, en, role=Role.FLAG, source=source, nullable=nullable)


def _exact(name: str, type_: Type, fr: str, en: str, unit: str | None, source: str) -> Column:
    return Column(name, type_, fr, en, unit, source=source)


RELEASE = _key("release", M, "mois de publication", "release month", source="month of the run")
SUPPRESSED = (
    _flag("suppressed", "ligne ou case masquée", "row or cell suppressed", "disclosure control of the release"),
    Column("suppression_reason", T, "raison du masquage", "reason of the suppression", role=Role.FLAG,
           source="disclosure control of the release", codes=c.SUPPRESSION),
)  # fmt: skip

ESTIMAND = _key("estimand", T, "effet mesuré", "estimand", codes=c.ESTIMAND)
OUTCOME = _key("outcome", T, "critère de jugement", "outcome", codes=c.OUTCOME)
ARM = _key("arm", T, "groupe", "arm", codes=c.ARM)
HORIZON = _key("horizon_months", W, "échéance", "horizon", unit="month")
WEEK = _key("week", W, "semaine après l'inclusion", "week after time zero", unit="week")
PLATFORM = _key("platform_id", T, "plateforme", "platform", source="register of platforms; `all` for the total")
QUARTER = _key("quarter", T, "trimestre", "quarter", source="quarter of the event; `all` for the total")
UNIT = _dimension("unit", T, "unité de la ligne", "unit of the row", "unit of the outcome", codes=c.UNIT,
                  nullable=False)  # fmt: skip
PAIR_CLUSTERED = "clustered on matched sets, départements held fixed: too short for anything but these départements"
INTERVAL = "delete-one-département jackknife, t(G-1), at the protocol's level"


def _interval(unit: str | None) -> tuple[Column, Column]:
    return (
        _estimate("ci_low", "borne basse de l'intervalle", "lower bound of the interval", unit, INTERVAL),
        _estimate("ci_high", "borne haute de l'intervalle", "upper bound of the interval", unit, INTERVAL),
    )


def _table(name: str, fr: str, en: str, key: str, *columns: Column, description: str = "",
           suppressible: bool = True) -> Table:  # fmt: skip
    """A published table: `release`, its own columns and, unless it holds no figure on persons, the two flags."""
    return Table(
        name, "published", fr, en, (RELEASE, *columns, *(SUPPRESSED if suppressible else ())),
        key=("release", *key.split()) if key else (), step="publish", description=description,
    )  # fmt: skip


IMPACT = _table(
    "impact", "Effets mesurés", "Measured effects", "estimand outcome horizon_months stratum_type stratum",
    ESTIMAND, OUTCOME, HORIZON,
    _key("stratum_type", T, "découpage", "kind of stratum", codes=c.STRATUM_TYPE),
    _key("stratum", T, "strate", "stratum", codes=c.STRATUM),
    _persons("n_treated", "personnes du groupe exposé", "treated persons", "matched treated with a complete horizon"),
    _persons("n_comparison", "personnes du groupe de comparaison", "comparison persons",
             "distinct matched comparison persons with a complete horizon"),
    _estimate("value_treated", "valeur dans le groupe exposé", "value in the treated arm", "see unit",
              "mean over the matched treated"),
    _estimate("value_comparison", "valeur dans le groupe de comparaison", "value in the comparison arm", "see unit",
              "weighted mean over the matched comparison persons"),
    _estimate("difference", "différence, exposé moins comparaison", "difference, treated minus comparison", "see unit",
              "value_treated - value_comparison (days and euros: negative is good)"),
    *_interval("see unit"),
    _dimension("ci_method", T, "méthode de l'intervalle", "method of the interval", "see docs/method"),
    _estimate("e_value", "E-value de l'effet", "E-value of the effect", "risk ratio",
              "VanderWeele and Ding 2017: unmeasured confounding needed to explain the effect away"),
    _flag("is_headline", "résultat principal", "headline result", "ITT, days_on_leave, primary horizon, all"),
    _estimate("e_value_bound", "E-value de la borne de l'intervalle", "E-value of the interval's bound", "risk ratio",
              "as e_value, for the bound nearest to no effect; 1 where the interval holds no effect"),
    _estimate("randomisation_p", "valeur p par échange de signe des départements", "randomisation p-value", "share",
              "exchange of the signs of treated départements' differences; empty under the protocol's number of them"),
    _estimate("individual_ci_low", "borne basse, niveau individuel seul", "lower bound, individual level only",
              "see unit", PAIR_CLUSTERED),
    _estimate("individual_ci_high", "borne haute, niveau individuel seul", "upper bound, individual level only",
              "see unit", PAIR_CLUSTERED),
    _estimate("treated_departments", "départements exposés", "treated départements", "département",
              "with a matched set that counts: the interval has one degree of freedom less"),
    _estimate("outcome_sd", "écart-type du critère", "standard deviation of the outcome", "see unit",
              "within arms, both arms weighing the same; the E-value reads it"),
    UNIT,
    description="Treated minus comparison for each outcome, horizon and pre-specified subgroup.",
)  # fmt: skip

RETURN_TO_WORK_CURVE = _table(
    "return_to_work_curve", "Courbe de retour au travail et d'événements concurrents",
    "Curve of return to work and competing events", "estimand arm week event",
    ESTIMAND, ARM, WEEK, _key("event", T, "événement", "event", codes=c.EVENT),
    _estimate("cumulative_incidence", "incidence cumulée", "cumulative incidence", "share",
              "Aalen-Johansen, competing events, censoring at the end of follow-up"),
    *_interval("share"),
    _persons("at_risk", "personnes encore suivies sans événement", "persons still followed without an event",
             "at the start of the week"),
    description="Share of each arm that has met each event by the end of each week after time zero.",
)  # fmt: skip

ON_LEAVE_CURVE = _table(
    "on_leave_curve", "Courbe hebdomadaire de présence en arrêt", "Weekly curve of being on leave",
    "estimand arm week",
    ESTIMAND, ARM, WEEK,
    _estimate("share_on_leave", "part en arrêt", "share on leave", "share",
              "matched persons on leave, full or part-time, in that week"),
    _estimate("share_part_time", "part en temps partiel thérapeutique", "share in therapeutic part-time", "share",
              "matched persons in the part-time phase of a leave in that week"),
    *_interval("share"),
    description="Share of each arm on leave, week after week: programmes may hold people first and help later.",
)  # fmt: skip

SAVINGS = _table(
    "savings", "Économies nettes des coûts", "Savings net of costs", "estimand perimeter horizon_months",
    ESTIMAND, _key("perimeter", T, "périmètre", "perimeter", codes=c.PERIMETER), HORIZON,
    _persons("n_persons", "personnes", "persons", "treated persons with a complete horizon"),
    _estimate("gross_eur_per_person", "économie brute par personne", "gross saving per person", "EUR/person",
              "euros paid in the comparison arm minus the treated arm"),
    _estimate("cost_eur_per_person", "coût du programme par personne", "programme cost per person", "EUR/person",
              "platform costs up to the end of the entry window over the persons entered by then; empty, with what "
              "rests on it, for the parts of the allowances, which have no cost of their own"),
    _estimate("net_eur_per_person", "économie nette par personne", "net saving per person", "EUR/person",
              "gross_eur_per_person - cost_eur_per_person"),
    _estimate("net_ci_low", "borne basse de l'économie nette", "lower bound of the net saving", "EUR/person", INTERVAL),
    _estimate("net_ci_high", "borne haute de l'économie nette", "upper bound of the net saving", "EUR/person",
              INTERVAL),
    _estimate("gross_total_eur", "économie brute totale", "total gross saving", "EUR", "per person x n_persons"),
    _estimate("cost_total_eur", "coût total", "total cost", "EUR", "per person x n_persons"),
    _estimate("net_total_eur", "économie nette totale", "total net saving", "EUR", "per person x n_persons"),
    _estimate("probability_net_positive", "probabilité d'une économie nette", "probability of a net saving", "share",
              "one-sided confidence that the net saving is above zero, Student's t; same draws as the effect"),
    _estimate("cost_eur_per_day_avoided", "coût par jour d'arrêt évité", "cost per day of leave avoided", "EUR/day",
              "cost per person over days avoided per person; empty where no day is avoided"),
    _estimate("gross_ci_low", "borne basse de l'économie brute", "lower bound of the gross saving", "EUR/person",
              INTERVAL),
    _estimate("gross_ci_high", "borne haute de l'économie brute", "upper bound of the gross saving", "EUR/person",
              INTERVAL),
    _estimate("days_avoided_per_person", "jours d'arrêt évités par personne", "days of leave avoided per person",
              "day/person", "days on leave in the comparison arm minus the treated arm; empty for the parts"),
    _estimate("cost_per_day_ci_low", "borne basse du coût par jour évité", "lower bound of the cost per day avoided",
              "EUR/day", "cost per person over the upper bound of the days avoided (Fieller 1954, constant numerator)"),
    _estimate("cost_per_day_ci_high", "borne haute du coût par jour évité", "upper bound of the cost per day avoided",
              "EUR/day", "cost per person over the lower bound of the days avoided; empty, without bound, where that "
              "is not above zero"),
    _estimate("break_even_days", "jours à éviter par personne pour couvrir le coût",
              "days to avoid per person to repay the cost", "day/person",
              "cost per person over the allowances per day on leave of the comparison arm; of allowances alone"),
    description="Euros really paid, treated against comparison, minus what the platforms cost. The parts of the "
                "allowances (sickness, work injuries, therapeutic part-time) add up to them, shown or masked together.",
)  # fmt: skip

BALANCE = _table(
    "balance", "Ressemblance des groupes comparés", "Balance of the matched groups", "estimand covariate",
    ESTIMAND,
    _key("covariate", T, "caractéristique avant l'inclusion", "covariate before time zero", codes=c.COVARIATE),
    _estimate("smd_before", "différence standardisée avant appariement", "standardised difference before matching",
              "standard deviation",
              "treated minus all comparison units at risk for somebody treated, over the treated's standard deviation"),
    _estimate("smd_after", "différence standardisée après appariement", "standardised difference after matching",
              "standard deviation", "as smd_before, with the matching weights"),
    _estimate("variance_ratio_after", "rapport des variances après appariement", "variance ratio after matching",
              "ratio", "treated over comparison; empty for yes/no covariates"),
    _estimate("ks_after", "écart maximal des distributions après appariement", "Kolmogorov-Smirnov after matching",
              "share", "largest distance between the two distribution functions"),
    _estimate("variance_ratio_before", "rapport des variances avant appariement", "variance ratio before matching",
              "ratio", "as variance_ratio_after, over everyone eligible"),
    _estimate("ks_before", "écart maximal des distributions avant appariement", "Kolmogorov-Smirnov before matching",
              "share", "as ks_after, over everyone eligible"),
    _exact("smd_limit", N, "limite de la différence standardisée", "limit of the standardised difference",
           "standard deviation", "the protocol's: stricter for prior days and expected days on leave"),
    description="How alike the two arms are before time zero: read before any outcome.",
)  # fmt: skip

BALANCE_GROUPS = _table(
    "balance_groups", "Ressemblance par département et par sous-groupe", "Balance by département and subgroup",
    "estimand stratum_type stratum",
    ESTIMAND,
    _key("stratum_type", T, "découpage", "kind of stratum", codes=c.BALANCE_STRATUM_TYPE),
    _key("stratum", T, "strate ou département", "stratum or département",
         source="key; a code of the stratum as in `impact`, or the number of a département of the register"),
    _estimate("smd_largest", "plus grande différence standardisée", "largest standardised difference",
              "standard deviation",
              "largest absolute difference over the covariates after matching, to a hundredth, over the standard "
              "deviation of all the treated"),
    _dimension("smd_covariate", T, "caractéristique la plus éloignée", "covariate farthest apart",
               "covariate of smd_largest; empty where that is withheld or stands from an earlier release",
               codes=c.COVARIATE),
    _estimate("smd_strict_largest", "plus grande différence standardisée, jours d'arrêt antérieurs et attendus",
              "largest standardised difference, prior and expected days on leave", "standard deviation",
              "as smd_largest, over the covariates held to the stricter limit"),
    _estimate("ks_largest", "plus grand écart des distributions", "largest Kolmogorov-Smirnov distance", "share",
              "largest over the covariates after matching, to a hundredth"),
    _estimate("variance_ratio_smallest", "plus petit rapport des variances", "smallest variance ratio", "ratio",
              "treated over comparison, over the covariates that are not yes/no, to a hundredth"),
    _estimate("variance_ratio_largest", "plus grand rapport des variances", "largest variance ratio", "ratio",
              "treated over comparison, over the covariates that are not yes/no, to a hundredth"),
    _dimension("verdict", T, "jugement", "verdict",
               "worst finding of the gate, which judges everyone and each département; empty for other strata, which "
               "do not decide, and where smd_largest is withheld or stands from an earlier release",
               codes=c.GATE_STATUS),
    description="How alike the arms are within each département and subgroup, by their least alike covariate.",
)  # fmt: skip

FLOW = _table(
    "flow", "Flux des personnes, étape par étape", "Flow of persons, step by step", "estimand arm step reason",
    ESTIMAND, ARM,
    _key("step", T, "étape", "step", codes=c.FLOW_STEP),
    _key("reason", T, "raison de la sortie du flux", "reason of leaving the flow", codes=c.FLOW_REASON),
    _persons("n_entering", "personnes entrant dans l'étape", "persons entering the step", "attrition of the cohort"),
    _persons("n_lost", "personnes perdues pour cette raison", "persons lost for this reason",
             "attrition of the cohort"),
    _persons("n_leaving", "personnes restant après l'étape", "persons left after the step",
             "attrition of the cohort"),
    description="Who leaves the analysis, where and why.",
)  # fmt: skip

SENSITIVITY = _table(
    "sensitivity", "Analyses de sensibilité", "Sensitivity analyses", "specification",
    _key("specification", T, "spécification", "specification", codes=c.SPECIFICATION),
    _dimension("estimand", T, "effet mesuré", "estimand", "the specification's", codes=c.ESTIMAND, nullable=False),
    _dimension("outcome", T, "critère de jugement", "outcome", "the specification's", codes=c.OUTCOME, nullable=False),
    _dimension("horizon_months", W, "échéance", "horizon", "the specification's", unit="month", nullable=False),
    _estimate("difference", "différence, exposé moins comparaison", "difference, treated minus comparison",
              "unit of the outcome", "the headline computed again with one decision changed"),
    *_interval("unit of the outcome"),
    _dimension("description", T, "décision modifiée", "decision changed", "the protocol", nullable=False),
    _estimate("p_holm", "valeur p de l'interaction, corrigée", "p-value of the interaction, adjusted", "share",
              "interactions alone: Holm over the subgroups of the estimand; empty under the protocol's number of "
              "treated départements"),
    description="The headline under other decisions, one changed at a time; `interaction_` rows: the effect in one "
                "half of a pre-specified subgroup minus the effect in the other.",
)  # fmt: skip

PLACEBO = _table(
    "placebo", "Tests à blanc", "Placebo tests", "test",
    _key("test", T, "test", "test", codes=c.PLACEBO_TEST),
    _dimension("estimand", T, "effet mesuré", "estimand", "the test's", codes=c.ESTIMAND, nullable=False),
    _estimate("difference", "différence là où il ne peut y avoir d'effet", "difference where there can be no effect",
              "unit of the test's outcome", "the effect's own method on a date, place or outcome without programme"),
    *_interval("unit of the test's outcome"),
    _flag("passed", "test réussi", "passed", "Holm over the tests; empty when the data cannot carry the test",
          nullable=True),
    _dimension("description", T, "ce que le test vérifie", "what the test checks", "the protocol", nullable=False),
    description="Effects looked for where there can be none: a failing one withholds the headline.",
)  # fmt: skip

POWER = _table(
    "power", "Plus petit effet détectable", "Minimum detectable effect", "estimand outcome horizon_months",
    ESTIMAND, OUTCOME, HORIZON,
    _persons("n_treated", "personnes du groupe exposé", "treated persons", "matched treated with a complete horizon"),
    _estimate("minimum_detectable_effect", "plus petit effet détectable", "minimum detectable effect", "see unit",
              "(t for the level + t for the power) x jackknife standard error"),
    UNIT,
    description="What the study can see with its numbers: printed before any effect.",
)  # fmt: skip


def _activity(name: str, fr: str, en: str) -> Column:
    return _persons(name, fr, en, "persons of the platform whose event falls in the quarter")


PLATFORM_ACTIVITY = _table(
    "platform_activity", "Activité des plateformes", "Activity of the platforms", "platform_id quarter",
    PLATFORM, QUARTER,
    _activity("referrals", "signalements", "referrals"),
    _activity("contacts", "premiers contacts", "first contacts"),
    _activity("agreements", "accords", "agreements"),
    _activity("refusals", "refus", "refusals"),
    _activity("withdrawals", "retraits", "withdrawals"),
    _activity("diagnoses", "diagnostics", "diagnoses"),
    _activity("plans", "parcours", "plans"),
    _activity("reports", "bilans", "reports"),
    _activity("exits", "sorties", "exits"),
    description="Persons at each milestone of the accompaniment.",
)  # fmt: skip

PARTICIPANT_PROFILE = _table(
    "participant_profile", "Profil des personnes accompagnées", "Profile of the accompanied persons",
    "platform_id variable modality",
    PLATFORM, _key("variable", T, "caractéristique", "variable", codes=c.PROFILE_VARIABLE),
    _key("modality", T, "modalité", "modality", codes=c.PROFILE_MODALITY),
    _persons("n", "personnes", "persons", "accompanied persons with an agreement"),
    _estimate("share", "part des personnes", "share of persons", "share", "rounded count over rounded total"),
    description="Who the accompanied persons are, one characteristic at a time.",
)  # fmt: skip

REFERRAL_SOURCES = _table(
    "referral_sources", "Origine des signalements", "Referral sources", "source quarter",
    _key("source", T, "origine du signalement", "referral source", codes=c.REFERRAL_SOURCE_OR_ALL), QUARTER,
    _persons("n", "personnes", "persons", "persons with an agreement, by the origin of their first report"),
    _estimate("share", "part des personnes", "share of persons", "share", "rounded count over rounded total"),
    _flag("outside_article_56", "hors des trois origines de l'article 56", "outside the three origins of article 56",
          "list of sources", nullable=True),
    description="Who referred the persons, the three origins of article 56 and the others apart.",
)  # fmt: skip

DELAYS = _table(
    "delays", "Délais du parcours", "Delays of the accompaniment", "step",
    _key("step", T, "étape", "step", codes=c.DELAY_STEP),
    _persons("n", "personnes", "persons", "persons with both dates"),
    _estimate("p25", "premier quartile", "first quartile", "day", "a quarter of the persons waited less"),
    _estimate("median", "médiane", "median", "day", "half of the persons waited less"),
    _estimate("p75", "troisième quartile", "third quartile", "day", "three quarters of the persons waited less"),
    description="Days between the milestones of the accompaniment.",
)  # fmt: skip

MEASURES = _table(
    "measures", "Mesures mobilisées", "Measures used", "measure status",
    _key("measure", T, "mesure", "measure", codes=c.MEASURE_OR_ALL),
    _key("status", T, "statut de la mesure", "status of the measure", codes=c.MEASURE_STATUS_OR_ALL),
    _persons("n", "personnes", "persons", "persons with the measure at that status in their last report"),
    _estimate("share", "part des personnes", "share of persons", "share", "rounded count over rounded total"),
    _estimate("mean_cost_eur", "coût moyen", "mean cost", "EUR/person", "mean over the persons with a cost given"),
    description="What was proposed, accepted, refused, carried out or abandoned.",
)  # fmt: skip

EXITS = _table(
    "exits", "Issues de l'accompagnement", "Exits", "exit leave_risk",
    _key("exit", T, "issue", "exit", codes=c.EXIT_OR_ALL),
    _key("leave_risk", T, "risque de l'arrêt", "risk of the leave", codes=c.LEAVE_RISK_OR_ALL),
    _persons("n", "personnes", "persons", "persons by the exit of their last report"),
    _estimate("share", "part des personnes", "share of persons", "share", "rounded count over rounded total"),
    description="How the accompaniments end.",
)  # fmt: skip

SITUATIONS = _table(
    "situations", "Situations au fil des bilans", "Situations along the reports", "stage dimension modality",
    _key("stage", T, "type de bilan", "stage of the report", codes=c.REPORT_STAGE),
    _key("dimension", T, "dimension du bilan", "dimension of the report", codes=c.SITUATION_DIMENSION),
    _key("modality", T, "modalité", "modality", codes=c.SITUATION_MODALITY),
    _persons("n", "personnes à ce bilan", "persons at this stage",
             "persons with a report at `initial` and at the stage"),
    _estimate("share", "part des personnes", "share of persons", "share", "rounded count over rounded total"),
    _persons("n_initial", "mêmes personnes, au bilan initial", "same persons, at their first report",
             "the same persons, by their first report"),
    description="The same persons at their first report and at each later stage.",
)  # fmt: skip

DEPARTMENTS = _table(
    "departments", "Départements", "Départements", "department_code",
    _key("department_code", T, "département", "département"),
    Column("designated", B, "département désigné", "designated département", role=Role.FLAG,
           source="register of platforms", nullable=False),
    _persons("persons_on_long_leave", "personnes en arrêt long", "persons on long leave",
             "eligible persons reaching the trigger duration"),
    _persons("participants", "personnes accompagnées", "accompanied persons", "persons with an agreement"),
    _estimate("share", "part accompagnée", "share accompanied", "share", "rounded participants over rounded persons"),
    description="Persons on long leave and participants by département of residence.",
)  # fmt: skip

LEAVES = _table(
    "leaves", "Arrêts reconstitués", "Rebuilt leaves", "year variable modality",
    _key("year", T, "année", "year", source="last calendar year all of whose paid days are known"),
    _key("variable", T, "découpage", "breakdown", codes=c.LEAVES_VARIABLE),
    _key("modality", T, "modalité", "modality", codes=c.LEAVES_MODALITY),
    _persons("n", "personnes", "persons", "persons with a sickness leave paid in the year: so long, or of that age"),
    _estimate("share", "part des arrêts", "share of leaves", "share",
              "leaves over all leaves paid in the year, whole percent; empty for the whole"),
    _estimate("mean_days", "jours payés par arrêt", "paid days a leave", "day",
              "days paid in the year over leaves, whole days; empty by duration"),
    _exact("national_share", N, "part nationale des arrêts", "national share of leaves", "share",
           "general scheme, 2023 (sources in pipeline/leave/national.py); empty where none is known"),
    _exact("national_mean_days", N, "jours payés par arrêt au niveau national", "national paid days a leave", "day",
           "general scheme, 2023, 2016 by age (sources in pipeline/leave/national.py); empty where none is known"),
    description="Sickness leaves with a paid day in the year, as seen at its end, waiting days left out, beside "
                "national orders of magnitude: is what was rebuilt plausible?",
)  # fmt: skip

DATA_QUALITY = _table(
    "data_quality", "Qualité des données reçues", "Quality of the data received", "delivery input_table rule",
    _key("delivery", M, "livraison", "delivery"), _key("input_table", T, "table reçue", "input table"),
    _key("rule", T, "règle", "rule",
         source="reason code of the input contract or rule of the allowance; `all` for the whole table"),
    _exact("rows_read", W, "lignes lues", "rows read", "row", "rows of the files, header left out"),
    _exact("rows_accepted", W, "lignes acceptées", "rows accepted", "row", "typed rows that break no blocking rule"),
    _exact("rows_quarantined", W, "lignes écartées", "rows quarantined", "row", "rows that break a blocking rule"),
    _exact("rows_duplicate", W, "lignes en double", "duplicate rows", "row", "rows already received"),
    _exact("rate", N, "part des lignes lues", "share of the rows read", "share",
           "rows quarantined or flagged by the rule over rows read"),
    _exact("rows_flagged", W, "lignes signalées sans être écartées", "rows flagged and kept", "row",
           "rows that break a rule that only warns or a rule of the allowance, or whose narrative was judged"),
    description="Every row read is accepted, quarantined or a duplicate. Counts file rows: exact, never suppressed.",
    suppressible=False,
)  # fmt: skip

DISCLOSURE = _table(
    "disclosure", "Masquage par table", "Suppression by table", "published_table",
    _key("published_table", T, "table publiée", "published table"),
    _exact("cells", W, "cases", "cells", "cell", "cells that count persons or estimate something about them"),
    _exact("suppressed_primary", W, "cases masquées (secret primaire)", "cells suppressed, primary", "cell",
           "fewer than k persons, complement under k, or dominance"),
    _exact("suppressed_secondary", W, "cases masquées (secret secondaire)", "cells suppressed, secondary", "cell",
           "would give a masked cell away by subtraction"),
    _exact("share_persons_masked", N, "part des personnes dans des cases masquées",
           "share of persons in suppressed cells", "share", "persons of suppressed cells over persons of the table"),
    _exact("smallest_published_count", W, "plus petit effectif publié", "smallest published count", "person",
           "smallest non-empty count of the table"),
    description="What was masked in each table. Counts cells: exact, never suppressed.",
    suppressible=False,
)  # fmt: skip


def _quasi(name: str, fr: str, en: str, codes: tuple[Code, ...] | None, source: str) -> Column:
    return Column(name, T, fr, en, sensitivity=Sensitivity.QUASI, role=Role.DIMENSION, source=source, nullable=False,
                  codes=codes)  # fmt: skip


def _sensitive(name: str, type_: Type, fr: str, en: str, unit: str | None, source: str,
               codes: tuple[Code, ...] | None = None) -> Column:  # fmt: skip
    return Column(name, type_, fr, en, unit, Sensitivity.SENSITIVE, Role.ATTRIBUTE, source, codes=codes)


GENERALISED = "value at time zero, generalised until its class holds k persons; `*` = masked"
MICRODATA = _table(
    "microdata", "Microdonnées anonymisées", "Anonymised microdata", "",
    _quasi("index_quarter", "trimestre d'inclusion", "quarter of time zero", None, "quarter of time zero"),
    Column("arm", T, "groupe", "arm", sensitivity=Sensitivity.QUASI, role=Role.DIMENSION, nullable=False,
           source="residence at time zero: it says what `territory` says", codes=c.ARM),
    _exact("weight", N, "poids d'appariement", "matching weight", "person", "sums to the treated in each arm"),
    _quasi("sex", "sexe", "sex", c.PUBLISHED_SEX, GENERALISED),
    _quasi("age_band", "tranche d'âge", "age band", c.AGE_BAND, GENERALISED),
    _quasi("territory", "territoire", "territory", c.TERRITORY, GENERALISED),
    _quasi("status", "statut professionnel", "occupational status", c.STATUS, GENERALISED),
    _quasi("sector", "secteur d'activité", "sector of activity", c.SECTOR, GENERALISED),
    _quasi("cause", "cause de l'arrêt", "cause of the leave", c.CAUSE, GENERALISED),
    _sensitive("days_on_leave_6m", W, "jours d'arrêt à 6 mois", "days on leave at 6 months", "day",
               "rounded to the protocol's days"),
    _sensitive("days_on_leave_12m", W, "jours d'arrêt à 12 mois", "days on leave at 12 months", "day",
               "rounded to the protocol's days"),
    _sensitive("returned_6m", B, "retour durable à 6 mois", "sustained return at 6 months", None,
               "sustained return to work within 182 days"),
    _sensitive("returned_12m", B, "retour durable à 12 mois", "sustained return at 12 months", None,
               "sustained return to work within 365 days"),
    _sensitive("state_12m", T, "situation à 12 mois", "state at 12 months", None,
               "state on day 365 after time zero, as payment lines and employment tell it", c.STATE),
    _sensitive("allowance_eur_12m", W, "indemnités journalières à 12 mois", "daily allowances at 12 months", "EUR",
               "rounded to the protocol's euros"),
    description="One row per person of the ITT cohort, in no order that means anything; accompaniment is not marked.",
    suppressible=False,
)  # fmt: skip

DICTIONARY = _table(
    "dictionary", "Dictionnaire des données", "Data dictionary", "table_name column_name",
    _key("table_name", T, "table", "table"), _key("column_name", T, "colonne", "column"),
    _exact("type", T, "type", "type", None, "registry of the tables"),
    _exact("unit", T, "unité", "unit", None, "registry of the tables"),
    _exact("label_fr", T, "libellé français", "French label", None, "registry of the tables"),
    _exact("label_en", T, "libellé anglais", "English label", None, "registry of the tables"),
    _exact("source", T, "comment la valeur est obtenue", "how the value is obtained", None, "registry of the tables"),
    _exact("codes", T, "codes et libellés (JSON)", "codes and labels (JSON)", None,
           "closed list as {code: {fr, en}}; empty where the column is open"),
    description="Every published column with its type, unit, labels and codes.",
    suppressible=False,
)  # fmt: skip

PUBLISHED: tuple[Table, ...] = (
    IMPACT, RETURN_TO_WORK_CURVE, ON_LEAVE_CURVE, SAVINGS, BALANCE, BALANCE_GROUPS, FLOW, SENSITIVITY, PLACEBO, POWER,
    PLATFORM_ACTIVITY, PARTICIPANT_PROFILE, REFERRAL_SOURCES, DELAYS, MEASURES, EXITS, SITUATIONS, DEPARTMENTS, LEAVES,
    DATA_QUALITY, DISCLOSURE, MICRODATA, DICTIONARY,
)  # fmt: skip

_BY_NAME = {table.name: table for table in PUBLISHED}


def published(name: str) -> Table:
    """The published table of that name.

    Raises:
        KeyError: no published table has that name.
    """
    return _BY_NAME[name]


def suppressible(table: Table) -> bool:
    """Whether the table holds figures on persons, and so the two suppression columns."""
    return "suppressed" in table.names
