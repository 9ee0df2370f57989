"""The step `publish` takes safe tables and facts from the disclosure step and nothing else."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest
from conftest import RELEASE, as_tables, example_facts, example_rows

from pipeline.disclosure.facts import FactsError
from pipeline.disclosure.ledger import CELLS
from pipeline.disclosure.step import PENDING
from pipeline.release.errors import ReleaseError
from pipeline.release.step import publish
from pipeline.run import Run


def leave_safe_files(run: Run, **facts) -> None:
    for name, table in as_tables(example_rows()).items():
        pq.write_table(table, run.home.artefact(RELEASE, "anonymise", name))
    pq.write_table(CELLS.empty_table(), run.home.artefact(RELEASE, "anonymise", PENDING))
    example_facts(**facts).save(run.home.artefact(RELEASE, "anonymise", "facts", "json"))


def test_the_step_publishes_and_reports_rows_figures_and_verdicts(run):
    leave_safe_files(run)
    report = publish(run)
    assert report.failures == {}
    assert report.rows["microdata"] == 180
    assert report.figures["recomputed"] == "published for the first time"
    assert report.figures["smallest_class"] == 15
    assert report.tables["Verdicts of the audit"]["passed"].all()
    assert run.home.releases() == [RELEASE]
    assert (run.home.ledger / "cells" / f"release={RELEASE}.parquet").is_file()


def test_a_release_that_is_refused_is_not_in_the_ledger(run):
    leave_safe_files(run)
    rows = example_rows()
    rows["delays"][0]["n"] = 5
    pq.write_table(as_tables(rows)["delays"], run.home.artefact(RELEASE, "anonymise", "delays"))
    with pytest.raises(ReleaseError, match="fails its own audit"):
        publish(run)
    assert not run.home.ledger.exists()


def test_recomputing_a_published_month_says_it_is_identical(run):
    leave_safe_files(run)
    publish(run)
    assert publish(run).figures["recomputed"] == "identical to the published month"


def test_a_published_month_behind_which_a_person_was_erased_is_left_alone_and_said_so(run):
    leave_safe_files(run)
    publish(run)
    leave_safe_files(run, withdrawn_since=True)
    report = publish(run)
    assert report.rows == {}
    assert "left as published" in report.warnings[0]


@pytest.mark.parametrize(("name", "suffix"), [("facts", "json"), ("power", "parquet")])
def test_a_missing_file_is_named(run, name, suffix):
    leave_safe_files(run)
    run.home.artefact(RELEASE, "anonymise", name, suffix).unlink()
    with pytest.raises((ReleaseError, FactsError), match=f"{name}.*run the step `anonymise`"):
        publish(run)
    assert run.home.releases() == []


def test_facts_of_another_shape_are_refused_by_name(run):
    leave_safe_files(run)
    run.home.artefact(RELEASE, "anonymise", "facts", "json").write_text('{"key_id": "v1"}', encoding="utf-8")
    with pytest.raises(FactsError, match=r"facts\.json: inputs: Field required"):
        publish(run)
