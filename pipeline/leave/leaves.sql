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
-- Counts by length: few rows, whatever the number of leaves.
lengths AS (
    SELECT days, count(*) AS leaves FROM year_leaves GROUP BY days
),
longest AS (
    SELECT longest AS days, count(*) AS persons FROM by_person GROUP BY longest
),
lasted AS (
    SELECT
        d.modality,
        (SELECT coalesce(sum(l.persons) FILTER (WHERE l.days >= d.low), 0) FROM longest AS l) AS persons,
        (SELECT coalesce(sum(l.leaves) FILTER (WHERE l.days >= d.low), 0) FROM lengths AS l) AS leaves
    FROM durations AS d
),
by_age AS (
    SELECT
        coalesce(b.modality, 'unknown') AS modality,
        count(*) AS persons,
        sum(p.leaves) AS leaves,
        sum(p.days) AS days,
        max(p.days) AS largest_days
    FROM by_person AS p
    LEFT JOIN age_bands AS b ON p.age BETWEEN b.low AND b.high
    GROUP BY b.modality
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
    SELECT 'duration', l.modality, l.persons, l.leaves, l.leaves / e.leaves, NULL, NULL, NULL
    FROM lasted AS l
    CROSS JOIN everyone AS e
    UNION ALL
    SELECT
        'age_band',
        b.modality,
        coalesce(a.persons, 0),
        coalesce(a.leaves, 0),
        coalesce(a.leaves, 0) / e.leaves,
        a.days / a.leaves,
        a.largest_days,
        a.days
    FROM age_bands AS b
    CROSS JOIN everyone AS e
    LEFT JOIN by_age AS a USING (modality)
)
SELECT
    CAST($year AS VARCHAR) AS year,
    variable,
    modality,
    CAST(n AS BIGINT) AS n,
    CAST(n_leaves AS BIGINT) AS n_leaves,
    CAST(share AS DOUBLE) AS share,
    CAST(mean_days AS DOUBLE) AS mean_days,
    CAST(largest_days AS DOUBLE) AS largest_days,
    CAST(total_days AS DOUBLE) AS total_days
FROM found
ORDER BY variable, modality
