"""Nearest-neighbour matching on a score, within exact strata, calipers and risk sets, as MatchIt 4.7.2 orders it.

Treated units are served in order of the largest score, ties by key, in rounds: everyone gets a first control before
anyone a second. The risk-set constraint and the trials are additions: a control is admissible only while it is still on
leave at the treated unit's elapsed day, and without replacement it serves once in each trial.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.matching import kernels
from pipeline.matching.boxes import plant
from pipeline.matching.problem import (
    Float64,
    Int32,
    Int64,
    MatchProblem,
    UInt64,
    as_days,
    as_float64,
    as_int64,
    as_keys,
    as_levels,
)
from pipeline.matching.result import MatchResult, Pairs


def nearest_neighbour(
    distance_treated: npt.ArrayLike,
    distance_control: npt.ArrayLike,
    *,
    stratum_treated: npt.ArrayLike | None = None,
    stratum_control: npt.ArrayLike | None = None,
    caliper: float | None = None,
    ratio: int = 1,
    replacement: bool = False,
    tie_treated: npt.ArrayLike,
    tie_control: npt.ArrayLike,
    risk_from: npt.ArrayLike | None = None,
    risk_until: npt.ArrayLike | None = None,
    elapsed: npt.ArrayLike | None = None,
    trial_treated: npt.ArrayLike | None = None,
    space_treated: npt.ArrayLike | None = None,
    space_control: npt.ArrayLike | None = None,
    covariates_treated: npt.ArrayLike | None = None,
    covariates_control: npt.ArrayLike | None = None,
    covariate_calipers: Sequence[float] = (),
) -> MatchResult:
    """Match each treated unit to its nearest controls within its exact stratum.

    Args:
        distance_treated: Scores, float64[n_treated].
        distance_control: Scores on the same scale, float64[n_control].
        stratum_treated: Exact stratum ids, int64[n_treated]; None on both sides for one stratum.
        stratum_control: The same for controls, int64[n_control].
        caliper: Largest |score difference|, inclusive, in score units; None for none (see `problem.caliper_width`).
        ratio: Controls wanted per treated unit.
        replacement: Whether a control may serve several treated units of one trial.
        tie_treated: uint64[n_treated] keys that break ties (hashed ids; row numbers to repeat MatchIt).
        tie_control: uint64[n_control] keys from the same space.
        risk_from: First elapsed day each control is at risk, int32[n_control], with the next two or not at all.
        risk_until: Last elapsed day each control is at risk, inclusive.
        elapsed: Elapsed day of each treated unit at its time zero, int32[n_treated].
        trial_treated: Trial ids, int64[n_treated]; None for one trial.
        space_treated: Coordinates in which the nearest control is sought, float64[n_treated, d], instead of on the
            score: those of `mahalanobis.mahalanobis_space` give Mahalanobis matching within the caliper on the score
            (MatchIt's ``mahvars``). With equal scores everywhere (zeros), keys alone order the treated units: plain
            Mahalanobis matching (MatchIt's ``distance = "mahalanobis"`` with row numbers as keys).
        space_control: The same for the controls, float64[n_control, d].
        covariates_treated: Covariates with a caliper of their own, float64[n_treated, k].
        covariates_control: The same for the controls, float64[n_control, k].
        covariate_calipers: Their k calipers, inclusive, in the covariates' units (MatchIt's ``caliper = c(age = .2)``
            is ``caliper_width(age, 0.2)``).

    Returns:
        The verified result.

    Raises:
        ValueError: On malformed input, or when two units share score, stratum and key, so that row order would decide.
    """
    strata_treated = (
        np.zeros(np.shape(distance_treated), dtype=np.int64) if stratum_treated is None else stratum_treated
    )
    strata_control = (
        np.zeros(np.shape(distance_control), dtype=np.int64) if stratum_control is None else stratum_control
    )
    if (stratum_treated is None) != (stratum_control is None):
        raise ValueError("exact strata are needed on both sides, or on neither.")
    return match_with_relaxation(
        distance_treated,
        distance_control,
        strata_treated=[strata_treated],
        strata_control=[strata_control],
        caliper=caliper,
        ratio=ratio,
        replacement=replacement,
        tie_treated=tie_treated,
        tie_control=tie_control,
        risk_from=risk_from,
        risk_until=risk_until,
        elapsed=elapsed,
        trial_treated=trial_treated,
        space_treated=space_treated,
        space_control=space_control,
        covariates_treated=covariates_treated,
        covariates_control=covariates_control,
        covariate_calipers=covariate_calipers,
    )


def match_with_relaxation(
    distance_treated: npt.ArrayLike,
    distance_control: npt.ArrayLike,
    *,
    strata_treated: Sequence[npt.ArrayLike],
    strata_control: Sequence[npt.ArrayLike],
    minimum_candidates: int = 3,
    caliper: float | None = None,
    ratio: int = 1,
    replacement: bool = False,
    tie_treated: npt.ArrayLike,
    tie_control: npt.ArrayLike,
    risk_from: npt.ArrayLike | None = None,
    risk_until: npt.ArrayLike | None = None,
    elapsed: npt.ArrayLike | None = None,
    trial_treated: npt.ArrayLike | None = None,
    band_treated: npt.ArrayLike | None = None,
    band_control: npt.ArrayLike | None = None,
    band_slack: Sequence[int | None] | None = None,
    space_treated: npt.ArrayLike | None = None,
    space_control: npt.ArrayLike | None = None,
    covariates_treated: npt.ArrayLike | None = None,
    covariates_control: npt.ArrayLike | None = None,
    covariate_calipers: Sequence[float] = (),
) -> MatchResult:
    """Match like `nearest_neighbour`, with exact strata that give way, level by level, where candidates are too few.

    A treated unit with fewer than ``minimum_candidates`` controls it could be given (stratum, band, risk set and
    caliper; whether or not others take them) at one level is searched at the next; at the last level it takes what
    there is. All levels share one pool: without replacement a control serves once in a trial, whatever the level.

    Args:
        distance_treated: See `nearest_neighbour`.
        distance_control: See `nearest_neighbour`.
        strata_treated: One int64[n_treated] array per level, the full rule first.
        strata_control: One int64[n_control] array per level.
        minimum_candidates: Candidates below which a unit moves on to the next level.
        caliper: See `nearest_neighbour`.
        ratio: See `nearest_neighbour`.
        replacement: See `nearest_neighbour`.
        tie_treated: See `nearest_neighbour`.
        tie_control: See `nearest_neighbour`.
        risk_from: See `nearest_neighbour`.
        risk_until: See `nearest_neighbour`.
        elapsed: See `nearest_neighbour`.
        trial_treated: See `nearest_neighbour`.
        band_treated: Ordered band of each treated unit (age band), int64[n_treated].
        band_control: Ordered band of each control, int64[n_control].
        band_slack: Per level, the allowed |band difference|; None where bands are not compared (put the band into the
            stratum id at levels where it must be equal: it is faster than a slack of 0).
        space_treated: See `nearest_neighbour`.
        space_control: See `nearest_neighbour`.
        covariates_treated: See `nearest_neighbour`.
        covariates_control: See `nearest_neighbour`.
        covariate_calipers: See `nearest_neighbour`.

    Returns:
        The verified result; ``level`` logs the level of each treated unit.

    Raises:
        ValueError: See `nearest_neighbour`.
    """
    levels = as_levels(strata_treated)
    problem = MatchProblem(
        distance_treated=as_float64(distance_treated),
        distance_control=as_float64(distance_control),
        strata_treated=levels,
        strata_control=as_levels(strata_control),
        key_treated=as_keys(tie_treated),
        key_control=as_keys(tie_control),
        caliper=None if caliper is None else float(caliper),
        ratio=ratio,
        replacement=replacement,
        trial_treated=np.zeros(np.shape(distance_treated), dtype=np.int64)
        if trial_treated is None
        else as_int64(trial_treated),
        risk_from=None if risk_from is None else as_days(risk_from),
        risk_until=None if risk_until is None else as_days(risk_until),
        elapsed=None if elapsed is None else as_days(elapsed),
        band_treated=None if band_treated is None else as_int64(band_treated),
        band_control=None if band_control is None else as_int64(band_control),
        band_slack=(None,) * len(levels) if band_slack is None else tuple(band_slack),
        space_treated=None if space_treated is None else as_float64(space_treated),
        space_control=None if space_control is None else as_float64(space_control),
        covariates_treated=None if covariates_treated is None else as_float64(covariates_treated),
        covariates_control=None if covariates_control is None else as_float64(covariates_control),
        covariate_calipers=tuple(float(width) for width in covariate_calipers),
    )
    return _solve(problem, minimum_candidates)


@dataclass(frozen=True, eq=False)
class _Field:
    """The controls laid out for search, and where each of some treated units stands in them.

    ``unit_at`` gives the control at each position; the three other arrays belong to the treated units searched here.
    """

    unit_at: Int64
    begin: Int64
    end: Int64
    insertion: Int64


@dataclass(frozen=True, eq=False)
class _Admission:
    """Risk set, bands and covariate calipers of a field, as the kernels read them (empty where none binds)."""

    use_risk: bool
    risk_from: Int32
    risk_until: Int32
    elapsed: Int32
    slack: Int64
    band_at: Int64
    band_treated: Int64
    covariates_treated: Float64
    covariates_control: Float64
    widths: Float64

    def arguments(
        self,
    ) -> tuple[bool, Int32, Int32, Int32, Int64, Int64, Int64, Float64, Float64, Float64]:
        """The kernels' trailing arguments, in their order."""
        return (
            self.use_risk,
            self.risk_from,
            self.risk_until,
            self.elapsed,
            self.slack,
            self.band_at,
            self.band_treated,
            self.covariates_treated,
            self.covariates_control,
            self.widths,
        )


def _solve(problem: MatchProblem, minimum_candidates: int) -> MatchResult:
    queue, trial_start = _queue(problem)
    search = _on_a_line(problem)
    score_order = np.argsort(search.distance_control)
    kernels.sort_ties_by_key(score_order, search.distance_control, search.key_control)
    level, field = _choose_levels(search, score_order, minimum_candidates)
    admission = _admission(search, field, np.arange(search.n_treated), level)
    caliper = np.inf if search.caliper is None else search.caliper
    space = search.space_treated, search.space_control
    if space[0] is None or space[1] is None:
        taken = _match_on_score(search, score_order, field, admission, caliper, queue, trial_start)
        unit_at = field.unit_at
    else:
        taken, unit_at = _match_in_space(search, space[0], space[1], field, level, caliper, queue, trial_start)
    reason = kernels.reasons_unmatched(
        taken[:, 0] >= 0,
        caliper,
        search.distance_treated,
        field.begin,
        field.end,
        field.insertion,
        field.unit_at,
        search.distance_control[field.unit_at],
        *admission.arguments(),
    )
    return MatchResult(problem, _pairs(taken, queue, unit_at), level, reason)


def _on_a_line(problem: MatchProblem) -> MatchProblem:
    """The same question with the only coordinate of its space as the score, where scores say nothing themselves.

    Nearest in one coordinate is nearest on a score; MatchIt breaks ties accordingly. Who is served first is not asked
    here: it stays with the scores as they were.
    """
    space, theirs = problem.space_treated, problem.space_control
    score = problem.distance_treated
    flat = problem.caliper is None and (not len(score) or bool((score == score[0]).all()))
    if space is None or theirs is None or space.shape[1] > 1 or not flat:
        return problem
    return replace(
        problem, distance_treated=space[:, 0], distance_control=theirs[:, 0], space_treated=None, space_control=None
    )


def _match_on_score(
    problem: MatchProblem,
    score_order: Int64,
    field: _Field,
    admission: _Admission,
    caliper: float,
    queue: Int64,
    trial_start: Int64,
) -> Int64:
    everyone = np.zeros(problem.n_treated, dtype=np.int64), np.full(problem.n_treated, problem.n_control)
    rank_treated, rank_control = _ranks(
        problem.distance_treated,
        problem.key_treated,
        *everyone,
        score_order,
        problem.distance_control,
        problem.key_control,
    )
    return kernels.match_greedily(
        problem.ratio,
        problem.replacement,
        caliper,
        queue,
        trial_start,
        problem.distance_treated,
        field.begin,
        field.end,
        field.insertion,
        rank_treated,
        rank_control,
        field.unit_at,
        problem.distance_control[field.unit_at],
        *admission.arguments(),
    )


def _match_in_space(
    problem: MatchProblem,
    space: Float64,
    theirs: Float64,
    field: _Field,
    level: Int64,
    caliper: float,
    queue: Int64,
    trial_start: Int64,
) -> tuple[Int64, Int64]:
    """The positions taken and the control at each position, which follow the boxes and not the scores."""
    segments, segment = np.unique(np.stack([field.begin, field.end], axis=1), axis=0, return_inverse=True)
    begin, end = segments[:, 0], segments[:, 1]
    score_at = problem.distance_control[field.unit_at] if np.isfinite(caliper) else None
    boxes = plant(theirs[field.unit_at], score_at, begin, end)
    unit_at = field.unit_at[boxes.order]
    first_at, key_at = np.ascontiguousarray(theirs[unit_at, 0]), problem.key_control[unit_at]
    in_order = np.argsort(first_at)
    kernels.sort_ties_by_key(in_order, first_at, key_at)
    # A position outside every segment belongs to treated units that were searched at another level.
    segment_at = np.full(len(unit_at), -1, dtype=np.int64)
    for number in np.flatnonzero(end > begin):
        segment_at[begin[number] : end[number]] = number
    positions, start = kernels.split_by_segment(in_order, segment_at, len(begin))
    if kernels.first_duplicate(positions, start, first_at, key_at) >= 0:
        raise ValueError("two controls share coordinates, stratum and tie key: row order would decide between them.")
    rank_treated, rank_at = _ranks(
        np.ascontiguousarray(space[:, 0]),
        problem.key_treated,
        start[segment],
        start[segment + 1],
        positions,
        first_at,
        key_at,
    )
    placed = _Field(unit_at, field.begin, field.end, field.insertion)
    taken = kernels.match_in_space(
        problem.ratio,
        problem.replacement,
        caliper,
        queue,
        trial_start,
        problem.distance_treated,
        space,
        boxes.root[segment],
        rank_treated,
        rank_at,
        unit_at,
        problem.distance_control[unit_at],
        theirs[unit_at],
        boxes.first,
        boxes.last,
        boxes.left,
        boxes.parent,
        boxes.leaf_at,
        boxes.low,
        boxes.high,
        problem.n_control,
        *_admission(problem, placed, np.arange(problem.n_treated), level).arguments(),
    )
    return taken, unit_at


def _choose_levels(problem: MatchProblem, score_order: Int64, minimum_candidates: int) -> tuple[Int64, _Field]:
    """The first level of each treated unit with candidates enough, and one field holding the segments of all levels."""
    level = np.zeros(problem.n_treated, dtype=np.int64)
    pending = np.arange(problem.n_treated)
    n_levels = len(problem.strata_treated)
    blocks: list[Int64] = []
    begin, end, insertion = (np.zeros(problem.n_treated, dtype=np.int64) for _ in range(3))
    n_positions = 0
    for number in range(n_levels):
        field = _lay_out(problem, score_order, number, pending)
        level[pending] = number
        if number == n_levels - 1:
            enough = np.ones(len(pending), dtype=np.bool_)
        else:
            admission = _admission(problem, field, pending, level[pending])
            found = kernels.count_candidates(
                minimum_candidates,
                np.inf if problem.caliper is None else problem.caliper,
                problem.distance_treated[pending],
                field.begin,
                field.end,
                field.insertion,
                field.unit_at,
                problem.distance_control[field.unit_at],
                *admission.arguments(),
            )
            enough = found >= minimum_candidates
        settled = pending[enough]
        begin[settled] = field.begin[enough] + n_positions
        end[settled] = field.end[enough] + n_positions
        insertion[settled] = field.insertion[enough] + n_positions
        blocks.append(field.unit_at)
        n_positions += len(field.unit_at)
        pending = pending[~enough]
        if not len(pending):
            break
    unit_at = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    return level, _Field(unit_at, begin, end, insertion)


def _lay_out(problem: MatchProblem, score_order: Int64, level: int, treated: Int64) -> _Field:
    """Controls of the strata where some treated units are, stratum after stratum, by score and key."""
    own, theirs = problem.strata_treated[level][treated], problem.strata_control[level]
    strata, segment_treated = np.unique(own, return_inverse=True)
    if len(strata):
        nearest = np.minimum(np.searchsorted(strata, theirs), len(strata) - 1)
        segment = np.where(strata[nearest] == theirs, nearest, -1)
    else:
        segment = np.full(problem.n_control, -1, dtype=np.int64)
    unit_at, start = kernels.split_by_segment(score_order, segment, len(strata))
    if kernels.first_duplicate(unit_at, start, problem.distance_control, problem.key_control) >= 0:
        raise ValueError("two controls share score, stratum and tie key: row order would decide between them.")
    begin, end = start[segment_treated], start[segment_treated + 1]
    insertion = kernels.insertion_points(
        problem.distance_treated[treated],
        problem.key_treated[treated],
        begin,
        end,
        unit_at,
        problem.distance_control,
        problem.key_control,
    )
    return _Field(unit_at, begin, end, insertion)


def _admission(problem: MatchProblem, field: _Field, treated: Int64, level: Int64) -> _Admission:
    no_day = np.empty(0, dtype=np.int32)
    no_band = np.empty(0, dtype=np.int64)
    no_covariate = np.empty((0, 0), dtype=np.float64)
    slack_of_level = np.array([-1 if slack is None else slack for slack in problem.band_slack], dtype=np.int64)
    slack = slack_of_level[level]
    use_band = problem.band_treated is not None and bool((slack >= 0).any())
    return _Admission(
        use_risk=problem.elapsed is not None,
        risk_from=no_day if problem.risk_from is None else problem.risk_from[field.unit_at],
        risk_until=no_day if problem.risk_until is None else problem.risk_until[field.unit_at],
        elapsed=no_day if problem.elapsed is None else problem.elapsed[treated],
        slack=slack,
        band_at=problem.band_control[field.unit_at] if use_band and problem.band_control is not None else no_band,
        band_treated=problem.band_treated[treated] if use_band and problem.band_treated is not None else no_band,
        covariates_treated=no_covariate if problem.covariates_treated is None else problem.covariates_treated[treated],
        covariates_control=no_covariate if problem.covariates_control is None else problem.covariates_control,
        widths=np.array(problem.covariate_calipers, dtype=np.float64),
    )


def _queue(problem: MatchProblem) -> tuple[Int64, Int64]:
    """Treated units trial after trial, the largest score first, ties by key; and the bounds of the trials."""
    score, trial = problem.distance_treated, problem.trial_treated
    queue = np.lexsort((problem.key_treated, -score, trial))
    ordered = trial[queue]
    same = ordered[1:] == ordered[:-1]
    twin = same & (score[queue][1:] == score[queue][:-1])
    if (twin & (problem.key_treated[queue][1:] == problem.key_treated[queue][:-1])).any():
        raise ValueError("two treated units of a trial share score and tie key: row order would decide between them.")
    bounds = np.concatenate([[0], np.flatnonzero(~same) + 1, [len(queue)]]) if len(queue) else np.zeros(1)
    return queue, bounds.astype(np.int64)


def _ranks(
    value_treated: Float64,
    key_treated: UInt64,
    begin: Int64,
    end: Int64,
    in_order: Int64,
    value_control: Float64,
    key_control: UInt64,
) -> tuple[Int64, Int64]:
    """Ranks of treated units and controls together by (value, key), segment after segment.

    Args:
        value_treated: float64[n_treated].
        key_treated: uint64[n_treated].
        begin: First place, in ``in_order``, of each treated unit's segment.
        end: One past its last place.
        in_order: Controls by (segment, value, key), int64.
        value_control: By control.
        key_control: By control.

    Returns:
        Ranks by treated unit, and by control (0 for a control in no segment).
    """
    order = np.lexsort((key_treated, value_treated, end, begin))
    before = kernels.insertion_points(
        value_treated[order], key_treated[order], begin[order], end[order], in_order, value_control, key_control
    )
    rank_treated = np.empty(len(value_treated), dtype=np.int64)
    rank_control = np.zeros(len(value_control), dtype=np.int64)
    rank_treated[order] = before + np.arange(len(order))
    place = np.arange(len(in_order))
    rank_control[in_order] = place + np.searchsorted(before, place, side="right")
    return rank_treated, rank_control


def _pairs(taken: Int64, queue: Int64, unit_at: Int64) -> Pairs:
    """Pairs ordered by set (matching order of the treated units) and round."""
    in_order = taken[queue]
    row, column = np.nonzero(in_order >= 0)
    set_of_row = np.cumsum(in_order[:, 0] >= 0) - 1
    return Pairs(
        treated=queue[row],
        control=unit_at[in_order[row, column]],
        set_id=set_of_row[row],
        round=column + 1,
    )
