"""The command `pdp`: each sub-command shows progress, ends with where its results are, and fails with one sentence."""

from __future__ import annotations

import os
import sys
import traceback
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pipeline.home import Home, Landing
from pipeline.orchestration.console import shown
from pipeline.orchestration.errors import CommandError, sentence

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Measure what the departmental platforms against 'désinsertion professionnelle' change, and publish it "
    "without any person in it.\n\nFirst time: [bold]make run[/bold] simulates a territory and makes a release from it.",
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

HomeOption = Annotated[
    Path, typer.Option("--home", metavar="DIR", help="Home folder: keys, restricted data, published releases.")
]


def _say(text: str) -> None:
    out.print(text, markup=False)


@app.command()
def simulate(
    landing: Annotated[Path, typer.Option(metavar="DIR", help="Where the deliveries are written: DIR/YYYY-MM/.")],
    start: Annotated[str, typer.Option(metavar="YYYY-MM", help="Month in which the first platforms open.")] = "2021-07",
    months: Annotated[int, typer.Option(min=1, help="Monthly deliveries from the start on.")] = 36,
    history_months: Annotated[int, typer.Option(min=0, help="Monthly deliveries before the start.")] = 24,
    persons: Annotated[int, typer.Option(min=1, help="Insured persons in the territory.")] = 48_000,
    seed: Annotated[int, typer.Option(help="Seed of every draw: the same seed writes the same bytes.")] = 1,
    effect: Annotated[
        str, typer.Option(metavar="NAME", help="The true effect: null, moderate, strong, heterogeneous, selection.")
    ] = "moderate",
) -> None:
    """Write synthetic deliveries whose true effect is known.

    The truth goes to truth.json beside DIR, never inside it.

    Example: pdp simulate --landing territory/landing --persons 20000 --seed 7
    """
    from pipeline.simulation import simulate as write

    try:
        with shown(err) as progress:
            truth = write(
                landing,
                start=start,
                months=months,
                history_months=history_months,
                persons=persons,
                seed=seed,
                effect=effect,
                progress=progress,
            )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    except FileExistsError as error:
        raise CommandError(str(error)) from None
    _say(f"deliveries: {landing}")
    _say(f"truth:      {truth}")


@app.command()
def run(
    landing: Annotated[
        Path, typer.Option(metavar="DIR", help="Landing folder holding one YYYY-MM folder per delivery.")
    ],
    home: HomeOption,
    release: Annotated[
        str, typer.Option(metavar="YYYY-MM", help="The month to publish; its delivery must have landed.")
    ],
    protocol: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Study protocol; the project's protocol.toml without it.")
    ] = None,
) -> None:
    """Make one release: the whole graph, in this process.

    Example: pdp run --landing territory/landing --home territory/home --release 2024-06
    """
    from pipeline.orchestration.execute import run_release

    with shown(err) as progress:
        outcome = run_release(Home(home), Landing(landing), release, protocol, progress)
    for warning in outcome.warnings:
        err.print(f"warning: {warning}", markup=False)
    _say(f"release:   {outcome.folder}")
    _say(f"synthesis: {outcome.folder / 'synthese.html'}")
    _say(f"audit:     {outcome.folder / 'audit.html'}")
    _say(f"tables:    {outcome.folder / 'impact.duckdb'}")


@app.command()
def audit(
    release_dir: Annotated[
        Path, typer.Argument(metavar="RELEASE_DIR", help="A published folder: release=YYYY-MM or latest.")
    ],
) -> None:
    """Check a published release again, from its own files alone: one verdict per rule.

    Example: pdp audit territory/home/published/latest
    """
    from pipeline.release.verify import verify

    with shown(err) as progress:
        verdicts = verify(release_dir, lambda done, total: progress("bounding masked counts", done, total))
    for verdict in verdicts:
        _say(f"{'kept  ' if verdict.passed else 'BROKEN'}  {verdict.rule}: {verdict.detail}")
    broken = [verdict.rule for verdict in verdicts if not verdict.passed]
    if broken:
        raise CommandError(f"{len(broken)} of {len(verdicts)} rules broken in {release_dir}: {', '.join(broken)}")
    _say(f"all {len(verdicts)} rules kept: {release_dir}")


@app.command()
def deidentify(
    source: Annotated[Path, typer.Argument(metavar="IN.jsonl", help='Lines {"id", "text", "record"?}.')],
    target: Annotated[
        Path, typer.Argument(metavar="OUT.jsonl", help='Lines {"id", "text", "spans", "decision", "reasons"}.')
    ],
    protocol: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Study protocol; the project's protocol.toml without it.")
    ] = None,
) -> None:
    """Mask the identifiers of free French texts, and withhold those that cannot be shown free of them.

    A record holds columns of bilans_suivi (nom, prenom, employeur, ...); their values are masked wherever they stand.
    Spans count characters of the text as given. Reasons to withhold are explained in docs/free-text.md.

    Example: pdp deidentify texts.jsonl judged.jsonl
    """
    from pipeline.protocol import Protocol
    from pipeline.text.deidentify import of_protocol
    from pipeline.text.files import deidentify as judge

    with shown(err) as progress:
        decisions = judge(source, target, of_protocol(Protocol.load(protocol)), progress)
    _say(f"{target}: {decisions['release']} texts released, {decisions['withhold']} withheld")


@app.command()
def evaluate_texts(
    annotated: Annotated[
        Path, typer.Argument(metavar="ANNOTATED.jsonl", help='Lines {"id", "text", "record"?, "spans"?, "codes"?}.')
    ],
    without_record: Annotated[
        bool, typer.Option("--without-record", help="Judge each text by itself, as if no record came with it.")
    ] = False,
    each_code: Annotated[bool, typer.Option("--each-code", help="One line for each indicator.")] = False,
    misses: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what was missed, with the words around it, to a new file (0600)."),
    ] = None,
    protocol: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Study protocol; the project's protocol.toml without it.")
    ] = None,
) -> None:
    """Judge the masking of texts, and their indicators, on your own annotated texts.

    Do this on about 200 texts of your site before you trust the tool with the others: docs/annotate-reports.md says
    how to choose and annotate them, and what 200 texts can and cannot show.

    [bold]spans[/bold] lists every identifier of a text: {"start", "end", "label"} in characters, the end not included;
    [] says that there is none. [bold]codes[/bold] gives its indicators: {"pain": "present", "training": "planned"}.
    A text may have one or both. An identifier counts as found only when every character of it is masked, blanks apart.
    Proportions come with Wilson intervals at 95 %.

    Only figures are shown. --misses writes the words that were missed, the worst first: the file is as confidential
    as the texts, delete it when you have read it.

    Example: pdp evaluate-texts annotated.jsonl --misses missed.jsonl
    """
    from pipeline.protocol import Protocol
    from pipeline.text import evaluate
    from pipeline.text.deidentify import of_protocol

    if misses is not None and misses.exists():
        raise CommandError(f"{misses} is there already; name a new file")
    with shown(err) as progress:
        engine = of_protocol(Protocol.load(protocol))
        counts = evaluate.evaluate(annotated, engine, with_record=not without_record, progress=progress)
    for line in evaluate.report(counts, each_code=each_code):
        _say(line)
    if misses is not None:
        _say(f"misses: {evaluate.write_misses(counts, misses)} in {misses}")


class KeyAction(StrEnum):
    """What to do with the key."""

    INIT = "init"
    ROTATE = "rotate"
    DESTROY = "destroy"


@app.command()
def key(
    action: Annotated[KeyAction, typer.Argument(help="init: make it; rotate: a new version; destroy: for good.")],
    home: HomeOption,
) -> None:
    """The pseudonymisation key. destroy makes every pseudonym unlinkable for good.

    Example: pdp key rotate --home territory/home
    """
    from pipeline.identity import keys
    from pipeline.orchestration.lock import writing

    if action is KeyAction.DESTROY and sys.stdin.isatty():
        typer.confirm(f"Destroy the key of {home} for good? No further release can be made from it.", abort=True)
    with writing(Home(home)):
        _say(
            {KeyAction.INIT: keys.init, KeyAction.ROTATE: keys.rotate, KeyAction.DESTROY: keys.destroy}[action](
                Home(home)
            )
        )


@app.command()
def erase(
    home: HomeOption,
    request: Annotated[Path, typer.Option(metavar="FILE", help='JSON Lines of {"nir": ...} or {"dossier_id": ...}.')],
) -> None:
    """Execute withdrawals at once, instead of at the next release.

    A keyed tombstone keeps the next run from reading the person back from the deliveries.

    Example: pdp erase --home territory/home --request withdrawals.jsonl
    """
    from pipeline.identity.erase import erase as execute
    from pipeline.orchestration.lock import writing

    with writing(Home(home)):
        _say(execute(Home(home), request))


@app.command()
def ui(
    home: HomeOption,
    landing: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Landing folder; the last run's without it.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 3000,
    read_only: Annotated[bool, typer.Option("--read-only", help="Look only: no run can be launched.")] = False,
) -> None:
    """The Dagster UI on a home, for this machine only (127.0.0.1): it has no login.

    Example: pdp ui --home territory/home
    """
    from pipeline.orchestration.ui import command, serve

    arguments, environment = command(Home(home), landing, port, read_only=read_only)
    _say(f"UI: http://127.0.0.1:{port}  (stop with Ctrl-C)")
    if status := serve(arguments, environment):
        raise CommandError(f"the UI stopped with status {status}")


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line: exit code 0, 1 with one sentence on stderr, or 2 for a misuse."""
    try:
        return app(arguments)
    except Exception as error:
        if os.environ.get("PDP_DEBUG"):
            traceback.print_exc()
        err.print(f"pdp: {sentence(error, 'the command')}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
