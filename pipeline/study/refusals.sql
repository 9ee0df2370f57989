-- Those who refused to be accompanied and never agreed, on the day of the first refusal, where a platform was open in their
-- département: what the register says of them that day (`standing`). Columns of `first_contacts`, without agreement.
WITH refused AS (
    SELECT a.person, min(a.event_date) AS refusal_date
    FROM agreements AS a
    ANTI JOIN agreed_cases AS g USING (person)
    WHERE a.scope = 'accompaniment' AND a.event = 'refusal'
    GROUP BY a.person
)
SELECT
    r.person,
    r.refusal_date AS first_contact,
    NULL::DATE AS agreement_date,
    h.department_code AS platform_department
FROM refused AS r
JOIN standing AS h ON h.person = r.person AND r.refusal_date BETWEEN h.from_day AND h.to_day
JOIN designated AS d ON d.department_code = h.department_code
    AND r.refusal_date BETWEEN d.opening_date AND coalesce(d.closing_date, r.refusal_date)
