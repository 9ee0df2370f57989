"""Months, landing folders and homes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.home import Home, HomeError, Landing, add_months, month_number

MONTHS = st.integers(1000 * 12, 9999 * 12 + 11).map(lambda n: f"{n // 12:04d}-{n % 12 + 1:02d}")


@given(MONTHS, st.integers(-200, 200))
def test_months_add_up(month: str, shift: int) -> None:
    number = month_number(month) + shift
    if 1000 * 12 <= number <= 9999 * 12 + 11:
        assert month_number(add_months(month, shift)) == number
        assert add_months(add_months(month, shift), -shift) == month


@pytest.mark.parametrize("text", ["2023-00", "2023-13", "2023-1", "2023-01-01", "23-01", "", "2023-01\n"])
def test_what_is_not_a_month(text: str) -> None:
    with pytest.raises(ValueError, match="is not a month"):
        month_number(text)


def test_deliveries_are_the_folders_named_by_a_month(tmp_path: Path) -> None:
    for name in ("2023-03", "2022-12", "2023-04", "2023-13", "truth", ".2023-01"):
        (tmp_path / name).mkdir()
    (tmp_path / "2023-02").touch()
    assert Landing(tmp_path).deliveries("2023-03") == ["2022-12", "2023-03"]


def test_a_landing_folder_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=r"landing folder .* does not exist"):
        Landing(tmp_path / "none").deliveries("2023-03")


def test_a_home_is_made_on_demand_and_persons_are_private(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert not home.root.exists()
    home.prepare().prepare()
    assert stat.S_IMODE(home.restricted.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HomeError, match="cannot be prepared"):
        Home(tmp_path / "file").prepare()


def test_everything_with_persons_lies_in_the_restricted_zone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    month = "2023-03"
    for path in (
        home.validated("reports", month), home.quarantine("reports", month), home.intake(month), home.incoming(month),
        home.tombstones, home.transitions, home.work(month), home.artefact(month, "step", "x"), home.ledger,
        home.scratch, home.lock,
    ):  # fmt: skip
        assert home.restricted in path.parents
        assert home.published not in path.parents


def test_releases_are_the_published_months(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.releases() == []
    for name in ("release=2023-04", "release=2023-03", ".staging-release=2023-05", "release=x"):
        (home.published / name).mkdir(parents=True)
    assert home.releases() == ["2023-03", "2023-04"]


def test_latest_is_switched_over_whatever_is_there(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for month in ("2023-03", "2023-04"):
        home.release(month).mkdir(parents=True)
        (home.published / ".latest-next").unlink(missing_ok=True)
        (home.published / ".latest-next").symlink_to("left-by-a-crash")
        home.switch_latest(month)
        assert home.latest.resolve() == home.release(month).resolve()
        assert not home.latest.readlink().is_absolute()


def test_clearing_the_work_of_a_release_leaves_the_others(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for month in ("2023-03", "2023-04"):
        home.artefact(month, "leave", "leave_days").touch()
    home.clear_work("2023-03")
    home.clear_work("2023-03")
    assert [path.name for path in (home.restricted / "work").iterdir()] == ["release=2023-04"]
