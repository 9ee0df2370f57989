"""A general-scheme population on leave, of any size, streamed to Parquet as the step `pseudonymise` leaves it.

Lines come in arrival order: by payment flow, in no order of persons within one. Leaves start uniformly over the months;
durations follow the national orders of magnitude (share still on leave at day 7 60 %, 30 24 %, 90 11.5 %, 180 5.5 %,
365 1.8 %), lines are paid about every 14 days, and the usual mess is in: two employers, corrections, revaluations,
information lines, part-time at the end, waiting-day lines. The memory held is that of the lines still to be paid.

This is a load, not a study: nothing in it has an effect. `pdp simulate` makes worlds with a known truth.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.tables.intermediate import INTERMEDIATE, PAYMENT_LINES

FIRST_MONTH = np.datetime64("2019-06", "M")
"""Month of the first payments; their flow is dated to the first day of the next."""
SURVIVAL_DAYS = np.array([3, 7, 30, 90, 180, 365, 1095], dtype=np.float64)
SURVIVAL = np.array([1.0, 0.60, 0.24, 0.115, 0.055, 0.018, 0.0005])
LINES_PER_LEAVE = 4.17
"""Lines to leaves, to size a population by its lines; measured on this generator."""
LEAVES_PER_PERSON = 2.1

SICKNESS, INJURY = 0, 1
RISKS = pa.array(["sickness", "work_injury"])
REVALUATIONS = pa.array(["xx", "zz", "rs"])
SCHEMES = pa.array(["employee", "self_employed"])
FIELDS = {
    "person": np.int32, "start": np.int32, "end": np.int32, "code": np.int16, "risk": np.int8, "days": np.int16,
    "quantity": np.int16, "cents": np.int32, "revaluation": np.int8, "scheme": np.int8, "qualifier": np.int8,
}  # fmt: skip
Lines = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is drawn.

    Attributes:
        lines: payment lines wanted, within some percent.
        months: of payment flows.
        seed: of every draw.
    """

    lines: int
    months: int = 60
    seed: int = 1

    @property
    def leaves(self) -> int:
        """Leaves that start in the window."""
        return round(self.lines / LINES_PER_LEAVE)

    @property
    def persons(self) -> int:
        """Insured with a leave."""
        return max(round(self.leaves / LEAVES_PER_PERSON), 100)


def durations(rng: np.random.Generator, n: int) -> np.ndarray:
    """Days of n leaves, waiting days included: int32[n], log-linear between the national anchors."""
    drawn = rng.random(n)
    log_days = np.interp(-np.log(np.maximum(drawn, SURVIVAL[-1])), -np.log(SURVIVAL), np.log(SURVIVAL_DAYS))
    return np.ceil(np.exp(log_days)).astype(np.int32)


def _persons(rng: np.random.Generator, number: int, n: int) -> np.ndarray:
    """N different persons, anyone as likely as another: int32[n] from 1."""
    step = int(rng.integers(1, number))
    while np.gcd(step, number) != 1:
        step += 1
    first = int(rng.integers(0, number))
    return ((first + step * np.arange(n, dtype=np.int64)) % number + 1).astype(np.int32)


def _is_self_employed(person: np.ndarray) -> np.ndarray:
    return person % 11 == 0


def _leaves_of(rng: np.random.Generator, size: Size, month: int) -> Lines:
    """Lines of the leaves that start in one month, whenever they are paid, with the month of payment."""
    n = size.leaves // size.months
    first = (FIRST_MONTH + month).astype("datetime64[D]").astype(np.int32)
    person = _persons(rng, size.persons, min(n, size.persons))
    n = len(person)
    start = first + rng.integers(0, 30, n).astype(np.int32)
    days = durations(rng, n)
    injury = (rng.random(n) < 0.18) & ~_is_self_employed(person)
    rate = (2_000 + 100 * rng.gamma(4.0, 4.0, n)).astype(np.int32)  # cents
    waiting = np.where(injury, 0, 3)
    paid = np.maximum(days - waiting, 0)
    pieces = -(-paid // 14)
    rate[~injury] = np.minimum(rate[~injury], 4_400)
    part_from = np.where(rng.random(n) < 0.07, (0.8 * pieces).astype(np.int32), pieces)

    leave = np.repeat(np.arange(n), pieces)
    piece = np.arange(len(leave)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    from_day = start[leave] + waiting[leave] + 14 * piece
    to_day = np.minimum(from_day + 13, start[leave] + days[leave] - 1)
    part = piece >= part_from[leave]
    late = piece >= 7  # above three months the code changes, the leave does not
    code = np.where(part, np.where(late, 6118, 6117), np.where(late, 6112, 6111))
    length = to_day - from_day + 1
    lines: Lines = {
        "person": person[leave], "start": from_day, "end": to_day, "code": code, "risk": injury[leave],
        "days": length, "quantity": length, "cents": rate[leave] * length // np.where(part, 2, 1),
        "revaluation": np.zeros(len(leave)), "scheme": _is_self_employed(person[leave]),
        "qualifier": np.zeros(len(leave)),
    }  # fmt: skip
    unfed = rng.random(len(leave)) < 0.01
    lines["days"] = np.where(unfed, 0, lines["days"])
    lines["revaluation"] = np.where(unfed, 1, 0)
    has_waiting = np.flatnonzero(~injury & (paid > 0) & (rng.random(n) < 0.9))
    lead: Lines = {
        "person": person[has_waiting], "start": start[has_waiting], "end": start[has_waiting] + 2,
        "code": np.full(len(has_waiting), 6011), "risk": np.zeros(len(has_waiting)),
        **{name: np.full(len(has_waiting), value) for name, value in (
            ("days", 3), ("quantity", 3), ("cents", 0), ("revaluation", 0), ("qualifier", 0))},
        "scheme": _is_self_employed(person[has_waiting]),
    }  # fmt: skip

    def some(share: float) -> np.ndarray:
        return np.flatnonzero(rng.random(len(leave)) < share)

    second = {name: values[some_rows] for some_rows in (some(0.02),) for name, values in lines.items()}
    second["days"], second["cents"] = np.zeros(len(second["days"])), second["cents"] // 3
    information = {name: values[some_rows] for some_rows in (some(0.003),) for name, values in lines.items()}
    information["qualifier"] = np.full(len(information["qualifier"]), 71)
    revalued = {name: values[some_rows] for some_rows in (some(0.003),) for name, values in lines.items()}
    revalued["days"], revalued["revaluation"] = np.zeros(len(revalued["days"])), np.full(len(revalued["days"]), 2)
    revalued["cents"] = revalued["cents"] // 50
    chosen = some(0.015)
    wrong = {name: values[chosen] for name, values in lines.items()}
    back = wrong | {name: -wrong[name] for name in ("days", "quantity", "cents")}

    whole: Lines = {}
    groups = ((lead, 1), (lines, 1), (second, 1), (information, 1), (revalued, 3), (wrong, 1), (back, 2))
    for name, kind in FIELDS.items():
        whole[name] = np.concatenate([group[name].astype(kind) for group, _ in groups])
    lag = np.concatenate([rng.geometric(0.1, len(group["person"])) + 30 * (k - 1) for group, k in groups])
    paid_on = (whole["end"] + lag).astype("datetime64[D]").astype("datetime64[M]")
    whole["paid"] = (paid_on - FIRST_MONTH).astype(np.int32)
    return whole


def stream(size: Size, history: int = 12) -> Iterator[tuple[int, Lines]]:
    """Lines flow by flow: (month of payment since the first, its lines in no order).

    Leaves start up to `history` months before the first flow; what was paid before it is not delivered.
    """
    held: dict[int, list[Lines]] = defaultdict(list)
    for month in range(-history, size.months):
        drawn = _leaves_of(np.random.default_rng([size.seed, month + history]), size, month)
        order = np.argsort(drawn["paid"], kind="stable")
        paid = drawn.pop("paid")[order]
        bounds = np.searchsorted(paid, np.arange(max(month, 0), size.months + 1))
        for later, (low, high) in enumerate(itertools.pairwise(bounds), start=max(month, 0)):
            if high > low:
                held[later].append({name: values[order[low:high]] for name, values in drawn.items()})
        if month >= 0:
            parts = held.pop(month, [])
            if parts:
                merged = {name: np.concatenate([part[name] for part in parts]) for name in FIELDS}
                shuffled = np.random.default_rng([size.seed, month, 1]).permutation(len(merged["person"]))
                yield month, {name: values[shuffled] for name, values in merged.items()}


def _euros(cents: np.ndarray) -> pa.Array:
    """Whole cents as decimal128(14, 2): two little-endian words each."""
    words = np.empty((len(cents), 2), dtype="<i8")
    words[:, 0], words[:, 1] = cents, np.where(cents < 0, -1, 0)
    return pa.Array.from_buffers(pa.decimal128(14, 2), len(cents), [None, pa.py_buffer(words)])


def arrow(month: int, lines: Lines) -> pa.Table:
    """Rows of the table `payment_lines`."""
    flow = (FIRST_MONTH + month + 1).astype("datetime64[D]").astype(np.int32)

    def date(values: np.ndarray) -> pa.Array:
        return pa.array(values.astype(np.int32)).cast(pa.date32())

    def code(listed: pa.Array, values: np.ndarray) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(values.astype(np.int8)), listed).cast(pa.string())

    n = len(lines["person"])
    columns = {
        "person": pa.array(lines["person"].astype(np.int64)),
        "flow_date": date(np.full(n, flow)),
        "period_start": date(lines["start"]),
        "period_end": date(lines["end"]),
        "benefit_code": pa.array(lines["code"].astype(np.int64)),
        "risk": code(RISKS, lines["risk"]),
        "days_paid": pa.array(lines["days"].astype(np.int64)),
        "quantity": pa.array(lines["quantity"].astype(np.int64)),
        "amount": _euros(lines["cents"]),
        "revaluation": code(REVALUATIONS, lines["revaluation"]),
        "scheme": code(SCHEMES, lines["scheme"]),
        "expense_qualifier": pa.array(lines["qualifier"].astype(np.int64)),
    }
    return pa.table(columns)


def write_lines(path: Path, size: Size, progress: Callable[[int, int], None] = lambda done, total: None) -> int:
    """Stream the lines to one Parquet file in arrival order; returns how many there are."""
    written = 0
    with pq.ParquetWriter(path, PAYMENT_LINES.schema, compression="zstd") as writer:
        for month, lines in stream(size):
            writer.write_table(arrow(month, lines).cast(PAYMENT_LINES.schema), row_group_size=1_000_000)
            written += len(lines["person"])
            progress(month + 1, size.months)
    return written


DEPARTMENTS = [f"{number:03}" for number in range(1, 96) if number != 20] + ["201", "202"]
DESIGNATED = DEPARTMENTS[::7]
"""Fourteen départements with a platform."""
OPENING, CLOSING = np.datetime64("2021-09-01"), np.datetime64("2023-08-31")
CHUNK = 1_000_000


def _words(listed: list[str | None], index: np.ndarray) -> pa.Array:
    known = pa.array([word or "" for word in listed])
    missing = np.array([word is None for word in listed])[index]
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32), mask=missing), known).cast(pa.string())


def _dates(days: np.ndarray, present: np.ndarray) -> pa.Array:
    return pa.array(days.astype("datetime64[D]"), mask=~present).cast(pa.date32())


def write_registers(folder: Callable[[str], Path], size: Size, employed_months: int = 12) -> None:
    """Persons, their register, platforms and employment: everything the cohort reads but the accompanied.

    Args:
        folder: table -> file.
        size: as the lines were drawn.
        employed_months: month-ends a person is declared for, at the end of 2021 and back.
    """
    names = ("persons", "person_history", "employment")
    tables = {table.name: table for table in INTERMEDIATE}
    writers = {name: pq.ParquetWriter(folder(name), tables[name].schema, compression="zstd") for name in names}
    for first in range(1, size.persons + 1, CHUNK):
        rng = np.random.default_rng([size.seed, first, 2])
        person = np.arange(first, min(first + CHUNK, size.persons + 1))
        for name, made in _registers(rng, person, employed_months).items():
            writers[name].write_table(made.select(tables[name].names).cast(tables[name].schema))
    for writer in writers.values():
        writer.close()
    platforms = pa.table(
        {
            "platform_id": [f"PDP-{code}" for code in DESIGNATED],
            "department_code": DESIGNATED,
            **{
                name: pa.array([day.item()] * len(DESIGNATED))
                for name, day in (("designation_date", OPENING), ("opening_date", OPENING), ("closing_date", CLOSING))
            },
            "status": ["experimental"] * len(DESIGNATED),
        }
    )
    pq.write_table(platforms.select(tables["platforms"].names).cast(tables["platforms"].schema), folder("platforms"))


def _registers(rng: np.random.Generator, person: np.ndarray, months: int) -> dict[str, pa.Table]:
    n = len(person)
    number = pa.array(person)
    origin = np.datetime64("2019-06-01").astype(int)

    def some_day(share: float) -> pa.Array:
        return _dates(origin + rng.integers(0, 1800, n), rng.random(n) < share)

    persons = pa.table(
        {
            "person": number,
            "person_id": number.cast(pa.string()),
            "sex": _words(["male", "female"], rng.integers(0, 2, n)),
            "birth_year": pa.array(rng.integers(1958, 2003, n)),
            "death_date": some_day(0.004),
            "ald_start": some_day(0.12),
            "ald_end": pa.nulls(n, pa.date32()),
            "invalidity_category": pa.nulls(n, pa.string()),
            "invalidity_start": some_day(0.01),
            "retirement_date": some_day(0.03),
        }
    )
    home = rng.integers(0, len(DEPARTMENTS), n)
    row = {
        "department_code": home,
        "activity_code": rng.integers(0, 6, n),
        "employer_size": rng.integers(0, 5, n),
        "social_class": rng.integers(0, 5, n),
    }
    activities = ["2511Z", "4120A", "4711F", "8610Z", "6201Z", None]
    sizes: list[str | None] = ["1_9", "10_49", "50_249", "250_plus", None]
    classes: list[str | None] = ["manager", "intermediate", "clerical", "manual", None]
    moved = np.flatnonzero(rng.random(n) < 0.1)

    def history(chosen: np.ndarray, month: str, where: np.ndarray) -> pa.Table:
        m = len(chosen)
        return pa.table(
            {
                "person": pa.array(person[chosen]),
                "valid_from": pa.array([month] * m, pa.string()),
                "department_code": _words(list(DEPARTMENTS), where),
                "scheme": _words(["employee", "self_employed"], _is_self_employed(person[chosen]).astype(int)),
                "social_class": _words(classes, row["social_class"][chosen]),
                "activity_code": _words(activities, row["activity_code"][chosen]),
                "employer_size": _words(sizes, row["employer_size"][chosen]),
                "reference_wage": _euros((150_000 + 100 * rng.gamma(3.0, 400.0, m)).astype(np.int64)),
            }
        )

    everyone = np.arange(n)
    histories = [history(everyone, "2019-07", home), history(moved, "2022-05", rng.integers(0, 96, len(moved)))]
    month = np.tile(np.arange(months), n)
    held = np.repeat(person, months)
    names: list[str | None] = [str(np.datetime64("2021-12") - (months - 1 - k)) for k in range(months)]
    employed = rng.random(len(held)) < 0.95
    employment = pa.table(
        {
            "person": pa.array(held),
            "month": _words(names, month),
            "employed": pa.array(employed),
            "contract": _words(["permanent", "fixed_term", None], np.where(employed, rng.integers(0, 2, len(held)), 2)),
            "working_time_share": pa.array(np.full(len(held), 100), mask=~employed),
            "same_employer": pa.array(np.ones(len(held), dtype=bool)),
            "termination_reason": pa.nulls(len(held), pa.string()),
        }
    )
    return {"persons": persons, "person_history": pa.concat_tables(histories), "employment": employment}
