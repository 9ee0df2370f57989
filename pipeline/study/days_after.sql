-- Calendar days on leave of each member in the `days` after its time zero, [time zero, time zero + days), and whether its
-- follow-up is that long.
SELECT
    m.member,
    m.time_zero + CAST($days AS INTEGER) <= $follow_up_end AS complete,
    CAST(coalesce(sum(CASE WHEN d.kind = 'leave' THEN d.overlap END), 0) AS BIGINT) AS days_on_leave,
    CAST(coalesce(sum(CASE WHEN d.kind = 'part_time' THEN d.overlap END), 0) AS BIGINT) AS days_part_time
FROM members AS m
LEFT JOIN (
    SELECT
        m.member,
        d.kind,
        least(d.to_day, m.time_zero + CAST($days AS INTEGER) - 1) - greatest(d.from_day, m.time_zero) + 1 AS overlap
    FROM members AS m
    JOIN leave_days AS d
        ON d.person = m.person AND d.from_day < m.time_zero + CAST($days AS INTEGER) AND d.to_day >= m.time_zero
) AS d USING (member)
GROUP BY m.member, m.time_zero
ORDER BY m.member
