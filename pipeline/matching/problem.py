"""What a matching is asked to do: one validated object shared by every matching method.

A method (nearest neighbour here) reads a `MatchProblem` and answers with pairs; `result.MatchResult` keeps the problem
beside the answer so that the answer can be checked against it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
UInt64 = npt.NDArray[np.uint64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class MatchProblem:
    """Treated units, their possible controls, and every rule a pair must obey.

    Attributes:
        distance_treated: Score of each treated unit, float64[n_treated] (usually the logit of the propensity score).
        distance_control: Score of each control on the same scale, float64[n_control].
        strata_treated: For each relaxation level, the exact stratum of each treated unit, int64[n_treated]. Level 0 is
            the full rule; each later level is coarser. Without relaxation there is one level.
        strata_control: The same for the controls, int64[n_control] per level.
        key_treated: Tie key of each treated unit, uint64[n_treated]: a hashed identifier, so that row order never
            matters. It shares its space with ``key_control``.
        key_control: Tie key of each control, uint64[n_control].
        caliper: Largest allowed |difference of scores|, inclusive, in score units; None for no caliper.
        ratio: Controls wanted per treated unit.
        replacement: Whether a control may serve several treated units of one trial.
        risk_from: First elapsed leave day (days since the leave began) on which each control is at risk, int32.
        risk_until: Last elapsed leave day on which each control is still at risk (inclusive), int32.
        elapsed: Elapsed leave day of each treated unit at its time zero, int32.
        trial_treated: Trial of each treated unit, int64[n_treated]. Without replacement, a control serves once a trial.
        band_treated: Ordered band (age band) of each treated unit, int64; None when no level uses it.
        band_control: Ordered band of each control, int64.
        band_slack: For each level, the allowed |band difference|, or None where bands are not compared.
        space_treated: Coordinates in which the nearest control is sought, float64[n_treated, d] (see
            `mahalanobis.mahalanobis_space`); None to seek it on the score. The score then only orders the treated units
            and carries the caliper.
        space_control: The same for the controls, float64[n_control, d].
        covariates_treated: Covariates with a caliper of their own, float64[n_treated, k]; None for none.
        covariates_control: The same for the controls, float64[n_control, k].
        covariate_calipers: Largest allowed |difference| on each of the k, inclusive, in the covariate's units.

    Raises:
        ValueError: When shapes disagree, a score is not finite, half of a constraint is missing, or a parameter is out
            of range. Messages name arrays and positions only.
    """

    distance_treated: Float64
    distance_control: Float64
    strata_treated: tuple[Int64, ...]
    strata_control: tuple[Int64, ...]
    key_treated: UInt64
    key_control: UInt64
    caliper: float | None
    ratio: int
    replacement: bool
    trial_treated: Int64
    risk_from: Int32 | None = None
    risk_until: Int32 | None = None
    elapsed: Int32 | None = None
    band_treated: Int64 | None = None
    band_control: Int64 | None = None
    band_slack: tuple[int | None, ...] = (None,)
    space_treated: Float64 | None = None
    space_control: Float64 | None = None
    covariates_treated: Float64 | None = None
    covariates_control: Float64 | None = None
    covariate_calipers: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        n_treated, n_control = len(self.distance_treated), len(self.distance_control)
        for name, array, length in (
            ("distance_treated", self.distance_treated, n_treated),
            ("distance_control", self.distance_control, n_control),
            ("key_treated", self.key_treated, n_treated),
            ("key_control", self.key_control, n_control),
            ("trial_treated", self.trial_treated, n_treated),
            ("risk_from", self.risk_from, n_control),
            ("risk_until", self.risk_until, n_control),
            ("elapsed", self.elapsed, n_treated),
            ("band_treated", self.band_treated, n_treated),
            ("band_control", self.band_control, n_control),
            *((f"strata_treated[{level}]", ids, n_treated) for level, ids in enumerate(self.strata_treated)),
            *((f"strata_control[{level}]", ids, n_control) for level, ids in enumerate(self.strata_control)),
        ):
            if array is not None and array.shape != (length,):
                raise ValueError(f"{name} has shape {array.shape}; one value per unit was expected: ({length},).")
        for name, scores in (
            ("distance_treated", self.distance_treated),
            ("distance_control", self.distance_control),
        ):
            if not np.isfinite(scores).all():
                raise ValueError(f"{name} holds {int((~np.isfinite(scores)).sum())} values that are not finite.")
        if not self.strata_treated or len(self.strata_treated) != len(self.strata_control):
            raise ValueError("strata_treated and strata_control need the same number of levels, at least one.")
        if len(self.band_slack) != len(self.strata_treated):
            raise ValueError("band_slack needs one entry per relaxation level.")
        if any(slack is not None and slack < 0 for slack in self.band_slack):
            raise ValueError("band_slack cannot be negative.")
        risk = (self.risk_from, self.risk_until, self.elapsed)
        if any(part is None for part in risk) and any(part is not None for part in risk):
            raise ValueError("the risk set needs risk_from, risk_until and elapsed together, or none of them.")
        if (self.band_treated is None) != (self.band_control is None):
            raise ValueError("bands are needed on both sides, or on neither.")
        if self.band_treated is None and any(slack is not None for slack in self.band_slack):
            raise ValueError("band_slack is given but band_treated and band_control are not.")
        for name, treated, control, width in (
            ("space", self.space_treated, self.space_control, None),
            ("covariates", self.covariates_treated, self.covariates_control, len(self.covariate_calipers)),
        ):
            if (treated is None) != (control is None):
                raise ValueError(f"{name}_treated and {name}_control are needed together, or neither.")
            if treated is None or control is None:
                continue
            d = treated.shape[-1] if width is None else width
            if treated.shape != (n_treated, d) or control.shape != (n_control, d) or d < 1:
                raise ValueError(f"{name} must be matrices with one row per unit and the same columns on both sides.")
            if not (np.isfinite(treated).all() and np.isfinite(control).all()):
                raise ValueError(f"{name} holds values that are not finite.")
        if self.covariates_treated is None and self.covariate_calipers:
            raise ValueError("covariate_calipers are given but covariates_treated and covariates_control are not.")
        if not all(np.isfinite(width) and width >= 0 for width in self.covariate_calipers):
            raise ValueError("calipers on covariates must be finite numbers, zero or more.")
        if self.ratio < 1:
            raise ValueError(f"ratio must be at least 1, not {self.ratio}.")
        if self.caliper is not None and not (np.isfinite(self.caliper) and self.caliper >= 0):
            raise ValueError("caliper must be a finite number of score units, zero or more.")

    @property
    def n_treated(self) -> int:
        """Number of treated units."""
        return len(self.distance_treated)

    @property
    def n_control(self) -> int:
        """Number of controls offered."""
        return len(self.distance_control)


def caliper_width(distance: Float64, multiple: float) -> float:
    """The caliper in the units of a score (or covariate): a multiple of its SD over the full sample.

    The caliper bounds the score it is given with: logits on both sides (`PropensityFit.logit`, MatchIt's ``link =
    "linear.logit"``) make it a caliper on the logit, probabilities a caliper on the probability. To match on one and
    bound the other, pass the other as a covariate with a caliper of its own.

    Args:
        distance: Values of all treated and control units together, float64[n].
        multiple: Number of standard deviations (0.2 by Austin 2011, Pharmaceutical Statistics 10:150).

    Returns:
        ``multiple`` times the sample SD (denominator n - 1), as in MatchIt.
    """
    # Summed in sorted order: the same units in another order give the same bits.
    return float(multiple * np.std(np.sort(distance), ddof=1))


def as_float64(values: npt.ArrayLike) -> Float64:
    """A contiguous float64 array, without a copy where it already is one."""
    return np.ascontiguousarray(values, dtype=np.float64)


def as_int64(values: npt.ArrayLike) -> Int64:
    """A contiguous int64 array of ids; 64-bit hashes keep their bits.

    Raises:
        ValueError: When the values are not integers: a cast would silently merge ids.
    """
    return np.ascontiguousarray(_integers(values), dtype=np.int64)


def as_keys(values: npt.ArrayLike) -> UInt64:
    """A contiguous uint64 array of tie keys.

    Raises:
        ValueError: When the values are not integers.
    """
    return np.ascontiguousarray(_integers(values), dtype=np.uint64)


def as_days(values: npt.ArrayLike) -> Int32:
    """A contiguous int32 array of days.

    Raises:
        ValueError: When the values are not integers or do not fit: a cast would silently wrap around.
    """
    days = _integers(values)
    bounds = np.iinfo(np.int32)
    if len(days) and not (bounds.min <= days.min() and days.max() <= bounds.max):
        raise ValueError("a number of days does not fit 32 bits.")
    return np.ascontiguousarray(days, dtype=np.int32)


def _integers(values: npt.ArrayLike) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iub":
        raise ValueError(f"integers were expected, not {array.dtype}.")
    return array


def as_levels(levels: Sequence[npt.ArrayLike]) -> tuple[Int64, ...]:
    """One contiguous int64 array per relaxation level."""
    return tuple(as_int64(ids) for ids in levels)
