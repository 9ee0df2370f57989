-- Month-ends on which the members' persons are known to be at work or not, up to the end of follow-up.
--
-- A run is a row of month-ends that all say the same; a month without a row says nothing and breaks none.
WITH known AS (
    SELECT
        e.person,
        last_day(CAST(e.month || '-01' AS DATE)) AS month_end,
        e.employed,
        e.termination_reason
    FROM employment AS e
    SEMI JOIN members USING (person)
    WHERE e.employed IS NOT NULL AND e.month < strftime(CAST($follow_up_end AS DATE), '%Y-%m')
),
marked AS (
    SELECT
        *,
        CASE WHEN employed = lag(employed) OVER by_month THEN 0 ELSE 1 END AS turns,
        lead(month_end) OVER by_month AS next_month_end
    FROM known
    WINDOW by_month AS (PARTITION BY person ORDER BY month_end)
)
SELECT
    person,
    month_end,
    employed,
    termination_reason,
    next_month_end,
    CAST(sum(turns) OVER (
        PARTITION BY person ORDER BY month_end ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS INTEGER) AS run
FROM marked
