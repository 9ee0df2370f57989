"""Compiled inner loops of the microdata engine: peel the generalisation lattice, then complete what is left.

Arrays in, arrays out; nothing here knows about tables or column names. Every loop runs in an order fixed by its inputs,
so the result depends on the persons alone. Shapes used throughout:

* `combos`: int32 `(n, q)`, leaf codes of the distinct combinations of `q` quasi-identifiers, in lexicographic order;
* `codes`: int64 `(q, levels, leaves)`, contribution of a generalised value to the key of its class (already multiplied
  by the radix of its column, or drawn at random where the domain is too large, so that a key is a plain sum);
* `nodes`: int8 `(m, q)`, level of each column at each node of the lattice, from the least to the most loss;
* `first_row`: int64 `(n + 1,)`, rows `first_row[c]:first_row[c + 1]` carry combination `c`;
* `values`: int32 `(rows, s)`, code of each sensitive value, offset so that columns do not overlap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]

_EMPTY = -1
ROUNDING = 1e-9
"""Entropies (nats) closer than this are equal: a class that holds exactly l values alike meets l."""


class Rule(NamedTuple):
    """What the persons of a class must be.

    Attributes:
        k: least number of persons.
        of: int64 `(v,)`, the sensitive column each value code belongs to.
        need: int64 `(s,)`, least number of distinct values of each sensitive column.
        entropy: float64 `(s,)`, least entropy of each sensitive column, in nats (0 = none asked).
    """

    k: int
    of: Ints
    need: Ints
    entropy: Floats


@njit(cache=True)
def _slot(table: Ints, size: int, key: np.int64) -> np.int64:
    """Open-addressing slot of `key` in the first `size` (a power of two) places of `table`: its own, or a free one."""
    h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    i = np.int64(h >> np.uint64(33)) & (size - 1)
    while table[i] != _EMPTY and table[i] != key:
        i = (i + 1) & (size - 1)
    return i


@njit(cache=True)
def _key(codes: Ints, node: Levels, combo: Codes) -> np.int64:
    total = np.int64(0)
    for j in range(len(node)):
        total += codes[j, node[j], combo[j]]
    return total


@njit(cache=True)
def lacks(counts: Codes, rule: Rule, s: int) -> int:
    """What persons with these sensitive values lack in column `s`: 0 nothing, 1 distinct values, 2 entropy."""
    distinct = 0
    total = 0
    spread = 0.0
    for v in range(len(rule.of)):
        if rule.of[v] == s and counts[v] > 0:
            distinct += 1
            total += counts[v]
            if rule.entropy[s] > 0:
                spread += counts[v] * np.log(counts[v])
    if distinct < rule.need[s]:
        return 1
    if rule.entropy[s] > 0 and total * np.log(total) - spread < total * (rule.entropy[s] - ROUNDING):
        return 2
    return 0


@njit(cache=True)
def meets(counts: Codes, rule: Rule) -> bool:
    """Whether persons with these sensitive values are diverse enough in each column (not: numerous enough)."""
    for s in range(len(rule.need)):  # noqa: SIM110 - numba compiles the loop better than a generator
        if lacks(counts, rule, s):
            return False
    return True


@njit(cache=True)
def peel(combos: Codes, first_row: Ints, values: Codes, rule: Rule, codes: Ints, nodes: Levels) -> tuple[Ints, Ints]:
    """Release, node after node, every class of what remains that meets k and l.

    Args:
        combos: distinct combinations, `(n, q)`.
        first_row: rows of each combination, `(n + 1,)`.
        values: sensitive codes of the rows, `(rows, s)`.
        rule: what a class must meet.
        codes: key contributions, `(q, levels, leaves)`.
        nodes: lattice nodes in the order to visit, `(m, q)`.

    Returns:
        Class of each combination, `(n,)`, -1 where none; and the index of the node of each class, `(classes,)`.
        Classes are numbered in the order of their release.
    """
    n = len(combos)
    sensitive = values.shape[1] > 0
    class_of = np.full(n, -1, np.int64)
    node_of = np.empty(n, np.int64)
    classes = 0
    size = 16
    while size < 2 * n:
        size *= 2
    table = np.empty(size, np.int64)
    group_at = np.empty(size, np.int64)
    remaining = np.arange(n)
    left = n
    group_of = np.empty(n, np.int64)
    total = np.empty(n, np.int64)
    number = np.empty(n, np.int64)
    last = np.empty(n, np.int64)
    link = np.empty(n, np.int64)
    counts = np.zeros(len(rule.of), np.int32)
    for m in range(len(nodes)):
        if left == 0:
            break
        while size > 16 and size >= 4 * left:
            size //= 2
        table[:size] = _EMPTY
        groups = 0
        for r in range(left):
            c = remaining[r]
            key = _key(codes, nodes[m], combos[c])
            i = _slot(table, size, key)
            if table[i] == _EMPTY:
                table[i] = key
                group_at[i] = groups
                total[groups] = 0
                last[groups] = -1
                groups += 1
            g = group_at[i]
            group_of[r] = g
            total[g] += first_row[c + 1] - first_row[c]
            link[c] = last[g]
            last[g] = c
        released = False
        for g in range(groups):
            number[g] = -1
            if total[g] < rule.k:
                continue
            good = True
            if sensitive:
                counts[:] = 0
                c = last[g]
                while c >= 0:
                    for r in range(first_row[c], first_row[c + 1]):
                        for v in values[r]:
                            counts[v] += 1
                    c = link[c]
                good = meets(counts, rule)
            if good:
                number[g] = classes
                node_of[classes] = m
                classes += 1
                released = True
        if released:
            kept = 0
            for r in range(left):
                c = remaining[r]
                if number[group_of[r]] >= 0:
                    class_of[c] = number[group_of[r]]
                else:
                    remaining[kept] = c
                    kept += 1
            left = kept
    return class_of, node_of[:classes]


@njit(cache=True)
def _may_leave(row: int, class_of: Ints, sizes: Ints, counts: Codes, values: Codes, rule: Rule) -> bool:
    """Whether `row` is surplus: its class keeps k persons and l values without it."""
    c = class_of[row]
    if c < 0 or sizes[c] <= rule.k:
        return False
    for s in range(len(rule.need)):
        v = values[row, s]
        if counts[c, v] == 1 or rule.entropy[s] > 0:
            counts[c, v] -= 1
            lacking = lacks(counts[c], rule, s)
            counts[c, v] += 1
            if lacking:
                return False
    return True


@njit(cache=True)
def _helps(row: int, found: Codes, taken: int, values: Codes, rule: Rule) -> bool:
    """Whether `row` brings what the persons found lack: a new value, or one rarer than the entropy asks of all."""
    for s in range(len(rule.need)):
        lacking = lacks(found, rule, s)
        had = found[values[row, s]]
        if (lacking == 1 and had == 0) or (lacking == 2 and had * np.exp(rule.entropy[s]) < taken):
            return True
    return False


@njit(cache=True)
def complete(
    first_row: Ints,
    combos: Codes,
    values: Codes,
    rule: Rule,
    codes: Ints,
    nodes: Levels,
    class_of: Ints,
    classes: int,
) -> int:
    """Give leftovers a class of their own at the narrowest node where surplus persons of other classes make up k and l.

    Where surplus does not make it up, they join the smallest class that lies wholly under the node (this is what l asks
    for when one sensitive value is everywhere). A class never falls under k persons or l values. What nothing can
    complete stays at -1.

    Args:
        first_row: rows of each combination, `(n + 1,)`.
        combos: distinct combinations, `(n, q)`.
        values: sensitive codes of the rows, `(rows, s)`.
        rule: what a class must meet.
        codes: key contributions.
        nodes: lattice nodes in the order to visit.
        class_of: class of each row, `(rows,)`, -1 = leftover; changed in place.
        classes: number of classes so far.

    Returns:
        The new number of classes.
    """
    n = len(combos)
    rows = len(class_of)
    k = rule.k
    sizes = np.zeros(classes + rows // max(k, 1) + 1, np.int64)
    counts = np.zeros((len(sizes), len(rule.of)), np.int32)
    inside = np.zeros(len(sizes), np.int64)
    left_in = np.zeros(n, np.int64)
    left = 0
    for c in range(n):
        for r in range(first_row[c], first_row[c + 1]):
            if class_of[r] < 0:
                left_in[c] += 1
                left += 1
            else:
                sizes[class_of[r]] += 1
                for s in range(values.shape[1]):
                    counts[class_of[r], values[r, s]] += 1
    part = np.empty((*codes.shape[:2], n), np.int64)
    for j in range(len(part)):
        for level in range(codes.shape[1]):
            part[j, level] = codes[j, level][combos[:, j]]
    size = 16
    while size < 2 * n:
        size *= 2
    table = np.empty(size, np.int64)
    group_at = np.empty(size, np.int64)
    head = np.empty(n, np.int64)
    link = np.empty(n, np.int64)
    persons = np.empty(n, np.int64)
    keys = np.empty(n, np.int64)
    found = np.zeros(len(rule.of), np.int32)
    chosen = np.empty(rows, np.int64)
    origin = np.empty(rows, np.int64)
    for m in range(len(nodes)):
        if left == 0:
            break
        small = 16
        while small < 2 * left and small < size:
            small *= 2
        table[:small] = _EMPTY
        groups = 0
        keys[:] = part[0, nodes[m, 0]]
        for j in range(1, len(part)):
            keys += part[j, nodes[m, j]]
        for c in range(n):
            if left_in[c] > 0:
                i = _slot(table, small, keys[c])
                if table[i] == _EMPTY:
                    table[i] = keys[c]
                    group_at[i] = groups
                    head[groups] = -1
                    persons[groups] = 0
                    groups += 1
        for back in range(n):  # backwards, so that each chain reads in the order of the combinations
            c = n - 1 - back
            i = _slot(table, small, keys[c])
            if table[i] == keys[c]:
                g = group_at[i]
                link[c] = head[g]
                head[g] = c
                persons[g] += first_row[c + 1] - first_row[c]
        for g in range(groups):
            if persons[g] < k:
                continue
            new = classes
            taken = 0
            found[:] = 0
            c = head[g]
            while c >= 0:
                if left_in[c] > 0:
                    for r in range(first_row[c], first_row[c + 1]):
                        if class_of[r] < 0:
                            chosen[taken] = r
                            origin[taken] = -1
                            taken += 1
                            for s in range(values.shape[1]):
                                found[values[r, s]] += 1
                c = link[c]
            own = taken
            # First persons who bring a sensitive value the class still lacks, then anyone, up to k.
            good = meets(found, rule)
            for attempt in range(2):
                if attempt == 1 and not good:
                    break
                c = head[g]
                while c >= 0:
                    for r in range(first_row[c], first_row[c + 1]):
                        if (attempt == 0 and good) or (attempt == 1 and taken >= k):
                            break
                        if attempt == 0 and not _helps(r, found, taken, values, rule):
                            continue
                        if not _may_leave(r, class_of, sizes, counts, values, rule):
                            continue
                        chosen[taken] = r
                        origin[taken] = class_of[r]
                        taken += 1
                        sizes[class_of[r]] -= 1
                        for s in range(values.shape[1]):
                            v = values[r, s]
                            counts[class_of[r], v] -= 1
                            found[v] += 1
                        class_of[r] = -2
                        good = attempt == 1 or meets(found, rule)
                    c = link[c]
            if taken >= k and meets(found, rule):
                for t in range(taken):
                    class_of[chosen[t]] = new
                    for s in range(values.shape[1]):
                        counts[new, values[chosen[t], s]] += 1
                sizes[new] = taken
                classes += 1
                left -= own
                c = head[g]
                while c >= 0:
                    left_in[c] = 0
                    c = link[c]
            else:
                for t in range(own, taken):
                    r = chosen[t]
                    class_of[r] = origin[t]
                    sizes[origin[t]] += 1
                    for s in range(values.shape[1]):
                        counts[origin[t], values[r, s]] += 1
                # No surplus makes it up: join the smallest class that lies wholly under this node, if there is one.
                joined = -1
                c = head[g]
                while c >= 0:
                    for r in range(first_row[c], first_row[c + 1]):
                        if class_of[r] >= 0:
                            inside[class_of[r]] += 1
                    c = link[c]
                c = head[g]
                while c >= 0:
                    for r in range(first_row[c], first_row[c + 1]):
                        a = class_of[r]
                        if a >= 0:
                            if inside[a] == sizes[a] and (
                                joined < 0 or sizes[a] < sizes[joined] or (sizes[a] == sizes[joined] and a < joined)
                            ):
                                joined = a
                            inside[a] = 0
                    c = link[c]
                if joined >= 0:
                    for t in range(own):
                        for s in range(values.shape[1]):
                            counts[joined, values[chosen[t], s]] += 1
                    if not meets(counts[joined], rule):  # many alike can lower the entropy of a class
                        for t in range(own):
                            for s in range(values.shape[1]):
                                counts[joined, values[chosen[t], s]] -= 1
                        continue
                    for t in range(own):
                        class_of[chosen[t]] = joined
                    sizes[joined] += own
                    left -= own
                    c = head[g]
                    while c >= 0:
                        left_in[c] = 0
                        c = link[c]
    return classes
