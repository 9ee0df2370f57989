"""The second look: départements by month, before and after a platform opens, nobody matched.

The unit is a département in a month: the mean days on leave, over the primary horizon, of the leaves that reach the
trigger in that month. Before: months whose leaves are followed up whole before the platform opens. After: months inside
its entry window. Months between, in which a leave begins without a platform and goes on with one, count in neither.

Départements that open on one date are compared with those that never have a platform, with a fixed effect for each
département and each month, weighted by leaves; so each date has a difference in differences of its own, in which nobody
already treated serves as comparison (Cengiz, Dube, Lindner & Zipperer 2019, "stacked"). Their mean is weighted by the
leaves of the treated after opening (Wing, Freedman & Hollingsworth 2024). The interval leaves out one département at a
time, as everywhere.

What matching assumes (who looks alike is alike) is not assumed here; parallel trends are.
"""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline import database
from pipeline.database import Connection
from pipeline.effects.jackknife import Estimate, Replicates, interval
from pipeline.effects.sample import BoolArray, FloatArray
from pipeline.protocol import Protocol
from pipeline.study.cohort import standing
from pipeline.study.step import Calendar

_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Cells:
    """Leaves by département and month.

    Attributes:
        departments: codes, sorted.
        months: first days, sorted.
        leaves: float64[d, m], leaves that reach the trigger.
        days: float64[d, m], their mean days on leave over the horizon; 0 without leaves.
    """

    departments: tuple[str, ...]
    months: tuple[dt.date, ...]
    leaves: FloatArray
    days: FloatArray


@dataclass(frozen=True)
class PanelDifference:
    """Difference in differences with the persons behind it.

    Attributes:
        estimate: days, treated minus comparison.
        n_treated: persons with a leave in a treated département after its opening.
        n_comparison: persons with a leave in a comparison département.
    """

    estimate: Estimate
    n_treated: int
    n_comparison: int


def panel_difference(connection: Connection, protocol: Protocol, dates: Calendar) -> PanelDifference | None:
    """Difference in differences over départements and months.

    Args:
        connection: with the study's views open.
        protocol: the study protocol.
        dates: the study's calendar.

    Returns:
        The difference, None when no département has leaves both before and after its opening.
    """
    horizon = protocol.study.primary_horizon_days
    values = {
        "trigger_days": protocol.study.trigger_days,
        "days": horizon,
        "follow_up_end": dates.follow_up_end,
    }
    standing(connection)
    database.create(connection, "panel_leaves", database.sql(__file__, "panel_leaves"), values)
    counted = connection.sql(
        "SELECT department_code, month, count(*) AS leaves, sum(days) AS days FROM panel_leaves "
        "GROUP BY ALL ORDER BY ALL"
    ).to_arrow_table()
    windows: dict[str, tuple[dt.date, dt.date]] = {
        code: (opening, closing or dates.follow_up_end)
        for code, opening, closing in connection.execute(
            "SELECT department_code, opening_date, closing_date FROM designated ORDER BY department_code"
        ).fetchall()
    }
    estimate = stacked_difference(
        cells_of(counted), windows, horizon,
        level=protocol.inference.level, minimum_clusters=protocol.inference.minimum_departments,
    )  # fmt: skip
    if estimate is None:
        return None
    ((treated, comparison),) = connection.execute(
        "SELECT count(DISTINCT l.person) FILTER (WHERE l.month >= d.opening_date "
        "AND last_day(l.month) <= coalesce(d.closing_date, last_day(l.month))), "
        "count(DISTINCT l.person) FILTER (WHERE d.department_code IS NULL) "
        "FROM panel_leaves AS l LEFT JOIN designated AS d USING (department_code)"
    ).fetchall()
    return PanelDifference(estimate, int(treated), int(comparison))


def cells_of(counted: pa.Table) -> Cells:
    """Cells from rows `department_code, month, leaves, days` (days summed)."""
    code = counted["department_code"].to_numpy(zero_copy_only=False).astype(str)
    month = counted["month"].to_numpy().astype("datetime64[D]")
    departments, row = np.unique(code, return_inverse=True)
    months, column = np.unique(month, return_inverse=True)
    leaves, total = np.zeros((2, departments.size, months.size))
    leaves[row, column] = counted["leaves"].to_numpy()
    total[row, column] = np.asarray(counted["days"].to_pylist(), dtype=np.float64)
    mean = np.divide(total, leaves, out=np.zeros_like(total), where=leaves > 0)
    return Cells(tuple(str(name) for name in departments), tuple(months.astype(object)), leaves, mean)


def stacked_difference(
    cells: Cells, windows: dict[str, tuple[dt.date, dt.date]], horizon_days: int,
    *, level: float = 0.95, minimum_clusters: int = 3,
) -> Estimate | None:  # fmt: skip
    """Stacked difference in differences.

    Args:
        cells: leaves by département and month.
        windows: designated département -> opening and closing date; the others are the comparison.
        horizon_days: follow-up of each leave.
        level: confidence level.
        minimum_clusters: fewest départements, in each arm, that carry an interval.

    Returns:
        The estimate, None when no opening date has leaves before and after it.
    """
    codes = np.array(cells.departments)
    designated = np.isin(codes, list(windows))
    effect: list[FloatArray] = []  # of each stack: without nobody, then without each département
    weight: list[FloatArray] = []
    used = ~designated & (cells.leaves.sum(axis=1) > 0)
    for opening in sorted({windows[code][0] for code in codes[designated]}):
        mine = np.array([code in windows and windows[code][0] == opening for code in codes])
        stack = _Stack.of(cells, windows, opening, mine, ~designated, horizon_days)
        found = stack.effects() if stack is not None else None
        if stack is None or found is None:
            continue
        effect.append(found)
        weight.append(stack.treated_leaves())
        used = used | (mine & (stack.leaves.sum(axis=1) > 0))
    if not effect:
        return None
    effects, weights = np.array(effect), np.array(weight)
    weights = np.where(np.isnan(effects), 0.0, weights)
    total = weights.sum(axis=0)
    means = np.divide(
        (weights * np.nan_to_num(effects)).sum(axis=0), total, out=np.full(total.shape, math.nan), where=total > 0
    )
    draws = Replicates(tuple(str(code) for code in codes[used]), designated[used], means[1:][used])
    return interval(float(means[0]), draws, level=level, minimum_clusters=minimum_clusters)


@dataclass(frozen=True)
class _Stack:
    """One opening date: leaves that count (0 elsewhere), their days and whether a cell is treated, [d, m] each."""

    leaves: FloatArray
    days: FloatArray
    treated: BoolArray

    @classmethod
    def of(
        cls, cells: Cells, windows: dict[str, tuple[dt.date, dt.date]], opening: dt.date, mine: BoolArray,
        comparison: BoolArray, horizon_days: int,
    ) -> _Stack | None:  # fmt: skip
        first = np.array(cells.months, dtype="datetime64[D]")
        last = (first.astype("datetime64[M]") + 1).astype("datetime64[D]") - 1
        before = last + np.timedelta64(horizon_days, "D") <= np.datetime64(opening)
        closing = np.array([windows[code][1] if code in windows else dt.date.max for code in cells.departments])
        closing[comparison] = max(closing[mine])
        after = (first >= np.datetime64(opening)) & (last <= closing.astype("datetime64[D]")[:, None])
        counts = (before | after) & (mine | comparison)[:, None]
        leaves = np.where(counts, cells.leaves, 0.0)
        treated = after & mine[:, None]
        if not (leaves[treated].sum() and leaves[mine][:, before].sum()):
            return None
        months = leaves.sum(axis=0) > 0
        return cls(leaves[:, months], cells.days[:, months], treated[:, months])

    def treated_leaves(self) -> FloatArray:
        """float64[1 + d]: leaves of treated cells, of all départements and without each."""
        each = (self.leaves * self.treated).sum(axis=1)
        return np.append(each.sum(), each.sum() - each)

    def effects(self) -> FloatArray | None:
        """float64[1 + d]: the effect, and the effect without each département; nan where it is not identified.

        Weighted least squares with a fixed effect per département and month: each département is taken from its own
        mean, then the normal equations of months, treatment and outcome are sums over départements.
        """
        weight, n_months = self.leaves, self.leaves.shape[1]
        columns = np.concatenate(
            [np.broadcast_to(np.eye(n_months), (*weight.shape, n_months)),
             self.treated[..., None].astype(np.float64), self.days[..., None]], axis=2,
        )  # fmt: skip
        total = weight.sum(axis=1)
        mean = np.divide(
            np.einsum("dm,dmk->dk", weight, columns), total[:, None],
            out=np.zeros((total.size, n_months + 2)), where=total[:, None] > 0,
        )  # fmt: skip
        centred = columns - mean[:, None, :]
        own = np.einsum("dm,dmj,dmk->djk", weight, centred, centred, optimize=True)
        whole = own.sum(axis=0)
        gram = np.concatenate([whole[None], whole - own])
        months, rest = gram[:, :n_months, :n_months], gram[:, :n_months, n_months:]
        left = gram[:, n_months:, n_months:] - np.einsum(
            "rmi,rmn,rnj->rij", rest, np.linalg.pinv(months, rcond=_TOLERANCE, hermitian=True), rest, optimize=True
        )
        varies = left[:, 0, 0] > _TOLERANCE * max(total.sum(), 1.0)
        found: FloatArray = np.divide(left[:, 0, 1], left[:, 0, 0], out=np.full(len(left), math.nan), where=varies)
        return None if math.isnan(found[0]) else found
