-- What is known of a person before each leave that could make it eligible: days and leaves of the years before, the last
-- employment. Windows end the day before the leave starts, so that they are the same for every time zero in it.
--
-- A leave that is short, whose person cannot be frequently on leave either, is left out: whatever its history, it is
-- neither prolonged nor frequent. The bound on the days is a generous one: all days of the person's earlier leaves.
-- Employment: the last month-end before the leave starts, if any in the year before.
WITH counted AS (
    SELECT
        person, spell_number, start_date, end_date,
        end_date - start_date >= $prolonged_days
            OR lag(start_date, CAST($frequent_leaves AS INTEGER) - 1) OVER by_start >= start_date - 365
            OR sum(days) OVER by_start >= $frequent_days AS possible
    FROM leave_spells
    WINDOW by_start AS (
        PARTITION BY person ORDER BY start_date, spell_number ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    )
),
leaves AS (
    SELECT person, spell_number, start_date
    FROM counted
    WHERE possible AND end_date >= least($earliest_opening, $first_quarter)
),
past_days AS (
    SELECT
        c.person,
        c.spell_number,
        sum(greatest(0, least(d.to_day, c.start_date - 1) - greatest(d.from_day, c.start_date - 365) + 1)) AS days_12m,
        sum(greatest(0, least(d.to_day, c.start_date - 1) - greatest(d.from_day, c.start_date - 730) + 1)) AS days_24m,
        sum(greatest(0, least(d.to_day, c.start_date - 183) - greatest(d.from_day, c.start_date - 547) + 1)) AS days_before
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
last_month AS (
    SELECT c.person, c.spell_number, max(e.month) AS month
    FROM leaves AS c
    JOIN employment AS e
        ON e.person = c.person
        AND e.month < strftime(c.start_date, '%Y-%m')
        AND e.month >= strftime(c.start_date - 365, '%Y-%m')
    GROUP BY c.person, c.spell_number
)
SELECT
    l.person,
    l.spell_number,
    CAST(coalesce(d.days_12m, 0) AS BIGINT) AS days_12m,
    CAST(coalesce(d.days_24m, 0) AS BIGINT) AS days_24m,
    CAST(coalesce(d.days_before, 0) AS BIGINT) AS days_before,
    coalesce(s.spells_12m, 0) AS spells_12m,
    coalesce(s.spells_24m, 0) AS spells_24m,
    e.employed AS employed_before,
    e.contract,
    e.working_time_share
FROM leaves AS l
LEFT JOIN past_days AS d USING (person, spell_number)
LEFT JOIN past_spells AS s USING (person, spell_number)
LEFT JOIN last_month AS m USING (person, spell_number)
LEFT JOIN employment AS e ON e.person = m.person AND e.month = m.month
