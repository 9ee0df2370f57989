"""Compile the loops of the microdata engine before a release needs them: `python -m pipeline.disclosure.compiled`.

A fresh installation compiles them once, for half a minute of one core. `make run` has that done beside its first steps.
The compiled loops are kept on disk by numba.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipeline.disclosure import persons
from pipeline.disclosure.microdata import anonymise
from pipeline.protocol import Protocol

ROWS = 400


def main() -> None:
    """Anonymise a few rows drawn at random, in the columns of a release."""
    rng, protocol = np.random.default_rng(0), Protocol.load()
    hierarchies = {name: each for name, each in persons.hierarchies(protocol).items() if name != "territory"}
    rows = {name: rng.choice(sorted(each.leaves), ROWS) for name, each in hierarchies.items()}
    rows |= {persons.SENSITIVE: rng.choice(list("abcdef"), ROWS), "person_id": np.arange(ROWS).astype(str)}
    anonymise(
        pa.table(rows), quasi_identifiers=hierarchies, k=protocol.disclosure.k,
        sensitive={persons.SENSITIVE: protocol.disclosure.l}, key="person_id",
    )  # fmt: skip


if __name__ == "__main__":
    main()
