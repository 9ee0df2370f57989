"""The monthly partitions: one per release."""

import dagster as dg

TIMEZONE = "Europe/Paris"
FIRST_MONTH = "2015-01"
"""Earlier than any delivery: two years of payment lines before the first platforms of article 56."""

MONTHS = dg.MonthlyPartitionsDefinition(start_date=FIRST_MONTH, fmt="%Y-%m", timezone=TIMEZONE, end_offset=1)
"""Delivery M carries the payments of the month before and lands early in M: its partition must exist during M."""
