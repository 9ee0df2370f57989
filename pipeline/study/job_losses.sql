-- Month-ends found without work, unless retirement (038, 039) or death (066) ended the contract, each until the day before
-- the next known month-end; a return that this next month-end proves may be dated earlier in its month: until then.
--
-- The reason of a termination is declared once, in the month it happens, whether or not that month still ends at work: it
-- stands for the month-ends without work that follow, until another is declared.
WITH reasons AS (
    SELECT *, coalesce(
        termination_reason,
        CASE WHEN lag(employed) OVER by_month THEN lag(termination_reason) OVER by_month END
    ) AS reason_given
    FROM month_ends
    WINDOW by_month AS (PARTITION BY person ORDER BY month_end)
),
without_work AS (
    SELECT
        person,
        month_end,
        coalesce(next_month_end - 1, DATE '2999-12-31') AS stands_until,
        last_value(reason_given IGNORE NULLS) OVER (
            PARTITION BY person, run ORDER BY month_end ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS reason
    FROM reasons
    WHERE NOT employed
)
SELECT
    e.person,
    e.month_end AS from_day,
    least(e.stands_until, coalesce(min(r.return_day) - 1, e.stands_until)) AS to_day
FROM without_work AS e
LEFT JOIN returns AS r ON r.person = e.person AND r.return_day > e.month_end AND r.return_day <= e.stands_until
WHERE coalesce(e.reason, '') NOT IN ('038', '039', '066')
GROUP BY e.person, e.month_end, e.stands_until
