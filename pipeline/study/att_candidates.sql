-- ATT, accompanied: time zero = first contact.
--
-- ATT, comparison: every leave from the quarter of the first accompanied leave on; its time zero is its start + the elapsed
-- day of the person it is compared with. What the register says of a person changes with that day, so that a leave is cut
-- where the register's row changes: each part is at risk on its own elapsed days, with the facts that stood then. Someone
-- accompanied later is a comparison until then. A leave is known from the day after its first paid day.
WITH parts AS (
    SELECT
        s.*,
        greatest(s.first_paid_day + 1, h.from_day) AS from_day,
        least(s.end_date, h.to_day, coalesce(a.first_contact - 1, s.end_date)) AS to_day
    FROM leave_spells AS s
    JOIN standing AS h ON h.person = s.person AND h.from_day <= s.end_date AND h.to_day > s.first_paid_day
    LEFT JOIN accompanied AS a ON a.person = s.person
    WHERE s.start_date >= $first_quarter
)
SELECT
    person, spell_number, risk, start_date, first_paid_day, end_date, start_observed,
    first_contact AS time_zero,
    first_contact AS known_at,
    CAST(first_contact - start_date AS BIGINT) AS elapsed,
    NULL::BIGINT AS first_elapsed,
    NULL::BIGINT AS last_elapsed,
    platform_department
FROM accompanied
SEMI JOIN persons USING (person)
UNION ALL
SELECT
    person, spell_number, risk, start_date, first_paid_day, end_date, start_observed,
    NULL,
    from_day,
    NULL,
    CAST(from_day - start_date AS BIGINT),
    CAST(to_day - start_date AS BIGINT),
    NULL
FROM parts
WHERE from_day <= to_day
