"""Each value of a quasi-identifier has one way up to `*`, over codes that readers find in the dictionary."""

from __future__ import annotations

import pytest

from pipeline.protocol import Protocol
from pipeline.study.covariates import band_label
from pipeline.tables import codes
from pipeline.tables.generalisation import MICRODATA, Generalisation, GeneralisationError
from pipeline.tables.model import Sensitivity
from pipeline.tables.published import published

NEVER_GENERALISED = {"index_quarter", "arm"}


def test_every_quasi_identifier_of_the_microdata_is_generalised_or_said_never_to_be():
    declared = set(published("microdata").with_sensitivity(Sensitivity.QUASI))
    assert declared == set(MICRODATA) | NEVER_GENERALISED


@pytest.mark.parametrize("name", MICRODATA)
def test_each_value_on_the_closed_list_is_met_on_the_way_up_and_no_other(name):
    column = next(c for c in published("microdata").columns if c.name == name)
    paths = MICRODATA[name].paths()
    assert {value for path in paths.values() for value in path} == {code.code for code in column.codes}
    assert all(path[0] == leaf and path[-1] == "*" for leaf, path in paths.items())


def test_the_age_bands_of_the_protocol_are_those_generalised():
    bands = Protocol.load().study.age_bands
    assert set(MICRODATA["age_band"].leaves) == {*(band_label(i, bands) for i in range(len(bands))), "unknown"}


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (({"18-39": ("18-29", "30-39"), "40+": ("30-39",)},), "two groups"),
        (({"18-39": ("18-29", "elsewhere")},), "level before does not"),
        (({"40+": ("40-49",)}, {"18-39": ("40-49",)}), "level before does not"),
        (({"young": ("18-29",)},), "closed list"),
    ],
)
def test_a_value_without_exactly_one_path_is_refused(levels, message):
    with pytest.raises(GeneralisationError, match=message):
        Generalisation(codes.AGE_BAND, levels)
