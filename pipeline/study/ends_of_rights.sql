-- From the end of a sickness leave that used up the rights (`leave_ends`), where no other leave goes on, until the next
-- leave or a return dated later: one dated to that very day is no return, it is the contract that goes on.
SELECT
    g.person,
    g.gap_from AS from_day,
    coalesce(min(r.return_day) - 1, g.gap_to) AS to_day
FROM gaps AS g
SEMI JOIN (SELECT person, end_date FROM leave_ends WHERE rights_used_up) AS e
    ON e.person = g.person AND e.end_date + 1 = g.gap_from
LEFT JOIN returns AS r ON r.person = g.person AND r.gap_from = g.gap_from AND r.return_day > g.gap_from
GROUP BY g.person, g.gap_from, g.gap_to
