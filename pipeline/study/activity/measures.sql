-- Persons by measure and by its status in the last report that speaks of it; `all` counts persons once.
WITH latest AS (
    SELECT m.person, m.measure, max_by(m.status, (m.report_date, m.status)) AS status, sum(m.cost) AS cost
    FROM report_measures AS m
    JOIN cases AS c USING (person, case_number)
    GROUP BY m.person, m.measure
)
SELECT measure, coalesce(status, 'all') AS status, count(*) AS n, count(cost) AS n_cost,
       CAST(sum(cost) AS DOUBLE) AS total_cost, CAST(max(cost) AS DOUBLE) AS largest_cost
FROM latest
GROUP BY GROUPING SETS ((measure, status), (measure))
UNION ALL
SELECT 'all' AS measure, 'all' AS status, count(DISTINCT person) AS n, count(DISTINCT person) FILTER (WHERE cost IS NOT NULL),
       CAST(sum(cost) AS DOUBLE), CAST(max(cost) AS DOUBLE)
FROM latest
ORDER BY ALL
