"""Which published rows a person could be, when the attacker knows the hierarchies.

A published value fits another when they share a leaf of their hierarchy: `18-39` fits `30-39`, `*` fits everything. An
attacker who took a band for an opaque word would see fewer candidates and think himself better than he is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from numba import njit

Paths = Mapping[str, Mapping[str, Sequence[str]]]
"""Column -> leaf -> path of its generalisations, leaf and `*` included; a column without is never generalised."""
Ints = npt.NDArray[np.int64]


@njit(cache=True)
def _add_up(
    targets: npt.NDArray[np.int32], start: Ints, stop: Ints, lines: npt.NDArray[np.int32],
    fits: npt.NDArray[np.bool_], weights: Ints,
) -> Ints:  # fmt: skip
    found = np.zeros((len(targets), weights.shape[1]), np.int64)
    for t in range(len(targets)):
        for c in range(start[t], stop[t]):
            same = True
            for q in range(targets.shape[1]):
                if not fits[q, targets[t, q], lines[c, q]]:
                    same = False
                    break
            if same:
                for s in range(weights.shape[1]):
                    found[t, s] += weights[c, s]
    return found


def tally(
    targets: pd.DataFrame, lines: pd.DataFrame, weights: Ints, *, paths: Paths, exact: Sequence[str] = ()
) -> Ints:
    """Add up the weights of the lines that fit each target.

    Args:
        targets: one row per target, columns as those of `paths` and `exact`.
        lines: one row per distinct published combination, same columns.
        weights: int64 `(lines, s)`: persons, or persons by value of something.
        paths: columns in which two values fit when they share a leaf.
        exact: columns in which they must be the same.

    Returns:
        int64 `(targets, s)`.
    """
    columns = list(paths)
    both = pd.concat([targets[[*exact, *columns]], lines[[*exact, *columns]]], ignore_index=True)
    key = both.groupby(list(exact), sort=False, dropna=False).ngroup().to_numpy() if exact else np.zeros(len(both))
    mine, theirs = key[: len(targets)].astype(np.int64), key[len(targets) :].astype(np.int64)
    order = np.argsort(theirs, kind="stable")
    start, stop = (np.searchsorted(theirs[order], mine, side=side) for side in ("left", "right"))
    coded = [pd.factorize(both[name].astype(object), use_na_sentinel=False) for name in columns]
    codes = np.zeros((len(both), len(columns)), np.int32)
    for place, (code, _) in enumerate(coded):
        codes[:, place] = code
    widest = max((len(values) for _, values in coded), default=1)
    fits = np.zeros((len(columns), widest, widest), np.bool_)
    for place, (name, (_, values)) in enumerate(zip(columns, coded, strict=True)):
        fits[place, : len(values), : len(values)] = _share_a_leaf(list(values), paths[name])
    ordered = codes[len(targets) :][order]
    return np.asarray(
        _add_up(codes[: len(targets)], start, stop, ordered, fits, np.ascontiguousarray(weights[order], np.int64))
    )


def _share_a_leaf(values: Sequence[str], paths: Mapping[str, Sequence[str]]) -> npt.NDArray[np.bool_]:
    under = leaves_under(paths)
    leaves = [under.get(value, {value}) for value in values]
    return np.array([[bool(a & b) for b in leaves] for a in leaves], np.bool_)


def leaves_under(paths: Mapping[str, Sequence[str]]) -> dict[str, set[str]]:
    """Published value -> the leaves it may stand for."""
    under: dict[str, set[str]] = {}
    for leaf, path in paths.items():
        for value in path:
            under.setdefault(value, set()).add(leaf)
    return under
