"""The sensor asks for a release when a delivery has landed, once, and not while it is still landing."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from pipeline.home import Home
from pipeline.orchestration.jobs import delivery_landed
from pipeline.orchestration.resources import PdpHome


class Watch:
    """Successive looks of the sensor at one landing folder."""

    def __init__(self, folder: Path) -> None:
        self.landing, self.home, self.cursor = folder / "landing", folder / "home", None
        self.said: str | None = None

    def deliver(self, month: str, content: str = "a") -> None:
        path = self.landing / month / "couts_programme.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def look(self) -> list[str | None]:
        with dg.DagsterInstance.ephemeral() as instance:
            context = dg.build_sensor_context(
                instance=instance,
                cursor=self.cursor,
                resources={"pdp": PdpHome(home=str(self.home), landing=str(self.landing))},
            )
            found = delivery_landed(context)
        if isinstance(found, dg.SkipReason):
            self.said = found.skip_message
            return []
        assert isinstance(found, dg.SensorResult)
        self.cursor = found.cursor
        self.said = found.skip_reason.skip_message if found.skip_reason else None
        return [request.partition_key for request in found.run_requests or []]


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch(tmp_path)


def test_it_is_off_until_someone_switches_it_on() -> None:
    assert delivery_landed.default_status is dg.DefaultSensorStatus.STOPPED


def test_nothing_is_asked_before_a_delivery_lands(watch: Watch) -> None:
    assert watch.look() == []
    assert watch.said == "no delivery has landed"


def test_a_delivery_is_asked_for_once_it_has_stopped_changing(watch: Watch) -> None:
    watch.deliver("2024-05")
    assert watch.look() == []
    assert watch.said == "delivery 2024-05 is still landing"
    assert watch.look() == ["2024-05"]
    assert watch.look() == []


def test_a_copy_still_going_on_is_waited_for(watch: Watch) -> None:
    watch.deliver("2024-05", "a")
    watch.look()
    watch.deliver("2024-05", "ab")
    assert watch.look() == []
    assert watch.look() == ["2024-05"]


def test_of_several_new_deliveries_the_newest_is_asked_for(watch: Watch) -> None:
    for month in ("2024-04", "2024-06", "2024-05"):
        watch.deliver(month)
    watch.look()
    assert watch.look() == ["2024-06"]


def test_a_delivery_replaced_later_is_asked_for_again(watch: Watch) -> None:
    watch.deliver("2024-05")
    watch.look()
    watch.look()
    watch.deliver("2024-05", "corrected")
    watch.look()
    assert watch.look() == ["2024-05"]


def test_a_month_already_published_is_not_asked_for_when_the_sensor_starts(watch: Watch) -> None:
    watch.deliver("2024-05")
    Home(watch.home).prepare().release("2024-05").mkdir()
    assert watch.look() == []
    assert watch.look() == []
    watch.deliver("2024-06")
    watch.look()
    assert watch.look() == ["2024-06"]
