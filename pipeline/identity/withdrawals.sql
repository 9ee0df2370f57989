-- All that remains of a withdrawal: a count by platform and quarter. Those of erased persons have no event any more.
SELECT platform_id, quarter, count(*) AS withdrawals
FROM (
    SELECT platform_id, quarter FROM withdrawn_cases
    UNION ALL
    SELECT platform_id, quarter FROM erased_withdrawals
)
GROUP BY ALL
ORDER BY ALL
