"""Planted identifiers and small groups are found at the borders, counted and never shown."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.privacy import (
    IDENTIFIERS,
    attacks_kept,
    coherent_figures,
    frozen_quarters,
    increments,
    masked_figures,
    microdata_classes,
    nir_condition,
    no_identifier,
    rounded_counts,
    small_counts,
)  # fmt: skip
from checks.privacy import STEP as STEP_OF_TABLES
from pipeline.disclosure import ledger
from pipeline.disclosure.facts import Attack
from pipeline.orchestration import reports
from pipeline.run import Run, StepReport
from pipeline.tables.intermediate import of_step
from pipeline.tables.model import Sensitivity
from pipeline.tables.published import PUBLISHED, published
from tests.checks.conftest import RELEASE
from tests.release.conftest import as_tables, example_facts, example_rows

STEP = "pseudonymise"


def nir(first: str) -> str:
    """Thirteen characters with their key."""
    number = int(first.replace("2A", "19").replace("2B", "18"))
    return f"{first}{97 - number % 97:02d}"


def found(texts: list[str]) -> list[bool]:
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT {nir_condition('v')} FROM (SELECT unnest($v) AS v)", {"v": texts}).fetchall()
    return [row[0] for row in rows]


@pytest.fixture
def crossed(run: Run) -> Run:
    """What the pseudonymisation wrote, as it should be."""
    for table in of_step(STEP):
        pq.write_table(table.schema.empty_table(), run.home.artefact(RELEASE, STEP, table.name))
    return run


def plant(run: Run, name: str, column: str, values: list[str]) -> None:
    path = run.home.artefact(RELEASE, STEP, name)
    pq.write_table(pa.table({"person": list(range(len(values))), column: values}), path)


def delivered(run: Run, column: str) -> str:
    values = pq.read_table(run.home.validated("beneficiaries", "2021-07"), partitioning=None)[column]
    return str(values[0].as_py())


def test_files_without_identifier_pass(crossed: Run) -> None:
    seen = no_identifier(crossed, STEP)
    assert seen.faults == []
    assert seen.figures["files"] == len(of_step(STEP))


def test_a_step_that_left_nothing_does_not_pass(run: Run) -> None:
    assert no_identifier(run, STEP).faults == ["step pseudonymise has left no file to look at"]


@pytest.mark.parametrize("column", sorted(IDENTIFIERS))
def test_every_identifying_column_of_the_contract_is_refused_by_name(crossed: Run, column: str) -> None:
    plant(crossed, "reports", column, ["x"])
    assert f"reports.{column} is a direct identifier" in no_identifier(crossed, STEP).faults


@pytest.mark.parametrize("column", ["nir", "payment_pseudonym", "stable_identifier"])
def test_an_identifier_in_an_innocent_column_is_found_by_value_and_not_shown(crossed: Run, column: str) -> None:
    value = delivered(crossed, column)
    plant(crossed, "employment", "employer_size", ["1_9", value, value])
    faults = no_identifier(crossed, STEP).faults
    assert "employment.employer_size: 1 values are identifiers of the deliveries" in faults
    assert value not in " ".join(faults)


def test_a_number_that_was_never_delivered_is_found_by_its_shape(crossed: Run) -> None:
    plant(crossed, "employment", "employer_size", [nir("2900175056001"), "1_9"])
    assert no_identifier(crossed, STEP).faults == [
        "employment.employer_size: 1 values have the shape of a social-security number"
    ]


def test_a_keyed_pseudonym_is_not_mistaken_for_a_number(crossed: Run) -> None:
    plant(crossed, "persons", "person_id", [f"v1:{number:032x}".replace("a", "1") for number in range(5000)])
    assert no_identifier(crossed, STEP).faults == []


@pytest.mark.parametrize(
    "text",
    [
        nir("1850578006084"),
        nir("185052A006084"),
        "1850578006084",
        "1 85 05 78 006 084 " + nir("1850578006084")[13:],
        "assuré 1.85.05.78.006.084." + nir("1850578006084")[13:] + ", vu ce jour",
        "n°" + nir("2601299123456") + ";",
    ],
)
def test_a_number_is_recognised_spaced_in_a_sentence_and_from_corsica(text: str) -> None:
    assert found([text]) == [True]


@pytest.mark.parametrize(
    "text", ["185057800608437", "12345678901234", "18505780060843612", "v1:a1850578006084b", "2021-07-01", ""]
)
def test_other_digits_are_not(text: str) -> None:
    assert found([text]) == [False]


@given(st.lists(st.from_regex(r"[12][0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[1-8][0-9]|2A|2B)[0-9]{6}", fullmatch=True)))
@settings(deadline=None, max_examples=30)
def test_any_number_with_its_key_is_recognised_and_with_another_key_is_not(firsts: list[str]) -> None:
    numbers = [nir(first) for first in firsts]
    assert found(numbers) == [True] * len(numbers)
    assert not any(found([f"{number[:13]}{int(number[13:]) % 97 + 1:02d}" for number in numbers]))


# Disclosure border


def counts(run: Run, values: list[int | None]) -> None:
    table = published("exits")
    rows = [dict.fromkeys(table.names) | {"release": RELEASE, "n": value} for value in values]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), run.home.artefact(RELEASE, "anonymise", "exits"))
    reports.save(run.home, RELEASE, "anonymise", StepReport())


def test_counts_of_k_and_masked_counts_pass(run: Run) -> None:
    counts(run, [run.protocol.disclosure.k, 500, None])
    seen = small_counts(run)
    assert (seen.faults, seen.figures) == ([], {"counts": 2})


@pytest.mark.parametrize("value", [0, 1, 10])
def test_a_count_under_k_is_found(run: Run, value: int) -> None:
    counts(run, [50, value])
    assert small_counts(run).faults == ["exits.n: 1 counts under 11"]


def test_a_privacy_failure_reported_by_the_step_is_not_forgotten(run: Run) -> None:
    counts(run, [50])
    reports.save(run.home, RELEASE, "anonymise", StepReport(failures={"privacy:audit": "a cell can be bounded"}))
    assert small_counts(run).faults == ["a cell can be bounded"]


def test_every_table_that_counts_persons_is_looked_at(run: Run) -> None:
    counted = 0
    for table in PUBLISHED:
        names = [column.name for column in table if column.role == "count_of_persons"]
        row = dict.fromkeys(table.names) | dict.fromkeys(names, 1)
        pq.write_table(
            pa.Table.from_pylist([row], schema=table.schema), run.home.artefact(RELEASE, "anonymise", table.name)
        )
        counted += len(names)
    reports.save(run.home, RELEASE, "anonymise", StepReport())
    assert len(small_counts(run).faults) == counted > 15


def classes(run: Run, sizes: list[int], states: int) -> None:
    table = published("microdata")
    quasi = table.with_sensitivity(Sensitivity.QUASI)
    rows = [
        dict.fromkeys(table.names) | dict.fromkeys(quasi, f"class {number}") | {"state_12m": f"s{row % states}"}
        for number, size in enumerate(sizes)
        for row in range(size)
    ]
    pq.write_table(
        pa.Table.from_pylist(rows, schema=table.schema), run.home.artefact(RELEASE, "anonymise", "microdata")
    )


def test_classes_of_k_persons_and_l_states_pass(run: Run) -> None:
    classes(run, [11, 30], states=3)
    seen = microdata_classes(run)
    assert (seen.faults, seen.figures) == ([], {"persons": 41, "classes": 2})


def test_a_class_under_k_is_found(run: Run) -> None:
    classes(run, [11, 10, 40], states=3)
    assert microdata_classes(run).faults == ["1 classes of fewer than 11 persons"]


def test_a_class_whose_state_is_known_is_found(run: Run) -> None:
    classes(run, [50], states=2)
    assert microdata_classes(run).faults == ["1 classes with fewer than 3 states"]


# Rules that published figures keep among themselves


@pytest.fixture
def left(run: Run) -> Run:
    """What the disclosure step leaves of a small consistent release."""
    for name, table in as_tables(example_rows(), RELEASE).items():
        pq.write_table(table, run.home.artefact(RELEASE, STEP_OF_TABLES, name))
    hand_over(run)
    return run


def hand_over(run: Run, **changes: object) -> None:
    example_facts(**changes).save(run.home.artefact(RELEASE, STEP_OF_TABLES, "facts", "json"))


def spoil(run: Run, name: str, change: Callable[[dict[str, Any]], object]) -> None:
    path = run.home.artefact(RELEASE, STEP_OF_TABLES, name)
    table = pq.read_table(path, partitioning=None)
    rows = table.to_pylist()
    change(rows[0])
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def test_a_consistent_release_keeps_every_rule(left: Run) -> None:
    for look in (rounded_counts, masked_figures, coherent_figures, attacks_kept, frozen_quarters):
        assert look(left).faults == [], look.__name__


def test_a_count_off_the_base_is_found(left: Run) -> None:
    spoil(left, "delays", lambda row: row.update(n=761))
    assert rounded_counts(left).faults == ["delays.n: 1 values that are not multiples of 5"]


def test_a_mask_without_a_reason_is_found(left: Run) -> None:
    spoil(left, "delays", lambda row: row.update(suppressed=True, median=None))
    faults = masked_figures(left).faults
    assert "delays (referral_to_first_contact): suppressed without a known reason" in faults
    assert "disclosure (delays): cells are not those shown and those masked" in faults


def test_an_interval_that_misses_its_estimate_is_found(left: Run) -> None:
    spoil(left, "sensitivity", lambda row: row.update(difference=9.0))
    assert "sensitivity (caliper_0_1_itt): ci_low to ci_high does not hold difference" in coherent_figures(left).faults


def test_an_attack_that_beats_its_rule_is_found_and_one_without_teeth_is_counted(left: Run) -> None:
    found = {"criterion": "linkability", "name": "relier", "attempts": 50, "ci_low": 0.0, "ci_high": 0.2}
    hand_over(left, attacks=(
        Attack(**found, success=0.1, limit=0.0, control=0.5), Attack(**found, success=0.0, limit=0.0, control=0.0),
        Attack(**found, success=0.9, beyond=True),
    ))  # fmt: skip
    seen = attacks_kept(left)
    assert seen.faults == ["linkability: 0.100 of 50 attempts succeed, 0.000 allowed"]
    assert seen.figures == {"attacks": 3, "held to a rule": 2, "without a control that succeeds": 1}


def test_a_quarter_published_before_that_is_not_repeated_is_found(left: Run) -> None:
    folder = left.home.release("2021-07") / "tables"
    folder.mkdir(parents=True)
    shutil.copy(left.home.artefact(RELEASE, STEP_OF_TABLES, "microdata"), folder / "microdata.parquet")
    assert frozen_quarters(left).figures == {"rows repeated": 180}
    spoil(left, "microdata", lambda row: row.update(sex="*", age_band="40+"))
    assert frozen_quarters(left).faults == ["1 rows published before are not repeated, 1 are new in their quarters"]


def cell(persons: int, value: float | None) -> dict[str, Any]:
    return {"table": "exits", "key": '["invalidity", "all"]', "measure": "n", "value": value, "persons": [persons],
            "counted": persons, "masked": value is None, "reason": None if value else "primary"}  # fmt: skip


@pytest.mark.parametrize(
    ("then", "now", "broken"),
    [
        ((40, 40.0), (45, 45.0), True), ((40, 40.0), (55, 55.0), False), ((40, 40.0), (45, 40.0), False),
        ((9, None), (14, 15.0), True), ((9, None), (25, 25.0), False), ((40, 40.0), (9, None), False),
    ],
)  # fmt: skip
def test_a_figure_that_moves_with_fewer_than_k_persons_is_found(
    run: Run, then: tuple[int, float], now: tuple[int, float], broken: bool
) -> None:
    ledger.record_cells(run.home.ledger, "2021-07", pa.Table.from_pylist([cell(*then)], ledger.CELLS))
    cells = pa.Table.from_pylist([cell(*now)], ledger.CELLS)
    pq.write_table(cells, run.home.artefact(RELEASE, STEP_OF_TABLES, "ledger_cells"))
    assert increments(run).faults == (["exits: 1 figures moved with fewer than 11 persons"] if broken else [])
