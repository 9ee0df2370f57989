-- Sickness leaves with which the rights of the members' persons were used up: $rights_days days of allowance in the three
-- years up to the end of the leave, outside long-term illness; three years date to date under it.
WITH paid AS (
    -- Calendar days of sickness allowance, each once whatever the number of employers.
    SELECT person, min(period_start) AS from_day, max(period_end) AS to_day
    FROM (
        SELECT *, sum(CASE WHEN period_start <= reached + 1 THEN 0 ELSE 1 END) OVER (
            PARTITION BY person ORDER BY period_start, period_end ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stretch
        FROM (
            SELECT p.person, p.period_start, p.period_end, max(p.period_end) OVER (
                PARTITION BY p.person ORDER BY p.period_start, p.period_end ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS reached
            FROM leave_payments AS p
            SEMI JOIN members USING (person)
            WHERE p.risk = 'sickness' AND p.days > 0
        )
    )
    GROUP BY person, stretch
),
used AS (
    SELECT
        s.person,
        s.end_date,
        s.days AS leave_days,
        coalesce(p.ald_start <= s.end_date AND coalesce(p.ald_end >= s.end_date, true), false) AS ald,
        sum(date_diff('day', greatest(d.from_day, s.end_date - 1094), least(d.to_day, s.end_date)) + 1) AS days
    FROM leave_spells AS s
    SEMI JOIN members USING (person)
    JOIN persons AS p USING (person)
    JOIN paid AS d ON d.person = s.person AND d.from_day <= s.end_date AND d.to_day >= s.end_date - 1094
    WHERE s.risk = 'sickness'
    GROUP BY s.person, s.spell_number, s.end_date, s.days, p.ald_start, p.ald_end
)
SELECT DISTINCT person, end_date FROM used WHERE (NOT ald AND days >= $rights_days) OR leave_days >= 1095
