-- How late lines arrive: lines by month of their last paid day and months until they are delivered. Positive lines alone:
-- a correction arrives later than what it corrects, and is no sign of a leave still to come. Only months of paid days of
-- which every payment is delivered, those from $first_flow's own month before on.
SELECT
    date_trunc('month', period_end) AS paid_month,
    CAST(date_diff('month', period_end, flow_date) AS BIGINT) AS delay,
    CAST(count(*) AS BIGINT) AS lines
FROM payment_lines
WHERE risk IN ('sickness', 'work_injury') AND amount > 0 AND period_end < flow_date
  AND period_end >= CAST($first_flow AS DATE) - to_months(1)
GROUP BY ALL
ORDER BY ALL
