-- Leaves that reach the trigger, in the département of that day, with the days on leave in the `days` after: nobody is matched
-- and nothing else is asked than what makes such a leave comparable from month to month: its start is observed, its person
-- is alive, not retired and not on an invalidity pension, and what follows is known.
WITH reached AS (
    SELECT
        s.person,
        s.spell_number,
        s.start_date + CAST($trigger_days AS INTEGER) AS time_zero,
        h.department_code
    FROM leave_spells AS s
    JOIN persons AS p USING (person)
    JOIN standing AS h
        ON h.person = s.person AND s.start_date + CAST($trigger_days AS INTEGER) BETWEEN h.from_day AND h.to_day
    WHERE s.start_observed
        AND s.start_date + CAST($trigger_days AS INTEGER) <= s.end_date
        -- Long waiting days: before its first payment nothing tells that there is a leave.
        AND s.start_date + CAST($trigger_days AS INTEGER) > s.first_paid_day
        AND s.start_date + CAST($trigger_days AS INTEGER) + CAST($days AS INTEGER) <= $follow_up_end
        AND h.department_code IS NOT NULL
        AND coalesce(p.death_date > s.start_date + CAST($trigger_days AS INTEGER), true)
        AND coalesce(p.retirement_date > s.start_date + CAST($trigger_days AS INTEGER), true)
        AND coalesce(p.invalidity_start > s.start_date + CAST($trigger_days AS INTEGER), true)
)
SELECT
    r.person,
    r.department_code,
    CAST(date_trunc('month', r.time_zero) AS DATE) AS month,
    CAST(coalesce(sum(
        least(d.to_day, r.time_zero + CAST($days AS INTEGER) - 1) - greatest(d.from_day, r.time_zero) + 1
    ) FILTER (WHERE d.person IS NOT NULL), 0) AS BIGINT) AS days
FROM reached AS r
LEFT JOIN leave_days AS d
    ON d.person = r.person AND d.kind = 'leave'
    AND d.from_day < r.time_zero + CAST($days AS INTEGER) AND d.to_day >= r.time_zero
GROUP BY r.person, r.spell_number, r.department_code, r.time_zero
