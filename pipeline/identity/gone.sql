-- Persons who leave every person-level table: one of their cases is withdrawn.
CREATE OR REPLACE TEMP TABLE gone_numbers AS
SELECT nir FROM agreements_in SEMI JOIN withdrawn_cases USING (dossier_id)
UNION
SELECT nir FROM agreements_refused SEMI JOIN withdrawn_cases USING (dossier_id)
UNION
SELECT nir FROM reports_in SEMI JOIN withdrawn_cases USING (dossier_id)
UNION
SELECT nir FROM agreements_refused
WHERE scope = 'accompaniment' AND event = 'withdrawal' AND dossier_id IS NULL;

CREATE OR REPLACE TEMP TABLE gone AS
SELECT DISTINCT stable_identifier FROM gone_numbers JOIN nir_person USING (nir)
