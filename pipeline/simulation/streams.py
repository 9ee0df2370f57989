"""Random numbers by address: the draw for a person on a day is a function of (seed, person, day, purpose) alone.

That is what makes counterfactual paths comparable (both worlds read the same numbers, day by day) and what makes the
output independent of the number of threads. The mixing function is SplitMix64 (Steele, Lea and Flood, 2014).
"""

from __future__ import annotations

import numpy as np
from numba import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT = 1.0 / 9007199254740992.0
PURPOSES = 8
"""Independent draws available per person and day."""


@njit(inline="always", cache=True)
def mix(value: np.uint64) -> np.uint64:
    """SplitMix64's finaliser: 64 well mixed bits."""
    z = value
    z = (z ^ (z >> _S30)) * _M1
    z = (z ^ (z >> _S27)) * _M2
    return z ^ (z >> _S31)


@njit(inline="always", cache=True)
def uniform(key: np.uint64, address: int) -> float:
    """The number in [0, 1) at an address of a person's stream."""
    return np.float64(mix(key + np.uint64(address + 1) * GOLDEN) >> _S11) * _UNIT


def keys(seed: int, purpose: str, count: int) -> np.ndarray:
    """One 64-bit stream key per item.

    Args:
        seed: seed of the world.
        purpose: name that separates independent uses of the same seed.
        count: number of items.

    Returns:
        uint64 array of shape (count,).
    """
    return generator(seed, purpose).integers(0, 2**64, count, dtype=np.uint64)


def generator(seed: int, purpose: str) -> np.random.Generator:
    """A generator of its own for each named use, so that adding one use never shifts another."""
    return np.random.default_rng([seed, *purpose.encode()])
