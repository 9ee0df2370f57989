"""Raw tables of activity drawn from persons, as the study counts them: every sum holds because persons are counted."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

PLATFORMS, QUARTERS = ("P1", "P2", "P3"), ("2023-Q3", "2023-Q4", "2024-Q1")
SOURCES, RISKS, EXITS = (
    ("employer", "doctor", "self"),
    ("sickness", "work_accident"),
    ("same_post", "retraining", "death"),
)
MEASURES, STATUSES = ("assessment", "training", "trial"), ("proposed", "accepted", "carried_out")
AGES, LASTING = ("25-29", "30-34", "60+", "unknown"), (8, 31, 181, 366)
MODALITIES = ("improved", "stable", "not_given")
MILESTONES = (
    "referrals", "contacts", "agreements", "refusals", "withdrawals", "diagnoses", "plans", "reports", "exits",
)  # fmt: skip


def persons(n: int, seed: int) -> pd.DataFrame:
    """Accompanied persons, small platforms and rare modalities included."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "platform_id": rng.choice(PLATFORMS, n, p=(0.6, 0.3, 0.1)),
            "quarter": rng.choice(QUARTERS, n, p=(0.45, 0.45, 0.1)),
            "source": rng.choice(SOURCES, n, p=(0.6, 0.35, 0.05)),
            "leave_risk": rng.choice(RISKS, n, p=(0.85, 0.15)),
            "exit": rng.choice(EXITS, n, p=(0.7, 0.26, 0.04)),
            "sex": rng.choice(["female", "male", "unknown"], n, p=(0.6, 0.4, 0.0)),
            "reached": rng.integers(1, 8, n),
            **{f"status_{m}": rng.choice([*STATUSES, "none"], n, p=(0.2, 0.3, 0.2, 0.3)) for m in MEASURES},
            "now": rng.choice(MODALITIES, n, p=(0.5, 0.45, 0.05)),
            "first": rng.choice(MODALITIES, n, p=(0.2, 0.75, 0.05)),
            "age": rng.choice(AGES, n, p=(0.45, 0.4, 0.15, 0.0)),
            "longest": rng.choice([5, 20, 90, 300, 800], n, p=(0.4, 0.3, 0.2, 0.08, 0.02)),
            "short": rng.integers(0, 3, n),
        }
    )


def _either(values: pd.Series, code: str) -> pd.Series:
    return pd.Series(True, index=values.index) if code == "all" else values == code


def raw_tables(cases: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Every activity table with links between its cells."""
    activity = [
        {
            "platform_id": p, "quarter": q,
            **{
                name: int((_either(cases["platform_id"], p) & _either(cases["quarter"], q)
                           & (cases["reached"] >= place % 7 + 1)).sum())
                for place, name in enumerate(MILESTONES)
            },
        }
        for p, q in product((*PLATFORMS, "all"), (*QUARTERS, "all"))
    ]  # fmt: skip
    profile = [
        {"platform_id": p, "variable": v, "modality": m,
         "n": int((_either(cases["platform_id"], p) & (m == "all" or cases.get(v) == m)).sum())}
        for p in (*PLATFORMS, "all")
        for v, listed in (("all", ("all",)), ("sex", ("female", "male", "unknown")), ("leave_risk", RISKS))
        for m in listed
    ]  # fmt: skip
    sources = [
        {"source": s, "quarter": q, "n": int((_either(cases["source"], s) & _either(cases["quarter"], q)).sum())}
        for s, q in product((*SOURCES, "all"), (*QUARTERS, "all"))
    ]
    closed = [
        {"exit": e, "leave_risk": r, "n": int((_either(cases["exit"], e) & _either(cases["leave_risk"], r)).sum())}
        for e, r in product((*EXITS, "all"), (*RISKS, "all"))
    ]
    used, anyone = [], pd.Series(False, index=cases.index)
    for m in MEASURES:
        status = cases[f"status_{m}"]
        anyone |= status != "none"
        used += [
            {"measure": m, "status": s, "n": int(((status != "none") & _either(status, s)).sum())}
            for s in (*STATUSES, "all")
        ]
    used.append({"measure": "all", "status": "all", "n": int(anyone.sum())})
    measures = pd.DataFrame(used)
    paid = measures["n"].where(measures["measure"] != "all", measures["n"][measures["status"] == "all"].iloc[:-1].sum())
    measures = measures.assign(n_cost=measures["n"], total_cost=500.0 * paid, largest_cost=1000.0, second_cost=900.0)
    situations = [
        {"stage": "final", "dimension": "diagnosis_medical", "modality": m,
         "n": int((cases["now"] == m).sum()), "n_initial": int((cases["first"] == m).sum())}
        for m in MODALITIES
    ]  # fmt: skip
    return {
        "leaves": leaves(cases),
        "platform_activity": pd.DataFrame(activity),
        "participant_profile": pd.DataFrame(profile),
        "referral_sources": pd.DataFrame(sources),
        "exits": pd.DataFrame(closed),
        "measures": measures,
        "situations": pd.DataFrame(situations),
    }


def leaves(cases: pd.DataFrame, year: str = "2023") -> pd.DataFrame:
    """The leaves of a year: each person has a longest one and some of five days besides."""
    number = 1 + cases["short"]
    days = cases["longest"] + 5 * cases["short"]
    groups = [("all", "all", pd.Series(True, index=cases.index))]
    groups += [("age_band", age, cases["age"] == age) for age in AGES]
    rows = [
        {"variable": variable, "modality": modality, "n": int(who.sum()), "n_leaves": int(number[who].sum()),
         "share": None if variable == "all" else number[who].sum() / number.sum(),
         "mean_days": days[who].sum() / number[who].sum() if who.any() else None,
         "largest_days": days[who].max() if who.any() else None, "total_days": days[who].sum()}
        for variable, modality, who in groups
    ]  # fmt: skip
    for low in LASTING:
        reached = int((cases["longest"] >= low).sum())
        rows.append(
            {"variable": "duration", "modality": f"{low}+", "n": reached, "n_leaves": reached,
             "share": reached / number.sum()}
        )  # fmt: skip
    return pd.DataFrame(rows).assign(year=year, national_share=0.07, national_mean_days=34.0)


def losses(arm_size: int, seed: int) -> pd.DataFrame:
    """Attrition of two arms as the study tells it: two steps with reasons of any size."""
    rng = np.random.default_rng(seed)
    rows = []
    for arm in ("treated", "comparison"):
        left = arm_size
        for step, reasons in (
            ("eligibility", ("too_young", "no_history", "moved")),
            ("matching", ("caliper", "alone")),
        ):
            for reason in reasons:
                lost = int(min(rng.choice([0, 3, 9, 40]), left))
                rows.append(
                    {"estimand": "ITT", "arm": arm, "step": step, "reason": reason, "n_entering": left,
                     "n_lost": lost, "n_leaving": left - lost}
                )  # fmt: skip
                left -= lost
    return pd.DataFrame(rows)


def incidence(counts: np.ndarray, arm_size: int) -> pd.DataFrame:
    """A curve from the cumulated events of each week."""
    return pd.DataFrame(
        {
            "estimand": "ITT", "arm": "treated", "event": "sustained_return_to_work", "week": range(len(counts)),
            "at_risk": arm_size - np.concatenate([[0], counts[:-1]]), "n_arm": arm_size,
            "cumulative_incidence": counts / arm_size, "ci_low": counts / arm_size / 2, "ci_high": counts / arm_size,
            "reason": None,
        }
    )  # fmt: skip
