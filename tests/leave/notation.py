"""How a leave case is written: rows of a delivery and the leaves they make, in few words.

A case is a sentence, then its indented rows. The rows delivered come first:

    6111 2022-01-04..2022-01-17 RGO_ASU_NAT=40      a payment line: PRS_NAT_REF, EXE_SOI_DTD..EXE_SOI_DTF, other columns
    6111 2022-01-04..2022-03-15 every 14 days       as many lines, of 14 days but the last
    -6111 2022-01-04..2022-01-17                    a negative line: BSE_REM_SGN 2, days, quantity and amount below zero
    beneficiaire BEN_DCD_DTE=2022-02-01             a row of `beneficiaires`; a case without one has a plain one
    emploi mois=2022-01 en_emploi=true              a row of `emploi_mensuel`

What they make follows `=`: each leave, or `no leave`, then the euros paid and, where they matter, the days paid.

    = sickness 2022-01-01..2022-01-17, paid from 2022-01-04
    = 490 euros for 14 days

`COLUMN=` is an empty value. Identifiers are short names within the case: `one` unless said otherwise.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby

from pipeline.home import add_months
from tests.deliveries.samples import Row, insured, line, nir, worked
from tests.study.worlds import FIRST_FLOW, LAST_FLOW, RELEASE, after, day

EUROS_A_DAY = 35
WAITING = ("6011", "6012")
PAYMENT = re.compile(r"(-?)(\d{4}) (\S+)\.\.(\S+)(?: every (\d+) days)?")
ROW = re.compile(rf"({PAYMENT.pattern}|beneficiaire|emploi)(?: [A-Za-z_]+=\S*)*$")
TOTAL = re.compile(r"(-?[\d.]+) euros(?: for (\d+) days?)?")


@dataclass(frozen=True)
class Case:
    """A trap: what is delivered for an insured person (or two), and what is made of it."""

    number: int
    theme: str
    says: str
    delivered: tuple[str, ...]
    leaves: tuple[str, ...]
    euros: Decimal
    days: int | None

    @property
    def made(self) -> list[str]:
        """What follows `=`."""
        days = "" if self.days is None else f" for {self.days} day{'s' if self.days > 1 else ''}"
        return [*(self.leaves or ("no leave",)), f"{self.euros} euros{days}"]


def cases(text: str) -> list[Case]:
    """Cases of a text of the notation; a line that starts with `##` names the theme of those that follow."""
    found: list[Case] = []
    theme, sentence = "", ""
    lines = [row for row in text.splitlines() if row.strip()]
    for indented, block in groupby(lines, key=lambda row: row.startswith(" ")):
        rows = [" ".join(row.split()) for row in block]
        if not indented:
            theme = next((row.removeprefix("## ") for row in rows if row.startswith("##")), theme)
            (sentence,) = (row for row in rows if not row.startswith("##"))
            continue
        *made, last = (row.removeprefix("= ") for row in rows if row.startswith("= "))
        total = TOTAL.fullmatch(last)
        if total is None or not made:
            raise ValueError(f"without leaves or euros: {sentence}")
        leaves = () if made == ["no leave"] else tuple(made)
        delivered = tuple(row for row in rows if not row.startswith("= "))
        if not all(ROW.match(row) for row in delivered):
            raise ValueError(f"a row that is none: {sentence}")
        days = None if total[2] is None else int(total[2])
        found.append(Case(len(found) + 1, theme, sentence, delivered, leaves, Decimal(total[1]), days))
    return found


NAMES = {"one": 0, "two": 1}
"""Insured of a case, by BEN_IDT_ANO."""


def number_of(case: int, name: str = "one") -> int:
    """Number of an insured: unlike any other in the landing folder, and readable in its reference wage."""
    return 2 * case + NAMES[name]


def _pseudonym(case: int, name: str) -> str:
    return f"PSA{case:04d}{name:_>10}"


def _columns(words: Sequence[str]) -> dict[str, str | None]:
    pairs = (word.split("=", 1) for word in words)
    return {column: value or None for column, value in pairs}


def _periods(first: dt.date, last: dt.date, days: int | None) -> Iterator[tuple[dt.date, dt.date]]:
    """A period, or its pieces of so many days."""
    while days is not None and after(first, days) <= last:
        yield first, after(first, days - 1)
        first = after(first, days)
    yield first, last


def payment_lines(case: Case) -> Iterator[Row]:
    """`ij_lignes` of a case: 35 euros a day, delivered the month after the last day, unless it says otherwise."""
    order = 0
    for written in case.delivered:
        parts = PAYMENT.match(written)
        if parts is None:
            continue
        negative, code, first, last, every = parts.groups()
        said = _columns(written[parts.end() :].split())
        for start, end in _periods(day(first), day(last), int(every) if every else None):
            order += 1
            days = ((end - start).days + 1) * (-1 if negative else 1)
            own: dict[str, object] = {
                "DCT_ORD_NUM": order, "FLX_DIS_DTD": add_months(f"{end:%Y-%m}", 1) + "-01", "FLX_TRT_DTD": end,
                "EXE_SOI_DTD": start, "EXE_SOI_DTF": end, "PRS_NAT_REF": code, "PRS_ACT_NBR": days,
                "PRS_ACT_QTE": days, "BSE_REM_MNT": 0 if code in WAITING else EUROS_A_DAY * days,
                "BSE_REM_SGN": 2 if negative else 1, "IJR_RVL_NAT": "XX", "BEN_NIR_PSA": "one",
            }  # fmt: skip
            own |= said
            within = int(str(own.pop("DCT_ORD_NUM")))
            own["BEN_NIR_PSA"] = _pseudonym(case.number, str(own["BEN_NIR_PSA"]))
            if own.get("IJR_EMP_NUM"):
                own["IJR_EMP_NUM"] = str(own["IJR_EMP_NUM"]).zfill(14)
            yield line(case.number, 1000 * case.number + within, **own)


def register(case: Case) -> Iterator[tuple[str, Row]]:
    """Delivery and row of each insured of a case in `beneficiaires`."""
    written = [row.split()[1:] for row in case.delivered if row.startswith("beneficiaire")]
    for words in written or [[]]:
        said = _columns(words)
        delivery = said.pop("delivery", None) or RELEASE
        number = number_of(case.number, said.pop("BEN_IDT_ANO", None) or "one")
        own_nir = said.pop("nir", None)
        said["BEN_NIR_PSA"] = _pseudonym(case.number, said.get("BEN_NIR_PSA") or "one")
        row = insured(number, salaire_ref=number, **said)
        if own_nir is not None:
            row["nir"] = nir(number_of(case.number, own_nir))
        yield delivery, row


def employment(case: Case) -> Iterator[Row]:
    """`emploi_mensuel` of a case."""
    for row in case.delivered:
        if row.startswith("emploi "):
            said = _columns(row.split()[1:])
            number = number_of(case.number, said.pop("nir", None) or "one")
            yield worked(number, str(said.pop("mois")), **said)


@dataclass
class Deliveries:
    """Every case at once, each with insured of its own: (table, delivery) -> rows.

    A clock keeps the calendar: the first and the last flow bring a maternity line each, which makes no leave.

    Attributes:
        of: the cases.
        delay: months by which a payment line comes later than its case says.
        rows: what lands.
    """

    of: Sequence[Case]
    delay: Callable[[Row], int]
    rows: dict[tuple[str, str], list[Row]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.rows["beneficiaires", RELEASE].append(insured(0, salaire_ref=0))
        for flow in (FIRST_FLOW, LAST_FLOW):
            before = f"{add_months(f'{flow:%Y-%m}', -1)}-01"
            paid = {"EXE_SOI_DTD": before, "EXE_SOI_DTF": before, "FLX_DIS_DTD": flow}
            self._pay(line(0, 0, PRS_NAT_REF=6121, RGO_ASU_NAT=30, **paid))
        for case in self.of:
            for delivery, row in register(case):
                self.rows["beneficiaires", delivery].append(row)
            self.rows["emploi_mensuel", RELEASE] += employment(case)
            for row in payment_lines(case):
                self._pay(self._delayed(row))

    def _delayed(self, row: Row) -> Row:
        flow, first, last = str(row["FLX_DIS_DTD"]), FIRST_FLOW.isoformat(), LAST_FLOW.isoformat()
        if flow > last or str(row["EXE_SOI_DTD"]) > flow:  # what these cases say is about the delivery itself
            return row
        moved = add_months(flow[:7], self.delay(row)) + "-01"
        if not first <= moved <= last:
            raise ValueError(f"flow {moved} lies outside the calendar")
        return row | {"FLX_DIS_DTD": moved}

    def _pay(self, row: Row) -> None:
        self.rows["ij_lignes", str(row["FLX_DIS_DTD"])[:7]].append(row)


def leave(
    row: dict[str, object], part_time_days: int = 0, end_reason: str | None = None, start_observed: bool = True
) -> str:
    """A row of `leave_spells` in the words of the notation."""
    text = f"{row['risk']} {row['start_date']}..{row['end_date']}"
    if row["first_paid_day"] != row["start_date"]:
        text += f", paid from {row['first_paid_day']}"
    if part_time_days:
        text += f", part-time {part_time_days} days"
    if row["part_time_from"] is not None:
        text += f" from {row['part_time_from']}"
    if not start_observed:
        text += ", start not seen"
    if row["censored"]:
        text += ", open"
    if end_reason not in (None, "ongoing" if row["censored"] else "unknown"):
        text += f", then {end_reason}"
    return text


def overlap(first: dt.date, last: dt.date, start: dt.date, end: dt.date) -> int:
    """Days that two periods share."""
    return max(0, (min(last, end) - max(first, start)).days + 1)
