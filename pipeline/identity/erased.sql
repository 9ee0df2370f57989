-- Every identifier of the persons recognised by one of them: a case leads to its number, a number to the insured person,
-- the person to all their numbers, payment pseudonyms, cases and reports.
CREATE OR REPLACE TEMP TABLE erased AS
WITH cases AS (
    SELECT nir, dossier_id, CAST(NULL AS VARCHAR) AS report_id FROM agreements_in
    UNION SELECT nir, dossier_id, NULL FROM agreements_refused
    UNION SELECT nir, dossier_id, report_id FROM reports_in
    UNION SELECT nir, dossier_id, report_id FROM reports_refused
),
insured AS (
    SELECT nir, stable_identifier, payment_pseudonym || '/' || twin_rank AS payment FROM beneficiaries_in
    UNION SELECT nir, stable_identifier, payment_pseudonym || '/' || twin_rank FROM beneficiaries_refused
),
asked AS (
    SELECT value AS nir FROM recognised WHERE kind = 'nir'
    UNION SELECT nir FROM cases WHERE dossier_id IN (SELECT value FROM recognised WHERE kind = 'dossier_id')
),
persons AS (
    SELECT value AS stable_identifier FROM recognised WHERE kind = 'stable_identifier'
    UNION SELECT stable_identifier FROM insured WHERE nir IN (SELECT nir FROM asked)
),
numbers AS (
    SELECT nir FROM asked
    UNION SELECT nir FROM insured WHERE stable_identifier IN (SELECT stable_identifier FROM persons)
)
SELECT kind, value FROM recognised
UNION SELECT 'stable_identifier', stable_identifier FROM persons WHERE stable_identifier IS NOT NULL
UNION SELECT 'nir', nir FROM numbers WHERE nir IS NOT NULL
UNION SELECT 'payment', payment FROM insured
WHERE payment IS NOT NULL AND stable_identifier IN (SELECT stable_identifier FROM persons)
UNION SELECT 'dossier_id', dossier_id FROM cases WHERE dossier_id IS NOT NULL AND nir IN (SELECT nir FROM numbers)
UNION SELECT 'report_id', report_id FROM cases
WHERE report_id IS NOT NULL AND (
    nir IN (SELECT nir FROM numbers)
    OR dossier_id IN (SELECT value FROM recognised WHERE kind = 'dossier_id')
)
