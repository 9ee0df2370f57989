"""The rules of nearest-neighbour matching, each stated on its own, and all together against a slow, plain rewriting."""

from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.matching import boxes
from pipeline.matching.nearest import match_with_relaxation, nearest_neighbour
from pipeline.matching.result import MatchResult, UnmatchedReason


def pair_set(result: MatchResult) -> set[tuple[int, int, int]]:
    pairs = result.pairs
    return {(int(t), int(c), int(r)) for t, c, r in zip(pairs.treated, pairs.control, pairs.round, strict=True)}


def keys(n_treated: int, n_control: int, seed: int = 0) -> dict[str, Any]:
    drawn = np.random.default_rng(seed).permutation(n_treated + n_control).astype(np.uint64)
    return {"tie_treated": drawn[:n_treated], "tie_control": drawn[n_treated:]}


def test_the_largest_score_chooses_first() -> None:
    result = nearest_neighbour([0.2, 0.9], [0.5], **keys(2, 1))
    assert pair_set(result) == {(1, 0, 1)}


def test_the_caliper_is_inclusive() -> None:
    on_the_border = nearest_neighbour([1.0], [0.5], caliper=0.5, **keys(1, 1))
    beyond = nearest_neighbour([1.0], [0.5], caliper=np.nextafter(0.5, 0), **keys(1, 1))
    assert pair_set(on_the_border) == {(0, 0, 1)}
    assert pair_set(beyond) == set()
    assert beyond.reason.tolist() == [UnmatchedReason.CALIPER]


def test_a_pair_shares_its_exact_stratum() -> None:
    result = nearest_neighbour([1.0], [1.0, 3.0], stratum_treated=[7], stratum_control=[8, 7], **keys(1, 2))
    assert pair_set(result) == {(0, 1, 1)}


def test_everyone_gets_a_first_control_before_anyone_a_second() -> None:
    result = nearest_neighbour([0.9, 0.8], [0.9, 0.85, 0.1], ratio=2, **keys(2, 3))
    assert pair_set(result) == {(0, 0, 1), (1, 1, 1), (0, 2, 2)}


def test_with_replacement_a_control_serves_several_but_never_the_same_person_twice() -> None:
    result = nearest_neighbour([0.9, 0.8], [0.85, 0.1], ratio=2, replacement=True, **keys(2, 2))
    assert pair_set(result) == {(0, 0, 1), (1, 0, 1), (0, 1, 2), (1, 1, 2)}
    np.testing.assert_allclose(result.control_weights, [1.0, 1.0])


def test_a_control_serves_once_in_a_trial_and_again_in_another() -> None:
    one_trial = nearest_neighbour([0.9, 0.8], [0.85], **keys(2, 1))
    two_trials = nearest_neighbour([0.9, 0.8], [0.85], trial_treated=[5, 6], **keys(2, 1))
    assert pair_set(one_trial) == {(0, 0, 1)}
    assert pair_set(two_trials) == {(0, 0, 1), (1, 0, 1)}
    assert two_trials.control_weights.tolist() == [2.0]


@pytest.mark.parametrize(
    ("risk_from", "risk_until", "admissible"), [(60, 90, True), (60, 89, False), (91, 120, False), (90, 90, True)]
)
def test_a_control_whose_leave_is_not_running_on_the_elapsed_day_is_never_chosen(
    risk_from: int, risk_until: int, admissible: bool
) -> None:
    result = nearest_neighbour([1.0], [1.0], elapsed=[90], risk_from=[risk_from], risk_until=[risk_until], **keys(1, 1))
    assert len(result.pairs) == int(admissible)
    assert result.reason.tolist() == [0 if admissible else UnmatchedReason.NO_CANDIDATE]


def test_each_unmatched_person_has_a_reason() -> None:
    result = nearest_neighbour(
        [3.0, 2.9, 9.0, 1.0],
        [3.0, 0.0],
        stratum_treated=[0, 0, 0, 1],
        stratum_control=[0, 0],
        caliper=0.5,
        **keys(4, 2),
    )
    assert pair_set(result) == {(0, 0, 1)}
    assert result.unmatched_counts() == {"no_candidate": 1, "caliper": 1, "exhausted": 1}
    assert result.reason.tolist() == [
        0,
        UnmatchedReason.EXHAUSTED,
        UnmatchedReason.CALIPER,
        UnmatchedReason.NO_CANDIDATE,
    ]


def test_a_person_with_too_few_candidates_is_searched_in_the_coarser_stratum() -> None:
    common: dict[str, Any] = {
        "strata_treated": [[1, 2], [0, 0]],
        "strata_control": [[1, 1, 1, 2, 2], [0, 0, 0, 0, 0]],
        **keys(2, 5),
    }
    relaxed = match_with_relaxation([0.5, 0.4], [0.5, 0.45, 0.3, 0.9, 0.9], **common)
    assert relaxed.level.tolist() == [0, 1]
    assert pair_set(relaxed) == {(0, 0, 1), (1, 1, 1)}
    strict = match_with_relaxation([0.5, 0.4], [0.5, 0.45, 0.3, 0.9, 0.9], minimum_candidates=2, **common)
    assert strict.level.tolist() == [0, 0]


def test_a_stratum_mate_beyond_the_caliper_is_no_candidate() -> None:
    result = match_with_relaxation(
        [0.5],
        [0.1, 0.1, 0.1, 0.55],
        strata_treated=[[1], [0]],
        strata_control=[[1, 1, 1, 2], [0, 0, 0, 0]],
        caliper=0.1,
        minimum_candidates=1,
        **keys(1, 4),
    )
    assert result.level.tolist() == [1]
    assert pair_set(result) == {(0, 3, 1)}


def test_persons_relaxed_to_different_levels_share_one_pool() -> None:
    result = match_with_relaxation(
        [0.9, 0.8],
        [0.9, 0.1, 0.1],
        strata_treated=[[1, 2], [0, 0]],
        strata_control=[[1, 1, 1], [0, 0, 0]],
        **keys(2, 3),
    )
    assert result.level.tolist() == [0, 1]
    assert len(set(result.pairs.control.tolist())) == 2
    assert (0, 0, 1) in pair_set(result)


def test_a_band_may_be_one_apart_where_the_level_allows_it_and_no_more() -> None:
    def match(slack: int) -> MatchResult:
        return match_with_relaxation(
            [0.5],
            [0.5, 0.6, 0.9],
            strata_treated=[[0]],
            strata_control=[[0, 0, 0]],
            band_treated=[2],
            band_control=[4, 3, 2],
            band_slack=[slack],
            **keys(1, 3),
        )

    assert [pair_set(match(slack)) for slack in (0, 1, 2)] == [{(0, 2, 1)}, {(0, 1, 1)}, {(0, 0, 1)}]


def test_two_controls_that_nothing_distinguishes_are_refused() -> None:
    with pytest.raises(ValueError, match="row order would decide"):
        nearest_neighbour([0.5], [0.4, 0.4], tie_treated=[1], tie_control=[2, 2])
    with pytest.raises(ValueError, match="row order would decide"):
        nearest_neighbour([0.5, 0.5], [0.4], tie_treated=[1, 1], tie_control=[2])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"distance_treated": [np.nan]}, "not finite"),
        ({"ratio": 0}, "ratio"),
        ({"caliper": -1.0}, "caliper"),
        ({"elapsed": [3]}, "risk set"),
        ({"trial_treated": [1, 2]}, "shape"),
        ({"stratum_treated": [1]}, "both sides"),
        ({"stratum_treated": [1.5], "stratum_control": [1.0]}, "integers were expected"),
        ({"elapsed": [60], "risk_from": [0], "risk_until": [2**40]}, "does not fit"),
    ],
)
def test_malformed_questions_are_refused_with_the_reason(change: dict[str, Any], message: str) -> None:
    question = {"distance_treated": [0.5], "distance_control": [0.4], "tie_treated": [0], "tie_control": [1], **change}
    with pytest.raises(ValueError, match=message):
        nearest_neighbour(question.pop("distance_treated"), question.pop("distance_control"), **question)


def test_nobody_treated_and_nobody_to_compare_with_are_answered_not_crashed_on() -> None:
    alone = nearest_neighbour([0.5], [], **keys(1, 0))
    assert alone.reason.tolist() == [UnmatchedReason.NO_CANDIDATE]
    assert alone.effective_sample_size == 0
    empty = nearest_neighbour([], [0.5], **keys(0, 1))
    assert len(empty.pairs) == 0
    assert "Matched (ESS)" in empty.summary()


@dataclass(frozen=True)
class Question:
    """One small matching question, with many ties on purpose."""

    arrays: dict[str, Any]
    options: dict[str, Any]

    def ask(self) -> MatchResult:
        arrays = dict(self.arrays)
        return match_with_relaxation(
            arrays.pop("distance_treated"), arrays.pop("distance_control"), **arrays, **self.options
        )

    def shuffled(self, treated: np.ndarray, control: np.ndarray) -> "Question":
        order = {"treated": treated, "elapsed": treated, "control": control, "risk": control}

        def moved(name: str, values: Any) -> Any:
            rows = order[name.split("_")[0] if name.startswith(("elapsed", "risk")) else name.split("_")[1]]
            if values is None:
                return None
            return [level[rows] for level in values] if isinstance(values, list) else values[rows]

        return Question({name: moved(name, values) for name, values in self.arrays.items()}, self.options)


@st.composite
def questions(draw: st.DrawFn) -> Question:
    n_treated, n_control = draw(st.integers(1, 7)), draw(st.integers(0, 14))
    n_levels = draw(st.integers(1, 3))

    def integers(n: int, low: int, high: int, dtype: type = np.int64) -> np.ndarray:
        return np.array(draw(st.lists(st.integers(low, high), min_size=n, max_size=n)), dtype=dtype)

    use_risk, use_band = draw(st.booleans()), draw(st.booleans())
    drawn = np.array(draw(st.permutations(range(n_treated + n_control))), dtype=np.uint64)
    risk_from = integers(n_control, 0, 3, np.int32)
    arrays: dict[str, Any] = {
        "distance_treated": integers(n_treated, -4, 4) / 4,
        "distance_control": integers(n_control, -4, 4) / 4,
        "strata_treated": [integers(n_treated, 0, n_levels - level) for level in range(n_levels)],
        "strata_control": [integers(n_control, 0, n_levels - level) for level in range(n_levels)],
        "tie_treated": drawn[:n_treated],
        "tie_control": drawn[n_treated:],
        "risk_from": risk_from if use_risk else None,
        "risk_until": risk_from + integers(n_control, 0, 3, np.int32) if use_risk else None,
        "elapsed": integers(n_treated, 0, 5, np.int32) if use_risk else None,
        "trial_treated": integers(n_treated, 0, 2),
        "band_treated": integers(n_treated, 0, 3) if use_band else None,
        "band_control": integers(n_control, 0, 3) if use_band else None,
    }
    n_coordinates, n_bounded = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    if n_coordinates:
        # Few values: many controls are equally near.
        arrays["space_treated"] = integers(n_treated * n_coordinates, -2, 2).reshape(n_treated, -1) / 2
        arrays["space_control"] = integers(n_control * n_coordinates, -2, 2).reshape(n_control, n_coordinates) / 2
        if draw(st.booleans()):
            arrays["distance_treated"] = np.zeros(n_treated)
    if n_bounded:
        arrays["covariates_treated"] = integers(n_treated * n_bounded, 0, 3).reshape(n_treated, -1) / 1
        arrays["covariates_control"] = integers(n_control * n_bounded, 0, 3).reshape(n_control, n_bounded) / 1
    slack = st.one_of(st.none(), st.integers(0, 2)) if use_band else st.none()
    options = {
        "caliper": draw(st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0]))),
        "ratio": draw(st.integers(1, 3)),
        "replacement": draw(st.booleans()),
        "minimum_candidates": draw(st.integers(1, 4)),
        "band_slack": draw(st.lists(slack, min_size=n_levels, max_size=n_levels)),
        "covariate_calipers": tuple(draw(st.lists(st.integers(0, 3), min_size=n_bounded, max_size=n_bounded))),
    }
    return Question(arrays, options)


def admissible(a: dict[str, Any], options: dict[str, Any], t: int, c: int, level: int) -> bool:
    if a["strata_treated"][level][t] != a["strata_control"][level][c]:
        return False
    slack = options["band_slack"][level]
    if slack is not None and abs(a["band_treated"][t] - a["band_control"][c]) > slack:
        return False
    return a["elapsed"] is None or bool(a["risk_from"][c] <= a["elapsed"][t] <= a["risk_until"][c])


def plain_answer(question: Question) -> tuple[set[tuple[int, int, int]], list[int], list[int]]:
    """The same rules written as slowly and plainly as they read: pairs, levels and reasons."""
    a, options = question.arrays, question.options
    score_t, score_c = a["distance_treated"], a["distance_control"]
    people, controls = range(len(score_t)), range(len(score_c))
    caliper = np.inf if options["caliper"] is None else options["caliper"]
    last = len(a["strata_treated"]) - 1
    space_t, space_c = a.get("space_treated"), a.get("space_control")
    first = score_t
    if space_t is not None and space_t.shape[1] == 1 and caliper == np.inf and len(set(score_t)) == 1:
        # One coordinate and scores that say nothing: nearest on that line, served in the order of the keys.
        score_t, score_c, space_t = space_t[:, 0], space_c[:, 0], None

    def near(t: int, c: int) -> bool:
        gaps = np.abs(a["covariates_treated"][t] - a["covariates_control"][c]) if "covariates_treated" in a else []
        return bool(abs(score_t[t] - score_c[c]) <= caliper and np.all(gaps <= np.array(options["covariate_calipers"])))

    def candidates(t: int, level: int) -> list[int]:
        return [c for c in controls if near(t, c) and admissible(a, options, t, c, level)]

    level = [
        next((L for L in range(last) if len(candidates(t, L)) >= options["minimum_candidates"]), last) for t in people
    ]

    def in_line(value_t: Any, value_c: Any, treated: Any, theirs: Any) -> dict[tuple[str, int], int]:
        units = [(value_t[u], a["tie_treated"][u], "t", u) for u in treated]
        units += [(value_c[c], a["tie_control"][c], "c", c) for c in theirs]
        return {(arm, unit): position for position, (_, _, arm, unit) in enumerate(sorted(units))}

    ranks = in_line(score_t, score_c, people, controls)

    def ranks_in_stratum(t: int) -> dict[tuple[str, int], int]:
        """By first coordinate, among the controls of the stratum and all who are searched in it."""
        stratum = a["strata_treated"][level[t]][t]
        fellows = [u for u in people if level[u] == level[t] and a["strata_treated"][level[u]][u] == stratum]
        theirs = [c for c in controls if a["strata_control"][level[t]][c] == stratum]
        return in_line(space_t[:, 0], space_c[:, 0], fellows, theirs)

    def nearest(t: int, own: list[int], free: list[int]) -> int:
        if space_t is None:
            # The smallest gap; equal, the fewest ranks away from the treated or from its earlier controls; the left.
            span = [ranks["t", t], *(ranks["c", c] for c in own if not options["replacement"])]

            def order(c: int) -> tuple[float, int, int]:
                right = ranks["c", c] > ranks["t", t]
                steps = ranks["c", c] - max(span) if right else min(span) - ranks["c", c]
                return abs(score_t[t] - score_c[c]), steps, int(right)
        else:
            # The smallest distance; equal, the most ranks away; the right.
            place = ranks_in_stratum(t)

            def order(c: int) -> tuple[float, int, int]:
                steps = place["c", c] - place["t", t]
                return float(((space_t[t] - space_c[c]) ** 2).sum()), -abs(steps), -steps

        return min(free, key=order)

    pairs: set[tuple[int, int, int]] = set()
    for trial in sorted(set(a["trial_treated"])):
        queue = sorted(
            (t for t in people if a["trial_treated"][t] == trial), key=lambda t: (-first[t], a["tie_treated"][t])
        )
        used: set[int] = set()
        own: dict[int, list[int]] = {t: [] for t in queue}
        for turn in range(1, options["ratio"] + 1):
            for t in queue:
                free = [c for c in candidates(t, level[t]) if c not in own[t] and c not in used]
                if free:
                    c = nearest(t, own[t], free)
                    own[t].append(c)
                    pairs.add((t, c, turn))
                    if not options["replacement"]:
                        used.add(c)
    matched = {t for t, _, _ in pairs}
    reason = []
    for t in people:
        mates = [c for c in controls if admissible(a, options, t, c, level[t])]
        if t in matched:
            reason.append(0)
        elif not mates:
            reason.append(int(UnmatchedReason.NO_CANDIDATE))
        else:
            within = any(near(t, c) for c in mates)
            reason.append(int(UnmatchedReason.EXHAUSTED if within else UnmatchedReason.CALIPER))
    return pairs, level, reason


@settings(max_examples=500, deadline=None)
@given(questions(), st.integers(1, 4))
def test_the_fast_matching_gives_what_the_rules_say_read_one_by_one(question: Question, leaf: int) -> None:
    # Boxes of the usual size would hold everybody here.
    with patch.object(boxes, "LEAF", leaf):
        result = question.ask()
    pairs, level, reason = plain_answer(question)
    assert pair_set(result) == pairs
    assert result.level.tolist() == level
    assert result.reason.tolist() == reason


@settings(max_examples=200, deadline=None)
@given(questions(), st.randoms(use_true_random=False))
def test_row_order_never_matters(question: Question, random: Any) -> None:
    n_treated, n_control = len(question.arrays["distance_treated"]), len(question.arrays["distance_control"])
    treated = np.array(random.sample(range(n_treated), n_treated), dtype=np.int64)
    control = np.array(random.sample(range(n_control), n_control), dtype=np.int64)
    straight, moved = question.ask(), question.shuffled(treated, control).ask()
    assert {(int(treated[t]), int(control[c]), r) for t, c, r in pair_set(moved)} == pair_set(straight)
    assert straight.level[treated].tolist() == moved.level.tolist()
    assert straight.reason[treated].tolist() == moved.reason.tolist()
    # To the last bit, and with the same set names.
    assert straight.control_weights[control].tobytes() == moved.control_weights.tobytes()
    assert treated[moved.pairs.treated].tolist() == straight.pairs.treated.tolist()
    assert moved.pairs.set_id.tolist() == straight.pairs.set_id.tolist()


def test_row_order_never_matters_in_a_large_sample() -> None:
    draw = np.random.default_rng(11)
    n_treated, n_control = 2_000, 30_000
    question = Question(
        {
            "distance_treated": draw.normal(0.5, 1, n_treated).round(3),
            "distance_control": draw.normal(0, 1, n_control).round(3),
            "strata_treated": [draw.integers(0, 200, n_treated), draw.integers(0, 20, n_treated)],
            "strata_control": [draw.integers(0, 200, n_control), draw.integers(0, 20, n_control)],
            **keys(n_treated, n_control),
            "risk_from": draw.integers(45, 100, n_control).astype(np.int32),
            "risk_until": draw.integers(60, 400, n_control).astype(np.int32),
            "elapsed": draw.integers(60, 300, n_treated).astype(np.int32),
            "trial_treated": draw.integers(0, 6, n_treated),
        },
        {"caliper": 0.2, "ratio": 3, "minimum_candidates": 5},
    )
    treated, control = draw.permutation(n_treated), draw.permutation(n_control)
    straight, moved = question.ask(), question.shuffled(treated, control).ask()
    assert set(np.unique(straight.level)) == {0, 1}
    assert len(straight.pairs) > 3_000
    assert {(int(treated[t]), int(control[c]), r) for t, c, r in pair_set(moved)} == pair_set(straight)
