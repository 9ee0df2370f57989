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
),
-- Counts by length: few rows, whatever the number of leaves.
lengths AS (
    SELECT days, count(*) AS leaves FROM settled GROUP BY days
),
extremes AS (
    SELECT shortest, longest, count(*) AS persons
    FROM (SELECT person, min(days) AS shortest, max(days) AS longest FROM settled GROUP BY person)
    GROUP BY shortest, longest
)
SELECT
    p.days,
    (
        SELECT least(
            coalesce(sum(e.persons) FILTER (WHERE e.longest > p.days), 0),
            coalesce(sum(e.persons) FILTER (WHERE e.shortest <= p.days), 0)
        ) FROM extremes AS e
    ) AS n,
    (SELECT coalesce(sum(l.leaves) FILTER (WHERE l.days > p.days), 0) / sum(l.leaves) FROM lengths AS l) AS share
FROM lasting AS p
ORDER BY p.days
