"""From deliveries to leaves: the cases of `docs/leave-cases.md`, taken down the road from the landing folder.

All cases land together, each with insured of its own: as written, in another order of rows, and in other deliveries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline import database
from pipeline.deliveries.step import ingest
from pipeline.identity.step import pseudonymise
from pipeline.leave.step import rebuild_leaves
from pipeline.run import StepReport
from pipeline.tables.intermediate import of_step
from tests.deliveries.samples import Row, place
from tests.leave import cases
from tests.leave.cases import CASES
from tests.leave.notation import NAMES, Case, Deliveries, leave, number_of, overlap
from tests.study.worlds import RELEASE

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "leave-cases.md"
Tables = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True)
class Landed:
    """The cases at the end of the road: what was taken in, and the tables of each insured by number."""

    intake: StepReport
    insured: dict[int, Tables]

    def leaves(self, number: int) -> list[str]:
        """Leaves of an insured, in words and in order."""
        tables = self.insured[number]
        part_time = [row for row in tables["leave_days"] if row["kind"] == "part_time"]
        ends = {row["spell_number"]: row["end_reason"] for row in tables.get("leave_ends", [])}
        return [
            leave(
                row,
                sum(overlap(row["start_date"], row["end_date"], d["from_day"], d["to_day"]) for d in part_time),
                ends[row["spell_number"]],
                row["start_observed"],
            )
            for row in sorted(tables["leave_spells"], key=lambda row: int(row["spell_number"]))
        ]

    def paid(self, number: int) -> tuple[Decimal, int]:
        """Euros and days paid to an insured: of one period, no more days than it has."""
        euros, days = Decimal(0), Counter[tuple[Any, ...]]()
        for row in self.insured[number]["leave_payments"]:
            euros += row["amount"]
            days[row["risk"], row["kind"], row["period_start"], row["period_end"]] += row["days"]
        return euros, sum(min(paid, (end - start).days + 1) for (_, _, start, end), paid in days.items())


def as_the_case_says(row: Row) -> int:
    return 0


def a_month_or_two_later(row: Row) -> int:
    return 1 + int(str(row["DCT_ORD_NUM"])) % 2


def take_down_the_road(root: Path, deliveries: Deliveries, shuffle: int | None) -> Landed:
    with database.connect() as connection:
        here = place(root, connection)
        for (source, month), rows in deliveries.rows.items():
            order = range(len(rows)) if shuffle is None else np.random.default_rng(shuffle).permutation(len(rows))
            here.put(source, [rows[i] for i in order], month)
    run = here.run(RELEASE)
    intake = ingest(run)
    pseudonymise(run)
    rebuild_leaves(run)
    # The reference wage of an insured is its number: the road leaves nothing else to know it by.
    history = pq.read_table(run.home.artefact(RELEASE, "pseudonymise", "person_history")).to_pylist()
    numbers = {row["person"]: int(row["reference_wage"]) for row in history}
    names = [table.name for table in of_step("leave") if "person" in table.names]
    insured: dict[int, Tables] = {number: {name: [] for name in names} for number in numbers.values()}
    for name in names:
        for row in sorted(pq.read_table(run.home.artefact(RELEASE, "leave", name)).to_pylist(), key=repr):
            insured[numbers[row.pop("person")]][name].append(row)
    return Landed(intake, insured)


@pytest.fixture(scope="module")
def as_written(tmp_path_factory: pytest.TempPathFactory) -> Landed:
    return take_down_the_road(tmp_path_factory.mktemp("as_written"), Deliveries(CASES, as_the_case_says), None)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.number}. {case.says}")
def test_lines_delivered_make_leaves(case: Case, as_written: Landed) -> None:
    made, euros, days = [], Decimal(0), 0
    for name in NAMES:
        number = number_of(case.number, name)
        if number in as_written.insured:
            made += [text if name == "one" else f"{name}: {text}" for text in as_written.leaves(number)]
            of_insured = as_written.paid(number)
            euros, days = euros + of_insured[0], days + of_insured[1]
    assert made == list(case.leaves)
    assert euros == case.euros
    if case.days is not None:
        assert days == case.days


@pytest.mark.slow
@pytest.mark.parametrize(
    ("delay", "shuffle"),
    [(as_the_case_says, 1), (a_month_or_two_later, None)],
    ids=["rows in another order", "every line in a later delivery"],
)
def test_neither_the_order_of_rows_nor_the_delivery_of_a_line_changes_anything(
    delay: Callable[[Row], int], shuffle: int | None, as_written: Landed, tmp_path: Path
) -> None:
    again = take_down_the_road(tmp_path, Deliveries(CASES, delay), shuffle)
    assert again.insured.keys() == as_written.insured.keys()
    changed = {number for number, tables in again.insured.items() if tables != as_written.insured[number]}
    assert not [case.says for case in CASES if changed & {number_of(case.number, name) for name in NAMES}]


def test_the_lines_that_cases_call_refused_are_so_for_their_own_reason(as_written: Landed) -> None:
    by_rule = as_written.intake.tables["Rows by rule"].query("input_table == 'payment_lines'").set_index("rule")
    refused = by_rule["rows_quarantined"]
    assert refused[refused > 0].to_dict() == {
        "unknown_code": 5, "negative_duration": 1, "impossible_date": 1, "duplicate_key": 2,
    }  # fmt: skip
    assert by_rule.loc["sign_and_amount_disagree", "rows_flagged"] == 1
    tables = as_written.intake.tables["Rows by table"].set_index("input_table")
    assert tables.loc["payment_lines", "rows_duplicate"] == 1
    assert as_written.intake.failures == {}


def test_the_document_is_the_cases_of_today() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == cases.document(), (
        "run: python -m tests.leave.cases > docs/leave-cases.md"
    )
