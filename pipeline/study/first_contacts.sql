-- First contact of the first case whose accompaniment was agreed.
--
-- The agreement may come days after first contact: it is one of the two declared exceptions to "nothing after time zero
-- decides who is in".
WITH contacts AS (
    SELECT
        r.person,
        min(r.first_contact_date) AS first_contact,
        min_by(r.platform_id, (r.first_contact_date, r.case_number, r.report_number)) AS platform_id,
        min_by(a.agreement_date, (r.first_contact_date, r.case_number, r.report_number)) AS agreement_date
    FROM reports AS r
    JOIN agreed_cases AS a USING (person, case_number)
    WHERE r.first_contact_date IS NOT NULL
    GROUP BY r.person
)
SELECT c.person, c.first_contact, c.agreement_date, p.department_code AS platform_department
FROM contacts AS c
JOIN platforms AS p USING (platform_id)
