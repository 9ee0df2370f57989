"""Adult, data and hierarchies of the ARX repository: less loss than the best local recoding of ARX 3.9.2."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from pipeline.disclosure.hierarchy import Hierarchy
from pipeline.disclosure.microdata import anonymise, anonymise_globally
from pipeline.disclosure.verify import verify

ADULT = Path(__file__).parents[3] / "shared" / "reference" / "anonymity"

pytestmark = [
    pytest.mark.reference,
    pytest.mark.skipif(not ADULT.exists(), reason="the reference results are not beside this repository"),
]


def adult(*left_out: str) -> tuple[pa.Table, dict[str, Hierarchy]]:
    """30,162 persons, and the hierarchies of the quasi-identifiers kept."""
    table = pa_csv.read_csv(ADULT / "adult.csv", parse_options=pa_csv.ParseOptions(delimiter=";"))
    hierarchies = {}
    for name in table.column_names:
        if name not in ("salary-class", *left_out):
            with (ADULT / f"adult_hierarchy_{name}.csv").open() as lines:
                hierarchies[name] = Hierarchy.from_rows(list(csv.reader(lines, delimiter=";")))
    return table.append_column("id", pa.array(np.arange(len(table)))), hierarchies


def checked(result, hierarchies, k, sensitive=None, entropy=None):
    paths = {name: hierarchy.as_paths() for name, hierarchy in hierarchies.items()}
    return verify(result.table.to_pydict(), hierarchies=paths, k=k, sensitive=sensitive or {}, entropy=entropy)


@pytest.mark.parametrize(("k", "arx"), [(2, 0.0229), (5, 0.0515), (10, 0.0747), (11, 0.0782)])
def test_eight_quasi_identifiers_lose_less_than_arx_local_recoding(k, arx):
    table, hierarchies = adult()
    result = anonymise(table, quasi_identifiers=hierarchies, k=k, sensitive={}, key="id")
    assert checked(result, hierarchies, k).failures == ()
    assert len(result.table) == 30_162
    assert result.loss < arx


def test_three_occupations_in_every_class_cost_less_than_asked():
    table, hierarchies = adult("occupation")
    rules = {"quasi_identifiers": hierarchies, "k": 5, "key": "id"}
    distinct = anonymise(table, sensitive={"occupation": 3}, **rules)
    assert checked(distinct, hierarchies, 5, {"occupation": 3}).failures == ()
    assert distinct.loss <= 0.0446
    even = anonymise(table, sensitive={}, entropy={"occupation": 3}, **rules)
    assert checked(even, hierarchies, 5, entropy={"occupation": 3}).failures == ()
    assert even.loss >= distinct.loss


def test_one_recoding_for_all_loses_less_than_arx_global_recoding():
    """ARX 3.9.2, global, k = 5, at most 5 % suppressed: 0.279."""
    table, hierarchies = adult()
    result = anonymise_globally(table, quasi_identifiers=hierarchies, k=5, sensitive={}, key="id", suppression=0.05)
    assert checked(result, hierarchies, 5).failures == ()
    assert result.suppressed <= 0.05 * 30_162
    assert result.loss < 0.279
