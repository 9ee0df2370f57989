SELECT coalesce(referral_source, 'all') AS source, coalesce(quarter, 'all') AS quarter, count(*) AS n
FROM (SELECT referral_source, year(referral_date) || '-Q' || quarter(referral_date) AS quarter FROM cases)
WHERE quarter IN (SELECT quarter FROM quarters)
GROUP BY CUBE (referral_source, quarter)
ORDER BY ALL
