"""Sector groups from NAF rév. 2 activity codes: the first two digits are the division (INSEE, NAF rév. 2)."""

from __future__ import annotations

DIVISIONS: tuple[tuple[int, int, str], ...] = (
    (1, 3, "agriculture"),
    (5, 39, "industry"),
    (41, 43, "construction"),
    (45, 56, "trade_transport"),
    (58, 82, "business_services"),
    (84, 88, "public_services"),
    (90, 99, "other_services"),
)
"""First and last division of each group."""


def macro() -> str:
    """SQL macro `sector_of(activity_code)`; `unknown` where there is no division."""
    division = "TRY_CAST(substr(code, 1, 2) AS INTEGER)"
    cases = " ".join(f"WHEN {division} BETWEEN {low} AND {high} THEN '{name}'" for low, high, name in DIVISIONS)
    return f"CREATE OR REPLACE MACRO sector_of(code) AS CASE {cases} ELSE 'unknown' END"
