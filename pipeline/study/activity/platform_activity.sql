-- Persons at each milestone by platform and quarter, totals included. A refusal counts at the platform of the person's
-- département on that date, as referral, contact and refusal. The grid is fixed by the register and the calendar, so that
-- the presence of a row says nothing.
WITH refused AS (
    SELECT person, min(event_date) AS event_date
    FROM agreements
    WHERE scope = 'accompaniment' AND event = 'refusal' AND person NOT IN (SELECT person FROM cases)
    GROUP BY person
),
refusals AS (
    SELECT r.person, r.event_date, min(p.platform_id) AS platform_id
    FROM (
        SELECT r.person, r.event_date,
               coalesce(max_by(h.department_code, h.valid_from) FILTER (WHERE h.valid_from <= strftime(r.event_date, '%Y-%m')),
                        min_by(h.department_code, h.valid_from)) AS department_code
        FROM refused AS r
        JOIN person_history AS h USING (person)
        GROUP BY r.person, r.event_date
    ) AS r
    JOIN platforms AS p USING (department_code)
    GROUP BY r.person, r.event_date
),
events AS (
    SELECT platform_id, 'referrals' AS milestone, person, referral_date AS day FROM cases
    UNION ALL SELECT platform_id, 'contacts', person, first_contact_date FROM cases
    UNION ALL SELECT platform_id, 'agreements', person, agreement_date FROM cases
    UNION ALL SELECT platform_id, 'diagnoses', person, diagnosis_date FROM cases
    UNION ALL SELECT platform_id, 'plans', person, plan_date FROM cases
    UNION ALL SELECT platform_id, 'exits', person, exit_date FROM cases
    UNION ALL SELECT c.platform_id, 'reports', r.person, r.report_date FROM reports AS r JOIN cases AS c USING (person, case_number)
    UNION ALL SELECT platform_id, 'referrals', person, event_date FROM refusals
    UNION ALL SELECT platform_id, 'contacts', person, event_date FROM refusals
    UNION ALL SELECT platform_id, 'refusals', person, event_date FROM refusals
),
counted AS (
    SELECT
        coalesce(platform_id, 'all') AS platform_id,
        coalesce(quarter, 'all') AS quarter,
        count(DISTINCT person) FILTER (WHERE milestone = 'referrals') AS referrals,
        count(DISTINCT person) FILTER (WHERE milestone = 'contacts') AS contacts,
        count(DISTINCT person) FILTER (WHERE milestone = 'agreements') AS agreements,
        count(DISTINCT person) FILTER (WHERE milestone = 'refusals') AS refusals,
        count(DISTINCT person) FILTER (WHERE milestone = 'diagnoses') AS diagnoses,
        count(DISTINCT person) FILTER (WHERE milestone = 'plans') AS plans,
        count(DISTINCT person) FILTER (WHERE milestone = 'reports') AS reports,
        count(DISTINCT person) FILTER (WHERE milestone = 'exits') AS exits
    FROM (SELECT *, year(day) || '-Q' || quarter(day) AS quarter FROM events WHERE day IS NOT NULL AND platform_id IS NOT NULL)
    WHERE quarter IN (SELECT quarter FROM quarters)
    GROUP BY CUBE (platform_id, quarter)
),
withdrawn AS (
    SELECT coalesce(platform_id, 'all') AS platform_id, coalesce(quarter, 'all') AS quarter, sum(withdrawals) AS withdrawals
    FROM withdrawals
    WHERE platform_id IN (SELECT platform_id FROM platforms) AND quarter IN (SELECT quarter FROM quarters)
    GROUP BY CUBE (platform_id, quarter)
),
grid AS (
    SELECT p.platform_id, q.quarter
    FROM (SELECT platform_id, opening_date FROM platforms UNION ALL SELECT 'all', min(opening_date) FROM platforms) AS p
    CROSS JOIN (SELECT quarter FROM quarters UNION ALL SELECT 'all') AS q
    -- Before it opens a platform has no activity.
    WHERE q.quarter = 'all' OR q.quarter >= year(p.opening_date) || '-Q' || quarter(p.opening_date)
)
SELECT
    g.platform_id,
    g.quarter,
    coalesce(c.referrals, 0) AS referrals,
    coalesce(c.contacts, 0) AS contacts,
    coalesce(c.agreements, 0) AS agreements,
    coalesce(c.refusals, 0) AS refusals,
    CAST(coalesce(w.withdrawals, 0) AS BIGINT) AS withdrawals,
    coalesce(c.diagnoses, 0) AS diagnoses,
    coalesce(c.plans, 0) AS plans,
    coalesce(c.reports, 0) AS reports,
    coalesce(c.exits, 0) AS exits
FROM grid AS g
LEFT JOIN counted AS c USING (platform_id, quarter)
LEFT JOIN withdrawn AS w USING (platform_id, quarter)
ORDER BY g.platform_id, g.quarter
