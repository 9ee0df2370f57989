"""What the deliveries let one see: from which payments on, and up to which day nothing more is to come.

Lines arrive late. The share still missing is estimated from the lines themselves: of the lines of one month of paid
days, how many had arrived after so many months. Recent months have been watched for less long, so the distribution of
delays is right-truncated; its product-limit estimator in reversed time (Lagakos, Barraj & De Gruttola 1988, Biometrika
75:515) uses every month for as long as it was watched. Actuaries know it as the chain ladder.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import database
from pipeline.database import Connection
from pipeline.protocol import Protocol

NO_FLOW = dt.date(1600, 1, 1)


@dataclass(frozen=True, slots=True)
class Window:
    """The span of a release's payment lines.

    Attributes:
        first_payment: payments made from this day on are delivered: the month before the first flow.
        last_flow: last payment flow.
        payment_lag_months: months before the last flow in which lines may still be missing.
        complete_until: first day on which leaves are not fully paid yet; follow-up ends there.
    """

    first_payment: dt.date
    last_flow: dt.date
    payment_lag_months: int
    complete_until: dt.date

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(asdict(self), default=dt.date.isoformat), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Window:
        """Read what `save` wrote."""
        held = json.loads(path.read_text(encoding="utf-8"))
        days = {name: dt.date.fromisoformat(day) for name, day in held.items() if name != "payment_lag_months"}
        return cls(payment_lag_months=held["payment_lag_months"], **days)


def completeness(delays: pd.DataFrame, last_flow: dt.date) -> pd.Series:
    """Share of the lines of a month of paid days that have arrived, by months since then.

    Args:
        delays: columns `paid_month` (first day), `delay` (months until delivery, at least 1), `lines`.
        last_flow: last payment flow.

    Returns:
        float64 indexed by delay 1, 2, …, up to the longest delay seen, where it is 1. Empty without lines.
    """
    if delays.empty:
        return pd.Series(dtype="float64")
    month = pd.DatetimeIndex(delays["paid_month"])
    watched = (last_flow.year - month.year) * 12 + last_flow.month - month.month
    delay, lines = delays["delay"].to_numpy(), delays["lines"].to_numpy().astype(np.float64)
    longest = int(delay.max())
    arrived = np.ones(longest)
    for late in range(longest, 1, -1):
        among = watched >= late  # months watched long enough to have seen this delay
        by_then = lines[among & (delay <= late)].sum()
        share_late = lines[among & (delay == late)].sum() / by_then if by_then else 0.0
        arrived[late - 2] = arrived[late - 1] * (1 - share_late)
    return pd.Series(arrived, index=pd.RangeIndex(1, longest + 1, name="delay"), name="arrived")


def payment_lag(arrived: pd.Series, *, floor: int, wanted: float) -> int:
    """Months before the last flow that cannot be used yet.

    A follow-up that ends `lag` months before the last flow ends with a month watched for `lag` + 1 months.

    Args:
        arrived: as `completeness` gives it.
        floor: never fewer months than this.
        wanted: share of the lines that must have arrived.
    """
    enough = arrived.index[arrived >= wanted]
    return floor if not len(enough) else max(floor, int(enough[0]) - 1)


def observed(connection: Connection, protocol: Protocol) -> tuple[Window, pd.Series]:
    """The window of the view `payment_lines`, and its completeness curve.

    Returns:
        The window (1600-01-01 for every date without any line) and `completeness`.
    """
    first, last = connection.execute(
        "SELECT coalesce(min(flow_date), $none), coalesce(max(flow_date), $none) FROM payment_lines", {"none": NO_FLOW}
    ).fetchall()[0]
    # Payments made before the first flow's month were never delivered: months of paid days before it are half seen.
    delays = connection.execute(database.sql(__file__, "completeness"), {"first_flow": first}).df()
    arrived = completeness(delays, last)
    lag = payment_lag(arrived, floor=protocol.study.payment_lag_months, wanted=protocol.leave.completeness)
    return Window(months_after(first, -1), last, lag, months_after(last, -lag)), arrived


def months_after(first_of_month: dt.date, months: int) -> dt.date:
    """The first day of the month so many months later (earlier where negative)."""
    number = first_of_month.year * 12 + first_of_month.month - 1 + months
    return dt.date(number // 12, number % 12 + 1, 1)
