-- The first of the competing events of each member from its time zero on, with its day.
--
-- Sustained return: the first day of at least $sustained_return_days days without allowance, with employment on the first
-- month-end that follows; found employed only at a later month-end of the same stretch, the return is dated to that day.
-- End of allowance is not return to work: invalidity, retirement, death, job loss and end of rights end it too.
WITH people AS (
    SELECT DISTINCT person FROM members
),
gaps AS (
    SELECT
        d.person,
        d.to_day + 1 AS gap_from,
        coalesce(lead(d.from_day) OVER (PARTITION BY d.person ORDER BY d.from_day) - 1, DATE '2999-12-31') AS gap_to
    FROM leave_days AS d
    SEMI JOIN people USING (person)
    WHERE d.kind = 'leave'
),
employed AS (
    SELECT
        e.person,
        last_day(CAST(e.month || '-01' AS DATE)) AS month_end,
        e.employed,
        e.termination_reason
    FROM employment AS e
    SEMI JOIN people USING (person)
),
returns AS (
    SELECT
        g.person,
        min(CASE WHEN e.month_end = last_day(g.gap_from) THEN g.gap_from ELSE e.month_end END) AS return_day,
        g.gap_to
    FROM gaps AS g
    JOIN employed AS e ON e.person = g.person AND e.employed AND e.month_end >= g.gap_from AND e.month_end <= g.gap_to
    WHERE g.gap_to - g.gap_from + 1 >= $sustained_return_days
    GROUP BY g.person, g.gap_from, g.gap_to
    HAVING date_diff('day', min(CASE WHEN e.month_end = last_day(g.gap_from) THEN g.gap_from ELSE e.month_end END), g.gap_to) + 1
        >= $sustained_return_days
),
used_rights AS (
    -- Days on leave in the three years up to the end of each leave, for persons outside the long-term illness scheme.
    SELECT
        s.person,
        s.end_date + 1 AS day,
        sum(greatest(0, date_diff('day', greatest(d.from_day, s.end_date - 1095), least(d.to_day, s.end_date)) + 1)) AS days
    FROM leave_spells AS s
    SEMI JOIN people USING (person)
    JOIN persons AS p USING (person)
    JOIN leave_days AS d
        ON d.person = s.person AND d.kind = 'leave' AND d.from_day <= s.end_date AND d.to_day >= s.end_date - 1095
    WHERE s.risk = 'sickness' AND NOT s.censored
      AND NOT coalesce(p.ald_start <= s.end_date AND coalesce(p.ald_end >= s.end_date, true), false)
    GROUP BY s.person, s.end_date
),
happened AS (
    SELECT person, return_day AS day, 'sustained_return_to_work' AS event, 6 AS rank FROM returns
    UNION ALL
    SELECT person, invalidity_start, 'invalidity', 3 FROM persons SEMI JOIN people USING (person) WHERE invalidity_start IS NOT NULL
    UNION ALL
    SELECT person, retirement_date, 'retirement', 2 FROM persons SEMI JOIN people USING (person) WHERE retirement_date IS NOT NULL
    UNION ALL
    SELECT person, death_date, 'death', 1 FROM persons SEMI JOIN people USING (person) WHERE death_date IS NOT NULL
    UNION ALL
    SELECT person, month_end, 'job_loss', 4 FROM employed WHERE NOT employed
        AND coalesce(termination_reason, '') NOT IN ('038', '039', '066')
    UNION ALL
    SELECT person, day, 'end_of_rights', 5 FROM used_rights WHERE days >= $rights_days
)
SELECT
    m.member,
    min_by(h.event, (h.day, h.rank)) FILTER (WHERE h.day < $follow_up_end) AS event,
    date_diff('day', m.time_zero, min(h.day) FILTER (WHERE h.day < $follow_up_end)) AS event_day,
    date_diff('day', m.time_zero, $follow_up_end) AS followed_days,
    date_diff('day', m.time_zero, min(h.day) FILTER (WHERE h.day < $follow_up_end AND h.event = 'sustained_return_to_work'))
        AS return_day
FROM members AS m
LEFT JOIN happened AS h ON h.person = m.person AND h.day >= m.time_zero
GROUP BY m.member, m.time_zero
ORDER BY m.member
