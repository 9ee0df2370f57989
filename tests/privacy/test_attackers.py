"""The attacks of the audit have teeth on unprotected rows, and their figures are what they say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.disclosure.attackers import accompaniment, inference, linkage
from pipeline.disclosure.attackers.measure import measure
from pipeline.disclosure.attackers.risk import risk
from pipeline.disclosure.attackers.rows import QUASI_IDENTIFIERS
from pipeline.disclosure.attackers.tally import tally
from pipeline.disclosure.facts import Attack
from pipeline.disclosure.measured import disappeared

K, BASE = 11, 5
PATHS = {
    "sex": {"female": ["female", "*"], "male": ["male", "*"]},
    "age_band": {"18-29": ["18-29", "18-39", "*"], "30-39": ["30-39", "18-39", "*"], "40-49": ["40-49", "40+", "*"]},
    "status": {"employee": ["employee", "*"]},
    "sector": {"services": ["services", "*"]},
    "cause": {"sickness": ["sickness", "*"]},
}
MIXED = ("full_leave", "off_leave", "death")


def rows(*groups: tuple[str, str, int, tuple[str, ...]], arm: str = "treated") -> pa.Table:
    """(sex, age band, persons, their states in turn)."""
    listed = [(s, a, states[i % len(states)], i) for s, a, n, states in groups for i in range(n)]
    sex, age, state, number = zip(*listed, strict=True)
    same = {"index_quarter": "2022-Q1", "arm": arm, "territory": "designated", "status": "employee",
            "sector": "services", "cause": "sickness"}  # fmt: skip
    return pa.table(
        {**{name: [value] * len(listed) for name, value in same.items()}, "sex": sex, "age_band": age,
         "state_12m": state, "returned_12m": [s == "off_leave" for s in state],
         "days_on_leave_12m": [100 * (i % 3) for i in number], "allowance_eur_12m": [1000 * (i % 3) for i in number]}
    )  # fmt: skip


def from_a_file(published: pa.Table, raw: pa.Table | None, **more: object) -> Attack | None:
    return linkage.from_a_file("relier", published, raw, PATHS, BASE, **more)  # type: ignore[arg-type]


def known(attack: Attack | None) -> Attack:
    assert attack is not None
    return attack


# Who could be whom


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_candidates_are_the_rows_that_share_a_leaf_in_every_column(data):
    values = {name: sorted({value for path in PATHS[name].values() for value in path}) for name in ("sex", "age_band")}
    one = st.tuples(*(st.sampled_from(values[name]) for name in values), st.sampled_from(["Q1", "Q2"]))
    targets, lines = (data.draw(st.lists(one, min_size=1, max_size=6)) for _ in range(2))
    weights = np.arange(1, len(lines) + 1)
    columns = [*values, "index_quarter"]
    found = tally(
        pd.DataFrame(targets, columns=columns), pd.DataFrame(lines, columns=columns), weights[:, None],
        paths={name: PATHS[name] for name in values}, exact=["index_quarter"],
    )  # fmt: skip

    def leaves(name: str, value: str) -> set[str]:
        return {leaf for leaf, path in PATHS[name].items() if value in path}

    for target, total in zip(targets, found[:, 0], strict=True):
        expected = sum(
            int(weight)
            for line, weight in zip(lines, weights, strict=True)
            if target[2] == line[2]
            and all(leaves(n, t) & leaves(n, v) for n, t, v in zip(values, target, line, strict=False))
        )
        assert total == expected


# Singling out


def test_persons_in_small_classes_are_singled_out_and_generalised_ones_are_not():
    raw = rows(("female", "18-29", 40, MIXED), ("female", "30-39", 4, MIXED), ("male", "40-49", 36, MIXED))
    safe = rows(("female", "18-39", 44, MIXED), ("male", "40-49", 36, MIXED))
    found = linkage.singling_out(safe, raw, PATHS, K)
    assert (found.attempts, found.success, found.control) == (80, 0.0, 0.05)
    assert 0 <= found.ci_low < 1e-9 < found.ci_high < 0.05
    assert found.has_teeth
    assert linkage.singling_out(raw, None, PATHS, K).success == 4 / 80


def test_a_small_class_hides_among_the_rows_it_could_be():
    # Four of 30-39 beside forty of 18-39, who could be 30-39 too: nobody knows which row is whose.
    mixed = rows(("female", "18-39", 40, MIXED), ("female", "30-39", 4, MIXED))
    assert linkage.singling_out(mixed, None, PATHS, K).success == 0
    apart = rows(("female", "40-49", 40, MIXED), ("female", "30-39", 4, MIXED))
    assert linkage.singling_out(apart, None, PATHS, K).success == 4 / 44


def test_one_person_more_does_not_show_in_a_control():
    many = [("female", "18-29", 900, MIXED), ("male", "30-39", 3, MIXED)]
    one_more = [("female", "18-29", 901, MIXED), ("male", "30-39", 3, MIXED)]
    safe = rows(("*", "18-39", 903, MIXED))
    first, second = (linkage.singling_out(safe, rows(*raw), PATHS, K).control for raw in (many, one_more))
    assert first == second


# Linkability


def test_a_file_links_one_person_in_as_many_as_there_are_rows_that_fit():
    raw = rows(("female", "18-29", 20, MIXED), ("female", "30-39", 20, MIXED), ("male", "40-49", 20, MIXED))
    safe = rows(("female", "18-39", 40, MIXED), ("male", "40-49", 20, MIXED))
    found = known(from_a_file(safe, raw))
    # Forty persons among forty rows, twenty among twenty: two right draws; on exact rows three; blindly one in sixty.
    assert (found.attempts, found.success, found.control, found.baseline) == (60, 0.03, 0.05, 0.02)
    assert found.ci_low < 2 / 60 < found.ci_high


def test_whoever_knows_the_days_of_leave_too_links_more_and_is_told_apart():
    raw = rows(("female", "18-29", 3, MIXED), ("female", "30-39", 12, MIXED))
    safe = rows(("female", "18-39", 3, MIXED), ("female", "18-39", 12, MIXED))
    less, more = known(from_a_file(safe, raw)), known(from_a_file(safe, raw, known=("days_on_leave_12m",), beyond=True))
    assert less.success < more.success <= (more.control or 0)
    assert more.beyond and not less.beyond


def test_without_exact_rows_no_link_is_measured():
    assert from_a_file(rows(("female", "18-39", 40, MIXED)), None) is None


def test_a_row_repeated_as_it_was_links_nothing_over_releases_and_a_second_version_does():
    first = rows(("female", "18-39", 30, MIXED))
    more = pa.concat_tables([first, rows(("male", "40-49", 30, MIXED))])
    assert known(linkage.over_releases(more, first, None, PATHS, K)).success == 0
    changed = rows(("female", "*", 30, MIXED))
    assert known(linkage.over_releases(changed, first, None, PATHS, K)).success == 1
    assert linkage.over_releases(more, first.slice(0, 0), None, PATHS, K) is None


def test_control_two_versions_of_a_quarter_cross_into_groups_under_k():
    people = rows(("female", "18-29", 11, MIXED), ("female", "30-39", 11, MIXED), ("male", "40-49", 11, MIXED))
    one = people.rename_columns([f"{n}_1" if n in PATHS else n for n in people.column_names])
    frame = one.to_pandas()
    for name in PATHS:
        frame[f"{name}_2"] = frame[f"{name}_1"]
    frame.loc[:5, "sex_2"] = "*"  # six of the first eleven are seen otherwise the second time
    crossed = pa.Table.from_pandas(frame, preserve_index=False)
    found = known(linkage.over_releases(people, people, crossed, PATHS, K))
    assert (found.success, found.control) == (0.0, 0.33)


IMPACT = {"stratum_type": ["all", "sex", "sex"], "stratum": ["all", "female", "male"]}


def effects(treated: list[int | None]) -> pa.Table:
    return pa.table({**IMPACT, "n_treated": treated, "n_comparison": pa.array([None] * 3, pa.int64())})


def test_a_stratum_with_a_few_persons_more_than_the_microdata_is_found_unless_rounded():
    safe = rows(("female", "18-39", 40, MIXED), ("male", "40-49", 20, MIXED))
    exact = effects([64, 44, 20])
    found = known(linkage.with_tables(safe, exact, PATHS, K, 1, true=(safe, exact)))
    assert (found.attempts, found.success, found.control) == (3, 2 / 3, 0.67)
    # Rounded, 44 is published as 45: 43 to 47 persons, surely more than forty.
    told = known(linkage.with_tables(safe, effects([65, 45, 20]), PATHS, K, 5, true=(safe, exact)))
    assert told.success == 2 / 3
    hidden = known(linkage.with_tables(safe, effects([60, 40, 20]), PATHS, K, 5, true=(safe, exact)))
    assert hidden.success == 0


def test_a_claim_that_exact_figures_do_not_bear_out_is_no_success():
    safe = rows(("female", "18-39", 40, MIXED), ("male", "40-49", 20, MIXED))
    true = effects([90, 70, 20])
    assert known(linkage.with_tables(safe, effects([65, 45, 20]), PATHS, K, 5, true=(safe, true))).success == 0


# Inference


def test_a_class_of_one_state_tells_the_state_of_everyone_in_it():
    raw = rows(("female", "18-29", 12, ("death",)), ("male", "18-29", 12, MIXED), ("male", "40-49", 12, MIXED))
    safe = rows(("*", "18-29", 24, (*MIXED, "death")), ("male", "40-49", 12, MIXED))
    found = inference.certain(safe, raw)
    assert (found.attempts, found.success, found.control) == (2, 0.0, 0.33)
    assert inference.certain(raw, None).success == 1 / 3


def test_a_class_where_nine_in_ten_have_one_state_is_all_but_told():
    nearly = rows(("female", "18-29", 20, ("death",) * 19 + ("full_leave",)), ("male", "18-29", 20, MIXED))
    assert inference.nearly_certain(nearly) == 0.5


def test_guesses_are_right_as_often_as_the_most_frequent_answer_and_gain_on_a_blind_one():
    safe = rows(("female", "18-39", 30, ("death", "death", "full_leave")), ("male", "40-49", 30, ("off_leave",)))
    state, returned, days, euros = inference.guesses(safe, safe)
    assert state.success == pytest.approx(50 / 60)
    assert state.baseline == pytest.approx(30 / 60)
    assert known(state).gain is not None and state.gain[0] == pytest.approx((50 / 60 - 0.5) / 0.5)
    assert returned.success == 1
    assert days.success == pytest.approx(1 / 3)  # a median of 100, and a hundred days to the others
    assert euros.success == pytest.approx(1 / 3)


def test_unprotected_rows_tell_more_than_a_blind_guess():
    alone = rows(
        ("female", "18-29", 1, MIXED), ("female", "40-49", 1, ("full_leave",)), ("male", "40-49", 1, ("death",))
    )
    assert inference.guesses(alone, alone)[0].has_teeth


def exposed(shares: dict[str, float], n: int = 1000) -> pd.DataFrame:
    generator = np.random.default_rng(3)
    place = np.repeat(list(shares), n)
    return pd.DataFrame(
        {
            "department_code": place, "sex": "female", "age_band": "18-29", "status": "employee", "cause": "sickness",
            "accompanied": generator.random(len(place)) < pd.Series(place).map(shares).to_numpy(),
        }
    )  # fmt: skip


def published_shares(shares: dict[str, float]) -> dict[str, pa.Table]:
    return {
        "departments": pa.table(
            {"department_code": list(shares), "participants": [int(1000 * s) for s in shares.values()],
             "persons_on_long_leave": [1000] * len(shares), "share": list(shares.values())}
        ),
        "participant_profile": pa.table(
            {"platform_id": ["all"], "variable": ["sex"], "modality": ["female"], "share": [1.0]}
        ),
        "impact": pa.table({"stratum_type": ["sex"], "stratum": ["female"], "n_treated": [2000]}),
    }  # fmt: skip


def test_shares_by_departement_tell_who_was_accompanied_when_they_are_far_apart():
    far = {"01": 0.95, "02": 0.05}
    found = known(accompaniment.accompaniment(exposed(far), published_shares(far), 0.5, BASE))
    assert found.success > 0.9 > 0.55 > (found.baseline or 0)
    assert found.gain is not None and found.gain[1] > 0.8
    assert found.has_teeth


def test_shares_that_are_alike_tell_nothing_beyond_a_blind_guess():
    near = {"01": 0.3, "02": 0.3}
    found = known(accompaniment.accompaniment(exposed(near), published_shares(near), 0.3, BASE))
    assert found.success == found.baseline
    assert found.gain is not None and found.gain[0] == 0
    assert accompaniment.accompaniment(exposed(near), published_shares(near), None, BASE) is None


# Risk of a right match


def test_prosecutor_journalist_and_marketer_risk_are_those_of_the_definitions():
    safe = rows(("female", "18-39", 20, MIXED), ("male", "40-49", 30, MIXED))
    drawn_from = rows(("female", "18-29", 60, MIXED), ("female", "30-39", 40, MIXED), ("male", "40-49", 60, MIXED))
    found = risk(safe, drawn_from.select(list(QUASI_IDENTIFIERS)).to_pandas(), PATHS, K)
    assert (found.above, found.prosecutor, found.prosecutor_mean) == (0.0, 1 / 20, 2 / 50)
    assert found.journalist == round(1 / 60, 4)
    assert found.marketer == round((20 / 100 + 30 / 60) / 50, 4)
    assert found.candidates == 1 / 20


def test_rows_in_small_classes_are_above_the_threshold_and_hide_among_compatible_ones():
    mixed = rows(("female", "18-39", 40, MIXED), ("female", "30-39", 4, MIXED))
    found = risk(mixed, None, PATHS, K)
    assert (found.above, found.prosecutor, found.candidates) == (4 / 44, 1 / 4, 1 / 44)
    assert found.journalist is None and found.marketer is None


def test_the_interval_of_a_measure_is_wilson_and_restricted_figures_are_rounded():
    found = measure("linkability", "relier", 100, 10, control=0.4567)
    assert (round(found.ci_low, 4), round(found.ci_high, 4)) == (0.0552, 0.1744)  # Wilson 1927, 10 of 100
    assert found.control == 0.46
    assert measure("linkability", "relier", 1000, 12.34, control=None, baseline=0.0123, restricted=True).success == 0.01


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
