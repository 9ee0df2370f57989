-- Month-ends found without work, unless retirement (038, 039) or death (066) ended the contract, each until the day before
-- the next known month-end; a return that this next month-end proves may be dated earlier in its month: until then.
SELECT
    e.person,
    e.month_end AS from_day,
    least(e.stands_until, coalesce(min(r.return_day) - 1, e.stands_until)) AS to_day
FROM month_ends AS e
LEFT JOIN returns AS r ON r.person = e.person AND r.return_day > e.month_end AND r.return_day <= e.stands_until
WHERE NOT e.employed AND coalesce(e.reason, '') NOT IN ('038', '039', '066')
GROUP BY e.person, e.month_end, e.stands_until
