-- Cases whose latest accompaniment event is a withdrawal. Two events on one day: the withdrawal counts. A withdrawal
-- that was refused for another fault of its row still counts: nobody stays in because of somebody else's typing error.
CREATE OR REPLACE TEMP TABLE withdrawn_cases AS
WITH said AS (
    SELECT dossier_id, event, event_date FROM agreements_in WHERE scope = 'accompaniment'
    UNION ALL
    SELECT dossier_id, event, coalesce(event_date, last_day(CAST(delivery || '-01' AS DATE)))
    FROM agreements_refused
    WHERE scope = 'accompaniment' AND event = 'withdrawal' AND dossier_id IS NOT NULL
),
latest AS (
    SELECT dossier_id, max_by(event, (event_date, event = 'withdrawal')) AS event, max(event_date) AS event_date
    FROM said
    GROUP BY dossier_id
),
platform AS (
    SELECT dossier_id, min(platform_id) AS platform_id FROM reports_in GROUP BY dossier_id
)
SELECT
    dossier_id,
    coalesce(platform_id, 'unknown') AS platform_id,
    year(event_date) || '-Q' || quarter(event_date) AS quarter
FROM latest
LEFT JOIN platform USING (dossier_id)
WHERE event = 'withdrawal'
