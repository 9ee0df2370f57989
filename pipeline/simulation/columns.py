"""Arrow columns of fixed-width identifiers, built as byte matrices: no Python string per person.

Every identifier is a function of the seed and of a position, so that any slice of a table can be written on its own.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.simulation.streams import GOLDEN, keys

_ZERO = np.uint8(ord("0"))
_HEX = np.frombuffer("".join(f"{i:02X}" for i in range(256)).encode(), dtype=np.uint8).reshape(256, 2)
_S30, _S27, _S31 = np.uint64(30), np.uint64(27), np.uint64(31)


def mixed(seed: int, purpose: str, address: np.ndarray) -> np.ndarray:
    """Well mixed distinct 64-bit numbers for distinct addresses (SplitMix64, a bijection); uint64, same shape."""
    with np.errstate(over="ignore"):
        z = keys(seed, purpose, 1)[0] + address.astype(np.uint64) * GOLDEN
        z = (z ^ (z >> _S30)) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> _S27)) * np.uint64(0x94D049BB133111EB)
        result: np.ndarray = z ^ (z >> _S31)
    return result


def text_column(matrix: np.ndarray, valid: np.ndarray | None = None) -> pa.Array:
    """A string column from fixed-width ASCII rows.

    Args:
        matrix: uint8 (R, W), one row of ASCII codes per value.
        valid: boolean (R,), False where the value is empty; all when None.

    Returns:
        Arrow string array of R values.
    """
    rows, width = matrix.shape
    offsets = np.arange(rows + 1, dtype=np.int32) * np.int32(width)
    data = np.ascontiguousarray(matrix)
    column = pa.Array.from_buffers(pa.string(), rows, [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    if valid is None or valid.all():
        return column
    return pc.if_else(pa.array(valid), column, pa.scalar(None, pa.string()))


def digits(values: np.ndarray, width: int) -> np.ndarray:
    """Decimal digits of non-negative integers as ASCII; uint8 (R, width)."""
    out = np.empty((len(values), width), dtype=np.uint8)
    rest = values.astype(np.int64)
    for k in range(width - 1, -1, -1):
        rest, out[:, k] = np.divmod(rest, 10)[0], (rest % 10) + _ZERO
    return out


def pseudonyms(letter: str, numbers: np.ndarray) -> np.ndarray:
    """A letter and 16 hexadecimal digits; uint8 (R, 17)."""
    raw = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)
    body = _HEX[raw].reshape(-1, 16)
    return np.concatenate([np.full((len(numbers), 1), ord(letter), dtype=np.uint8), body], axis=1)


def sirets(numbers: np.ndarray) -> np.ndarray:
    """SIRETs of 14 digits whose Luhn sum is a multiple of ten; uint8 (R, 14).

    Args:
        numbers: one 64-bit number per establishment; equal numbers give equal SIRETs.
    """
    body = digits((numbers % np.uint64(9 * 10**12)).astype(np.int64) + 10**12, 13)
    value = (body - _ZERO).astype(np.int64)
    # From the right, the check digit is first: every other digit of the body, from its last one on, is doubled.
    doubled = value[:, ::2] * 2
    total = (doubled - 9 * (doubled > 9)).sum(axis=1) + value[:, 1::2].sum(axis=1)
    check = ((10 - total % 10) % 10).astype(np.uint8) + _ZERO
    return np.concatenate([body, check[:, None]], axis=1)


def nirs(
    sex: np.ndarray, year: np.ndarray, month: np.ndarray, place: np.ndarray, commune: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """Social-security numbers with their key; uint8 (R, 15).

    Args:
        sex: 1 or 2.
        year: year of birth, four digits.
        month: month of birth.
        place: département of birth as an integer: 1..95; 201 and 202 for 2A and 2B; 971..976; 99 abroad.
        commune: three-digit code of the commune (of the country, abroad); its last two digits overseas.
        order: rank in the month's register, 1..999.

    Returns:
        ASCII codes: 13 characters and the key 97 - number mod 97, where 2A counts as 19 and 2B as 18 (INSEE).
    """
    overseas = (place >= 971) & (place <= 976)
    corsica = (place == 201) | (place == 202)
    two = np.where(overseas, 97, np.where(place == 201, 19, np.where(place == 202, 18, place)))
    three = np.where(overseas, (place - 970) * 100 + commune % 100, commune)
    number = sex.astype(np.int64)
    for value, base in ((year % 100, 100), (month, 100), (two, 100), (three, 1000), (order, 1000)):
        number = number * base + value
    out = np.concatenate([digits(number, 13), digits(97 - number % 97, 2)], axis=1)
    out[corsica, 5] = ord("2")
    out[place == 201, 6] = ord("A")
    out[place == 202, 6] = ord("B")
    return out
