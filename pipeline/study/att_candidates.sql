-- ATT, accompanied: time zero = first contact of the first case whose accompaniment was agreed. The agreement may come days
-- after first contact: it is one of the two declared exceptions to "nothing after time zero decides who is in".
-- ATT, comparison: every leave; its elapsed day is that of the person it is compared with, so its facts are those known at
-- the start of the leave, for both arms alike.
WITH agreed AS (
    SELECT DISTINCT person, case_number FROM agreements WHERE scope = 'accompaniment' AND event = 'agreement'
),
contacts AS (
    SELECT
        r.person,
        min(r.first_contact_date) AS first_contact,
        min_by(r.platform_id, (r.first_contact_date, r.case_number, r.report_number)) AS platform_id
    FROM reports AS r
    JOIN agreed AS a USING (person, case_number)
    WHERE r.first_contact_date IS NOT NULL
    GROUP BY r.person
),
accompanied AS (
    SELECT c.person, c.first_contact, p.department_code AS platform_department
    FROM contacts AS c
    LEFT JOIN platforms AS p USING (platform_id)
),
on_leave AS (
    SELECT
        a.person, a.first_contact, a.platform_department, s.spell_number, s.risk, s.start_date, s.end_date,
        row_number() OVER (PARTITION BY a.person ORDER BY s.start_date, s.risk, s.spell_number) AS nth
    FROM accompanied AS a
    LEFT JOIN leave_spells AS s
        ON s.person = a.person AND s.start_date <= a.first_contact AND a.first_contact <= s.end_date
)
SELECT
    person,
    spell_number,
    risk,
    start_date,
    end_date,
    first_contact AS time_zero,
    coalesce(start_date, first_contact) AS known_at,
    date_diff('day', start_date, first_contact) AS elapsed,
    platform_department
FROM on_leave
WHERE nth = 1
UNION ALL
SELECT person, spell_number, risk, start_date, end_date, NULL AS time_zero, start_date AS known_at, NULL AS elapsed,
       NULL AS platform_department
FROM leave_spells
WHERE start_date >= (SELECT min(date_trunc('quarter', start_date)) FROM on_leave)
  AND person NOT IN (SELECT person FROM contacts)
