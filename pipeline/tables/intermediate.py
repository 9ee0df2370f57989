"""Tables that never leave the restricted zone, past the pseudonymisation border: no direct identifier among them."""

from __future__ import annotations

from pipeline.tables import codes as c
from pipeline.tables.model import Code, Column, Role, Sensitivity, Table, Type

QI, SA, NO = Sensitivity.QUASI, Sensitivity.SENSITIVE, Sensitivity.NONE
T, N, E, D, B, M, X = Type.TEXT, Type.INTEGER, Type.EUROS, Type.DATE, Type.BOOLEAN, Type.MONTH, Type.DECIMAL


def _(
    name: str,
    type_: Type,
    label_fr: str,
    label_en: str,
    mark: Sensitivity = NO,
    *,
    unit: str | None = None,
    codes: tuple[Code, ...] | None = None,
    key: bool = False,
) -> Column:
    role = Role.KEY if key else Role.ATTRIBUTE
    return Column(name, type_, label_fr, label_en, unit, mark, role, codes=codes)


PERSON = _("person", N, "rang du pseudonyme dans la publication", "rank of the pseudonym in the release", key=True)
CASE = _("case_number", N, "rang du pseudonyme du dossier", "rank of the case's pseudonym")
DEPARTMENT = _("department_code", T, "département", "département", QI)
RISK = _("risk", T, "nature d'assurance", "insurance risk", SA, codes=c.RISK)


def _table(name: str, step: str, fr: str, en: str, key: tuple[str, ...], *columns: Column) -> Table:
    return Table(name, "intermediate", fr, en, columns, key, step=step)


PERSONS = _table(
    "persons", "pseudonymise", "Personnes", "Persons", ("person",),
    PERSON,
    _("person_id", T, "pseudonyme (HMAC)", "pseudonym (HMAC)"),
    _("sex", T, "sexe", "sex", QI, codes=c.SEX),
    _("birth_year", N, "année de naissance", "birth year", QI, unit="year"),
    _("death_date", D, "date de décès", "date of death", SA),
    _("ald_start", D, "début d'ALD", "start of long-term illness", SA),
    _("ald_end", D, "fin d'ALD", "end of long-term illness", SA),
    _("invalidity_category", T, "catégorie d'invalidité", "invalidity category", SA, codes=c.INVALIDITY_CATEGORY),
    _("invalidity_start", D, "début de la pension d'invalidité", "start of invalidity pension", SA),
    _("retirement_date", D, "date de retraite", "retirement date", SA),
)  # fmt: skip
PERSON_HISTORY = _table(
    "person_history", "pseudonymise", "Situations successives", "Successive situations", ("person", "valid_from"),
    PERSON,
    _("valid_from", M, "livraison", "delivery", key=True),
    DEPARTMENT,
    _("scheme", T, "régime", "scheme", QI, codes=c.SCHEME),
    _("social_class", T, "catégorie socioprofessionnelle", "social class", QI, codes=c.SOCIAL_CLASS),
    _("activity_code", T, "activité (NAF rév. 2)", "activity (NAF rev. 2)", QI),
    _("employer_size", T, "taille de l'entreprise", "employer size", QI, codes=c.EMPLOYER_SIZE),
    _("reference_wage", E, "salaire de référence", "reference wage", SA, unit="EUR/month"),
)  # fmt: skip
PAYMENT_LINES = _table(
    "payment_lines", "pseudonymise", "Lignes de paiement", "Payment lines", (),
    PERSON,
    _("flow_date", D, "mise à disposition", "made available"),
    _("period_start", D, "premier jour payé", "first paid day", SA),
    _("period_end", D, "dernier jour payé", "last paid day", SA),
    _("benefit_code", N, "nature de prestation", "kind of benefit", SA),
    RISK,
    _("days_paid", N, "jours payés", "days paid", SA, unit="day"),
    _("quantity", N, "quantité", "quantity", SA, unit="day"),
    _("amount", E, "montant", "amount", SA, unit="EUR"),
    _("revaluation", T, "revalorisation", "revaluation", codes=c.REVALUATION),
    _("scheme", T, "régime", "scheme", QI, codes=c.SCHEME),
    _("expense_qualifier", N, "qualificatif de la dépense", "expense qualifier"),
)  # fmt: skip
REPORTS = _table(
    "reports", "pseudonymise", "Bilans en vigueur", "Reports that stand", ("report_number",),
    PERSON,
    CASE,
    _("report_number", N, "numéro du bilan", "report number", key=True),
    _("platform_id", T, "plateforme", "platform", QI),
    _("birth_year", N, "année de naissance", "birth year", QI, unit="year"),
    _("stage", T, "type de bilan", "stage", codes=c.REPORT_STAGE),
    _("referral_date", D, "signalement", "referral", QI),
    _("first_contact_date", D, "premier contact", "first contact", QI),
    _("diagnosis_date", D, "diagnostic", "diagnosis", QI),
    _("plan_date", D, "parcours", "plan", QI),
    _("report_date", D, "bilan", "report", QI),
    _("exit_date", D, "sortie", "exit date", QI),
    _("referral_source", T, "origine du signalement", "referral source", codes=c.REFERRAL_SOURCE),
    _("occupation_status", T, "statut professionnel", "occupational status", QI, codes=c.OCCUPATION_STATUS),
    _("leave_risk", T, "risque de l'arrêt", "risk of the leave", SA, codes=c.LEAVE_RISK),
    _("pathology", T, "famille de pathologie", "family of pathology", SA, codes=c.PATHOLOGY),
    _("risk_reasons", T, "motifs du risque", "reasons of the risk", SA),
    _("diagnosis_administrative", T, "diagnostic administratif", "administrative diagnosis", SA, codes=c.DIAGNOSIS),
    _("diagnosis_social", T, "diagnostic social", "social diagnosis", SA, codes=c.DIAGNOSIS),
    _("diagnosis_medical", T, "diagnostic médical", "medical diagnosis", SA, codes=c.DIAGNOSIS),
    _("employment_situation", T, "situation d'emploi", "employment situation", SA, codes=c.EMPLOYMENT_SITUATION),
    _("exit", T, "issue", "exit", SA, codes=c.EXIT),
    _("interviews", N, "entretiens", "interviews"),
    _("satisfaction", N, "satisfaction", "satisfaction"),
)  # fmt: skip
REPORT_MEASURES = _table(
    "report_measures", "pseudonymise", "Mesures", "Measures", (),
    PERSON,
    CASE,
    _("report_date", D, "bilan", "report", QI),
    _("measure", T, "mesure", "measure", codes=c.MEASURE),
    _("status", T, "statut", "status", codes=c.MEASURE_STATUS),
    _("start_date", D, "début", "start"),
    _("end_date", D, "fin", "end"),
    _("cost", E, "coût", "cost", unit="EUR"),
)  # fmt: skip
AGREEMENTS = _table(
    "agreements", "pseudonymise", "Accords", "Agreements", (),
    PERSON,
    CASE,
    _("scope", T, "portée", "scope", codes=c.AGREEMENT_SCOPE),
    _("event", T, "événement", "event", codes=c.AGREEMENT_EVENT),
    _("event_date", D, "date", "date", QI),
    _("mode", T, "mode", "mode", codes=c.AGREEMENT_MODE),
)  # fmt: skip
MASKED_TEXTS = _table(
    "masked_texts", "text", "Textes masqués", "Masked texts", ("report_number",),
    _("report_number", N, "numéro du bilan", "report number", key=True),
    _("masked_text", T, "texte masqué", "masked text", SA),
    _("spans", N, "passages masqués", "masked spans"),
)  # fmt: skip
WITHHELD_TEXTS = _table(
    "withheld_texts", "text", "Textes retenus", "Texts withheld", ("report_number", "reason"),
    _("report_number", N, "numéro du bilan", "report number", key=True),
    _("reason", T, "motif", "reason", key=True, codes=c.TEXT_REASON),
)  # fmt: skip
TEXT_INDICATORS = _table(
    "text_indicators", "text", "Indicateurs tirés des textes", "Indicators from texts", ("report_number", "code"),
    _("report_number", N, "numéro du bilan", "report number", key=True),
    _("family", T, "famille", "family", codes=c.INDICATOR_FAMILY),
    _("code", T, "code d'une liste fermée (docs/annotate-reports.md)", "code of a closed list", SA, key=True),
    _("status", T, "ce qu'en dit le bilan", "what the report says of it", SA, codes=c.INDICATOR_STATUS),
)  # fmt: skip
TEXT_COUNTS = _table(
    "text_counts", "text", "Textes par livraison", "Texts by delivery", ("delivery",),
    _("delivery", M, "livraison", "delivery", key=True),
    _("texts", N, "textes", "texts"),
    _("released", N, "textes masqués et rendus lisibles", "texts masked and released"),
)  # fmt: skip
WITHDRAWALS = _table(
    "withdrawals", "pseudonymise", "Retraits", "Withdrawals", ("platform_id", "quarter"),
    _("platform_id", T, "plateforme", "platform", key=True),
    _("quarter", T, "trimestre", "quarter", key=True),
    _("withdrawals", N, "nombre de retraits", "number of withdrawals"),
)  # fmt: skip
EMPLOYMENT = _table(
    "employment", "pseudonymise", "Emploi mensuel", "Monthly employment", ("person", "month"),
    PERSON,
    _("month", M, "mois", "month", key=True),
    _("employed", B, "en emploi", "employed", SA),
    _("contract", T, "nature du contrat", "kind of contract", QI, codes=c.CONTRACT),
    _("working_time_share", N, "quotité", "working-time share", unit="%"),
    _("same_employer", B, "même employeur", "same employer"),
    _("termination_reason", T, "motif de rupture", "reason of termination", SA),
)  # fmt: skip
PLATFORMS = _table(
    "platforms", "pseudonymise", "Plateformes", "Platforms", ("platform_id",),
    _("platform_id", T, "plateforme", "platform", key=True),
    DEPARTMENT,
    _("designation_date", D, "désignation", "designation"),
    _("opening_date", D, "ouverture", "opening"),
    _("closing_date", D, "fin", "closing"),
    _("status", T, "statut", "status", codes=c.PLATFORM_STATUS),
)  # fmt: skip
PROGRAMME_COSTS = _table(
    "programme_costs", "pseudonymise", "Coûts", "Costs", ("platform_id", "month", "category", "funding"),
    _("platform_id", T, "plateforme", "platform", key=True),
    _("month", M, "mois", "month", key=True),
    _("category", T, "catégorie", "category", key=True, codes=c.COST_CATEGORY),
    _("funding", T, "financement", "funding", key=True, codes=c.FUNDING),
    _("amount", E, "montant", "amount", unit="EUR"),
)  # fmt: skip

SPELL = _("spell_number", N, "numéro de l'arrêt", "leave number", key=True)
LEAVE_SPELLS = _table(
    "leave_spells", "leave", "Arrêts reconstitués", "Rebuilt leave spells", ("person", "spell_number"),
    PERSON,
    SPELL,
    RISK,
    _("start_date", D, "début de l'arrêt", "start of the leave", SA),
    _("first_paid_day", D, "premier jour payé", "first paid day", SA),
    _("end_date", D, "dernier jour payé", "last paid day", SA),
    _("part_time_from", D, "début du temps partiel thérapeutique", "start of therapeutic part-time", SA),
    _("days", N, "durée", "duration", SA, unit="day"),
    _("start_observed", B, "début observé", "start observed"),
    _("censored", B, "fin non observée", "end not observed"),
)  # fmt: skip
LEAVE_ENDS = _table(
    "leave_ends", "leave", "Fins d'arrêt", "Ends of leaves", ("person", "spell_number"),
    PERSON,
    SPELL,
    _("end_date", D, "dernier jour payé", "last paid day", SA),
    _("end_reason", T, "motif de fin", "reason of the end", SA, codes=c.END_REASON),
    _("rights_used_up", B, "droits épuisés", "rights used up", SA),
)  # fmt: skip
LEAVE_DAYS = _table(
    "leave_days", "leave", "Jours d'arrêt", "Days on leave", ("person", "kind", "from_day"),
    PERSON,
    _("from_day", D, "premier jour", "first day", SA, key=True),
    _("to_day", D, "dernier jour", "last day", SA),
    _("kind", T, "arrêt, ou dont temps partiel", "leave, or part-time within it", SA, key=True),
)  # fmt: skip
LEAVE_PAYMENTS = _table(
    "leave_payments", "leave", "Montants par période", "Amounts by period",
    ("person", "period_start", "period_end", "risk", "kind", "amount", "days"),
    PERSON,
    RISK,
    _("kind", T, "temps complet ou partiel", "full or part-time", SA, key=True),
    _("period_start", D, "premier jour payé", "first paid day", SA, key=True),
    _("period_end", D, "dernier jour payé", "last paid day", SA, key=True),
    _("days", N, "jours payés", "days paid", SA, unit="day"),
    _("amount", E, "montant", "amount", SA, unit="EUR"),
)  # fmt: skip

LEAVE_FLAGS = _table(
    "leave_flags", "leave", "Arrêts signalés, jamais écartés", "Leaves flagged, never dropped",
    ("person", "spell_number", "flag"),
    PERSON,
    SPELL,
    _("flag", T, "ce que les règles de l'indemnité n'admettent pas", "what the allowance's rules do not allow", SA,
      key=True, codes=c.LEAVE_FLAG),
    _("lines", N, "lignes de paiement concernées", "payment lines concerned", SA),
)  # fmt: skip

ESTIMAND = _("estimand", T, "estimande", "estimand", codes=c.ESTIMAND, key=True)
ARM = _("arm", T, "groupe", "arm", codes=c.ARM)
UNIT = _("unit", N, "unité (personne et arrêt)", "unit (person and leave)", key=True)
ELIGIBILITY = _table(
    "eligibility", "cohort", "Éligibilité des personnes", "Eligibility of persons", ("estimand", "arm", "person"),
    ESTIMAND,
    _("arm", T, "groupe", "arm", codes=c.ARM, key=True),
    PERSON,
    DEPARTMENT,
    _("reason", T, "motif d'exclusion", "reason turned away", codes=c.FLOW_REASON),
)  # fmt: skip
UNITS = _table(
    "units", "cohort", "Personnes éligibles", "Eligible persons", ("estimand", "unit"),
    ESTIMAND,
    UNIT,
    PERSON,
    SPELL,
    ARM,
    DEPARTMENT,
    _("start_date", D, "début de l'arrêt", "start of the leave", SA),
    _("time_zero", D, "temps zéro", "time zero", SA),
    _("elapsed", N, "ancienneté au temps zéro", "elapsed days at time zero", SA, unit="day"),
    _("risk_from", N, "à risque à partir du jour", "at risk from elapsed day", unit="day"),
    _("risk_until", N, "à risque jusqu'au jour", "at risk until elapsed day", unit="day"),
    _("start_quarter", T, "trimestre de début", "quarter of the start"),
    RISK,
    _("ald", B, "ALD", "long-term illness", SA),
    _("part_time_begun", B, "temps partiel thérapeutique commencé", "therapeutic part-time begun", SA),
    _("sex", T, "sexe", "sex", QI, codes=c.SEX),
    _("age", N, "âge", "age", QI, unit="year"),
    _("status", T, "statut", "status", QI, codes=c.STATUS),
    _("sector", T, "secteur", "sector", QI, codes=c.SECTOR),
    _("social_class", T, "catégorie socioprofessionnelle", "social class", QI, codes=c.SOCIAL_CLASS),
    _("employer_size", T, "taille de l'entreprise", "employer size", QI, codes=c.EMPLOYER_SIZE),
    _("wage", E, "salaire de référence", "reference wage", SA, unit="EUR/month"),
    _("daily_allowance", X, "indemnité journalière", "daily allowance", SA, unit="EUR/day"),
    _("contract", T, "contrat", "contract", QI, codes=c.CONTRACT),
    _("working_time_share", N, "quotité", "working-time share", unit="%"),
    _("employed_before", B, "en emploi avant l'arrêt", "employed before the leave", SA),
    _("days_12m", N, "jours d'arrêt, 12 mois avant", "days on leave, 12 months before", SA, unit="day"),
    _("days_24m", N, "jours d'arrêt, 24 mois avant", "days on leave, 24 months before", SA, unit="day"),
    _("days_before", N, "jours d'arrêt, mois -18 à -7", "days on leave, months -18 to -7", SA, unit="day"),
    _("spells_12m", N, "arrêts, 12 mois avant", "leaves, 12 months before", SA),
    _("spells_24m", N, "arrêts, 24 mois avant", "leaves, 24 months before", SA),
    _("euros_12m", X, "indemnités, 12 mois avant", "allowances, 12 months before", SA, unit="EUR"),
    _("euros_24m", X, "indemnités, 24 mois avant", "allowances, 24 months before", SA, unit="EUR"),
    _("prognosis", X, "jours d'arrêt attendus", "expected days on leave", SA, unit="day"),
)  # fmt: skip
MEMBERS = _table(
    "members", "matching", "Ensembles appariés", "Matched sets", ("estimand", "member"),
    ESTIMAND,
    _("member", N, "membre", "member", key=True),
    _("set_id", N, "ensemble", "matched set"),
    ARM,
    PERSON,
    UNIT,
    DEPARTMENT,
    _("time_zero", D, "temps zéro", "time zero", SA),
    _("level", N, "relâchement des strates", "relaxation of the strata"),
    _("status", T, "statut", "status", QI, codes=c.STATUS),
    _("wage", E, "salaire de référence", "reference wage", SA, unit="EUR/month"),
    _("days_before", N, "jours d'arrêt, mois -18 à -7", "days on leave, months -18 to -7", SA, unit="day"),
)  # fmt: skip
OUTCOMES = _table(
    "outcomes", "outcomes", "Résultats", "Outcomes", ("estimand", "member", "horizon_months"),
    ESTIMAND,
    _("member", N, "membre", "member", key=True),
    _("horizon_months", N, "échéance", "horizon", unit="month", key=True),
    _("complete", B, "échéance atteinte", "horizon reached"),
    _("days_on_leave", N, "jours d'arrêt", "days on leave", SA, unit="day"),
    _("days_part_time", N, "dont temps partiel", "of which part-time", SA, unit="day"),
    _("allowance_eur", X, "indemnités", "allowances", SA, unit="EUR"),
    _("sickness_eur", X, "dont maladie, temps plein", "of which sickness, full", SA, unit="EUR"),
    _("work_injury_eur", X, "dont AT/MP, temps plein", "of which work injury, full", SA, unit="EUR"),
    _("part_time_eur", X, "dont temps partiel", "of which part-time", SA, unit="EUR"),
    _("same_tariff_eur", X, "indemnités au barème d'une année", "allowances at one year's tariff", SA, unit="EUR"),
    _("invalidity_eur", X, "pensions d'invalidité", "invalidity pensions", SA, unit="EUR"),
    _("employed", B, "en emploi", "employed", SA),
)  # fmt: skip
EVENTS = _table(
    "events", "outcomes", "Premier événement", "First event", ("estimand", "member"),
    ESTIMAND,
    _("member", N, "membre", "member", key=True),
    _("event", T, "événement", "event", SA, codes=c.EVENT),
    _("event_day", N, "jour depuis le temps zéro", "day since time zero", SA, unit="day"),
    _("followed_days", N, "durée suivie", "days followed", unit="day"),
    _("return_day", N, "jour du retour durable", "day of the sustained return", SA, unit="day"),
)  # fmt: skip
STATES = _table(
    "states", "outcomes", "Situation jour par jour", "State day by day", ("estimand", "member", "first_day"),
    ESTIMAND,
    _("member", N, "membre", "member", key=True),
    _("first_day", N, "premier jour depuis le temps zéro", "first day since time zero", SA, unit="day", key=True),
    _("last_day", N, "dernier jour depuis le temps zéro", "last day since time zero", SA, unit="day"),
    _("state", T, "situation", "state", SA, codes=c.MEMBER_STATE),
    _("as_compared", T, "situation connue dans les deux groupes", "state known in both arms", SA, codes=c.MEMBER_STATE),
)  # fmt: skip

INTERMEDIATE = (
    PERSONS, PERSON_HISTORY, PAYMENT_LINES, REPORTS, REPORT_MEASURES, AGREEMENTS, WITHDRAWALS, EMPLOYMENT, PLATFORMS,
    PROGRAMME_COSTS, MASKED_TEXTS, WITHHELD_TEXTS, TEXT_INDICATORS, TEXT_COUNTS,
    LEAVE_SPELLS, LEAVE_DAYS, LEAVE_PAYMENTS, LEAVE_ENDS, LEAVE_FLAGS,
    ELIGIBILITY, UNITS, MEMBERS, OUTCOMES, EVENTS, STATES,
)  # fmt: skip


def of_step(step: str) -> tuple[Table, ...]:
    """Tables written by one step."""
    return tuple(table for table in INTERMEDIATE if table.step == step)
