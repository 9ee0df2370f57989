-- The first of the competing events of each member from its time zero on, with its day.
--
-- End of allowance is not return to work: invalidity, retirement, death, job loss and end of rights end it too. A return
-- (returns.sql) counts when none of them came before it or on the same day: an employee whose rights are used up keeps the
-- contract, and would look like someone back at work.
--
-- A return is known some weeks after its first day: the clock of all events stops that long before the end of follow-up, on
-- $known_until.
WITH happened AS (
    SELECT person, return_day AS day, 'sustained_return_to_work' AS event, 6 AS rank FROM returns
    UNION ALL
    SELECT person, invalidity_start, 'invalidity', 3 FROM persons SEMI JOIN members USING (person) WHERE invalidity_start IS NOT NULL
    UNION ALL
    SELECT person, retirement_date, 'retirement', 2 FROM persons SEMI JOIN members USING (person) WHERE retirement_date IS NOT NULL
    UNION ALL
    SELECT person, death_date, 'death', 1 FROM persons SEMI JOIN members USING (person) WHERE death_date IS NOT NULL
    UNION ALL
    SELECT person, from_day, 'job_loss', 4 FROM job_losses
    UNION ALL
    SELECT person, from_day, 'end_of_rights', 5 FROM ends_of_rights
),
first_event AS (
    SELECT
        m.member,
        m.time_zero,
        min_by(h.event, (h.day, h.rank)) AS event,
        date_diff('day', m.time_zero, min(h.day)) AS event_day
    FROM members AS m
    LEFT JOIN happened AS h ON h.person = m.person AND h.day >= m.time_zero AND h.day < $known_until
    GROUP BY m.member, m.time_zero
)
SELECT
    member,
    event,
    event_day,
    greatest(0, date_diff('day', time_zero, $known_until)) AS followed_days,
    CASE WHEN event = 'sustained_return_to_work' THEN event_day END AS return_day
FROM first_event
ORDER BY member
