-- Reports that stand, of persons who have not withdrawn.
SELECT
    r.person,
    c.case_number,
    row_number() OVER (ORDER BY r.person, c.case_number, b.report_date, b.report_id) AS report_number,
    b.platform_id,
    year(b.birth_date) AS birth_year,
    b.stage,
    b.referral_date,
    b.first_contact_date,
    b.diagnosis_date,
    b.plan_date,
    b.report_date,
    b.exit_date,
    b.referral_source,
    b.occupation_status,
    b.leave_risk,
    b.pathology,
    b.risk_reasons,
    b.diagnosis_administrative,
    b.diagnosis_social,
    b.diagnosis_medical,
    b.employment_situation,
    b.exit,
    b.interviews,
    b.satisfaction
FROM standing_reports AS b
JOIN case_rank AS c USING (dossier_id)
JOIN nir_person AS n USING (nir)
JOIN person_rank AS r USING (stable_identifier)
ORDER BY report_number
