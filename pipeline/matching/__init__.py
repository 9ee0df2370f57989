"""Who is compared with whom: propensity, exact strata, caliper, balance and its gate. No outcome is read here."""
