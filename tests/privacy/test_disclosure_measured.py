"""The attacks of the audit have teeth on unprotected rows, and their figures are what they say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.disclosure.measured import disappeared, inference, singling_out

K = 11
PATHS = {
    "sex": {"female": ["female", "*"], "male": ["male", "*"]},
    "age_band": {"18-29": ["18-29", "18-39", "*"], "30-39": ["30-39", "18-39", "*"], "40-49": ["40-49", "40+", "*"]},
}


def rows(*groups: tuple[str, str, int, tuple[str, ...]]) -> pa.Table:
    """(sex, age band, persons, their states in turn)."""
    listed = [(s, a, states[i % len(states)]) for s, a, n, states in groups for i in range(n)]
    sex, age, state = zip(*listed, strict=True)
    same = {"index_quarter": "2022-Q1", "arm": "treated", "territory": "designated", "status": "employee",
            "sector": "services", "cause": "sickness"}  # fmt: skip
    return pa.table(
        {**{name: [value] * len(listed) for name, value in same.items()}, "sex": sex, "age_band": age,
         "state_12m": state}
    )  # fmt: skip


MIXED = ("full_leave", "off_leave", "death")


def test_persons_in_small_classes_are_singled_out_and_generalised_ones_are_not():
    raw = rows(("female", "18-29", 40, MIXED), ("female", "30-39", 4, MIXED), ("male", "40-49", 36, MIXED))
    safe = rows(("female", "18-39", 44, MIXED), ("male", "40-49", 36, MIXED))
    measure = singling_out(safe, raw, PATHS, K)
    assert (measure.attempts, measure.success, measure.control) == (80, 0.0, 0.05)
    assert 0 <= measure.ci_low < 1e-9 < measure.ci_high < 0.05
    assert singling_out(raw, None, PATHS, K).success == 4 / 80


def test_a_small_class_hides_among_the_rows_it_could_be():
    # Four of 30-39 beside forty of 18-39, who could be 30-39 too: nobody knows which row is whose.
    mixed = rows(("female", "18-39", 40, MIXED), ("female", "30-39", 4, MIXED))
    assert singling_out(mixed, None, PATHS, K).success == 0
    apart = rows(("female", "40-49", 40, MIXED), ("female", "30-39", 4, MIXED))
    assert singling_out(apart, None, PATHS, K).success == 4 / 44


def test_a_class_of_one_state_tells_the_state_of_everyone_in_it():
    raw = rows(("female", "18-29", 12, ("death",)), ("male", "18-29", 12, MIXED), ("male", "40-49", 12, MIXED))
    safe = rows(("*", "18-29", 24, (*MIXED, "death")), ("male", "40-49", 12, MIXED))
    measure = inference(safe, raw)
    assert (measure.attempts, measure.success, measure.control) == (2, 0.0, 0.33)
    assert inference(raw, None).success == 1 / 3


def test_one_person_more_does_not_show_in_a_control():
    many = [("female", "18-29", 900, MIXED), ("male", "30-39", 3, MIXED)]
    one_more = [("female", "18-29", 901, MIXED), ("male", "30-39", 3, MIXED)]
    safe = rows(("*", "18-39", 903, MIXED))
    assert singling_out(safe, rows(*many), PATHS, K).control == singling_out(safe, rows(*one_more), PATHS, K).control


def test_who_disappears_is_said_from_the_published_table_alone():
    profile = pa.table(
        {
            "platform_id": ["P1", "P2", "all", "P1", "P2", "all", "P1", "P2", "all"],
            "variable": ["sex"] * 6 + ["age_band"] * 3,
            "modality": ["female"] * 3 + ["male"] * 3 + ["18-29"] * 3,
            "n": pa.array([40, 40, 80, 60, None, 80, None, None, None], pa.int64()),
        }
    )
    shares = disappeared(profile)
    assert list(np.round(list(shares.values()), 3)) == [0.0, 0.25, 1.0]
    assert all(" : " in name for name in shares)
