"""One engine for all tests of texts: loading the lists takes a moment."""

from __future__ import annotations

import pytest

from pipeline.text.deidentify import Deidentifier


@pytest.fixture(scope="session")
def engine() -> Deidentifier:
    return Deidentifier()
