-- One row per person and arm: eligible (no reason), or turned away at the reason of the candidate that came furthest.
--
-- Order among a person's candidates: how far they came, then the day they are known from; as one number, because millions
-- of persons are grouped by it.
WITH told AS (
    SELECT arm, person, department_code, reason, known_at FROM judged
    UNION ALL
    SELECT arm, person, department_code, reason, known_at FROM early
),
ranked AS (
    SELECT
        t.arm,
        t.person,
        coalesce(t.department_code, '') AS department_code,
        coalesce(r.rank, $eligible_rank) AS rank,
        t.known_at - DATE '1600-01-01' AS day
    FROM told AS t
    LEFT JOIN reasons AS r USING (reason)
),
furthest AS (
    SELECT arm, person, max(rank) AS rank, max_by(department_code, 1000000 * rank + day) AS department_code
    FROM ranked
    GROUP BY arm, person
)
SELECT f.arm, f.person, nullif(f.department_code, '') AS department_code, r.reason
FROM furthest AS f
LEFT JOIN reasons AS r USING (rank)
ORDER BY f.arm, f.person
