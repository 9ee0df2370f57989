"""The loops of a release can be compiled before it, by the very functions that the release calls."""

from __future__ import annotations

import pytest

from pipeline import compiled
from pipeline.disclosure import readers
from pipeline.matching import kernels


@pytest.mark.parametrize(
    "loop", [kernels.match_greedily, kernels.match_in_space, readers._propagate], ids=lambda loop: loop.__name__
)
def test_a_loop_of_each_kind_is_compiled(loop):
    compiled.main()
    assert loop.signatures
