-- All that remains of a withdrawal: a count by platform and quarter.
WITH events AS (
    SELECT dossier_id, max_by(event, (event_date, event = 'withdrawal')) AS event, max(event_date) AS event_date
    FROM agreements_in
    WHERE scope = 'accompaniment'
    GROUP BY dossier_id
),
platform AS (
    SELECT dossier_id, min(platform_id) AS platform_id FROM reports_in GROUP BY dossier_id
)
SELECT
    coalesce(platform_id, 'unknown') AS platform_id,
    year(event_date) || '-Q' || quarter(event_date) AS quarter,
    count(*) AS withdrawals
FROM events
LEFT JOIN platform USING (dossier_id)
WHERE event = 'withdrawal'
GROUP BY ALL
ORDER BY ALL
