"""What an evaluation without this design would have said of the same world: days on leave in the year after time zero.

- `ever_never`: the accompanied against those never accompanied, both followed from the first day of their leave. Who is
  accompanied was on leave long enough to be: that time counts as if the programme had caused it.
- `random_index`: the same, followed from first contact, and from an elapsed day drawn from those of the accompanied for
  the others, who are left out when they are no longer on leave on it (prescription-time-distribution matching, Zhou et
  al. 2005, American Journal of Epidemiology 162:1016).
- `before_after`: the accompanied, the year from first contact less the year before it.

The never accompanied are those of the designated départements who meet every rule of the study and whose leave reached
its trigger; the accompanied are those the study takes. Nobody is matched and nothing is adjusted for. Persons count
whose year is over by the end of follow-up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.database import Connection
from pipeline.protocol import Protocol
from pipeline.study.step import Calendar, days_after

NAIVE = ("ever_never", "random_index", "before_after")


def naive_comparisons(
    connection: Connection, protocol: Protocol, dates: Calendar, units: dict[str, pa.Table], seed: int
) -> dict[str, float | None]:
    """Naive estimates of the effect on the accompanied, in days; None where an arm is empty.

    Args:
        connection: with the study's tables open.
        protocol: its main horizon.
        dates: the study's calendar.
        units: estimand -> eligible units.
        seed: of the random index days.
    """
    days = protocol.study.primary_horizon_days
    ever = _treated(units["ATT"])
    with_platform = _treated(units["ITT"])
    accompanied = {"accompanied": pa.array(_accompanied(connection))}
    never = with_platform.filter(pc.invert(pc.is_in(with_platform["person"], accompanied["accompanied"])))
    ended = _last_day(connection, never)
    start_ever, start_never = _day(ever["start_date"]), _day(never["start_date"])
    contact = _day(ever["time_zero"])

    def mean(person: Any, zero: np.ndarray, shift: int = 0) -> float | None:
        """Mean days in the year from `zero` (moved by `shift`) on, of those whose year from `zero` is over."""
        followed = zero + days <= np.datetime64(dates.follow_up_end)
        if not followed.any():
            return None
        members = pa.table(
            {
                "member": pa.array(np.arange(int(followed.sum()))),
                "person": person.filter(pa.array(followed)),
                "time_zero": pa.array((zero + shift)[followed], pa.date32()),
            }
        )
        return float(days_after(connection, dates, members, days)["days_on_leave"].to_numpy().mean())

    found: dict[str, float | None] = dict.fromkeys(NAIVE)
    if len(ever) and len(never):
        found["ever_never"] = _less(mean(ever["person"], start_ever), mean(never["person"], start_never))
        elapsed = np.random.default_rng(seed).choice(ever["elapsed"].to_numpy(), len(never))
        index = start_never + elapsed.astype("timedelta64[D]")
        still = index <= ended
        found["random_index"] = _less(
            mean(ever["person"], contact), mean(never["person"].filter(pa.array(still)), index[still])
        )
    if len(ever):
        found["before_after"] = _less(mean(ever["person"], contact), mean(ever["person"], contact, -days))
    return found


def _treated(units: pa.Table) -> pa.Table:
    return units.filter(pc.equal(units["arm"], "treated")).sort_by("unit").combine_chunks()


def _day(column: pa.ChunkedArray) -> np.ndarray:
    return column.to_numpy().astype("datetime64[D]")


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _accompanied(connection: Connection) -> np.ndarray:
    """Persons ever accompanied, as the study finds them."""
    return connection.execute("SELECT DISTINCT person FROM accompanied ORDER BY person").fetchnumpy()["person"]


def _last_day(connection: Connection, units: pa.Table) -> np.ndarray:
    """Last day of the leave of each unit, in unit order."""
    connection.register("naive_units", units.select(["unit", "person", "spell_number"]))
    found = connection.execute(
        "SELECT s.end_date FROM naive_units AS u JOIN leave_spells AS s USING (person, spell_number) ORDER BY u.unit"
    ).fetchnumpy()["end_date"]
    connection.unregister("naive_units")
    return np.asarray(found).astype("datetime64[D]")
