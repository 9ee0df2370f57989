"""From leaves to daily-allowance payment lines in DCIR shape, with the ordinary mess of such lines.

A leave is paid by about fourteen days; a line is paid some days after its last day and delivered the month after. The
sums are those of the leave: a second employer's line splits an amount, a revaluation line adds nothing, a correction
takes back a wrong amount and pays the right one, a double payment is taken back whole, lines for information and
maternity lines are there to be left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numba import njit

from pipeline.simulation.allowance import RATE_CHANGE_DAY, appears, first_paid_day
from pipeline.simulation.columns import mixed, sirets, text_column
from pipeline.simulation.config import first_day, month_of
from pipeline.simulation.paths import JOB_LOST, RETURN, SICKNESS, WORK_INJURY, JobEvents
from pipeline.simulation.population import SELF_EMPLOYED_CONTRACT
from pipeline.simulation.register import Identities, department_codes
from pipeline.simulation.streams import generator, uniform
from pipeline.simulation.truth import employed_on
from pipeline.simulation.world import World

PERIOD_DAYS, LONGEST_PERIOD = 14, 20
"""Days of an ordinary line, and of the last one when little is left."""
THREE_MONTHS = 90
"""Paid days after which the codes change to those above three months."""
RATES = ("XX", "ZZ", "RS")
"""IJR_RVL_NAT codes; position 3 is an empty value."""
FIELDS = (
    "leave", "first", "last", "nature", "regime", "number", "quantity", "cents", "sign", "order", "rate", "qualifier",
    "paid",
)  # fmt: skip
_CORRECTED, _PAID_TWICE, _REVALUED, _INFORMED = 0.012, 0.001, 0.0025, 0.003
"""Shares of lines that get a correction, a double payment taken back, a revaluation, a line for information."""
_SELF_EMPLOYED_ZZ, _BLANK_RATE = 0.28, 0.004
"""Shares of lines without PRS_ACT_NBR: among the self-employed (ZZ), among all (no IJR_RVL_NAT)."""
_INAPTITUDE_SHARE, _INAPTITUDE_DAYS = 0.08, 30
"""Share of long work-injury leaves that end with the temporary inaptitude allowance, and its longest run."""
_NO_WAITING_LINE = 0.01
"""Share of sickness leaves whose waiting days leave no line."""
_MATERNITY_YEARLY, _MATERNITY_DAYS = 0.045, 112
"""Births a year and woman under 43, and days of the leave."""
_SALT = np.uint64(0xA5A5A5A5C3C3C3C3)


@dataclass(frozen=True, slots=True)
class Lines:
    """Payment lines in delivery order, one array position each.

    Attributes:
        person: position of the insured.
        values: the columns named in `FIELDS`, int32 (rows, 13); `leave` is -1 on maternity lines.
        flow: month of FLX_DIS_DTD, since 1970.
        start: first day of the leave (PRE_PRE_DTD before blanks).
    """

    person: np.ndarray
    values: np.ndarray
    flow: np.ndarray
    start: np.ndarray

    def __getitem__(self, field: str) -> np.ndarray:
        """A column by its name in `FIELDS`."""
        return self.values[:, FIELDS.index(field)]


@njit(inline="always", cache=True)
def _put(
    rows: np.ndarray, n: int, leave: int, first: int, last: int, nature: int, regime: int, number: int, quantity: int,
    cents: int, sign: int, order: int, rate: int, qualifier: int, paid: int,
) -> None:  # fmt: skip
    """Write one line, columns as in `FIELDS`."""
    rows[n, 0] = leave
    rows[n, 1] = first
    rows[n, 2] = last
    rows[n, 3] = nature
    rows[n, 4] = regime
    rows[n, 5] = number
    rows[n, 6] = quantity
    rows[n, 7] = cents
    rows[n, 8] = sign
    rows[n, 9] = order
    rows[n, 10] = rate
    rows[n, 11] = qualifier
    rows[n, 12] = paid


@njit(nogil=True, cache=True)
def _pay(
    stream: np.ndarray, person: np.ndarray, start: np.ndarray, end: np.ndarray, first_paid: np.ndarray,
    risk: np.ndarray, part_from: np.ndarray, inaptitude_from: np.ndarray, rate_first: np.ndarray,
    rate_later: np.ndarray, rate_part: np.ndarray, self_employed: np.ndarray, health: np.ndarray,
    two_employers: np.ndarray, last_payable: int, rows: np.ndarray,
) -> int:  # fmt: skip
    """Write the lines of each leave in `rows`; the number of them, or -1 when there is no room."""
    n = 0
    for k in range(len(person)):
        i = person[k]
        key = stream[i] ^ _SALT
        if n + 400 > len(rows):
            return -1
        day = first_paid[k]
        last = min(end[k], last_payable)
        waiting = risk[k] == SICKNESS and uniform(key, start[k] * 8 + 7) >= _NO_WAITING_LINE
        while day <= last:
            stop = day + PERIOD_DAYS - 1
            if last - day < LONGEST_PERIOD:
                stop = last
            for c in range(4):
                cut = first_paid[k] + (RATE_CHANGE_DAY if c == 0 else THREE_MONTHS)
                if c >= 2:
                    cut = part_from[k] if c == 2 else inaptitude_from[k]
                if day < cut <= stop:
                    stop = cut - 1
            days = stop - day + 1
            beyond = day >= first_paid[k] + THREE_MONTHS
            rate = rate_first[k] if day < first_paid[k] + RATE_CHANGE_DAY else rate_later[k]
            if day >= part_from[k]:
                nature = 6118 if beyond else 6117
                rate = rate_part[k]
            elif day >= inaptitude_from[k]:
                nature = 6120
            elif health[i]:
                nature = 6135 if beyond else 6134
            else:
                nature = 6112 if beyond else 6111
            u = uniform(key, day * 8)
            delay = 10 + min(int(-10.5 * np.log(1.0 - u)), 70)
            v = uniform(key, day * 8 + 1)
            if v < 0.04:
                delay += 15 + int(v * 1000)
            paid = stop + delay
            number = days
            code = 0
            v = uniform(key, day * 8 + 2)
            if self_employed[i] and v < _SELF_EMPLOYED_ZZ:
                number, code = 0, 1
            elif v > 1.0 - _BLANK_RATE:
                number, code = 0, 3
            cents = int(rate) * days
            if waiting and day == first_paid[k]:
                _put(rows, n, k, start[k], day - 1, 6011, risk[k], 3, 3, 0, 1, 1, 0, 0, paid)
                n += 1
            own = cents
            if two_employers[i]:
                own = cents * 7 // 10
                _put(rows, n, k, day, stop, nature, risk[k], 0, days, cents - own, 1, 2, 0, 0, paid)
                n += 1
            v = uniform(key, day * 8 + 3)
            later = min(paid + 15 + int(45 * uniform(key, day * 8 + 4)), stop + 175)
            if v < _CORRECTED:
                wrong = own * 11 // 10
                _put(rows, n, k, day, stop, nature, risk[k], number, days, wrong, 1, 1, code, 0, paid)
                _put(rows, n + 1, k, day, stop, nature, risk[k], -number, -days, -wrong, 2, 5, code, 0, later)
                _put(rows, n + 2, k, day, stop, nature, risk[k], number, days, own, 1, 6, code, 0, later)
                n += 3
            else:
                _put(rows, n, k, day, stop, nature, risk[k], number, days, own, 1, 1, code, 0, paid)
                n += 1
                if v < _CORRECTED + _PAID_TWICE:
                    _put(rows, n, k, day, stop, nature, risk[k], number, days, own, 1, 7, code, 0, paid)
                    _put(rows, n + 1, k, day, stop, nature, risk[k], -number, -days, -own, 2, 8, code, 0, later)
                    n += 2
                elif v > 1.0 - _REVALUED:
                    _put(rows, n, k, day, stop, nature, risk[k], 0, days, 0, 1, 4, 2, 0, paid)
                    n += 1
                elif v > 1.0 - _REVALUED - _INFORMED:
                    qualifier = 71 if day % 2 == 0 else 72
                    _put(rows, n, k, day, stop, nature, risk[k], number, days, own, 1, 3, code, qualifier, paid)
                    n += 1
            day = stop + 1
    return n


def draw_lines(world: World) -> Lines:
    """Every payment line delivered between the first and the last delivery.

    Args:
        world: a world.

    Returns:
        Lines sorted by flow month, then insured, then leave.
    """
    config, people, paths = world.config, world.people, world.observed
    shown = appears(paths.leaves) & (paths.leaves.end >= first_day(config.first_delivery) - 250)
    shown &= paths.leaves.start <= config.last_known_day
    leaves = paths.leaves.take(shown)
    rng = generator(config.seed, "lines")
    ended_well = (leaves.cause == RETURN) | (leaves.cause == JOB_LOST)
    length = leaves.end - leaves.start + 1
    inapt = (leaves.risk == WORK_INJURY) & (length > 60) & ended_well & (leaves.part_time_from > leaves.end)
    inapt &= rng.random(leaves.count) < _INAPTITUDE_SHARE
    inaptitude_from = np.where(inapt, leaves.end - _INAPTITUDE_DAYS + 1, 2**31 - 1).astype(np.int32)
    cents = [
        np.round(getattr(world.rates, name)[shown] * 100).astype(np.int32) for name in ("first", "later", "part_time")
    ]
    room = int(length.sum() / PERIOD_DAYS * 1.4) + leaves.count * 4 + 1_000
    while True:
        rows = np.empty((room, len(FIELDS)), dtype=np.int32)
        count = _pay(
            people.stream, leaves.person, leaves.start, leaves.end, first_paid_day(leaves), leaves.risk,
            leaves.part_time_from, inaptitude_from, cents[0], cents[1], cents[2], people.self_employed,
            people.health_professional, people.two_employers, config.last_known_day, rows,
        )  # fmt: skip
        if count >= 0:
            break
        room *= 2
    rows = rows[:count]
    person = leaves.person[rows[:, 0]]
    start = leaves.start[rows[:, 0]]
    maternity_rows, maternity_person = _maternity(world)
    rows = np.concatenate([rows, maternity_rows])
    person = np.concatenate([person, maternity_person])
    start = np.concatenate([start, maternity_rows[:, 1]])
    flow = month_of(rows[:, FIELDS.index("paid")]) + 1
    kept = (flow >= config.first_delivery) & (flow <= config.last_delivery)
    rows, person, start, flow = rows[kept], person[kept], start[kept], flow[kept]
    order = np.argsort((flow - config.first_delivery).astype(np.int16), kind="stable")
    return Lines(person=person[order], values=rows[order], flow=flow[order], start=start[order])


def _maternity(world: World) -> tuple[np.ndarray, np.ndarray]:
    """Maternity lines: to be left out of sickness spells by whoever reads the data."""
    config, people = world.config, world.people
    rng = generator(config.seed, "maternity")
    first, last = first_day(config.first_delivery) - 120, config.last_known_day
    age = people.age(1970 + config.start_month / 12.0)
    chance = _MATERNITY_YEARLY * (last - first) / 365.25
    mothers = np.flatnonzero((people.sex == 2) & (age < 43.0) & (rng.random(people.count) < chance))
    begin = rng.integers(first, last, len(mothers))
    gone = np.minimum(world.observed.fates.death[mothers], world.observed.fates.invalidity[mothers])
    mothers, begin = mothers[gone > begin + 200], begin[gone > begin + 200]
    lines = _MATERNITY_DAYS // PERIOD_DAYS
    person = np.repeat(mothers, lines).astype(np.int32)
    day = np.repeat(begin, lines) + np.tile(np.arange(lines) * PERIOD_DAYS, len(mothers))
    rows = np.zeros((len(person), len(FIELDS)), dtype=np.int32)
    values: dict[str, int | np.ndarray] = {
        "leave": -1, "first": day, "last": day + PERIOD_DAYS - 1, "nature": 6121, "regime": 30, "number": PERIOD_DAYS,
        "quantity": PERIOD_DAYS, "cents": np.round(people.wage[person] * 3 / 91.25 * 0.79 * 100) * PERIOD_DAYS,
        "sign": 1, "order": 1, "paid": day + PERIOD_DAYS - 1 + rng.integers(10, 40, len(person)),
    }  # fmt: skip
    for name, value in values.items():
        rows[:, FIELDS.index(name)] = value
    return rows, person


def employer_rank(jobs: JobEvents, person: np.ndarray, day: np.ndarray) -> np.ndarray:
    """How many employment events persons have had by given days: a new number is a new employer; int64."""
    address = jobs.person.astype(np.int64) * 100_000 + jobs.day
    until = np.searchsorted(address, person.astype(np.int64) * 100_000 + day, side="right")
    first = np.searchsorted(address, person.astype(np.int64) * 100_000, side="left")
    result: np.ndarray = until - first
    return result


def employers(world: World, person: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """SIRET of the employer persons have after `rank` employment events; uint8 (R, 14)."""
    firms = max(world.people.count // 9, 20)
    # Squaring an evenly spread number makes a few large employers and many small ones.
    draw = mixed(world.config.seed, "employers", person.astype(np.int64) * 1_000 + rank)
    spread = (draw >> np.uint64(11)).astype(np.float64) / 2.0**53
    firm = (spread * spread * firms).astype(np.int64)
    return sirets(mixed(world.config.seed, "firms", firm))


def ij_lignes(world: World, identities: Identities, lines: Lines, low: int, high: int) -> pa.Table:
    """The lines of one delivery.

    Args:
        world: a world.
        identities: its identifiers.
        lines: all its lines.
        low: first row of the delivery.
        high: row after its last.

    Returns:
        Table `ij_lignes` of the input contract.
    """
    part = Lines(lines.person[low:high], lines.values[low:high], lines.flow[low:high], lines.start[low:high])
    people, person, rows = world.people, part.person, high - low
    months = month_of(part["last"])
    place = people.residence(person, months)
    salaried = ~people.self_employed[person] & employed_on(world.observed.jobs, person, part.start)
    rank = employer_rank(world.observed.jobs, person, part.start)
    second = part["order"] == 2
    siret = employers(world, person, rank + 500 * second)
    rate = part["rate"]
    blank = mixed(world.config.seed, "prescriptions", part.start.astype(np.int64) * 4_000_003 + person + part["first"])
    small = pa.int16()

    def dates(days: np.ndarray, mask: np.ndarray | None = None) -> pa.Array:
        return pa.array(days.astype(np.int32), mask=mask, type=pa.date32())

    return pa.table(
        {
            "DCT_ORD_NUM": pa.array(np.arange(low + 1, high + 1), type=pa.int64()),
            "FLX_DIS_DTD": dates(part.flow.astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)),
            "FLX_EMT_NUM": pa.array(place + 1, type=small),
            "FLX_EMT_ORD": pa.array(1 + person % 9000, type=small),
            "FLX_EMT_TYP": pa.array(np.ones(rows, dtype=np.int16), type=small),
            "FLX_TRT_DTD": dates(part["paid"]),
            "ORG_CLE_NUM": pa.array(
                np.char.add(np.char.add("01C", world.territory.codes), "000")[place], type=pa.string()
            ),
            "PRS_ORD_NUM": pa.array(part["order"], type=small),
            "REM_TYP_AFF": pa.array(np.zeros(rows, dtype=np.int16), type=small),
            "BEN_NIR_PSA": text_column(identities.pseudonyms_in(person, part.flow)),
            "BEN_RNG_GEM": pa.array(identities.rank[person], type=small),
            "EXE_SOI_DTD": dates(part["first"]),
            "EXE_SOI_DTF": dates(part["last"]),
            "PRE_PRE_DTD": dates(part.start, blank % np.uint64(20) == 0),
            "PRS_NAT_REF": pa.array(part["nature"], type=small),
            "RGO_ASU_NAT": pa.array(part["regime"], type=small),
            "PRS_ACT_NBR": pa.array(part["number"], type=small),
            "PRS_ACT_QTE": pa.array(part["quantity"], type=small),
            "BSE_REM_MNT": pa.array(part["cents"] / 100.0, type=pa.float64()),
            "BSE_REM_SGN": pa.array(part["sign"], type=small),
            "IJR_EMP_NUM": text_column(siret, salaried & (people.contract[person] != SELF_EMPLOYED_CONTRACT)),
            "IJR_RVL_NAT": pa.array(np.array([*RATES, ""])[rate], mask=rate == 3, type=pa.string()),
            "RGM_COD": pa.array(people.scheme[person], type=small),
            "BEN_RES_DPT": pa.array(department_codes(world, person, months), type=pa.string()),
            "DPN_QLF": pa.array(part["qualifier"], type=small),
        }
    )
