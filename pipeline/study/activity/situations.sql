-- The same persons at their first report and at a later stage, over the dimensions of the report.
WITH staged AS (
    SELECT
        r.person,
        r.stage,
        coalesce(r.employment_situation, 'not_given') AS employment_situation,
        coalesce(r.diagnosis_administrative, 'not_given') AS diagnosis_administrative,
        coalesce(r.diagnosis_social, 'not_given') AS diagnosis_social,
        coalesce(r.diagnosis_medical, 'not_given') AS diagnosis_medical,
        row_number() OVER (PARTITION BY r.person, r.stage ORDER BY r.report_date DESC, r.report_number DESC) AS newest
    FROM reports AS r
    JOIN cases AS c USING (person, case_number)
    WHERE r.stage IN ('initial', 'final', 'follow_up_6m', 'follow_up_12m')
),
unpivoted AS (
    SELECT person, stage, dimension, modality
    FROM (SELECT * EXCLUDE (newest) FROM staged WHERE newest = 1)
    UNPIVOT (modality FOR dimension IN
        (employment_situation, diagnosis_administrative, diagnosis_social, diagnosis_medical))
),
paired AS (
    SELECT later.person, later.stage, later.dimension, later.modality, first.modality AS initial_modality
    FROM unpivoted AS later
    JOIN unpivoted AS first ON first.person = later.person AND first.dimension = later.dimension AND first.stage = 'initial'
),
now AS (
    SELECT stage, dimension, modality, count(*) AS n FROM paired GROUP BY ALL
),
before AS (
    SELECT stage, dimension, initial_modality AS modality, count(*) AS n_initial FROM paired GROUP BY ALL
)
SELECT stage, dimension, modality, coalesce(n, 0) AS n, coalesce(n_initial, 0) AS n_initial
FROM now
FULL JOIN before USING (stage, dimension, modality)
ORDER BY ALL
