-- Euros of leaves by paid period, net of corrections: over a window they are spread evenly over the days of the period.
-- Two employers keep a row each: their euros add up, their days do not.
SELECT person, risk, kind, period_start, period_end, days, amount
FROM netted_lines
WHERE kind <> 'waiting'
