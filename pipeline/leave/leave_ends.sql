-- How each leave ended. Read by outcomes alone: an end lies after any time zero in the leave.
--
-- End of allowance is not return to work. In this order: `ongoing` (the end is not observed); `death`, `retirement`,
-- `invalidity` when they come during the leave or within $sustained_return_days days after it, no other leave having begun
-- by then; `end_of_rights` when the
-- sickness leave used them up ($rights_days days of paid periods in $rights_window_days days, those under long-term illness
-- left out; a
-- leave of $ald_rights_days days under it); `return` when employed at the next month-end, `job_loss` when not; `unknown`
-- when nothing is known of that month.
--
-- Rights are counted for persons alone who had enough days to use them up; a day paid by two employers counts once.
WITH long AS (
    SELECT person FROM leave_spells WHERE risk = 'sickness' GROUP BY person HAVING sum(days) >= $rights_days
),
paid AS (
    SELECT
        person, period_start, period_end,
        max(period_end) OVER (
            PARTITION BY person ORDER BY period_start, period_end ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
    FROM leave_payments
    SEMI JOIN long USING (person)
    WHERE risk = 'sickness' AND days > 0
),
stretches AS (
    SELECT person, min(period_start) AS from_day, max(period_end) AS to_day
    FROM (
        SELECT *, sum(CASE WHEN period_start <= reached + 1 THEN 0 ELSE 1 END) OVER (
            PARTITION BY person ORDER BY period_start, period_end ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS stretch
        FROM paid
    )
    GROUP BY person, stretch
),
used AS (
    SELECT
        s.person, s.spell_number,
        sum(
            least(d.to_day, s.end_date) - greatest(d.from_day, s.end_date - CAST($rights_window_days AS INTEGER) + 1) + 1
            -- Days paid under long-term illness are another right.
            - CASE WHEN p.ald_start IS NULL THEN 0 ELSE greatest(0,
                least(d.to_day, s.end_date, coalesce(p.ald_end, s.end_date))
                - greatest(d.from_day, s.end_date - CAST($rights_window_days AS INTEGER) + 1, p.ald_start) + 1) END
        ) AS days
    FROM leave_spells AS s
    LEFT JOIN persons AS p USING (person)
    JOIN stretches AS d
        ON d.person = s.person AND d.from_day <= s.end_date
        AND d.to_day > s.end_date - CAST($rights_window_days AS INTEGER)
    WHERE s.risk = 'sickness'
    GROUP BY s.person, s.spell_number
),
followed AS (
    -- What happens after another leave has begun did not end this one.
    SELECT person, spell_number, lead(start_date) OVER (PARTITION BY person ORDER BY start_date, spell_number) AS next_start
    FROM leave_spells
    SEMI JOIN (
        SELECT person FROM persons WHERE coalesce(death_date, retirement_date, invalidity_start) IS NOT NULL
    ) USING (person)
),
ended AS (
    SELECT
        s.*,
        p.death_date,
        p.retirement_date,
        p.invalidity_start,
        least(
            s.end_date + CAST($sustained_return_days AS INTEGER), greatest(s.end_date, coalesce(f.next_start, DATE '2999-12-31'))
        ) AS ended_by,
        coalesce(u.days >= $rights_days, false)
            AND NOT coalesce(p.ald_start <= s.end_date AND coalesce(p.ald_end >= s.end_date, true), false)
            OR (s.risk = 'sickness' AND s.days >= $ald_rights_days) AS rights_used_up
    FROM leave_spells AS s
    LEFT JOIN used AS u USING (person, spell_number)
    LEFT JOIN persons AS p USING (person)
    LEFT JOIN followed AS f USING (person, spell_number)
)
SELECT
    e.person,
    e.spell_number,
    e.end_date,
    CASE
        WHEN e.censored THEN 'ongoing'
        WHEN e.death_date BETWEEN e.start_date AND e.ended_by THEN 'death'
        WHEN e.retirement_date BETWEEN e.start_date AND e.ended_by THEN 'retirement'
        WHEN e.invalidity_start BETWEEN e.start_date AND e.ended_by THEN 'invalidity'
        WHEN e.rights_used_up THEN 'end_of_rights'
        WHEN m.employed THEN 'return'
        WHEN NOT m.employed THEN 'job_loss'
        ELSE 'unknown'
    END AS end_reason,
    e.rights_used_up
FROM ended AS e
LEFT JOIN employment AS m ON m.person = e.person AND m.month = strftime(e.end_date + 1, '%Y-%m')
