"""k-anonymous, l-diverse microdata: one row per person, nobody silently dropped.

*Local recoding* (`anonymise`) peels the lattice of generalisations best first: the distinct combinations of
quasi-identifiers are grouped at each node, from the least mean loss to the most; every class that meets k and l is
released, the rest goes on. The peel is stopped at several loss thresholds; what is left is completed with surplus
persons of released classes; each class is tightened to the narrowest values over its members; the threshold with the
least loss is kept and refined by local search (`refine`), which never raises the loss.

*Global recoding* (`anonymise_globally`) publishes each column at one level for everyone, so that codes are the same
from one month to the next, and suppresses (`*` in every quasi-identifier) a stated share of persons at most.

Persons no class can hold are put together with as many others as k and l ask for: the most general class obeys the same
rule as any other.

Unit of k: the person (Sweeney 2002). l: distinct values, and entropy: exp(entropy) of the values of a class >= l
(Machanavajjhala et al. 2007). Columns that are neither quasi-identifiers nor the key are published as they are: their
coarsening is the caller's. `verify` checks the result with code of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from math import prod

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure import peel
from pipeline.disclosure.hierarchy import TOP, Hierarchy, HierarchyError
from pipeline.disclosure.peel import Rule
from pipeline.disclosure.refine import SCALE, Trees, narrow, refine

THRESHOLDS = (0.3, 0.7, 1.0)
"""Mean losses of the nodes at which the peel is tried to stop before completion; 1.0 = peel to the top."""

EFFORT = 4_000_000_000
"""Elementary steps of the local search; a step is about a nanosecond."""

LATTICE = 30_000
"""Nodes of a lattice that is visited whole, if that takes no more than `VISITS` too; a larger one is sampled."""

VISITS = 10_000_000_000
"""Most nodes times combinations times columns."""

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class AnonymisedMicrodata:
    """Published persons and what it cost.

    Attributes:
        table: the published rows: quasi-identifiers as generalised text, other columns as given, the key gone. In the
            order of a hash of their content, which means nothing.
        loss: mean over cells of (leaves under the published value - 1) / (domain - 1), in [0, 1]; suppressed = 1.
        classes: number of distinct published combinations of quasi-identifiers.
        smallest_class: persons in the smallest of them, 0 when nothing is released.
        discernibility: sum over persons of the persons they cannot be told from: the size of their class, or everyone
            for the suppressed (Bayardo and Agrawal 2005). Not what is minimised.
        level_shares: column -> share of the persons published at each level, leaf first.
        suppressed: persons published with `*` in every quasi-identifier that can say anything (more than one leaf).
        refused: why nothing is released (`fewer_than_k`, `not_l_diverse`, `too_many_suppressed`), or None.
        levels: column -> level everyone not suppressed is published at; None after a local recoding.
    """

    table: pa.Table
    loss: float
    classes: int
    smallest_class: int
    discernibility: int
    level_shares: Mapping[str, tuple[float, ...]]
    suppressed: int
    refused: str | None = None
    levels: Mapping[str, int] | None = None

    @property
    def average_class(self) -> float:
        """Persons per class, 0 when nothing is released. Not what is minimised."""
        return len(self.table) / self.classes if self.classes else 0.0


@dataclass(frozen=True)
class _Forest:
    """The hierarchies as arrays; values are numbered as in `refine`, those with the same leaves are one.

    Attributes:
        trees: what the compiled loops read.
        above: int32 `(q, levels, leaves)`, value of each leaf at each level.
        loss: float64 `(N,)`, share of the domain lost by a cell published so.
        name: object `(N,)`, the published text, that of the lowest level it stands at.
        level: int64 `(N,)`, that level.
    """

    trees: Trees
    above: Codes
    loss: npt.NDArray[np.float64]
    name: npt.NDArray[np.object_]
    level: Ints


@dataclass(frozen=True)
class _Lattice:
    """What the peel visits: see `peel` for the shapes."""

    codes: Ints
    nodes: npt.NDArray[np.int8]
    losses: npt.NDArray[np.float64]  # (m,): mean over persons and columns


@dataclass(frozen=True)
class _Persons:
    """Rows in an order that depends on their content alone, those of one combination side by side."""

    frame: pa.Table  # without the key
    hierarchies: Mapping[str, Hierarchy]
    combos: Codes  # (n, q), leaf codes
    first_row: Ints  # (n + 1,)
    sensitive: Codes  # (rows, s)
    rule: Rule

    @property
    def combo_of(self) -> Ints:
        return np.repeat(np.arange(len(self.combos)), np.diff(self.first_row))


def anonymise(
    frame: pa.Table,
    *,
    quasi_identifiers: Mapping[str, Hierarchy],
    k: int,
    sensitive: Mapping[str, int],
    key: str,
    entropy: Mapping[str, float] | None = None,
    thresholds: tuple[float, ...] = THRESHOLDS,
    effort: int = EFFORT,
) -> AnonymisedMicrodata:
    """Publish each person in a class of at least k with the diversity asked of each sensitive column.

    The result depends on the set of rows, not on their order.

    Args:
        frame: one row per person. Quasi-identifiers are read as text (integers in plain decimal form).
        quasi_identifiers: column -> its hierarchy.
        k: least persons in a class, >= 1.
        sensitive: column -> least number of distinct values in a class (an empty value counts as one).
        key: column with a distinct, non-empty value per person (a hashed id), used to break ties and not published.
        entropy: column -> least exp(entropy) of its values in a class, >= 1.
        thresholds: mean node losses at which to try stopping the peel, in [0, 1]; the best is kept.
        effort: elementary steps of the local search; 0 leaves it out.

    Returns:
        The published rows with their figures. With fewer than k persons, or too few values in the whole frame, no row
        and the reason.

    Raises:
        ValueError: if k < 1, no quasi-identifier is given, or the key is not distinct and complete.
        HierarchyError: if a value of a quasi-identifier is not a leaf of its hierarchy (the value is not shown).
    """
    persons = _persons(frame, quasi_identifiers, k, sensitive, entropy or {}, key)
    if isinstance(persons, AnonymisedMicrodata):
        return persons
    forest = _forest(quasi_identifiers)
    lattice = _lattice(persons, forest)
    combo_of, rule, values = persons.combo_of, persons.rule, persons.sensitive
    at = _at(forest, persons.combos)[combo_of]
    class_of_combo, node_of = peel.peel(persons.combos, persons.first_row, values, rule, lattice.codes, lattice.nodes)
    best: tuple[int, Ints, int] | None = None
    tried = set()
    for threshold in thresholds:
        # Classes are numbered in the order of the nodes, so stopping early keeps the first of them.
        kept = int(np.searchsorted(lattice.losses[node_of], threshold, side="right"))
        if kept in tried:
            continue
        tried.add(kept)
        class_of = np.where(class_of_combo < kept, class_of_combo, -1)[combo_of]
        classes = peel.complete(
            persons.first_row, persons.combos, values, rule, lattice.codes, lattice.nodes, class_of, kept
        )
        class_of, classes = _gather_stranded(class_of, values, classes, rule)
        cost = forest.trees.loss[narrow(at, class_of, classes, forest.trees)].sum(axis=0, dtype=np.int64)
        loss = int(cost[class_of].sum())
        if best is None or loss < best[0]:
            best = (loss, class_of, classes)
    if best is None:
        raise ValueError("at least one threshold is needed")
    _, class_of, classes = best
    classes = refine(at, values, class_of, classes, rule, forest.trees, effort)
    return _published(persons, forest, narrow(at, class_of, classes, forest.trees)[:, class_of])


def anonymise_globally(
    frame: pa.Table,
    *,
    quasi_identifiers: Mapping[str, Hierarchy],
    k: int,
    sensitive: Mapping[str, int],
    key: str,
    entropy: Mapping[str, float] | None = None,
    suppression: float = 0.05,
    levels: Mapping[str, int] | None = None,
) -> AnonymisedMicrodata:
    """Publish every column at one level for everyone: the node of least loss at which few enough are suppressed.

    Args:
        frame: as in `anonymise`.
        quasi_identifiers: as in `anonymise`.
        k: as in `anonymise`.
        sensitive: as in `anonymise`.
        key: as in `anonymise`.
        entropy: as in `anonymise`.
        suppression: largest share of persons suppressed, in [0, 1].
        levels: column -> level, to publish in the codes of an earlier month; None = choose.

    Returns:
        As `anonymise`, with the levels. No row, and the reason, also when the levels given suppress too many.

    Raises:
        ValueError, HierarchyError: as `anonymise`; or if a level is not one of its hierarchy's.
    """
    persons = _persons(frame, quasi_identifiers, k, sensitive, entropy or {}, key)
    if isinstance(persons, AnonymisedMicrodata):
        return persons
    forest = _forest(quasi_identifiers)
    lattice = _lattice(persons, forest)
    nodes, losses = lattice.nodes, lattice.losses
    if levels is not None:
        if any(not 0 <= levels[name] < hierarchy.levels for name, hierarchy in quasi_identifiers.items()):
            raise ValueError("a level is not one of its hierarchy's")
        nodes, losses = np.array([[levels[name] for name in quasi_identifiers]], np.int8), np.zeros(1)
    weights, combo_of = np.diff(persons.first_row), persons.combo_of
    columns = np.arange(len(forest.above))
    best: tuple[float, Codes, npt.NDArray[np.bool_], npt.NDArray[np.int8]] | None = None
    for node, least in zip(nodes, losses, strict=True):
        if best is not None and least >= best[0]:
            break  # nobody suppressed costs less than at the node's level: nothing better comes
        class_of, _ = peel.peel(
            persons.combos, persons.first_row, persons.sensitive, persons.rule, lattice.codes, node[None, :]
        )
        value = forest.above[columns, node, persons.combos]
        per_person = np.where(class_of < 0, 1.0, forest.loss[value].mean(axis=1))
        lost = float(weights @ per_person) / len(combo_of)
        if weights[class_of < 0].sum() > suppression * len(combo_of) or (best is not None and lost >= best[0]):
            continue
        row_class, classes = _gather_stranded(
            class_of[combo_of], persons.sensitive, int(class_of.max()) + 1, persons.rule
        )
        stranded = (class_of < 0).any()
        suppressed = row_class == classes - 1 if stranded else np.zeros(len(combo_of), np.bool_)
        lost = float(np.where(suppressed, 1.0, per_person[combo_of]).mean())
        if suppressed.mean() <= suppression and (best is None or lost < best[0]):
            best = (lost, value, suppressed, node)
    if best is None:
        return _nothing(persons.frame, list(quasi_identifiers), "too_many_suppressed")
    _, value, suppressed, node = best
    tops = forest.above[columns, [h.levels - 1 for h in quasi_identifiers.values()], 0]
    person_nodes = np.where(suppressed, tops[:, None], value[combo_of].T)
    result = _published(persons, _called_at(forest, quasi_identifiers, node), person_nodes)
    return replace(result, levels={name: int(level) for name, level in zip(quasi_identifiers, node, strict=True)})


def _persons(
    frame: pa.Table,
    quasi_identifiers: Mapping[str, Hierarchy],
    k: int,
    sensitive: Mapping[str, int],
    entropy: Mapping[str, float],
    key: str,
) -> _Persons | AnonymisedMicrodata:
    """The rows in arrays, or the empty result that says why nothing can be released."""
    if k < 1 or not quasi_identifiers:
        raise ValueError("k must be at least 1, over at least one quasi-identifier")
    if frame[key].null_count or len(pc.unique(frame[key])) != len(frame):
        raise ValueError(f"column {key} must have one distinct value per person")
    names = list(quasi_identifiers)
    published_columns = [name for name in frame.column_names if name != key]
    if len(frame) < k:
        return _nothing(frame.select(published_columns), names, "fewer_than_k")
    values, of = _sensitive_codes(frame, list(dict.fromkeys([*sensitive, *entropy])))
    columns = dict.fromkeys([*sensitive, *entropy])
    rule = Rule(
        k,
        of,
        np.array([sensitive.get(name, 1) for name in columns], np.int64),
        np.array([math.log(entropy.get(name, 1.0)) for name in columns], np.float64),
    )
    if not _diverse(values, rule):
        return _nothing(frame.select(published_columns), names, "not_l_diverse")
    leaves = np.column_stack([_leaf_codes(frame, name, quasi_identifiers[name]) for name in names])
    rank, _ = pd.factorize(frame[key].to_pandas(), sort=True)
    order = np.lexsort((rank, *values.T, *leaves.T[::-1]))
    leaves = leaves[order]
    starts = np.flatnonzero(np.r_[True, (leaves[1:] != leaves[:-1]).any(axis=1)])
    rows = frame.select(published_columns).take(pa.array(order))
    first_row = np.r_[starts, len(frame)].astype(np.int64)
    return _Persons(rows, quasi_identifiers, leaves[starts], first_row, values[order], rule)


def _published(persons: _Persons, forest: _Forest, node: Codes) -> AnonymisedMicrodata:
    """Rows and figures from the published value of each person in each column, `(q, rows)`."""
    names = list(persons.hierarchies)
    recoded = {name: pa.array(forest.name[node[j]], pa.string()) for j, name in enumerate(names)}
    frame = persons.frame
    table = _in_meaningless_order(pa.table({name: recoded.get(name, frame[name]) for name in frame.column_names}))
    sizes = table.group_by(names).aggregate([([], "count_all")])["count_all"].to_numpy()
    tops = np.array([hierarchy.levels - 1 for hierarchy in persons.hierarchies.values()])
    levels = forest.level[node]
    told = [j for j, hierarchy in enumerate(persons.hierarchies.values()) if len(hierarchy.leaves) > 1]
    suppressed = int((forest.name[node[told]] == TOP).all(axis=0).sum()) if told else 0
    told_apart = int((sizes.astype(np.int64) ** 2).sum())
    return AnonymisedMicrodata(
        table=table,
        loss=float(forest.loss[node].mean(axis=1).mean()),
        classes=len(sizes),
        smallest_class=int(sizes.min()),
        discernibility=told_apart + suppressed * (len(table) - suppressed),
        level_shares={
            name: tuple(float(share) for share in np.bincount(levels[j], minlength=tops[j] + 1) / len(table))
            for j, name in enumerate(names)
        },
        suppressed=suppressed,
    )


def _nothing(frame: pa.Table, names: list[str], reason: str) -> AnonymisedMicrodata:
    fields = [pa.field(f.name, pa.string()) if f.name in names else f for f in frame.schema]
    return AnonymisedMicrodata(pa.schema(fields).empty_table(), 0.0, 0, 0, 0, {}, 0, reason)


def _leaf_codes(frame: pa.Table, name: str, hierarchy: Hierarchy) -> Codes:
    text = pc.cast(frame[name].combine_chunks(), pa.string())
    codes = pc.index_in(text, pa.array(hierarchy.leaves))
    if codes.null_count:
        raise HierarchyError(f"column {name}: {codes.null_count} rows hold a value that is not a leaf of its hierarchy")
    return np.asarray(codes.to_numpy(zero_copy_only=False), dtype=np.int32)


def _sensitive_codes(frame: pa.Table, names: list[str]) -> tuple[Codes, Ints]:
    """Codes of the sensitive values numbered in value order, and the column of each code."""
    columns: list[Codes] = []
    of: list[int] = []
    for s, name in enumerate(names):
        values = frame[name].to_pandas()
        codes, found = pd.factorize(values, sort=True, use_na_sentinel=True)
        missing = codes < 0
        codes = np.where(missing, len(found), codes) + len(of)
        of += [s] * (len(found) + int(missing.any()))
        columns.append(codes.astype(np.int32))
    stacked = np.column_stack(columns) if columns else np.empty((len(frame), 0), np.int32)
    return np.ascontiguousarray(stacked), np.array(of, np.int64)


def _diverse(values: Codes, rule: Rule) -> bool:
    counts = np.bincount(values.ravel(), minlength=len(rule.of)).astype(np.int32)
    return bool(peel.meets(counts, rule))


def _forest(hierarchies: Mapping[str, Hierarchy]) -> _Forest:
    sizes = [len(h.leaves) for h in hierarchies.values()]
    above = np.zeros((len(sizes), max(h.levels for h in hierarchies.values()), max(sizes)), np.int32)
    ends, parents, losses, names, levels = [], [], [], [], []
    offset = 0
    for j, hierarchy in enumerate(hierarchies.values()):
        text = np.array([hierarchy.paths[leaf] for leaf in hierarchy.leaves], dtype=object)
        code = np.column_stack([np.unique(text[:, level], return_inverse=True)[1] for level in range(text.shape[1])])
        # Leaves in the order of the tree: what lies under a value is then a range of them, a value is its range.
        order = np.lexsort(code.T)
        ranges = np.empty((*code.shape, 2), np.int64)
        for level in range(code.shape[1]):
            starts = np.flatnonzero(np.r_[True, np.diff(code[order, level]) != 0])
            ends_here = np.r_[starts[1:], len(order)]
            which = np.repeat(np.arange(len(starts)), ends_here - starts)
            ranges[order, level] = np.column_stack([starts[which], -ends_here[which]])
        found, number = np.unique(ranges.reshape(-1, 2), axis=0, return_inverse=True)
        number = number.reshape(code.shape) + offset
        above[j, : code.shape[1], : len(order)] = number.T
        ends.append(np.searchsorted(found[:, 0], -found[:, 1]) + offset)
        parent, name, level_of = np.full(len(found), -1), np.empty(len(found), object), np.empty(len(found), int)
        for level in reversed(range(code.shape[1])):
            here = number[:, level] - offset
            name[here], level_of[here] = text[:, level], level
            if level + 1 < code.shape[1]:
                narrower = number[:, level] != number[:, level + 1]
                parent[here[narrower]] = number[narrower, level + 1]
        parents.append(parent)
        losses.append((-found[:, 1] - found[:, 0] - 1) / max(len(order) - 1, 1))
        names.append(name)
        levels.append(level_of)
        offset += len(found)
    loss = np.concatenate(losses)
    trees = Trees(
        np.concatenate(ends).astype(np.int32),
        np.concatenate(parents).astype(np.int32),
        np.rint(loss * SCALE).astype(np.int32),
        np.ascontiguousarray(above[:, 0]),
    )
    return _Forest(trees, above, loss, np.concatenate(names), np.concatenate(levels).astype(np.int64))


def _called_at(forest: _Forest, hierarchies: Mapping[str, Hierarchy], node: npt.NDArray[np.int8]) -> _Forest:
    """Each value under its name at the level of the node, where a lower level with the same leaves has another."""
    name, level = forest.name.copy(), forest.level.copy()
    for j, hierarchy in enumerate(hierarchies.values()):
        here = forest.above[j, node[j], : len(hierarchy.leaves)]
        name[here] = [hierarchy.paths[leaf][node[j]] for leaf in hierarchy.leaves]
        level[here] = node[j]
    return replace(forest, name=name, level=level)


def _at(forest: _Forest, combos: Codes) -> Codes:
    return np.ascontiguousarray(np.column_stack([forest.above[j, 0, combos[:, j]] for j in range(combos.shape[1])]))


def _lattice(persons: _Persons, forest: _Forest) -> _Lattice:
    depths = [h.levels for h in persons.hierarchies.values()]
    weights = np.diff(persons.first_row) / persons.first_row[-1]
    mean = np.zeros(forest.above.shape[:2])
    codes = forest.above.astype(np.int64)
    domain = prod(len(h.leaves) * h.levels for h in persons.hierarchies.values())
    # Too large to number every combination of values: two may then meet by chance (one in 2**64), which only makes a
    # class wider than it need be.
    drawn = np.random.default_rng(0).integers(0, 2**63, len(forest.loss)) if domain >= 2**62 else None
    radix = 1
    for j, depth in enumerate(depths):
        for level in range(depth):
            mean[j, level] = weights @ forest.loss[forest.above[j, level, persons.combos[:, j]]]
        if drawn is not None:
            codes[j] = drawn[codes[j]]
        else:
            first = forest.above[j, depth - 1, 0]
            codes[j] = (codes[j] - first) * radix
            radix *= int(forest.trees.end[first] - first)
    within = min(LATTICE, VISITS // persons.combos.size)
    nodes = (
        np.array(list(product(*map(range, depths))), np.int8)
        if prod(depths) <= within
        else _sample(mean, depths, within)
    )
    losses = mean[np.arange(len(depths)), nodes].mean(axis=1)
    # The lexicographic rank of the node breaks equal losses; rounding keeps the order off the last bits of the mean.
    order = np.argsort(losses.round(12), kind="stable")
    return _Lattice(codes, nodes[order], losses[order])


def _sample(mean: npt.NDArray[np.float64], depths: list[int], within: int) -> npt.NDArray[np.int8]:
    """About `within` nodes of a lattice too large to visit: at each height those of least loss, bottom and top too."""
    heights = sum(depth - 1 for depth in depths)
    width = max(within // (heights + 1), 1)
    layer = np.zeros((1, len(depths)), np.int8)
    layers = [layer]
    for _ in range(heights):
        steps = layer[:, None, :] + np.eye(len(depths), dtype=np.int8)
        above = np.unique(steps.reshape(-1, len(depths)), axis=0)
        above = above[(above < depths).all(axis=1)]
        losses = mean[np.arange(len(depths)), above].sum(axis=1).round(12)
        layer = above[np.argsort(losses, kind="stable")[:width]]
        layers.append(layer)
    nodes = np.concatenate(layers)
    return nodes[np.lexsort(nodes.T[::-1])]


def _gather_stranded(class_of: Ints, values: Codes, classes: int, rule: Rule) -> tuple[Ints, int]:
    """Put persons without a class in one, the last, and dissolve the last classes into it until k and l hold.

    Returns:
        The class of each row with no gap in the numbers, and the number of classes.
    """
    stranded = class_of < 0
    if not stranded.any():
        return class_of, classes
    last = classes
    while stranded.sum() < rule.k or not _diverse(values[stranded], rule):
        last -= 1
        stranded = (class_of < 0) | (class_of >= last)
    return np.where(stranded, last, class_of), last + 1


def _in_meaningless_order(table: pa.Table) -> pa.Table:
    """Rows sorted by a hash of their content (content itself on a collision): equal rows cannot be told apart."""
    frame = table.to_pandas()
    digest = pd.util.hash_pandas_object(frame, index=False).to_numpy()
    content = [pd.factorize(frame[name], sort=True)[0] for name in reversed(table.column_names)]
    return table.take(pa.array(np.lexsort((*content, digest))))


__all__ = ["THRESHOLDS", "TOP", "AnonymisedMicrodata", "anonymise", "anonymise_globally"]
