"""A file that is not what the registry declares is found, whatever is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from checks import schema
from checks.schema import evidence, questions
from pipeline.run import Run
from pipeline.tables.inputs import INPUTS
from pipeline.tables.intermediate import INTERMEDIATE
from pipeline.tables.model import Type
from tests.checks.conftest import RELEASE


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schema, "unmet", lambda name, counts: [rule for rule, rows in counts.items() if rows])


def changed(run: Run, column: str, values: pa.Array | None, kind: pa.DataType | None = None) -> None:
    path = run.home.validated("beneficiaries", RELEASE)
    table = pq.read_table(path, partitioning=None)
    position = table.column_names.index(column)
    if values is None and kind is None:
        table = table.remove_column(position)
    elif kind is not None:
        table = table.set_column(position, column, table[column].cast(kind))
    else:
        rest = table[column].combine_chunks().slice(len(values))
        table = table.set_column(position, column, pa.concat_arrays([values, rest]))
    pq.write_table(table, path)


def test_what_ingestion_accepted_is_what_the_registry_declares(run: Run) -> None:
    seen = evidence(run, "ingest")
    assert seen.faults == []
    assert seen.figures["files"] > 8 and seen.figures["rules"] > 90


@pytest.mark.parametrize(
    ("column", "values", "fault"),
    [
        ("sex", pa.array(["M", "M"]), "beneficiaries.sex: code outside its list on 2 rows"),
        ("nir", pa.array([None], pa.string()), "beneficiaries.nir: empty on 1 rows"),
        ("nir", pa.array(["185057800608400"]), "beneficiaries.nir: wrong_nir_key on 1 rows"),
        ("birth_year", pa.array([1700, 1700, 1700]), "beneficiaries.birth_year: impossible_year on 3 rows"),
    ],
)
def test_a_value_that_breaks_a_rule_is_counted_and_never_shown(
    run: Run, column: str, values: pa.Array, fault: str
) -> None:
    changed(run, column, values)
    faults = evidence(run, "ingest").faults
    assert fault in faults
    assert "185057800608400" not in " ".join(faults)


def test_a_missing_column_is_found(run: Run) -> None:
    changed(run, "birth_year", None)
    assert evidence(run, "ingest").faults == ["beneficiaries.birth_year is missing"]


def test_another_type_is_found(run: Run) -> None:
    changed(run, "birth_year", None, pa.string())
    assert evidence(run, "ingest").faults == ["beneficiaries.birth_year is string, not int64"]


def test_an_undeclared_column_past_the_border_is_found(run: Run) -> None:
    for table in INTERMEDIATE:
        if table.step == "leave":
            empty = table.schema.empty_table()
            pq.write_table(empty.append_column("weather", pa.nulls(0, pa.string())), _leave(run, table.name))
    assert len(evidence(run, "leave").faults) == sum(table.step == "leave" for table in INTERMEDIATE)
    assert "leave_spells.weather is not declared" in evidence(run, "leave").faults


def test_an_empty_key_past_the_border_is_found(run: Run) -> None:
    for table in INTERMEDIATE:
        if table.step == "leave":
            row = (
                pa.table({f.name: pa.nulls(1, f.type) for f in table.schema})
                if table.key
                else table.schema.empty_table()
            )
            pq.write_table(row, _leave(run, table.name))
    assert "leave_spells.person: empty on 1 rows" in evidence(run, "leave").faults


def test_every_closed_list_and_key_of_the_registry_is_asked_about() -> None:
    for table in (*INPUTS, *INTERMEDIATE):
        asked = " ".join(questions(table))
        assert all(f"{column.name}: code outside" in asked for column in table if column.codes)
        assert all(f"{name}: empty" in asked for name in table.key)
        assert pc.all(pa.array([column.type in Type for column in table])).as_py()


def _leave(run: Run, name: str) -> Path:
    return run.home.artefact(RELEASE, "leave", name)
