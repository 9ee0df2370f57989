"""An order of the rows that depends on what they hold, not on where they lie.

Floating sums depend on the order of their terms. Whatever is summed over units is summed in this order, so that the
same units in another order give the same bits.
"""

import numba
import numpy as np

from pipeline.matching.kernels import compiled
from pipeline.matching.problem import Float64, Int64, UInt64


def content_order(values: Float64, *further: Float64) -> Int64:
    """Row indices sorted by a 64-bit mix of each row's content (SplitMix64's finaliser, Steele et al. 2014).

    Args:
        values: float64[n, p].
        further: more columns of the same rows, float64[n] each.

    Returns:
        int64[n]. Rows that tie are the same row, bar collisions of probability n²/2⁶⁵.
    """
    mixed = np.zeros(len(values), dtype=np.uint64)
    _mix(np.ascontiguousarray(values, dtype=np.float64), mixed)
    for column in further:
        _mix(np.ascontiguousarray(column, dtype=np.float64)[:, None], mixed)
    return np.argsort(mixed, kind="stable")


@compiled
def _mix(values: Float64, mixed: UInt64) -> None:
    """Mix one more block of columns into each row's number, in place."""
    one = np.empty(1, dtype=np.float64)
    bits = one.view(np.uint64)
    for i in range(values.shape[0]):
        h = mixed[i]
        for j in range(values.shape[1]):
            one[0] = values[i, j] + 0.0  # -0.0 and 0.0 become the same bits
            h = (h ^ bits[0]) + numba.uint64(0x9E3779B97F4A7C15)
            h = (h ^ (h >> numba.uint64(30))) * numba.uint64(0xBF58476D1CE4E5B9)
            h = (h ^ (h >> numba.uint64(27))) * numba.uint64(0x94D049BB133111EB)
            h = h ^ (h >> numba.uint64(31))
        mixed[i] = h
