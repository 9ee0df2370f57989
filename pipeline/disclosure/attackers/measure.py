"""From successes and attempts to a printed measure."""

from __future__ import annotations

from statsmodels.stats.proportion import proportion_confint

from pipeline.disclosure.facts import Attack

LEVEL = 0.95
CONTROL_DIGITS = 2
"""Figures that rest on restricted rows are rounded to a hundredth, so that no single person shows in them."""


def measure(
    criterion: str,
    name: str,
    attempts: int,
    successes: float,
    *,
    control: float | None,
    baseline: float | None = None,
    beyond: bool = False,
    limit: float | None = None,
    restricted: bool = False,
) -> Attack:
    """An attack with the Wilson (1927) interval of its success.

    Args:
        criterion: see `Attack`.
        name: see `Attack`.
        attempts: persons, cells or groups attacked, at least one.
        successes: how many fall; the expected number where the attacker draws among equals.
        control: share that falls without protection; None when not measured.
        baseline: share that falls to a guess without the release.
        beyond: see `Attack`.
        limit: see `Attack`.
        restricted: successes were counted with restricted rows: all shares are rounded like a control.
    """
    success = successes / attempts
    if restricted:
        success = round(success, CONTROL_DIGITS)
        baseline = None if baseline is None else round(baseline, CONTROL_DIGITS)
    low, high = proportion_confint(success * attempts, attempts, alpha=1 - LEVEL, method="wilson")
    return Attack(
        criterion=criterion, name=name, attempts=attempts, success=success, ci_low=max(float(low), 0.0),
        ci_high=min(float(high), 1.0), control=None if control is None else round(control, CONTROL_DIGITS),
        baseline=baseline, beyond=beyond, limit=limit,
    )  # fmt: skip
