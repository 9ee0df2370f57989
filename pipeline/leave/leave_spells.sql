-- Leave spells: per person and risk, paid periods whose gap is at most $gap_days days are one leave.
--
-- Start: the waiting days that lead to the first paid day where they were paid out as lines (6011, 6012); else the first
-- paid day less the waiting period for sickness; else the first paid day. Never before the day after the previous leave.
-- End: last paid day. Part-time: a run of 6117/6118 periods up to the end is the part-time phase of the same leave; it
-- begins after the last day paid in full.
-- Start observed: payments are seen from $first_payment on, hence every period that ends on or after that day. A leave
-- paid within the gap of that day may have begun before, unless its waiting days say when it did.
-- Censored: the last paid day lies within the payment lag ($complete_until), so that the leave may still go on.
WITH paid AS (
    SELECT person, risk, kind, period_start, period_end FROM netted_lines WHERE kind <> 'waiting' AND days > 0
),
marked AS (
    SELECT
        *,
        max(period_end) OVER (
            PARTITION BY person, risk ORDER BY period_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
    FROM paid
),
opening AS (
    SELECT *, reached IS NULL OR period_start > reached + CAST($gap_days AS INTEGER) + 1 AS opens FROM marked
),
numbered AS (
    -- Of lines that start on one day, the one that opens the leave comes first, so that the others belong to it.
    SELECT
        *,
        sum(CAST(opens AS INTEGER)) OVER (
            PARTITION BY person, risk ORDER BY period_start, opens DESC
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS spell
    FROM opening
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
followed AS (
    SELECT *, lag(end_date) OVER (PARTITION BY person, risk ORDER BY first_paid_day) AS previous_end
    FROM spells
),
waiting_lines AS (
    SELECT
        person, risk, period_start, period_end,
        max(period_end) OVER (
            PARTITION BY person, risk ORDER BY period_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
    FROM netted_lines
    WHERE kind = 'waiting' AND days > 0
),
waiting_runs AS (
    -- Waiting days may come as one line of three days or as three lines of one.
    SELECT person, risk, min(period_start) AS waiting_start, max(period_end) AS waiting_end
    FROM (
        SELECT *, sum(CASE WHEN period_start <= reached + 1 THEN 0 ELSE 1 END) OVER (
            PARTITION BY person, risk ORDER BY period_start, reached
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
        ) AS run
        FROM waiting_lines
    )
    GROUP BY person, risk, run
),
waiting AS (
    SELECT s.person, s.risk, s.spell, min(w.waiting_start) AS waiting_start
    FROM followed AS s
    JOIN waiting_runs AS w
        ON w.person = s.person AND w.risk = s.risk
        AND w.waiting_start < s.first_paid_day
        AND w.waiting_end + CAST($gap_days AS INTEGER) + 1 >= s.first_paid_day
        AND w.waiting_end > coalesce(s.previous_end, DATE '1900-01-01')
    GROUP BY s.person, s.risk, s.spell
),
part_time AS (
    SELECT
        s.person, s.risk, s.spell,
        min(greatest(p.period_start, coalesce(s.last_full_day + 1, p.period_start))) AS part_time_from
    FROM spells AS s
    JOIN paid AS p
        ON p.person = s.person AND p.risk = s.risk AND p.kind = 'part_time'
        AND p.period_start BETWEEN s.first_paid_day AND s.end_date
        AND p.period_end > coalesce(s.last_full_day, DATE '1900-01-01')
    WHERE s.last_full_day IS DISTINCT FROM s.end_date
    GROUP BY s.person, s.risk, s.spell
),
dated AS (
    SELECT
        s.person,
        s.risk,
        greatest(
            coalesce(
                w.waiting_start,
                CASE WHEN s.risk = 'sickness' THEN s.first_paid_day - CAST($sickness_waiting_days AS INTEGER)
                     ELSE s.first_paid_day END
            ),
            coalesce(s.previous_end + 1, DATE '1900-01-01')
        ) AS start_date,
        s.first_paid_day,
        s.end_date,
        t.part_time_from,
        w.waiting_start IS NOT NULL OR s.first_paid_day > $first_payment + CAST($gap_days AS INTEGER) AS start_observed
    FROM followed AS s
    LEFT JOIN waiting AS w USING (person, risk, spell)
    LEFT JOIN part_time AS t USING (person, risk, spell)
)
SELECT
    person,
    row_number() OVER (PARTITION BY person ORDER BY start_date, risk, first_paid_day) AS spell_number,
    risk,
    start_date,
    first_paid_day,
    end_date,
    part_time_from,
    CAST(end_date - start_date + 1 AS BIGINT) AS days,
    start_observed,
    end_date >= $complete_until AS censored
FROM dated
