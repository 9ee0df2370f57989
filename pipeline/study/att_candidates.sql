-- ATT, accompanied: time zero = first contact of the first case whose accompaniment was agreed. The agreement may come days
-- after first contact: it is one of the two declared exceptions to "nothing after time zero decides who is in".
--
-- ATT, comparison: every leave; its time zero is its start + the elapsed day of the person it is compared with. What the
-- register says of a person changes with that day, so that a leave is cut where the register's row changes: each part is at
-- risk on its own elapsed days, with the facts that stood then. Someone accompanied later is a comparison until then.
--
-- Either arm: a leave is known from the day after its first paid day, for only payments tell that there is one.
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
    JOIN platforms AS p USING (platform_id)
),
on_leave AS (
    SELECT
        a.person, a.first_contact, a.platform_department, s.spell_number, s.risk, s.start_date, s.end_date,
        row_number() OVER (PARTITION BY a.person ORDER BY s.start_date, s.risk, s.spell_number) AS nth
    FROM accompanied AS a
    LEFT JOIN leave_spells AS s
        ON s.person = a.person AND s.first_paid_day < a.first_contact AND a.first_contact <= s.end_date
),
standing AS (
    -- Days on which each row of the register stands; the first one also stands before its delivery.
    SELECT
        person,
        CASE WHEN lag(valid_from) OVER by_delivery IS NULL THEN DATE '1600-01-01'
             ELSE CAST(valid_from || '-01' AS DATE) END AS from_day,
        coalesce(CAST(lead(valid_from) OVER by_delivery || '-01' AS DATE), DATE '2999-12-31') - 1 AS to_day
    FROM person_history
    WINDOW by_delivery AS (PARTITION BY person ORDER BY valid_from)
)
SELECT
    person,
    spell_number,
    risk,
    start_date,
    end_date,
    first_contact AS time_zero,
    first_contact AS known_at,
    date_diff('day', start_date, first_contact) AS elapsed,
    NULL::BIGINT AS first_elapsed,
    NULL::BIGINT AS last_elapsed,
    platform_department
FROM on_leave
WHERE nth = 1
UNION ALL
SELECT
    person, spell_number, risk, start_date, end_date, NULL AS time_zero, from_day AS known_at, NULL AS elapsed,
    date_diff('day', start_date, from_day) AS first_elapsed,
    date_diff('day', start_date, to_day) AS last_elapsed,
    NULL AS platform_department
FROM (
    SELECT
        s.*,
        greatest(s.first_paid_day + 1, h.from_day) AS from_day,
        least(s.end_date, h.to_day, coalesce(a.first_contact - 1, s.end_date)) AS to_day
    FROM leave_spells AS s
    JOIN standing AS h USING (person)
    LEFT JOIN accompanied AS a USING (person)
)
WHERE from_day <= to_day
  -- Controls start their leave in the quarter of the person they are compared with.
  AND start_date >= (SELECT min(date_trunc('quarter', start_date)) FROM on_leave)
