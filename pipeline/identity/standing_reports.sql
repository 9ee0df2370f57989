-- Reports that stand: the last version of a report, valid, that no other report replaces.
CREATE OR REPLACE TEMP TABLE standing_reports AS
SELECT * EXCLUDE (narrative)
FROM reports_in
ANTI JOIN (
    SELECT report_id, max(version) AS last_version FROM reports_in GROUP BY report_id
) AS v ON reports_in.report_id = v.report_id AND reports_in.version < v.last_version
WHERE status = 'valid'
  AND report_id NOT IN (
    SELECT replaces_report_id FROM reports_in
    WHERE replaces_report_id IS NOT NULL AND replaces_report_id <> report_id
)
