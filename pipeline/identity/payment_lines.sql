-- Payment lines of known persons, through any pseudonym ever delivered for them.
SELECT
    r.person,
    l.flow_date,
    l.period_start,
    l.period_end,
    l.benefit_code,
    l.risk,
    l.days_paid,
    l.quantity,
    l.amount,
    l.revaluation,
    l.scheme,
    l.expense_qualifier
FROM payment_lines_in AS l
JOIN payment_person AS p ON p.payment_pseudonym = l.payment_pseudonym AND p.twin_rank = l.twin_rank
JOIN person_rank AS r USING (stable_identifier)
ORDER BY ALL
