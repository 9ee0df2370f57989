-- Calendar days on leave of each person as intervals that never overlap, whatever the risk: waiting days and bridged gaps
-- included. Where a full and a part-time period overlap, the day counts as full leave.
WITH pieces AS (
    SELECT person, start_date AS from_day, end_date AS to_day FROM leave_spells
),
reached AS (
    SELECT
        *,
        max(to_day) OVER (PARTITION BY person ORDER BY from_day, to_day
                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
    FROM pieces
),
whole AS (
    -- Leaves of two risks that overlap become one stretch of days.
    SELECT person, stretch, min(from_day) AS from_day, max(to_day) AS to_day
    FROM (
        SELECT *, sum(CASE WHEN reached IS NULL OR from_day > reached + 1 THEN 1 ELSE 0 END)
            OVER (PARTITION BY person ORDER BY from_day, to_day
                  ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS stretch
        FROM reached
    )
    GROUP BY person, stretch
),
part AS (
    SELECT person, from_day, to_day
    FROM (
        SELECT
            person,
            greatest(period_start, coalesce(reached + 1, period_start)) AS from_day,
            period_end AS to_day
        FROM (
            SELECT *, max(period_end) OVER (PARTITION BY person ORDER BY period_start, period_end
                                            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
            FROM paid_periods AS p
            WHERE kind = 'part_time' AND days > 0
        )
    )
    WHERE from_day <= to_day
),
part_only AS (
    -- Part-time periods that meet a full period keep only their days outside it when the full one covers an edge; a full
    -- period inside a part-time one takes the day count down through `full_inside`.
    SELECT
        p.person,
        p.from_day,
        p.to_day,
        coalesce(max(CASE WHEN f.period_start <= p.from_day THEN f.period_end END), p.from_day - 1) AS full_until,
        coalesce(min(CASE WHEN f.period_end >= p.to_day THEN f.period_start END), p.to_day + 1) AS full_from
    FROM part AS p
    LEFT JOIN paid_periods AS f
        ON f.person = p.person AND f.kind = 'full' AND f.days > 0
        AND f.period_start <= p.to_day AND f.period_end >= p.from_day
    GROUP BY p.person, p.from_day, p.to_day
)
SELECT person, from_day, to_day, 'leave' AS kind FROM whole
UNION ALL
SELECT person, greatest(from_day, full_until + 1) AS from_day, least(to_day, full_from - 1) AS to_day, 'part_time' AS kind
FROM part_only
WHERE greatest(from_day, full_until + 1) <= least(to_day, full_from - 1)
ORDER BY person, kind, from_day
