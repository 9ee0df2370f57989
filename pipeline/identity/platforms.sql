-- The register as it stands: the last row delivered for each platform.
SELECT platform_id, department_code, designation_date, opening_date, closing_date, status
FROM (
    SELECT *, row_number() OVER (PARTITION BY platform_id ORDER BY delivery DESC) AS newest
    FROM platforms_in
)
WHERE newest = 1
ORDER BY platform_id
