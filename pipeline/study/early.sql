-- Candidates turned away before anything else is asked: without a leave, short of the trigger, or on a leave that no history
-- could make eligible.
SELECT
    c.person,
    c.spell_number,
    c.time_zero,
    c.known_at,
    coalesce(c.platform_department, h.department_code) AS department_code,
    CASE WHEN ($estimand = 'ITT' AND g.department_code IS NOT NULL) OR ($estimand = 'ATT' AND c.time_zero IS NOT NULL)
         THEN 'treated' ELSE 'comparison' END AS arm,
    CASE
        WHEN c.start_date IS NULL AND coalesce(p.invalidity_start <= c.known_at, false) THEN 'invalidity_pension_without_leave'
        WHEN c.start_date IS NULL THEN 'not_on_leave'
        WHEN $estimand = 'ITT' AND c.time_zero IS NULL THEN 'trigger_not_reached'
        ELSE 'neither_prolonged_nor_frequent'
    END AS reason
FROM candidates AS c
JOIN persons AS p USING (person)
LEFT JOIN standing AS h ON h.person = c.person AND c.known_at BETWEEN h.from_day AND h.to_day
LEFT JOIN designated AS g ON g.department_code = coalesce(c.platform_department, h.department_code)
WHERE (
        ($estimand = 'ITT' AND c.time_zero IS NULL)
        OR NOT EXISTS (SELECT 1 FROM history AS b WHERE b.person = c.person AND b.spell_number = c.spell_number)
    )
    -- Persons living where a platform is are no comparison for the accompanied, who live there too.
    AND NOT ($estimand = 'ATT' AND g.department_code IS NOT NULL AND c.time_zero IS NULL)
