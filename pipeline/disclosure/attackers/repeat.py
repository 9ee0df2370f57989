"""The attacks that anyone who holds the release can carry out again."""

from __future__ import annotations

import pyarrow as pa

from pipeline.disclosure.attackers import inference, linkage
from pipeline.disclosure.attackers.risk import risk
from pipeline.disclosure.attackers.tally import Paths
from pipeline.disclosure.facts import Attack, Risk


def repeatable(rows: pa.Table, paths: Paths, k: int) -> tuple[list[Attack], Risk]:
    """The attacks for which published rows are enough, and the risk of a right match without the population.

    Args:
        rows: published microdata, at least one row.
        paths: hierarchies, as published.
        k: least persons.
    """
    found = [linkage.singling_out(rows, None, paths, k), inference.certain(rows, None), *inference.guesses(rows, None)]
    return found, risk(rows, None, paths, k)
