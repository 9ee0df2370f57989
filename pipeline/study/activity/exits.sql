-- Accompanied persons whose case is closed, by exit and by risk of the leave.
SELECT coalesce(exit, 'all') AS exit, coalesce(leave_risk, 'all') AS leave_risk, count(*) AS n
FROM cases
WHERE exit IS NOT NULL
GROUP BY CUBE (exit, leave_risk)
ORDER BY ALL
