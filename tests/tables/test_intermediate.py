"""Tables past the border: no identifier among them, one meaning for one name, and a step that writes each."""

from __future__ import annotations

from collections import defaultdict

from pipeline.tables.inputs import INPUTS
from pipeline.tables.intermediate import INTERMEDIATE, of_step
from pipeline.tables.model import Sensitivity, Type

IDENTIFYING = (Sensitivity.DIRECT, Sensitivity.FREE_TEXT)


def test_no_column_identifies_directly() -> None:
    names = {name for table in INPUTS for name in table.with_sensitivity(*IDENTIFYING)}
    for table in INTERMEDIATE:
        assert table.with_sensitivity(*IDENTIFYING) == ()
        assert names.isdisjoint(table.names), table.name


def test_the_pseudonym_is_in_one_table_alone() -> None:
    assert [table.name for table in INTERMEDIATE if "person_id" in table.names] == ["persons"]


def test_one_name_has_one_type() -> None:
    types: dict[str, set[Type]] = defaultdict(set)
    for table in INTERMEDIATE:
        for column in table:
            types[column.name].add(column.type)
    assert {name: found for name, found in types.items() if len(found) > 1} == {}


def test_a_column_kept_from_the_inputs_keeps_its_type_mark_and_codes() -> None:
    inputs = {table.name: table for table in INPUTS}
    compared = 0
    for table in of_step("pseudonymise"):
        source = inputs.get(table.name)
        for column in table:
            if source is None or column.name not in source.names or column.name == "amount":
                continue
            compared += 1
            given = source[column.name]
            assert column.type == given.type, (table.name, column.name)
            assert column.codes in (given.codes, None), (table.name, column.name)
            if given.sensitivity is Sensitivity.SENSITIVE:
                assert column.sensitivity is Sensitivity.SENSITIVE, (table.name, column.name)
    assert compared > 40


def test_every_table_has_its_step_its_labels_and_declared_keys() -> None:
    assert len({table.name for table in INTERMEDIATE}) == len(INTERMEDIATE)
    assert {table.step for table in INTERMEDIATE} == {"pseudonymise", "text", "leave", "cohort", "matching", "outcomes"}
    for table in INTERMEDIATE:
        assert table in of_step(str(table.step))
        assert table.stage == "intermediate"
        assert table.title_fr
        assert table.title_en
        assert set(table.key) <= set(table.names)
        for column in table:
            assert column.label_fr
            assert column.label_en
            assert column.source is None


def test_persons_stand_in_every_person_level_table_of_the_border() -> None:
    without = {table.name for table in of_step("pseudonymise") if "person" not in table.names}
    assert without == {"withdrawals", "platforms", "programme_costs"}
