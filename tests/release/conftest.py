"""A small safe release made by hand: consistent tables of a study with an effect, or with the effect withheld."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.disclosure import persons
from pipeline.disclosure.attackers.repeat import repeatable
from pipeline.disclosure.facts import Fidelity, Microdata, ReleaseFacts, Sums
from pipeline.disclosure.measured import disappeared
from pipeline.disclosure.tables import CountTable, Link, Margin, Measure, RowSum
from pipeline.disclosure.verify import verify as microdata_verify
from pipeline.effects.jackknife import Estimate
from pipeline.effects.sensitivity import e_value_of_difference
from pipeline.home import Home, Landing
from pipeline.protocol import Protocol
from pipeline.release.write import write_release
from pipeline.run import Run
from pipeline.tables.model import Role, Table
from pipeline.tables.published import PUBLISHED, published, suppressible

RELEASE = "2024-06"
Rows = list[dict[str, Any]]


def _impact() -> Rows:
    figures = {
        ("ITT", "days_on_leave"): (212.4, 218.1, -5.7, -9.3, -2.1, "day", 4180, 9875),
        ("ITT", "sustained_return_to_work"): (0.472, 0.451, 0.021, 0.004, 0.038, "share", 4180, 9875),
        ("ITT", "employed"): (0.688, 0.681, 0.007, -0.012, 0.026, "share", 4180, 9875),
        ("ATT", "days_on_leave"): (231.0, 247.6, -16.6, -28.0, -5.2, "day", 1210, 3405),
        ("ATT", "sustained_return_to_work"): (0.395, 0.342, 0.053, 0.011, 0.095, "share", 1210, 3405),
        ("ATT", "employed"): (0.702, 0.664, 0.038, -0.003, 0.079, "share", 1210, 3405),
    }
    rows = []
    for (estimand, outcome), (treated, comparison, difference, low, high, unit, n, m) in figures.items():
        deviation = 120.0 if unit == "day" else 0.48
        told = e_value_of_difference(Estimate(difference, float("nan"), low, high, float("nan")), deviation)
        strata = [("all", "all", n, m)]
        if (estimand, outcome) == ("ITT", "days_on_leave"):
            strata += [("sex", "female", 2400, 5600), ("sex", "male", 1780, 4275), ("elapsed_band", "60-89", n, m)]
        for kind, stratum, n_treated, n_comparison in strata:
            rows.append(
                {
                    "estimand": estimand, "outcome": outcome, "horizon_months": 12, "stratum_type": kind,
                    "stratum": stratum, "n_treated": n_treated, "n_comparison": n_comparison,
                    "value_treated": treated, "value_comparison": comparison, "difference": difference,
                    "ci_low": low, "ci_high": high, "ci_method": "jackknife_departement",
                    "e_value": told.point, "e_value_bound": told.bound, "outcome_sd": deviation,
                    "individual_ci_low": 2 * low - difference, "individual_ci_high": 2 * high - difference,
                    "randomisation_p": 0.04, "treated_departments": 12.0,
                    "is_headline": (estimand, outcome, kind) == ("ITT", "days_on_leave", "all"), "unit": unit,
                }
            )  # fmt: skip
    return rows


def _curves() -> tuple[Rows, Rows]:
    returning, on_leave = [], []
    for estimand in ("ITT", "ATT"):
        for arm, pace in (("treated", 0.021), ("comparison", 0.0195)):
            for week in range(105):
                share = max(0.12, (1 - pace) ** week)
                on_leave.append(
                    {
                        "estimand": estimand, "arm": arm, "week": week, "share_on_leave": share,
                        "share_part_time": share / 10, "ci_low": share - 0.02, "ci_high": share + 0.02,
                    }
                )  # fmt: skip
                for event in ("sustained_return_to_work", "invalidity"):
                    done = (1 - share) * (0.2 if event == "invalidity" else 0.6)
                    returning.append(
                        {
                            "estimand": estimand, "arm": arm, "week": week, "event": event,
                            "cumulative_incidence": done, "ci_low": done, "ci_high": done,
                            "at_risk": 4000 - 25 * week,
                        }
                    )  # fmt: skip
    return returning, on_leave


def _activity() -> Rows:
    names = ("referrals", "contacts", "agreements", "refusals", "withdrawals", "diagnoses", "plans", "reports", "exits")
    parts = {
        ("PDP94", "2023-Q1"): (400, 350, 250, 40, None, 230, 200, 210, 90),
        ("PDP94", "2023-Q2"): (420, 360, 260, 45, None, 240, 210, 220, 110),
        ("PDP39", "2023-Q1"): (200, 180, 120, 20, None, 110, 100, 105, 40),
        ("PDP39", "2023-Q2"): (210, 190, 130, 25, None, 120, 110, 115, 50),
    }
    cells: dict[tuple[str, str], list[int | None]] = {key: list(values) for key, values in parts.items()}
    for platform in ("PDP94", "PDP39", "all"):
        for quarter in ("2023-Q1", "2023-Q2", "all"):
            if (platform, quarter) not in parts:
                inside = [
                    values for (p, q), values in parts.items() if platform in (p, "all") and quarter in (q, "all")
                ]
                cells[platform, quarter] = [
                    None if None in column else sum(column) for column in zip(*inside, strict=True)
                ]
    cells["all", "all"][names.index("withdrawals")] = 60
    return [
        {"platform_id": platform, "quarter": quarter, **dict(zip(names, values, strict=True))}
        for (platform, quarter), values in cells.items()
    ]


def _microdata() -> Rows:
    rows = []
    states = ("sustained_return_to_work", "full_leave", "invalidity")
    for quarter in ("2022-Q1", "2022-Q2"):
        for arm, territory in (("treated", "designated"), ("comparison", "not_designated")):
            for sex in ("male", "female", "*"):
                rows += [
                    {
                        "index_quarter": quarter, "arm": arm, "weight": 1.0, "sex": sex, "age_band": "18-39",
                        "territory": territory, "status": "employee", "sector": "*", "cause": "sickness",
                        "days_on_leave_6m": 5 * person, "days_on_leave_12m": 10 * person + 5 * (arm == "comparison"),
                        "returned_6m": person % 2 == 0, "returned_12m": True, "state_12m": states[person % 3],
                        "allowance_eur_12m": 100 * person,
                    }
                    for person in range(15)
                ]  # fmt: skip
    return rows


def _quality() -> Rows:
    def row(table: str, rule: str, quarantined: int, flagged: int) -> dict[str, Any]:
        return {
            "delivery": "2024-06", "input_table": table, "rule": rule, "rows_read": 100_000,
            "rows_accepted": 99_998 - quarantined, "rows_quarantined": quarantined, "rows_duplicate": 2,
            "rate": (quarantined + flagged) / 100_000, "rows_flagged": flagged,
        }  # fmt: skip

    return [
        row("payment_lines", "all", 130, 0),
        row("payment_lines", "wrong_delivery", 30, 0),
        row("payment_lines", "negative_duration", 100, 0),
        row("payment_lines", "daily_amount_above_maximum", 0, 1357),
        row("payment_lines", "payment_delay", 0, 412),
        row("reports", "all", 0, 0),
        row("reports", "narrative_withheld", 0, 1987),
    ]


def example_rows() -> dict[str, Rows]:
    """Rows of every published table but `dictionary`, without `release` and the flags."""
    returning, on_leave = _curves()
    itt = {"estimand": "ITT"}
    return {
        "impact": _impact(),
        "return_to_work_curve": returning,
        "on_leave_curve": on_leave,
        "savings": [
            {
                "estimand": "ITT", "perimeter": perimeter, "horizon_months": 12, "n_persons": 4180,
                "gross_eur_per_person": gross, "gross_total_eur": gross * 4180, "gross_ci_low": gross - 111.0,
                "gross_ci_high": gross + 111.0,
                **({} if low is None else {
                    "cost_eur_per_person": 96.0, "net_eur_per_person": gross - 96.0, "net_ci_low": low,
                    "net_ci_high": high, "cost_total_eur": 401_280.0, "net_total_eur": (gross - 96.0) * 4180,
                    "probability_net_positive": 0.93, "cost_eur_per_day_avoided": 96.0 / 5.7,
                    "days_avoided_per_person": 5.7, "cost_per_day_ci_low": 10.32, "cost_per_day_ci_high": 45.71,
                }),
                "break_even_days": days,
            }
            for perimeter, gross, low, high, days in (
                ("allowances", 231.0, 24.0, 246.0, 2.4), ("sickness_allowances", 152.0, None, None, None),
                ("work_injury_allowances", -12.0, None, None, None), ("part_time_allowances", 91.0, None, None, None),
                ("allowances_and_invalidity", 148.0, -71.0, 175.0, None),
                ("allowances_same_tariff", 247.0, 32.0, 270.0, 2.2),
            )
        ],
        "balance": [
            {"estimand": estimand, "covariate": name, "smd_before": before, "smd_after": after,
             "variance_ratio_before": 1.3, "variance_ratio_after": 1.04, "ks_before": 0.09, "ks_after": 0.02,
             "smd_limit": limit}
            for estimand in ("ITT", "ATT")
            for name, before, after, limit in (
                ("age", 0.21, 0.012, 0.1), ("days_24m", -0.16, -0.031, 0.05), ("prognosis", 0.19, 0.008, 0.05),
                ("wage", 0.0, 0.001, 0.1),
            )
        ],
        "balance_groups": [
            {**itt, "stratum_type": kind, "stratum": stratum, "smd_largest": 0.12, "smd_covariate": "wage",
             "smd_strict_largest": 0.04, "ks_largest": 0.06, "variance_ratio_smallest": 0.91,
             "variance_ratio_largest": 1.12, "verdict": verdict}
            for kind, stratum, verdict in (
                ("all", "all", "pass"), ("department", "094", "warn"), ("sex", "female", None),
            )
        ] + [
            {**itt, "stratum_type": "department", "stratum": "039", "suppressed": True,
             "suppression_reason": "primary"},
        ],
        "flow": [
            {**itt, "arm": "treated", "step": "eligible", "reason": "history_too_short", "n_entering": 5230,
             "n_lost": 730, "n_leaving": 4500},
            {**itt, "arm": "treated", "step": "matched", "reason": "no_candidate", "n_entering": 4500, "n_lost": 320,
             "n_leaving": 4180},
        ],
        "sensitivity": [
            {"specification": "caliper_0_1_itt", **itt, "outcome": "days_on_leave", "horizon_months": 12,
             "difference": -5.4, "ci_low": -9.2, "ci_high": -1.6, "description": "caliper 0.1"},
        ],
        "placebo": [
            {"test": name, **itt, "difference": 0.4, "ci_low": -2.0, "ci_high": 2.8, "passed": passed,
             "description": name}
            for name, passed in (
                ("placebo_opening", True), ("placebo_departments", True), ("pre_period_days_itt", None),
            )
        ],
        "power": [
            {**itt, "outcome": "days_on_leave", "horizon_months": 12, "n_treated": 4180,
             "minimum_detectable_effect": 4.8, "unit": "day"},
        ],
        "platform_activity": _activity(),
        "participant_profile": [
            {"platform_id": "all", "variable": variable, "modality": modality, "n": n, "share": n / 760}
            for variable, modality, n in (
                ("all", "all", 760),
                ("sex", "female", 440), ("sex", "male", 320), ("age_band", "40-49", 260), ("age_band", "50-57", 300),
                ("age_band", "30-39", 200), ("pathology", "musculoskeletal", 310), ("pathology", "psychological", 290),
                ("pathology", "other", 160), ("leave_risk", "sickness", 600), ("leave_risk", "work_accident", 160),
            )
        ],
        "referral_sources": [
            {"source": source, "quarter": "all", "n": n, "share": n / 760, "outside_article_56": outside}
            for source, n, outside in (
                ("all", 760, None),
                ("social_service", 380, False), ("occupational_physician", 200, False), ("fund_detection", 180, True),
            )
        ],
        "delays": [
            {"step": "referral_to_first_contact", "n": 760, "p25": 4.0, "median": 9.0, "p75": 21.0},
            {"step": "first_contact_to_agreement", "n": 760, "p25": 1.0, "median": 6.0, "p75": 14.0},
        ],
        "measures": [
            {"measure": measure, "status": status, "n": n, "share": n / total, "mean_cost_eur": cost}
            for measure, status, n, total, cost in (
                ("therapeutic_part_time", "carried_out", 210, 300, 412.5),
                ("therapeutic_part_time", "refused", 90, 300, None), ("therapeutic_part_time", "all", 300, 760, None),
                ("all", "all", 760, 760, None),
            )
        ],
        "exits": [
            {"exit": code, "leave_risk": "all", "n": n, "share": n / 290}
            for code, n in (("all", 290), ("adapted_post", 120), ("same_post", 90), ("invalidity", 80))
        ],
        "situations": [
            {"stage": "final", "dimension": "employment_situation", "modality": "full_return", "n": 120, "share": 0.4,
             "n_initial": None, "suppressed": True, "suppression_reason": "primary"},
        ] + [
            {"stage": "final", "dimension": "diagnosis_social", "modality": modality, "n": n, "share": n / 300,
             "n_initial": initial}
            for modality, n, initial in (("low", 180, 90), ("medium", 120, 210))
        ],
        "departments": [
            {"department_code": "094", "designated": True, "persons_on_long_leave": 2900, "participants": 510,
             "share": 510 / 2900},
            {"department_code": "039", "designated": True, "persons_on_long_leave": 1280, "participants": 250,
             "share": 250 / 1280},
            {"department_code": "067", "designated": False, "persons_on_long_leave": 2100, "participants": None,
             "share": None, "suppressed": True, "suppression_reason": "primary"},
        ],
        "leaves": [
            {"year": "2023", "variable": variable, "modality": modality, "n": n, "share": share, "mean_days": days,
             "national_share": national_share, "national_mean_days": national_days}
            for variable, modality, n, share, days, national_share, national_days in (
                ("all", "all", 9000, None, 36.0, None, 34.0), ("duration", "8+", 7000, 0.66, None, None, None),
                ("duration", "181+", 640, 0.06, None, 0.07, None), ("age_band", "25-29", 1100, 0.14, 25.0, None, 23.0),
                ("age_band", "30-34", 1200, 0.15, 27.0, None, None), ("age_band", "60+", None, None, None, None, 76.0),
            )
        ],
        "data_quality": _quality(),
        "microdata": _microdata(),
    }  # fmt: skip


def as_tables(rows: dict[str, Rows], release: str = RELEASE) -> dict[str, pa.Table]:
    """Arrow tables, with `release`, with the flags of masked rows, and with the `disclosure` that goes with them."""
    tables: dict[str, pa.Table] = {}
    for name, content in rows.items():
        declared = published(name)
        counts = declared.with_role(Role.COUNT)
        for row in content:
            row["release"] = release
            if suppressible(declared):
                row.setdefault("suppressed", any(row[count] is None for count in counts))
                row.setdefault("suppression_reason", "primary" if row["suppressed"] else None)
        tables[name] = pa.Table.from_pylist(content, schema=declared.schema)
    disclosure = [
        disclosure_row(declared, tables[declared.name].to_pylist(), release)
        for declared in PUBLISHED
        if declared.name in rows and suppressible(declared)
    ]
    tables["disclosure"] = pa.Table.from_pylist(disclosure, schema=published("disclosure").schema)
    return tables


def disclosure_row(declared: Table, rows: Rows, release: str = RELEASE) -> dict[str, Any]:
    """The row of `disclosure` on a table: every empty figure of a masked row is a masked cell."""
    counts, figures = declared.with_role(Role.COUNT), declared.with_role(Role.COUNT, Role.ESTIMATE)
    shown = sum(row[name] is not None for row in rows for name in figures)
    empty = {
        second: sum(row[name] is None for row in rows for name in figures
                    if row["suppressed"] and (row["suppression_reason"] == "secondary") == second)
        for second in (False, True)
    }  # fmt: skip
    return {
        "release": release, "published_table": declared.name, "cells": shown + empty[False] + empty[True],
        "suppressed_primary": empty[False], "suppressed_secondary": empty[True], "share_persons_masked": 0.0,
        "smallest_published_count": min((row[n] for row in rows for n in counts if row[n] is not None), default=None),
    }  # fmt: skip


def withheld_rows(reason: str) -> dict[str, Rows]:
    """The same study when the effect is withheld: keys stand, values are empty, the reason is given."""
    rows = example_rows()
    for name in ("impact", "savings", "return_to_work_curve", "on_leave_curve"):
        declared = published(name)
        for row in rows[name]:
            row.update(dict.fromkeys(declared.with_role(Role.COUNT, Role.ESTIMATE)))
            row.update(suppressed=True, suppression_reason=reason)
    return rows


def example_sums(tables: Mapping[str, pa.Table]) -> dict[str, Sums]:
    """The sums readers know to hold in the example."""

    def sums(name: str, *margins: Margin, row_sums: tuple[RowSum, ...] = (), links: tuple[Link, ...] = ()) -> Sums:
        declared = published(name)
        return Sums.of(
            CountTable(
                name=name, frame=tables[name], keys=declared.key[1:], margins=margins, row_sums=row_sums, links=links,
                measures=tuple(Measure(count) for count in declared.with_role(Role.COUNT)),
            )
        )  # fmt: skip

    eligible, matched = (("ITT", "treated", *rest) for rest in (("eligible", "history_too_short"),
                                                               ("matched", "no_candidate")))  # fmt: skip
    return {
        "platform_activity": sums(
            "platform_activity",
            Margin(("platform_id",), {"platform_id": "all"}),
            Margin(("quarter",), {"quarter": "all"}),
        ),
        "participant_profile": sums(
            "participant_profile",
            Margin(("variable", "modality"), {"variable": "all", "modality": "all"}, within=("variable",)),
        ),
        "referral_sources": sums("referral_sources", Margin(("source",), {"source": "all"})),
        "exits": sums("exits", Margin(("exit",), {"exit": "all"})),
        "measures": sums("measures", Margin(("status",), {"status": "all"})),
        "flow": sums(
            "flow", row_sums=(RowSum("n_entering", ("n_lost", "n_leaving")),),
            links=(Link((eligible, "n_leaving"), ((matched, "n_entering"),)),),
        ),
    }  # fmt: skip


def example_microdata(rows: pa.Table, protocol: Protocol) -> Microdata:
    """What the manifest says of microdata, measured on the rows as the disclosure step does."""
    paths = {
        name: {leaf: list(path) for leaf, path in hierarchy.paths.items()}
        for name, hierarchy in persons.hierarchies(protocol).items()
    }
    for name in ("index_quarter", "arm"):
        paths[name] = {value: [value, "*"] for value in sorted(set(rows[name].to_pylist()))}
    checked = microdata_verify(rows.to_pydict(), hierarchies=paths, k=11, sensitive={"state_12m": 3})
    loss, shares = persons.utility(rows, protocol)
    return Microdata(
        t=checked.t_closeness["state_12m"], suppressed=persons.all_masked(rows), loss=loss, hierarchies=paths,
        level_shares=shares,
    )  # fmt: skip


def example_facts(**changes: Any) -> ReleaseFacts:
    """What the disclosure step hands over beside the tables."""
    return _facts().model_copy(update=changes)


@cache
def _facts() -> ReleaseFacts:
    tables, protocol = as_tables(example_rows()), Protocol.load()
    told = example_microdata(tables["microdata"], protocol)
    (alone, *others), risk = repeatable(tables["microdata"], told.hierarchies, protocol.disclosure.k)
    facts: dict[str, Any] = {
        "inputs": {"2024-06": {"reports.csv": "ab" * 32, "ij_lignes.parquet": "cd" * 32}},
        "key_id": "v1",
        "seeds": {"matching": protocol.matching.seed, **protocol.seeds.model_dump()},
        "uptake": 0.29,
        "fidelity": Fidelity(restricted=-5.7, published=-5.0, ci_low=-9.3, ci_high=-2.1),
        "microdata": told,
        "suppression": {"platform_activity": {"primary": 4, "secondary": 2}},
        "sums": example_sums(tables),
        "ledger": ("Première publication : aucune comparaison à faire.",),
        "attacks": (alone.model_copy(update={"control": 0.64}), *others),
        "risk": risk.model_copy(update={"journalist": 0.0123, "marketer": 0.0045}),
        "disappeared": disappeared(tables["participant_profile"]),
        "generalised": {"sexe : femme": 0.31},
    }
    return ReleaseFacts(**facts)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Examples are not counted from persons: nobody moved between them."""
    monkeypatch.setattr("pipeline.release.write.moved_since", lambda run: lambda month, cells: np.zeros(len(cells)))
    home = Home(tmp_path / "home").prepare()
    return Run(home=home, landing=Landing(tmp_path / "landing"), protocol=Protocol.load(), release=RELEASE)


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published release, never to be changed: copy it with `release_copy`."""
    root = tmp_path_factory.mktemp("published")
    home = Home(root / "home").prepare()
    run = Run(home=home, landing=Landing(root / "landing"), protocol=Protocol.load(), release=RELEASE)
    return write_release(run, as_tables(example_rows()), example_facts())


@pytest.fixture
def release_copy(published_once: Path, tmp_path: Path) -> Path:
    """A copy of a published release that a test may spoil."""
    return Path(shutil.copytree(published_once, tmp_path / "release"))
