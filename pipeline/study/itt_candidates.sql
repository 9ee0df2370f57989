-- ITT: everyone on leave since the earliest opening anywhere, in either arm, once: at the first leave to reach the trigger
-- since then. Who reached it in none is told at the longest leave, which has no time zero.
-- Time zero = leave start + trigger; what is known of the person is what was delivered up to that month.
WITH on_leave AS (
    SELECT
        *,
        start_date + CAST($trigger_days AS INTEGER) <= end_date
            -- Long waiting days: before its first payment nothing tells that there is a leave.
            AND start_date + CAST($trigger_days AS INTEGER) > first_paid_day
            AND start_date + CAST($trigger_days AS INTEGER) >= $earliest_opening AS reached
    FROM leave_spells
    WHERE end_date >= $earliest_opening
),
chosen AS (
    SELECT *, CASE WHEN reached THEN start_date + CAST($trigger_days AS INTEGER) END AS time_zero
    FROM on_leave
    QUALIFY row_number() OVER (
        PARTITION BY person
        ORDER BY reached DESC, CASE WHEN NOT reached THEN -days END, start_date, risk, spell_number
    ) = 1
)
SELECT
    person, spell_number, risk, start_date, first_paid_day, end_date, start_observed, time_zero,
    coalesce(time_zero, start_date) AS known_at,
    CAST($trigger_days AS BIGINT) AS elapsed,
    NULL::BIGINT AS first_elapsed,
    NULL::BIGINT AS last_elapsed,
    NULL::VARCHAR AS platform_department,
    coalesce(part_time_since < time_zero, false) AS part_time_begun
FROM chosen
LEFT JOIN part_time_starts USING (person, spell_number)
