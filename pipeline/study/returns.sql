-- Sustained returns to work: at least $sustained_return_days days without allowance *and* evidence of employment.
--
-- A return is dated to the first day of the stretch without allowance where the month-end that follows finds employment;
-- found employed only at a later month-end of the same stretch, it is dated to that day, with as many days of the stretch
-- left. It lasts until the next leave or the first month-end found without work; found employed again after that, it is
-- another return, under the same rule.
--
-- A return is known $sustained_return_days days after its first day: those from $known_until on are not, whatever the
-- lines already delivered say, so that no one is seen returning on lines still to come.
WITH runs AS (
    SELECT person, run, lead(min(month_end)) OVER (PARTITION BY person ORDER BY run) - 1 AS last_day_of_run
    FROM month_ends
    GROUP BY person, run
),
at_work AS (
    SELECT
        g.person,
        g.gap_from,
        g.gap_to,
        e.run,
        min(CASE WHEN e.month_end = last_day(g.gap_from) THEN g.gap_from ELSE e.month_end END) AS return_day
    FROM gaps AS g
    JOIN month_ends AS e ON e.person = g.person AND e.employed AND e.month_end >= g.gap_from
        AND (e.month_end <= g.gap_to OR e.month_end = last_day(g.gap_from))
    GROUP BY g.person, g.gap_from, g.gap_to, e.run
)
SELECT a.person, a.gap_from, a.return_day, least(a.gap_to, coalesce(r.last_day_of_run, a.gap_to)) AS to_day
FROM at_work AS a
JOIN runs AS r USING (person, run)
WHERE date_diff('day', a.return_day, a.gap_to) + 1 >= $sustained_return_days AND a.return_day < $known_until
