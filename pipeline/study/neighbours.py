"""Départements that touch each other, each pair once in `neighbours.csv`, SNDS codes (001 to 095, 201, 202, 971 …).

Source: the boundaries of the départements (IGN, Admin Express; INSEE, code officiel géographique). Two that meet in one
point count as touching: 004 and 013, 083 and 084, where Durance and Verdon join. The overseas départements touch none.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

FILE = Path(__file__).with_name("neighbours.csv")


def neighbours(of: Iterable[str]) -> frozenset[str]:
    """Départements that touch at least one of these.

    Args:
        of: département codes; a code that is none touches nothing.
    """
    given = set(of)
    with FILE.open(encoding="utf-8", newline="") as file:
        pairs = [tuple(row.values()) for row in csv.DictReader(file)]
    return frozenset({b for a, b in pairs if a in given} | {a for a, b in pairs if b in given})
