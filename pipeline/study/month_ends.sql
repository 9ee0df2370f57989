-- Month-ends on which the members' persons are known to be at work or not, up to the end of follow-up.
--
-- A run is a row of month-ends that all say the same; a month without a row says nothing and breaks none. The reason of a
-- termination is declared once, in the month it happens: it stands for the rest of the run, until another is declared.
WITH known AS (
    SELECT
        e.person,
        last_day(CAST(e.month || '-01' AS DATE)) AS month_end,
        e.employed,
        e.termination_reason
    FROM employment AS e
    SEMI JOIN members USING (person)
    WHERE e.employed IS NOT NULL AND last_day(CAST(e.month || '-01' AS DATE)) < $follow_up_end
),
marked AS (
    SELECT
        *,
        CASE WHEN employed = lag(employed) OVER by_month THEN 0 ELSE 1 END AS turns,
        lead(month_end) OVER by_month AS next_month_end
    FROM known
    WINDOW by_month AS (PARTITION BY person ORDER BY month_end)
),
numbered AS (
    SELECT *, CAST(sum(turns) OVER (
        PARTITION BY person ORDER BY month_end ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS INTEGER) AS run
    FROM marked
)
SELECT
    person,
    month_end,
    employed,
    run,
    -- Last day before the next known month-end, and before the first one that says the contrary.
    coalesce(next_month_end - 1, DATE '2999-12-31') AS stands_until,
    coalesce(
        min(month_end) OVER (PARTITION BY person ORDER BY run RANGE BETWEEN 1 FOLLOWING AND 1 FOLLOWING) - 1,
        DATE '2999-12-31'
    ) AS run_until,
    last_value(termination_reason IGNORE NULLS) OVER (
        PARTITION BY person, run ORDER BY month_end ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS reason
FROM numbered
