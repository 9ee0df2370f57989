"""What every test shares: which files are too long for `make test-fast`."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG_FILES = {
    "deliveries": ("test_files", "test_ingest", "test_intake", "test_judging"),
    "disclosure": ("test_described", "test_microdata", "test_successive"),
    "effects": ("test_coverage", "test_effects_step", "test_negative_controls", "test_whole"),
    "identity": ("test_erase", "test_pseudonymise"),
    "matching": ("test_matching_step", "test_nearest_neighbour"),
    "orchestration": ("test_crash", "test_release_run"),
    "privacy": ("test_attackers", "test_identity_leaks"),
    "release": ("test_audit", "test_step", "test_synthesis", "test_verify", "test_verify_alterations", "test_write"),
    "simulation": ("test_deliveries", "test_paths", "test_truth"),
    "study": ("test_eligibility", "test_nothing_from_the_future", "test_outcomes"),
}
"""Folder -> files that write many files, draw many worlds or read whole releases: several seconds each."""


LONGEST = ("test_releases_successive", "test_road", "test_microdata")
"""Files that start first, so that no core waits for the last of them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the long files `slow`; the longest files come first."""
    items.sort(key=lambda item: Path(item.path).stem not in LONGEST)
    for item in items:
        path = Path(item.path)
        if path.stem in LONG_FILES.get(path.parent.name, ()):
            item.add_marker(pytest.mark.slow)
