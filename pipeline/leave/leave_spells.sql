-- Leave spells: per person and risk, paid periods whose gap is at most gap_days are one leave.
--
-- Start: the waiting days that lead to the first paid day where they were paid out as lines (6011, 6012); else the first
-- paid day less the waiting period for sickness; else the first paid day. Never before the day after the previous leave.
-- End: last paid day. Part-time: a run of 6117/6118 periods up to the end is the part-time phase of the same leave; it
-- begins after the last day paid in full.
-- A leave whose last paid day lies within the payment lag of the last flow may still go on: censored.
WITH paid AS (
    SELECT * FROM paid_periods WHERE kind <> 'waiting' AND days > 0
),
marked AS (
    SELECT
        *,
        max(period_end) OVER before_this AS reached
    FROM paid
    WINDOW before_this AS (
        PARTITION BY person, risk ORDER BY period_start, period_end, kind
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
),
numbered AS (
    SELECT
        *,
        sum(CASE WHEN reached IS NULL OR date_diff('day', reached, period_start) - 1 > $gap_days THEN 1 ELSE 0 END)
            OVER (PARTITION BY person, risk ORDER BY period_start, period_end, kind
                  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS spell
    FROM marked
),
spells AS (
    SELECT
        person,
        risk,
        spell,
        min(period_start) AS first_paid_day,
        max(period_end) AS end_date,
        max(CASE WHEN kind = 'full' THEN period_end END) AS last_full_day
    FROM numbered
    GROUP BY person, risk, spell
),
previous AS (
    SELECT *, lag(end_date) OVER (PARTITION BY person, risk ORDER BY first_paid_day) AS previous_end
    FROM spells
),
waiting AS (
    SELECT p.person, p.risk, p.spell, min(w.period_start) AS waiting_start
    FROM previous AS p
    JOIN paid_periods AS w
        ON w.person = p.person AND w.risk = p.risk AND w.kind = 'waiting' AND w.days > 0
        AND w.period_start < p.first_paid_day
        AND date_diff('day', w.period_end, p.first_paid_day) - 1 <= $gap_days
        AND w.period_start > coalesce(p.previous_end, DATE '1900-01-01')
    GROUP BY p.person, p.risk, p.spell
),
dated AS (
    SELECT
        p.*,
        greatest(
            coalesce(
                w.waiting_start,
                CASE WHEN p.risk = 'sickness' THEN p.first_paid_day - $sickness_waiting_days ELSE p.first_paid_day END
            ),
            coalesce(p.previous_end + 1, DATE '1900-01-01')
        ) AS start_date
    FROM previous AS p
    LEFT JOIN waiting AS w USING (person, risk, spell)
),
part_time AS (
    SELECT
        n.person, n.risk, n.spell,
        min(greatest(n.period_start, coalesce(s.last_full_day + 1, n.period_start))) AS part_time_from
    FROM numbered AS n
    JOIN spells AS s USING (person, risk, spell)
    WHERE n.kind = 'part_time' AND (s.last_full_day IS NULL OR n.period_end > s.last_full_day)
    GROUP BY n.person, n.risk, n.spell
)
SELECT
    d.person,
    row_number() OVER (PARTITION BY d.person ORDER BY d.start_date, d.risk, d.first_paid_day) AS spell_number,
    d.risk,
    d.start_date,
    d.first_paid_day,
    d.end_date,
    t.part_time_from,
    CAST(date_diff('day', d.start_date, d.end_date) + 1 AS BIGINT) AS days,
    d.end_date >= CAST($last_flow AS DATE) - to_months(CAST($payment_lag_months AS INTEGER)) AS censored
FROM dated AS d
LEFT JOIN part_time AS t USING (person, risk, spell)
ORDER BY person, spell_number
