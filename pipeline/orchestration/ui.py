"""The Dagster UI on a home, for this machine only: it has no login."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from pipeline.home import Home, HomeError
from pipeline.orchestration import instance
from pipeline.orchestration.errors import PROJECT
from pipeline.orchestration.lock import writing

ADDRESS = "127.0.0.1"
SECONDS_TO_STOP = 30


def command(home: Home, landing: Path | None, port: int, *, read_only: bool) -> tuple[list[str], dict[str, str]]:
    """Command line and environment of the UI.

    Runs launched from the UI wait in a queue and the schedule ticks in Dagster's daemon: `dagster dev` starts web
    server and daemon on one code server. A reader needs the web server alone.

    Args:
        home: the home to show.
        landing: where its deliveries land; None for the last run's.
        port: TCP port on this machine.
        read_only: nothing can be launched or switched.

    Raises:
        HomeError: the landing folder is not known, or the port is taken.
    """
    folder = instance.prepare(home)
    known = instance.recall(home)
    if landing is None and known is None:
        raise HomeError(f"no run has been made in {home.root} yet; say where deliveries land with --landing DIR")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError:
            raise HomeError(f"port {port} is taken; choose another with --port") from None
    _bury(home, folder)
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "DAGSTER_REDACT_USER_CODE_ERRORS": "1",
        "PDP_HOME": str(home.root.resolve()),
        "PDP_LANDING": str(landing.resolve()) if landing else (known.landing if known else ""),
        "PDP_PROTOCOL": known.protocol if known else "",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH")))),
    }
    program = ["dagster_webserver", "--read-only"] if read_only else ["dagster", "dev"]
    where = ["-m", "pipeline.orchestration.definitions", "-h", ADDRESS, "-p", str(port)]
    return [sys.executable, "-W", "ignore:Function `dev_command`", "-m", *program, *where], environment


def _bury(home: Home, folder: Path) -> None:
    """Clear the queue of runs whose process died, unless a run is going on."""
    from dagster import DagsterInstance

    with contextlib.suppress(HomeError), writing(home), DagsterInstance.from_config(str(folder)) as dagster_instance:
        instance.bury(dagster_instance)


def serve(arguments: list[str], environment: dict[str, str]) -> int:
    """Run the UI until it ends or this process is told to; returns 0 when it was told to.

    Dagster starts several processes and stops them all on one SIGINT: it gets its own session, so that a Ctrl-C reaches
    it once, from here.
    """
    process = subprocess.Popen(  # noqa: S603  the command above
        arguments,
        env=environment,
        cwd=environment["DAGSTER_HOME"],
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    for told in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told, signal.default_int_handler)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        return 0
