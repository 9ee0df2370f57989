-- Of the sickness leaves that begin, the share that lasts longer than so many paid days, and the persons on either side.
--
-- On leaves whose start is observed (not before the first payment flow) and old enough for the longest of these durations
-- to be fully paid by the end of follow-up: what each of them has reached is known, ended or not.
WITH settled AS (
    SELECT person, date_diff('day', first_paid_day, end_date) + 1 AS days
    FROM leave_spells
    WHERE risk = 'sickness'
      AND start_date >= CAST($first_flow AS DATE)
      AND first_paid_day + CAST($longest_days AS INTEGER) < CAST($follow_up_end AS DATE)
)
SELECT
    p.days,
    least(
        count(DISTINCT s.person) FILTER (WHERE s.days > p.days), count(DISTINCT s.person) FILTER (WHERE s.days <= p.days)
    ) AS n,
    avg(CASE WHEN s.person IS NULL THEN NULL WHEN s.days > p.days THEN 1.0 ELSE 0.0 END) AS share
FROM lasting AS p
LEFT JOIN settled AS s ON true
GROUP BY p.days
ORDER BY p.days
