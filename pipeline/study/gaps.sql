-- Stretches without allowance of the members' persons: from the day after a leave to the day before the next one.
SELECT
    d.person,
    d.to_day + 1 AS gap_from,
    coalesce(lead(d.from_day) OVER (PARTITION BY d.person ORDER BY d.from_day) - 1, DATE '2999-12-31') AS gap_to
FROM leave_days AS d
SEMI JOIN members USING (person)
WHERE d.kind = 'leave'
