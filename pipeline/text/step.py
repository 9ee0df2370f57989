"""The step `text`: the free texts of the reports that cross the border, masked for qualitative reading or withheld.

It stands on the border: it alone sees a text and its record together, and writes neither. Masked texts stay in the
restricted zone; what is published of them is how many were released.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import groupby
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import database
from pipeline.identity.step import narratives
from pipeline.protocol import Protocol
from pipeline.run import Progress, Run, StepReport
from pipeline.tables.inputs import REPORTS
from pipeline.tables.intermediate import MASKED_TEXTS, TEXT_COUNTS, TEXT_INDICATORS, WITHHELD_TEXTS
from pipeline.tables.model import Table
from pipeline.text.deidentify import Deidentifier, of_protocol
from pipeline.text.indicators import Status, codebook, codes

STEP = "text"
WITHHELD_RULE = "narrative_withheld"
RELEASED_RULE = "narrative_released"
TEXTS_PER_PROCESS = 4_000
"""Fewer texts than this are judged sooner than another process has loaded its lists (about 3 s)."""
RECORD = (
    "nir",
    "nom",
    "prenom",
    "telephone",
    "email",
    "medecin_traitant",
    "medecin_travail",
    "employeur",
    "date_naissance",
)


class Narrative(NamedTuple):
    """One text of one delivery with its record."""

    report_number: int
    delivery: str
    text: str
    record: dict[str, object]


class Judged(NamedTuple):
    """What is kept of a verdict: no place, no identifier.

    Attributes:
        text: masked, None when withheld.
        labels: label of each span.
        codes: indicators of the text as delivered, masked or withheld: codes of a closed list, none of its words.
    """

    report_number: int
    text: str | None
    labels: tuple[str, ...]
    reasons: tuple[str, ...]
    codes: dict[str, Status]


def mask(run: Run) -> StepReport:
    """Judge every text of a release; those of other releases are deleted, so that a withdrawn person's go for good.

    Raises:
        ListError, ModelError: a file named by the protocol cannot be used.
        HomeError: the key is missing.
    """
    for folder in run.home.restricted.glob(f"work/release=*/{STEP}"):
        shutil.rmtree(folder)
    with database.connect(run.home.scratch) as connection:
        narratives(connection, run)
        rows = connection.sql(
            f"SELECT report_number, delivery, narrative, {', '.join(RECORD)} FROM narratives "
            "ORDER BY delivery, report_number"
        ).fetchall()
    months = [
        (month, [Narrative(row[0], row[1], row[2], dict(zip(RECORD, row[3:], strict=True))) for row in texts])
        for month, texts in groupby(rows, key=lambda row: row[1])
    ]
    judged = dict(judge(run.protocol, months, processes(len(rows)), run.progress))
    return _written(run, judged)


def processes(texts: int) -> int:
    """How many processes are worth starting for that many texts; the result is the same for any number."""
    return max(1, min(os.cpu_count() or 1, texts // TEXTS_PER_PROCESS))


def judge(
    protocol: Protocol, months: Sequence[tuple[str, list[Narrative]]], workers: int, progress: Progress
) -> Iterator[tuple[str, list[Judged]]]:
    """Judge texts month by month.

    Args:
        protocol: says which lists, limits and model.
        months: texts by delivery.
        workers: processes; 1 works in this one.
        progress: told months done.

    Yields:
        Deliveries in order, each with its verdicts in the order of its texts.
    """
    total = len(months)
    progress("masking texts", 0, total)
    if workers == 1:
        engine = of_protocol(protocol)
        for number, (month, texts) in enumerate(months, start=1):
            yield month, _month(engine, texts)
            progress("masking texts", number, total)
        return
    # Not forked: DuckDB and Dagster have threads, and a forked process may inherit a lock that nobody will open.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _start, (protocol,)) as pool:
        waiting: list[tuple[str, Future[list[Judged]]]] = []
        for number, (month, texts) in enumerate(months, start=1):
            waiting.append((month, pool.submit(_task, texts)))
            if len(waiting) > 2 * workers:  # texts on their way to the processes take memory
                first, future = waiting.pop(0)
                yield first, future.result()
                progress("masking texts", number - len(waiting), total)
        for left, (month, future) in enumerate(waiting, start=total - len(waiting) + 1):
            yield month, future.result()
            progress("masking texts", left, total)


_engine: Deidentifier | None = None


def _start(protocol: Protocol) -> None:
    global _engine
    _engine = of_protocol(protocol)


def _task(texts: list[Narrative]) -> list[Judged]:
    if _engine is None:
        raise RuntimeError("the process was started without its lists")
    return _month(_engine, texts)


def _month(engine: Deidentifier, texts: list[Narrative]) -> list[Judged]:
    found = []
    for narrative in texts:
        verdict = engine.deidentify(narrative.text, narrative.record)
        labels = tuple(str(span.label) for span in verdict.spans)
        coded = codes(narrative.text)
        found.append(Judged(narrative.report_number, verdict.text, labels, verdict.reasons, coded))
    return found


def _written(run: Run, months: dict[str, list[Judged]]) -> StepReport:
    every = sorted((verdict for verdicts in months.values() for verdict in verdicts), key=lambda v: v.report_number)
    released = [verdict for verdict in every if verdict.text is not None]
    tables: dict[Table, list[tuple[object, ...]]] = {
        MASKED_TEXTS: [(v.report_number, v.text, len(v.labels)) for v in released],
        WITHHELD_TEXTS: [(v.report_number, reason) for v in every for reason in v.reasons],
        TEXT_INDICATORS: [
            (v.report_number, str(codebook().family[code]), code, str(status))
            for v in every
            for code, status in v.codes.items()
        ],
        TEXT_COUNTS: [
            (month, len(judged), sum(v.text is not None for v in judged)) for month, judged in months.items()
        ],
    }
    report = StepReport()
    for table, rows in tables.items():
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in table.columns]
        arrays = [pa.array(values, field.type) for values, field in zip(columns, table.schema, strict=True)]
        written = pa.Table.from_arrays(arrays, schema=table.schema)
        pq.write_table(written, run.home.artefact(run.release, STEP, table.name), compression="zstd")
        report.rows[table.name] = len(rows)
    reasons = Counter(reason for verdict in every for reason in verdict.reasons)
    labels = Counter(label for verdict in released for label in verdict.labels)
    report.figures = {"texts": len(every), "texts released": len(released)}
    if every:
        report.figures["share released"] = round(len(released) / len(every), 4)
    report.tables["Texts withheld by reason"] = _counted(reasons, "reason")
    report.tables["Spans masked in texts released"] = _counted(labels, "label")
    return report


def _counted(counts: Counter[str], name: str) -> pd.DataFrame:
    rows = sorted(((-count, value) for value, count in counts.items()))
    return pd.DataFrame({name: [value for _, value in rows], "n": [-count for count, _ in rows]})


def quality_with_texts(quality: pa.Table, counts: pa.Table) -> pa.Table:
    """`data_quality` with the texts released: those not released stay counted as withheld.

    Args:
        quality: as the step `ingest` wrote it, where every text counts as withheld.
        counts: `text_counts`.

    Returns:
        The same columns; for each delivery with a text released, a row of rule `narrative_released`. A text's row was
        accepted: on both rows, read = accepted + quarantined + duplicates, with nothing quarantined under the rule.
    """
    accounts = quality.to_pandas()
    released = counts.to_pandas().set_index("delivery")["released"]
    texts = (accounts["input_table"] == REPORTS.name) & (accounts["rule"] == WITHHELD_RULE)
    freed = accounts.loc[texts, "delivery"].map(released).fillna(0).astype("int64")
    new = accounts[texts].assign(rule=RELEASED_RULE, rows_flagged=freed)
    accounts.loc[texts, "rows_flagged"] -= freed
    for rows in (accounts, new):
        chosen = rows["rule"].isin((WITHHELD_RULE, RELEASED_RULE)) & (rows["input_table"] == REPORTS.name)
        rows.loc[chosen, "rate"] = rows.loc[chosen, "rows_flagged"] / rows.loc[chosen, "rows_read"]
    both = pd.concat([accounts, new[new["rows_flagged"] > 0]], ignore_index=True)
    table = pa.Table.from_pandas(both, quality.schema, preserve_index=False)
    return table.sort_by([(name, "ascending") for name in ("delivery", "input_table", "rule")])
