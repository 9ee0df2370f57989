-- What may change: one row per person and delivery that changed it.
SELECT
    r.person,
    b.delivery AS valid_from,
    CASE WHEN b.department_code IN ('099', '999') THEN NULL ELSE b.department_code END AS department_code,
    b.scheme,
    b.social_class,
    b.activity_code,
    b.employer_size,
    b.reference_wage
FROM (
    SELECT *, row_number() OVER (PARTITION BY stable_identifier, delivery ORDER BY nir, payment_pseudonym, twin_rank) AS nth
    FROM beneficiaries_in
) AS b
JOIN person_rank AS r USING (stable_identifier)
WHERE b.nth = 1
ORDER BY r.person, b.delivery
