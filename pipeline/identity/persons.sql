-- One row per insured person: facts with their own date come from the last row delivered.
SELECT
    r.person,
    r.person_id,
    b.sex,
    nullif(b.birth_year, 1600) AS birth_year,
    nullif(b.death_date, DATE '1600-01-01') AS death_date,
    nullif(b.ald_start, DATE '1600-01-01') AS ald_start,
    nullif(b.ald_end, DATE '1600-01-01') AS ald_end,
    b.invalidity_category,
    nullif(b.invalidity_start, DATE '1600-01-01') AS invalidity_start,
    nullif(b.retirement_date, DATE '1600-01-01') AS retirement_date
FROM person_rank AS r
JOIN (
    SELECT *, row_number() OVER (PARTITION BY stable_identifier ORDER BY delivery DESC, nir, payment_pseudonym, twin_rank) AS newest
    FROM beneficiaries_in
) AS b ON b.stable_identifier = r.stable_identifier AND b.newest = 1
ORDER BY r.person
