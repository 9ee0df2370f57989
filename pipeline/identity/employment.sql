-- One row per person and month: a person whose number changed may have been declared under both; the last delivered
-- stands.
SELECT person, month, employed, contract, working_time_share, same_employer, termination_reason
FROM (
    SELECT
        r.person,
        e.*,
        row_number() OVER (PARTITION BY r.person, e.month ORDER BY e.delivery DESC, e.nir DESC) AS newest
    FROM employment_in AS e
    JOIN nir_person AS n USING (nir)
    JOIN person_rank AS r USING (stable_identifier)
)
WHERE newest = 1
ORDER BY person, month
