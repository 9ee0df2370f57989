"""The command line: results named at the end and 0, one sentence and 1 on failure, 2 on misuse."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline import cli
from pipeline.home import Home, HomeError
from pipeline.orchestration import instance
from pipeline.orchestration.ui import command

ROOT = Path(__file__).resolve().parents[1]
NAME = "Dupont-Delacroix"


def pdp(*arguments: str | Path, debug: bool = False) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PDP_", "DAGSTER_"))}
    if debug:
        environment["PDP_DEBUG"] = "1"
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *map(str, arguments)],
        cwd=ROOT,
        env=environment | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def sentence(ran: subprocess.CompletedProcess[str]) -> str:
    """The one sentence of a failure."""
    assert ran.returncode == 1, ran.stderr
    (line,) = ran.stderr.splitlines()
    assert line.startswith("pdp: ")
    return line


def test_help_names_every_command_of_the_contract() -> None:
    shown = pdp("--help")
    assert shown.returncode == 0
    for name in ("simulate", "run", "audit", "deidentify", "evaluate-texts", "key", "erase", "ui"):
        assert f" {name} " in shown.stdout


@pytest.mark.parametrize("name", ["simulate", "run", "audit", "deidentify", "evaluate-texts", "key", "erase", "ui"])
def test_the_help_of_a_command_gives_an_example(name: str) -> None:
    shown = CliRunner().invoke(cli.app, [name, "--help"])
    assert f"Example: pdp {name} " in shown.output


@pytest.mark.parametrize(
    "arguments", [["run"], ["unknown"], ["key", "burn", "--home", "x"], ["simulate", "--landing", "x", "--months", "0"]]
)
def test_a_misuse_exits_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(cli.app, arguments).exit_code == 2


def test_a_landing_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    said = sentence(pdp("run", "--landing", tmp_path / "none", "--home", tmp_path / "home", "--release", "2024-06"))
    assert str(tmp_path / "none") in said
    assert not (tmp_path / "home").exists()


def test_a_refused_delivery_is_one_sentence_with_file_and_line_and_no_value(tmp_path: Path) -> None:
    delivery = tmp_path / "landing" / "2024-06"
    delivery.mkdir(parents=True)
    (delivery / "accords.jsonl").write_text(f'{{"dossier_id": "a"}}\n{{"nir": {NAME}\n', encoding="utf-8")
    ran = pdp("run", "--landing", tmp_path / "landing", "--home", tmp_path / "home", "--release", "2024-06")
    last = ran.stderr.splitlines()[-1]
    assert ran.returncode == 1
    assert last.startswith("pdp: delivery 2024-06 refused: 2024-06/accords.jsonl, line 2")
    assert NAME not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    stored = b"".join(path.read_bytes() for path in (tmp_path / "home").rglob("*") if path.is_file())
    assert NAME.encode() not in stored


def test_simulate_writes_deliveries_and_the_truth_beside_them(tmp_path: Path) -> None:
    arguments = (
        "simulate",
        "--landing",
        tmp_path / "landing",
        "--months",
        "1",
        "--history-months",
        "1",
        "--persons",
        "300",
    )
    ran = pdp(*arguments)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1].split() == ["truth:", str(tmp_path / "truth.json")]
    assert sorted(p.name for p in (tmp_path / "landing").iterdir()) == ["2021-06", "2021-07"]
    assert json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert "deliveries" in ran.stderr
    again = pdp(*arguments)
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1].startswith("pdp: ") and "already holds" in again.stderr.splitlines()[-1]


def test_an_unknown_effect_is_a_misuse_that_lists_the_known_ones(tmp_path: Path) -> None:
    ran = pdp("simulate", "--landing", tmp_path / "landing", "--effect", "miracle")
    assert ran.returncode == 2
    assert "moderate" in ran.stderr


def test_a_key_is_made_once_rotated_and_destroyed_for_good(tmp_path: Path) -> None:
    home = tmp_path / "home"
    made = pdp("key", "init", "--home", home)
    assert (made.returncode, made.stderr) == (0, "")
    assert str(home / "keys") in made.stdout
    assert [oct(path.stat().st_mode)[-3:] for path in (home / "keys").iterdir()] == ["600"]
    assert "already holds a key" in sentence(pdp("key", "init", "--home", home))
    assert pdp("key", "destroy", "--home", home).returncode == 0
    assert "destroyed for good" in sentence(pdp("key", "init", "--home", home))


def test_an_erasure_request_of_another_shape_is_refused_without_quoting_it(tmp_path: Path) -> None:
    request = tmp_path / "request.jsonl"
    request.write_text(f'{{"nom": "{NAME}"}}\n', encoding="utf-8")
    said = sentence(pdp("erase", "--home", tmp_path / "home", "--request", request))
    assert "line 1" in said and NAME not in said


def test_texts_are_masked(tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text(json.dumps({"id": 1, "text": f"Vu {NAME}."}) + "\n", encoding="utf-8")
    ran = pdp("deidentify", source, target)
    assert (ran.returncode, ran.stdout) == (0, f"{target}: 1 texts released, 0 withheld\n")
    assert NAME not in target.read_text(encoding="utf-8")


def test_a_folder_that_is_no_release_fails_its_audit(tmp_path: Path) -> None:
    ran = pdp("audit", tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.startswith("pdp: ") and len(ran.stderr.splitlines()) == 1


def test_an_unexpected_error_shows_its_class_and_no_content(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(*_: object) -> dict[str, int]:
        raise ValueError(NAME)

    monkeypatch.setattr("pipeline.text.files.deidentify", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["deidentify", str(tmp_path / "a"), str(tmp_path / "b")])
    assert ended.value.code == 1
    shown = capsys.readouterr().err
    assert shown.startswith("pdp: the command failed on an internal error, ValueError at pipeline/cli.py:")
    assert NAME not in shown


def test_a_traceback_is_shown_only_when_asked_for(tmp_path: Path) -> None:
    arguments = ("deidentify", tmp_path / "none.jsonl", tmp_path / "out.jsonl")
    assert "Traceback" not in pdp(*arguments).stderr
    assert "Traceback" in pdp(*arguments, debug=True).stderr


# The UI


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_ui_listens_on_this_machine_alone_and_on_the_homes_own_instance(tmp_path: Path, free_port: int) -> None:
    home = Home(tmp_path / "home")
    arguments, environment = command(home, tmp_path / "landing", free_port, read_only=False)
    assert arguments[arguments.index("-h") + 1] == "127.0.0.1"
    assert environment["DAGSTER_HOME"] == str(home.dagster.resolve())
    assert environment["PDP_LANDING"] == str(tmp_path / "landing")
    assert (home.dagster / "dagster.yaml").read_bytes() == (ROOT / "dagster.yaml").read_bytes()
    assert "--read-only" in command(home, tmp_path, free_port, read_only=True)[0]


def test_the_ui_remembers_where_the_last_run_read_from(tmp_path: Path, free_port: int) -> None:
    home = Home(tmp_path / "home")
    with pytest.raises(HomeError, match="--landing"):
        command(home, None, free_port, read_only=False)
    instance.prepare(home)
    instance.remember(home, instance.Settings("there", "that.toml"))
    _, environment = command(home, None, free_port, read_only=False)
    assert (environment["PDP_LANDING"], environment["PDP_PROTOCOL"]) == ("there", "that.toml")


def test_a_port_already_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(HomeError, match="is taken"):
            command(Home(tmp_path / "home"), tmp_path, int(taken.getsockname()[1]), read_only=False)


LAUNCH = """mutation($run: ExecutionParams!) { launchRun(executionParams: $run) {
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
FAILURES = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status eventConnection { events {
  ... on ExecutionStepFailureEvent { failureMetadata { description } } } } } } }"""


def ask(port: int, query: str, **variables: object) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": query, "variables": variables}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310  this machine
        return json.load(answer)["data"]


@pytest.mark.slow
def test_the_ui_serves_the_graph_runs_it_and_stops_on_one_signal(tmp_path: Path, free_port: int) -> None:
    folders = ("--home", tmp_path / "home", "--landing", tmp_path)
    started = subprocess.Popen(
        [sys.executable, "-m", "pipeline.cli", "ui", *folders, "--port", str(free_port)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        groups: set[str] = set()
        until = time.monotonic() + 120
        while not groups and time.monotonic() < until:
            time.sleep(1)
            with contextlib.suppress(OSError):
                groups = {node["groupName"] for node in ask(free_port, "{ assetNodes { groupName } }")["assetNodes"]}
            assert started.poll() is None
        assert groups == {"ingest", "pseudonymise", "leave", "cohort", "matching", "outcomes", "anonymise", "publish"}
        run = {
            "selector": {
                "repositoryLocationName": "pipeline.orchestration.definitions",
                "repositoryName": "__repository__",
                "pipelineName": "monthly_release",
            },
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": "2024-06"}]},
        }
        launched = ask(free_port, LAUNCH, run=run)["launchRun"]["run"]["runId"]
        status, until = "", time.monotonic() + 120
        while status not in ("SUCCESS", "FAILURE") and time.monotonic() < until:
            time.sleep(1)
            seen = ask(free_port, FAILURES, id=launched)["runOrError"]
            status = seen["status"]
        said = [event["failureMetadata"]["description"] for event in seen["eventConnection"]["events"] if event]
        assert status == "FAILURE"
        assert [sentence.split(" in ")[0] for sentence in said] == ["delivery 2024-06 has not landed"]
    finally:
        started.send_signal(signal.SIGTERM)
        assert started.wait(60) == 0
