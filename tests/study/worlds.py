"""A handful of insured, written line by line as the study reads them: past the pseudonymisation border.

`World` collects rows; `tables` gives them as Arrow tables of the registry, `write` puts them in a home as the step
`pseudonymise` does. A clock keeps the calendar of every world the same: payment flows from July 2019 to June 2024, so
that time zero may lie from 1 July 2021 on and follow-up ends on 1 January 2024.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.database import Connection
from pipeline.home import Home, Landing, add_months
from pipeline.leave.step import rebuild
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.study import sectors
from pipeline.study.step import AGREED_CASES, DESIGNATED, Calendar, calendar
from pipeline.tables.intermediate import of_step

RELEASE = "2024-06"
FIRST_FLOW, LAST_FLOW = dt.date(2019, 7, 1), dt.date(2024, 6, 1)
FOLLOW_UP_END = dt.date(2024, 1, 1)
OPENING = dt.date(2021, 7, 1)
PROTOCOL = Protocol.load()
Row = dict[str, Any]


def day(text: str | dt.date) -> dt.date:
    return text if isinstance(text, dt.date) else dt.date.fromisoformat(text)


def after(first: str | dt.date, days: int) -> dt.date:
    return day(first) + dt.timedelta(days=days)


def line(person: int, first: str | dt.date, last: str | dt.date, code: int = 6111, **changed: Any) -> Row:
    """A payment line: paid at 35 euros a day, delivered two months later, unless told otherwise."""
    first, last = day(first), day(last)
    days = (last - first).days + 1
    waiting = code in (6011, 6012)
    flow = dt.date.fromisoformat(add_months(last.isoformat()[:7], 2) + "-01")
    row: Row = {
        "person": person, "flow_date": min(flow, LAST_FLOW), "period_start": first, "period_end": last,
        "benefit_code": code, "risk": "sickness", "days_paid": days, "quantity": days,
        "amount": Decimal(0 if waiting else 35 * days), "revaluation": "xx", "scheme": "employee",
        "expense_qualifier": 0,
    }  # fmt: skip
    row |= changed
    row["amount"] = Decimal(row["amount"])
    return row


@dataclass
class World:
    """Rows by table; every method adds some."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: {table.name: [] for table in of_step("pseudonymise")})

    def __post_init__(self) -> None:
        for flow in (FIRST_FLOW, LAST_FLOW):  # the clock: maternity lines, which make no leave
            first = dt.date.fromisoformat(add_months(flow.isoformat()[:7], -1) + "-01")
            self.rows["payment_lines"].append(line(0, first, first, 6121, risk="maternity", flow_date=flow))

    def add(self, table: str, **row: Any) -> World:
        self.rows[table].append(row)
        return self

    def person(self, number: int, department: str = "001", **facts: Any) -> int:
        """An insured born in 1980, an employee in industry at 2,000 euros, whose register never changes."""
        own = {
            "person": number, "person_id": f"{number:08x}", "sex": "female", "birth_year": 1980,
            "ald_start": None, "ald_end": None, "death_date": None, "retirement_date": None,
            "invalidity_start": None, "invalidity_category": None,
        }  # fmt: skip
        self.add("persons", **{name: facts.get(name, value) for name, value in own.items()})
        return self.register(number, department, **{k: v for k, v in facts.items() if k not in own})

    def register(self, number: int, department: str | None = "001", **facts: Any) -> int:
        """What the register says of an insured from a delivery on."""
        row: Row = {
            "person": number, "valid_from": "2019-07", "department_code": department, "scheme": "employee",
            "social_class": "clerical", "activity_code": "2511Z", "employer_size": "10_49",
            "reference_wage": Decimal(2000),
        }  # fmt: skip
        self.add("person_history", **(row | facts))
        return number

    def lines(self, *rows: Row) -> World:
        self.rows["payment_lines"] += rows
        return self

    def leave(
        self, person: int, start: str | dt.date, days: int, risk: str = "sickness", rate: int = 35,
        part_time_from: int | None = None,
    ) -> dt.date:  # fmt: skip
        """A leave of so many days, waiting days included, paid fortnight by fortnight; returns its last day.

        From the elapsed day `part_time_from` on it is paid as therapeutic part-time.
        """
        start = day(start)
        last = after(start, days - 1)
        first = start
        if risk == "sickness":
            first = after(start, 3)
            self.lines(line(person, start, after(start, 2), 6011, risk=risk))
        part_time = after(last, 1) if part_time_from is None else after(start, part_time_from)
        while first <= last:
            until = min(after(first, 13), last if first >= part_time else min(last, after(part_time, -1)))
            code = 6117 if first >= part_time else 6111
            self.lines(line(person, first, until, code, risk=risk, amount=rate * ((until - first).days + 1)))
            first = after(until, 1)
        return last

    def employed(self, person: int, first: str, last: str, employed: bool = True, **facts: Any) -> World:
        """Month-ends `first` to `last`, months both included."""
        month = first
        while month <= last:
            row: Row = {
                "person": person, "month": month, "employed": employed, "contract": "permanent" if employed else None,
                "working_time_share": 100 if employed else None, "same_employer": True, "termination_reason": None,
            }  # fmt: skip
            self.add("employment", **(row | facts))
            month = add_months(month, 1)
        return self

    def platform(
        self, department: str, opening: str | dt.date = OPENING, closing: str | dt.date | None = "2023-06-30"
    ) -> str:
        name = f"PDP-{department}-{day(opening):%Y%m}"
        self.add(
            "platforms", platform_id=name, department_code=department, designation_date=after(opening, -30),
            opening_date=day(opening), closing_date=None if closing is None else day(closing), status="experimental",
        )  # fmt: skip
        return name

    def case(self, person: int, platform: str, contact: str | dt.date, agreed: bool = True, **facts: Any) -> World:
        """One report of a case and the answer to the offer, given ten days after first contact."""
        contact = day(contact)
        number = facts.pop("case_number", person)
        report: Row = {
            "person": person, "case_number": number, "report_number": len(self.rows["reports"]) + 1,
            "platform_id": platform, "birth_year": 1980, "stage": "initial", "referral_date": after(contact, -10),
            "first_contact_date": contact, "diagnosis_date": after(contact, 20), "plan_date": after(contact, 30),
            "report_date": after(contact, 30), "referral_source": "employer", "occupation_status": "employee",
            "leave_risk": "sickness", "employment_situation": "on_leave",
        }  # fmt: skip
        self.add("reports", **(report | facts))
        return self.answer(person, number, after(contact, 10), "agreement" if agreed else "refusal")

    def answer(self, person: int, case_number: int, date: str | dt.date, event: str) -> World:
        return self.add(
            "agreements", person=person, case_number=case_number, scope="accompaniment", event=event,
            event_date=day(date), mode="written",
        )  # fmt: skip

    def tables(self, shuffle: int | None = None) -> dict[str, pa.Table]:
        """Arrow tables of the registry; `shuffle` seeds another order of rows."""
        found = {}
        for table in of_step("pseudonymise"):
            rows = [{name: row.get(name) for name in table.names} for row in self.rows[table.name]]
            if shuffle is not None:
                rows = [rows[i] for i in np.random.default_rng(shuffle).permutation(len(rows))]
            found[table.name] = pa.Table.from_pylist(rows, schema=table.schema)
        return found

    def write(self, root: Path, shuffle: int | None = None) -> Run:
        """A run whose home holds this world as the step `pseudonymise` leaves it."""
        run = Run(Home(root / "home").prepare(), Landing(root / "landing"), PROTOCOL, RELEASE)
        for name, table in self.tables(shuffle).items():
            pq.write_table(table, run.home.artefact(RELEASE, "pseudonymise", name))
        return run

    def open(self, connection: Connection, shuffle: int | None = None, protocol: Protocol = PROTOCOL) -> Calendar:
        """Everything the study reads, leaves rebuilt, in a database held in memory."""
        for name, table in self.tables(shuffle).items():
            connection.register(name, table)
        window = rebuild(connection, protocol)
        connection.execute(sectors.macro())
        for view in (DESIGNATED, AGREED_CASES):
            connection.execute(view)
        return calendar(connection, protocol, window)


def members(*rows: tuple[int, str | dt.date], wage: int | None = 2000, status: str = "employee") -> pa.Table:
    """Members of matched sets, as outcomes read them: person and time zero."""
    return pa.table(
        {
            "member": pa.array(range(len(rows)), pa.int64()),
            "person": pa.array([person for person, _ in rows], pa.int64()),
            "time_zero": pa.array([day(zero) for _, zero in rows], pa.date32()),
            "status": pa.array([status] * len(rows), pa.string()),
            "wage": pa.array([None if wage is None else Decimal(wage)] * len(rows), pa.decimal128(14, 2)),
        }
    )


def drawn_territory(
    seed: int = 1,
    *,
    treated: int = 4,
    comparison: int = 9,
    persons: int = 40,
    since: str = "2021-07-01",
    accompanied: float = 0.5,
    wage_gap: int = 0,
) -> World:
    """A territory of long leaves drawn with NumPy, without any effect of its platforms.

    Args:
        seed: of every draw.
        treated: départements with a platform, open from July 2021 to June 2023.
        comparison: départements without.
        persons: insured in each, on leave once for long and often once in the year before.
        since: long leaves start in the year from this day on.
        accompanied: share of those where a platform is.
        wage_gap: euros a month by which wages are higher where a platform is.
    """
    rng = np.random.default_rng(seed)
    world = World()
    departments = [f"{number:03d}" for number in range(1, treated + comparison + 1)]
    platforms = {name: world.platform(name) for name in departments[:treated]}
    for number in range(persons * len(departments)):
        person, home = number + 1, departments[number % len(departments)]
        world.person(
            person, home, sex="male" if rng.random() < 0.5 else "female", birth_year=int(rng.integers(1975, 1990)),
            reference_wage=Decimal(int(rng.normal(2200, 300)) + wage_gap * (home in platforms)), activity_code="2511Z",
            employer_size=str(rng.choice(["1_9", "10_49"])),
        )  # fmt: skip
        if rng.random() < 0.6:
            world.leave(person, after(since, -330 + int(rng.integers(0, 200))), int(rng.integers(5, 40)))
        start = after(since, int(rng.integers(0, 360)))
        world.leave(person, start, int(min(62 + rng.exponential(100), 500)), rate=int(rng.integers(30, 45)))
        world.employed(person, "2019-07", "2024-04")
        if home in platforms and rng.random() < accompanied:
            contact = after(start, int(rng.integers(46, 61)))
            world.case(person, platforms[home], contact)
    for name, platform in platforms.items():
        for month in ("2021-08", "2022-03", "2023-02"):
            world.add(
                "programme_costs", platform_id=platform, month=month, category="administrative_staff",
                funding="management_budget", amount=Decimal(10_000 + int(name)),
            )  # fmt: skip
    return world
