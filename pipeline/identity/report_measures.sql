-- Measures of the reports that stand.
SELECT r.person, c.case_number, s.report_date, m.measure, m.status, m.start_date, m.end_date, m.cost
FROM report_measures_in AS m
JOIN standing_reports AS s USING (report_id)
JOIN case_rank AS c USING (dossier_id)
JOIN nir_person AS n USING (nir)
JOIN person_rank AS r USING (stable_identifier)
ORDER BY ALL
