"""What a matching gives back: pairs, weights, who stayed alone and why; checked against its own rules on every run."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np

from pipeline.matching import kernels
from pipeline.matching.problem import Bool, Float64, Int64, MatchProblem


class UnmatchedReason(IntEnum):
    """Why a treated unit has no control; ``label`` is the code used in tables."""

    NO_CANDIDATE = kernels.NO_CANDIDATE
    CALIPER = kernels.CALIPER
    EXHAUSTED = kernels.EXHAUSTED

    @property
    def label(self) -> str:
        """Lower-case code: ``no_candidate``, ``caliper`` or ``exhausted``."""
        return self.name.lower()


class MatchVerificationError(RuntimeError):
    """A matching broke one of its own rules: the result must not be used."""


class Comparison(ABC):
    """What every method answers with: weights that make the controls stand for the treated, and who was left out.

    Pairs (`MatchResult`), strata (`strata.StrataResult`) and weighting (`entropy.WeightingResult`) hold different
    things; balance, estimation and reports need no more than this.
    """

    @property
    @abstractmethod
    def treated_weights(self) -> Float64:
        """float64[n_treated]: 1 for treated units kept, 0 for those left out."""

    @property
    @abstractmethod
    def control_weights(self) -> Float64:
        """float64[n_control]: weights that sum to the sum of ``treated_weights``; 0 for controls left out."""

    @property
    @abstractmethod
    def unmatched_reason(self) -> Int64:
        """`UnmatchedReason` of each treated unit, int64[n_treated], 0 for those kept."""

    @property
    @abstractmethod
    def method(self) -> tuple[str, ...]:
        """What was done, in the words of MatchIt's summary, and then its rules, one a line."""

    @property
    def scaled_control_weights(self) -> Float64:
        """float64[n_control]: weights on MatchIt's scale, summing to the number of distinct controls kept."""
        total = float(self.control_weights.sum())
        if total == 0:
            return self.control_weights
        scaled: Float64 = self.control_weights * (np.count_nonzero(self.control_weights) / total)
        return scaled

    def stacked_weights(self, treated: Bool) -> Float64:
        """Weights in the order of the full sample, for `balance.balance_table`.

        Args:
            treated: bool[n], True where a row of the full sample is a treated unit; treated and control rows come in
                the order of the arrays that were compared.

        Returns:
            float64[n].

        Raises:
            ValueError: When the counts of the two arms are not those of the comparison.
        """
        own, theirs = self.treated_weights, self.control_weights
        if (int(treated.sum()), int((~treated).sum())) != (len(own), len(theirs)):
            raise ValueError("treated does not have the number of treated and control units that were matched.")
        out = np.empty(len(treated))
        out[treated] = own
        out[~treated] = theirs
        return out

    @property
    def effective_sample_size(self) -> float:
        """Kish's effective number of controls: (sum of weights)² / sum of squared weights; 0 when nobody is kept."""
        return effective_sample_size(self.control_weights)

    @property
    def share_matched(self) -> float:
        """Share of the treated units kept."""
        kept = self.treated_weights > 0
        return float(kept.mean()) if len(kept) else 0.0

    def unmatched_counts(self) -> dict[str, int]:
        """Number of treated units left out by reason code."""
        return {reason.label: int((self.unmatched_reason == reason).sum()) for reason in UnmatchedReason}

    def summary(self) -> str:
        """The comparison in the words of MatchIt's summary: what was asked, sample sizes, who was left out and why."""
        title, *rules = self.method
        own, theirs = self.treated_weights > 0, self.control_weights > 0
        rows = [
            ("All", len(theirs), len(own)),
            ("Matched (ESS)", self.effective_sample_size, int(own.sum())),
            ("Matched", int(theirs.sum()), int(own.sum())),
            ("Unmatched", int((~theirs).sum()), int((~own).sum())),
        ]
        lines = [title, *(f" - {rule}" for rule in rules), "", "Sample Sizes:"]
        lines.append(f"{'':<16}{'Control':>12}{'Treated':>12}")
        for name, control, treated in rows:
            shown = f"{control:,.2f}" if isinstance(control, float) else f"{control:,}"
            lines.append(f"{name:<16}{shown:>12}{treated:>12,}")
        lines += ["", "Treated units left unmatched:"]
        lines += [f"  {code:<14}{count:>12,}" for code, count in self.unmatched_counts().items()]
        return "\n".join(lines)


class GroupedComparison(Comparison):
    """A comparison in which controls belong to treated units, in sets or strata: part of the treated has its own."""

    @abstractmethod
    def control_weights_of(self, treated: Bool) -> Float64:
        """Control weights that stand for some treated units only (one département, one subgroup).

        Args:
            treated: bool[n_treated], the treated units whose sets or strata count.

        Returns:
            float64[n_control].
        """

    @cached_property
    def control_weights(self) -> Float64:
        """float64[n_control]: those of all treated units; they sum to the number kept."""
        return self.control_weights_of(np.ones(len(self.treated_weights), dtype=np.bool_))


@dataclass(frozen=True, eq=False)
class Pairs:
    """One row per matched pair, ordered by set and round; all int64[n_pairs].

    Attributes:
        treated: Index of the treated unit.
        control: Index of the control.
        set_id: Matched set, 0, 1, ... in matching order: one treated unit and its controls.
        round: 1 for a first control, 2 for a second, ...
    """

    treated: Int64
    control: Int64
    set_id: Int64
    round: Int64

    def __len__(self) -> int:
        return len(self.treated)


class MatchedPairs(GroupedComparison):
    """A comparison in matched sets: `MatchResult`, and several of them read as one (`JoinedResult`).

    Attributes:
        pairs: The matched pairs.
        level: Relaxation level at which each treated unit was searched, int64[n_treated].
        reason: `UnmatchedReason` of each treated unit, int64[n_treated], 0 for the matched.
    """

    pairs: Pairs
    level: Int64
    reason: Int64

    @property
    def n_treated(self) -> int:
        """Treated units offered."""
        return len(self.reason)

    @property
    @abstractmethod
    def n_control(self) -> int:
        """Controls offered."""

    @cached_property
    def matched(self) -> Bool:
        """bool[n_treated]: which treated units have at least one control."""
        out = np.zeros(self.n_treated, dtype=np.bool_)
        out[self.pairs.treated] = True
        return out

    @cached_property
    def pair_weights(self) -> Float64:
        """float64[n_pairs]: 1/k for each of the k controls of a set (k counts the controls found, not those wanted)."""
        set_size = np.bincount(self.pairs.set_id)
        return 1.0 / set_size[self.pairs.set_id]

    @property
    def treated_weights(self) -> Float64:
        """float64[n_treated]: 1 for the matched, 0 for the others."""
        return self.matched.astype(np.float64)

    def control_weights_of(self, treated: Bool) -> Float64:
        """1/k in each set, summed over the sets a control serves in; `scaled_control_weights` gives MatchIt's scale."""
        kept = treated[self.pairs.treated]
        # Summed size by size, 1/k last: whole counts add up exactly, so pair order cannot touch the last bit.
        set_size = np.bincount(self.pairs.set_id)[self.pairs.set_id]
        out = np.zeros(self.n_control)
        for size in np.unique(set_size[kept]):
            served = self.pairs.control[kept & (set_size == size)]
            out += np.bincount(served, minlength=self.n_control) / size
        return out

    @property
    def unmatched_reason(self) -> Int64:
        """The reasons."""
        return self.reason


@dataclass(frozen=True, eq=False)
class MatchResult(MatchedPairs):
    """The outcome of a matching.

    Attributes:
        problem: What was asked.
        pairs: The matched pairs.
        level: Relaxation level at which each treated unit was searched, int64[n_treated].
        reason: `UnmatchedReason` of each treated unit, int64[n_treated], 0 for the matched.

    Raises:
        MatchVerificationError: At construction, when the pairs break a rule of the problem.
    """

    problem: MatchProblem
    pairs: Pairs
    level: Int64
    reason: Int64

    def __post_init__(self) -> None:
        self.verify()

    @property
    def n_control(self) -> int:
        """Controls offered."""
        return self.problem.n_control

    @property
    def method(self) -> tuple[str, ...]:
        """Ratio, replacement, distance, calipers, strata, risk set and trials."""
        problem = self.problem
        rules = (
            f"{problem.ratio}:1 nearest neighbour matching {'with' if problem.replacement else 'without'} replacement",
            "distance: score" if problem.space_treated is None else "distance: Mahalanobis",
            "caliper: none" if problem.caliper is None else f"caliper: {problem.caliper:.6g} score units",
            *(f"caliper on covariate {k}: {width:.6g}" for k, width in enumerate(problem.covariate_calipers, start=1)),
            f"exact strata: {len(np.unique(problem.strata_treated[0])):,} with treated units",
            "risk set: control still on leave at the treated unit's elapsed day" if problem.elapsed is not None else "",
            f"trials: {len(np.unique(problem.trial_treated)):,}",
        )
        return tuple(rule for rule in rules if rule)

    def summary(self) -> str:
        """As for every comparison, and at which level the treated units were searched."""
        lines = [super().summary()]
        if len(self.problem.strata_treated) > 1:
            lines += ["", "Relaxation level of the treated units:"]
            counts = np.bincount(self.level, minlength=len(self.problem.strata_treated))
            lines += [f"  level {level:<8}{count:>12,}" for level, count in enumerate(counts)]
        return "\n".join(lines)

    def verify(self) -> None:
        """Check every pair against the problem; written apart from the matching loops, so that it can catch them.

        Raises:
            MatchVerificationError: Naming the first broken rule and how many pairs break it.
        """
        problem, pairs, n = self.problem, self.pairs, len(self.pairs)
        for name, array in (("control", pairs.control), ("set_id", pairs.set_id), ("round", pairs.round)):
            require(len(array) == n, f"pairs.{name} does not have one value per pair")
        for name, array in (("level", self.level), ("reason", self.reason)):
            require(len(array) == problem.n_treated, f"{name} does not have one value per treated unit")
        refuse((pairs.treated < 0) | (pairs.treated >= problem.n_treated), "name no treated unit")
        refuse((pairs.control < 0) | (pairs.control >= problem.n_control), "name no control")
        refuse(
            (self.level < 0) | (self.level >= len(problem.strata_treated)), "have no relaxation level", "treated units"
        )
        if problem.caliper is not None:
            gap = np.abs(problem.distance_treated[pairs.treated] - problem.distance_control[pairs.control])
            refuse(gap > problem.caliper, "are farther apart than the caliper")
        if problem.covariates_treated is not None and problem.covariates_control is not None:
            gaps = np.abs(problem.covariates_treated[pairs.treated] - problem.covariates_control[pairs.control])
            too_far: Bool = np.any(gaps > np.array(problem.covariate_calipers), axis=1)
            refuse(too_far, "are farther apart than the caliper on a covariate")
        level = self.level[pairs.treated]
        for number, (own, theirs) in enumerate(zip(problem.strata_treated, problem.strata_control, strict=True)):
            here = level == number
            treated, control = pairs.treated[here], pairs.control[here]
            refuse(own[treated] != theirs[control], f"differ on the exact stratum of level {number}")
            slack = problem.band_slack[number]
            if slack is not None and problem.band_treated is not None and problem.band_control is not None:
                apart = np.abs(problem.band_treated[treated] - problem.band_control[control])
                refuse(apart > slack, f"are too many bands apart for level {number}")
        if problem.elapsed is not None and problem.risk_from is not None and problem.risk_until is not None:
            day = problem.elapsed[pairs.treated]
            outside = (day < problem.risk_from[pairs.control]) | (day > problem.risk_until[pairs.control])
            refuse(outside, "use a control outside the treated unit's risk set")
        trial = problem.trial_treated[pairs.treated]
        if problem.replacement:
            refuse(_repeated(pairs.treated, pairs.control), "give a treated unit the same control twice")
        else:
            refuse(_repeated(trial, pairs.control), "use a control twice in one trial")
        size = np.bincount(pairs.treated, minlength=problem.n_treated)
        refuse(size > problem.ratio, "have more controls than asked for", "treated units")
        refuse((size == 0) != (self.reason != 0), "are both matched and unmatched, or neither", "treated units")
        refuse(_repeated(pairs.treated, pairs.round), "repeat a round of the same treated unit")
        refuse((pairs.round < 1) | (pairs.round > size[pairs.treated]), "skip a round")
        n_sets = int(np.count_nonzero(size))
        order = np.lexsort((pairs.set_id, pairs.treated))
        same_treated = pairs.treated[order][1:] == pairs.treated[order][:-1]
        same_set = pairs.set_id[order][1:] == pairs.set_id[order][:-1]
        refuse(same_treated != same_set, "are not in one set per treated unit")
        if n:
            require(set(np.unique(pairs.set_id)) == set(range(n_sets)), "set ids are not 0, 1, ... without a gap")
        total = float(self.control_weights.sum())
        require(abs(total - n_sets) <= 1e-9 * max(n_sets, 1), "control weights do not sum to the matched treated units")


@dataclass(frozen=True, eq=False)
class Part:
    """A matching of some of the treated units against some of the controls.

    Attributes:
        result: The matching.
        treated: Position of its treated units among all treated units, int64.
        control: Position of its controls among all controls, int64.
    """

    result: MatchResult
    treated: Int64
    control: Int64


@dataclass(frozen=True, eq=False)
class JoinedResult(MatchedPairs):
    """Matchings done apart, each on a score of its own, read as one: set after set, part after part.

    Without replacement a control serves once in each trial *of a part*.

    Attributes:
        parts: The matchings; each has verified itself.
        n_offered: Controls offered, whether or not a part could use them.
        pairs: All pairs, positions among all treated units and all controls.
        level: As in `MatchResult`.
        reason: As in `MatchResult`.
    """

    parts: tuple[Part, ...]
    n_offered: int
    pairs: Pairs
    level: Int64
    reason: Int64

    @classmethod
    def of(cls, parts: Sequence[Part], n_treated: int, n_control: int) -> "JoinedResult":
        """Join parts.

        Args:
            parts: Matchings of disjoint treated units that together are all of them.
            n_treated: Treated units in all.
            n_control: Controls in all.

        Raises:
            MatchVerificationError: A treated unit is in no part or in several, or a part's shapes disagree.
        """
        level, reason, times = (np.zeros(n_treated, dtype=np.int64) for _ in range(3))
        columns: list[tuple[Int64, Int64, Int64, Int64]] = []
        n_sets = 0
        for part in parts:
            found = part.result
            require(len(part.treated) == found.n_treated, "a part does not say where its treated units stand")
            require(len(part.control) == found.n_control, "a part does not say where its controls stand")
            np.add.at(times, part.treated, 1)
            level[part.treated], reason[part.treated] = found.level, found.reason
            pairs = found.pairs
            columns.append(
                (part.treated[pairs.treated], part.control[pairs.control], pairs.set_id + n_sets, pairs.round)
            )
            n_sets += int(found.matched.sum())
        refuse(times != 1, "are in no part, or in several", "treated units")
        empty = (np.empty(0, dtype=np.int64),) * 4
        joined = tuple(np.concatenate(arrays) for arrays in zip(empty, *columns, strict=True))
        return cls(tuple(parts), n_control, Pairs(*joined), level, reason)

    @property
    def n_control(self) -> int:
        """Controls offered."""
        return self.n_offered

    @property
    def method(self) -> tuple[str, ...]:
        """How many matchings, and what the first of them was asked: all were asked the same, but for their score."""
        title, *rules = self.parts[0].result.method if self.parts else ("no matching",)
        return title, f"{len(self.parts)} matchings done apart, the rules that follow being those of the first", *rules


def effective_sample_size(weights: Float64) -> float:
    """Kish's effective sample size, (Σw)² / Σw² (Kish 1965, Survey Sampling); 0 when every weight is 0."""
    ordered = np.sort(weights[weights != 0])
    return float(ordered.sum() ** 2 / (ordered**2).sum()) if len(ordered) else 0.0


def _repeated(first: Int64, second: Int64) -> Bool:
    """For each row, in sorted order, whether (first, second) occurred before."""
    order = np.lexsort((second, first))
    a, b = first[order], second[order]
    return np.concatenate([np.zeros(min(len(a), 1), dtype=np.bool_), (a[1:] == a[:-1]) & (b[1:] == b[:-1])])


def refuse(broken: Bool, what: str, who: str = "pairs") -> None:
    """Raise `MatchVerificationError` when anything is broken, with how many and what."""
    count = int(np.count_nonzero(broken))
    require(count == 0, f"{count} {who} {what}")


def require(holds: bool, what: str) -> None:
    """Raise `MatchVerificationError` unless the rule holds."""
    if not holds:
        raise MatchVerificationError(f"the matching broke its own rules: {what}.")
