-- Candidates with everything known of them before time zero, and the first reason, in this order, that turns one away.
--
-- Register facts: the last row delivered up to the month of `known_at` (time zero, or the first day of the part of a
-- comparison leave on which the same row stands), else the first. History windows end the day before the leave starts: they
-- are the same for every time zero in it. Employment: the last month-end before the leave starts. A bridged gap is part of
-- the leave: a person in one at time zero is on leave, though the payment that says so starts up to `gap_days` days later.
WITH facts AS (
    SELECT
        c.person,
        c.known_at,
        coalesce(
            max_by(h, h.valid_from) FILTER (WHERE h.valid_from <= strftime(c.known_at, '%Y-%m')),
            min_by(h, h.valid_from)
        ) AS h
    FROM (SELECT DISTINCT person, known_at FROM candidates) AS c
    JOIN person_history AS h USING (person)
    GROUP BY c.person, c.known_at
),
leaves AS (
    SELECT DISTINCT person, spell_number, risk, start_date FROM candidates WHERE start_date IS NOT NULL
),
past_days AS (
    SELECT
        c.person,
        c.spell_number,
        sum(greatest(0, date_diff('day', greatest(d.from_day, c.start_date - 365), least(d.to_day, c.start_date - 1)) + 1)) AS days_12m,
        sum(greatest(0, date_diff('day', greatest(d.from_day, c.start_date - 730), least(d.to_day, c.start_date - 1)) + 1)) AS days_24m,
        sum(greatest(0, date_diff('day', greatest(d.from_day, c.start_date - 547), least(d.to_day, c.start_date - 183)) + 1)) AS days_before
    FROM leaves AS c
    JOIN leave_days AS d
        ON d.person = c.person AND d.kind = 'leave' AND d.from_day < c.start_date AND d.to_day >= c.start_date - 730
    GROUP BY c.person, c.spell_number
),
past_spells AS (
    SELECT
        c.person,
        c.spell_number,
        count(*) FILTER (WHERE s.start_date >= c.start_date - 365) AS spells_12m,
        count(*) AS spells_24m
    FROM leaves AS c
    JOIN leave_spells AS s
        ON s.person = c.person AND s.start_date < c.start_date AND s.start_date >= c.start_date - 730
    GROUP BY c.person, c.spell_number
),
past_euros AS (
    SELECT
        c.person,
        c.spell_number,
        sum(p.amount) FILTER (WHERE p.period_start >= c.start_date - 365) AS euros_12m,
        sum(p.amount) AS euros_24m
    FROM leaves AS c
    JOIN leave_payments AS p
        ON p.person = c.person AND p.period_start < c.start_date AND p.period_start >= c.start_date - 730
    GROUP BY c.person, c.spell_number
),
first_payment AS (
    SELECT person, spell_number, CAST(amount AS DOUBLE) / days AS daily_allowance
    FROM (
        SELECT c.person, c.spell_number, p.amount, p.days,
               row_number() OVER (PARTITION BY c.person, c.spell_number ORDER BY p.period_start, p.period_end, p.kind) AS nth
        FROM leaves AS c
        JOIN leave_payments AS p
            ON p.person = c.person AND p.risk = c.risk AND p.days > 0
            AND p.period_start >= c.start_date AND p.period_start < c.start_date + 31
    )
    WHERE nth = 1
),
last_employment AS (
    SELECT c.person, c.spell_number, max_by(e, e.month) AS e
    FROM leaves AS c
    JOIN employment AS e
        ON e.person = c.person
        AND e.month < strftime(c.start_date, '%Y-%m')
        AND e.month >= strftime(c.start_date - 365, '%Y-%m')
    GROUP BY c.person, c.spell_number
),
described AS (
    SELECT
        c.*,
        coalesce(c.platform_department, f.h.department_code) AS department_code,
        p.sex,
        year(coalesce(c.start_date, c.time_zero)) - p.birth_year AS age,
        CASE WHEN f.h.scheme = 'self_employed' THEN 'self_employed' ELSE 'employee' END AS status,
        f.h.social_class AS social_class,
        f.h.employer_size AS employer_size,
        f.h.reference_wage AS wage,
        sector_of(f.h.activity_code) AS sector,
        coalesce(p.ald_start <= c.start_date AND coalesce(p.ald_end >= c.start_date, true), false) AS ald,
        CAST(coalesce(d.days_12m, 0) AS BIGINT) AS days_12m,
        CAST(coalesce(d.days_24m, 0) AS BIGINT) AS days_24m,
        CAST(coalesce(d.days_before, 0) AS BIGINT) AS days_before,
        coalesce(s.spells_12m, 0) AS spells_12m,
        coalesce(s.spells_24m, 0) AS spells_24m,
        coalesce(u.euros_12m, 0) AS euros_12m,
        coalesce(u.euros_24m, 0) AS euros_24m,
        a.daily_allowance,
        e.e.employed AS employed_before,
        e.e.contract AS contract,
        e.e.working_time_share AS working_time_share,
        p.death_date,
        p.retirement_date,
        p.invalidity_start
    FROM candidates AS c
    JOIN persons AS p USING (person)
    LEFT JOIN facts AS f USING (person, known_at)
    LEFT JOIN past_days AS d USING (person, spell_number)
    LEFT JOIN past_spells AS s USING (person, spell_number)
    LEFT JOIN past_euros AS u USING (person, spell_number)
    LEFT JOIN first_payment AS a USING (person, spell_number)
    LEFT JOIN last_employment AS e USING (person, spell_number)
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
        date_diff('day', d.start_date, $history_from) AS history_elapsed,
        date_diff('day', d.start_date, least(
            d.end_date,
            coalesce(d.death_date - 1, d.end_date),
            coalesce(d.retirement_date - 1, d.end_date),
            coalesce(d.invalidity_start - 1, d.end_date)
        )) AS alive_until
    FROM described AS d
    LEFT JOIN designated AS g USING (department_code)
),
at_risk AS (
    -- Elapsed days on which the person is at risk: time zero alone where it is known.
    SELECT
        *,
        coalesce(elapsed, greatest(eligible_from, first_elapsed, history_elapsed)) AS risk_from,
        coalesce(elapsed, least(alive_until, last_elapsed)) AS risk_until
    FROM timed
)
SELECT
    row_number() OVER (ORDER BY person, coalesce(spell_number, 0), known_at) - 1 AS unit,
    person,
    spell_number,
    CASE WHEN ($estimand = 'ITT' AND designated) OR ($estimand = 'ATT' AND time_zero IS NOT NULL) THEN 'treated' ELSE 'comparison' END AS arm,
    department_code,
    start_date,
    end_date,
    time_zero,
    elapsed,
    risk_from,
    risk_until,
    year(start_date) || '-Q' || quarter(start_date) AS start_quarter,
    risk,
    ald,
    sex,
    age,
    status,
    sector,
    social_class,
    employer_size,
    wage,
    daily_allowance,
    contract,
    working_time_share,
    employed_before,
    days_12m,
    days_24m,
    days_before,
    spells_12m,
    spells_24m,
    CAST(euros_12m AS DOUBLE) AS euros_12m,
    CAST(euros_24m AS DOUBLE) AS euros_24m,
    CASE
        WHEN start_date IS NULL THEN 'not_on_leave'
        WHEN department_code IS NULL THEN 'unknown_department'
        WHEN coalesce(elapsed, last_elapsed) < history_elapsed THEN 'history_too_short'
        WHEN coalesce(age, 0) < $minimum_age THEN 'age_unknown_or_under'
        WHEN coalesce(death_date <= known_at, false) THEN 'dead'
        WHEN coalesce(retirement_date <= known_at, false) THEN 'retired'
        WHEN coalesce(invalidity_start <= known_at, false) THEN 'on_invalidity_pension'
        WHEN status = 'employee' AND employed_before IS NOT DISTINCT FROM false THEN 'not_employed'
        WHEN risk_until < greatest(risk_from, eligible_from) THEN 'neither_prolonged_nor_frequent'
        WHEN $estimand = 'ITT' AND designated AND NOT (time_zero >= opening_date AND time_zero <= coalesce(closing_date, time_zero))
            THEN 'platform_not_open'
    END AS reason
FROM at_risk
-- Persons living where a platform is are no comparison for the accompanied, who live there too.
WHERE NOT ($estimand = 'ATT' AND designated AND time_zero IS NULL)
ORDER BY unit
