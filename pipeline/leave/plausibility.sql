-- Payment lines that the rules of the allowance do not allow, each with its leave and what is wrong: one row per line and
-- flag. Nothing is dropped for it. A line since taken back by the same amount is no longer flagged.
--
-- above_maximum: a full allowance paid above the legal maximum of the day the leave starts. Line by line, since the
-- maximum holds for each employer: a person with two may pass it in total. Judged only where the start is known
-- (`start_observed`). Left out: part-time, whose amount follows the lost wage, and health professionals, whose maximum is
-- another. An unknown scheme is given the higher maximum.
-- self_employed_work_injury: the self-employed are not covered for work accidents.
--
-- `ceilings` holds the maxima by month. Few lines pass the lowest of them: only those are joined to their leave.
WITH paid AS (
    SELECT
        person,
        risk,
        scheme,
        benefit_code,
        flow_date,
        period_start,
        period_end,
        amount,
        CASE
            WHEN coalesce(days_paid, 0) <> 0 THEN days_paid
            WHEN coalesce(revaluation, 'zz') IN ('zz', 'xx') THEN coalesce(quantity, 0)
            ELSE 0
        END AS days
    FROM payment_lines
    WHERE amount > 0
      AND risk IN ('sickness', 'work_injury')
      AND benefit_code IN (6111, 6112, 6113, 6114, 6115, 6116, 6117, 6118, 6120, 6134, 6135, 6239)
      AND coalesce(expense_qualifier, 0) NOT IN (71, 72)
),
suspects AS (
    SELECT *
    FROM (
        SELECT
            *,
            days > 0
            AND benefit_code IN (6111, 6112, 6113, 6114, 6115, 6116, 6120)
            AND amount > days * (CASE risk WHEN 'sickness' THEN $lowest_sickness ELSE $lowest_injury END + $tolerance)
                AS high,
            risk = 'work_injury' AND coalesce(scheme = 'self_employed', false) AS not_covered
        FROM paid
    )
    WHERE high OR not_covered
),
of_leaves AS (
    SELECT
        l.*,
        s.spell_number,
        s.start_date,
        s.start_observed,
        CAST(date_trunc('month', s.start_date) AS DATE) AS month,
        date_diff('day', s.first_paid_day, l.period_end) + 1 AS paid_day
    FROM suspects AS l
    JOIN leave_spells AS s
        ON s.person = l.person AND s.risk = l.risk AND l.period_start BETWEEN s.start_date AND s.end_date
),
judged AS (
    SELECT
        l.person,
        l.spell_number,
        l.risk,
        l.benefit_code,
        l.period_start,
        l.period_end,
        l.amount,
        l.flow_date,
        l.not_covered,
        -- A leave begun before the first ceiling, or nobody knows when, has nothing to be held against: not flagged.
        l.high AND l.start_observed AND l.amount > l.days * (
            $tolerance
            + CASE
                WHEN l.risk = 'work_injury' AND l.paid_day > $injury_first_days THEN c.injury_later
                WHEN l.risk = 'work_injury' THEN c.injury_first
                ELSE CASE l.scheme
                    WHEN 'employee' THEN c.employee
                    WHEN 'self_employed' THEN c.self_employed
                    ELSE greatest(c.employee, c.self_employed)
                END * CASE WHEN l.benefit_code IN (6115, 6116) THEN $increased ELSE 1 END
            END
        ) AS above
    FROM of_leaves AS l
    LEFT JOIN ceilings AS c USING (month)
),
taken_back AS (
    SELECT person, risk, benefit_code, period_start, period_end, -amount AS amount, count(*) AS times
    FROM payment_lines
    WHERE amount < 0 AND risk IN ('sickness', 'work_injury')
    GROUP BY person, risk, benefit_code, period_start, period_end, amount
),
standing AS (
    SELECT
        j.*,
        row_number() OVER (
            PARTITION BY j.person, j.risk, j.benefit_code, j.period_start, j.period_end, j.amount
            ORDER BY j.flow_date, j.above, j.not_covered
        ) > coalesce(b.times, 0) AS stands
    FROM judged AS j
    LEFT JOIN taken_back AS b USING (person, risk, benefit_code, period_start, period_end, amount)
    WHERE j.above OR j.not_covered
)
SELECT person, spell_number, 'above_maximum' AS flag, flow_date FROM standing WHERE stands AND above
UNION ALL
SELECT person, spell_number, 'self_employed_work_injury' AS flag, flow_date FROM standing WHERE stands AND not_covered
