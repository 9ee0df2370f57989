-- Euros paid in the year for its leaves: per paid day, and the share of those that have lasted long by its end.
WITH paid AS (
    SELECT l.person, l.days AS duration, sum(p.amount) AS amount, sum(p.days) AS days
    FROM year_leaves AS l
    JOIN leave_payments AS p
        ON p.person = l.person AND p.risk = 'sickness' AND p.period_start BETWEEN l.first_paid_day AND l.end_date
    WHERE p.period_start BETWEEN CAST($first_day AS DATE) AND CAST($last_day AS DATE)
    GROUP BY l.person, l.spell_number, l.days
)
SELECT
    'all' AS variable,
    'all' AS modality,
    'euros_per_day' AS measure,
    count(DISTINCT person) AS n,
    CAST(sum(amount) AS DOUBLE) / nullif(sum(days), 0) AS value
FROM paid
UNION ALL
SELECT
    'duration',
    d.modality,
    'share_of_euros',
    count(DISTINCT p.person) FILTER (WHERE p.duration >= d.low),
    CAST(sum(p.amount) FILTER (WHERE p.duration >= d.low) AS DOUBLE) / nullif(CAST(sum(p.amount) AS DOUBLE), 0)
FROM durations AS d
CROSS JOIN paid AS p
GROUP BY d.modality
ORDER BY ALL
