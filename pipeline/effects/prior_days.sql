-- Days on leave of each member from $from_day to $to_day days before its leave started, both included, and whether payment
-- lines reach back that far.
SELECT
    m.member,
    m.start_date - CAST($from_day AS INTEGER) >= $lines_from AS known,
    CAST(coalesce(sum(
        least(d.to_day, m.start_date - CAST($to_day AS INTEGER))
        - greatest(d.from_day, m.start_date - CAST($from_day AS INTEGER)) + 1
    ) FILTER (WHERE d.person IS NOT NULL), 0) AS BIGINT) AS days
FROM members AS m
LEFT JOIN leave_days AS d
    ON d.person = m.person AND d.kind = 'leave'
    AND d.from_day <= m.start_date - CAST($to_day AS INTEGER) AND d.to_day >= m.start_date - CAST($from_day AS INTEGER)
GROUP BY m.member, m.start_date
ORDER BY m.member
