-- Euros paid in the year for its leaves: per paid day, and the share of those that have lasted long by its end.
WITH paid AS (
    SELECT l.person, l.days AS duration, sum(p.amount) AS amount, sum(p.days) AS days
    FROM year_leaves AS l
    JOIN leave_payments AS p
        ON p.person = l.person AND p.risk = 'sickness' AND p.period_start BETWEEN l.first_paid_day AND l.end_date
    WHERE p.period_start BETWEEN CAST($first_day AS DATE) AND CAST($last_day AS DATE)
    GROUP BY l.person, l.spell_number, l.days
),
-- Sums by length: few rows, whatever the number of leaves.
lengths AS (
    SELECT duration, CAST(sum(amount) AS DOUBLE) AS amount, sum(days) AS days FROM paid GROUP BY duration
),
longest AS (
    SELECT duration, count(*) AS persons
    FROM (SELECT person, max(duration) AS duration FROM paid GROUP BY person)
    GROUP BY duration
)
SELECT
    'all' AS variable,
    'all' AS modality,
    'euros_per_day' AS measure,
    CAST((SELECT coalesce(sum(persons), 0) FROM longest) AS BIGINT) AS n,
    (SELECT sum(amount) / nullif(sum(days), 0) FROM lengths) AS value
UNION ALL
SELECT
    'duration',
    d.modality,
    'share_of_euros',
    CAST((SELECT coalesce(sum(l.persons) FILTER (WHERE l.duration >= d.low), 0) FROM longest AS l) AS BIGINT),
    (SELECT coalesce(sum(l.amount) FILTER (WHERE l.duration >= d.low), 0) / nullif(sum(l.amount), 0) FROM lengths AS l)
FROM durations AS d
ORDER BY ALL
