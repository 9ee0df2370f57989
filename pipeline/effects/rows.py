"""Rows of the estimate tables before disclosure control: what they hold, and why they hold nothing."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipeline.effects.difference import Difference
from pipeline.effects.jackknife import TOO_FEW_CLUSTERS, Estimate
from pipeline.tables.model import Role
from pipeline.tables.published import published

NOT_RAW = ("release", "suppressed", "suppression_reason")
Row = dict[str, Any]

PERSONS_BEHIND: dict[str, tuple[str, ...]] = {
    "on_leave_curve": ("n_persons",),
    "savings": (
        "n_comparison",
        "n_entered",
        "n_paid_treated",
        "n_paid_comparison",
        "largest_share",
        "others_over_largest",
    ),
    "power": ("n_comparison",),
    "balance": ("n_treated",),
    "balance_groups": ("n_treated", "n_comparison"),
    "sensitivity": ("n_treated", "n_comparison"),
    "placebo": ("n_treated",),
}
"""Columns of a raw table that are not published: the persons its figures rest on, for the disclosure control."""


def raw_frame(name: str, rows: list[Row]) -> pd.DataFrame:
    """Rows of an estimate table with every column it can have, whatever was withheld; figures as float64.

    Args:
        name: published table.
        rows: what was estimated; a withheld row holds its keys and its reason alone.
    """
    declared = published(name)
    numbers = [c.name for c in declared if c.role in (Role.COUNT, Role.ESTIMATE)] + list(PERSONS_BEHIND.get(name, ()))
    texts = [c.name for c in declared if c.name not in numbers and c.name not in NOT_RAW]
    frame = pd.DataFrame(rows, columns=[*texts, *numbers, "reason"])
    frame[numbers] = frame[numbers].astype("float64")
    frame["reason"] = frame["reason"].astype(object).where(frame["reason"].notna(), None)
    return frame


def withheld(estimate: Estimate, reason: str | None) -> str | None:
    """Why an estimate is not told: the reason given, else that its départements are too few."""
    if reason is not None:
        return reason
    return TOO_FEW_CLUSTERS if estimate.reason == TOO_FEW_CLUSTERS else None


def difference_row(found: Difference) -> Row:
    """What `impact` holds of a difference."""
    estimate_ = found.estimate
    return {
        "n_treated": found.n_treated, "n_comparison": found.n_comparison,
        "value_treated": found.value_treated, "value_comparison": found.value_comparison,
        "difference": estimate_.value, "ci_low": estimate_.ci_low, "ci_high": estimate_.ci_high,
        "ci_method": estimate_.method, "reason": withheld(estimate_, None),
    }  # fmt: skip
