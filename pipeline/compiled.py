"""Compile the loops of a release before it needs them: `python -m pipeline.compiled`.

A fresh installation compiles them once, for a minute of one core. `make run` has that done beside its first steps. The
compiled loops are kept on disk by numba.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from pipeline.disclosure import ledger, persons
from pipeline.disclosure.deduction import Reading
from pipeline.disclosure.microdata import anonymise
from pipeline.disclosure.successive import publish_all
from pipeline.disclosure.tables import CountTable, Margin, Measure, Rules
from pipeline.matching.nearest import nearest_neighbour
from pipeline.matching.propensity import logit_scores
from pipeline.protocol import Protocol

ROWS = 400


def main() -> None:
    """Match, publish and anonymise a few rows drawn at random."""
    rng, protocol = np.random.default_rng(0), Protocol.load()
    _match(rng)
    _publish(rng, protocol)
    _anonymise(rng, protocol)


def _match(rng: np.random.Generator) -> None:
    """As the matching does: scores, then the nearest in a space within a caliper, in risk sets."""
    covariates, treated = rng.random((ROWS, 3)), np.arange(ROWS) < ROWS // 4
    scores, keys = logit_scores(covariates, treated).logit, np.arange(ROWS, dtype=np.uint64)
    days = np.zeros(ROWS, np.int32)
    for space in (None, covariates):
        nearest_neighbour(
            scores[treated], scores[~treated], caliper=0.2, ratio=2, tie_treated=keys[treated],
            tie_control=keys[~treated], risk_from=days[~treated], risk_until=days[~treated] + 9, elapsed=days[treated],
            space_treated=None if space is None else space[treated],
            space_control=None if space is None else space[~treated],
        )  # fmt: skip


def _publish(rng: np.random.Generator, protocol: Protocol) -> None:
    """As the tables are: two releases of a cross table, the second against readers of the first."""
    rules, base = Rules(protocol.disclosure.k, mask_zero=True), protocol.disclosure.rounding_base
    counts = rng.integers(0, 40, (5, 5))
    first = _cross(counts)
    (made,) = publish_all([first], ledger.CELLS.empty_table(), rules, base=base)
    seen = Reading([replace(first, frame=made.table)], [], rules.k, base)
    publish_all(
        [_cross(counts + rng.integers(0, 3, (5, 5)))], made.cells, rules, base=base, history=[("2024-01", made.cells)],
        kept={"2024-01": seen},
    )  # fmt: skip


def _cross(counts: np.ndarray) -> CountTable:
    """A table of two axes with its margins."""
    whole = np.vstack([counts, counts.sum(axis=0)])
    whole = np.hstack([whole, whole.sum(axis=1, keepdims=True)])
    names = [*"abcde", "all"]
    frame = pa.table({"one": np.repeat(names, 6), "other": names * 6, "n": whole.ravel()})
    return CountTable(
        "cross",
        frame,
        ("one", "other"),
        (Measure("n"),),
        (Margin(("one",), {"one": "all"}), Margin(("other",), {"other": "all"})),
    )


def _anonymise(rng: np.random.Generator, protocol: Protocol) -> None:
    """As the microdata are, in the columns of a release."""
    hierarchies = {name: each for name, each in persons.hierarchies(protocol).items() if name != "territory"}
    rows = {name: rng.choice(sorted(each.leaves), ROWS) for name, each in hierarchies.items()}
    rows |= {persons.SENSITIVE: rng.choice(list("abcdef"), ROWS), "person_id": np.arange(ROWS).astype(str)}
    anonymise(
        pa.table(rows), quasi_identifiers=hierarchies, k=protocol.disclosure.k,
        sensitive={persons.SENSITIVE: protocol.disclosure.l}, key="person_id",
    )  # fmt: skip


if __name__ == "__main__":
    main()
