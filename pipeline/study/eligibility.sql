-- One row per person and arm: eligible (no reason), or turned away at the reason of the candidate that came furthest.
SELECT arm, person, department_code, reason
FROM (
    SELECT j.arm, j.person, j.department_code, j.reason, row_number() OVER (
        PARTITION BY j.arm, j.person
        ORDER BY j.reason IS NULL DESC, r.rank DESC, j.known_at DESC, j.spell_number DESC
    ) AS nth
    FROM judged AS j
    LEFT JOIN reasons AS r USING (reason)
)
WHERE nth = 1
ORDER BY arm, person
