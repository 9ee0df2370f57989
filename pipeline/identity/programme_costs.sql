SELECT platform_id, month, category, funding, amount
FROM programme_costs_in
ORDER BY ALL
