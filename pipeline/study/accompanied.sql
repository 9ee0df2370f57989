-- The leave, if any, in which each person of `contacted` was met: the accompanied at first contact.
--
-- A leave is known from the day after its first paid day, for only payments tell that there is one.
SELECT
    c.person, c.first_contact, c.agreement_date, c.platform_department,
    s.spell_number, s.risk, s.start_date, s.first_paid_day, s.end_date, s.start_observed
FROM contacted AS c
LEFT JOIN leave_spells AS s
    ON s.person = c.person AND s.first_paid_day < c.first_contact AND c.first_contact <= s.end_date
-- On leave for two risks: the leave that began first.
QUALIFY row_number() OVER (PARTITION BY c.person ORDER BY s.start_date, s.risk, s.spell_number) = 1
