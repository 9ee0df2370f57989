"""Matched samples and their replicate weights.

Every estimator of this package is a function of a weight vector over the rows of a matched sample, as in survey
statistics (Wolter 2007, *Introduction to Variance Estimation*, chapter 4). A treated row weighs 1; the controls of a
set share a weight of 1, so that they sum to the number of sets. A jackknife replicate is the same sample without one
département: sets that lose some of their controls share their weight among the others, sets that lose their treated or
all their controls leave.

Deleting one département moves few rows, so all replicates are held together as one sparse list of moved weights.
A total over rows is then obtained for every replicate in one sparse product, whatever the number of outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

_csr: Any = sparse.csr_array  # SciPy publishes no types of its own


# Far below the smallest weight (1 over the controls of a set), far above the rounding error of a sum of them.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class MatchedSample:
    """One row per membership: a person in a matched set, either as its treated or as one of its controls.

    A control may be in several sets (one row each). Rows may come in any order: estimators work in the order of
    (set, treated first, département, person), so that the order of arrival never changes a result.

    Attributes:
        set_id: int64[n], the matched set of the row.
        treated: bool[n], true for the treated of the set.
        department: int32[n], position of the row's département in ``department_codes``.
        department_codes: codes of the départements, sorted.
        person: int64[n] or None, index of the person, for counting distinct persons.

    Raises:
        ValueError: arrays of different lengths, a set without exactly one treated or without a control, a person
            twice in a set, a département outside ``department_codes`` or codes that are not sorted and distinct.
    """

    set_id: IntArray
    treated: BoolArray
    department: NDArray[np.int32]
    department_codes: tuple[str, ...]
    person: IntArray | None = None

    def __post_init__(self) -> None:
        n = self.set_id.shape[0]
        lengths = {self.treated.shape[0], self.department.shape[0], n}
        if self.person is not None:
            lengths.add(self.person.shape[0])
        if len(lengths) > 1:
            raise ValueError("The columns of a matched sample must have one length.")
        if n == 0:
            raise ValueError("A matched sample holds at least one set: no membership was given.")
        if self.treated.dtype != np.bool_:
            raise ValueError("`treated` must be boolean.")
        if list(self.department_codes) != sorted(set(self.department_codes)):
            raise ValueError("The département codes must be sorted and distinct.")
        if self.department.min() < 0 or self.department.max() >= len(self.department_codes):
            raise ValueError("A membership has no known département.")
        per_set = np.bincount(self.set_code, weights=self.treated, minlength=self.n_sets)
        wrong = int(np.count_nonzero(per_set != 1))
        if wrong:
            raise ValueError(f"Each matched set has exactly one treated: {wrong} sets have none or several.")
        alone = int(np.count_nonzero(np.bincount(self.set_code, minlength=self.n_sets) < 2))
        if alone:
            raise ValueError(f"Each matched set has at least one control: {alone} sets have none.")
        if self.person is not None:
            order = np.lexsort((self.person, self.set_code))
            same = (np.diff(self.set_code[order]) == 0) & (np.diff(self.person[order]) == 0)
            if same.any():
                raise ValueError(f"A person is once in a matched set: {int(same.sum())} memberships are repeated.")

    @classmethod
    def from_memberships(
        cls,
        set_id: NDArray[np.integer],
        treated: BoolArray,
        department: Sequence[str] | NDArray[np.object_],
        person: NDArray[np.integer] | None = None,
    ) -> MatchedSample:
        """Build a sample from memberships; row i of the sample is row i of the arguments.

        Args:
            set_id: int[n], the matched set.
            treated: bool[n].
            department: str[n], département code of residence at time zero.
            person: int[n] or None, index of the person.

        Raises:
            ValueError: as the class; also when a département is missing.
        """
        given = np.asarray(department, dtype=object)
        missing = int(np.count_nonzero((given == np.array(None)) | (given != given)))
        if missing:
            raise ValueError(f"{missing} memberships have no known département.")
        text = given.astype(np.str_)
        codes = np.unique(text)
        return cls(
            set_id=np.asarray(set_id, dtype=np.int64),
            treated=np.asarray(treated, dtype=np.bool_),
            department=np.searchsorted(codes, text).astype(np.int32),
            department_codes=tuple(str(code) for code in codes),
            person=None if person is None else np.asarray(person, dtype=np.int64),
        )

    @classmethod
    def from_pairs(
        cls,
        treated_unit: NDArray[np.integer],
        control_unit: NDArray[np.integer],
        department: Sequence[str] | NDArray[np.object_],
        person: NDArray[np.integer] | None = None,
    ) -> tuple[MatchedSample, IntArray]:
        """Build a sample from matched pairs of units; a set is a treated unit with all its controls.

        Args:
            treated_unit: int[p], the treated unit of each pair.
            control_unit: int[p], its control.
            department: str[u], département of each unit; units are positions in this array.
            person: int[u] or None, person of each unit (the unit itself when None).

        Returns:
            The sample, and int64[n]: the unit of each of its rows, to bring the units' outcomes to rows.

        Raises:
            ValueError: as the class; a pair given twice is a person twice in a set.
        """
        units_treated = np.unique(np.asarray(treated_unit, dtype=np.int64))
        unit = np.concatenate([units_treated, np.asarray(control_unit, dtype=np.int64)])
        set_id = np.concatenate([units_treated, np.asarray(treated_unit, dtype=np.int64)])
        treated = np.arange(unit.size) < units_treated.size
        of_unit = np.asarray(department, dtype=object)
        person_of_unit = np.arange(of_unit.size) if person is None else np.asarray(person, dtype=np.int64)
        return cls.from_memberships(set_id, treated, of_unit[unit], person_of_unit[unit]), unit

    @property
    def n_rows(self) -> int:
        """Number of memberships."""
        return int(self.set_id.shape[0])

    @property
    def n_sets(self) -> int:
        """Number of matched sets."""
        return int(self.set_code.max()) + 1

    @cached_property
    def set_code(self) -> IntArray:
        """int64[n]: sets numbered 0, 1, … in the order of ``set_id``."""
        return np.unique(self.set_id, return_inverse=True)[1].astype(np.int64)

    @cached_property
    def treated_row(self) -> IntArray:
        """int64[n_sets]: the row of each set's treated, by set code."""
        rows = np.empty(self.n_sets, dtype=np.int64)
        rows[self.set_code[self.treated]] = np.flatnonzero(self.treated)
        return rows

    @cached_property
    def order(self) -> IntArray:
        """int64[n]: rows by set, treated first, département and person; sums follow it whatever the order given."""
        person = np.zeros(self.n_rows, dtype=np.int64) if self.person is None else self.person
        return np.lexsort((person, self.department, ~self.treated, self.set_code)).astype(np.int64)

    def of_treated(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """Give each row the value its set's treated has.

        Args:
            values: any[n], one value per row.

        Returns:
            any[n].
        """
        taken: NDArray[np.generic] = values[self.treated_row][self.set_code]
        return taken

    def count_persons(self, rows: BoolArray) -> int:
        """Count the distinct persons among rows (the rows themselves when persons are not given).

        Args:
            rows: bool[n].
        """
        return int(np.count_nonzero(np.bincount(self.person_code[rows])))

    @cached_property
    def person_code(self) -> IntArray:
        """int64[n]: persons numbered 0, 1, …; the rows themselves when persons are not given."""
        if self.person is None:
            return np.arange(self.n_rows)
        return np.unique(self.person, return_inverse=True)[1].astype(np.int64)

    def weights(self, exclude_department: int | None = None, eligible: BoolArray | None = None) -> FloatArray:
        """Weigh the rows, with or without one département.

        Args:
            exclude_department: position in ``department_codes`` of the département to leave out.
            eligible: bool[n], rows that may count (all when None).

        Returns:
            float64[n]: 1 for a treated, 1/k for each of its k remaining controls, 0 for rows out.
        """
        present = np.ones(self.n_rows, dtype=np.bool_) if eligible is None else self._checked(eligible).copy()
        if exclude_department is not None:
            present &= self.department != exclude_department
        controls = np.bincount(self.set_code[present & ~self.treated], minlength=self.n_sets)
        complete = present[self.treated_row] & (controls > 0)
        share = np.divide(1.0, controls, out=np.zeros(self.n_sets), where=complete)
        return np.where(present, np.where(self.treated, complete[self.set_code], share[self.set_code]), 0.0)

    def replicates(self, eligible: BoolArray | None = None) -> Iterator[tuple[int, bool, FloatArray]]:
        """Leave out one département after the other.

        Args:
            eligible: bool[n], rows that may count (all when None).

        Yields:
            The département's position in ``department_codes``, whether it holds treated, and float64[n] weights
            without it. Only départements with a weight take part.
        """
        table = self.replicate_weights(eligible)
        for r, department in enumerate(table.department):
            yield int(department), bool(table.is_treated_department[r]), table.dense(r)

    def replicate_weights(self, eligible: BoolArray | None = None) -> ReplicateWeights:
        """Prepare the weights of the whole sample and of all delete-one-département replicates.

        Args:
            eligible: bool[n], rows that may count (all when None).

        Raises:
            ValueError: ``eligible`` is not one boolean per row.
        """
        weight = self.weights(eligible=eligible)
        rows = self.order[weight[self.order] > 0]
        return _replicate_weights(self, rows, weight[rows])

    def _checked(self, eligible: BoolArray) -> BoolArray:
        if eligible.shape != (self.n_rows,) or eligible.dtype != np.bool_:
            raise ValueError("`eligible` must hold one boolean per membership.")
        return eligible


@dataclass(frozen=True)
class ReplicateWeights:
    """Weights of a sample and, for each département, the weights that move when it is left out.

    Attributes:
        n_rows: number of memberships of the sample.
        rows: int64[m], the rows with a weight, in the sample's canonical order.
        treated: bool[m].
        weight: float64[m], the whole sample's weights.
        set_department: int32[m], the département of the treated of the row's set.
        department: int32[r], the départements left out in turn (positions in ``department_codes``).
        is_treated_department: bool[r], those that hold treated with a weight.
        start: int64[r + 1], where the moved weights of each replicate start.
        moved: int64[e], positions in ``rows`` of the moved weights.
        moved_weight: float64[e], their weight in the replicate.
        within: int32[r]; in a table of cells, the treated's département whose sets alone lose ``department``. Empty
            in a table of whole départements.
    """

    n_rows: int
    rows: IntArray
    treated: BoolArray
    weight: FloatArray
    set_department: NDArray[np.int32]
    department: NDArray[np.int32]
    is_treated_department: BoolArray
    start: IntArray
    moved: IntArray
    moved_weight: FloatArray
    within: NDArray[np.int32]

    @cached_property
    def overlap(self) -> ReplicateWeights:
        """The same table by cell: comparison départements left out of the sets of one treated département only."""
        department = np.repeat(self.department.astype(np.int64), np.diff(self.start))
        kept = np.repeat(~self.is_treated_department, np.diff(self.start))
        moved, department = self.moved[kept], department[kept]
        n_departments = int(self.department.max(initial=0)) + 1
        cell = department * n_departments + self.set_department[moved]
        cells, start = np.unique(cell, return_index=True)  # moves come by département, then by that of the treated
        return replace(
            self,
            department=(cells // n_departments).astype(np.int32),
            is_treated_department=np.zeros(cells.size, dtype=np.bool_),
            start=np.append(start, cell.size).astype(np.int64),
            moved=moved,
            moved_weight=self.moved_weight[kept],
            within=(cells % n_departments).astype(np.int32),
        )

    def dense(self, replicate: int | None = None) -> FloatArray:
        """Write out float64[n] weights in the sample's row order: of one replicate, or of the whole sample (None)."""
        weights = np.zeros(self.n_rows)
        weights[self.rows] = self.weight
        if replicate is not None:
            entries = slice(int(self.start[replicate]), int(self.start[replicate + 1]))
            weights[self.rows[self.moved[entries]]] = self.moved_weight[entries]
        return weights

    def arm_rows(self, treated: bool) -> IntArray:
        """int64[a]: rows of one arm with a weight, in canonical order."""
        rows: IntArray = self.rows[self.treated == treated]
        return rows

    def totals(self, values: FloatArray, treated: bool) -> tuple[FloatArray, FloatArray]:
        """Weighted totals of one arm, for the whole sample and every replicate.

        Args:
            values: float64[a, q], one line per row of ``arm_rows(treated)``.
            treated: the arm.

        Returns:
            float64[q] and float64[r, q].
        """
        weight, change = self._arms[int(treated)]
        full = weight @ values
        return full, full[None, :] + np.asarray(change @ values)

    def histograms(self, bins: IntArray, n_bins: int, treated: bool) -> tuple[FloatArray, FloatArray]:
        """Weighted counts by bin of one arm, for the whole sample and every replicate.

        Args:
            bins: int64[a], the bin of each row of ``arm_rows(treated)``.
            n_bins: number of bins.
            treated: the arm.

        Returns:
            float64[n_bins] and float64[r, n_bins].
        """
        weight, change = self._arms[int(treated)]
        full = np.bincount(bins, weights=weight, minlength=n_bins).astype(np.float64)
        replicate = np.repeat(np.arange(change.shape[0]), np.diff(change.indptr))
        cell = replicate * n_bins + bins[change.indices]
        moves = np.bincount(cell, weights=change.data, minlength=change.shape[0] * n_bins)
        counts = full[None, :] + moves.reshape(change.shape[0], n_bins)
        counts[counts < _ROUNDING] = 0.0  # an emptied bin, not a weight
        return full, counts

    @cached_property
    def sets(self) -> tuple[float, FloatArray]:
        """Number of sets, of the whole sample and of each replicate (float64[r]): also each arm's sum of weights."""
        full, replicate = self.totals(np.ones((self.arm_rows(True).size, 1)), True)
        return float(full[0]), replicate[:, 0]

    @cached_property
    def _arms(self) -> tuple[tuple[FloatArray, Any], tuple[FloatArray, Any]]:
        """(comparison, treated): float64[a] weights and the sparse [r, a] change of weight of each replicate."""
        replicate = np.repeat(np.arange(self.department.size), np.diff(self.start))
        delta = self.moved_weight - self.weight[self.moved]
        arms = []
        for arm in (False, True):
            position = np.cumsum(self.treated == arm) - 1
            of_arm = self.treated[self.moved] == arm
            start = np.concatenate([[0], np.cumsum(np.bincount(replicate[of_arm], minlength=self.department.size))])
            change = _csr(
                (delta[of_arm], position[self.moved[of_arm]], start),
                shape=(self.department.size, int(np.count_nonzero(self.treated == arm))),
            )
            arms.append((self.weight[self.treated == arm], change))
        return arms[0], arms[1]


def _replicate_weights(sample: MatchedSample, rows: IntArray, weight: FloatArray) -> ReplicateWeights:
    """List the weights each left-out département moves; ``rows`` are the weighted rows, set by set, treated first."""
    treated = sample.treated[rows]
    department = sample.department[rows].astype(np.int64)
    n_departments = len(sample.department_codes)
    first = np.flatnonzero(treated)  # a set starts with its treated
    size = np.diff(np.append(first, rows.size))
    own_set = np.repeat(np.arange(first.size), size)
    set_department = department[first]

    # One cell per (set, département among its controls, the treated's own apart): leaving that département out
    # touches the whole set. The cell of the treated's own département empties the set.
    control = ~treated & (department != set_department[own_set])
    cells, controls_lost = np.unique(own_set[control] * n_departments + department[control], return_counts=True)
    cell_set = np.concatenate([np.arange(first.size), cells // n_departments])
    cell_department = np.concatenate([set_department, cells % n_departments])
    controls_left = np.concatenate([np.zeros(first.size, dtype=np.int64), size[cells // n_departments] - 1])
    controls_left[first.size :] -= controls_lost

    # Cells by département, then by that of the treated, then by set: a replicate's weights are summed in this order.
    by_department = np.lexsort((cell_set, set_department[cell_set], cell_department))
    cell_set, cell_department = cell_set[by_department], cell_department[by_department]
    controls_left = controls_left[by_department]

    lines = size[cell_set]
    line_start = np.concatenate([[0], np.cumsum(lines)])
    cell = np.repeat(np.arange(cell_set.size), lines)
    moved = first[cell_set][cell] + np.arange(line_start[-1]) - line_start[:-1][cell]
    gone = (controls_left[cell] == 0) | (department[moved] == cell_department[cell])
    moved_weight = np.where(treated[moved], 1.0, 1.0 / np.maximum(controls_left[cell], 1))
    moved_weight[gone] = 0.0
    changed = moved_weight != weight[moved]
    department_of_move = cell_department[cell][changed]

    present = np.unique(department)
    return ReplicateWeights(
        n_rows=sample.n_rows,
        rows=rows,
        treated=treated,
        weight=weight,
        set_department=set_department[own_set].astype(np.int32),
        department=present.astype(np.int32),
        is_treated_department=np.isin(present, set_department),
        start=np.searchsorted(department_of_move, np.append(present, n_departments)).astype(np.int64),
        moved=moved[changed].astype(np.int64),
        moved_weight=moved_weight[changed],
        within=np.empty(0, dtype=np.int32),
    )
