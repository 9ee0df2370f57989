"""The compiled loops of nearest-neighbour matching: arrays in, arrays out, one thread, no randomness.

Vocabulary: controls lie in *segments* (one per exact stratum and relaxation level), sorted by score and then by tie
key; a *position* is an index into that layout. A treated unit stands at its *insertion point*: the first position whose
control comes after it in the same order.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np

from pipeline.matching.problem import Bool, Float64, Int32, Int64, UInt64

_Function = TypeVar("_Function", bound=Callable[..., Any])

NO_CANDIDATE, CALIPER, EXHAUSTED = 1, 2, 3
"""Why a treated unit has no control: nobody admissible; nobody within the caliper; all within it already taken."""


def compiled(function: _Function) -> _Function:
    """Compile without the GIL, cache the machine code on disk; type checkers keep the Python signature."""
    return cast(_Function, numba.njit(cache=True, nogil=True)(function))


@compiled
def sort_ties_by_key(order: Int64, score: Float64, key: UInt64) -> None:
    """Put units of equal score in the order of their keys, in place.

    Args:
        order: Unit indices already sorted by score, int64[n]; changed in place.
        score: Score by unit, float64[n].
        key: Tie key by unit, uint64[n].
    """
    n = len(order)
    start = 0
    while start < n:
        stop = start + 1
        while stop < n and score[order[stop]] == score[order[start]]:
            stop += 1
        if stop - start > 1:
            run = order[start:stop].copy()
            order[start:stop] = run[np.argsort(key[run])]
        start = stop


@compiled
def split_by_segment(order: Int64, segment: Int64, n_segments: int) -> tuple[Int64, Int64]:
    """Stable counting sort of ordered units into segments; units with segment -1 are left out.

    Args:
        order: Unit indices in score order, int64[n].
        segment: Segment of each unit, int64[n], -1 for none.
        n_segments: Number of segments.

    Returns:
        ``(units, start)``: unit indices segment after segment, and int64[n_segments + 1] bounds into them.
    """
    start = np.zeros(n_segments + 1, dtype=np.int64)
    for unit in range(len(segment)):
        if segment[unit] >= 0:
            start[segment[unit] + 1] += 1
    for s in range(n_segments):
        start[s + 1] += start[s]
    fill = start[:-1].copy()
    units = np.empty(start[-1], dtype=np.int64)
    for unit in order:
        s = segment[unit]
        if s >= 0:
            units[fill[s]] = unit
            fill[s] += 1
    return units, start


@compiled
def first_duplicate(units: Int64, start: Int64, score: Float64, key: UInt64) -> int:
    """First position whose unit has the score and the key of its neighbour in the same segment, or -1."""
    for s in range(len(start) - 1):
        for p in range(start[s] + 1, start[s + 1]):
            a, b = units[p - 1], units[p]
            if score[a] == score[b] and key[a] == key[b]:
                return p
    return -1


@compiled
def insertion_points(
    score_treated: Float64,
    key_treated: UInt64,
    begin: Int64,
    end: Int64,
    units: Int64,
    score_control: Float64,
    key_control: UInt64,
) -> Int64:
    """Where each treated unit stands among the controls of its segment.

    Args:
        score_treated: Scores, float64[n].
        key_treated: Tie keys, uint64[n].
        begin: First position of each treated unit's segment, int64[n].
        end: One past its last position, int64[n].
        units: Control at each position, int64.
        score_control: Score by control.
        key_control: Key by control.

    Returns:
        int64[n]: the first position in ``[begin, end]`` whose control is not before (score, key) of the treated unit.
    """
    out = np.empty(len(score_treated), dtype=np.int64)
    for t in range(len(score_treated)):
        low, high = begin[t], end[t]
        while low < high:
            middle = (low + high) // 2
            control = units[middle]
            before = score_control[control] < score_treated[t] or (
                score_control[control] == score_treated[t] and key_control[control] < key_treated[t]
            )
            if before:
                low = middle + 1
            else:
                high = middle
        out[t] = low
    return out


@compiled
def _admissible(
    t: int,
    p: int,
    use_risk: bool,
    risk_from: Int32,
    risk_until: Int32,
    elapsed: Int32,
    slack: Int64,
    band_at: Int64,
    band_treated: Int64,
) -> bool:
    """Whether the control at position p is in the risk set, and in a near enough band, of treated unit t."""
    if use_risk and not (risk_from[p] <= elapsed[t] <= risk_until[p]):
        return False
    return bool(slack[t] < 0 or abs(band_at[p] - band_treated[t]) <= slack[t])


@compiled
def _near(t: int, unit: int, covariates_treated: Float64, covariates_control: Float64, widths: Float64) -> bool:
    """Whether a control is within every caliper on a covariate of treated unit t."""
    near = True
    for k in range(len(widths)):
        near = near and abs(covariates_treated[t, k] - covariates_control[unit, k]) <= widths[k]
    return near


@compiled
def count_candidates(
    enough: int,
    caliper: float,
    score_treated: Float64,
    begin: Int64,
    end: Int64,
    insertion: Int64,
    unit_at: Int64,
    score_at: Float64,
    use_risk: bool,
    risk_from: Int32,
    risk_until: Int32,
    elapsed: Int32,
    slack: Int64,
    band_at: Int64,
    band_treated: Int64,
    covariates_treated: Float64,
    covariates_control: Float64,
    widths: Float64,
) -> Int64:
    """Number of controls each treated unit could be given (admissible and within the caliper), up to ``enough``."""
    out = np.zeros(len(begin), dtype=np.int64)
    for t in range(len(begin)):
        # Scores rise with the position: away from the insertion point the first one too far ends a side.
        for p in range(insertion[t] - 1, begin[t] - 1, -1):
            if out[t] >= enough or abs(score_treated[t] - score_at[p]) > caliper:
                break
            if _admissible(t, p, use_risk, risk_from, risk_until, elapsed, slack, band_at, band_treated) and _near(
                t, unit_at[p], covariates_treated, covariates_control, widths
            ):
                out[t] += 1
        for p in range(insertion[t], end[t]):
            if out[t] >= enough or abs(score_treated[t] - score_at[p]) > caliper:
                break
            if _admissible(t, p, use_risk, risk_from, risk_until, elapsed, slack, band_at, band_treated) and _near(
                t, unit_at[p], covariates_treated, covariates_control, widths
            ):
                out[t] += 1
    return out


# A used control is stepped over by following pointers towards the next free one, shortened on every walk (union-find
# with path compression, Tarjan 1975). Pointers and marks count only when stamped with the running trial's number, so a
# new trial starts with every control free without clearing anything.


@compiled
def _free_right(p: int, end: int, unit_at: Int64, used: Int32, skip: Int64, stamp: Int32, trial: int) -> int:
    root = p
    while root < end and used[unit_at[root]] == trial:
        root = skip[root] if stamp[root] == trial else root + 1
    while p < root:
        following = skip[p] if stamp[p] == trial else p + 1
        skip[p] = root
        stamp[p] = trial
        p = following
    return root


@compiled
def _free_left(p: int, begin: int, unit_at: Int64, used: Int32, skip: Int64, stamp: Int32, trial: int) -> int:
    root = p
    while root >= begin and used[unit_at[root]] == trial:
        root = skip[root] if stamp[root] == trial else root - 1
    while p > root:
        following = skip[p] if stamp[p] == trial else p - 1
        skip[p] = root
        stamp[p] = trial
        p = following
    return root


@compiled
def match_greedily(
    ratio: int,
    replacement: bool,
    caliper: float,
    queue: Int64,
    trial_start: Int64,
    score_treated: Float64,
    begin: Int64,
    end: Int64,
    insertion: Int64,
    rank_treated: Int64,
    rank_control: Int64,
    unit_at: Int64,
    score_at: Float64,
    use_risk: bool,
    risk_from: Int32,
    risk_until: Int32,
    elapsed: Int32,
    slack: Int64,
    band_at: Int64,
    band_treated: Int64,
    covariates_treated: Float64,
    covariates_control: Float64,
    widths: Float64,
) -> Int64:
    """Greedy nearest-neighbour matching in rounds, trial after trial.

    In each round every treated unit still in the race, in queue order, takes the free admissible control with the
    smallest |score difference| within the caliper (inclusive). Equal differences: the control fewest ranks away from
    the treated unit in the order of all units by (score, key), or without replacement, after the first round, fewest
    ranks away from the ranks it has already taken; equal again: the lower one. This is what MatchIt 4.7.2 does with row
    numbers as keys.

    Args:
        ratio: Number of rounds.
        replacement: Whether a control stays free after being taken.
        caliper: Inclusive; ``inf`` for none.
        queue: Treated units, trial after trial, each in matching order, int64[n_treated].
        trial_start: Bounds of the trials in ``queue``, int64[n_trials + 1].
        score_treated: float64[n_treated].
        begin: First position of each treated unit's segment.
        end: One past its last position.
        insertion: Its insertion point.
        rank_treated: Its rank among all units, treated and controls of every stratum, by (score, key).
        rank_control: The same by control.
        unit_at: Control at each position.
        score_at: Score at each position.
        use_risk: Whether the risk set binds.
        risk_from: By position.
        risk_until: By position.
        elapsed: By treated unit.
        slack: Allowed band difference by treated unit, -1 where bands are not compared.
        band_at: Band by position.
        band_treated: Band by treated unit.
        covariates_treated: Covariates with a caliper of their own, float64[n_treated, k].
        covariates_control: The same by control, float64[n_control, k].
        widths: The k calipers, inclusive.

    Returns:
        int64[n_treated, ratio]: the position taken in each round, -1 for none.
    """
    taken = np.full((len(queue), ratio), -1, dtype=np.int64)
    n_positions = len(unit_at)
    used = np.zeros(len(rank_control), dtype=np.int32)
    skip_left = np.empty(n_positions, dtype=np.int64)
    skip_right = np.empty(n_positions, dtype=np.int64)
    stamp_left = np.zeros(n_positions, dtype=np.int32)
    stamp_right = np.zeros(n_positions, dtype=np.int32)
    # Controls between a unit and its frontiers are gone for it for good: the used stay used, the rest never changes.
    frontier_left = insertion - 1
    frontier_right = insertion.copy()
    edge_left = rank_treated.copy()
    edge_right = rank_treated.copy()
    for trial in range(1, len(trial_start)):
        racing = queue[trial_start[trial - 1] : trial_start[trial]].copy()
        n_racing = len(racing)
        for round_number in range(ratio):
            n_kept = 0
            for i in range(n_racing):
                t = racing[i]
                score = score_treated[t]
                limit = caliper
                found_left = False
                left = frontier_left[t]
                while True:
                    left = _free_left(left, begin[t], unit_at, used, skip_left, stamp_left, trial)
                    if left < begin[t] or abs(score - score_at[left]) > limit:
                        break
                    if _admissible(
                        t, left, use_risk, risk_from, risk_until, elapsed, slack, band_at, band_treated
                    ) and _near(t, unit_at[left], covariates_treated, covariates_control, widths):
                        found_left = True
                        limit = abs(score - score_at[left])
                        break
                    left -= 1
                frontier_left[t] = left
                found_right = False
                right = frontier_right[t]
                while True:
                    right = _free_right(right, end[t], unit_at, used, skip_right, stamp_right, trial)
                    if right >= end[t] or abs(score - score_at[right]) > limit:
                        break
                    if _admissible(
                        t, right, use_risk, risk_from, risk_until, elapsed, slack, band_at, band_treated
                    ) and _near(t, unit_at[right], covariates_treated, covariates_control, widths):
                        found_right = True
                        break
                    right += 1
                frontier_right[t] = right
                if not found_left and not found_right:
                    continue
                go_right = found_right
                if found_left and found_right and abs(score - score_at[right]) == limit:
                    rank_left, rank_right = rank_control[unit_at[left]], rank_control[unit_at[right]]
                    go_right = rank_right - edge_right[t] < edge_left[t] - rank_left
                if go_right:
                    p = right
                    frontier_right[t] = right + 1
                else:
                    p = left
                    frontier_left[t] = left - 1
                taken[t, round_number] = p
                if not replacement:
                    used[unit_at[p]] = trial
                    edge_left[t] = min(edge_left[t], rank_control[unit_at[p]])
                    edge_right[t] = max(edge_right[t], rank_control[unit_at[p]])
                racing[n_kept] = t
                n_kept += 1
            n_racing = n_kept
    return taken


@compiled
def reasons_unmatched(
    matched: Bool,
    caliper: float,
    score_treated: Float64,
    begin: Int64,
    end: Int64,
    insertion: Int64,
    unit_at: Int64,
    score_at: Float64,
    use_risk: bool,
    risk_from: Int32,
    risk_until: Int32,
    elapsed: Int32,
    slack: Int64,
    band_at: Int64,
    band_treated: Int64,
    covariates_treated: Float64,
    covariates_control: Float64,
    widths: Float64,
) -> Int64:
    """Why each treated unit stayed alone, as if every control were free: int64[n_treated], 0 for the matched."""
    out = np.zeros(len(matched), dtype=np.int64)
    for t in range(len(matched)):
        if matched[t]:
            continue
        out[t] = NO_CANDIDATE
        for p in range(insertion[t] - 1, begin[t] - 1, -1):
            beyond = abs(score_treated[t] - score_at[p]) > caliper
            if _admissible(t, p, use_risk, risk_from, risk_until, elapsed, slack, band_at, band_treated):
                out[t] = CALIPER
                if not beyond and _near(t, unit_at[p], covariates_treated, covariates_control, widths):
                    out[t] = EXHAUSTED
            # Scores only get farther: past the caliper, one admissible control has said it all.
            if out[t] == EXHAUSTED or (beyond and out[t] == CALIPER):
                break
        if out[t] == EXHAUSTED:
            continue
        for p in range(insertion[t], end[t]):
            beyond = abs(score_treated[t] - score_at[p]) > caliper
            if _admissible(t, p, use_risk, risk_from, risk_until, elapsed, slack, band_at, band_treated):
                out[t] = CALIPER
                if not beyond and _near(t, unit_at[p], covariates_treated, covariates_control, widths):
                    out[t] = EXHAUSTED
            if out[t] == EXHAUSTED or (beyond and out[t] == CALIPER):
                break
    return out


# The controls of a segment lie in a balanced tree of boxes (k-d tree; Bentley 1975, CACM 18:509). A box is passed over
# when its nearest corner is farther than the best control found, its scores are all beyond the caliper, or nobody in it
# is free. Rounding is monotone, so that the bound of a box never exceeds the computed distance of a control in it: the
# answer is that of a full scan, to the bit.


@compiled
def tree_scores(score_at: Float64, first: Int64, last: Int64) -> tuple[Float64, Float64]:
    """Smallest and largest score in each box, float64[n_boxes] each; boxes hold the positions [first, last)."""
    low, high = np.full(len(first), np.inf), np.full(len(first), -np.inf)
    for box in range(len(first)):
        for p in range(first[box], last[box]):
            low[box] = min(low[box], score_at[p])
            high[box] = max(high[box], score_at[p])
    return low, high


@compiled
def _box_distance(t: int, box: int, space: Float64, box_low: Float64, box_high: Float64) -> float:
    """Squared distance of treated unit t to the nearest point of a box."""
    total = 0.0
    for j in range(space.shape[1]):
        gap = max(box_low[box, j] - space[t, j], space[t, j] - box_high[box, j])
        if gap > 0:
            total += gap * gap
    return total


@compiled
def match_in_space(
    ratio: int,
    replacement: bool,
    caliper: float,
    queue: Int64,
    trial_start: Int64,
    score_treated: Float64,
    space_treated: Float64,
    root: Int64,
    rank_treated: Int64,
    rank_at: Int64,
    unit_at: Int64,
    score_at: Float64,
    space_at: Float64,
    first: Int64,
    last: Int64,
    left: Int64,
    parent: Int64,
    leaf_at: Int64,
    box_low: Float64,
    box_high: Float64,
    n_control: int,
    use_risk: bool,
    risk_from: Int32,
    risk_until: Int32,
    elapsed: Int32,
    slack: Int64,
    band_at: Int64,
    band_treated: Int64,
    covariates_treated: Float64,
    covariates_control: Float64,
    widths: Float64,
) -> Int64:
    """Greedy matching on the distance in a space of several coordinates, in rounds, trial after trial.

    In each round every treated unit still in the race, in queue order, takes the free admissible control with the
    smallest Euclidean distance among those within the caliper on the score. Equal distances: the control *most* ranks
    away from the treated unit in the order of all units of the segment by (first coordinate, key); equal again: the
    higher one. This is what MatchIt 4.7.2 does with row numbers as keys: it walks outwards along the first coordinate
    and lets a later equal replace an earlier one.

    Args:
        ratio: Number of rounds.
        replacement: Whether a control stays free after being taken.
        caliper: On the score, inclusive; ``inf`` for none.
        queue: Treated units, trial after trial, each in matching order, int64[n_treated].
        trial_start: Bounds of the trials in ``queue``, int64[n_trials + 1].
        score_treated: float64[n_treated].
        space_treated: Coordinates, float64[n_treated, d].
        root: Root box of each treated unit's segment, -1 for an empty segment.
        rank_treated: Rank of each treated unit, see above.
        rank_at: The same by position.
        unit_at: Control at each position; positions follow the boxes.
        score_at: Score at each position.
        space_at: Coordinates at each position, float64[n_positions, d].
        first: First position in each box, int64[n_boxes].
        last: One past its last position.
        left: Left child, -1 for a leaf; the right child comes next.
        parent: Parent box, -1 for a root.
        leaf_at: Leaf of each position.
        box_low: Smallest coordinates in each box, float64[n_boxes, d].
        box_high: Largest coordinates in each box.
        n_control: Number of controls.
        use_risk: See `match_greedily`, like all that follow.
        risk_from: By position.
        risk_until: By position.
        elapsed: By treated unit.
        slack: By treated unit.
        band_at: By position.
        band_treated: By treated unit.
        covariates_treated: float64[n_treated, k].
        covariates_control: float64[n_control, k].
        widths: float64[k].

    Returns:
        int64[n_treated, ratio]: the position taken in each round, -1 for none.
    """
    taken = np.full((len(queue), ratio), -1, dtype=np.int64)
    n_coordinates = space_at.shape[1]
    used = np.zeros(n_control, dtype=np.int32)
    free = last - first
    stamp = np.zeros(len(first), dtype=np.int32)
    score_low, score_high = tree_scores(score_at, first, last)
    stack, bound = np.empty(128, dtype=np.int64), np.empty(128, dtype=np.float64)
    for trial in range(1, len(trial_start)):
        racing = queue[trial_start[trial - 1] : trial_start[trial]].copy()
        n_racing = len(racing)
        for round_number in range(ratio):
            n_kept = 0
            for i in range(n_racing):
                t = racing[i]
                if root[t] < 0:
                    continue
                score = score_treated[t]
                best, best_p, best_steps = np.inf, -1, 0
                depth = 1
                stack[0] = root[t]
                bound[0] = _box_distance(t, root[t], space_treated, box_low, box_high)
                while depth > 0:
                    depth -= 1
                    box = stack[depth]
                    if bound[depth] > best or score_low[box] - score > caliper or score - score_high[box] > caliper:
                        continue
                    if stamp[box] == trial and free[box] == 0:
                        continue
                    if left[box] >= 0:
                        near, far = left[box], left[box] + 1
                        near_bound = _box_distance(t, near, space_treated, box_low, box_high)
                        far_bound = _box_distance(t, far, space_treated, box_low, box_high)
                        if far_bound < near_bound:
                            near, far = far, near
                            near_bound, far_bound = far_bound, near_bound
                        if far_bound <= best:
                            stack[depth], bound[depth] = far, far_bound
                            depth += 1
                        if near_bound <= best:
                            stack[depth], bound[depth] = near, near_bound
                            depth += 1
                        continue
                    for p in range(first[box], last[box]):
                        if used[unit_at[p]] == trial or abs(score - score_at[p]) > caliper:
                            continue
                        distance = 0.0
                        for j in range(n_coordinates):
                            gap = space_treated[t, j] - space_at[p, j]
                            distance += gap * gap
                        if distance > best:
                            continue
                        if not _admissible(
                            t, p, use_risk, risk_from, risk_until, elapsed, slack, band_at, band_treated
                        ) or not _near(t, unit_at[p], covariates_treated, covariates_control, widths):
                            continue
                        mine = False
                        for earlier in range(round_number):
                            mine = mine or taken[t, earlier] == p
                        if mine:
                            continue
                        steps = rank_at[p] - rank_treated[t]
                        if (
                            distance < best
                            or abs(steps) > abs(best_steps)
                            or (abs(steps) == abs(best_steps) and steps > best_steps)
                        ):
                            best, best_p, best_steps = distance, p, steps
                if best_p < 0:
                    continue
                taken[t, round_number] = best_p
                if not replacement:
                    used[unit_at[best_p]] = trial
                    box = leaf_at[best_p]
                    while box >= 0:
                        if stamp[box] != trial:
                            stamp[box] = trial
                            free[box] = last[box] - first[box]
                        free[box] -= 1
                        box = parent[box]
                racing[n_kept] = t
                n_kept += 1
            n_racing = n_kept
    return taken
