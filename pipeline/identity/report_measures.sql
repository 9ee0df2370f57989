-- Measures of the reports that stand.
WITH standing AS (
    SELECT b.report_id, r.person, c.case_number, b.report_date
    FROM reports_in AS b
    JOIN case_rank AS c USING (dossier_id)
    JOIN nir_person AS n USING (nir)
    JOIN person_rank AS r USING (stable_identifier)
    WHERE b.status = 'valid'
      AND b.report_id NOT IN (SELECT replaces_report_id FROM reports_in WHERE replaces_report_id IS NOT NULL)
)
SELECT s.person, s.case_number, s.report_date, m.measure, m.status, m.start_date, m.end_date, m.cost
FROM report_measures_in AS m
JOIN standing AS s USING (report_id)
ORDER BY ALL
