"""Where each member of a matched set is, week after week from time zero."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import database
from pipeline.database import Connection

NOT_OBSERVED = 255
SPAN = ("member", "first_week", "last_week")


def weekly_states(connection: Connection, members: pa.Table, weeks: int, follow_up_end: dt.date) -> NDArray[np.uint8]:
    """State on the day `time zero + 7 x week`.

    Args:
        connection: with the study's views open.
        members: rows of `members` of one estimand, members numbered 0, 1, … in row order.
        weeks: last week of the grid.
        follow_up_end: days from it on are not observed.

    Returns:
        uint8[n, weeks + 1]: 0 not on leave, 1 on full leave, 2 in therapeutic part-time, 255 not observed.
    """
    connection.register("members", members)
    spans = connection.execute(database.sql(__file__, "weekly_spans"), {"weeks": weeks}).fetchnumpy()
    state = np.zeros((len(members), weeks + 1), dtype=np.uint8)
    for code in (1, 2):  # part-time lies within leave, so it is laid over it
        chosen = (spans["state"] == code) & (spans["first_week"] <= spans["last_week"])
        row, first, last = (np.asarray(spans[name], dtype=np.int64)[chosen] for name in SPAN)
        change = np.zeros((len(members), weeks + 2), dtype=np.int32)
        np.add.at(change, (row, first), 1)
        np.add.at(change, (row, last + 1), -1)
        state[np.cumsum(change, axis=1)[:, :-1] > 0] = code
    zero = members["time_zero"].to_numpy().astype("datetime64[D]")
    day = zero[:, None] + (7 * np.arange(weeks + 1)).astype("timedelta64[D]")[None, :]
    state[day >= np.datetime64(follow_up_end)] = NOT_OBSERVED
    return state
