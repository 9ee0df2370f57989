-- What the register says of a person from day to day: the last row delivered up to that month, else the first.
SELECT
    person,
    CASE WHEN lag(valid_from) OVER by_delivery IS NULL THEN DATE '1600-01-01'
         ELSE CAST(valid_from || '-01' AS DATE) END AS from_day,
    coalesce(CAST(lead(valid_from) OVER by_delivery || '-01' AS DATE), DATE '2999-12-31') - 1 AS to_day,
    department_code,
    CASE WHEN scheme = 'self_employed' THEN 'self_employed' ELSE 'employee' END AS status,
    social_class,
    employer_size,
    reference_wage AS wage,
    activity_code
FROM person_history
WINDOW by_delivery AS (PARTITION BY person ORDER BY valid_from)
