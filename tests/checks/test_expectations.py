"""Great Expectations judges counts: zero passes, anything else does not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from checks.expectations import unmet


def test_counts_that_are_not_zero_are_named() -> None:
    assert unmet("t", {"a: empty": 0, "b: code outside its list": 3, "c": 0, "d": 1}) == [
        "b: code outside its list",
        "d",
    ]


def test_zeros_and_nothing_pass() -> None:
    assert unmet("t", {"a": 0}) == []
    assert unmet("t", {}) == []


@pytest.mark.slow
def test_it_says_nothing_on_the_terminal_and_has_its_reports_to_its_makers_switched_off() -> None:
    code = (
        "import os; from checks.expectations import unmet; assert unmet('t', {'a': 1}) == ['a']\n"
        "assert os.environ['GX_ANALYTICS_ENABLED'] == 'false'"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
