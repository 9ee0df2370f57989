"""A place to land deliveries in, over one database for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import database
from pipeline.database import Connection
from tests.deliveries.samples import Place, place


@pytest.fixture(scope="session")
def connection() -> Iterator[Connection]:
    with database.connect() as opened:
        yield opened


@pytest.fixture
def here(tmp_path: Path, connection: Connection) -> Place:
    return place(tmp_path, connection)
