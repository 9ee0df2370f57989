"""Published figures derived again from published tables and the protocol, with the formulas of `docs/method.md`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from pipeline.protocol import Protocol
from tests.e2e.territory import RELEASE, protocol_with, run

pytestmark = pytest.mark.slow
INFERENCE = Protocol.load().inference
KEYS = ["estimand", "outcome", "horizon_months"]


class Release:
    """The published tables, and no other file."""

    def __init__(self, home: Path) -> None:
        self.tables = home / "published" / f"release={RELEASE}" / "tables"

    def read(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.tables / f"{name}.parquet")

    @property
    def effects(self) -> pd.DataFrame:
        """Effects that are told, with their standard error from interval and degrees of freedom."""
        told = self.read("impact").dropna(subset=["difference", "ci_low"]).copy()
        half = (told["ci_high"] - told["ci_low"]) / 2
        told["se"] = half / t(1 - (1 - INFERENCE.level) / 2, told["treated_departments"] - 1)
        return told

    @property
    def headlines(self) -> pd.DataFrame:
        """Effects over everyone."""
        told = self.effects
        return told[told["stratum_type"] == "all"]


def t(probability: float, df: pd.Series) -> np.ndarray:
    quantiles: np.ndarray = scipy.stats.t.ppf(probability, df.to_numpy(dtype=float))
    return quantiles


@pytest.fixture(scope="module")
def release(landing: Path, tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release that tells its effects: the territory is so small that the gate would withhold them."""
    folder = tmp_path_factory.mktemp("told")
    protocol = protocol_with(folder, share_matched="0.5")
    assert run(landing, folder / "home", "--protocol", str(protocol)) == 0
    found = Release(folder / "home")
    assert len(found.headlines) >= 10, "nothing is told: nothing would be tested"
    return found


def test_a_difference_is_treated_minus_comparison_inside_its_interval(release: Release) -> None:
    told = release.effects
    assert told["difference"].to_numpy() == pytest.approx((told["value_treated"] - told["value_comparison"]).to_numpy())
    assert ((told["ci_low"] + told["ci_high"]) / 2).to_numpy() == pytest.approx(told["difference"].to_numpy(), abs=1e-9)


def test_the_minimum_detectable_effect_is_a_multiple_of_the_effect_s_own_standard_error(release: Release) -> None:
    both = release.read("power").merge(release.headlines, on=KEYS, suffixes=("", "_effect"))
    both = both.dropna(subset=["minimum_detectable_effect"])
    assert len(both) >= 4
    df = both["treated_departments"] - 1
    multiple = t(1 - (1 - INFERENCE.level) / 2, df) + t(INFERENCE.power, df)
    assert both["minimum_detectable_effect"].to_numpy() == pytest.approx(multiple * both["se"].to_numpy())


def e_value(ratio: float) -> float:
    ratio = max(ratio, 1 / ratio)
    return ratio + math.sqrt(ratio * (ratio - 1))


def test_e_values_come_from_the_effect_its_interval_and_the_outcome_s_spread(release: Release) -> None:
    told = release.effects.dropna(subset=["e_value"])
    assert len(told) >= 10
    for row in told.to_dict("records"):
        in_sd = {name: 0.91 * row[name] / row["outcome_sd"] for name in ("difference", "ci_low", "ci_high")}
        assert row["e_value"] == pytest.approx(e_value(math.exp(in_sd["difference"])))
        nearest = in_sd["ci_low"] if in_sd["difference"] >= 0 else in_sd["ci_high"]
        beyond = nearest * in_sd["difference"] > 0
        assert row["e_value_bound"] == pytest.approx(e_value(math.exp(nearest)) if beyond else 1.0)


def test_p_values_need_as_many_treated_departements_as_the_protocol_says(release: Release) -> None:
    told = release.effects
    few = told["treated_departments"] < INFERENCE.minimum_departments_p_value
    assert told.loc[few, "randomisation_p"].isna().all()
    assert told.loc[~few, "randomisation_p"].notna().all()


def savings(release: Release) -> pd.DataFrame:
    """Net savings beside the effects on days and euros over the same persons."""
    rows = release.read("savings").dropna(subset=["net_eur_per_person", "net_ci_low"])
    for outcome, name in (("days_on_leave", "days"), ("allowance_eur", "euros")):
        of = release.headlines[release.headlines["outcome"] == outcome]
        columns = ["difference", "ci_low", "ci_high", "value_comparison", "treated_departments"]
        renamed = of[["estimand", "horizon_months", *columns]].rename(columns={c: f"{name}_{c}" for c in columns})
        rows = rows.merge(renamed, on=["estimand", "horizon_months"])
    assert len(rows) >= 4
    return rows


def test_net_is_gross_less_cost_and_totals_are_for_the_persons_published(release: Release) -> None:
    rows = savings(release)
    for kind in ("gross", "cost", "net"):
        total = rows[f"{kind}_eur_per_person"] * rows["n_persons"]
        assert rows[f"{kind}_total_eur"].to_numpy() == pytest.approx(total.to_numpy())
    net = rows["gross_eur_per_person"] - rows["cost_eur_per_person"]
    assert rows["net_eur_per_person"].to_numpy() == pytest.approx(net.to_numpy())
    for side in ("low", "high"):
        limit = rows[f"gross_ci_{side}"] - rows["cost_eur_per_person"]
        assert rows[f"net_ci_{side}"].to_numpy() == pytest.approx(limit.to_numpy())


def test_the_gross_saving_on_allowances_is_the_effect_on_them_and_its_parts_add_up(release: Release) -> None:
    rows = savings(release)
    allowances = rows[rows["perimeter"] == "allowances"]
    assert allowances["gross_eur_per_person"].to_numpy() == pytest.approx(-allowances["euros_difference"].to_numpy())
    whole = release.read("savings").pivot(index=["estimand", "horizon_months"], columns="perimeter")[
        "gross_eur_per_person"
    ]
    parts = whole[["sickness_allowances", "work_injury_allowances", "part_time_allowances"]].sum(axis=1, skipna=False)
    known = parts.notna()
    assert known.any()
    assert parts[known].to_numpy() == pytest.approx(whole.loc[known, "allowances"].to_numpy())


def test_the_probability_of_a_net_saving_is_student_s_at_net_over_its_standard_error(release: Release) -> None:
    rows = savings(release)
    df = rows["euros_treated_departments"] - 1
    se = (rows["net_ci_high"] - rows["net_ci_low"]) / 2 / t(1 - (1 - INFERENCE.level) / 2, df)
    expected = scipy.stats.t.cdf((rows["net_eur_per_person"] / se).to_numpy(), df.to_numpy())
    assert rows["probability_net_positive"].to_numpy() == pytest.approx(expected)


def test_days_avoided_their_cost_and_the_days_that_would_repay_it(release: Release) -> None:
    rows = savings(release)
    days, cost = -rows["days_difference"], rows["cost_eur_per_person"]
    assert rows["days_avoided_per_person"].to_numpy() == pytest.approx(days.to_numpy())
    some = days > 0
    assert rows.loc[~some, "cost_eur_per_day_avoided"].isna().all()
    assert rows.loc[some, "cost_eur_per_day_avoided"].to_numpy() == pytest.approx((cost / days)[some].to_numpy())
    allowances = rows["perimeter"] == "allowances"
    a_day = rows["euros_value_comparison"] / rows["days_value_comparison"]
    assert rows.loc[allowances, "break_even_days"].to_numpy() == pytest.approx((cost / a_day)[allowances].to_numpy())


def test_the_first_specification_is_the_headline_itself(release: Release) -> None:
    rows = release.read("sensitivity").set_index("specification")
    for row in release.headlines.to_dict("records"):
        if (row["outcome"], row["horizon_months"]) == ("days_on_leave", 12):
            again = rows.loc[f"protocol_{row['estimand'].lower()}"]
            assert again[["difference", "ci_low", "ci_high"]].tolist() == [
                row["difference"], row["ci_low"], row["ci_high"],
            ]  # fmt: skip
