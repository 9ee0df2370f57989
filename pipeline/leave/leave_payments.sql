-- Euros of each paid period, for amounts over a window: spread evenly over the days of the period.
SELECT person, risk, kind, period_start, period_end, days, amount
FROM paid_periods
WHERE kind <> 'waiting'
