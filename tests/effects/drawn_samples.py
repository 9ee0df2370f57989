"""Matched samples drawn for tests: from a seed, or by Hypothesis."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from pipeline.effects.analysis import Analysis, Horizon
from pipeline.effects.sample import MatchedSample
from pipeline.protocol import Inference, Protocol


def drawn_sample(
    sets: int, treated_departments: int, comparison_departments: int, *, most_controls: int = 3, seed: int = 0
) -> MatchedSample:
    """A sample of `sets` sets with 1 to `most_controls` controls each; every person is met once."""
    rng = np.random.default_rng(seed)
    controls = rng.integers(1, most_controls + 1, sets)
    set_id = np.repeat(np.arange(sets), controls + 1)
    treated = np.diff(set_id, prepend=-1) > 0
    department = np.where(
        treated,
        rng.integers(0, treated_departments, set_id.size),
        treated_departments + rng.integers(0, comparison_departments, set_id.size),
    )
    names = np.array([f"{d:03d}" for d in range(treated_departments + comparison_departments)], dtype=object)
    return MatchedSample.from_memberships(set_id, treated, names[department], np.arange(set_id.size))


@st.composite
def samples(draw: st.DrawFn) -> MatchedSample:
    """Small samples of any shape: persons met twice, départements in both arms, one département alone."""
    set_id, treated, department, person = [], [], [], []
    for code in range(draw(st.integers(1, 8))):
        members = draw(st.lists(st.integers(0, 25), min_size=2, max_size=5, unique=True))
        for position, member in enumerate(members):
            set_id.append(code * 3 - 5)
            treated.append(position == 0)
            department.append(draw(st.sampled_from(["01", "02", "2A", "59", "75"])))
            person.append(member)
    return MatchedSample.from_memberships(
        np.array(set_id), np.array(treated), np.array(department, dtype=object), np.array(person)
    )


def shuffled(sample: MatchedSample, seed: int) -> tuple[MatchedSample, np.ndarray]:
    """The same sample with its rows in another order, and that order."""
    order = np.random.default_rng(seed).permutation(sample.n_rows)
    person = None if sample.person is None else sample.person[order]
    return MatchedSample(
        sample.set_id[order], sample.treated[order], sample.department[order], sample.department_codes, person
    ), order


def drawn_analysis(
    sample: MatchedSample,
    days_on_leave: np.ndarray,
    *,
    estimand: str = "ITT",
    rule: Inference | None = None,
    **columns: np.ndarray,
) -> Analysis:
    """An estimand opened with one outcome at 12 months, its members in the rows' order.

    Args:
        sample: the matched sample.
        days_on_leave: real[n], known for all.
        estimand: ITT or ATT.
        rule: inference section, the project's when None.
        columns: columns of `units` or `members` by name.
    """
    n = sample.n_rows
    members = {
        "member": np.arange(n), "set_id": sample.set_id, "arm": np.where(sample.treated, "treated", "comparison"),
        "department_code": np.array(sample.department_codes)[sample.department], "days_before": np.zeros(n, np.int64),
        "person": np.arange(n) if sample.person is None else sample.person,
    }  # fmt: skip
    members |= {name: values for name, values in columns.items() if name in ("time_zero", "days_before")}
    horizon = Horizon(
        365, np.ones(n, dtype=bool), {"days_on_leave": days_on_leave.astype(float)}, {}
    )  # fmt: skip
    units = {name: pa.array(values) for name, values in columns.items()}
    return Analysis(
        estimand, pa.table({name: pa.array(values) for name, values in members.items()}), pa.table(units),
        {12: horizon}, np.full(n, None), np.full(n, np.nan), np.full(n, 365), rule or Protocol.load().inference,
    )  # fmt: skip
