"""k-anonymous, l-diverse microdata by local recoding: one row per person, nobody silently dropped.

The engine peels the lattice of generalisations best first: the distinct combinations of quasi-identifiers are grouped
at each node, from the least mean loss to the most; every class that meets k and l is released, the rest goes on. The
peel is stopped at several loss thresholds; what is left is completed with surplus persons of released classes; each
class is then tightened to the lowest common ancestors of its members; the threshold with the least loss is kept.
Persons no class can hold are raised to `*` in every quasi-identifier (*suppressed*), together with as many others as k
and l ask for, so that the most general class obeys the same rule as any other.

Unit of k: the person (Sweeney 2002); l: distinct values (Machanavajjhala et al. 2007, the simplest of its forms).
Columns that are neither quasi-identifiers nor the key are published as they are: their coarsening is the caller's.
`verify` checks the result with code of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure import peel
from pipeline.disclosure.hierarchy import TOP, Hierarchy, HierarchyError

THRESHOLDS = (0.3, 0.7, 1.0)
"""Mean losses of the nodes at which the peel is tried to stop before completion; 1.0 = peel to the top."""


@dataclass(frozen=True)
class AnonymisedMicrodata:
    """Published persons and what it cost.

    Attributes:
        table: the published rows: quasi-identifiers as generalised text, other columns as given, the key gone. In the
            order of a hash of their content, which means nothing.
        loss: mean over cells of (leaves under the published value - 1) / (domain - 1), in [0, 1]; suppressed = 1.
        classes: number of distinct published combinations of quasi-identifiers.
        smallest_class: persons in the smallest of them, 0 when nothing is released.
        level_shares: column -> share of the persons published at each level, leaf first.
        suppressed: persons published with `*` in every quasi-identifier.
        refused: why nothing is released (`fewer_than_k`, `not_l_diverse`), or None.
    """

    table: pa.Table
    loss: float
    classes: int
    smallest_class: int
    level_shares: Mapping[str, tuple[float, ...]]
    suppressed: int
    refused: str | None = None


@dataclass(frozen=True)
class _Lattice:
    """The hierarchies as arrays: see `peel` for the shapes."""

    codes: npt.NDArray[np.int64]
    losses: npt.NDArray[np.float64]  # (q, levels, leaves): loss of a leaf published at a level
    nodes: npt.NDArray[np.int8]
    node_losses: npt.NDArray[np.float64]  # (m,): mean over persons and columns


def anonymise(
    frame: pa.Table,
    *,
    quasi_identifiers: Mapping[str, Hierarchy],
    k: int,
    sensitive: Mapping[str, int],
    key: str,
    thresholds: tuple[float, ...] = THRESHOLDS,
) -> AnonymisedMicrodata:
    """Publish each person in a class of at least k with at least l values of each sensitive column.

    Suppressed persons are generalised to the top `*`, never silently dropped. The result depends on the set of rows,
    not on their order.

    Args:
        frame: one row per person. Quasi-identifiers are read as text (integers in plain decimal form).
        quasi_identifiers: column -> its hierarchy.
        k: least persons in a class, >= 1.
        sensitive: column -> least number of distinct values in a class (an empty value counts as one).
        key: column with a distinct, non-empty value per person (a hashed id), used to break ties and not published.
        thresholds: mean node losses at which to try stopping the peel, in [0, 1]; the best is kept.

    Returns:
        The published rows with their figures. With fewer than k persons, or fewer than l values in the whole frame,
        no row and the reason.

    Raises:
        ValueError: if k < 1, no quasi-identifier is given, or the key is not distinct and complete.
        HierarchyError: if a value of a quasi-identifier is not a leaf of its hierarchy (the value is not shown).
    """
    if k < 1 or not quasi_identifiers:
        raise ValueError("k must be at least 1, over at least one quasi-identifier")
    if frame[key].null_count or len(pc.unique(frame[key])) != len(frame):
        raise ValueError(f"column {key} must have one distinct value per person")
    names = list(quasi_identifiers)
    published_columns = [name for name in frame.column_names if name != key]
    if len(frame) < k:
        return _nothing(frame.select(published_columns), names, "fewer_than_k")
    values, of, need = _sensitive_codes(frame, sensitive)
    if any(int((of == s).sum()) < need[s] for s in range(len(need))):
        return _nothing(frame.select(published_columns), names, "not_l_diverse")

    leaves = np.column_stack([_leaf_codes(frame, name, quasi_identifiers[name]) for name in names])
    rank, _ = pd.factorize(frame[key].to_pandas(), sort=True)
    order = np.lexsort((rank, *values.T, *leaves.T[::-1]))
    leaves, values = leaves[order], values[order]
    starts = np.flatnonzero(np.r_[True, (leaves[1:] != leaves[:-1]).any(axis=1)])
    combos = leaves[starts]
    first_row = np.r_[starts, len(frame)].astype(np.int64)
    combo_of = np.repeat(np.arange(len(combos)), np.diff(first_row))
    lattice = _lattice(quasi_identifiers, leaves)
    masks, word_of = _masks(values, of, first_row)

    class_of_combo, node_of = peel.peel(
        combos, np.diff(first_row), masks, word_of, need, lattice.codes, lattice.nodes, k
    )
    best: tuple[float, npt.NDArray[np.int64], npt.NDArray[np.int8]] | None = None
    tried = set()
    for threshold in thresholds:
        # Classes are numbered in the order of the nodes, so stopping early keeps the first of them.
        kept = int(np.searchsorted(lattice.node_losses[node_of], threshold, side="right"))
        if kept in tried:
            continue
        tried.add(kept)
        class_of = np.where(class_of_combo < kept, class_of_combo, -1)[combo_of]
        classes = peel.complete(first_row, combos, values, of, need, lattice.codes, lattice.nodes, k, class_of, kept)
        class_of, classes, top = _raise_stranded(class_of, values, classes, need, k)
        levels = peel.tighten(combo_of, combos, lattice.codes, class_of, classes)
        if top is not None:
            levels[top] = [quasi_identifiers[name].levels - 1 for name in names]
        loss = _loss(lattice.losses, levels[class_of], leaves)
        if best is None or loss < best[0]:
            best = (loss, class_of, levels)
    if best is None:
        raise ValueError("at least one threshold is needed")
    loss, class_of, levels = best
    person_levels = levels[class_of]
    recoded = {
        name: _recode(quasi_identifiers[name], leaves[:, j], person_levels[:, j]) for j, name in enumerate(names)
    }
    rows = frame.take(pa.array(order))
    table = _in_meaningless_order(pa.table({name: recoded.get(name, rows[name]) for name in published_columns}))
    sizes = table.group_by(names).aggregate([([], "count_all")])["count_all"]
    tops = np.array([quasi_identifiers[name].levels - 1 for name in names])
    return AnonymisedMicrodata(
        table=table,
        loss=loss,
        classes=len(sizes),
        smallest_class=int(pc.min(sizes).as_py()),
        level_shares={
            name: tuple(
                float(share)
                for share in np.bincount(person_levels[:, j], minlength=quasi_identifiers[name].levels) / len(frame)
            )
            for j, name in enumerate(names)
        },
        suppressed=int((person_levels == tops).all(axis=1).sum()),
    )


def _nothing(frame: pa.Table, names: list[str], reason: str) -> AnonymisedMicrodata:
    fields = [pa.field(f.name, pa.string()) if f.name in names else f for f in frame.schema]
    return AnonymisedMicrodata(pa.schema(fields).empty_table(), 0.0, 0, 0, {}, 0, reason)


def _leaf_codes(frame: pa.Table, name: str, hierarchy: Hierarchy) -> npt.NDArray[np.int32]:
    text = pc.cast(frame[name].combine_chunks(), pa.string())
    codes = pc.index_in(text, pa.array(hierarchy.leaves))
    if codes.null_count:
        raise HierarchyError(f"column {name}: {codes.null_count} rows hold a value that is not a leaf of its hierarchy")
    return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int32)


def _sensitive_codes(
    frame: pa.Table, sensitive: Mapping[str, int]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Codes of the sensitive values numbered in value order, the column of each code, and the values asked."""
    columns: list[npt.NDArray[np.int32]] = []
    of: list[int] = []
    for s, name in enumerate(sensitive):
        values = frame[name].to_pandas()
        codes, found = pd.factorize(values, sort=True, use_na_sentinel=True)
        missing = codes < 0
        codes = np.where(missing, len(found), codes) + len(of)
        of += [s] * (len(found) + int(missing.any()))
        columns.append(codes.astype(np.int32))
    stacked = np.column_stack(columns) if columns else np.empty((len(frame), 0), np.int32)
    return np.ascontiguousarray(stacked), np.array(of, np.int64), np.array(list(sensitive.values()), np.int64)


def _masks(
    values: npt.NDArray[np.int32], of: npt.NDArray[np.int64], first_row: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """Bit set of the sensitive values of each combination, 64 values to a word, words never shared by columns."""
    words: list[npt.NDArray[np.uint64]] = []
    word_of: list[int] = []
    for s in range(values.shape[1]):
        offset = int(np.flatnonzero(of == s)[0])
        column = values[:, s] - offset
        for word in range(0, int((of == s).sum()), 64):
            inside = (column >= word) & (column < word + 64)
            bits = np.where(inside, np.uint64(1) << (np.clip(column - word, 0, 63).astype(np.uint64)), np.uint64(0))
            words.append(np.bitwise_or.reduceat(bits, first_row[:-1]))
            word_of.append(s)
    stacked = np.column_stack(words) if words else np.empty((len(first_row) - 1, 0), np.uint64)
    return np.ascontiguousarray(stacked), np.array(word_of, np.int64)


def _lattice(hierarchies: Mapping[str, Hierarchy], leaves: npt.NDArray[np.int32]) -> _Lattice:
    sizes = [len(h.leaves) for h in hierarchies.values()]
    if prod(sizes) >= 2**62:
        raise ValueError("the domain of the quasi-identifiers is too large to number its combinations")
    levels = max(h.levels for h in hierarchies.values())
    codes = np.zeros((len(sizes), levels, max(sizes)), np.int64)
    losses = np.zeros(codes.shape)
    mean = np.zeros(codes.shape[:2])
    radix = 1
    for j, hierarchy in enumerate(hierarchies.values()):
        held = np.bincount(leaves[:, j], minlength=sizes[j]) / len(leaves)
        for level in range(hierarchy.levels):
            names = [hierarchy.paths[leaf][level] for leaf in hierarchy.leaves]
            _, code, under = np.unique(names, return_inverse=True, return_counts=True)
            codes[j, level, : sizes[j]] = code * radix
            losses[j, level, : sizes[j]] = (under[code] - 1) / max(sizes[j] - 1, 1)
            mean[j, level] = held @ losses[j, level, : sizes[j]]
        radix *= sizes[j]
    nodes = np.array(list(product(*(range(h.levels) for h in hierarchies.values()))), np.int8)
    node_losses = mean[np.arange(len(sizes)), nodes].mean(axis=1)
    # The lexicographic rank of the node breaks equal losses; rounding keeps the order off the last bits of the mean.
    order = np.argsort(node_losses.round(12), kind="stable")
    return _Lattice(codes, losses, nodes[order], node_losses[order])


def _raise_stranded(
    class_of: npt.NDArray[np.int64],
    values: npt.NDArray[np.int32],
    classes: int,
    need: npt.NDArray[np.int64],
    k: int,
) -> tuple[npt.NDArray[np.int64], int, int | None]:
    """Put persons without a class in one class at the top, and dissolve the last classes into it until k and l hold.

    Returns:
        The class of each row with no gap in the numbers, the number of classes, and the number of the top class or
        None when nobody was stranded.
    """
    stranded = class_of < 0
    if not stranded.any():
        return class_of, classes, None
    last = classes
    while stranded.sum() < k or any(len(np.unique(values[stranded, s])) < need[s] for s in range(len(need))):
        last -= 1
        stranded = (class_of < 0) | (class_of >= last)
    return np.where(stranded, last, class_of), last + 1, last


def _loss(losses: npt.NDArray[np.float64], levels: npt.NDArray[np.int8], leaves: npt.NDArray[np.int32]) -> float:
    return float(losses[np.arange(leaves.shape[1]), levels, leaves].mean(axis=0).mean())


def _recode(hierarchy: Hierarchy, leaf: npt.NDArray[np.int32], level: npt.NDArray[np.int8]) -> pa.Array:
    names = np.array([hierarchy.paths[value] for value in hierarchy.leaves], dtype=object)
    return pa.array(names[leaf, level], pa.string())


def _in_meaningless_order(table: pa.Table) -> pa.Table:
    """Rows sorted by a hash of their content (content itself on a collision): equal rows cannot be told apart."""
    frame = table.to_pandas()
    digest = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    content = [pd.factorize(frame[name], sort=True)[0] for name in reversed(table.column_names)]
    return table.take(pa.array(np.lexsort((*content, digest))))


__all__ = ["THRESHOLDS", "TOP", "AnonymisedMicrodata", "anonymise"]
