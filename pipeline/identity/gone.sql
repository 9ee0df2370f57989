-- Persons who leave every person-level table: the latest accompaniment event of one of their cases is a withdrawal, or
-- they were erased. Two events on one day: the withdrawal counts.
CREATE OR REPLACE TEMP TABLE gone AS
WITH latest AS (
    SELECT dossier_id, max_by(event, (event_date, event = 'withdrawal')) AS event
    FROM agreements_in
    WHERE scope = 'accompaniment'
    GROUP BY dossier_id
),
withdrawn_cases AS (
    SELECT dossier_id FROM latest WHERE event = 'withdrawal'
    UNION
    SELECT dossier_id FROM erased_cases
),
numbers AS (
    SELECT nir FROM agreements_in SEMI JOIN withdrawn_cases USING (dossier_id)
    UNION
    SELECT nir FROM reports_in SEMI JOIN withdrawn_cases USING (dossier_id)
)
SELECT DISTINCT stable_identifier FROM numbers JOIN nir_person USING (nir)
UNION
SELECT stable_identifier FROM erased_persons
