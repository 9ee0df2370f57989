-- Lines net of their corrections: negative and positive lines of the same person, period and code add up.
--
-- Only persons who had days taken back can have anything to net: everyone else's lines stand as they are, and are spared
-- the grouping. A negative line whose positive one lies before the first delivery takes its euros back, and no day of
-- another code. Two employers who pay the same days keep a line each: the union of their days and the sum of their euros
-- are taken where lines are used.
WITH corrected AS (
    SELECT DISTINCT person FROM allowance_lines WHERE days < 0
)
SELECT person, risk, kind, period_start, period_end, days, amount
FROM allowance_lines
ANTI JOIN corrected USING (person)
WHERE days > 0 OR amount <> 0
UNION ALL
SELECT person, risk, kind, period_start, period_end, greatest(days, 0) AS days, amount
FROM (
    SELECT person, risk, kind, period_start, period_end, sum(days) AS days, sum(amount) AS amount
    FROM allowance_lines
    SEMI JOIN corrected USING (person)
    GROUP BY person, risk, kind, benefit_code, period_start, period_end
)
WHERE days > 0 OR amount <> 0
