-- Calendar days on leave of each person as intervals that never overlap, whatever the risk: waiting days and bridged gaps
-- included (`leave`), and among them the days of therapeutic part-time (`part_time`).
--
-- A day is part-time when a part-time period or the part-time phase of a leave covers it and no full period does: where the
-- two overlap, the day counts as full leave. Intervals are found by one pass over the days on which something starts or
-- stops, so that the work grows with the number of periods and not with its square.
WITH pieces AS (
    SELECT person, start_date AS from_day, end_date AS to_day, 1 AS on_leave, 0 AS part_time, 0 AS at_full
    FROM leave_spells
    UNION ALL
    SELECT person, part_time_from, end_date, 0, 1, 0 FROM leave_spells WHERE part_time_from IS NOT NULL
    UNION ALL
    SELECT person, period_start, period_end, 0, 1, 0 FROM paid_periods WHERE kind = 'part_time' AND days > 0
    UNION ALL
    -- Full periods matter only to persons who had part-time.
    SELECT p.person, p.period_start, p.period_end, 0, 0, 1
    FROM paid_periods AS p
    SEMI JOIN (SELECT person FROM paid_periods WHERE kind = 'part_time' AND days > 0) USING (person)
    WHERE p.kind = 'full' AND p.days > 0
),
changes AS (
    SELECT person, day, sum(on_leave) AS on_leave, sum(part_time) AS part_time, sum(at_full) AS at_full
    FROM (
        SELECT person, from_day AS day, on_leave, part_time, at_full FROM pieces
        UNION ALL
        SELECT person, to_day + 1, -on_leave, -part_time, -at_full FROM pieces
    )
    GROUP BY person, day
),
stretches AS (
    SELECT
        person,
        day AS from_day,
        lead(day) OVER by_day - 1 AS to_day,
        sum(on_leave) OVER by_day > 0 AS leave,
        sum(part_time) OVER by_day > 0 AND sum(at_full) OVER by_day = 0 AS part_time
    FROM changes
    WINDOW by_day AS (PARTITION BY person ORDER BY day)
),
labelled AS (
    SELECT person, from_day, to_day, 'leave' AS kind FROM stretches WHERE leave
    UNION ALL
    SELECT person, from_day, to_day, 'part_time' AS kind FROM stretches WHERE leave AND part_time
),
islands AS (
    SELECT *, sum(CASE WHEN from_day = before + 1 THEN 0 ELSE 1 END) OVER (
        PARTITION BY person, kind ORDER BY from_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS island
    FROM (
        SELECT *, lag(to_day) OVER (PARTITION BY person, kind ORDER BY from_day) AS before FROM labelled
    )
)
SELECT person, min(from_day) AS from_day, max(to_day) AS to_day, kind
FROM islands
GROUP BY person, kind, island
