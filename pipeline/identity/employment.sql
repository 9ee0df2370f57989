SELECT
    r.person,
    e.month,
    e.employed,
    e.contract,
    e.working_time_share,
    e.same_employer,
    e.termination_reason
FROM employment_in AS e
JOIN nir_person AS n USING (nir)
JOIN person_rank AS r USING (stable_identifier)
ORDER BY r.person, e.month
