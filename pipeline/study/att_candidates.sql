-- ATT, accompanied: time zero = first contact.
--
-- ATT, comparison: every leave from the quarter of the first accompanied leave on; its time zero is its start + the elapsed
-- day of the person it is compared with. What the register says of a person changes with that day, so that a leave is cut
-- where the register's row changes, and the day after therapeutic part-time began: each part is at risk on its own elapsed
-- days, with the facts that stood then. Someone accompanied later is a comparison until then. A leave is known from the day
-- after its first paid day.
WITH parts AS (
    SELECT
        s.*,
        greatest(s.first_paid_day + 1, h.from_day) AS from_day,
        least(s.end_date, h.to_day, coalesce(a.first_contact - 1, s.end_date)) AS to_day,
        t.part_time_since
    FROM leave_spells AS s
    LEFT JOIN part_time_starts AS t USING (person, spell_number)
    JOIN standing AS h ON h.person = s.person AND h.from_day <= s.end_date AND h.to_day > s.first_paid_day
    LEFT JOIN accompanied AS a ON a.person = s.person
    WHERE s.start_date >= $first_quarter
),
phases AS (
    SELECT *, from_day AS first_day, least(to_day, coalesce(part_time_since, to_day)) AS last_day, false AS part_time_begun
    FROM parts
    UNION ALL
    SELECT *, greatest(from_day, part_time_since + 1), to_day, true
    FROM parts
    WHERE part_time_since < to_day
)
SELECT
    person, spell_number, risk, start_date, first_paid_day, end_date, start_observed,
    first_contact AS time_zero,
    first_contact AS known_at,
    CAST(first_contact - start_date AS BIGINT) AS elapsed,
    NULL::BIGINT AS first_elapsed,
    NULL::BIGINT AS last_elapsed,
    platform_department,
    coalesce(part_time_since < first_contact, false) AS part_time_begun
FROM accompanied
SEMI JOIN persons USING (person)
LEFT JOIN part_time_starts USING (person, spell_number)
UNION ALL
SELECT
    person, spell_number, risk, start_date, first_paid_day, end_date, start_observed,
    NULL,
    first_day,
    NULL,
    CAST(first_day - start_date AS BIGINT),
    CAST(last_day - start_date AS BIGINT),
    NULL,
    part_time_begun
FROM phases
WHERE first_day <= last_day
