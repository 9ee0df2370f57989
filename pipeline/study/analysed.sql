-- Matched persons followed up to the main horizon with somebody to be compared with, and why the others are not analysed.
-- Known from the calendar alone: no outcome is read.
WITH followed AS (
    SELECT m.estimand, m.arm, m.person, m.set_id, o.complete
    FROM members AS m
    JOIN outcomes AS o USING (estimand, member)
    WHERE o.horizon_months = $horizon_months
),
sets AS (
    SELECT
        estimand,
        set_id,
        count(*) FILTER (WHERE complete AND arm = 'treated') > 0
            AND count(*) FILTER (WHERE complete AND arm = 'comparison') > 0 AS complete_set
    FROM followed
    GROUP BY estimand, set_id
),
persons AS (
    SELECT
        estimand,
        arm,
        person,
        max(CASE WHEN complete AND complete_set THEN 2 WHEN complete THEN 1 ELSE 0 END) AS reached
    FROM followed
    JOIN sets USING (estimand, set_id)
    GROUP BY estimand, arm, person
)
SELECT
    estimand,
    arm,
    count(*) AS matched,
    count(*) FILTER (WHERE reached = 0) AS horizon_not_reached,
    count(*) FILTER (WHERE reached = 1) AS no_complete_comparison
FROM persons
GROUP BY estimand, arm
ORDER BY estimand DESC, arm DESC
