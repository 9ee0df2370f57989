-- One row per accompanied person: its first case whose accompaniment was agreed, with the dates of its milestones.
-- A person counts once, so that cells of persons add up over platforms and quarters.
CREATE OR REPLACE TEMP TABLE cases AS
WITH described AS (
    SELECT
        r.person,
        r.case_number,
        a.agreement_date,
        min_by(r.platform_id, r.report_number) AS platform_id,
        min(r.referral_date) AS referral_date,
        min(r.first_contact_date) AS first_contact_date,
        min(r.diagnosis_date) AS diagnosis_date,
        min(r.plan_date) AS plan_date,
        min(r.report_date) AS first_report_date,
        max(r.exit_date) AS exit_date,
        min_by(r.referral_source, r.report_number) AS referral_source,
        min_by(r.occupation_status, r.report_number) AS occupation_status,
        min_by(r.leave_risk, r.report_number) AS leave_risk,
        min_by(coalesce(r.pathology, 'not_given'), r.report_number) AS pathology,
        max_by(r.exit, r.report_number) FILTER (WHERE r.exit_date IS NOT NULL) AS exit
    FROM reports AS r
    JOIN agreed_cases AS a USING (person, case_number)
    GROUP BY r.person, r.case_number, a.agreement_date
),
first_case AS (
    SELECT * EXCLUDE (nth)
    FROM (SELECT *, row_number() OVER (PARTITION BY person ORDER BY first_contact_date, case_number) AS nth FROM described)
    WHERE nth = 1
),
facts AS (
    -- Register facts: the last row delivered up to the month of first contact, else the first.
    SELECT
        f.person,
        coalesce(
            max_by(h, h.valid_from) FILTER (WHERE h.valid_from <= strftime(f.first_contact_date, '%Y-%m')),
            min_by(h, h.valid_from)
        ) AS h
    FROM first_case AS f
    JOIN person_history AS h USING (person)
    GROUP BY f.person
)
SELECT
    f.*,
    CASE
        WHEN EXISTS (
            SELECT 1 FROM leave_spells AS s
            WHERE s.person = f.person AND s.first_paid_day < f.first_contact_date AND f.first_contact_date <= s.end_date
        ) THEN CASE WHEN k.h.scheme = 'self_employed' THEN 'self_employed_on_leave' ELSE 'employee_on_leave' END
        WHEN coalesce(p.invalidity_start <= f.first_contact_date, false) THEN 'invalidity_pension_without_leave'
        ELSE 'neither_leave_nor_pension'
    END AS entry_situation,
    p.sex,
    year(f.first_contact_date) - p.birth_year AS age,
    k.h.department_code AS department_code,
    coalesce(k.h.employer_size, 'not_given') AS employer_size,
    coalesce(sector_of(k.h.activity_code), 'unknown') AS sector
FROM first_case AS f
JOIN persons AS p USING (person)
LEFT JOIN facts AS k USING (person)
