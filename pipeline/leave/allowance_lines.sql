-- Payment lines that make leaves: sickness and AT/MP daily allowances, full or part-time, and their waiting days.
--
-- Days: PRS_ACT_NBR; where it is not fed and the revaluation is ZZ, XX or blank, PRS_ACT_QTE. Quantities alone would count
-- twice with two employers or a later revaluation. Euros: BSE_REM_MNT. Both are negative on negative lines.
-- Narrow types: everything after sorts and groups these rows.
-- Left out: maternity, adoption, paternity; information lines (DPN_QLF 71, 72).
-- Source: SNDS documentation (indemnités journalières).
SELECT
    CAST(person AS INTEGER) AS person,
    CAST(risk AS leave_risk) AS risk,
    CAST(CASE
        WHEN benefit_code IN (6011, 6012) THEN 'waiting'
        WHEN benefit_code IN (6117, 6118) THEN 'part_time'
        ELSE 'full'
    END AS line_kind) AS kind,
    CAST(benefit_code AS SMALLINT) AS benefit_code,
    period_start,
    period_end,
    CAST(CASE
        WHEN coalesce(days_paid, 0) <> 0 THEN days_paid
        WHEN coalesce(revaluation, 'zz') IN ('zz', 'xx') THEN coalesce(quantity, 0)
        ELSE 0
    END AS INTEGER) AS days,
    amount
FROM payment_lines
WHERE risk IN ('sickness', 'work_injury')
  AND benefit_code IN (6011, 6012, 6111, 6112, 6113, 6114, 6115, 6116, 6117, 6118, 6120, 6134, 6135, 6239)
  AND coalesce(expense_qualifier, 0) NOT IN (71, 72)
