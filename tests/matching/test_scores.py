"""Each treated département is compared on a score of its own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.leave.step import rebuild_leaves
from pipeline.matching.balance import balance_by_group
from pipeline.matching.scores import in_order, learners
from pipeline.matching.units import Design, Scored, eligible, score_units
from pipeline.study.cohort import build_cohort
from pipeline.study.covariates import NUMBERS, PROGNOSIS, STRICT
from pipeline.tables.intermediate import UNITS
from tests.study.worlds import PROTOCOL, RELEASE, drawn_territory


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """ITT units of four treated départements of higher allowances; earlier leaves are long in two, short in two."""
    run = drawn_territory(seed=3, persons=60).write(tmp_path_factory.mktemp("territory"), None)
    rebuild_leaves(run)
    build_cohort(run)
    found = eligible(pq.read_table(run.home.artefact(RELEASE, "cohort", "units")), "ITT").to_pandas()
    rng = np.random.default_rng(0)
    here = found["department_code"].isin(["001", "002"]).to_numpy() * 1 - found["department_code"].isin(["003", "004"])
    days = (200 + 40 * here + rng.normal(0, 50, len(found))).astype(int)
    allowance = rng.normal(40, 6, len(found)) + 5 * (found["arm"] == "treated")
    found = found.assign(days_12m=days, days_24m=days, prognosis=0.0, risk="sickness", age=40, sector=None, sex="male")
    found = found.assign(wage=None, spells_12m=0, spells_24m=0, ald=False, status="employee")
    return found.assign(daily_allowance=allowance, euros_12m=0.0, euros_24m=0.0)


def scored(units: pd.DataFrame, events_per_column: int) -> Scored:
    matching = PROTOCOL.matching.model_copy(update={"events_per_column": events_per_column})
    return score_units(
        pa.Table.from_pandas(units, schema=UNITS.schema), PROTOCOL.model_copy(update={"matching": matching})
    )


def worst(fit: Scored) -> float:
    """Largest |SMD| of the earlier days over the treated départements, after matching."""
    matched = fit.match(Design.of(PROTOCOL.matching), 3)
    code = matched.units["department_code"].to_numpy(zero_copy_only=False).astype(str)[matched.treated]
    groups = {department: code == department for department in np.unique(code)}
    tables = balance_by_group(matched.covariates, matched.names, matched.treated, matched.result, groups)
    return max(abs(row.smd_after) for t in tables.values() for row in t.rows if row.covariate == "days_24m")


def test_what_differs_between_treated_departements_is_balanced_in_each_of_them(units: pd.DataFrame) -> None:
    common, own = worst(scored(units, 10_000)), worst(scored(units, 10))
    assert common > 0.4  # taken together the treated have the days of the others: the common score sees nothing
    assert own < 0.15


def test_a_departement_s_model_has_no_more_columns_than_its_treated_carry(units: pd.DataFrame) -> None:
    for own in scored(units, 10).departments:
        assert len(own.columns) <= max(0, len(own.treated) // 10 - 1)
    assert all(own.columns == () for own in scored(units, 10_000).departments)


def test_comparison_units_are_those_at_risk_for_somebody_of_the_departement(units: pd.DataFrame) -> None:
    fit = scored(units, 10)
    elapsed, first, last = fit.elapsed, fit.units["risk_from"].to_numpy(), fit.units["risk_until"].to_numpy()
    for own in fit.departments:
        assert not fit.treated[own.comparison].any()
        assert fit.treated[own.treated].all()
        days = np.unique(elapsed[own.treated])
        assert all(((first[row] <= days) & (days <= last[row])).any() for row in own.comparison)


def test_each_departement_is_matched_as_if_it_were_alone(units: pd.DataFrame) -> None:
    fit, design = scored(units, 10), Design.of(PROTOCOL.matching)
    whole = fit.match(design, 3).members("ITT").to_pandas()
    for own in fit.departments:
        others = fit.treated & ~np.isin(np.arange(len(fit.treated)), own.treated)
        kept = np.flatnonzero(~others)
        renumbered = np.cumsum(~others) - 1
        alone = dataclasses.replace(
            fit,
            units=fit.units.take(pa.array(kept)),
            treated=fit.treated[kept],
            covariates=fit.covariates[kept],
            departments=[
                dataclasses.replace(own, treated=renumbered[own.treated], comparison=renumbered[own.comparison])
            ],
            levels=tuple(ids[kept] for ids in fit.levels),
            age_band=fit.age_band[kept],
            key=fit.key[kept],
            elapsed=fit.elapsed[kept],
            trial=fit.trial[kept],
        )
        found = alone.match(design, 3).members("ITT").to_pandas()
        of_it = whole["set_id"].isin(whole.loc[whole["department_code"] == own.department_code, "set_id"])
        assert found["unit"].tolist() == whole.loc[of_it, "unit"].tolist()


def test_covariates_are_taken_up_the_prognosis_and_the_earlier_days_first() -> None:
    names = ["contract_permanent", *NUMBERS, PROGNOSIS, "wage_missing"]
    order = [names[column] for column in in_order(names)]
    assert order[: len(STRICT)] == [PROGNOSIS, *(name for name in STRICT if name != PROGNOSIS)]
    assert sorted(order) == sorted(names)
    assert order[-2:] == ["contract_permanent", "wage_missing"]


def test_a_model_learns_from_all_the_treated_and_the_comparison_persons_of_the_lowest_numbers() -> None:
    person = np.array([9, 4, 7, 1, 3])
    treated = np.array([True, False, False, False, False])
    assert learners(person, treated, 2).tolist() == [0, 3, 4]
    assert learners(person, treated, 10).tolist() == [0, 1, 2, 3, 4]


def test_a_model_learnt_from_part_of_the_comparison_ranks_like_the_whole(units: pd.DataFrame) -> None:
    table = pa.Table.from_pandas(units, schema=UNITS.schema)
    most = int((units["arm"] == "comparison").sum() * 0.8)
    matching = PROTOCOL.matching.model_copy(update={"score_learners": most})
    part = score_units(table, PROTOCOL.model_copy(update={"matching": matching}))
    for one, other in zip(part.departments, scored(units, 10).departments, strict=True):
        assert np.corrcoef(one.score_comparison, other.score_comparison)[0, 1] > 0.9
