-- Persons on prolonged leave by département of residence at day 60, and how many of them were accompanied.
SELECT
    u.department_code,
    u.department_code IN (SELECT department_code FROM platforms) AS designated,
    count(DISTINCT u.person) AS persons_on_long_leave,
    count(DISTINCT c.person) AS participants
FROM eligibility AS u
LEFT JOIN cases AS c USING (person)
WHERE u.estimand = 'ITT' AND u.department_code IS NOT NULL AND coalesce(u.reason, 'platform_not_open') = 'platform_not_open'
GROUP BY ALL
ORDER BY ALL
