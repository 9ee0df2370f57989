"""Reads the table `states`: where each member of a matched set is on a day, or week after week from time zero.

Both readers serve comparisons of the two arms, so they read `as_compared`, which leaves out what reports tell of the
accompanied alone (states.sql).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.run import Run
from pipeline.study.step import OUTCOMES_STEP
from pipeline.tables.intermediate import STATES

CENSORED = "censored"
NOT_ON_LEAVE, FULL_LEAVE, PART_TIME, NOT_OBSERVED = 0, 1, 2, 255
WEEKLY = {"full_leave": FULL_LEAVE, "part_time_leave": PART_TIME, CENSORED: NOT_OBSERVED}


def member_states(run: Run, estimand: str) -> pa.Table:
    """Rows of `states` of one estimand, ordered by member and day."""
    path = run.home.artefact(run.release, OUTCOMES_STEP, STATES.name)
    return pq.read_table(path, filters=[("estimand", "=", estimand)]).sort_by(
        [("member", "ascending"), ("first_day", "ascending")]
    )


def states_on(states: pa.Table, day: int) -> NDArray[np.object_]:
    """State of each member on one day since time zero.

    Args:
        states: as `member_states` gives them.
        day: a day that the table covers.

    Returns:
        str[n] in member order, codes of `MEMBER_STATE` but `crpe`.
    """
    there = pc.and_(pc.less_equal(states["first_day"], day), pc.greater_equal(states["last_day"], day))
    found: NDArray[np.object_] = states.filter(there)["as_compared"].to_numpy(zero_copy_only=False).astype(object)
    return found


def weekly_states(states: pa.Table, weeks: int) -> NDArray[np.uint8]:
    """State on the day 7 × week since time zero.

    Args:
        states: as `member_states` gives them.
        weeks: last week of the grid.

    Returns:
        uint8[n, weeks + 1] in member order: 0 not on leave, 1 on full leave, 2 in therapeutic part-time, 255 not
        observed.

    Raises:
        ValueError: the intervals of a member are not a partition of the grid.
    """
    return _every(states, 7, weeks)


def daily_states(states: pa.Table, days: int) -> NDArray[np.uint8]:
    """State on each of so many days from time zero on: uint8[n, days], codes and errors as `weekly_states`."""
    return _every(states, 1, days - 1)


def _every(states: pa.Table, step: int, last_step: int) -> NDArray[np.uint8]:
    first, last = (states[name].to_numpy() for name in ("first_day", "last_day"))
    # Days of the grid in each interval: laid end to end, they are the grid of one member after the other.
    count = np.maximum(np.minimum(last // step, last_step) - (first + step - 1) // step + 1, 0)
    members = int(np.count_nonzero(first == 0))
    if count.sum() != members * (last_step + 1) or np.any((last[:-1] + 1 != first[1:]) & (first[1:] > 0)):
        raise ValueError("The states of a member leave a gap or overlap.")
    if not members:
        return np.empty((0, last_step + 1), dtype=np.uint8)
    listed = states["as_compared"].combine_chunks().dictionary_encode()
    code = np.array([WEEKLY.get(name, NOT_ON_LEAVE) for name in listed.dictionary.to_pylist()], np.uint8)
    return np.repeat(code[listed.indices.to_numpy()], count).reshape(members, last_step + 1)
