"""What the deliveries let one see: the payment lag is read off the lines, and never shorter than the protocol's."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from pipeline import database
from pipeline.leave.window import Window, completeness, months_after, observed, payment_lag
from tests.study.worlds import PROTOCOL, World, line

LAST = dt.date(2024, 6, 1)


def arrivals(shares: list[float], months: int = 24, lines: int = 10_000) -> pd.DataFrame:
    """Lines of so many months of paid days, arriving after 1, 2, … months in these shares, watched up to `LAST`."""
    rows = []
    for back in range(1, months + 1):
        month = pd.Timestamp(months_after(LAST, -back))
        rows += [
            {"paid_month": month, "delay": delay, "lines": round(share * lines)}
            for delay, share in enumerate(shares, start=1)
            if delay <= back and share
        ]
    return pd.DataFrame(rows)


def test_the_curve_is_the_share_arrived_though_recent_months_were_watched_less_long() -> None:
    found = completeness(arrivals([0.5, 0.3, 0.15, 0.05]), LAST)
    np.testing.assert_allclose(found, [0.5, 0.8, 0.95, 1.0])
    naive = arrivals([0.5, 0.3, 0.15, 0.05]).groupby("delay")["lines"].sum()
    assert naive[1] / naive.sum() > 0.505  # counting what has arrived flatters the first months


def test_the_size_of_a_month_does_not_bend_the_curve() -> None:
    growing = arrivals([0.5, 0.3, 0.15, 0.05])
    growing["lines"] *= 1 + (growing["paid_month"].dt.year == 2024) * 9
    np.testing.assert_allclose(completeness(growing, LAST), [0.5, 0.8, 0.95, 1.0])


@pytest.mark.parametrize(
    ("shares", "wanted", "lag"),
    [
        ([1.0], 0.99, 5),  # everything at once: the floor
        ([0.5, 0.3, 0.15, 0.05], 0.99, 5),
        ([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 0.99, 7),  # the last tenth arrives after eight months
        ([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 0.90, 6),
        ([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 0.70, 5),
    ],
)
def test_the_lag_is_the_protocol_s_or_longer_where_lines_arrive_later(
    shares: list[float], wanted: float, lag: int
) -> None:
    assert payment_lag(completeness(arrivals(shares), LAST), floor=5, wanted=wanted) == lag


def test_the_month_before_the_end_of_follow_up_is_as_complete_as_wanted() -> None:
    shares = [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    lag = payment_lag(completeness(arrivals(shares), LAST), floor=0, wanted=0.85)
    last_month = months_after(months_after(LAST, -lag), -1)
    watched = (LAST.year - last_month.year) * 12 + LAST.month - last_month.month
    assert sum(shares[:watched]) >= 0.85 > sum(shares[: watched - 1])


def late_world(delay: int) -> World:
    """Leaves of 2022 and 2023 whose lines are all delivered so many months after their last paid day."""
    world = World()
    for month in range(1, 24):
        first = months_after(dt.date(2022, 1, 1), month)
        flow = months_after(first, delay)
        if flow <= LAST:
            world.lines(*[line(1, first, first + dt.timedelta(days=13), flow_date=flow) for _ in range(20)])
    return world


@pytest.mark.parametrize(("delay", "lag"), [(2, 5), (9, 8)])
def test_deliveries_that_come_late_end_follow_up_earlier(delay: int, lag: int) -> None:
    with database.connect() as connection:
        dates = late_world(delay).open(connection)
        window, arrived = observed(connection, PROTOCOL)
    assert window.payment_lag_months == lag
    assert dates.follow_up_end == window.complete_until == months_after(LAST, -lag)
    assert arrived.iloc[-1] == 1


def test_corrections_do_not_count_as_late_lines() -> None:
    world = late_world(2)
    for row in list(world.rows["payment_lines"])[2:]:
        back = {name: -row[name] for name in ("days_paid", "quantity", "amount")}
        world.lines(row | back | {"flow_date": min(months_after(row["flow_date"], 12), LAST)})
    with database.connect() as connection:
        world.open(connection)
        assert observed(connection, PROTOCOL)[0].payment_lag_months == 5


def test_without_lines_nothing_is_observed_and_nothing_fails() -> None:
    world = World()
    world.rows["payment_lines"].clear()
    with database.connect() as connection:
        world.open(connection)
        window, arrived = observed(connection, PROTOCOL)
    assert window.last_flow == dt.date(1600, 1, 1)
    assert arrived.empty


def test_a_window_is_read_back_as_it_was_saved(tmp_path) -> None:  # type: ignore[no-untyped-def]
    window = Window(dt.date(2019, 6, 1), LAST, 5, dt.date(2024, 1, 1))
    window.save(tmp_path / "window.json")
    assert Window.load(tmp_path / "window.json") == window
