-- The first day on therapeutic part-time of each leave that has one: from the next day on it is known to have begun.
SELECT s.person, s.spell_number, min(greatest(d.from_day, s.start_date)) AS part_time_since
FROM leave_spells AS s
JOIN leave_days AS d
    ON d.person = s.person AND d.kind = 'part_time' AND d.from_day <= s.end_date AND d.to_day >= s.start_date
GROUP BY s.person, s.spell_number
