-- Weeks, counted from time zero, whose day (time zero + 7 x week) falls on a leave, for every member of a matched set.
SELECT
    m.member,
    CASE d.kind WHEN 'part_time' THEN 2 ELSE 1 END AS state,
    CAST(greatest(0, ceil(date_diff('day', m.time_zero, d.from_day) / 7.0)) AS BIGINT) AS first_week,
    CAST(least($weeks, floor(date_diff('day', m.time_zero, d.to_day) / 7.0)) AS BIGINT) AS last_week
FROM members AS m
JOIN leave_days AS d
    ON d.person = m.person AND d.to_day >= m.time_zero AND d.from_day <= m.time_zero + CAST(7 * $weeks AS INTEGER)
ORDER BY m.member, state, first_week
