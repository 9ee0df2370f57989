-- Every candidate, the elapsed days on which it is at risk, and the first reason, in this order, that turns it away.
--
-- Employment: the last month-end before the leave starts, if any in the year before. A bridged gap is part of the leave: a
-- person in one at time zero is on leave, though the payment that says so starts up to `gap_days` days later.
WITH last_employment AS (
    SELECT c.person, c.spell_number, max_by(e, e.month) AS e
    FROM (SELECT DISTINCT person, spell_number, start_date FROM candidates SEMI JOIN history USING (person, spell_number)) AS c
    JOIN employment AS e
        ON e.person = c.person
        AND e.month < strftime(c.start_date, '%Y-%m')
        AND e.month >= strftime(c.start_date - 365, '%Y-%m')
    GROUP BY c.person, c.spell_number
),
described AS (
    SELECT
        c.*,
        coalesce(c.platform_department, h.department_code) AS department_code,
        h.status,
        h.social_class,
        h.employer_size,
        h.wage,
        h.activity_code,
        p.sex,
        year(coalesce(c.start_date, c.time_zero)) - p.birth_year AS age,
        coalesce(p.ald_start <= c.start_date AND coalesce(p.ald_end >= c.start_date, true), false) AS ald,
        p.death_date,
        p.retirement_date,
        p.invalidity_start,
        coalesce(b.days_12m, 0) AS days_12m,
        coalesce(b.days_24m, 0) AS days_24m,
        coalesce(b.days_before, 0) AS days_before,
        coalesce(b.spells_12m, 0) AS spells_12m,
        coalesce(b.spells_24m, 0) AS spells_24m,
        e.e.employed AS employed_before,
        e.e.contract AS contract,
        e.e.working_time_share AS working_time_share
    FROM candidates AS c
    JOIN persons AS p USING (person)
    LEFT JOIN standing AS h ON h.person = c.person AND c.known_at BETWEEN h.from_day AND h.to_day
    LEFT JOIN history AS b ON b.person = c.person AND b.spell_number = c.spell_number
    LEFT JOIN last_employment AS e ON e.person = c.person AND e.spell_number = c.spell_number
),
timed AS (
    SELECT
        d.*,
        g.opening_date,
        g.closing_date,
        g.department_code IS NOT NULL AS designated,
        -- Elapsed days between which the person is eligible: prolonged, or frequent by number, or frequent by days.
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
        WHEN start_date IS NULL AND coalesce(invalidity_start <= known_at, false) THEN 'invalidity_pension_without_leave'
        WHEN start_date IS NULL THEN 'not_on_leave'
        WHEN $estimand = 'ITT' AND time_zero IS NULL THEN 'trigger_not_reached'
        WHEN coalesce(elapsed, end_date - start_date) < eligible_from THEN 'neither_prolonged_nor_frequent'
        WHEN department_code IS NULL THEN 'unknown_department'
        WHEN coalesce(elapsed, last_elapsed) < history_elapsed THEN 'history_too_short'
        WHEN NOT start_observed THEN 'start_not_observed'
        WHEN coalesce(age, 0) < $minimum_age THEN 'age_unknown_or_under'
        WHEN coalesce(death_date <= known_at, false) THEN 'dead'
        WHEN coalesce(retirement_date <= known_at, false) THEN 'retired'
        WHEN coalesce(invalidity_start <= known_at, false) THEN 'on_invalidity_pension'
        WHEN status = 'employee' AND employed_before IS NOT DISTINCT FROM false THEN 'not_employed'
        -- Eligible on days on which it is not a comparison: moved away, accompanied or gone before.
        WHEN risk_until < risk_from THEN 'neither_prolonged_nor_frequent'
        WHEN $estimand = 'ITT' AND designated AND NOT (time_zero >= opening_date AND time_zero <= coalesce(closing_date, time_zero))
            THEN 'platform_not_open'
    END AS reason
FROM at_risk
-- Persons living where a platform is are no comparison for the accompanied, who live there too.
WHERE NOT ($estimand = 'ATT' AND designated AND time_zero IS NULL)
