"""The eight input tables: the only place where the source systems' names and codes are written.

Rules follow the input contract; their reason codes are those a sender sees when checking a delivery before sending it.
A rule's `breaks` is SQL over English column names, true where the row breaks the rule; NULL counts as not broken.
"""

from __future__ import annotations

from pipeline.tables import codes as c
from pipeline.tables.model import Check, Code, Column, Role, Rule, Sensitivity, Table, Type

DI, QI, SA, TEXT_RISK = Sensitivity.DIRECT, Sensitivity.QUASI, Sensitivity.SENSITIVE, Sensitivity.FREE_TEXT

_DEPARTEMENT = r"regexp_matches({c}, '^(0(0[1-9]|[1-8][0-9]|9[0-5])|20[12]|97[1-6])$')"
DEPARTEMENT = Check("unknown_departement", f"NOT {_DEPARTEMENT}")
DEPARTEMENT_OR_UNKNOWN = Check("unknown_departement", f"NOT ({_DEPARTEMENT} OR {{c}} IN ('099', '999'))")
NIR_KEY = Check(
    "wrong_nir_key",
    "{c} IS NULL OR NOT regexp_matches({c}, '^[0-9]{{5}}([0-9]{{2}}|2A|2B)[0-9]{{8}}$') "
    "OR 97 - TRY_CAST(replace(replace(substr({c}, 1, 13), '2A', '19'), '2B', '18') AS BIGINT) % 97 "
    "<> TRY_CAST(substr({c}, 14, 2) AS BIGINT)",
)
MONTH = Check("impossible_date", "{c} IS NULL OR NOT regexp_matches({c}, '^[0-9]{{4}}-(0[1-9]|1[0-2])$')")
OPEN_DATE = "DATE '1600-01-01'"
"""Sentinel of the SNDS: no date, still open, alive."""


def _missing(reason: str = "missing_key") -> tuple[Check, ...]:
    return (Check(reason, "{c} IS NULL"),)


def _column(
    source: str,
    name: str,
    type_: Type,
    label_fr: str,
    label_en: str,
    *,
    mark: Sensitivity = Sensitivity.NONE,
    empty: bool = False,
    codes: tuple[Code, ...] | None = None,
    checks: tuple[Check, ...] = (),
    unit: str | None = None,
    key: bool = False,
) -> Column:
    return Column(
        name, type_, label_fr, label_en, unit, mark, Role.KEY if key else Role.ATTRIBUTE, source,
        required=not empty, nullable=empty, codes=codes, checks=checks,
    )  # fmt: skip


T, INT, N, D, B, M = Type.TEXT, Type.INTEGER, Type.EUROS, Type.DATE, Type.BOOLEAN, Type.MONTH
_ = _column

PLATFORMS = Table(
    "platforms", "input", "Registre des plateformes", "Register of platforms", source="plateformes",
    key=("platform_id",), key_scope="delivery",
    columns=(
        _("plateforme_id", "platform_id", T, "plateforme", "platform", key=True, checks=_missing()),
        _("code_departement", "department_code", T, "département", "département", checks=(DEPARTEMENT,)),
        _("code_cpam", "fund_code", T, "caisse primaire", "local fund"),
        _("date_designation", "designation_date", D, "date de désignation", "designation date"),
        _("date_ouverture", "opening_date", D, "date d'ouverture", "opening date"),
        _("date_fin", "closing_date", D, "date de fin", "closing date", empty=True),
        _("statut", "status", T, "statut", "status", codes=c.PLATFORM_STATUS),
    ),
    rules=(
        Rule("dates_out_of_order", "date_designation, date_ouverture, date_fin",
             "designation_date > opening_date OR closing_date > opening_date + INTERVAL 2 YEAR "
             "OR closing_date < opening_date"),
    ),
)  # fmt: skip

BENEFICIARIES = Table(
    "beneficiaries", "input", "Assurés", "Insured persons", source="beneficiaires",
    key=("nir",), key_scope="delivery",
    columns=(
        _("nir", "nir", T, "numéro de sécurité sociale", "social-security number", mark=DI, key=True,
          checks=(*_missing(), NIR_KEY)),
        _("nom", "last_name", T, "nom", "last name", mark=DI),
        _("prenom", "first_name", T, "prénom", "first name", mark=DI),
        _("BEN_NIR_PSA", "payment_pseudonym", T, "pseudonyme des lignes de paiement", "pseudonym of the payment lines",
          mark=DI, checks=(*_missing(), Check("wrong_length", "length({c}) <> 17"))),
        _("BEN_RNG_GEM", "twin_rank", INT, "rang de naissance", "twin rank", mark=DI, checks=_missing()),
        _("BEN_IDT_ANO", "stable_identifier", T, "identifiant stable", "stable identifier", mark=DI,
          checks=(*_missing(), Check("wrong_length", "length({c}) <> 17"))),
        _("BEN_SEX_COD", "sex", T, "sexe", "sex", mark=QI, codes=c.SEX),
        _("BEN_NAI_ANN", "birth_year", INT, "année de naissance", "birth year", mark=QI, unit="year",
          checks=(Check("impossible_year", "{c} <> 1600 AND {c} NOT BETWEEN 1900 AND 2015"),)),
        _("BEN_RES_DPT", "department_code", T, "département de résidence", "département of residence", mark=QI,
          checks=(DEPARTEMENT_OR_UNKNOWN,)),
        _("BEN_DCD_DTE", "death_date", D, "date de décès", "date of death", empty=True),
        _("RGM_COD", "scheme", T, "régime", "scheme", mark=QI, codes=c.SCHEME),
        _("csp", "social_class", T, "catégorie socioprofessionnelle", "social class", mark=QI, empty=True,
          codes=c.SOCIAL_CLASS),
        _("ape", "activity_code", T, "activité (NAF rév. 2)", "activity (NAF rev. 2)", mark=QI, empty=True,
          checks=(Check("wrong_length", "length({c}) <> 5"),)),
        _("taille_entreprise", "employer_size", T, "taille de l'entreprise", "employer size", mark=QI, empty=True,
          codes=c.EMPLOYER_SIZE),
        _("salaire_ref", "reference_wage", N, "salaire brut de référence", "reference gross wage", mark=SA, empty=True,
          unit="EUR/month", checks=(Check("negative_amount", "{c} < 0"),)),
        _("ald_debut", "ald_start", D, "début d'ALD", "start of long-term illness", mark=SA, empty=True),
        _("ald_fin", "ald_end", D, "fin d'ALD", "end of long-term illness", mark=SA, empty=True),
        _("invalidite_cat", "invalidity_category", T, "catégorie d'invalidité", "invalidity category", mark=SA,
          empty=True, codes=c.INVALIDITY_CATEGORY),
        _("invalidite_debut", "invalidity_start", D, "début de la pension d'invalidité", "start of invalidity pension",
          mark=SA, empty=True),
        _("retraite_debut", "retirement_date", D, "date de retraite", "retirement date", empty=True),
    ),
    rules=(
        Rule("impossible_date", "BEN_DCD_DTE",
             f"death_date <> {OPEN_DATE} AND (year(death_date) < birth_year "
             "OR death_date > last_day(CAST($delivery || '-01' AS DATE)))"),
        Rule("dates_out_of_order", "ald_debut, ald_fin", f"ald_end <> {OPEN_DATE} AND ald_end < ald_start"),
    ),
)  # fmt: skip

LINE_KEY = ("order_number", "flow_date", "issuer_number", "issuer_order", "issuer_type", "processing_date",
            "organisation_key", "benefit_order", "affiliation_type")  # fmt: skip
PAYMENT_LINES = Table(
    "payment_lines", "input", "Lignes d'indemnités journalières", "Daily-allowance payment lines", source="ij_lignes",
    key=LINE_KEY, key_scope="delivery",
    columns=(
        _("DCT_ORD_NUM", "order_number", INT, "numéro d'ordre du décompte", "statement order number", key=True,
          checks=_missing()),
        _("FLX_DIS_DTD", "flow_date", D, "date de mise à disposition", "date made available", key=True,
          checks=_missing()),
        _("FLX_EMT_NUM", "issuer_number", INT, "numéro d'émetteur", "issuer number", key=True, checks=_missing()),
        _("FLX_EMT_ORD", "issuer_order", INT, "numéro de séquence du flux", "flow sequence number", key=True,
          checks=_missing()),
        _("FLX_EMT_TYP", "issuer_type", INT, "type d'émetteur", "issuer type", key=True, checks=_missing()),
        _("FLX_TRT_DTD", "processing_date", D, "date d'entrée des données", "data entry date", key=True,
          checks=_missing()),
        _("ORG_CLE_NUM", "organisation_key", T, "organisme de liquidation", "paying organisation", key=True,
          checks=_missing()),
        _("PRS_ORD_NUM", "benefit_order", INT, "numéro d'ordre de la prestation", "benefit order number", key=True,
          checks=_missing()),
        _("REM_TYP_AFF", "affiliation_type", INT, "type de remboursement affiné", "refined reimbursement type",
          key=True, checks=_missing()),
        _("BEN_NIR_PSA", "payment_pseudonym", T, "pseudonyme des lignes de paiement", "pseudonym of the payment lines",
          mark=DI, checks=_missing()),
        _("BEN_RNG_GEM", "twin_rank", INT, "rang de naissance", "twin rank", mark=DI),
        _("EXE_SOI_DTD", "period_start", D, "premier jour payé", "first paid day", mark=SA,
          checks=(Check("impossible_date", "{c} IS NULL OR {c} < DATE '1990-01-01'"),)),
        _("EXE_SOI_DTF", "period_end", D, "dernier jour payé", "last paid day", mark=SA,
          checks=(Check("impossible_date", "{c} IS NULL"),)),
        _("PRE_PRE_DTD", "prescription_date", D, "date de prescription", "prescription date", mark=SA, empty=True),
        _("PRS_NAT_REF", "benefit_code", INT, "nature de prestation", "kind of benefit", mark=SA, codes=c.BENEFIT),
        _("RGO_ASU_NAT", "risk", T, "nature d'assurance", "insurance risk", mark=SA, codes=c.RISK),
        _("PRS_ACT_NBR", "days_paid", INT, "nombre de jours payés", "days paid", unit="day", mark=SA),
        _("PRS_ACT_QTE", "quantity", INT, "quantité", "quantity", unit="day", mark=SA),
        _("BSE_REM_MNT", "amount", N, "montant versé", "amount paid", unit="EUR", mark=SA),
        _("BSE_REM_SGN", "sign", T, "signe de la ligne", "sign of the line", codes=c.SIGN),
        _("IJR_EMP_NUM", "employer_number", T, "établissement employeur (SIRET)", "employer establishment (SIRET)",
          mark=DI, empty=True),
        _("IJR_RVL_NAT", "revaluation", T, "nature de revalorisation", "kind of revaluation", empty=True,
          codes=c.REVALUATION),
        _("RGM_COD", "scheme", T, "régime", "scheme", mark=QI, codes=c.SCHEME),
        _("BEN_RES_DPT", "department_code", T, "département de résidence", "département of residence", mark=QI,
          checks=(DEPARTEMENT_OR_UNKNOWN,)),
        _("DPN_QLF", "expense_qualifier", INT, "qualificatif de la dépense", "expense qualifier"),
    ),
    rules=(
        Rule("negative_duration", "EXE_SOI_DTD, EXE_SOI_DTF", "period_end < period_start"),
        Rule("impossible_date", "EXE_SOI_DTD", "period_start > flow_date"),
        Rule("wrong_delivery", "FLX_DIS_DTD", "strftime(flow_date, '%Y-%m') <> $delivery"),
        Rule("sign_and_amount_disagree", "BSE_REM_SGN, BSE_REM_MNT",
             "(sign = 'positive' AND amount < 0) OR (sign = 'negative' AND amount > 0)", warns=True),
        Rule("more_paid_than_period", "PRS_ACT_NBR",
             "abs(days_paid) > date_diff('day', period_start, period_end) + 1 AND period_end >= period_start",
             warns=True),
        Rule("payment_delay", "FLX_DIS_DTD",
             "date_diff('day', period_end, flow_date) NOT BETWEEN 10 AND 210 AND period_end >= period_start "
             "AND period_start <= flow_date", warns=True),
    ),
)  # fmt: skip

_REASONS = "|".join(code.source for code in c.RISK_REASON)
REPORTS = Table(
    "reports", "input", "Bilans de suivi", "Follow-up reports", source="bilans_suivi",
    key=("report_id", "version"),
    columns=(
        _("bilan_id", "report_id", T, "bilan", "report", key=True, checks=_missing()),
        _("version", "version", INT, "version", "version", key=True, checks=_missing()),
        _("remplace_bilan_id", "replaces_report_id", T, "bilan remplacé", "report replaced", empty=True),
        _("statut", "status", T, "statut", "status", codes=c.REPORT_STATUS),
        _("dossier_id", "dossier_id", T, "dossier", "case", mark=DI, checks=_missing()),
        _("plateforme_id", "platform_id", T, "plateforme", "platform"),
        _("nir", "nir", T, "numéro de sécurité sociale", "social-security number", mark=DI, checks=(NIR_KEY,)),
        _("nom", "last_name", T, "nom", "last name", mark=DI),
        _("prenom", "first_name", T, "prénom", "first name", mark=DI),
        _("telephone", "telephone", T, "téléphone", "telephone", mark=DI, empty=True),
        _("email", "email", T, "courriel", "e-mail", mark=DI, empty=True),
        _("medecin_traitant", "general_practitioner", T, "médecin traitant", "general practitioner", mark=DI,
          empty=True),
        _("medecin_travail", "occupational_physician", T, "médecin du travail", "occupational physician", mark=DI,
          empty=True),
        _("employeur", "employer", T, "employeur", "employer", mark=DI, empty=True),
        _("date_naissance", "birth_date", D, "date de naissance", "date of birth", mark=DI),
        _("type_bilan", "stage", T, "type de bilan", "stage of the report", codes=c.REPORT_STAGE),
        _("date_signalement", "referral_date", D, "date de signalement", "referral date", mark=QI),
        _("date_premier_contact", "first_contact_date", D, "date du premier contact", "first contact date", mark=QI),
        _("date_diagnostic", "diagnosis_date", D, "date du diagnostic", "diagnosis date", mark=QI, empty=True),
        _("date_parcours", "plan_date", D, "date du parcours", "plan date", mark=QI, empty=True),
        _("date_bilan", "report_date", D, "date du bilan", "report date", mark=QI),
        _("date_sortie", "exit_date", D, "date de sortie", "exit date", mark=QI, empty=True),
        _("origine_signalement", "referral_source", T, "origine du signalement", "referral source",
          codes=c.REFERRAL_SOURCE),
        _("statut_pro", "occupation_status", T, "statut professionnel", "occupational status", mark=QI,
          codes=c.OCCUPATION_STATUS),
        _("risque_arret", "leave_risk", T, "risque de l'arrêt", "risk of the leave", mark=SA, codes=c.LEAVE_RISK),
        _("famille_pathologie", "pathology", T, "famille de pathologie", "family of pathology", mark=SA, empty=True,
          codes=c.PATHOLOGY),
        _("motifs_risque", "risk_reasons", T, "motifs du risque", "reasons of the risk", empty=True,
          checks=(Check("unknown_reason", r"NOT regexp_full_match({c}, '((" + _REASONS + r")(\||$))+')"),)),
        _("diag_administratif", "diagnosis_administrative", T, "diagnostic administratif", "administrative diagnosis",
          mark=SA, empty=True, codes=c.DIAGNOSIS),
        _("diag_social", "diagnosis_social", T, "diagnostic social", "social diagnosis", mark=SA, empty=True,
          codes=c.DIAGNOSIS),
        _("diag_medical", "diagnosis_medical", T, "diagnostic médical", "medical diagnosis", mark=SA, empty=True,
          codes=c.DIAGNOSIS),
        _("situation_emploi", "employment_situation", T, "situation d'emploi", "employment situation", mark=SA,
          codes=c.EMPLOYMENT_SITUATION),
        _("issue", "exit", T, "issue", "exit", mark=SA, empty=True, codes=c.EXIT),
        _("nb_entretiens", "interviews", INT, "nombre d'entretiens", "number of interviews", empty=True,
          checks=(Check("out_of_range", "{c} < 0"),)),
        _("satisfaction", "satisfaction", INT, "satisfaction (0 à 10)", "satisfaction (0 to 10)", empty=True,
          checks=(Check("out_of_range", "{c} NOT BETWEEN 0 AND 10"),)),
        _("narratif", "narrative", T, "texte libre", "free text", mark=TEXT_RISK, empty=True,
          checks=(Check("out_of_range", "length({c}) > 20000"),)),
    ),
    rules=(
        Rule("dates_out_of_order", "date_signalement..date_sortie",
             "referral_date > first_contact_date OR first_contact_date > diagnosis_date OR diagnosis_date > plan_date "
             "OR greatest(first_contact_date, diagnosis_date, plan_date) > report_date OR report_date > exit_date"),
        # No text is published: every one is withheld, and counted.
        Rule("narrative_withheld", "narratif", "narrative IS NOT NULL", warns=True),
    ),
)  # fmt: skip

REPORT_MEASURES = Table(
    "report_measures", "input", "Mesures des bilans", "Measures in the reports", source="bilan_mesures",
    columns=(
        _("bilan_id", "report_id", T, "bilan", "report"),
        _("mesure", "measure", T, "mesure", "measure", codes=c.MEASURE),
        _("statut", "status", T, "statut", "status", codes=c.MEASURE_STATUS),
        _("date_debut", "start_date", D, "début", "start", empty=True),
        _("date_fin", "end_date", D, "fin", "end", empty=True),
        _("cout_eur", "cost", N, "coût", "cost", unit="EUR", empty=True,
          checks=(Check("negative_amount", "{c} < 0"),)),
    ),
    rules=(Rule("negative_duration", "date_debut, date_fin", "end_date < start_date"),),
)  # fmt: skip

AGREEMENTS = Table(
    "agreements", "input", "Accords", "Agreements", source="accords",
    columns=(
        _("dossier_id", "dossier_id", T, "dossier", "case", mark=DI, checks=_missing()),
        _("nir", "nir", T, "numéro de sécurité sociale", "social-security number", mark=DI, checks=(NIR_KEY,)),
        _("portee", "scope", T, "portée", "scope", codes=c.AGREEMENT_SCOPE),
        _("evenement", "event", T, "événement", "event", codes=c.AGREEMENT_EVENT),
        _("date", "event_date", D, "date", "date", checks=_missing()),
        _("mode", "mode", T, "mode", "mode", codes=c.AGREEMENT_MODE),
    ),
)  # fmt: skip

EMPLOYMENT = Table(
    "employment", "input", "Emploi mensuel", "Monthly employment", source="emploi_mensuel", key=("nir", "month"),
    columns=(
        _("nir", "nir", T, "numéro de sécurité sociale", "social-security number", mark=DI, key=True,
          checks=(NIR_KEY,)),
        _("mois", "month", M, "mois", "month", key=True, checks=(MONTH,)),
        _("en_emploi", "employed", B, "en emploi le dernier jour du mois", "employed on the last day of the month",
          checks=_missing("missing_status")),
        _("siret", "employer_number", T, "établissement (SIRET)", "establishment (SIRET)", mark=DI, empty=True,
          checks=(Check("wrong_siret", "NOT regexp_matches({c}, '^[0-9]{{14}}$')"),)),
        _("nature_contrat", "contract", T, "nature du contrat", "kind of contract", mark=QI, empty=True,
          codes=c.CONTRACT),
        _("quotite", "working_time_share", INT, "quotité de travail", "working-time share", unit="%", empty=True,
          checks=(Check("out_of_range", "{c} NOT BETWEEN 0 AND 100"),)),
        _("meme_employeur", "same_employer", B, "même employeur que le mois précédent",
          "same employer as the month before", empty=True),
        _("motif_rupture", "termination_reason", T, "motif de rupture (DSN)", "reason of termination (DSN)", mark=SA,
          empty=True),
    ),
)  # fmt: skip

PROGRAMME_COSTS = Table(
    "programme_costs", "input", "Coûts du programme", "Programme costs", source="couts_programme",
    key=("platform_id", "month", "category", "funding"),
    columns=(
        _("plateforme_id", "platform_id", T, "plateforme", "platform", key=True),
        _("mois", "month", M, "mois", "month", key=True, checks=(MONTH,)),
        _("categorie", "category", T, "catégorie", "category", codes=c.COST_CATEGORY, key=True),
        _("montant_eur", "amount", N, "montant", "amount", unit="EUR", checks=_missing("missing_amount")),
        _("financement", "funding", T, "financement", "funding", codes=c.FUNDING, key=True),
    ),
)  # fmt: skip

INPUTS = (
    PLATFORMS, BENEFICIARIES, PAYMENT_LINES, REPORTS, REPORT_MEASURES, AGREEMENTS, EMPLOYMENT, PROGRAMME_COSTS,
)  # fmt: skip
