"""`run_release` makes the whole graph for one month, or says in one sentence why not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.deliveries.files import DeliveryRefused
from pipeline.home import HomeError
from pipeline.orchestration.execute import Outcome, RunFailed, run_release
from pipeline.orchestration.lock import writing
from pipeline.run import Run, StepReport
from pipeline.tables.published import published
from tests.orchestration.road import RELEASE, REPLACED, Road, writes_empty_tables

NAME = "Dupont-Delacroix"
"""A value of a personal field, planted in errors."""


def make(road: Road) -> Outcome:
    return run_release(road.home, road.landing, RELEASE)


def kept_by_dagster(road: Road) -> bytes:
    files = [path for path in road.home.dagster.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    return b"".join(path.read_bytes() for path in files)


def failing(error: Exception) -> object:
    def step(run: Run) -> StepReport:
        raise error

    return step


def test_every_step_runs_once_in_the_order_of_the_story_and_the_ui_shows_it(road: Road) -> None:
    seen: list[str] = []
    outcome = run_release(road.home, road.landing, RELEASE, progress=lambda what, done, total: seen.append(what))
    assert [step for step in road.ran if step != "text"] == [step for step in REPLACED if step != "text"]
    # Only the border before it and the border behind it wait for the texts.
    assert road.ran.index("pseudonymise") < road.ran.index("text") < road.ran.index("anonymise")
    assert road.ran.count("text") == 1
    assert outcome == Outcome(road.home.release(RELEASE), [])
    assert "leave: working" in seen
    with dg.DagsterInstance.from_config(str(road.home.dagster)) as instance:
        (run,) = instance.get_runs()
        assert run.is_success
        assert run.tags["dagster/partition"] == RELEASE
        event = instance.get_latest_materialization_event(dg.AssetKey("leaves"))
        assert event is not None and event.asset_materialization is not None
        shown = event.asset_materialization.metadata
    assert shown["dagster/row_count"].value == 0
    assert "| small | 120 |" in str(shown["Sizes"].value)
    assert str(shown["plot"].value).startswith("![Sizes](data:image/svg+xml;base64,")
    kept = json.loads(road.home.artefact(RELEASE, "leave", "report", "json").read_text(encoding="utf-8"))
    assert set(kept) == {"rows", "figures", "failures", "warnings"}


@pytest.mark.slow
def test_a_second_run_of_the_same_month_reads_no_delivery_again(road: Road) -> None:
    make(road)
    validated = {path: path.stat().st_mtime_ns for path in road.home.restricted.glob("validated/*/*.parquet")}
    assert validated
    make(road)
    assert {path: path.stat().st_mtime_ns for path in validated} == validated


def test_a_failed_blocking_check_stops_everything_after_it(road: Road) -> None:
    def leak(run: Run) -> StepReport:
        report = writes_empty_tables("pseudonymise")(run)
        path = run.home.artefact(run.release, "pseudonymise", "persons")
        pq.write_table(pa.table({"last_name": [NAME]}), path)
        return report

    road.does["pseudonymise"] = leak
    with pytest.raises(RunFailed) as failed:
        make(road)
    said = str(failed.value)
    assert said.startswith("blocking check ")
    assert "no_identifier on pseudonymised: persons.last_name is a direct identifier" in said
    assert "schema on pseudonymised: persons.ald_end is missing" in said
    assert said.endswith("nothing was published") and "\n" not in said
    assert road.ran == ["pseudonymise"]
    assert not road.home.release(RELEASE).exists()


@pytest.mark.slow
def test_a_small_count_never_reaches_publication(road: Road) -> None:
    def shows_three_persons(run: Run) -> StepReport:
        report = writes_empty_tables("anonymise")(run)
        table = published("exits")
        row = dict.fromkeys(table.names) | {"release": RELEASE, "n": 3, "suppressed": False}
        path = run.home.artefact(run.release, "anonymise", "exits")
        pq.write_table(pa.Table.from_pylist([row], schema=table.schema), path)
        return report

    road.does["anonymise"] = shows_three_persons
    with pytest.raises(RunFailed, match=r"small_counts on anonymised: exits\.n: 1 counts under 11"):
        make(road)
    assert road.ran[-1] == "anonymise"


@pytest.mark.slow
def test_a_promise_not_kept_that_a_step_reports_blocks_by_its_family(road: Road) -> None:
    road.does["anonymise"] = lambda run: _reporting(run, "anonymise", {"privacy:audit": "a masked cell can be bounded"})
    with pytest.raises(RunFailed, match="a masked cell can be bounded"):
        make(road)
    assert road.ran[-1] == "anonymise"


def test_a_failed_balance_gate_and_placebo_are_said_and_the_release_goes_on(road: Road) -> None:
    def warns(run: Run) -> StepReport:
        report = writes_empty_tables("publish")(run)
        report.warnings.append("release left as published: a person was erased since")
        return report

    road.does["publish"] = warns
    road.does["matching"] = lambda run: _reporting(run, "matching", {"balance:ITT": "ITT: smd of age is 0.300"})
    road.does["effects"] = lambda run: _reporting(run, "effects", {"placebo:period": "an effect before any opening"})
    outcome = make(road)
    assert road.ran[-1] == "publish"
    assert outcome.warnings == [
        "check balance_gate on matches: ITT: smd of age is 0.300",
        "check placebo_tests on effects: an effect before any opening",
        "release left as published: a person was erased since",
    ]


def test_a_failure_that_no_check_reads_stops_its_own_step(road: Road) -> None:
    road.does["cohort"] = lambda run: _reporting(run, "cohort", {"privacy:odd": "a name was met"})
    with pytest.raises(RunFailed, match="step cohort: a name was met"):
        make(road)
    assert road.ran[-1] == "cohort"


def test_an_error_of_ours_is_said_in_its_own_words(road: Road) -> None:
    refused = DeliveryRefused("2021-08", "bilans_suivi.csv", "it cannot be read as csv", line=3)
    road.does["leave"] = failing(refused)  # type: ignore[assignment]
    with pytest.raises(RunFailed) as failed:
        make(road)
    assert str(failed.value) == str(refused)


def test_an_error_of_a_library_is_reduced_to_its_class_and_place(road: Road, capfd: pytest.CaptureFixture[str]) -> None:
    import duckdb

    road.does["leave"] = failing(duckdb.ConversionException(f"Could not convert '{NAME}' to INT32"))  # type: ignore[assignment]
    with pytest.raises(RunFailed) as failed:
        make(road)
    said = str(failed.value)
    assert said.startswith(
        "step leave failed on an internal error, ConversionException at pipeline/orchestration/steps.py"
    )
    assert NAME not in said
    printed = capfd.readouterr()
    assert NAME not in printed.out + printed.err
    assert NAME.encode() not in kept_by_dagster(road)


def test_an_error_inside_a_check_is_reduced_too(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    import checks.privacy

    monkeypatch.setattr(checks.privacy, "small_counts", failing(ValueError(NAME)))
    with pytest.raises(RunFailed, match="internal error, ValueError") as failed:
        make(road)
    assert NAME not in str(failed.value)
    assert NAME.encode() not in kept_by_dagster(road)
    assert "publish" not in road.ran


def test_a_month_whose_delivery_has_not_landed_is_refused_by_name(road: Road) -> None:
    with pytest.raises(RunFailed, match="delivery 2021-09 has not landed"):
        run_release(road.home, road.landing, "2021-09")


@pytest.mark.parametrize("release", ["2021-13", "june", "1999-01", "2999-01"])
def test_a_month_that_is_none_is_refused(road: Road, release: str) -> None:
    with pytest.raises(HomeError, match=release):
        run_release(road.home, road.landing, release)


def test_two_runs_never_write_together(road: Road) -> None:
    code = (
        "import sys; from pathlib import Path; from pipeline.home import Home\n"
        "from pipeline.orchestration.lock import writing\n"
        "with writing(Home(Path(sys.argv[1]))):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(road.home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(HomeError, match="another run is writing"):
            make(road)
        other.communicate("")
    with writing(road.home), writing(road.home):
        pass


def test_a_broken_protocol_is_refused_before_anything_is_written(road: Road, tmp_path: Path) -> None:
    from pipeline.protocol import ProtocolError

    path = tmp_path / "protocol.toml"
    path.write_text("[study]\n", encoding="utf-8")
    with pytest.raises(ProtocolError, match="parameter study"):
        run_release(road.home, road.landing, RELEASE, path)
    assert not road.home.root.exists()


def _reporting(run: Run, step: str, failures: dict[str, str]) -> StepReport:
    report = writes_empty_tables(step)(run)
    report.failures |= failures
    report.tables["empty"] = pd.DataFrame()
    return report
