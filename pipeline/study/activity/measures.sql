-- Persons by measure and by its status in the last report that speaks of it; `all` counts persons once. Costs are those of
-- a person, and the two largest are of two persons.
WITH latest AS (
    SELECT m.person, m.measure, max_by(m.status, (m.report_date, m.status)) AS status, sum(m.cost) AS cost
    FROM report_measures AS m
    JOIN cases AS c USING (person, case_number)
    GROUP BY m.person, m.measure
),
counted AS (
    SELECT measure, coalesce(status, 'all') AS status, count(*) AS n, count(cost) AS n_cost, sum(cost) AS total_cost,
           max(cost, 2) AS largest
    FROM latest
    GROUP BY GROUPING SETS ((measure, status), (measure))
    UNION ALL
    SELECT 'all', 'all', count(*), count(cost), sum(cost), max(cost, 2)
    FROM (SELECT person, sum(cost) AS cost FROM latest GROUP BY person)
)
SELECT measure, status, n, n_cost, CAST(total_cost AS DOUBLE) AS total_cost, CAST(largest[1] AS DOUBLE) AS largest_cost,
       CAST(coalesce(largest[2], 0) AS DOUBLE) AS second_cost
FROM counted
ORDER BY measure, status
