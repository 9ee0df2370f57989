"""A matching reports what it did in a statistician's words and refuses to exist when it broke a rule."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from pipeline.matching.nearest import match_with_relaxation, nearest_neighbour
from pipeline.matching.result import Comparison, JoinedResult, MatchResult, MatchVerificationError, Pairs, Part


def honest(**options: Any) -> MatchResult:
    """Two treated persons, four controls, two controls each, two levels, bands and a risk set."""
    question: dict[str, Any] = {
        "strata_treated": [[0, 1], [0, 0]],
        "strata_control": [[0, 0, 1, 1], [0, 0, 0, 0]],
        "minimum_candidates": 1,
        "caliper": 0.5,
        "ratio": 2,
        "tie_treated": [0, 1],
        "tie_control": [2, 3, 4, 5],
        "elapsed": [60, 90],
        "risk_from": [0, 0, 0, 0],
        "risk_until": [60, 100, 100, 100],
        "band_treated": [1, 2],
        "band_control": [1, 1, 2, 2],
        "band_slack": [0, 1],
        **options,
    }
    return match_with_relaxation([1.0, 0.8], [1.0, 0.9, 0.8, 0.7], **question)


def tampered(result: MatchResult, problem: dict[str, Any] | None = None, **columns: list[int]) -> MatchResult:
    """The same result with columns of its pairs, its own fields, or its problem changed."""
    own = {name: np.array(values) for name, values in columns.items() if name in ("level", "reason")}
    pairs = {name: np.array(values) for name, values in columns.items() if name not in own}
    return dataclasses.replace(
        result,
        problem=dataclasses.replace(result.problem, **(problem or {})),
        pairs=dataclasses.replace(result.pairs, **pairs),
        **own,
    )


def test_the_honest_matching_stands() -> None:
    result = honest()
    assert result.pairs.treated.tolist() == [0, 0, 1, 1]
    assert result.pairs.control.tolist() == [0, 1, 2, 3]
    assert result.pairs.set_id.tolist() == [0, 0, 1, 1]
    assert result.pairs.round.tolist() == [1, 2, 1, 2]
    result.verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"problem": {"caliper": 0.05}}, "farther apart than the caliper"),
        ({"control": [0, 2, 1, 3]}, "exact stratum"),
        ({"problem": {"elapsed": np.array([61, 90], dtype=np.int32)}}, "risk set"),
        ({"problem": {"risk_from": np.array([0, 61, 0, 0], dtype=np.int32)}}, "risk set"),
        ({"problem": {"band_control": np.array([1, 3, 2, 2])}}, "bands apart"),
        ({"control": [0, 0, 2, 3]}, "twice in one trial"),
        ({"problem": {"ratio": 1}}, "more controls than asked for"),
        ({"reason": [0, 1]}, "both matched and unmatched"),
        ({"round": [1, 1, 1, 2]}, "repeat a round"),
        ({"round": [1, 3, 1, 2]}, "skip a round"),
        ({"set_id": [0, 1, 1, 1]}, "one set per treated unit"),
        ({"set_id": [0, 0, 2, 2]}, "without a gap"),
        ({"control": [0, 1, 2, 4]}, "name no control"),
        ({"treated": [0, 0, 1, -1]}, "name no treated"),
        ({"level": [0, 2]}, "no relaxation level"),
        ({"level": [0]}, "one value per treated unit"),
        ({"control": [0, 1, 2]}, "one value per pair"),
    ],
)
def test_a_result_that_breaks_a_rule_cannot_be_built(change: dict[str, Any], message: str) -> None:
    with pytest.raises(MatchVerificationError, match=message):
        tampered(honest(), **change)


def test_with_replacement_a_treated_person_cannot_hold_one_control_twice() -> None:
    result = nearest_neighbour([1.0], [1.0, 0.9], ratio=2, replacement=True, tie_treated=[0], tie_control=[1, 2])
    with pytest.raises(MatchVerificationError, match="same control twice"):
        tampered(result, control=[0, 0])


def test_controls_of_a_set_share_one_treated_person() -> None:
    result = nearest_neighbour([0.9, 0.5], [0.9, 0.8, 0.6], ratio=2, tie_treated=[0, 1], tie_control=[2, 3, 4])
    comparison: Comparison = result
    np.testing.assert_allclose(comparison.control_weights, [0.5, 0.5, 1.0])
    assert comparison.control_weights.sum() == comparison.treated_weights.sum()
    np.testing.assert_allclose(result.scaled_control_weights, [0.75, 0.75, 1.5])
    assert result.effective_sample_size == pytest.approx(4 / 1.5)
    np.testing.assert_allclose(result.control_weights_of(np.array([True, False])), [0.5, 0.5, 0.0])
    np.testing.assert_allclose(result.pair_weights, [0.5, 0.5, 1.0])


def test_weights_return_to_the_order_of_the_full_sample() -> None:
    result = nearest_neighbour([0.9], [0.1, 0.8], tie_treated=[0], tie_control=[1, 2])
    assert result.stacked_weights(np.array([False, True, False])).tolist() == [0.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="number of treated and control"):
        result.stacked_weights(np.array([True, True, False]))


def test_the_summary_says_sample_sizes_losses_and_levels() -> None:
    result = nearest_neighbour(
        [0.9, 0.2], [0.8, 0.7, 0.9], caliper=0.2, ratio=2, tie_treated=[0, 1], tie_control=[2, 3, 4]
    )
    lines = [line.split() for line in result.summary().splitlines()]
    assert ["Control", "Treated"] in lines
    assert ["All", "3", "2"] in lines
    assert ["Matched", "(ESS)", "2.00", "1"] in lines
    assert ["Matched", "2", "1"] in lines
    assert ["Unmatched", "1", "1"] in lines
    assert ["caliper", "1"] in lines
    assert ["level", "0", "2"] in [line.split() for line in honest().summary().splitlines()]


def test_pairs_know_how_many_they_are() -> None:
    nobody = np.empty(0, dtype=np.int64)
    assert len(Pairs(nobody, nobody, nobody, nobody)) == 0


def two_parts() -> list[Part]:
    """The honest matching twice: among the first and last of four treated and the controls 0 to 3, and 2 to 5."""
    return [
        Part(honest(), np.array([0, 3]), np.array([0, 1, 2, 3])),
        Part(honest(), np.array([1, 2]), np.array([2, 3, 4, 5])),
    ]


def test_matchings_done_apart_read_as_one() -> None:
    joined = JoinedResult.of(two_parts(), 4, 6)
    assert joined.pairs.treated.tolist() == [0, 0, 3, 3, 1, 1, 2, 2]
    assert joined.pairs.control.tolist() == [0, 1, 2, 3, 2, 3, 4, 5]
    assert joined.pairs.set_id.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert joined.matched.all()
    # Controls 2 and 3 serve in both parts.
    assert joined.control_weights.tolist() == [0.5, 0.5, 1.0, 1.0, 0.5, 0.5]
    assert joined.control_weights.sum() == joined.treated_weights.sum()
    assert "2 matchings done apart" in joined.summary()


def test_a_treated_person_belongs_to_one_part_and_one_alone() -> None:
    first, second = two_parts()
    with pytest.raises(MatchVerificationError, match="in no part, or in several"):
        JoinedResult.of([first], 4, 6)
    with pytest.raises(MatchVerificationError, match="in no part, or in several"):
        JoinedResult.of([first, dataclasses.replace(second, treated=np.array([0, 2]))], 4, 6)
    with pytest.raises(MatchVerificationError, match="where its controls stand"):
        JoinedResult.of([first, dataclasses.replace(second, control=np.array([2, 3]))], 4, 6)
