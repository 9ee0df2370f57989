-- Euros of each paid period, for amounts over a window: spread evenly over the days of the period.
SELECT person, risk, kind, period_start, period_end, sum(days) AS days, sum(amount) AS amount
FROM paid_periods
WHERE kind <> 'waiting'
GROUP BY person, risk, kind, period_start, period_end
ORDER BY person, period_start, period_end, risk, kind
