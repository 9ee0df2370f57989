-- What happened to each member of a matched set in the `days` after its time zero: [time zero, time zero + days); their
-- days are in `days_after`.
WITH window_of AS (
    SELECT *, time_zero + CAST($days AS INTEGER) - 1 AS last_day FROM members
),
-- Euros really paid, by what they are paid for: full leave of each risk, and part-time whatever the risk.
-- Every euro of an allowance counts, whatever the state of the day: that of an in-company retraining (CRPE) goes on as an
-- allowance, so that it is no saving. Nothing is added from reports, which one arm alone has.
--
-- The same tariff: the rules are those of the day the leave starts (`tariffs`: by month, what the rules of one year are to
-- them). Beside the ratio, an ordinary sickness allowance of an employee is held to the maximum of that year, which binds
-- where the year caps wages lower; one that a lower cap has cut is not raised again, the wage above it being unknown.
payments AS (
    SELECT
        m.member,
        p.risk,
        p.kind,
        p.days,
        p.amount,
        date_diff('day', greatest(p.period_start, m.time_zero), least(p.period_end, m.last_day)) + 1 AS days_within,
        date_diff('day', p.period_start, p.period_end) + 1 AS days_of_period,
        p.risk = 'work_injury' OR m.status = 'self_employed' AS follows_ceiling,
        greatest($tariffs_from, CAST(date_trunc('month', least($tariffs_until, coalesce(s.start_date, p.period_start))) AS DATE))
            AS month
    FROM window_of AS m
    JOIN leave_payments AS p ON p.person = m.person AND p.period_start <= m.last_day AND p.period_end >= m.time_zero
    LEFT JOIN leave_spells AS s
        ON s.person = p.person AND s.risk = p.risk AND p.period_start BETWEEN s.start_date AND s.end_date
),
priced AS (
    -- Euros to the cent by piece: exact sums do not depend on the order of addition.
    SELECT
        p.member,
        p.risk,
        p.kind,
        CAST(p.amount * p.days_within / p.days_of_period AS DECIMAL(14, 2)) AS paid,
        CAST(
            CASE
                WHEN p.follows_ceiling THEN p.amount * t.ceiling_ratio
                WHEN p.days > 0 AND p.amount BETWEEN 0 AND p.days * (t.employee + $tolerance)
                    THEN least(p.amount * t.wage_ratio, p.days * CAST($employee_maximum AS DOUBLE))
                ELSE p.amount * t.wage_ratio
            END * p.days_within / p.days_of_period
        AS DECIMAL(14, 2)) AS same_tariff
    FROM payments AS p
    JOIN tariffs AS t USING (month)
),
euros AS (
    SELECT
        member,
        sum(paid) AS allowance_eur,
        sum(CASE WHEN kind <> 'part_time' AND risk = 'sickness' THEN paid ELSE 0 END) AS sickness_eur,
        sum(CASE WHEN kind <> 'part_time' AND risk = 'work_injury' THEN paid ELSE 0 END) AS work_injury_eur,
        sum(CASE WHEN kind = 'part_time' THEN paid ELSE 0 END) AS part_time_eur,
        sum(same_tariff) AS same_tariff_eur
    FROM priced
    GROUP BY member
),
at_horizon AS (
    -- The last month-end before the horizon that is sure to be known: that of the month before.
    SELECT m.member, e.employed
    FROM window_of AS m
    JOIN employment AS e
        ON e.person = m.person AND e.month = strftime(m.time_zero + CAST($days AS INTEGER) - to_months(1), '%Y-%m')
),
pension AS (
    -- An invalidity pension accrues by the day from its start, and ends with retirement or death. It is a share of the wage
    -- up to the ceiling of the month in which it starts; of an unknown category, the smallest.
    SELECT
        m.member,
        CAST(
            greatest(0, date_diff('day', greatest(q.invalidity_start, m.time_zero), least(
                m.last_day, coalesce(q.retirement_date - 1, m.last_day), coalesce(q.death_date - 1, m.last_day)
            )) + 1) * 12.0 / 365.25
            * least(coalesce(m.wage, 0), t.monthly_ceiling)
            * CASE q.invalidity_category WHEN 'category_2' THEN $share_2 WHEN 'category_3' THEN $share_3 ELSE $share_1 END
        AS DECIMAL(14, 2)) AS invalidity_eur
    FROM window_of AS m
    JOIN persons AS q USING (person)
    JOIN tariffs AS t
        ON t.month = greatest($tariffs_from, CAST(date_trunc('month', least($tariffs_until, q.invalidity_start)) AS DATE))
    WHERE q.invalidity_start <= m.last_day
)
SELECT
    m.member,
    d.complete,
    d.days_on_leave,
    d.days_part_time,
    CAST(coalesce(e.allowance_eur, 0) AS DOUBLE) AS allowance_eur,
    CAST(coalesce(e.sickness_eur, 0) AS DOUBLE) AS sickness_eur,
    CAST(coalesce(e.work_injury_eur, 0) AS DOUBLE) AS work_injury_eur,
    CAST(coalesce(e.part_time_eur, 0) AS DOUBLE) AS part_time_eur,
    CAST(coalesce(e.same_tariff_eur, 0) AS DOUBLE) AS same_tariff_eur,
    CAST(coalesce(v.invalidity_eur, 0) AS DOUBLE) AS invalidity_eur,
    h.employed
FROM window_of AS m
JOIN days_after AS d USING (member)
LEFT JOIN euros AS e USING (member)
LEFT JOIN pension AS v USING (member)
LEFT JOIN at_horizon AS h USING (member)
ORDER BY m.member
