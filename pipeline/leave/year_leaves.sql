-- Sickness leaves with a paid day in a calendar year, as seen at its end: how long they have lasted by then and how many of
-- their days lie in the year. Days are paid days, from the first to the last: waiting days are left out, as in national
-- statistics.
SELECT
    s.person,
    s.spell_number,
    s.first_paid_day,
    s.end_date,
    date_diff('day', s.first_paid_day, least(s.end_date, CAST($last_day AS DATE))) + 1 AS days,
    date_diff('day', greatest(s.first_paid_day, CAST($first_day AS DATE)), least(s.end_date, CAST($last_day AS DATE))) + 1
        AS days_in_year,
    CASE WHEN year(CAST($last_day AS DATE)) >= p.birth_year THEN year(CAST($last_day AS DATE)) - p.birth_year END AS age
FROM leave_spells AS s
LEFT JOIN persons AS p USING (person)
WHERE s.risk = 'sickness'
  AND s.first_paid_day <= CAST($last_day AS DATE)
  AND s.end_date >= CAST($first_day AS DATE)
