"""The SQL against the rules written once more, day by day and line by line, with nothing in common.

Slow and plain on purpose: sets of days instead of windows, a loop instead of a join.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import Any

from hypothesis import example, given, settings

from tests.leave.test_days_and_euros import rebuilt, some_lines
from tests.study.worlds import PROTOCOL, line

DAY = dt.timedelta(days=1)
FULL, PART, WAITING = {6111, 6112, 6113, 6114, 6115, 6116, 6120, 6134, 6135, 6239}, {6117, 6118}, {6011, 6012}
Spell = tuple[int, str, dt.date, dt.date, dt.date, dt.date | None]


def days_of(row: dict[str, Any]) -> int:
    fed = row["days_paid"] or 0
    return fed or (row["quantity"] if row["revaluation"] in (None, "zz", "xx") else 0)


def span(first: dt.date, last: dt.date) -> set[dt.date]:
    return {first + n * DAY for n in range((last - first).days + 1)}


def told_again(rows: list[dict[str, Any]]) -> list[Spell]:
    """Leaves as (person, risk, start, first paid day, end, part-time from)."""
    kept = [r for r in rows if r["benefit_code"] in FULL | PART | WAITING and r["expense_qualifier"] not in (71, 72)]
    net: dict[tuple[Any, ...], int] = defaultdict(int)
    for r in kept:
        net[(r["person"], r["risk"], r["benefit_code"], r["period_start"], r["period_end"])] += days_of(r)
    standing = [key for key, days in net.items() if days > 0]
    found: list[Spell] = []
    for person, risk in sorted({(p, r) for p, r, *_ in standing}):
        mine = [(code, a, b) for p, r, code, a, b in standing if (p, r) == (person, risk)]
        full = set().union(*(span(a, b) for code, a, b in mine if code in FULL))
        part = set().union(*(span(a, b) for code, a, b in mine if code in PART))
        previous: dt.date | None = None
        for days in islands(sorted(full | part)):
            first, last = days[0], days[-1]
            own = [d for d in days if d in full]
            after_full = [d for d in days if d in part and (not own or d > own[-1])]
            waiting = set().union(*(span(a, b) for code, a, b in mine if code in WAITING))
            leading = [
                run[0] for run in islands(sorted(waiting), gap=0)
                if run[0] < first and (first - run[-1]).days - 1 <= PROTOCOL.leave.gap_days
                and (previous is None or run[-1] > previous)
            ]  # fmt: skip
            start = min(leading) if leading else first - (3 if risk == "sickness" else 0) * DAY
            if previous is not None:
                start = max(start, previous + DAY)
            found.append((person, risk, start, first, last, after_full[0] if after_full else None))
            previous = last
    return sorted(found, key=repr)


def islands(days: list[dt.date], gap: int = PROTOCOL.leave.gap_days) -> list[list[dt.date]]:
    """Days in order, cut where more than the gap lies between two."""
    groups: list[list[dt.date]] = []
    for day in days:
        if not groups or (day - groups[-1][-1]).days - 1 > gap:
            groups.append([])
        groups[-1].append(day)
    return groups


@settings(max_examples=60, deadline=None)
@given(some_lines())
@example(
    [line(1, "2022-01-04", "2022-01-17"), line(1, "2022-01-04", "2022-01-10"), line(1, "2022-01-04", "2022-01-20")]
)
def test_the_sql_rebuilds_the_leaves_that_the_rules_tell(rows: list[dict[str, Any]]) -> None:
    columns = ("person", "spell", "risk", "start", "first_paid", "end", "part_time_from")
    spells = [dict(zip(columns, row, strict=False)) for row in rebuilt(rows)["leave_spells"]]
    found = [(s["person"], s["risk"], s["start"], s["first_paid"], s["end"], s["part_time_from"]) for s in spells]
    assert sorted(found, key=repr) == told_again(rows)
