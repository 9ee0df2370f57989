"""No row is lost, and a delivery too dirty stops the release."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from checks.quality import accounting, quarantined_share
from pipeline.orchestration import reports
from pipeline.run import Run, StepReport
from tests.checks.conftest import RELEASE


def test_every_row_of_real_deliveries_is_accounted_for(run: Run) -> None:
    seen = accounting(run)
    assert seen.faults == []
    assert seen.figures["rows read"] > 1000
    share = quarantined_share(run)
    assert share.faults == []
    assert share.figures["rows quarantined"] > 0


def test_a_record_that_does_not_add_up_is_found(run: Run) -> None:
    path = run.home.intake(RELEASE)
    record = json.loads(path.read_text(encoding="utf-8"))
    record["tables"]["employment"]["rows_accepted"] -= 1
    path.write_text(json.dumps(record), encoding="utf-8")
    faults = accounting(run).faults
    assert (
        f"{RELEASE}/employment: {record['tables']['employment']['rows_read']} rows read are not those accounted for"
        in faults
    )


@pytest.mark.parametrize("kind", ["validated", "quarantine"])
def test_a_stored_row_that_vanishes_is_found(run: Run, kind: str) -> None:
    path = getattr(run.home, kind)("payment_lines", RELEASE)
    table = pq.read_table(path, partitioning=None)
    assert len(table)
    pq.write_table(table.slice(1), path)
    (fault,) = accounting(run).faults
    assert fault.startswith(f"{RELEASE}/payment_lines: {len(table)} rows ")
    assert fault.endswith(f"{len(table) - 1} stored")


def test_rows_erased_on_request_are_not_rows_lost(run: Run) -> None:
    path = run.home.validated("beneficiaries", RELEASE)
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table.slice(1), path)
    run.home.tombstones.write_text("{}", encoding="utf-8")
    assert accounting(run).faults == []
    pq.write_table(pa.concat_tables([table, table]), path)
    assert len(accounting(run).faults) == 1


def test_a_published_count_that_does_not_add_up_is_found(run: Run) -> None:
    path = run.home.artefact(RELEASE, "ingest", "data_quality")
    table = pq.read_table(path)
    position = table.column_names.index("rows_duplicate")
    pq.write_table(table.set_column(position, "rows_duplicate", pc.add(table["rows_duplicate"], 1)), path)
    assert len(accounting(run).faults) == len(table)


def test_a_delivery_without_record_is_found(run: Run) -> None:
    run.home.intake("2021-07").unlink()
    assert "2021-07: no record of its reading" in accounting(run).faults


def test_a_share_over_the_limit_is_found_with_table_and_delivery(run: Run) -> None:
    limit = run.protocol.quality.model_copy(update={"maximum_quarantined_share": 0.0001})
    strict = replace(run, protocol=run.protocol.model_copy(update={"quality": limit}))
    faults = quarantined_share(strict).faults
    assert any("/payment_lines: " in fault and fault.endswith("rows quarantined") for fault in faults)


def test_what_the_step_itself_reports_is_not_forgotten(run: Run) -> None:
    said = {"quality:accounting": "a table lost rows", "quality:other": "a file came twice"}
    reports.save(run.home, RELEASE, "ingest", StepReport(failures=said))
    assert accounting(run).faults == ["a table lost rows"]
    assert quarantined_share(run).faults == ["a file came twice"]
