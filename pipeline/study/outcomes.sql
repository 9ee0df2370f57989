-- What happened to each member of a matched set in the `days` after its time zero: [time zero, time zero + days); their
-- days are in `days_after`.
WITH window_of AS (
    SELECT *, time_zero + CAST($days AS INTEGER) - 1 AS last_day FROM members
),
euros AS (
    -- Euros to the cent by piece: exact sums do not depend on the order of addition.
    SELECT
        m.member,
        sum(CAST(
            p.amount * (date_diff('day', greatest(p.period_start, m.time_zero), least(p.period_end, m.last_day)) + 1)
            / (date_diff('day', p.period_start, p.period_end) + 1) AS DECIMAL(14, 2)
        )) AS allowance_eur
    FROM window_of AS m
    JOIN leave_payments AS p ON p.person = m.person AND p.period_start <= m.last_day AND p.period_end >= m.time_zero
    GROUP BY m.member
),
at_horizon AS (
    -- The last month-end before the horizon that is sure to be known: that of the month before.
    SELECT m.member, e.employed
    FROM window_of AS m
    JOIN employment AS e
        ON e.person = m.person AND e.month = strftime(m.time_zero + CAST($days AS INTEGER) - to_months(1), '%Y-%m')
),
pension AS (
    -- An invalidity pension ends with retirement or death.
    SELECT
        m.member,
        CAST(
            greatest(0, date_diff('day', greatest(q.invalidity_start, m.time_zero), least(
                m.last_day, coalesce(q.retirement_date - 1, m.last_day), coalesce(q.death_date - 1, m.last_day)
            )) + 1) * 12.0 / 365.25
            * coalesce(m.wage, 0)
            * CASE q.invalidity_category
                WHEN 'category_1' THEN $share_1 WHEN 'category_2' THEN $share_2 WHEN 'category_3' THEN $share_3 ELSE 0 END
        AS DECIMAL(14, 2)) AS invalidity_eur
    FROM window_of AS m
    JOIN persons AS q USING (person)
    WHERE q.invalidity_start <= m.last_day
)
SELECT
    m.member,
    d.complete,
    d.days_on_leave,
    d.days_part_time,
    CAST(coalesce(e.allowance_eur, 0) AS DOUBLE) AS allowance_eur,
    CAST(coalesce(v.invalidity_eur, 0) AS DOUBLE) AS invalidity_eur,
    h.employed
FROM window_of AS m
JOIN days_after AS d USING (member)
LEFT JOIN euros AS e USING (member)
LEFT JOIN pension AS v USING (member)
LEFT JOIN at_horizon AS h USING (member)
ORDER BY m.member
