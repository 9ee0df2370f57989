"""Closed lists: each source code, our English code, and its French and English label, once.

Sources: the input contract for the platforms' own lists; SNDS nomenclatures for the rest (schema-snds).
"""

from __future__ import annotations

from pipeline.tables.model import Code


def _codes(text: str) -> tuple[Code, ...]:
    """Parse `SOURCE | code | libellé | label` lines."""
    rows = [[part.strip() for part in line.split("|")] for line in text.strip().splitlines()]
    return tuple(Code(source, code, fr, en) for source, code, fr, en in rows)


PLATFORM_STATUS = _codes("""
PRE_EXPERIMENTALE | pre_experimental | pré-expérimentale | pre-experimental
EXPERIMENTALE | experimental | expérimentale | experimental
CLOSE | closed | close | closed
""")
SEX = _codes("""
0 | unknown | inconnu | unknown
1 | male | homme | male
2 | female | femme | female
9 | unknown | inconnu | unknown
""")
SCHEME = _codes("""
101 | employee | régime général, salarié | general scheme, employee
103 | self_employed | indépendant (103) | self-employed (103)
105 | self_employed | indépendant (105) | self-employed (105)
106 | self_employed | indépendant (106) | self-employed (106)
107 | self_employed | indépendant (107) | self-employed (107)
390 | self_employed | indépendant (390) | self-employed (390)
""")
SOCIAL_CLASS = _codes("""
1 | farmer | agriculteurs | farmers
2 | craft_trade | artisans, commerçants, chefs d'entreprise | craft, trade, business owners
3 | manager | cadres, professions intellectuelles | managers, professionals
4 | intermediate | professions intermédiaires | intermediate occupations
5 | clerical | employés | clerical and service workers
6 | manual | ouvriers | manual workers
""")
EMPLOYER_SIZE = _codes("""
1-9 | 1_9 | 1 à 9 salariés | 1 to 9 employees
10-49 | 10_49 | 10 à 49 salariés | 10 to 49 employees
50-249 | 50_249 | 50 à 249 salariés | 50 to 249 employees
250+ | 250_plus | 250 salariés et plus | 250 employees and more
""")
INVALIDITY_CATEGORY = _codes("""
1 | category_1 | catégorie 1 | category 1
2 | category_2 | catégorie 2 | category 2
3 | category_3 | catégorie 3 | category 3
""")
BENEFIT = _codes("""
6011 | waiting_days_below_3m | jours de carence | waiting days
6012 | waiting_days_above_3m | jours de carence (plus de 3 mois) | waiting days (above 3 months)
6111 | daily_allowance_6111 | IJ normale, moins de 3 mois | full allowance, below 3 months
6112 | daily_allowance_6112 | IJ normale, plus de 3 mois | full allowance, above 3 months
6113 | daily_allowance_6113 | IJ réduite, moins de 3 mois | reduced allowance, below 3 months
6114 | daily_allowance_6114 | IJ réduite, plus de 3 mois | reduced allowance, above 3 months
6115 | daily_allowance_6115 | IJ majorée, moins de 3 mois | increased allowance, below 3 months
6116 | daily_allowance_6116 | IJ majorée, plus de 3 mois | increased allowance, above 3 months
6117 | part_time_allowance_6117 | IJ partielle, temps partiel thérapeutique (6117) | partial allowance, therapeutic part-time (6117)
6118 | part_time_allowance_6118 | IJ partielle, temps partiel thérapeutique (6118) | partial allowance, therapeutic part-time (6118)
6120 | temporary_inaptitude | indemnité temporaire d'inaptitude | temporary inaptitude allowance
6134 | health_professional_6134 | IJ praticien indépendant (6134) | self-employed health professional (6134)
6135 | health_professional_6135 | IJ praticien indépendant (6135) | self-employed health professional (6135)
6239 | health_professional_6239 | IJ praticien indépendant (6239) | self-employed health professional (6239)
6121 | maternity_6121 | maternité (6121) | maternity (6121)
6122 | maternity_6122 | maternité (6122) | maternity (6122)
6123 | maternity_6123 | adoption (6123) | adoption (6123)
6124 | maternity_6124 | paternité (6124) | paternity (6124)
6210 | maternity_6210 | maternité (6210) | maternity (6210)
6211 | maternity_6211 | maternité (6211) | maternity (6211)
6212 | maternity_6212 | maternité (6212) | maternity (6212)
6213 | maternity_6213 | maternité (6213) | maternity (6213)
""")
RISK = _codes("""
10 | sickness | maladie | sickness
30 | maternity | maternité | maternity
40 | work_injury | accident du travail ou maladie professionnelle | work accident or occupational disease
""")
SIGN = _codes("""
1 | positive | ligne positive | positive line
2 | negative | ligne négative | negative line
""")
REVALUATION = _codes("""
AM | am | revalorisation AM | revaluation AM
CC | cc | revalorisation CC | revaluation CC
CS | cs | revalorisation CS | revaluation CS
MP | mp | revalorisation MP | revaluation MP
RC | rc | revalorisation RC | revaluation RC
RS | rs | revalorisation RS | revaluation RS
SM | sm | revalorisation SM | revaluation SM
XX | xx | sans objet (XX) | not applicable (XX)
ZZ | zz | non renseigné (ZZ) | not given (ZZ)
""")
REPORT_STATUS = _codes("""
VALIDE | valid | valide | valid
ANNULE | cancelled | annulé | cancelled
""")
REPORT_STAGE = _codes("""
INITIAL | initial | bilan initial | initial report
INTERMEDIAIRE | intermediate | bilan intermédiaire | intermediate report
FINAL | final | bilan final | final report
SUIVI_6M | follow_up_6m | suivi à 6 mois | follow-up at 6 months
SUIVI_12M | follow_up_12m | suivi à 12 mois | follow-up at 12 months
""")
REFERRAL_SOURCE = _codes("""
EMPLOYEUR | employer | employeur | employer
SERVICE_SOCIAL | social_service | service social | social service
MEDECIN_TRAITANT | general_practitioner | médecin traitant | general practitioner
MEDECIN_TRAVAIL | occupational_physician | médecin du travail | occupational physician
MEDECIN_CONSEIL | insurance_physician | médecin-conseil | insurance physician
AUTRE_PRO_SANTE | other_health_professional | autre professionnel de santé | other health professional
CAP_EMPLOI | cap_emploi | Cap emploi | Cap emploi (disability employment service)
FRANCE_TRAVAIL | france_travail | France Travail | France Travail (public employment service)
CPAM_DETECTION | fund_detection | détection par la caisse | detected by the fund
ASSURE | insured | assuré lui-même | the insured
""")
OUTSIDE_ARTICLE_56 = ("cap_emploi", "france_travail", "fund_detection", "insured")
"""Referral sources outside the three origins named by article 56: the contract counts them apart."""
OCCUPATION_STATUS = _codes("""
SALARIE | employee | salarié | employee
TI_ARTISAN | craft | indépendant artisan | self-employed, craft
TI_COMMERCANT | trade | indépendant commerçant | self-employed, trade
TI_LIBERAL | liberal | indépendant profession libérale | self-employed, liberal profession
SANS_EMPLOI | not_employed | sans emploi | not employed
""")
LEAVE_RISK = _codes("""
MALADIE | sickness | maladie | sickness
AT | work_accident | accident du travail | work accident
TRAJET | commuting_accident | accident de trajet | commuting accident
MP | occupational_disease | maladie professionnelle | occupational disease
INVALIDITE | invalidity | invalidité | invalidity
""")
PATHOLOGY = _codes("""
OSTEOARTICULAIRE | musculoskeletal | ostéo-articulaire | musculoskeletal
PSYCHIQUE | psychological | psychique | psychological
TUMEUR | tumour | tumeur | tumour
CARDIOVASCULAIRE | cardiovascular | cardiovasculaire | cardiovascular
NEURO | neurological | neurologique | neurological
TRAUMATISME | trauma | traumatisme | trauma
AUTRE | other | autre | other
NON_RENSEIGNE | not_given | non renseigné | not given
""")
RISK_REASON = _codes("""
INAPTITUDE_POSTE | job_inaptitude | inaptitude au poste | unfit for the post
DUREE_ARRET | leave_duration | durée de l'arrêt | duration of the leave
ARRETS_REPETES | repeated_leaves | arrêts répétés | repeated leaves
USURE_PRO | wear | usure professionnelle | occupational wear
CONFLIT_TRAVAIL | work_conflict | conflit au travail | conflict at work
RPS | psychosocial_risks | risques psychosociaux | psychosocial risks
PENIBILITE | hardship | pénibilité | arduous work
HANDICAP | disability | handicap | disability
ISOLEMENT | isolation | isolement | isolation
DIFFICULTE_FINANCIERE | financial_hardship | difficulté financière | financial hardship
CESSATION_ACTIVITE_TI | self_employed_closing | cessation d'activité d'indépendant | self-employed closing down
""")
DIAGNOSIS = _codes("""
FAIBLE | low | faible | low
MOYEN | medium | moyen | medium
FORT | high | fort | high
NON_EVALUE | not_assessed | non évalué | not assessed
""")
EMPLOYMENT_SITUATION = _codes("""
EN_ARRET | on_leave | en arrêt | on leave
REPRISE_TOTALE | full_return | reprise totale | full return
REPRISE_TPT | part_time_return | reprise à temps partiel thérapeutique | return in therapeutic part-time
REPRISE_AMENAGEE | adapted_return | reprise aménagée | adapted return
CRPE | retraining_contract | convention de rééducation professionnelle en entreprise | in-company vocational retraining (CRPE)
FORMATION | training | formation | training
CHOMAGE | unemployment | chômage | unemployment
INAPTE_ATTENTE | unfit_waiting | inapte, en attente | unfit, waiting
INVALIDITE | invalidity | invalidité | invalidity
RETRAITE | retirement | retraite | retirement
DECEDE | death | décès | death
INCONNU | unknown | inconnue | unknown
""")
EXIT = _codes("""
MAINTIEN_POSTE | same_post | maintien au poste | kept in the post
MAINTIEN_POSTE_AMENAGE | adapted_post | maintien au poste aménagé | kept in an adapted post
RECLASSEMENT_INTERNE | internal_redeployment | reclassement interne | redeployed with the employer
RECLASSEMENT_EXTERNE | external_redeployment | reclassement externe | redeployed elsewhere
RECONVERSION_FORMATION | retraining | reconversion ou formation | retraining
REPRISE_ACTIVITE_TI | self_employed_resumed | reprise d'activité d'indépendant | self-employed activity resumed
CESSATION_ACTIVITE_TI | self_employed_closed | cessation d'activité d'indépendant | self-employed activity closed
INAPTITUDE_LICENCIEMENT | inaptitude_dismissal | licenciement pour inaptitude | dismissed as unfit
LICENCIEMENT_AUTRE | other_dismissal | autre licenciement | other dismissal
RUPTURE_CONVENTIONNELLE | agreed_termination | rupture conventionnelle | agreed termination
DEMISSION | resignation | démission | resignation
INVALIDITE | invalidity | invalidité | invalidity
RETRAITE | retirement | retraite | retirement
ABANDON | dropped_out | abandon | dropped out
REFUS | refused | refus | refused
PERDU_DE_VUE | lost_to_follow_up | perdu de vue | lost to follow-up
HORS_CRITERES | not_eligible | hors critères | outside the criteria
DECES | death | décès | death
EN_COURS | ongoing | en cours | ongoing
""")
MEASURE = _codes("""
ESSAI_ENCADRE | supervised_trial | essai encadré | supervised trial
CRPE | retraining_contract | convention de rééducation professionnelle en entreprise | in-company vocational retraining (CRPE)
TPT | therapeutic_part_time | temps partiel thérapeutique | therapeutic part-time
REPRISE_TRAVAIL_LEGER | light_work | reprise d'un travail léger | light work
AMENAGEMENT_POSTE | post_adaptation | aménagement du poste | adaptation of the post
BILAN_COMPETENCES | skills_review | bilan de compétences | skills review
FORMATION | training | formation | training
PMSMP | work_immersion | période de mise en situation en milieu professionnel | work immersion
RECLASSEMENT | redeployment | reclassement | redeployment
VISITE_PRE_REPRISE | pre_return_visit | visite de pré-reprise | pre-return medical visit
RDV_LIAISON | liaison_meeting | rendez-vous de liaison | liaison meeting
CONSULT_MEDICO_PRO_TI | self_employed_consultation | consultation médico-professionnelle d'indépendant | medico-occupational consultation (self-employed)
DEMANDE_RQTH | disabled_worker_application | demande de RQTH | application for disabled-worker status
ORIENTATION_CAP_EMPLOI | referral_cap_emploi | orientation vers Cap emploi | referral to Cap emploi
AIDE_FINANCIERE | financial_aid | aide financière | financial aid
SOUTIEN_PSYCHO | psychological_support | soutien psychologique | psychological support
AUTRE | other | autre | other
""")
MEASURE_STATUS = _codes("""
PROPOSEE | proposed | proposée | proposed
ACCEPTEE | accepted | acceptée | accepted
REFUSEE | refused | refusée | refused
REALISEE | carried_out | réalisée | carried out
ABANDONNEE | abandoned | abandonnée | abandoned
""")
AGREEMENT_SCOPE = _codes("""
ACCOMPAGNEMENT | accompaniment | accompagnement | accompaniment
CONTACT_MEDECIN_TRAITANT | contact_general_practitioner | contact du médecin traitant | contact with the general practitioner
CONTACT_MEDECIN_TRAVAIL | contact_occupational_physician | contact du médecin du travail | contact with the occupational physician
CONTACT_EMPLOYEUR | contact_employer | contact de l'employeur | contact with the employer
PARTAGE_PLURIDISCIPLINAIRE | multidisciplinary_sharing | partage pluridisciplinaire | multidisciplinary sharing
""")
AGREEMENT_EVENT = _codes("""
ACCORD | agreement | accord | agreement
REFUS | refusal | refus | refusal
RETRAIT | withdrawal | retrait | withdrawal
""")
AGREEMENT_MODE = _codes("""
ECRIT | written | écrit | written
ORAL_TRACE | recorded_oral | oral tracé | recorded oral
COMPTE_AMELI | online_account | compte ameli | online account
""")
CONTRACT = _codes("""
CDI | permanent | contrat à durée indéterminée | permanent contract
CDD | fixed_term | contrat à durée déterminée | fixed-term contract
INTERIM | agency | intérim | agency work
APPRENTI | apprentice | apprentissage | apprenticeship
TI | self_employed | travail indépendant | self-employed
AUTRE | other | autre | other
""")
COST_CATEGORY = _codes("""
PERSONNEL_SERVICE_SOCIAL | social_staff | personnel du service social | social-service staff
PERSONNEL_SERVICE_MEDICAL | medical_staff | personnel du service médical | medical staff
PERSONNEL_ADMIN | administrative_staff | personnel administratif | administrative staff
SYSTEME_INFORMATION | information_system | système d'information | information system
PRESTATION_EXTERNE | external_services | prestations externes | external services
AIDES | aids | aides versées | aids paid
AUTRE | other | autre | other
""")
FUNDING = _codes("""
BUDGET_GESTION | management_budget | budget de gestion | management budget
FNASS | social_action_fund | fonds national d'action sanitaire et sociale | national social-action fund (FNASS)
""")


def _published(text: str) -> tuple[Code, ...]:
    """Codes that exist only past ingestion: `code | libellé | label` lines."""
    rows = [[part.strip() for part in line.split("|")] for line in text.strip().splitlines()]
    return tuple(Code(code, code, fr, en) for code, fr, en in rows)


ESTIMAND = _published("""
ITT | effet d'être exposé à une plateforme ouverte (intention de traiter) | effect of being exposed to an open platform (intention to treat)
ATT | effet de l'accompagnement sur les accompagnés | effect of accompaniment on the accompanied
""")
ARM = _published("""
treated | groupe exposé | treated
comparison | groupe de comparaison | comparison
""")
OUTCOME = _published("""
days_on_leave | jours d'arrêt | days on leave
days_on_leave_change | évolution des jours d'arrêt avant-après (différence de différences) | change in days on leave (difference in differences)
days_full_leave | jours d'arrêt à temps complet | days on full leave
sustained_return_to_work | retour durable à l'emploi | sustained return to work
employed | en emploi à l'échéance | employed at the horizon
allowance_eur | indemnités journalières versées | daily allowances paid
""")
STRATUM_TYPE = _published("""
all | ensemble | all
risk | risque de l'arrêt | risk of the leave
status | statut professionnel | occupational status
sex | sexe | sex
age_band | tranche d'âge | age band
cause | cause de l'arrêt | cause of the leave
elapsed_band | ancienneté de l'arrêt | elapsed duration of the leave
""")
EVENT = _published("""
sustained_return_to_work | retour durable à l'emploi | sustained return to work
invalidity | invalidité | invalidity
retirement | retraite | retirement
job_loss | perte d'emploi | job loss
end_of_rights | fin de droits | end of rights
death | décès | death
""")
LEAVE_FLAG = _published("""
above_maximum | montant journalier supérieur au maximum légal | daily amount above the legal maximum
self_employed_work_injury | accident du travail d'un indépendant | work injury of a self-employed person
""")
TEXT_REASON = _published("""
too_long | texte trop long | text too long
undecodable | caractères illisibles | characters of a wrong decoding
no_insured_name | nom de l'assuré absent de la fiche | record without the insured's name
name_is_grammar | un nom de la fiche est un mot-outil | a name of the record is a word of grammar
record_identifier | identifiant de la fiche resté lisible | an identifier of the record is left
unknown_word | mot hors du vocabulaire | word outside the vocabulary
many_unknown_words | trop de mots inconnus | too many unknown words
name_left | nom resté lisible | a name is left
name_beside | mot à majuscule qui peut être un nom | capital word that may be a name
number_left | numéro ou adresse électronique resté lisible | a number or an e-mail address is left
timeout | traitement trop long | took too long
error | erreur de traitement | failed
""")
INDICATOR_FAMILY = _published("""
obstacle | obstacle | obstacle
action | action | action
theme | thème | theme
""")
INDICATOR_STATUS = _published("""
present | présent, réalisé ou en cours | present, carried out or under way
planned | proposé, demandé ou à venir | proposed, asked for or to come
negated | absent, levé ou écarté | absent, over or ruled out
""")
END_REASON = _published("""
ongoing | fin non observée | end not observed
death | décès | death
retirement | retraite | retirement
invalidity | invalidité | invalidity
end_of_rights | fin de droits | end of rights
return | reprise | return to work
job_loss | perte d'emploi | job loss
unknown | inconnue | unknown
""")
PERIMETER = _published("""
allowances | indemnités journalières | daily allowances
sickness_allowances | dont maladie (hors temps partiel) | of which sickness (part-time apart)
work_injury_allowances | dont accidents du travail et maladies professionnelles (hors temps partiel) | of which work accidents and occupational diseases (part-time apart)
part_time_allowances | dont temps partiel thérapeutique, tous risques | of which therapeutic part-time, all risks
allowances_and_invalidity | indemnités journalières et pensions d'invalidité | daily allowances and invalidity pensions
allowances_same_tariff | indemnités journalières au barème d'une seule année | daily allowances at the tariff of one year
""")
ALLOWANCE_PARTS = ("sickness_allowances", "work_injury_allowances", "part_time_allowances")
"""Perimeters that add up to `allowances`."""
CAUSE = _published("""
sickness | maladie | sickness
sickness_ald | maladie, affection de longue durée | sickness, long-term illness scheme
work_injury | accident du travail ou maladie professionnelle | work accident or occupational disease
* | masqué | masked
""")
STATUS = _published("""
employee | salarié | employee
self_employed | travailleur indépendant | self-employed
* | masqué | masked
""")
PUBLISHED_SEX = _published("""
male | homme | male
female | femme | female
unknown | inconnu | unknown
* | masqué | masked
""")
AGE_BAND = _published("""
18-29 | 18 à 29 ans | 18 to 29
30-39 | 30 à 39 ans | 30 to 39
40-49 | 40 à 49 ans | 40 to 49
50-57 | 50 à 57 ans | 50 to 57
58+ | 58 ans et plus | 58 and over
18-39 | 18 à 39 ans | 18 to 39
40+ | 40 ans et plus | 40 and over
unknown | inconnu | unknown
* | masqué | masked
""")
SECTOR = _published("""
agriculture | agriculture | agriculture
industry | industrie | industry
construction | construction | construction
trade_transport | commerce, transport, hébergement, restauration | trade, transport, accommodation, food
business_services | services aux entreprises | business services
public_services | administration, enseignement, santé, action sociale | administration, education, health, social work
other_services | autres services | other services
production | agriculture, industrie et construction | agriculture, industry and construction
services | services | services
unknown | inconnu | unknown
* | masqué | masked
""")
TERRITORY = _published("""
designated | département désigné | designated département
not_designated | département non désigné | not designated département
* | masqué | masked
""")
SUPPRESSION = _published("""
primary | repose sur trop peu de personnes | rests on too few persons
secondary | permettrait de retrouver une autre case masquée | would reveal another masked cell
increment | trop peu de personnes ont changé depuis la publication précédente | too few persons changed since the previous publication
gate | les groupes comparés ne sont pas assez semblables | the groups compared are not alike enough
placebo | un test à blanc a trouvé un effet là où il ne peut y en avoir | a placebo test found an effect where there can be none
too_few_clusters | trop peu de départements désignés pour un intervalle | too few designated départements for an interval
""")


def _union(*lists: tuple[Code, ...]) -> tuple[Code, ...]:
    """Several closed lists as one, each code once (the first label wins), for columns that hold codes of many lists."""
    merged: dict[str, Code] = {}
    for codes in lists:
        for code in codes:
            merged.setdefault(code.code, Code(code.code, code.code, code.label_fr, code.label_en))
    return tuple(merged.values())


ALL = _published("all | ensemble | all")
UNIT = _published("""
day | jour | day
eur | euro | euro
share | part, entre 0 et 1 | share, from 0 to 1
""")
_LEAVE_STATE = _published("""
full_leave | en arrêt à temps complet | on full leave
part_time_leave | en temps partiel thérapeutique | in therapeutic part-time
off_leave | hors arrêt, sans retour établi | off leave, return not established
""")
STATE = _union(EVENT, _LEAVE_STATE, _published("""
unknown | inconnu | unknown
* | masqué | masked
"""))  # fmt: skip
MEMBER_STATE = _union(EVENT, _LEAVE_STATE, _published("""
crpe | en rééducation professionnelle en entreprise (CRPE) | in vocational retraining within a company (CRPE)
censored | suivi terminé | follow-up ended
"""))  # fmt: skip
"""States of the restricted table `states`; `STATE` is what the microdata say of them."""
REFERRAL_SOURCE_OR_ALL = _union(
    ALL, REFERRAL_SOURCE,
    _published("other_sources | autres origines, dont une au moins trop rare pour être publiée | other sources, one of them too rare to be published"),
)  # fmt: skip
EXIT_OR_ALL = _union(
    ALL, EXIT, _published("other_exits | autres issues, dont une au moins trop rare pour être publiée | other exits, one of them too rare to be published")
)  # fmt: skip
LEAVE_RISK_OR_ALL = _union(ALL, LEAVE_RISK)
MEASURE_OR_ALL = _union(ALL, MEASURE)
MEASURE_STATUS_OR_ALL = _union(ALL, MEASURE_STATUS)
STRATUM = _union(ALL, RISK, STATUS, PUBLISHED_SEX, CAUSE)
SITUATION_DIMENSION = _published("""
employment_situation | situation d'emploi | employment situation
diagnosis_administrative | diagnostic administratif | administrative diagnosis
diagnosis_social | diagnostic social | social diagnosis
diagnosis_medical | diagnostic médical | medical diagnosis
""")
SITUATION_MODALITY = _union(EMPLOYMENT_SITUATION, DIAGNOSIS, _published("not_given | non renseigné | not given"))
PROFILE_VARIABLE = _union(
    _published("""
all | ensemble | all
sex | sexe | sex
age_band | tranche d'âge | age band
status | statut professionnel | occupational status
occupation_status | statut professionnel détaillé | detailed occupational status
sector | secteur d'activité | sector of activity
employer_size | taille de l'entreprise | employer size
social_class | catégorie socioprofessionnelle | social class
contract | nature du contrat | kind of contract
scheme | régime | scheme
cause | cause de l'arrêt | cause of the leave
leave_risk | risque de l'arrêt | risk of the leave
risk | nature d'assurance | insurance risk
elapsed_band | ancienneté de l'arrêt | elapsed duration of the leave
ald | affection de longue durée | long-term illness scheme
pathology | famille de pathologie | family of pathology
risk_reason | motif du risque de désinsertion | reason of the risk
referral_source | origine du signalement | referral source
entry_situation | situation au premier contact | situation at first contact
"""),
    SITUATION_DIMENSION,
)
PROFILE_MODALITY = _union(
    ALL, PUBLISHED_SEX, AGE_BAND, STATUS, OCCUPATION_STATUS, SECTOR, EMPLOYER_SIZE, SOCIAL_CLASS, CONTRACT, CAUSE,
    LEAVE_RISK, RISK, PATHOLOGY, RISK_REASON, REFERRAL_SOURCE, EMPLOYMENT_SITUATION, DIAGNOSIS,
    _published("""
yes | oui | yes
no | non | no
not_given | non renseigné | not given
employee_on_leave | salarié en arrêt | employee on leave
self_employed_on_leave | indépendant en arrêt | self-employed on leave
invalidity_pension_without_leave | pension d'invalidité sans arrêt | invalidity pension without leave
neither_leave_nor_pension | ni arrêt ni pension d'invalidité | neither leave nor invalidity pension
other_modalities | autres modalités, dont une au moins trop rare pour être publiée | other modalities, one of them too rare to be published
"""),
)  # fmt: skip
ENTRY_SITUATION = (
    "employee_on_leave", "self_employed_on_leave", "invalidity_pension_without_leave", "neither_leave_nor_pension",
)  # fmt: skip
"""Where the accompanied stand at first contact: pensioners without a leave are referred by one of the two texts alone."""


def _delays() -> tuple[Code, ...]:
    """Delays between two milestones of a case, in the order in which they come."""
    milestones = (
        ("referral", "du", "signalement", "referral"),
        ("first_contact", "du", "premier contact", "first contact"),
        ("agreement", "de l'", "accord", "agreement"),
        ("diagnosis", "du", "diagnostic", "diagnosis"),
        ("plan", "du", "parcours", "plan"),
        ("report", "du", "bilan", "report"),
        ("exit", "de la", "sortie", "exit"),
    )
    to = {"du": "au ", "de l'": "à l'", "de la": "à la "}
    of = {"du": "du ", "de l'": "de l'", "de la": "de la "}
    return tuple(
        Code(f"{a}_to_{b}", f"{a}_to_{b}", f"{of[of_a]}{fr_a} {to[of_b]}{fr_b}", f"from {en_a} to {en_b}")
        for i, (a, of_a, fr_a, en_a) in enumerate(milestones)
        for b, of_b, fr_b, en_b in milestones[i + 1 :]
    )


DELAY_STEP = _delays()
LEAVES_VARIABLE = _published("""
all | ensemble | all
duration | durée de l'arrêt à la fin de l'année | duration of the leave at the end of the year
age_band | tranche d'âge dans l'année | age band in the year
""")
LEAVES_MODALITY = _published("""
all | ensemble | all
8+ | plus de 7 jours | over 7 days
31+ | plus de 30 jours | over 30 days
91+ | plus de 90 jours | over 90 days
181+ | plus de 6 mois | over 6 months
366+ | plus d'un an | over a year
0-24 | moins de 25 ans | under 25
25-29 | 25 à 29 ans | 25 to 29
30-34 | 30 à 34 ans | 30 to 34
35-39 | 35 à 39 ans | 35 to 39
40-44 | 40 à 44 ans | 40 to 44
45-49 | 45 à 49 ans | 45 to 49
50-54 | 50 à 54 ans | 50 to 54
55-59 | 55 à 59 ans | 55 to 59
60+ | 60 ans et plus | 60 and over
unknown | inconnu | unknown
""")
FLOW_STEP = _published("""
on_leave | personnes en arrêt | persons on leave
accompanied | personnes accompagnées | accompanied persons
eligibility | critères d'éligibilité | eligibility
eligible | éligibles | eligible
matching | appariement | matching
matched | appariés | matched
analysis | suivi jusqu'à l'échéance principale | follow-up to the main horizon
analysed | analysés | analysed
""")
FLOW_REASON = _union(
    ALL,
    _published("""
invalidity_pension_without_leave | pension d'invalidité, sans arrêt au premier contact | invalidity pension, without leave at first contact
not_on_leave | pas en arrêt au premier contact | not on leave at first contact
trigger_not_reached | seuil d'inclusion non atteint depuis la première ouverture | trigger not reached since the earliest opening
neither_prolonged_nor_frequent | arrêt ni prolongé ni fréquent | leave neither prolonged nor frequent
unknown_department | département de résidence inconnu | unknown département of residence
history_too_short | moins de mois d'antériorité que requis | fewer months of history than required
start_not_observed | arrêt commencé avant les premières données | leave begun before the first data
age_unknown_or_under | âge inconnu ou inférieur au minimum | age unknown or under the minimum
dead | décès avant l'inclusion | death before time zero
retired | retraite avant l'inclusion | retired before time zero
on_invalidity_pension | pension d'invalidité avant l'inclusion | invalidity pension before time zero
not_employed | sans emploi avant l'arrêt | not employed before the leave
platform_not_open | plateforme pas ouverte à l'inclusion | platform not open at time zero
no_candidate | aucune personne comparable à risque | no comparable person at risk
caliper | personnes comparables trop éloignées | comparable persons too far apart
exhausted | personnes comparables déjà prises | comparable persons already taken
not_needed | non retenus pour la comparaison | not needed for the comparison
horizon_not_reached | suivis depuis moins longtemps que l'échéance | followed for less than the horizon
no_complete_comparison | aucune personne appariée suivie jusqu'à l'échéance | no matched person followed up to the horizon
other_reasons | autres motifs, chacun trop rare pour être publié | other reasons, each too rare to be published
"""),
)


def _covariates() -> tuple[Code, ...]:
    """Characteristics compared before time zero, and the indicators that the models derive from them."""
    numbers = _published("""
age | âge | age
wage | salaire de référence | reference wage
daily_allowance | indemnité journalière de l'arrêt | daily allowance of the leave
days_12m | jours d'arrêt, 12 mois avant | days on leave, 12 months before
days_24m | jours d'arrêt, 24 mois avant | days on leave, 24 months before
spells_12m | nombre d'arrêts, 12 mois avant | leaves, 12 months before
spells_24m | nombre d'arrêts, 24 mois avant | leaves, 24 months before
euros_12m | indemnités, 12 mois avant | allowances, 12 months before
euros_24m | indemnités, 24 mois avant | allowances, 24 months before
prognosis | jours d'arrêt attendus | expected days on leave
""")
    missing = tuple(
        Code(f"{c.code}_missing", f"{c.code}_missing", f"{c.label_fr} : non renseigné", f"{c.label_en}: missing")
        for c in numbers
    )
    flags = _published("""
part_time_contract | contrat à temps partiel | part-time contract
employment_unknown | emploi avant l'arrêt inconnu | employment before the leave unknown
""")
    kinds = (
        ("employer_size", "taille de l'entreprise", "employer size", EMPLOYER_SIZE),
        ("contract", "contrat", "contract", CONTRACT),
        ("social_class", "catégorie", "social class", SOCIAL_CLASS),
    )
    indicators = tuple(
        Code(f"{name}_{c.code}", f"{name}_{c.code}", f"{fr} : {c.label_fr}", f"{en}: {c.label_en}")
        for name, fr, en, listed in kinds
        for c in listed
    )
    return (*numbers, *missing, *flags, *indicators)


COVARIATE = _covariates()
BALANCE_STRATUM_TYPE = _union(ALL, _published("department | département | département"), STRATUM_TYPE)
GATE_STATUS = _published("""
pass | dans les limites | within the limits
warn | hors limite, hasard possible | beyond a limit, within what chance explains
fail | hors limite, au-delà du hasard | beyond a limit and beyond chance
""")
PLACEBO_TEST = _published("""
pre_period_days_itt | jours d'arrêt avant l'inclusion, exposés | days on leave before time zero, ITT
pre_period_days_att | jours d'arrêt avant l'inclusion, accompagnés | days on leave before time zero, ATT
negative_control_days_itt | jours d'arrêt deux à trois ans avant l'arrêt, exposés | days on leave two to three years before the leave, ITT
negative_control_days_att | jours d'arrêt deux à trois ans avant l'arrêt, accompagnés | days on leave two to three years before the leave, ATT
negative_control_death_itt | décès, exposés | death, ITT
negative_control_death_att | décès, accompagnés | death, ATT
placebo_departments | départements fictivement désignés | départements played as designated
placebo_opening | ouverture fictive, plus tôt | opening played earlier
refused_att | refus, comme s'ils avaient été accompagnés | those who refused, played as accompanied
""")


def _specifications() -> tuple[Code, ...]:
    """Variants of the headline, by estimand where the variant is run for both."""
    by_estimand = _published("""
protocol | protocole | protocol
caliper_0_1 | calibre de 0,1 écart-type | caliper 0.1 SD
caliper_none | sans calibre | no caliper
ratio_1 | un témoin par personne | one control per treated
ratio_5 | cinq témoins par personne | five controls per treated
with_replacement | témoins réutilisables | with replacement
mahalanobis | distance de Mahalanobis dans le calibre | Mahalanobis distance within the caliper
without_self_employed | salariés seuls | without self-employed
without_neighbours | sans les départements limitrophes | without neighbouring départements
doubly_robust | régression dans les ensembles appariés | regression in the matched sets
any_follow_up | suivis incomplets inclus | incomplete follow-up included
gap_0 | arrêts distincts dès un jour d'écart | leaves apart from one day of gap
gap_7 | écart de 7 jours au plus dans un arrêt | gaps up to 7 days within a leave
gap_30 | écart de 30 jours au plus dans un arrêt | gaps up to 30 days within a leave
interaction_risk | maladie moins accident du travail | sickness minus work injury
interaction_status | salariés moins indépendants | employees minus self-employed
interaction_sex | femmes moins hommes | women minus men
interaction_age_50 | moins de 50 ans moins 50 ans et plus | under 50 minus 50 and over
interaction_ald | sans ALD moins avec ALD | without minus with long-term illness
interaction_employer_size | moins de 50 salariés moins 50 et plus | under 50 employees minus 50 and more
""")
    both = tuple(
        Code(f"{c.code}_{e}", f"{c.code}_{e}", f"{c.label_fr} ({e.upper()})", f"{c.label_en} ({e.upper()})")
        for c in by_estimand
        for e in ("itt", "att")
    )
    return both + _published("""
trigger_90_itt | inclusion à 90 jours d'arrêt | trigger at 90 days
odds_weights_itt | toutes les personnes de comparaison, pondérées (AIPW) | all comparison persons, weighted (AIPW)
panel_department_month_itt | panel département × mois, sans appariement | département × month panel, no matching
agreement_att | inclusion à l'accord | time zero at the agreement
""")


SPECIFICATION = _specifications()
