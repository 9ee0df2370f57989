"""A second opinion on published microdata, from the published rows alone.

Shares no code with the engine (`microdata`, `peel`, `hierarchy`) on purpose: plain Python over plain data, short
enough to be read by a data-protection officer. The attacker assumed knows the quasi-identifiers of a person, that the
person is in the file, and the hierarchies.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROUNDING = 1e-8
"""Relative error allowed where a logarithm is compared with a whole number of values."""

Columns = Mapping[str, Sequence[object]]
"""A table as column -> values, all of one length (for example `pyarrow.Table.to_pydict()`)."""


@dataclass(frozen=True)
class Verdict:
    """What the published rows show.

    Attributes:
        rows: persons published.
        classes: distinct published combinations of quasi-identifiers.
        smallest_class: persons in the smallest class (0 without rows).
        fewest_candidates: over the classes, the fewest rows that could be the same person: those whose generalised
            values share a leaf with the class's in every column. Never less than `smallest_class`.
        distinct: sensitive column -> fewest distinct values in a class (an empty value counts as one).
        effective: sensitive column -> least exp(entropy) of its values in a class: so many equally frequent values
            would say as little (entropy l-diversity). Never more than `distinct`.
        t_closeness: sensitive column -> largest total variation distance between a class and the file, in [0, 1];
            reported, not a gate.
        unknown_values: cells whose value stands nowhere in the hierarchy of their column.
        failures: a sentence per broken rule; empty = passed.
    """

    rows: int
    classes: int
    smallest_class: int
    fewest_candidates: int
    distinct: Mapping[str, int]
    effective: Mapping[str, float]
    t_closeness: Mapping[str, float]
    unknown_values: int
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every rule holds."""
        return not self.failures


def verify(
    columns: Columns,
    *,
    hierarchies: Mapping[str, Mapping[str, Sequence[str]]],
    k: int,
    sensitive: Mapping[str, int],
    entropy: Mapping[str, float] | None = None,
) -> Verdict:
    """Check k-anonymity, l-diversity and candidate counts of a published file.

    Args:
        columns: the published table.
        hierarchies: quasi-identifier -> leaf -> path of its generalisations, leaf and `*` included.
        k: least persons in a class.
        sensitive: column -> least distinct values in a class.
        entropy: column -> least exp(entropy) of the values in a class.

    Returns:
        The figures and what is broken. An empty file passes: it says nothing about anyone.

    Raises:
        KeyError: if a quasi-identifier or sensitive column is not in the table.
    """
    names = list(hierarchies)
    tuples = list(zip(*(columns[name] for name in names), strict=True))
    sizes = Counter(tuples)
    leaves_under = {name: _leaves_under(paths) for name, paths in hierarchies.items()}
    unknown = sum(
        size
        for published, size in sizes.items()
        for name, value in zip(names, published, strict=True)
        if value not in leaves_under[name]
    )
    smallest = min(sizes.values(), default=0)
    candidates = _fewest_candidates(sizes, [leaves_under[name] for name in names]) if not unknown else 0
    distinct, effective, closeness = {}, {}, {}
    spread = entropy or {}
    for column in dict.fromkeys([*sensitive, *spread]):
        by_class: dict[tuple[object, ...], Counter[object]] = defaultdict(Counter)
        for published, value in zip(tuples, columns[column], strict=True):
            by_class[published][value] += 1
        overall = Counter(columns[column])
        distinct[column] = min((len(values) for values in by_class.values()), default=0)
        effective[column] = min((_effective(values) for values in by_class.values()), default=0.0)
        closeness[column] = max((_distance(values, overall) for values in by_class.values()), default=0.0)

    failures = []
    if tuples:
        if smallest < k:
            failures.append(f"the smallest class holds {smallest} persons, under {k}")
        if unknown:
            failures.append(f"{unknown} cells hold a value outside their hierarchy")
        elif candidates < k:
            failures.append(f"a published combination fits {candidates} persons only, under {k}")
        failures += [
            f"a class holds {distinct[column]} distinct values of {column}, under {least}"
            for column, least in sensitive.items()
            if distinct[column] < least
        ]
        failures += [
            f"a class holds values of {column} worth {effective[column]:.2f} equally frequent ones, under {least}"
            for column, least in spread.items()
            if effective[column] < least * (1 - ROUNDING)
        ]
    return Verdict(
        len(tuples), len(sizes), smallest, candidates, distinct, effective, closeness, unknown, tuple(failures)
    )


def _leaves_under(paths: Mapping[str, Sequence[str]]) -> dict[object, frozenset[str]]:
    under: dict[object, set[str]] = defaultdict(set)
    for leaf, path in paths.items():
        for value in path:
            under[value].add(leaf)
    return {value: frozenset(leaves) for value, leaves in under.items()}


def _fewest_candidates(
    sizes: Mapping[tuple[object, ...], int], leaves_under: Sequence[Mapping[object, frozenset[str]]]
) -> int:
    """Fewest rows that could be the same person, over the classes.

    Sets of rows are the bits of integers, the rows of a class side by side. A class is among its own candidates, so
    once a class is at least as large as the fewest found, none after it can have fewer.
    """
    ordered = sorted(sizes.items(), key=lambda item: item[1])
    total = sum(sizes.values())
    compatible: list[dict[object, int]] = []
    for column, under in enumerate(leaves_under):
        bits: dict[object, bytearray] = {}
        start = 0
        for published, size in ordered:
            bits.setdefault(published[column], bytearray(b"0" * total))[start : start + size] = b"1" * size
            start += size
        rows_with = {value: int(text, 2) for value, text in bits.items()}
        fits: dict[object, int] = {}
        for value in rows_with:
            fits[value] = 0
            for other, rows in rows_with.items():
                if under[value] & under[other]:
                    fits[value] |= rows
        compatible.append(fits)
    fewest = total
    for published, size in ordered:
        if size >= fewest:
            break
        rows = -1
        for fits, value in zip(compatible, published, strict=True):
            rows &= fits[value]
        fewest = min(fewest, rows.bit_count())
    return fewest


def _effective(values: Counter[object]) -> float:
    total = values.total()
    return math.exp(-sum(n / total * math.log(n / total) for n in values.values()))


def _distance(part: Counter[object], whole: Counter[object]) -> float:
    n, total = part.total(), whole.total()
    return sum(abs(part[value] / n - count / total) for value, count in whole.items()) / 2
