"""Compiled inner loops of the microdata engine: peel the generalisation lattice, then complete what is left.

Arrays in, arrays out; nothing here knows about tables or column names. Every loop runs in an order fixed by its inputs,
so the result depends on the persons alone. Shapes used throughout:

* `combos`: int32 `(n, q)`, leaf codes of the distinct combinations of `q` quasi-identifiers, in lexicographic order;
* `codes`: int64 `(q, levels, leaves)`, contribution of a generalised value to the key of its class (already multiplied
  by the radix of its column, so that a key is a plain sum);
* `nodes`: int8 `(m, q)`, level of each column at each node of the lattice, from the least to the most loss;
* `values`: int32 `(rows, s)`, code of each sensitive value, offset so that columns do not overlap;
* `need`: int64 `(s,)`, least number of distinct values of each sensitive column in a class.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Levels = npt.NDArray[np.int8]
Words = npt.NDArray[np.uint64]

_EMPTY = -1


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
def _bits(word: int) -> int:
    count = 0
    w = np.uint64(word)
    while w != np.uint64(0):
        w &= w - np.uint64(1)
        count += 1
    return count


@njit(cache=True)
def peel(
    combos: Codes, weights: Ints, masks: Words, word_of: Ints, need: Ints, codes: Ints, nodes: Levels, k: int
) -> tuple[Ints, Ints]:
    """Release, node after node, every class of what remains that meets k and l.

    Args:
        combos: distinct combinations, `(n, q)`.
        weights: persons of each combination, `(n,)`.
        masks: uint64 `(n, w)`, bit set of the sensitive values met in each combination.
        word_of: int64 `(w,)`, the sensitive column each word of `masks` belongs to.
        need: distinct values asked of each sensitive column, `(s,)`.
        codes: key contributions, `(q, levels, leaves)`.
        nodes: lattice nodes in the order to visit, `(m, q)`.
        k: least persons in a class.

    Returns:
        Class of each combination, `(n,)`, -1 where none; and the index of the node of each class, `(classes,)`.
        Classes are numbered in the order of their release.
    """
    n = len(combos)
    width = masks.shape[1]
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
    seen = np.empty((n, width), np.uint64)
    number = np.empty(n, np.int64)
    distinct = np.empty(len(need), np.int64)
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
                seen[groups, :] = np.uint64(0)
                groups += 1
            g = group_at[i]
            group_of[r] = g
            total[g] += weights[c]
            for w in range(width):
                seen[g, w] |= masks[c, w]
        released = False
        for g in range(groups):
            number[g] = -1
            if total[g] < k:
                continue
            distinct[:] = 0
            for w in range(width):
                distinct[word_of[w]] += _bits(seen[g, w])
            if np.all(distinct >= need):
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
def _may_leave(
    row: int, class_of: Ints, sizes: Ints, counts: Codes, values: Codes, of: Ints, need: Ints, k: int
) -> bool:
    """Whether `row` is surplus: its class keeps k persons and l values without it."""
    c = class_of[row]
    if c < 0 or sizes[c] <= k:
        return False
    for s in range(len(need)):
        if counts[c, values[row, s]] == 1:
            distinct = 0
            for v in range(len(of)):
                if of[v] == s and counts[c, v] > 0:
                    distinct += 1
            if distinct <= need[s]:
                return False
    return True


@njit(cache=True)
def complete(
    first_row: Ints,
    combos: Codes,
    values: Codes,
    of: Ints,
    need: Ints,
    codes: Ints,
    nodes: Levels,
    k: int,
    class_of: Ints,
    classes: int,
) -> int:
    """Give leftovers a class of their own at the narrowest node where surplus persons of other classes make up k and l.

    Where surplus does not make it up, they join the smallest class that lies wholly under the node (this is what l asks
    for when one sensitive value is everywhere). A class never falls under k persons or l values. What nothing can
    complete stays at -1.

    Args:
        first_row: int64 `(n + 1,)`, rows `first_row[c]:first_row[c + 1]` carry combination `c`.
        combos: distinct combinations, `(n, q)`.
        values: sensitive codes of the rows, `(rows, s)`.
        of: int64 `(v,)`, sensitive column each value code belongs to.
        need: distinct values asked, `(s,)`.
        codes: key contributions.
        nodes: lattice nodes in the order to visit.
        k: least persons in a class.
        class_of: class of each row, `(rows,)`, -1 = leftover; changed in place.
        classes: number of classes so far.

    Returns:
        The new number of classes.
    """
    n = len(combos)
    rows = len(class_of)
    sizes = np.zeros(classes + rows // max(k, 1) + 1, np.int64)
    counts = np.zeros((len(sizes), len(of)), np.int32)
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
                for s in range(len(need)):
                    counts[class_of[r], values[r, s]] += 1
    size = 16
    while size < 2 * n:
        size *= 2
    table = np.empty(size, np.int64)
    group_at = np.empty(size, np.int64)
    head = np.empty(n, np.int64)
    link = np.empty(n, np.int64)
    persons = np.empty(n, np.int64)
    keys = np.empty(n, np.int64)
    found = np.zeros(len(of), np.int64)
    distinct = np.zeros(len(need), np.int64)
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
        for c in range(n):
            keys[c] = _key(codes, nodes[m], combos[c])
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
            distinct[:] = 0
            c = head[g]
            while c >= 0:
                if left_in[c] > 0:
                    for r in range(first_row[c], first_row[c + 1]):
                        if class_of[r] < 0:
                            chosen[taken] = r
                            origin[taken] = -1
                            taken += 1
                            for s in range(len(need)):
                                v = values[r, s]
                                distinct[s] += found[v] == 0
                                found[v] += 1
                c = link[c]
            own = taken
            # First persons who bring a sensitive value the class still lacks, then anyone, up to k.
            for attempt in range(2):
                if attempt == 1 and not np.all(distinct >= need):
                    break
                c = head[g]
                while c >= 0:
                    for r in range(first_row[c], first_row[c + 1]):
                        lacking = not np.all(distinct >= need)
                        if (attempt == 0 and not lacking) or (attempt == 1 and taken >= k):
                            break
                        if not _may_leave(r, class_of, sizes, counts, values, of, need, k):
                            continue
                        if attempt == 0:
                            helps = False
                            for s in range(len(need)):
                                helps = helps or (distinct[s] < need[s] and found[values[r, s]] == 0)
                            if not helps:
                                continue
                        chosen[taken] = r
                        origin[taken] = class_of[r]
                        taken += 1
                        sizes[class_of[r]] -= 1
                        for s in range(len(need)):
                            v = values[r, s]
                            counts[class_of[r], v] -= 1
                            distinct[s] += found[v] == 0
                            found[v] += 1
                        class_of[r] = -2
                    c = link[c]
            if taken >= k and np.all(distinct >= need):
                for t in range(taken):
                    class_of[chosen[t]] = new
                    for s in range(len(need)):
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
                    for s in range(len(need)):
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
                        class_of[chosen[t]] = joined
                        for s in range(len(need)):
                            counts[joined, values[chosen[t], s]] += 1
                    sizes[joined] += own
                    left -= own
                    c = head[g]
                    while c >= 0:
                        left_in[c] = 0
                        c = link[c]
    return classes


@njit(cache=True)
def tighten(combo_of: Ints, combos: Codes, codes: Ints, class_of: Ints, classes: int) -> Levels:
    """Lowest level at which all persons of a class share one value, per class and column.

    Args:
        combo_of: combination of each row, `(rows,)`.
        combos: distinct combinations, `(n, q)`.
        codes: key contributions, `(q, levels, leaves)`.
        class_of: class of each row, `(rows,)`.
        classes: number of classes.

    Returns:
        int8 `(classes, q)`.
    """
    q = combos.shape[1]
    level = np.zeros((classes, q), np.int8)
    witness = np.full(classes, -1, np.int64)
    for r in range(len(combo_of)):
        c = class_of[r]
        if c < 0:
            continue
        if witness[c] < 0:
            witness[c] = combo_of[r]
            continue
        a = witness[c]
        b = combo_of[r]
        for j in range(q):
            while codes[j, level[c, j], combos[a, j]] != codes[j, level[c, j], combos[b, j]]:
                level[c, j] += 1
    return level
