"""The promises, as asset checks, one file each. Schema, quality and privacy block; balance and placebo withhold."""
