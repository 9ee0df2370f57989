"""Coarsened exact matching: units that fall into the same cell on every coarsened covariate are compared.

Iacus, King & Porro 2012, Political Analysis 20:1, with the defaults of MatchIt 4.7.2 (`method = "cem"`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.matching.problem import Bool, Float64, Int64
from pipeline.matching.result import GroupedComparison, UnmatchedReason, refuse, require

Cutpoints = int | str | Sequence[float]
"""How a number is cut: so many bins of equal width between its smallest and largest value (0: not cut at all, 1: not
looked at); ``"sturges"``, the number of bins by Sturges 1926 (JASA 21:65); ``"q5"``, at its quintiles (any number); or
the cut points themselves."""
STURGES = "sturges"


@dataclass(frozen=True, eq=False)
class StrataResult(GroupedComparison):
    """Units in strata that hold both arms.

    Attributes:
        bins_treated: Cell of each treated unit on each covariate, int64[n_treated, p].
        bins_control: The same for the controls, int64[n_control, p].
        stratum_treated: Stratum of each treated unit, 0, 1, ... without a gap; -1 where its cell holds no control.
        stratum_control: The same for the controls, -1 where their cell holds no treated unit.

    Raises:
        MatchVerificationError: At construction, when a stratum lacks an arm, mixes cells or splits one.
    """

    bins_treated: Int64
    bins_control: Int64
    stratum_treated: Int64
    stratum_control: Int64

    def __post_init__(self) -> None:
        self.verify()

    @property
    def n_strata(self) -> int:
        """Strata kept."""
        return int(max(self.stratum_treated.max(initial=-1), self.stratum_control.max(initial=-1))) + 1

    @property
    def treated_weights(self) -> Float64:
        """float64[n_treated]: 1 for treated units whose cell holds a control."""
        return (self.stratum_treated >= 0).astype(np.float64)

    def control_weights_of(self, treated: Bool) -> Float64:
        """Treated over control units of the stratum."""
        own = self.stratum_treated[treated & (self.stratum_treated >= 0)]
        kept = self.stratum_control >= 0
        theirs = self.stratum_control[kept]
        share = np.bincount(own, minlength=self.n_strata) / np.bincount(theirs, minlength=self.n_strata)
        out = np.zeros(len(self.stratum_control))
        out[kept] = share[theirs]
        return out

    @property
    def unmatched_reason(self) -> Int64:
        """No candidate: the cell holds no control."""
        return np.where(self.stratum_treated >= 0, 0, int(UnmatchedReason.NO_CANDIDATE))

    @property
    def method(self) -> tuple[str, ...]:
        """The title, and how many cells and strata there are."""
        cells = int(_sorted_out(np.concatenate([self.bins_treated, self.bins_control])).max(initial=-1)) + 1
        return ("coarsened exact matching", f"cells: {cells:,}", f"strata with both arms: {self.n_strata:,}")

    def stacked_strata(self, treated: Bool) -> Int64:
        """Stratum of each unit in the order of the full sample, -1 for units left out: what errors are clustered on.

        Args:
            treated: bool[n], see `stacked_weights`.
        """
        out = np.empty(len(treated), dtype=np.int64)
        out[treated], out[~treated] = self.stratum_treated, self.stratum_control
        return out

    def verify(self) -> None:
        """Check the strata against the cells; written apart from what made them.

        Raises:
            MatchVerificationError: Naming the first broken rule.
        """
        for bins, stratum in (
            (self.bins_treated, self.stratum_treated),
            (self.bins_control, self.stratum_control),
        ):
            require(len(bins) == len(stratum), "a unit has no cell or no stratum")
        strata = np.arange(self.n_strata)
        for arm, stratum in (("treated unit", self.stratum_treated), ("control", self.stratum_control)):
            refuse(stratum < -1, "have a stratum below none", "units")
            refuse(~np.isin(strata, stratum), f"hold no {arm}", "strata")
        stratum = np.concatenate([self.stratum_treated, self.stratum_control])
        cell = _sorted_out(np.concatenate([self.bins_treated, self.bins_control]))
        kept = stratum >= 0
        pairs = np.unique(stratum[kept] * (int(cell.max(initial=0)) + 1) + cell[kept])
        require(len(pairs) == self.n_strata, "a stratum mixes cells")
        require(len(np.unique(cell[kept])) == self.n_strata, "a cell is in two strata")
        own, theirs = np.unique(cell[: len(self.bins_treated)]), np.unique(cell[len(self.bins_treated) :])
        require(len(np.intersect1d(own, theirs)) == self.n_strata, "a cell with both arms was left out")
        total = float(self.treated_weights.sum())
        require(
            abs(float(self.control_weights.sum()) - total) <= 1e-9 * max(total, 1),
            "control weights do not sum to the matched treated units",
        )


def coarsened_exact(
    covariates: Float64,
    treated: Bool,
    *,
    names: Sequence[str] | None = None,
    cutpoints: Mapping[str, Cutpoints] | Cutpoints = STURGES,
    categories: Int64 | None = None,
) -> StrataResult:
    """Put units into the cells of their coarsened covariates, and keep the cells that hold both arms.

    Args:
        covariates: Numbers to coarsen, float64[n, p], no missing value.
        treated: bool[n].
        names: Names of the p columns; ``x0``, ``x1``, ... by default.
        cutpoints: How each number is cut, by name, or one way for all; a number that is not named is cut by Sturges'
            rule. A value at a cut point goes into the higher bin.
        categories: Codes that must be equal as they are, int64[n, q].

    Returns:
        The verified strata, numbered in the order of their cells.

    Raises:
        ValueError: When shapes disagree, a value is not finite, or a way of cutting is not understood.
    """
    n, p = covariates.shape
    labels = tuple(f"x{j}" for j in range(p)) if names is None else tuple(names)
    if treated.shape != (n,) or len(labels) != p or (categories is not None and categories.shape[:1] != (n,)):
        raise ValueError("covariates must be [n, p], with p names, n treatment marks and n rows of categories.")
    if not np.isfinite(covariates).all():
        raise ValueError("covariates hold missing or infinite values.")
    asked = cutpoints if isinstance(cutpoints, Mapping) else dict.fromkeys(labels, cutpoints)
    unknown = set(asked) - set(labels)
    if unknown:
        raise ValueError(f"cutpoints name no covariate: {', '.join(sorted(unknown))}.")
    bins = [_bins(covariates[:, j], asked.get(name, STURGES)) for j, name in enumerate(labels)]
    if categories is not None:
        bins += list(categories.T)
    cells = np.stack(bins, axis=1).astype(np.int64) if bins else np.zeros((n, 1), dtype=np.int64)
    cell = _number(cells)
    both = np.intersect1d(cell[treated], cell[~treated])
    stratum = np.full(int(cell.max(initial=-1)) + 1, -1, dtype=np.int64)
    stratum[both] = np.arange(len(both))
    return StrataResult(cells[treated], cells[~treated], stratum[cell[treated]], stratum[cell[~treated]])


def _sorted_out(bins: Int64) -> Int64:
    """One number per distinct row, by laying equal rows side by side."""
    order = np.lexsort(bins.T)
    new = np.zeros(len(bins), dtype=np.int64)
    new[1:] = (bins[order][1:] != bins[order][:-1]).any(axis=1)
    out = np.empty(len(bins), dtype=np.int64)
    out[order] = np.cumsum(new)
    return out


def _number(cells: Int64) -> Int64:
    """One number per distinct row, in the order of the rows' contents."""
    numbered = np.zeros(len(cells), dtype=np.int64)
    for column in cells.T:
        code = np.unique(column, return_inverse=True)[1]
        numbered = np.unique(numbered * (int(code.max(initial=0)) + 1) + code, return_inverse=True)[1]
    return numbered.astype(np.int64)


def _bins(values: Float64, cut: Cutpoints) -> Int64:
    """Bin of each value, int64[n]."""
    if isinstance(cut, str):
        if cut == STURGES:
            cut = math.ceil(math.log2(max(len(values), 1)) + 1)
        elif cut.startswith("q") and cut[1:].isdecimal() and int(cut[1:]) > 0:
            parts = int(cut[1:])
            cut = [float(at) for at in np.quantile(values, 1 / parts + np.arange(parts - 1) * (1 / parts))]
        else:
            raise ValueError(f"{cut!r} is no way of cutting: sturges, or q and a number.")
    if isinstance(cut, int | np.integer):
        if cut < 0:
            raise ValueError(f"{cut} bins cannot be.")
        if cut == 0:
            return np.unique(values, return_inverse=True)[1].astype(np.int64)
        inner = np.linspace(values.min(), values.max(), int(cut) + 1)[1:-1] if len(values) else np.empty(0)
    else:
        inner = np.unique(np.asarray(cut, dtype=np.float64))
        if not np.isfinite(inner).all():
            raise ValueError("cut points must be finite: the outer bins are open.")
    return np.searchsorted(inner, values, side="right").astype(np.int64)
