-- Payment lines to paid periods: one row per person, risk, period and kind of benefit, corrections netted out.
--
-- Days: PRS_ACT_NBR; where it is not fed and the revaluation is ZZ, XX or blank, PRS_ACT_QTE. Quantities alone would count
-- twice with two employers or a later revaluation. Euros: BSE_REM_MNT, negative on negative lines.
-- Left out: maternity, adoption, paternity; information lines (DPN_QLF 71, 72).
-- Source: SNDS documentation (indemnités journalières).
WITH kept AS (
    SELECT
        person,
        risk,
        period_start,
        period_end,
        CASE
            WHEN benefit_code IN (6011, 6012) THEN 'waiting'
            WHEN benefit_code IN (6117, 6118) THEN 'part_time'
            ELSE 'full'
        END AS kind,
        benefit_code,
        CASE
            WHEN coalesce(days_paid, 0) <> 0 THEN days_paid
            WHEN coalesce(revaluation, 'zz') IN ('zz', 'xx') THEN coalesce(quantity, 0)
            ELSE 0
        END AS days,
        amount
    FROM payment_lines
    WHERE risk IN ('sickness', 'work_injury')
      AND benefit_code IN (6011, 6012, 6111, 6112, 6113, 6114, 6115, 6116, 6117, 6118, 6120, 6134, 6135, 6239)
      AND coalesce(expense_qualifier, 0) NOT IN (71, 72)
),
netted AS (
    SELECT person, risk, period_start, period_end, kind, benefit_code, sum(days) AS days, sum(amount) AS amount
    FROM kept
    GROUP BY person, risk, period_start, period_end, kind, benefit_code
)
SELECT
    person,
    risk,
    period_start,
    period_end,
    kind,
    -- Two employers pay the same days, under one code or two: no more days than the period has. A negative line whose
    -- positive one lies before the first delivery takes its euros back and no day of another code.
    CAST(least(sum(greatest(days, 0)), date_diff('day', period_start, period_end) + 1) AS BIGINT) AS days,
    sum(amount) AS amount
FROM netted
WHERE days > 0 OR amount <> 0
GROUP BY person, risk, period_start, period_end, kind
