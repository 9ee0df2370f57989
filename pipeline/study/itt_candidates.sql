-- ITT: each person's first leave to reach the trigger since the earliest opening anywhere, in either arm.
-- Time zero = leave start + trigger; what is known of the person is what was delivered up to that month.
SELECT
    person,
    spell_number,
    risk,
    start_date,
    end_date,
    start_date + CAST($trigger_days AS INTEGER) AS time_zero,
    start_date + CAST($trigger_days AS INTEGER) AS known_at,
    CAST($trigger_days AS BIGINT) AS elapsed,
    NULL::BIGINT AS first_elapsed,
    NULL::BIGINT AS last_elapsed,
    NULL::VARCHAR AS platform_department
FROM (
    SELECT *, row_number() OVER (PARTITION BY person ORDER BY start_date, risk, spell_number) AS nth
    FROM leave_spells
    WHERE start_date + CAST($trigger_days AS INTEGER) <= end_date
      AND start_date + CAST($trigger_days AS INTEGER) >= $earliest_opening
)
WHERE nth = 1
