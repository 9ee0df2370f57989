-- Agreement and refusal events of persons who have not withdrawn. A refusal names its platform by the person's
-- département on that date; it is counted, never an attribute of a person further on.
SELECT r.person, c.case_number, a.scope, a.event, a.event_date, a.mode
FROM agreements_in AS a
JOIN case_rank AS c USING (dossier_id)
JOIN nir_person AS n USING (nir)
JOIN person_rank AS r USING (stable_identifier)
ORDER BY ALL
