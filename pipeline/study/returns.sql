-- Sustained returns to work: at least $sustained_return_days days without allowance *and* evidence of employment.
--
-- A return is dated to the first day of the stretch without allowance where the month-end that follows finds employment;
-- found employed only at a later month-end of the same stretch, it is dated to that day, with as many days of the stretch
-- left. It lasts until the next leave or the first month-end found without work; found employed again after that, it is
-- another return, under the same rule.
--
-- A return is known $sustained_return_days days after its first day: those from $known_until on are not, whatever the
-- lines already delivered say, so that no one is seen returning on lines still to come.
WITH at_work AS (
    SELECT
        g.person,
        g.gap_from,
        g.gap_to,
        min(CASE WHEN e.month_end = last_day(g.gap_from) THEN g.gap_from ELSE e.month_end END) AS return_day,
        least(g.gap_to, e.run_until) AS to_day
    FROM gaps AS g
    JOIN month_ends AS e ON e.person = g.person AND e.employed AND e.month_end >= g.gap_from
        AND (e.month_end <= g.gap_to OR e.month_end = last_day(g.gap_from))
    GROUP BY g.person, g.gap_from, g.gap_to, e.run, e.run_until
)
SELECT person, gap_from, return_day, to_day
FROM at_work
WHERE date_diff('day', return_day, gap_to) + 1 >= $sustained_return_days AND return_day < $known_until
