-- What the platforms had cost, and the persons that had entered an estimand, by the last day of an entry window.
--
-- A month that the window cuts counts by its days up to that day, both included. Costs before an opening count once the
-- platform is open: they were made for those who entered. A platform that opens after the window has let nobody in yet: its
-- costs belong to a later window. Costs after a closing count: they are those of persons who entered before.
WITH costs AS (
    SELECT
        c.amount,
        CAST(c.month || '-01' AS DATE) AS first_day,
        last_day(CAST(c.month || '-01' AS DATE)) AS final_day
    FROM programme_costs AS c
    JOIN platforms AS p USING (platform_id)
    WHERE p.opening_date <= $last_entry
)
SELECT
    (
        -- To the hundredth of a cent by piece: an exact sum does not depend on the order of addition.
        SELECT CAST(sum(CAST(
            amount * (date_diff('day', first_day, least(final_day, $last_entry)) + 1)
            / (date_diff('day', first_day, final_day) + 1) AS DECIMAL(18, 4)
        )) AS DOUBLE)
        FROM costs
        WHERE first_day <= $last_entry
    ) AS euros,
    (
        SELECT count(DISTINCT person)
        FROM cohort_units
        WHERE estimand = $estimand AND arm = 'treated' AND time_zero <= $last_entry
    ) AS persons
