"""Lines that the rules of the allowance do not allow are flagged with their leave and counted: none is dropped."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import database
from pipeline.leave import plausibility
from pipeline.leave.step import rebuild_leaves
from tests.study.worlds import PROTOCOL, World, day, line

Row = dict[str, Any]


def flags(*rows: Row, shuffle: int | None = None) -> list[tuple[int, int, str, int]]:
    """Person, leave, flag, lines."""
    with database.connect() as connection:
        World().lines(*rows).open(connection, shuffle)
        plausibility.flag(connection, PROTOCOL)
        found: list[tuple[int, int, str, int]] = connection.sql("FROM leave_flags ORDER BY ALL").fetchall()
        return found


def paid(first: str, last: str, euros_a_day: str, code: int = 6111, **changed: Any) -> Row:
    days = (day(last) - day(first)).days + 1
    return line(1, first, last, code, amount=Decimal(euros_a_day) * days, **changed)


def taken_back(row: Row) -> Row:
    return row | {name: -row[name] for name in ("days_paid", "quantity", "amount")}


ABOVE = [(1, 1, "above_maximum", 1)]
CASES: list[tuple[str, list[Row], bool]] = [
    ("at the maximum of 2022", [paid("2022-01-04", "2022-01-17", "47.43")], False),
    ("within the rounding of a line", [paid("2022-01-04", "2022-01-17", "47.47")], False),
    ("above the maximum of 2022", [paid("2022-01-04", "2022-01-17", "47.50")], True),
    ("the same amount is allowed once the minimum wage has risen", [paid("2022-05-04", "2022-05-17", "48.69")], False),
    ("the start decides: a leave of April paid in May stays at April's",
     [paid("2022-04-24", "2022-05-07", "47.43"), paid("2022-05-08", "2022-05-21", "48.69")], True),
    ("the waiting days count: a leave paid from 3 May started in April", [paid("2022-05-03", "2022-05-16", "48.69")],
     True),
    ("the self-employed have their own, higher maximum",
     [paid("2022-01-04", "2022-01-17", "56.35", scheme="self_employed")], False),
    ("and may pass it too", [paid("2022-01-04", "2022-01-17", "56.45", scheme="self_employed")], True),
    ("an unknown scheme has the benefit of the doubt", [paid("2022-01-04", "2022-01-17", "56.35", scheme=None)], False),
    ("two employers may pass the maximum in total",
     [paid("2022-01-04", "2022-01-17", "40"), paid("2022-01-04", "2022-01-17", "30", days_paid=0)], False),
    ("one of two employers alone may not",
     [paid("2022-01-04", "2022-01-17", "60"), paid("2022-01-04", "2022-01-17", "30", days_paid=0)], True),
    ("days not fed are read from the quantity",
     [paid("2022-01-04", "2022-01-17", "47.43", days_paid=None, revaluation="zz")], False),
    ("fewer days paid than the period has make a higher amount a day",
     [paid("2022-01-04", "2022-01-17", "40", days_paid=7)], True),
    ("a revaluation pays no day", [paid("2022-01-04", "2022-01-17", "40"),
     paid("2022-01-04", "2022-01-17", "90", days_paid=0, revaluation="rs")], False),
    ("an increased allowance is two thirds of the wage", [paid("2022-01-04", "2022-01-17", "63.24", 6115)], False),
    ("and has a maximum", [paid("2022-01-04", "2022-01-17", "63.40", 6115)], True),
    ("a reduced allowance has the ordinary one", [paid("2022-01-04", "2022-01-17", "60", 6113)], True),
    ("part-time follows the lost wage", [paid("2022-01-04", "2022-01-17", "60", 6117)], False),
    ("health professionals have another maximum",
     [paid("2022-01-04", "2022-01-17", "112", 6134, scheme="self_employed")], False),
    ("a line for information pays nothing", [paid("2022-01-04", "2022-01-17", "40"),
     paid("2022-01-04", "2022-01-17", "60", expense_qualifier=71)], False),
    ("a work injury is paid far more", [paid("2022-01-04", "2022-01-17", "205.84", risk="work_injury")], False),
    ("up to a maximum of 60 %", [paid("2022-01-04", "2022-01-17", "206", risk="work_injury")], True),
    ("and 80 % from the 29th paid day on",
     [paid("2022-01-01", "2022-01-28", "205.84", risk="work_injury"),
      paid("2022-01-29", "2022-02-11", "274.46", risk="work_injury")], False),
    ("which has a maximum as well",
     [paid("2022-01-01", "2022-01-28", "205.84", risk="work_injury"),
      paid("2022-01-29", "2022-02-11", "275", 6120, risk="work_injury")], True),
    ("a line taken back and paid again at its right amount is right",
     [paid("2022-01-04", "2022-01-17", "52"), taken_back(paid("2022-01-04", "2022-01-17", "52")),
      paid("2022-01-04", "2022-01-17", "47")], False),
    ("paid twice and taken back once, it stands once",
     [paid("2022-01-04", "2022-01-17", "52"), paid("2022-01-04", "2022-01-17", "52"),
      taken_back(paid("2022-01-04", "2022-01-17", "52"))], True),
    ("another amount taken back does not make it right",
     [paid("2022-01-04", "2022-01-17", "52"),
      taken_back(paid("2022-01-04", "2022-01-17", "2", days_paid=0, quantity=0))], True),
    ("a leave that may have begun before the first payments has no known maximum",
     [paid("2019-06-02", "2019-07-05", "90")], False),
]  # fmt: skip


@pytest.mark.parametrize(("says", "rows", "flagged"), CASES, ids=[case[0] for case in CASES])
def test_a_line_is_held_against_the_maximum_of_its_leave(says: str, rows: list[Row], flagged: bool) -> None:
    assert flags(*rows) == (ABOVE if flagged else [])


def test_the_cap_at_1_4_minimum_wages_holds_for_leaves_that_start_from_april_2025_on() -> None:
    late = {"flow_date": day("2025-07-01")}
    before, after = paid("2025-04-03", "2025-04-16", "53.31", **late), paid("2025-04-04", "2025-04-17", "53.31", **late)
    assert flags(before) == []  # three waiting days: it started on 31 March
    assert flags(after) == ABOVE


def test_a_work_injury_of_the_self_employed_is_flagged_with_its_lines() -> None:
    own = {"risk": "work_injury", "scheme": "self_employed"}
    rows = [paid("2022-01-04", "2022-01-17", "50", **own), paid("2022-01-18", "2022-01-31", "50", **own)]
    assert flags(*rows) == [(1, 1, "self_employed_work_injury", 2)]
    assert flags(*[row | {"risk": "sickness"} for row in rows]) == []


def test_flags_are_those_of_the_leave_and_do_not_depend_on_the_order_of_lines() -> None:
    rows = [
        paid("2022-01-04", "2022-01-17", "47"), paid("2022-06-04", "2022-06-17", "60"),
        paid("2022-06-18", "2022-06-30", "61"), paid("2022-06-01", "2022-06-14", "300", risk="work_injury"),
    ]  # fmt: skip
    expected = [(1, 2, "above_maximum", 2), (1, 3, "above_maximum", 1)]  # sickness and injury start the same day
    assert flags(*rows) == expected
    assert flags(*rows, shuffle=1) == expected


def test_lines_are_counted_by_delivery_and_every_leave_stays(tmp_path) -> None:
    world = World().lines(
        paid("2022-01-04", "2022-01-17", "60", flow_date=day("2022-03-01")),
        paid("2022-01-18", "2022-01-31", "60", flow_date=day("2022-04-01")),
        paid("2022-02-01", "2022-02-14", "60", flow_date=day("2022-04-01")),
    )
    run = world.write(tmp_path)
    report = rebuild_leaves(run)
    assert report.rows["leave_spells"] == 1
    told = report.tables["Plausibility"].set_index("flag")
    assert told.loc["daily amount above the legal maximum"].tolist() == [1, 3]
    assert told.loc["work injury of a self-employed person"].tolist() == [0, 0]
    counted = pq.read_table(run.home.artefact(run.release, "leave", "flagged_rows")).to_pylist()
    rule = "daily_amount_above_maximum"
    assert counted == [
        {"delivery": "2022-03", "rule": rule, "rows_flagged": 1},
        {"delivery": "2022-04", "rule": rule, "rows_flagged": 2},
    ]


def test_the_accounting_of_rows_gains_the_rules_and_loses_no_row() -> None:
    def account(table: str, rule: str, quarantined: int, flagged: int) -> Row:
        return {"delivery": "2022-03", "input_table": table, "rule": rule, "rows_read": 100,
                "rows_accepted": 98 - quarantined, "rows_quarantined": quarantined, "rows_duplicate": 2,
                "rows_flagged": flagged, "rate": (quarantined + flagged) / 100}  # fmt: skip

    quality = pa.Table.from_pylist(
        [account("payment_lines", "all", 10, 0), account("payment_lines", "wrong_delivery", 10, 0),
         account("reports", "all", 0, 0)]
    )  # fmt: skip
    flagged = pa.Table.from_pylist([{"delivery": "2022-03", "rule": "daily_amount_above_maximum", "rows_flagged": 5}])
    expected = [
        account("payment_lines", "all", 10, 0), account("payment_lines", "daily_amount_above_maximum", 0, 5),
        account("payment_lines", "wrong_delivery", 10, 0), account("reports", "all", 0, 0),
    ]  # fmt: skip
    assert plausibility.quality_with_flags(quality, flagged).to_pylist() == expected
    assert plausibility.quality_with_flags(quality, flagged.slice(0, 0)) == quality
