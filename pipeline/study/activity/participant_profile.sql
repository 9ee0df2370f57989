-- Accompanied persons by one characteristic at a time, at each platform and at all of them.
WITH facts AS (
    SELECT platform_id, person, variable, modality
    FROM (
        SELECT
            platform_id, person,
            'all' AS "all", sex, age_band, occupation_status, sector, employer_size, leave_risk, pathology,
            referral_source, entry_situation
        FROM cases
        JOIN banded USING (person)
    )
    UNPIVOT (modality FOR variable IN
        ("all", sex, age_band, occupation_status, sector, employer_size, leave_risk, pathology,
         referral_source, entry_situation))
)
SELECT coalesce(platform_id, 'all') AS platform_id, variable, modality, count(*) AS n
FROM facts
GROUP BY GROUPING SETS ((platform_id, variable, modality), (variable, modality))
ORDER BY ALL
