-- The other candidates, the elapsed days on which each is at risk, and the first reason, in this order, that turns it away.
--
-- A bridged gap is part of the leave: a person in one at time zero is on leave, though the payment that says so starts up
-- to `gap_days` days later.
WITH described AS (
    SELECT
        c.*,
        coalesce(c.platform_department, h.department_code) AS department_code,
        h.status,
        h.social_class,
        h.employer_size,
        h.wage,
        h.activity_code,
        p.sex,
        year(c.start_date) - p.birth_year AS age,
        coalesce(p.ald_start <= c.start_date AND coalesce(p.ald_end >= c.start_date, true), false) AS ald,
        p.death_date,
        p.retirement_date,
        p.invalidity_start,
        b.days_12m,
        b.days_24m,
        b.days_before,
        b.spells_12m,
        b.spells_24m,
        b.employed_before,
        b.contract,
        b.working_time_share
    FROM candidates AS c
    JOIN history AS b USING (person, spell_number)
    JOIN persons AS p USING (person)
    LEFT JOIN standing AS h ON h.person = c.person AND c.known_at BETWEEN h.from_day AND h.to_day
    WHERE NOT ($estimand = 'ITT' AND c.time_zero IS NULL)
),
timed AS (
    SELECT
        d.*,
        g.opening_date,
        g.closing_date,
        g.department_code IS NOT NULL AS designated,
        -- Elapsed days from which the person is eligible: prolonged, or frequent by number, or frequent by days.
        least(
            CAST($prolonged_days AS BIGINT),
            CASE WHEN spells_12m + 1 >= $frequent_leaves THEN 0 ELSE $prolonged_days END,
            greatest(0, $frequent_days - days_12m)
        ) AS eligible_from,
        $history_from - d.start_date AS history_elapsed,
        least(
            d.end_date,
            coalesce(d.death_date - 1, d.end_date),
            coalesce(d.retirement_date - 1, d.end_date),
            coalesce(d.invalidity_start - 1, d.end_date)
        ) - d.start_date AS alive_until
    FROM described AS d
    LEFT JOIN designated AS g USING (department_code)
),
at_risk AS (
    -- Elapsed days on which the person is at risk: time zero alone where it is known.
    SELECT
        *,
        CASE WHEN time_zero IS NULL THEN greatest(eligible_from, first_elapsed, history_elapsed) ELSE elapsed END AS risk_from,
        CASE WHEN time_zero IS NULL THEN least(alive_until, last_elapsed) ELSE elapsed END AS risk_until
    FROM timed
)
SELECT
    *,
    CASE WHEN ($estimand = 'ITT' AND designated) OR ($estimand = 'ATT' AND time_zero IS NOT NULL) THEN 'treated'
         ELSE 'comparison' END AS arm,
    CASE
        WHEN coalesce(elapsed, end_date - start_date) < eligible_from THEN 'neither_prolonged_nor_frequent'
        WHEN department_code IS NULL THEN 'unknown_department'
        WHEN coalesce(elapsed, last_elapsed) < history_elapsed THEN 'history_too_short'
        WHEN NOT start_observed THEN 'start_not_observed'
        WHEN coalesce(age, 0) < $minimum_age THEN 'age_unknown_or_under'
        WHEN coalesce(death_date <= known_at, false) THEN 'dead'
        WHEN coalesce(retirement_date <= known_at, false) THEN 'retired'
        WHEN coalesce(invalidity_start <= known_at, false) THEN 'on_invalidity_pension'
        WHEN status = 'employee' AND employed_before IS NOT DISTINCT FROM false THEN 'not_employed'
        -- Eligible on days on which it is no comparison: moved away, accompanied or gone before.
        WHEN risk_until < risk_from THEN 'neither_prolonged_nor_frequent'
        WHEN $estimand = 'ITT' AND designated AND NOT (time_zero >= opening_date AND time_zero <= coalesce(closing_date, time_zero))
            THEN 'platform_not_open'
    END AS reason
FROM at_risk
-- Persons living where a platform is are no comparison for the accompanied, who live there too.
WHERE NOT ($estimand = 'ATT' AND designated AND time_zero IS NULL)
