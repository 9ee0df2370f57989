-- Calendar days on leave of each person as intervals that never overlap, whatever the risk: waiting days and bridged gaps
-- included (`leave`), and among them the days of therapeutic part-time (`part_time`).
--
-- A day is part-time when a part-time period or the part-time phase of a leave covers it and no full period does: where the
-- two overlap, the day counts as full leave. Those stretches are found by one pass over the days on which something starts
-- or stops, so that the work grows with the number of periods and not with its square; only persons with part-time pay it.
WITH ordered AS (
    SELECT
        person, start_date, end_date,
        max(end_date) OVER (
            PARTITION BY person ORDER BY start_date, end_date ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS reached
    FROM leave_spells
),
joined AS (
    SELECT *, sum(CASE WHEN start_date <= reached + 1 THEN 0 ELSE 1 END) OVER (
        PARTITION BY person ORDER BY start_date, end_date ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS island
    FROM ordered
),
part_time_persons AS (
    SELECT DISTINCT person FROM netted_lines WHERE kind = 'part_time' AND days > 0
),
pieces AS (
    SELECT person, part_time_from AS from_day, end_date AS to_day, 1 AS part_time, 0 AS at_full
    FROM leave_spells
    WHERE part_time_from IS NOT NULL
    UNION ALL
    SELECT person, period_start, period_end, CAST(kind = 'part_time' AS INTEGER), CAST(kind = 'full' AS INTEGER)
    FROM netted_lines
    SEMI JOIN part_time_persons USING (person)
    WHERE kind <> 'waiting' AND days > 0
),
changes AS (
    SELECT person, day, sum(part_time) AS part_time, sum(at_full) AS at_full
    FROM (
        SELECT person, from_day AS day, part_time, at_full FROM pieces
        UNION ALL
        SELECT person, to_day + 1, -part_time, -at_full FROM pieces
    )
    GROUP BY person, day
),
stretches AS (
    SELECT
        person,
        day AS from_day,
        lead(day) OVER by_day - 1 AS to_day,
        sum(part_time) OVER by_day > 0 AND sum(at_full) OVER by_day = 0 AS part_time
    FROM changes
    WINDOW by_day AS (PARTITION BY person ORDER BY day)
),
part_time AS (
    SELECT *, sum(CASE WHEN from_day = before + 1 THEN 0 ELSE 1 END) OVER (
        PARTITION BY person ORDER BY from_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS island
    FROM (
        SELECT *, lag(to_day) OVER (PARTITION BY person ORDER BY from_day) AS before FROM stretches WHERE part_time
    )
)
SELECT person, min(start_date) AS from_day, max(end_date) AS to_day, 'leave' AS kind
FROM joined
GROUP BY person, island
UNION ALL
SELECT person, min(from_day), max(to_day), 'part_time'
FROM part_time
GROUP BY person, island
