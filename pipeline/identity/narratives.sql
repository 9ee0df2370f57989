-- Free texts that cross the border with their report, and what identifies the persons in them, under the names of the
-- source. The number is the one of the table `reports`.
SELECT
    b.report_number,
    b.delivery,
    t.narrative,
    t.nir,
    t.last_name AS nom,
    t.first_name AS prenom,
    t.telephone,
    t.email,
    t.general_practitioner AS medecin_traitant,
    t.occupational_physician AS medecin_travail,
    t.employer AS employeur,
    t.birth_date AS date_naissance
FROM (
    SELECT
        s.report_id, s.version, s.delivery,
        row_number() OVER (ORDER BY r.person, c.case_number, s.report_date, s.report_id) AS report_number
    FROM standing_reports AS s
    JOIN case_rank AS c USING (dossier_id)
    JOIN nir_person AS n USING (nir)
    JOIN person_rank AS r USING (stable_identifier)
) AS b
JOIN reports_in AS t USING (report_id, version, delivery)
WHERE t.narrative IS NOT NULL
ORDER BY b.report_number
