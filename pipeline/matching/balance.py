"""Are the arms alike? Standardised differences, variance ratios and distribution distances, before and after.

Formulas are those of MatchIt 4.7.2 (`summary.matchit`) for the effect on the treated: differences are divided by the SD
of the treated in the *original* sample, so that dropping units cannot make a difference look smaller. Sums run over
sorted values: row order never changes a bit.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeVar

import numpy as np

from pipeline.matching.problem import Bool, Float64, Int64
from pipeline.matching.result import GroupedComparison, effective_sample_size

Group = TypeVar("Group", bound=Hashable)


@dataclass(frozen=True)
class CovariateBalance:
    """The balance of one covariate.

    Attributes:
        covariate: Its name.
        binary: Whether it takes two values (variance ratios are then empty: the mean says it all).
        mean_treated_before: Mean of the treated, original sample; likewise the three others.
        mean_control_before: Mean of the controls, original sample.
        mean_treated_after: Weighted mean of the matched treated.
        mean_control_after: Weighted mean of the matched controls.
        smd_before: Standardised mean difference, treated minus control.
        smd_after: The same with the weights, same denominator.
        variance_ratio_before: Variance of the treated over that of the controls; NaN for binary covariates.
        variance_ratio_after: The same with the weights.
        ks_before: Largest distance between the two empirical distribution functions (Kolmogorov–Smirnov).
        ks_after: The same with the weights.
        spread: SD within the arms of the whole matched sample, in units of the SMD denominator. The gate needs it and
            the kurtosis, to know how far chance alone can go.
        kurtosis: Fourth standardised moment within the arms of the whole matched sample; NaN where nothing varies.
        share: Share holding the larger value in the whole matched sample, both arms counting by effective size; NaN for
            covariates that are not binary.
        smd_of_share: SMD that a difference of 1 between the shares of the arms would be; NaN likewise.
    """

    covariate: str
    binary: bool
    mean_treated_before: float
    mean_control_before: float
    mean_treated_after: float
    mean_control_after: float
    smd_before: float
    smd_after: float
    variance_ratio_before: float
    variance_ratio_after: float
    ks_before: float
    ks_after: float
    spread: float
    kurtosis: float
    share: float
    smd_of_share: float


@dataclass(frozen=True)
class BalanceTable:
    """The balance of one sample (everyone, or the treated of one département with their controls).

    Attributes:
        rows: One per covariate.
        n_treated: Treated units in the sample.
        n_treated_matched: Those with a positive weight.
        ess_treated: Effective number of treated units after weighting.
        ess_control: Effective number of controls after weighting.
        freedom: Degrees of freedom of ``spread``: effective units of the whole matched sample, less two means.
    """

    rows: tuple[CovariateBalance, ...]
    n_treated: int
    n_treated_matched: int
    ess_treated: float
    ess_control: float
    freedom: float

    @property
    def share_matched(self) -> float:
        """Share of the treated units kept."""
        return self.n_treated_matched / self.n_treated if self.n_treated else 0.0

    def summary(self) -> str:
        """One line per covariate, in the columns of MatchIt's summary."""
        width = max([9, *(len(row.covariate) for row in self.rows)])
        head = f"{'':<{width}}{'SMD before':>12}{'SMD after':>12}{'Var. ratio':>12}{'KS after':>12}"
        lines = [
            f"{row.covariate:<{width}}{row.smd_before:>12.4f}{row.smd_after:>12.4f}"
            + (f"{'.':>12}" if row.binary else f"{row.variance_ratio_after:>12.4f}")
            + f"{row.ks_after:>12.4f}"
            for row in self.rows
        ]
        return "\n".join([head, *lines])


def balance_table(covariates: Float64, names: Sequence[str], treated: Bool, weights: Float64) -> BalanceTable:
    """Balance of every covariate before and after matching or weighting.

    Args:
        covariates: float64[n, p], no missing value.
        names: The p column names.
        treated: bool[n].
        weights: float64[n] of the comparison, 0 for units left out (`MatchResult.stacked_weights`).

    Returns:
        The table, rows in column order. Statistics "after" are NaN when an arm has no weight at all.

    Raises:
        ValueError: When shapes disagree, a value is not finite, a weight is negative, or an arm is empty.
    """
    _check(covariates, names, treated, weights)
    everyone = _Sample.of(np.ones(int(treated.sum()), dtype=np.bool_), weights[treated], weights[~treated])
    return _tables(covariates, names, treated, everyone, [everyone])[0]


def balance_by_group(
    covariates: Float64,
    names: Sequence[str],
    treated: Bool,
    result: GroupedComparison,
    groups: Mapping[Group, Bool],
) -> dict[Group, BalanceTable]:
    """Balance of the treated of each group (département, stratum) against their own matched controls.

    Differences are divided by the SD of *all* the treated, so that every group is measured with the same stick;
    "before" compares the group's treated with all controls.

    Args:
        covariates: float64[n, p], treated and control rows in the order that was matched.
        names: The p column names.
        treated: bool[n].
        result: The matching, in pairs or in strata.
        groups: Group -> its treated units, bool[n_treated]; groups may overlap and may be empty.

    Returns:
        One table per group, in their order. Statistics of an arm in which nobody is are NaN.

    Raises:
        ValueError: As `balance_table`.
    """
    weights = result.stacked_weights(treated)
    _check(covariates, names, treated, weights)
    if any(members.shape != result.treated_weights.shape for members in groups.values()):
        raise ValueError("a group must have one mark per treated unit.")
    everyone = _Sample.of(
        np.ones(len(result.treated_weights), dtype=np.bool_), result.treated_weights, result.control_weights
    )
    samples = [
        _Sample.of(members, result.treated_weights * members, result.control_weights_of(members))
        for members in groups.values()
    ]
    return dict(zip(groups, _tables(covariates, names, treated, everyone, samples), strict=True))


@dataclass(frozen=True, eq=False)
class _Sample:
    """Who is in a sample, before and after: indices within each arm by ascending weight, and their weights."""

    members: Int64
    treated: Int64
    treated_weights: Float64
    control: Int64
    control_weights: Float64

    @classmethod
    def of(cls, members: Bool, treated_weights: Float64, control_weights: Float64) -> "_Sample":
        treated, control = (
            kept[np.argsort(weights[kept], kind="stable")]
            for kept, weights in ((np.flatnonzero(w), w) for w in (treated_weights, control_weights))
        )
        return cls(np.flatnonzero(members), treated, treated_weights[treated], control, control_weights[control])


@dataclass(frozen=True, eq=False)
class _Arm:
    """Values of one covariate in one arm, ascending, with their weights; built from units by ascending weight."""

    values: Float64
    weights: Float64

    @classmethod
    def of(cls, values: Float64, weights: Float64 | None = None) -> "_Arm":
        if weights is None or not len(weights) or (weights == weights[0]).all():
            return cls(np.sort(values), np.ones(len(values)))
        # Units come by ascending weight and stay so inside equal values: an order of content, not of rows.
        order = np.argsort(values, kind="stable")
        return cls(values[order], weights[order])

    @cached_property
    def mean(self) -> float:
        """Weighted mean; NaN for an empty arm."""
        if not len(self.values):
            return float("nan")
        return float((self.values * self.weights).sum() / self.weights.sum())

    @cached_property
    def running_weight(self) -> Float64:
        """Weight of the first 0, 1, 2, ... values, float64[n + 1]."""
        return np.concatenate([[0.0], np.cumsum(self.weights)])

    def central_moment(self, power: Literal[2, 4]) -> float:
        """Weighted mean of (value − mean) to a power."""
        if not len(self.values):
            return float("nan")
        square = (self.values - self.mean) ** 2
        return float((self.weights * (square if power == 2 else square**2)).sum() / self.weights.sum())

    def variance(self, binary: bool) -> float:
        """p(1 − p) for binary covariates; otherwise unbiased, with Σw − Σw²/Σw as denominator. NaN for one value."""
        if binary or not len(self.values):
            return self.central_moment(2)
        share = self.weights / self.weights.sum()
        lost = float((share**2).sum())
        return self.central_moment(2) / (1 - lost) if lost < 1 - 1e-12 else float("nan")


def _tables(
    covariates: Float64, names: Sequence[str], treated: Bool, everyone: _Sample, samples: Sequence[_Sample]
) -> list[BalanceTable]:
    rows: list[list[CovariateBalance]] = [[] for _ in samples]
    for j, name in enumerate(names):
        own, theirs = covariates[treated, j], covariates[~treated, j]
        all_treated, all_controls = _Arm.of(own), _Arm.of(theirs)
        binary = _is_binary(all_treated, all_controls)
        denominator = _denominator(all_treated, all_controls, binary)
        arms = (
            _Arm.of(own[everyone.treated], everyone.treated_weights),
            _Arm.of(theirs[everyone.control], everyone.control_weights),
        )
        spread, kurtosis = _within_arms(*arms)
        low, high = _extremes(all_treated, all_controls)
        mean, range_ = (_pooled_mean(*arms), high - low) if binary else (float("nan"), float("nan"))
        for sample, table in zip(samples, rows, strict=True):
            before = _Arm.of(own[sample.members])
            after = _Arm.of(own[sample.treated], sample.treated_weights)
            matched = _Arm.of(theirs[sample.control], sample.control_weights)
            table.append(
                CovariateBalance(
                    covariate=name,
                    binary=binary,
                    mean_treated_before=before.mean,
                    mean_control_before=all_controls.mean,
                    mean_treated_after=after.mean,
                    mean_control_after=matched.mean,
                    smd_before=_standardised(before.mean - all_controls.mean, denominator),
                    smd_after=_standardised(after.mean - matched.mean, denominator),
                    variance_ratio_before=_variance_ratio(before, all_controls, binary),
                    variance_ratio_after=_variance_ratio(after, matched, binary),
                    ks_before=_kolmogorov_smirnov(before, all_controls),
                    ks_after=_kolmogorov_smirnov(after, matched),
                    spread=_standardised(spread, denominator),
                    kurtosis=kurtosis,
                    share=(mean - low) / range_,
                    smd_of_share=_standardised(range_, denominator),
                )
            )
    freedom = effective_sample_size(everyone.treated_weights) + effective_sample_size(everyone.control_weights) - 2
    return [
        BalanceTable(
            rows=tuple(table),
            n_treated=len(sample.members),
            n_treated_matched=len(sample.treated),
            ess_treated=effective_sample_size(sample.treated_weights),
            ess_control=effective_sample_size(sample.control_weights),
            freedom=freedom,
        )
        for sample, table in zip(samples, rows, strict=True)
    ]


def _check(covariates: Float64, names: Sequence[str], treated: Bool, weights: Float64) -> None:
    n = len(treated)
    if covariates.shape != (n, len(names)) or weights.shape != (n,):
        raise ValueError("covariates must be [n, p], with p names, n treatment marks and n weights.")
    if not treated.any() or treated.all():
        raise ValueError("balance needs treated units and controls.")
    if not np.isfinite(covariates).all():
        culprits = ", ".join(names[int(j)] for j in np.flatnonzero(~np.isfinite(covariates).all(axis=0)))
        raise ValueError(f"values are missing or infinite in {culprits}.")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError("weights must be finite and not negative.")


def _is_binary(treated: _Arm, control: _Arm) -> bool:
    low, high = _extremes(treated, control)
    return bool(low < high and all(((arm.values == low) | (arm.values == high)).all() for arm in (treated, control)))


def _extremes(treated: _Arm, control: _Arm) -> tuple[float, float]:
    return (
        float(min(treated.values[0], control.values[0])),
        float(max(treated.values[-1], control.values[-1])),
    )


def _pooled_mean(treated: _Arm, control: _Arm) -> float:
    """Mean over both arms, each counting by its effective size; NaN where an arm is empty."""
    sizes = np.array([effective_sample_size(treated.weights), effective_sample_size(control.weights)])
    return float(sizes @ np.array([treated.mean, control.mean]) / sizes.sum()) if sizes.min() > 0 else float("nan")


def _denominator(treated: _Arm, control: _Arm, binary: bool) -> float:
    """SD of the treated; where they do not vary, the root of the mean variance of both arms, as MatchIt does."""
    own, theirs = treated.variance(binary), control.variance(binary)
    own = 0.0 if np.isnan(own) else own
    theirs = 0.0 if np.isnan(theirs) else theirs
    deviation = float(np.sqrt(own))
    if deviation < np.sqrt(np.finfo(np.float64).eps):
        deviation = float(np.sqrt((own + theirs) / 2))
    return deviation


def _standardised(difference: float, denominator: float) -> float:
    if np.isnan(difference):
        return float("nan")
    if denominator == 0:
        # Nothing varies anywhere: both arms hold one and the same value, or one value each.
        return 0.0 if difference == 0 else float(np.copysign(np.inf, difference))
    return difference / denominator


def _variance_ratio(treated: _Arm, control: _Arm, binary: bool) -> float:
    if binary:
        return float("nan")
    own, theirs = treated.variance(binary), control.variance(binary)
    if np.isnan(own) or np.isnan(theirs):
        return float("nan")
    if theirs == 0:
        return 1.0 if own == 0 else float("inf")
    return own / theirs


def _within_arms(treated: _Arm, control: _Arm) -> tuple[float, float]:
    """SD and kurtosis of a covariate within the arms, each about its own mean and counting by its effective size.

    Both are pooled, since under equal distributions one variance and one kurtosis serve both arms (Layard 1973, JASA
    68:195). NaN where they cannot be known.
    """
    sizes = [effective_sample_size(treated.weights), effective_sample_size(control.weights)]
    if min(sizes) == 0 or sum(sizes) <= 2:
        return float("nan"), float("nan")
    share = np.array(sizes) / sum(sizes)
    second = float(share @ np.array([treated.central_moment(2), control.central_moment(2)]))
    fourth = float(share @ np.array([treated.central_moment(4), control.central_moment(4)]))
    deviation = float(np.sqrt(second * sum(sizes) / (sum(sizes) - 2)))
    return deviation, fourth / second**2 if second > 0 else float("nan")


def _kolmogorov_smirnov(treated: _Arm, control: _Arm) -> float:
    """Largest |F treated − F control|.

    Between two values of the treated their F is flat and the other one rises: the extremes lie at the values of the
    treated and just before them, and nowhere else.
    """
    if not len(treated.values) or not len(control.values):
        return float("nan")
    points = np.unique(treated.values)
    gaps = [_distribution(treated, points, side) - _distribution(control, points, side) for side in (True, False)]
    return float(np.abs(np.concatenate(gaps)).max())


def _distribution(arm: _Arm, points: Float64, inclusive: bool) -> Float64:
    """Weighted share of values <= each point (or < it)."""
    below = np.searchsorted(arm.values, points, side="right" if inclusive else "left")
    share: Float64 = arm.running_weight[below] / arm.running_weight[-1]
    return share
