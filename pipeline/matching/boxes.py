"""Controls laid out in trees of boxes, one tree per exact stratum: where the nearest in several coordinates is sought.

k-d trees with median splits (Bentley 1975, CACM 18:509). A library's tree answers who is nearest among all; who is free
and who is admissible changes here from one treated unit to the next, so that the matching walks the boxes itself.
"""

from dataclasses import dataclass

import numpy as np

from pipeline.matching.kernels import compiled
from pipeline.matching.problem import Float64, Int64

LEAF = 32
"""Controls in a leaf at most: fewer cost more boxes, more cost more distances."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """A forest of boxes over positions.

    Attributes:
        order: What lay at each position before, int64[n_positions]: boxes hold consecutive positions.
        root: Root box of each segment, int64[n_segments], -1 where a segment is empty.
        first: First position in each box, int64[n_boxes].
        last: One past its last position.
        left: Left child of each box, -1 for a leaf; the right child is the next box.
        parent: Parent of each box, -1 for a root.
        leaf_at: Leaf that holds each position, int64[n_positions], -1 outside every segment.
        low: Smallest coordinates in each box, float64[n_boxes, d].
        high: Largest coordinates in each box.
    """

    order: Int64
    root: Int64
    first: Int64
    last: Int64
    left: Int64
    parent: Int64
    leaf_at: Int64
    low: Float64
    high: Float64


def plant(space_at: Float64, score_at: Float64 | None, begin: Int64, end: Int64) -> Boxes:
    """Grow one tree per segment.

    Args:
        space_at: Coordinates at each position, float64[n_positions, d].
        score_at: Score at each position where a caliper on it binds: boxes are then narrow in it too.
        begin: First position of each segment, int64[n_segments]; segments do not overlap.
        end: One past its last position.

    Returns:
        The forest. It depends on the contents of the segments in their order, and on nothing else.
    """
    d = space_at.shape[1]
    if score_at is not None and len(score_at):
        spread = float(np.std(np.sort(score_at)))
        space_at = np.column_stack([space_at, score_at / spread if spread > 0 else score_at])
    order, root, numbers, low, high = _grow(np.ascontiguousarray(space_at), begin, end, LEAF)
    first, last, left, parent = numbers
    leaf_at = _leaves(first, last, left, len(order))
    return Boxes(
        order,
        root,
        first,
        last,
        left,
        parent,
        leaf_at,
        np.ascontiguousarray(low[:, :d]),
        np.ascontiguousarray(high[:, :d]),
    )


@compiled
def _grow(space: Float64, begin: Int64, end: Int64, leaf: int) -> tuple[Int64, Int64, Int64, Float64, Float64]:
    """Split every segment at the median of its widest coordinate, and again, until boxes are small."""
    n, d = space.shape
    # A box that is split has more than `leaf` units: each of its halves has `leaf` / 2 or more.
    most = 4 * n // leaf + len(begin) + 4
    order = np.arange(n)
    keys = np.empty(n, dtype=np.float64)
    root = np.full(len(begin), -1, dtype=np.int64)
    numbers = np.full((4, most), -1, dtype=np.int64)
    low, high = np.full((most, d), np.inf), np.full((most, d), -np.inf)
    n_boxes = 0
    for segment in range(len(begin)):
        if begin[segment] == end[segment]:
            continue
        box = n_boxes
        n_boxes += 1
        root[segment] = box
        numbers[0, box], numbers[1, box] = begin[segment], end[segment]
        while box < n_boxes:
            first, last = numbers[0, box], numbers[1, box]
            for i in range(first, last):
                for j in range(d):
                    low[box, j] = min(low[box, j], space[order[i], j])
                    high[box, j] = max(high[box, j], space[order[i], j])
            if last - first > leaf:
                widest = 0
                for j in range(d):
                    if high[box, j] - low[box, j] > high[box, widest] - low[box, widest]:
                        widest = j
                for i in range(first, last):
                    keys[i] = space[order[i], widest]
                middle = (first + last) // 2
                _select(keys, order, first, last, middle)
                numbers[2, box] = n_boxes
                for child in range(n_boxes, n_boxes + 2):
                    numbers[3, child] = box
                numbers[0, n_boxes], numbers[1, n_boxes] = first, middle
                numbers[0, n_boxes + 1], numbers[1, n_boxes + 1] = middle, last
                n_boxes += 2
            box += 1
    return order, root, numbers[:, :n_boxes].copy(), low[:n_boxes].copy(), high[:n_boxes].copy()


@compiled
def _select(keys: Float64, order: Int64, first: int, last: int, middle: int) -> None:
    """Put the smaller keys before ``middle`` and the larger ones from it on, with their order (Hoare 1961)."""
    low, high = first, last - 1
    while low < high:
        a, b, c = keys[low], keys[(low + high) // 2], keys[high]
        pivot = max(min(a, b), min(max(a, b), c))
        i, j = low, high
        while i <= j:
            while keys[i] < pivot:
                i += 1
            while keys[j] > pivot:
                j -= 1
            if i <= j:
                keys[i], keys[j] = keys[j], keys[i]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@compiled
def _leaves(first: Int64, last: Int64, left: Int64, n_positions: int) -> Int64:
    """The leaf that holds each position, -1 for none."""
    leaf_at = np.full(n_positions, -1, dtype=np.int64)
    for box in range(len(first)):
        if left[box] < 0:
            leaf_at[first[box] : last[box]] = box
    return leaf_at
