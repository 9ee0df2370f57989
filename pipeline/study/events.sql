-- The first of the competing events of each member from its time zero on, with its day.
--
-- Sustained return: the first day of at least $sustained_return_days days without allowance, with employment on the first
-- month-end that follows; found employed only at a later month-end of the same stretch, the return is dated to that day.
-- End of allowance is not return to work: invalidity, retirement, death, job loss and end of rights end it too. A return
-- counts when none of them came before it or on the same day: an employee whose rights are used up keeps the contract, and
-- would look like someone back at work.
--
-- A return is known $sustained_return_days days after its first day: the clock of all events stops that long before the end
-- of follow-up, so that no one is seen returning on lines still to come.
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
    JOIN employed AS e ON e.person = g.person AND e.employed AND e.month_end >= g.gap_from
        AND (e.month_end <= g.gap_to OR e.month_end = last_day(g.gap_from))
    GROUP BY g.person, g.gap_from, g.gap_to
),
sustained AS (
    SELECT person, return_day FROM returns WHERE date_diff('day', return_day, gap_to) + 1 >= $sustained_return_days
),
happened AS (
    SELECT person, return_day AS day, 'sustained_return_to_work' AS event, 6 AS rank FROM sustained
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
    SELECT person, end_date + 1, 'end_of_rights', 5 FROM leave_ends SEMI JOIN people USING (person) WHERE rights_used_up
),
clocks AS (
    SELECT
        member, person, time_zero,
        CAST($follow_up_end AS DATE) - CAST($sustained_return_days AS INTEGER) + 1 AS stops
    FROM members
),
first_event AS (
    SELECT
        c.member,
        c.time_zero,
        c.stops,
        min_by(h.event, (h.day, h.rank)) AS event,
        date_diff('day', c.time_zero, min(h.day)) AS event_day
    FROM clocks AS c
    LEFT JOIN happened AS h ON h.person = c.person AND h.day >= c.time_zero AND h.day < c.stops
    GROUP BY c.member, c.time_zero, c.stops
)
SELECT
    member,
    event,
    event_day,
    greatest(0, date_diff('day', time_zero, stops)) AS followed_days,
    CASE WHEN event = 'sustained_return_to_work' THEN event_day END AS return_day
FROM first_event
ORDER BY member
