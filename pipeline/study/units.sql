-- The eligible with everything known of them before time zero.
--
-- Euros before the leave: payments whose period starts in the window. Daily allowance: what the first paid day brought,
-- each payment being spread evenly over the days of its period; two employers add up.
WITH eligible AS (
    SELECT * FROM judged WHERE reason IS NULL
),
leaves AS (
    SELECT DISTINCT person, spell_number, risk, start_date, first_paid_day FROM eligible
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
first_day AS (
    SELECT
        c.person,
        c.spell_number,
        sum(CAST(p.amount / (p.period_end - p.period_start + 1) AS DECIMAL(14, 2))) AS daily_allowance
    FROM leaves AS c
    JOIN leave_payments AS p
        ON p.person = c.person AND p.risk = c.risk AND p.period_start = c.first_paid_day
    GROUP BY c.person, c.spell_number
)
SELECT
    row_number() OVER (ORDER BY person, spell_number, known_at) - 1 + $first_unit AS unit,
    person,
    spell_number,
    arm,
    department_code,
    start_date,
    time_zero,
    CASE WHEN time_zero IS NOT NULL THEN elapsed END AS elapsed,
    risk_from,
    risk_until,
    year(start_date) || '-Q' || quarter(start_date) AS start_quarter,
    risk,
    ald,
    part_time_begun,
    sex,
    age,
    status,
    sector_of(activity_code) AS sector,
    social_class,
    employer_size,
    wage,
    CAST(a.daily_allowance AS DOUBLE) AS daily_allowance,
    contract,
    working_time_share,
    employed_before,
    days_12m,
    days_24m,
    days_before,
    spells_12m,
    spells_24m,
    CAST(coalesce(u.euros_12m, 0) AS DOUBLE) AS euros_12m,
    CAST(coalesce(u.euros_24m, 0) AS DOUBLE) AS euros_24m
FROM eligible
LEFT JOIN past_euros AS u USING (person, spell_number)
LEFT JOIN first_day AS a USING (person, spell_number)
ORDER BY unit
