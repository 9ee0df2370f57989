-- Days between milestones, persons with both dates.
WITH spans AS (
    SELECT 'referral_to_first_contact' AS step, date_diff('day', referral_date, first_contact_date) AS days FROM cases
    UNION ALL SELECT 'first_contact_to_agreement', date_diff('day', first_contact_date, agreement_date) FROM cases
    UNION ALL SELECT 'agreement_to_diagnosis', date_diff('day', agreement_date, diagnosis_date) FROM cases
    UNION ALL SELECT 'diagnosis_to_plan', date_diff('day', diagnosis_date, plan_date) FROM cases
    UNION ALL SELECT 'plan_to_exit', date_diff('day', plan_date, exit_date) FROM cases
    UNION ALL SELECT 'first_contact_to_exit', date_diff('day', first_contact_date, exit_date) FROM cases
)
SELECT
    step,
    count(days) AS n,
    quantile_cont(days, 0.25) AS p25,
    quantile_cont(days, 0.5) AS median,
    quantile_cont(days, 0.75) AS p75
FROM spans
GROUP BY step
ORDER BY step
