"""Compiled local search over a finished recoding: persons change class wherever that lowers the loss.

The peel takes whole combinations in the order of the nodes and never looks back. Here each class, the worst first, may
hand over its persons to others, or shed those who keep its values wide and take in persons whom other classes can
spare; classes large enough are split. A move is kept only if it lowers the loss of all classes it touches taken
together and each of them still meets k and l, so that the result is never worse than what came in. In the family of
sequential clustering for k-anonymity (Goldberger and Tassa 2010, Transactions on Data Privacy 3: 149-175), on
hierarchies.

Losses are whole numbers (2**-20 of a domain): sums are exact, equal gains are equal on any machine. Effort is bounded
by a count of elementary steps, never by the clock. Generalised values are numbered in the preorder of their trees,
columns one after the other, so that what lies under a value is a range.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from pipeline.disclosure.peel import Codes, Ints, Rule, meets

SCALE = 2**20
PASSES = 8
"""Most passes over all classes that changed in the pass before."""
TRIES = 4
"""Neighbours that a class is joined to and parted from anew."""
EVERYWHERE = 6_000
"""Most classes that are all looked at for each move."""
SPAN = 1024
"""Places to either side that are looked at, in an order of the tree, where classes are more than that."""


class Trees(NamedTuple):
    """The hierarchies of `q` columns as one forest of `N` values; values with the same leaves are one.

    Attributes:
        end: int32 `(N,)`, one past the last value under each.
        parent: int32 `(N,)`, -1 at the top.
        loss: int32 `(N,)`, loss of a cell published so, in 1 / `SCALE`.
        leaf: int32 `(q, leaves)`, the value of each leaf code.
    """

    end: Codes
    parent: Codes
    loss: Codes
    leaf: Codes


class _Order(NamedTuple):
    """Where to look in one pass.

    Attributes:
        floor: least loss per person of each class, ascending, when all are looked at; else empty.
        weight: int64 `(q,)`: the sum of a generalised value's numbers times these is its place in an order that keeps
            together what is under one value of the first columns (others in each pass).
        keys: places of the classes, ascending; empty when all are looked at.
        spare: rows that their class can do without, one for each combination in it, in the order of `spare_keys`.
        spare_at: int32 `(q, spare)`, their values.
        spare_keys: their places, ascending.
    """

    floor: Ints
    weight: Ints
    keys: Ints
    spare: Ints
    spare_at: Codes
    spare_keys: Ints


class _State(NamedTuple):
    """Classes and their members; `node` is column-major, since scans read one column of all classes."""

    at: Codes  # (rows, q): value of each row
    values: Codes  # (rows, s)
    class_of: Ints
    size: Ints
    node: Codes  # (q, capacity): value published by each class
    cost: Ints  # (capacity,): loss per person
    head: Ints
    after: Ints
    before: Ints
    counts: Codes  # (capacity, v)
    log_row: Ints  # moves of the transaction under way, and where each row came from
    log_from: Ints
    touched: Ints
    mark: Ints
    old_node: Codes
    old_cost: Ints
    old_size: Ints
    lost: npt.NDArray[np.bool_]
    fresh: npt.NDArray[np.bool_]  # (capacity,): changed since the pass before
    used: Ints  # [moves logged, classes touched, elementary steps, classes]


@njit(cache=True)
def _meet(trees: Trees, a: int, leaf: int) -> int:
    """Narrowest value over both."""
    while not a <= leaf < trees.end[a]:
        a = trees.parent[a]
    return a


@njit(cache=True)
def _widen(trees: Trees, start: Codes, reach: Codes) -> None:
    """Loss of each value once widened to hold `start`, one value per column."""
    for j in range(len(start)):
        inner = start[j]
        reach[inner : trees.end[inner]] = trees.loss[inner]
        while trees.parent[inner] >= 0:
            outer = trees.parent[inner]
            reach[outer:inner] = trees.loss[outer]
            reach[trees.end[inner] : trees.end[outer]] = trees.loss[outer]
            inner = outer


@njit(cache=True)
def _scan(reach: Codes, node: Codes, low: int, high: int, out: Codes) -> None:
    """Loss per person of columns `low` to `high` of `node`, once widened."""
    for d in range(low, high):
        out[d] = reach[node[0, d]]
    for j in range(1, len(node)):
        column = node[j]
        for d in range(low, high):
            out[d] += reach[column[d]]


@njit(cache=True)
def _near(keys: Ints, weight: Ints, start: Codes) -> tuple[int, int]:
    """Range of the places around `start`."""
    key = np.int64(0)
    for j in range(len(start)):
        key += weight[j] * start[j]
    middle = int(np.searchsorted(keys, key))
    return max(middle - SPAN, 0), min(middle + SPAN, len(keys))


@njit(cache=True)
def _touch(s: _State, c: int) -> None:
    if s.mark[c] < 0:
        t = s.used[1]
        s.mark[c] = t
        s.touched[t] = c
        s.old_node[t] = s.node[:, c]
        s.old_cost[t] = s.cost[c]
        s.old_size[t] = s.size[c]
        s.lost[t] = False
        s.used[1] += 1


@njit(cache=True)
def _relink(s: _State, row: int, to: int) -> None:
    c = s.class_of[row]
    if s.before[row] >= 0:
        s.after[s.before[row]] = s.after[row]
    else:
        s.head[c] = s.after[row]
    if s.after[row] >= 0:
        s.before[s.after[row]] = s.before[row]
    s.after[row] = s.head[to]
    s.before[row] = -1
    if s.head[to] >= 0:
        s.before[s.head[to]] = row
    s.head[to] = row
    s.class_of[row] = to
    s.size[c] -= 1
    s.size[to] += 1
    for v in s.values[row]:
        s.counts[c, v] -= 1
        s.counts[to, v] += 1


@njit(cache=True)
def _move(s: _State, trees: Trees, row: int, to: int) -> None:
    """Move within the transaction. The class left keeps its values until `_settle`."""
    _touch(s, s.class_of[row])
    _touch(s, to)
    s.lost[s.mark[s.class_of[row]]] = True
    s.log_row[s.used[0]] = row
    s.log_from[s.used[0]] = s.class_of[row]
    s.used[0] += 1
    _relink(s, row, to)
    cost = 0
    for j in range(len(s.node)):
        s.node[j, to] = s.at[row, j] if s.size[to] == 1 else _meet(trees, s.node[j, to], s.at[row, j])
        cost += trees.loss[s.node[j, to]]
    s.cost[to] = cost


@njit(cache=True)
def _tighten(s: _State, trees: Trees, c: int) -> None:
    """Narrowest values over all members, under those of now."""
    first = s.head[c]
    s.cost[c] = 0
    if first < 0:
        return
    for j in range(len(s.node)):
        a = s.at[first, j]
        row = s.after[first]
        while row >= 0 and a != s.node[j, c]:
            a = _meet(trees, a, s.at[row, j])
            row = s.after[row]
        s.node[j, c] = a
        s.cost[c] += trees.loss[a]


@njit(cache=True)
def _settle(s: _State, trees: Trees, rule: Rule, good: bool) -> bool:
    """Keep a transaction that lowers the loss and leaves every class it touched empty or within the rule; else undo."""
    gain = 0
    s.used[2] += 32 * s.used[0] * len(s.node)
    for t in range(s.used[1]):
        c = s.touched[t]
        if good and s.size[c] and not (s.size[c] >= rule.k and meets(s.counts[c], rule)):
            good = False
        if good and s.cost[c] > 0 and s.lost[t]:
            _tighten(s, trees, c)
        gain += s.old_cost[t] * s.old_size[t] - s.cost[c] * s.size[c]
    good = good and gain > 0
    if not good:
        for m in range(s.used[0] - 1, -1, -1):
            _relink(s, s.log_row[m], s.log_from[m])
    for t in range(s.used[1]):
        c = s.touched[t]
        if good:
            s.fresh[c] = True
        else:
            if s.size[c] == 0 and c == s.used[3] - 1:
                s.used[3] = c  # it was opened for this
            s.node[:, c] = s.old_node[t]
            s.cost[c] = s.old_cost[t]
        s.mark[c] = -1
    s.used[0] = 0
    s.used[1] = 0
    return good


@njit(cache=True)
def _home(s: _State, start: Codes, reach: Codes, out: Codes, bound: int, order: _Order, avoid: int) -> tuple[int, int]:
    """Class that takes in a person at `start` at the least increase of loss, under `bound`; -1 when none does."""
    if len(order.keys):
        low, high = _near(order.keys, order.weight, start)
    else:
        low, high = 0, int(np.searchsorted(order.floor, bound))
    _scan(reach, s.node, low, high, out)
    s.used[2] += (high - low) * len(s.node)
    best = -1
    for d in range(low, high):
        if out[d] < bound:
            increase = out[d] * (s.size[d] + 1) - s.cost[d] * s.size[d]
            if increase < bound and d != avoid and s.size[d] > 0:
                bound = increase
                best = d
    return best, bound


@njit(cache=True)
def _disperse(
    s: _State, trees: Trees, rows: Ints, n: int, gain: int, order: _Order, reach: Codes, out: Codes, avoid: int
) -> bool:
    """Move the first `n` rows, each to the class that costs least, while the increases stay under `gain`."""
    for i in range(n):
        start = s.at[rows[i]]
        _widen(trees, start, reach)
        s.used[2] += len(reach)
        best, increase = _home(s, start, reach, out, gain, order, avoid)
        if best < 0:
            return False
        _move(s, trees, rows[i], best)
        gain -= increase
    return True


@njit(cache=True)
def _fill(s: _State, trees: Trees, c: int, k: int, order: _Order, reach: Codes, out: Codes, bound: int) -> bool:
    """Bring class `c` up to `k` with persons that other classes can spare, the least loss first."""
    spare = order.spare
    while s.size[c] < k:
        start = s.node[:, c].copy()
        _widen(trees, start, reach)
        low, high = 0, len(spare)
        if len(order.keys):
            low, high = _near(order.spare_keys, order.weight, start)
        _scan(reach, order.spare_at, low, high, out)
        s.used[2] += (high - low) * len(s.node) + len(reach)
        best = -1
        least = bound
        for i in range(low, high):
            # What the new value costs all k, less what the person costs where it is now.
            if out[i] * k < least + SCALE * len(s.node):
                d = s.class_of[spare[i]]
                total = out[i] * k - s.cost[d]
                if total < least and d != c and s.size[d] > k:
                    least = total
                    best = spare[i]
        if best < 0:
            return False
        d = s.class_of[best]
        # Others of the same combination in that class are as good.
        row = s.head[d]
        while row >= 0 and s.size[c] < k and s.size[d] > k:
            following = s.after[row]
            if np.all(s.at[row] == s.at[best]):
                _move(s, trees, row, c)
            row = following
    return True


@njit(cache=True)
def _without(s: _State, trees: Trees, c: int, column: int, value: int, rows: Ints) -> tuple[int, int]:
    """Rows of `c` under `value` (into `rows`), their number, and the loss per person of the others."""
    n = 0
    cost = 0
    row = s.head[c]
    first = -1
    while row >= 0:
        if value <= s.at[row, column] < trees.end[value]:
            rows[n] = row
            n += 1
        elif first < 0:
            first = row
        row = s.after[row]
    if first < 0:
        return n, 0
    for j in range(len(s.node)):
        a = s.at[first, j]
        row = first
        while row >= 0 and a != s.node[j, c]:
            if not value <= s.at[row, column] < trees.end[value]:
                a = _meet(trees, a, s.at[row, j])
            row = s.after[row]
        cost += trees.loss[a]
    s.used[2] += 4 * s.size[c] * len(s.node)
    return n, cost


@njit(cache=True)
def _child(trees: Trees, outer: int, leaf: int) -> int:
    """The value just under `outer` that holds `leaf`."""
    while trees.parent[leaf] != outer:
        leaf = trees.parent[leaf]
    return leaf


@njit(cache=True)
def _narrowing(s: _State, trees: Trees, c: int, column: int, tally: Codes, k: int, enough: bool) -> int:
    """The child of the class's value with the fewest members (of those with at least `k`, or any); -1 without one."""
    outer = s.node[column, c]
    if trees.end[outer] == outer + 1:
        return -1
    row = s.head[c]
    while row >= 0:
        tally[_child(trees, outer, s.at[row, column])] += 1
        row = s.after[row]
    best = -1
    fewest = s.size[c] - (k if enough else 1) + 1
    row = s.head[c]
    while row >= 0:
        child = _child(trees, outer, s.at[row, column])
        n = tally[child]
        if n > 0 and (n < fewest or (n == fewest and best > child)) and (n >= k or not enough):
            best, fewest = child, n
        tally[child] = 0
        row = s.after[row]
    s.used[2] += 16 * s.size[c]
    return best


@njit(cache=True)
def _open(s: _State, trees: Trees, rows: Ints, n: int) -> int:
    """Put the first `n` rows in a class of their own; -1 when there is no room for one more."""
    new = int(s.used[3])
    if new == len(s.size):
        return -1
    s.used[3] += 1
    for i in range(n):
        _move(s, trees, rows[i], new)
    return new


@njit(cache=True)
def _members(s: _State, c: int, rows: Ints) -> int:
    n = 0
    row = s.head[c]
    while row >= 0:
        rows[n] = row
        n += 1
        row = s.after[row]
    return n


@njit(cache=True)
def _exchange(
    s: _State, trees: Trees, rule: Rule, c: int, order: _Order, rows: Ints, tally: Codes, reach: Codes, out: Codes
) -> bool:
    """Join `c` to one of the classes that cost least to join it to, and part the two anew."""
    start = s.node[:, c].copy()
    _widen(trees, start, reach)
    low, high = 0, len(order.floor)
    if len(order.keys):
        low, high = _near(order.keys, order.weight, start)
    _scan(reach, s.node, low, high, out)
    s.used[2] += (high - low) * len(s.node) + len(reach)
    total = s.cost[c] * s.size[c]
    done = np.full(TRIES, -1, np.int64)
    for attempt in range(TRIES):
        best = -1
        least = total
        for d in range(low, high):
            if out[d] * s.size[c] - total < least and d != c and 0 < s.size[d] <= 3 * rule.k:
                increase = out[d] * (s.size[d] + s.size[c]) - s.cost[d] * s.size[d]
                if increase - total < least and not np.any(done == d):
                    least = increase - total
                    best = d
        if best < 0:
            return False
        done[attempt] = best
        m = _members(s, c, rows)
        for i in range(m):
            _move(s, trees, rows[i], best)
        m = s.size[best]
        lowest = np.int64(m * s.cost[best])
        at_column = -1
        at_value = -1
        for column in range(len(s.node)):
            outer = s.node[column, best]
            if trees.end[outer] == outer + 1:
                continue
            row = s.head[best]
            while row >= 0:
                tally[_child(trees, outer, s.at[row, column])] += 1
                row = s.after[row]
            first = s.head[best]
            while first >= 0:
                value = _child(trees, outer, s.at[first, column])
                g = tally[value]
                tally[value] = 0
                if g >= rule.k and m - g >= rule.k:
                    _, rest = _without(s, trees, best, column, value, rows)
                    cost = rest * (m - g) + g * _together(s, trees, rows, g, best)
                    if cost < lowest:
                        lowest = cost
                        at_column = column
                        at_value = value
                first = s.after[first]
        good = at_column >= 0
        if good:
            g, _ = _without(s, trees, best, at_column, at_value, rows)
            for i in range(g):
                _move(s, trees, rows[i], c)
        if _settle(s, trees, rule, good):
            return True
    return False


@njit(cache=True)
def _together(s: _State, trees: Trees, rows: Ints, n: int, c: int) -> int:
    """Loss per person of the first `n` rows, all of class `c`, as a class of their own."""
    cost = 0
    for j in range(len(s.node)):
        a = s.at[rows[0], j]
        for i in range(1, n):
            if a == s.node[j, c]:
                break
            a = _meet(trees, a, s.at[rows[i], j])
        cost += trees.loss[a]
    s.used[2] += 4 * n * len(s.node)
    return cost


@njit(cache=True)
def _improve(
    s: _State,
    trees: Trees,
    rule: Rule,
    c: int,
    order: _Order,
    rows: Ints,
    tally: Codes,
    reach: Codes,
    out: Codes,
) -> bool:
    """The first move found that lowers the loss of class `c` and of those it deals with; False without one."""
    k = rule.k
    m = s.size[c]
    total = m * s.cost[c]
    if m <= 3 * k:  # dissolve it
        n = _members(s, c, rows)
        done = _disperse(s, trees, rows, n, total, order, reach, out, c)
        if _settle(s, trees, rule, done):
            return True
    for column in range(len(s.node)):
        if m >= 2 * k:  # split it
            value = _narrowing(s, trees, c, column, tally, k, True)
            if value >= 0:
                n, _ = _without(s, trees, c, column, value, rows)
                new = _open(s, trees, rows, n)
                if _settle(s, trees, rule, new >= 0):
                    return True
        value = _narrowing(s, trees, c, column, tally, k, False)
        if value < 0:
            continue
        n, cost = _without(s, trees, c, column, value, rows)
        gain = total - max(m - n, k) * cost
        if gain <= 0:
            continue
        # Without the fewest that keep this value wide, who go elsewhere; others fill up to k.
        done = _disperse(s, trees, rows, n, gain, order, reach, out, c)
        if done and m - n < k:
            _tighten(s, trees, c)
            done = _fill(s, trees, c, k, order, reach, out, total)
        if _settle(s, trees, rule, done):
            return True
        if m - n >= k > n:  # or into a class of their own, filled up to k
            n, _ = _without(s, trees, c, column, value, rows)
            new = _open(s, trees, rows, n)
            done = new >= 0 and _fill(s, trees, new, k, order, reach, out, gain)
            if _settle(s, trees, rule, done):
                return True
    if m > k:  # let one go who costs less elsewhere
        n = _members(s, c, rows)
        for i in range(n):
            if i > 0 and np.all(s.at[rows[i]] == s.at[rows[i - 1]]):
                continue
            rows[0], rows[i] = rows[i], rows[0]
            done = _disperse(s, trees, rows, 1, s.cost[c], order, reach, out, c)
            if _settle(s, trees, rule, done):
                return True
            rows[0], rows[i] = rows[i], rows[0]
    return m <= 3 * k and _exchange(s, trees, rule, c, order, rows, tally, reach, out)


@njit(cache=True)
def _state(at: Codes, values: Codes, class_of: Ints, classes: int, capacity: int, kinds: int, trees: Trees) -> _State:
    rows, q = at.shape
    top = np.empty(q, np.int32)
    for j in range(q):
        top[j] = trees.leaf[j, 0]
        while trees.parent[top[j]] >= 0:
            top[j] = trees.parent[top[j]]
    node = np.empty((q, capacity), np.int32)
    for j in range(q):
        node[j] = top[j]
    s = _State(
        at,
        values,
        class_of,
        np.zeros(capacity, np.int64),
        node,
        np.zeros(capacity, np.int64),
        np.full(capacity, -1, np.int64),
        np.full(rows, -1, np.int64),
        np.full(rows, -1, np.int64),
        np.zeros((capacity, kinds), np.int32),
        np.empty(2 * rows, np.int64),  # a person moves twice at most in a transaction
        np.empty(2 * rows, np.int64),
        np.empty(capacity, np.int64),
        np.full(capacity, -1, np.int64),
        np.empty((capacity, q), np.int32),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.int64),
        np.empty(capacity, np.bool_),
        np.zeros(capacity, np.bool_),
        np.zeros(4, np.int64),
    )
    for r in range(rows - 1, -1, -1):
        c = class_of[r]
        s.after[r] = s.head[c]
        if s.head[c] >= 0:
            s.before[s.head[c]] = r
        s.head[c] = r
        s.size[c] += 1
        for v in values[r]:
            s.counts[c, v] += 1
    for c in range(classes):
        _tighten(s, trees, c)
    s.used[3] = classes
    return s


@njit(cache=True)
def _places(trees: Trees, q: int, turn: int) -> Ints:
    """Weights of `_Order`: the columns from `turn` on, as many as whole numbers hold."""
    weight = np.zeros(q, np.int64)
    room = np.int64(2**62)
    for i in range(q):
        j = (turn + i) % q
        room //= len(trees.end)
        if room == 0:
            break
        weight[j] = room
    return weight


@njit(cache=True)
def _keys(node: Codes, weight: Ints) -> Ints:
    keys = np.zeros(node.shape[1], np.int64)
    for j in range(len(node)):
        for c in range(node.shape[1]):
            keys[c] += weight[j] * node[j, c]
    return keys


@njit(cache=True)
def _spare(s: _State, classes: int, k: int, weight: Ints, everywhere: bool) -> tuple[Ints, Codes, Ints]:
    """The last three of `_Order`."""
    rows, q = s.at.shape
    last = np.full(classes, -1, np.int64)
    spare = np.empty(rows, np.int64)
    n = 0
    for r in range(rows):
        c = s.class_of[r]
        if s.size[c] > k and (last[c] < 0 or not np.all(s.at[last[c]] == s.at[r])):
            spare[n] = r
            n += 1
            last[c] = r
    spare = spare[:n].copy()
    spare_at = np.empty((q, n), np.int32)
    for i in range(n):
        spare_at[:, i] = s.at[spare[i]]
    keys = _keys(spare_at, weight)
    if not everywhere:
        order = np.argsort(keys, kind="mergesort")
        keys, spare = keys[order], spare[order]
        for j in range(q):
            spare_at[j] = spare_at[j][order]
    return spare, spare_at, keys


@njit(cache=True)
def narrow(at: Codes, class_of: Ints, classes: int, trees: Trees) -> Codes:
    """Narrowest value over the members of each class in each column, int32 `(q, classes)`; the top where it is empty.

    Args:
        at: value of each row in each column, `(rows, q)`.
        class_of: class of each row, `(rows,)`.
        classes: number of classes.
        trees: the hierarchies.
    """
    return _state(at, np.empty((len(at), 0), np.int32), class_of, classes, classes, 0, trees).node


@njit(cache=True)
def refine(at: Codes, values: Codes, class_of: Ints, classes: int, rule: Rule, trees: Trees, budget: int) -> int:
    """Lower the loss of a recoding in which every class meets the rule.

    Args:
        at: value of each row in each column, int32 `(rows, q)`, rows of one combination side by side.
        values: sensitive codes, `(rows, s)`.
        class_of: class of each row, `(rows,)`, none without one; changed in place.
        classes: number of classes.
        rule: what each class meets.
        trees: the hierarchies.
        budget: elementary steps after which no further class is looked at.

    Returns:
        The number of classes, some of which may be empty.
    """
    rows, q = at.shape
    kinds = len(rule.of)
    capacity = classes + rows // rule.k + 2
    fresh = np.ones(classes, np.bool_)
    buffer = np.empty(rows, np.int64)
    tally = np.zeros(len(trees.end), np.int32)
    reach = np.empty(len(trees.end), np.int32)
    out = np.empty(max(rows, capacity), np.int32)
    steps = 0
    for turn in range(PASSES):
        s = _state(at, values, class_of, classes, classes, kinds, trees)
        everywhere = (s.size > 0).sum() <= EVERYWHERE
        weight = _places(trees, q, turn)
        keys = s.cost * rows + s.size if everywhere else _keys(s.node, weight)
        sequence = np.argsort(keys, kind="mergesort")
        rank = np.empty(classes, np.int64)
        kept = 0
        again = np.zeros(classes, np.bool_)
        for c in sequence:
            if s.size[c] > 0:
                rank[c] = kept
                again[kept] = fresh[c]
                kept += 1
        for r in range(rows):
            class_of[r] = rank[class_of[r]]
        classes = kept
        s = _state(at, values, class_of, classes, capacity, kinds, trees)
        s.used[2] = steps
        spare, spare_at, spare_keys = _spare(s, classes, rule.k, weight, everywhere)
        nowhere = np.empty(0, np.int64)
        order = _Order(
            s.cost[:classes].copy() if everywhere else nowhere,
            weight,
            nowhere if everywhere else _keys(s.node[:, :classes], weight),
            spare,
            spare_at,
            spare_keys,
        )
        worst = np.argsort(-s.cost[:classes], kind="mergesort")
        for c in worst:
            while (
                again[c]
                and s.size[c] > 0
                and s.cost[c] > 0
                and s.used[2] < budget
                and _improve(s, trees, rule, c, order, buffer, tally, reach, out)
            ):
                pass
        steps = s.used[2]
        classes = s.used[3]
        fresh = s.fresh[:classes].copy()
        if steps >= budget or not fresh.any():
            break
    return classes
