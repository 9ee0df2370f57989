-- The leaves of a year by duration and by age, small groups included: the table `leaves` before disclosure control.
--
-- A share and a mean are those of leaves; `n` counts the persons they rest on. Durations are thresholds, one inside the
-- other. A person has one age in the year, so that persons add up over the bands. largest_days is the part of one person
-- in total_days.
WITH by_person AS (
    SELECT
        person,
        any_value(age) AS age,
        count(*) AS leaves,
        sum(days_in_year) AS days,
        max(days) AS longest
    FROM year_leaves
    GROUP BY person
),
everyone AS (
    SELECT sum(leaves) AS leaves FROM by_person
),
reached AS (
    SELECT d.modality, count(l.person) AS leaves
    FROM durations AS d
    LEFT JOIN year_leaves AS l ON l.days >= d.low
    GROUP BY d.modality
),
found AS (
    SELECT
        'all' AS variable,
        'all' AS modality,
        count(*) AS n,
        coalesce(sum(leaves), 0) AS n_leaves,
        NULL AS share,
        sum(days) / sum(leaves) AS mean_days,
        max(days) AS largest_days,
        sum(days) AS total_days
    FROM by_person
    UNION ALL
    SELECT
        'duration',
        d.modality,
        count(p.person),
        any_value(r.leaves),
        any_value(r.leaves) / any_value(e.leaves),
        NULL,
        NULL,
        NULL
    FROM durations AS d
    JOIN reached AS r USING (modality)
    CROSS JOIN everyone AS e
    LEFT JOIN by_person AS p ON p.longest >= d.low
    GROUP BY d.modality
    UNION ALL
    SELECT
        'age_band',
        b.modality,
        count(p.person),
        coalesce(sum(p.leaves), 0),
        coalesce(sum(p.leaves), 0) / any_value(e.leaves),
        sum(p.days) / sum(p.leaves),
        max(p.days),
        sum(p.days)
    FROM age_bands AS b
    CROSS JOIN everyone AS e
    LEFT JOIN by_person AS p ON p.age BETWEEN b.low AND b.high OR (b.low IS NULL AND p.age IS NULL)
    GROUP BY b.modality
)
SELECT
    CAST($year AS VARCHAR) AS year,
    variable,
    modality,
    n,
    CAST(n_leaves AS BIGINT) AS n_leaves,
    -- Whole percent and whole days: orders of magnitude, in which one leave does not show.
    CAST(round(share, 2) AS DOUBLE) AS share,
    CAST(round(mean_days) AS DOUBLE) AS mean_days,
    CAST(largest_days AS DOUBLE) AS largest_days,
    CAST(total_days AS DOUBLE) AS total_days
FROM found
ORDER BY variable, modality
