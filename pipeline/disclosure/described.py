"""How each published table hangs together: what counts persons, what adds up, what rests on what.

A `CountTable` is built from a raw table of the restricted zone. Sums are declared only where they hold for the true
figures; a reader who knows a sum that is not declared here is a hole, so each declaration says why it holds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.disclosure.tables import CountTable, Link, Margin, Measure, RowSum
from pipeline.tables.codes import OUTSIDE_ARTICLE_56
from pipeline.tables.model import ARROW, Role
from pipeline.tables.published import RELEASE, SUPPRESSED, published

PRESET = "reason"
ALL = "all"
GENERATED = {RELEASE.name, *(column.name for column in SUPPRESSED)}
ACTIVITY = (
    "referrals", "contacts", "agreements", "refusals", "withdrawals", "diagnoses", "plans", "reports", "exits",
)  # fmt: skip


def _frame(name: str, raw: pd.DataFrame, helpers: tuple[str, ...] = (), preset: bool = False) -> pa.Table:
    """The raw rows with every declared column (empty where the raw table lacks it), typed as declared."""
    declared = published(name)
    columns = {}
    for column in declared:
        if column.name in GENERATED:
            continue
        values = raw[column.name] if column.name in raw else pd.Series([None] * len(raw), dtype=object)
        columns[column.name] = _typed(values, ARROW[column.type])
    for helper in helpers:
        columns[helper] = _typed(raw[helper], pa.int64())
    if preset:
        reason = raw[PRESET] if PRESET in raw else pd.Series([None] * len(raw), dtype=object)
        columns[PRESET] = _typed(reason, pa.string())
    return pa.table(columns)


def _typed(values: pd.Series, kind: pa.DataType) -> pa.Array:
    listed = [None if value is None or value is pd.NA or value != value else value for value in values.tolist()]
    if pa.types.is_integer(kind):
        listed = [None if value is None else int(value) for value in listed]
    if pa.types.is_floating(kind):
        listed = [None if value is None or not np.isfinite(value) else float(value) for value in listed]
    return pa.array(listed, kind)


def _estimates(name: str, *, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    return tuple(name for name in published(name).with_role(Role.ESTIMATE) if name not in but)


def _keys(name: str) -> tuple[str, ...]:
    return tuple(key for key in published(name).key if key != RELEASE.name)


def _unsafe(reason: pd.Series, unsafe: np.ndarray) -> pd.Series:
    """The caller's reason, else `primary` where a figure is unsafe in a way that counts do not show."""
    return reason.where(reason.notna(), np.where(unsafe, "primary", None))


def impact(raw: pd.DataFrame) -> CountTable:
    """Effects. A share says how many persons it stands for and how many not: both are held to k in both arms."""
    raw = raw.copy()
    share = raw["unit"] == "share"
    for part, value, persons in (
        ("positive_treated", "value_treated", "n_treated"),
        ("positive_comparison", "value_comparison", "n_comparison"),
    ):
        raw[part] = (raw[value] * raw[persons]).round().where(share) if value in raw else None
    margins = []
    # A set belongs to one stratum of each kind; where a kind's strata hold everyone they add up to the whole.
    context = ["estimand", "outcome", "horizon_months"]
    whole = raw[raw["stratum_type"] == ALL].set_index(context)["n_treated"]
    for kind, part in raw[raw["stratum_type"] != ALL].groupby("stratum_type"):
        added = part.groupby(context)["n_treated"].sum()
        if (added == whole.reindex(added.index)).all() and part["n_treated"].notna().all():
            margins.append(kind)
    links = [
        Link(
            ((*key, ALL, ALL), "n_treated"),
            tuple(((*key, row.stratum_type, row.stratum), "n_treated") for row in rows.itertuples()),
        )
        for kind in margins
        for key, rows in raw[raw["stratum_type"] == kind].groupby(context)
    ]
    links = [
        Link((tuple(str(v) for v in link.total[0]), link.total[1]),
             tuple((tuple(str(v) for v in key), measure) for key, measure in link.parts))
        for link in links
    ]  # fmt: skip
    both, parts = ("n_treated", "n_comparison"), ("positive_treated", "positive_comparison")
    return CountTable(
        "impact", _frame("impact", raw, helpers=parts, preset=True), _keys("impact"),
        (*(Measure(name) for name in both), *(Measure(p, share_of=n) for p, n in zip(parts, both, strict=True))),
        links=tuple(links), dependents={name: (*both, *parts) for name in _estimates("impact")}, helpers=parts,
        preset=PRESET,
    )  # fmt: skip


def curve(name: str, raw: pd.DataFrame, k: int) -> CountTable:
    """Weekly curves: a point moves only where at least k persons of the arm have changed since the last one shown.

    Expects `n_arm` (persons of the arm) and, for `on_leave_curve`, `n_persons` followed in the week.
    """
    raw = raw.copy().reset_index(drop=True)
    values = {"return_to_work_curve": ("cumulative_incidence",), "on_leave_curve": ("share_on_leave", "share_part_time")}[name]
    followed = {"return_to_work_curve": "at_risk", "on_leave_curve": "n_persons"}[name]
    groups = [key for key in _keys(name) if key != "week"]
    if followed not in raw:
        raw[followed] = pd.NA
    raw[PRESET] = raw[PRESET].astype(object)
    for _, rows in raw.sort_values("week").groupby(groups, sort=True):
        _hold(raw, rows.index.to_numpy(), values, followed, k)
    n = raw[followed]
    dependents = {column: (followed,) for column in _estimates(name)}
    helper = () if followed in published(name).names else (followed,)
    raw[followed] = n
    return CountTable(
        name, _frame(name, raw, helpers=helper, preset=True), _keys(name), (Measure(followed),),
        dependents=dependents, helpers=helper, preset=PRESET,
    )  # fmt: skip


def _hold(raw: pd.DataFrame, index: np.ndarray, values: tuple[str, ...], followed: str, k: int) -> None:
    """Walk along one curve, week after week, holding each point until k persons have moved.

    A share is unsafe while it stands for 1 to k-1 persons, or leaves as few out: masked until it does not.
    """
    columns = [column for column in (*values, "ci_low", "ci_high", followed) if column in raw]
    shown: dict[str, object] | None = None
    for row in index:
        if pd.notna(raw.at[row, PRESET]):
            continue
        persons = raw.at[row, followed]
        if any(column not in raw for column in values) or pd.isna(persons) or int(persons) < k:
            raw.at[row, PRESET] = "primary"
            continue
        base = float(raw.at[row, "n_arm"])
        counts = [float(raw.at[row, column]) * base for column in values]
        # Persons of the arm the curve no longer follows have no say in the complement.
        if any(0 < c < k or 0 < base - c < k for c in counts[:1]) or any(0 < c < k for c in counts[1:]):
            raw.at[row, PRESET] = "primary"
            continue
        if shown is not None:
            moved = max(abs(float(raw.at[row, c]) - float(shown[c])) * base for c in values)  # type: ignore[arg-type]
            left = abs(int(persons) - int(shown[followed]))  # type: ignore[call-overload]
            if moved < k or 0 < left < k:
                for column in columns:
                    raw.at[row, column] = shown[column]
                continue
        shown = {column: raw.at[row, column] for column in columns}


def savings(raw: pd.DataFrame, dominance: float) -> CountTable:
    """Euros: masked too where one person makes most of an amount."""
    raw = raw.copy()
    largest = raw["largest_share"] if "largest_share" in raw else pd.Series(0.0, index=raw.index)
    raw[PRESET] = _unsafe(raw[PRESET], (largest.fillna(0) > dominance).to_numpy())
    helpers = tuple(name for name in ("n_comparison", "n_entered") if name in raw)
    measures = ("n_persons", *helpers)
    return CountTable(
        "savings", _frame("savings", raw, helpers=helpers, preset=True), _keys("savings"),
        tuple(Measure(name) for name in measures),
        dependents={name: measures for name in _estimates("savings")}, helpers=helpers, preset=PRESET,
    )  # fmt: skip


def estimates(name: str, raw: pd.DataFrame) -> CountTable:
    """Tables of estimates that rest on the persons of an arm: `balance`, `power`, `sensitivity`, `placebo`."""
    helpers = tuple(c for c in ("n_treated", "n_comparison") if c in raw and c not in published(name).names)
    measures = tuple(c for c in ("n_treated", "n_comparison") if c in raw)
    dependents = {column: measures for column in _estimates(name)} if measures else {}
    return CountTable(
        name, _frame(name, raw, helpers=helpers, preset=True), _keys(name), tuple(Measure(c) for c in measures),
        dependents=dependents, helpers=helpers, preset=PRESET,
    )  # fmt: skip


def flow(raw: pd.DataFrame, k: int) -> CountTable:
    """Attrition. Reasons that lost fewer than k persons are told together, so that the chain stays readable."""
    pooled = pd.concat([_pool(rows, k) for _, rows in raw.groupby(["estimand", "arm"], sort=True)], ignore_index=True)
    links = []
    for _, rows in pooled.groupby(["estimand", "arm"], sort=False):
        listed = [tuple(getattr(row, key) for key in _keys("flow")) for row in rows.itertuples()]
        links += [Link((before, "n_leaving"), ((after, "n_entering"),)) for before, after in zip(listed, listed[1:], strict=False)]
    return CountTable(
        "flow", _frame("flow", pooled), _keys("flow"), tuple(Measure(c) for c in ("n_entering", "n_lost", "n_leaving")),
        row_sums=(RowSum("n_entering", ("n_lost", "n_leaving")),), links=tuple(links),
    )  # fmt: skip


def _pool(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """One arm's losses in order; within each step the reasons that lost fewer than k persons become `other_reasons`."""
    found, left = [], int(rows["n_entering"].iloc[0])
    for step, part in rows.groupby("step", sort=False):
        lost = {str(row.reason): int(row.n_lost) for row in part.itertuples() if row.n_lost}
        small = [reason for reason, n in lost.items() if n < k]
        pooled = sum(lost[reason] for reason in small)
        # One more reason joins while the pool itself is too small to be told.
        for reason, n in sorted(lost.items(), key=lambda item: (item[1], item[0])):
            if 0 < pooled < k <= n:
                small.append(reason)
                pooled += n
        kept = {reason: n for reason, n in lost.items() if reason not in small}
        if small:
            kept["other_reasons"] = pooled
        for reason, n in kept.items():
            found.append(
                {**part.iloc[0], "step": step, "reason": reason, "n_entering": left, "n_lost": n, "n_leaving": left - n}
            )
            left -= n
    return pd.DataFrame(found)


def _whole(total: pd.Series, itself: pd.Series, k: int) -> pd.Series:
    """The persons a count is a part of; empty where the count is the whole, or the whole is masked as too small."""
    return total.mask(itself | (total < k))


def platform_activity(raw: pd.DataFrame, k: int) -> CountTable:
    """Each person has one case, so milestones add up over platforms and quarters; reports of a case recur over quarters."""
    once = tuple(name for name in ACTIVITY if name != "reports")
    return CountTable(
        "platform_activity", _frame("platform_activity", raw), _keys("platform_activity"),
        tuple(Measure(name) for name in ACTIVITY),
        margins=(
            Margin(("platform_id",), {"platform_id": ALL}),
            Margin(("quarter",), {"quarter": ALL}, measures=once),
        ),
    )  # fmt: skip


def participant_profile(raw: pd.DataFrame, k: int) -> CountTable:
    """Modalities of a characteristic hold every person once; a person has one platform."""
    total = raw[raw["variable"] == ALL].set_index("platform_id")["n"]
    raw = raw.assign(total=raw["platform_id"].map(total))
    raw = raw.assign(whole=_whole(raw["total"], raw["variable"] == ALL, k))
    return CountTable(
        "participant_profile", _frame("participant_profile", raw, helpers=("total", "whole")), _keys("participant_profile"),
        (Measure("n", share_of="whole"),),
        margins=(
            Margin(("platform_id",), {"platform_id": ALL}),
            Margin(("variable", "modality"), {"variable": ALL, "modality": ALL}, within=("variable",)),
        ),
        rates={"share": ("n", "total")}, helpers=("total", "whole"),
    )  # fmt: skip


def referral_sources(raw: pd.DataFrame, k: int) -> CountTable:
    """One source and one quarter a person."""
    total = raw[raw["source"] == ALL].set_index("quarter")["n"]
    raw = raw.assign(
        total=raw["quarter"].map(total),
        outside_article_56=[None if s == ALL else s in OUTSIDE_ARTICLE_56 for s in raw["source"]],
    )
    raw = raw.assign(whole=_whole(raw["total"], raw["source"] == ALL, k))
    return CountTable(
        "referral_sources", _frame("referral_sources", raw, helpers=("total", "whole")), _keys("referral_sources"),
        (Measure("n", share_of="whole"),),
        margins=(Margin(("source",), {"source": ALL}), Margin(("quarter",), {"quarter": ALL})),
        rates={"share": ("n", "total")}, helpers=("total", "whole"),
    )  # fmt: skip


def delays(raw: pd.DataFrame, k: int) -> CountTable:
    """Quantiles rest on the persons with both dates."""
    return CountTable(
        "delays", _frame("delays", raw), _keys("delays"), (Measure("n"),),
        dependents={name: ("n",) for name in ("p25", "median", "p75")},
    )  # fmt: skip


def measures(raw: pd.DataFrame, k: int, dominance: float) -> CountTable:
    """A person has one status for each measure; a person has several measures, so measures do not add up."""
    everyone = int(raw.loc[(raw["measure"] == ALL) & (raw["status"] == ALL), "n"].sum())
    total = raw[raw["status"] == ALL].set_index("measure")["n"]
    whole = raw["measure"].map(total).where(raw["status"] != ALL, everyone)
    dominated = raw["largest_cost"].fillna(0) > dominance * raw["total_cost"].fillna(0)
    mean = (raw["total_cost"] / raw["n_cost"].where(raw["n_cost"] > 0)).where(~dominated)
    itself = raw["status"] == ALL
    raw = raw.assign(total=whole, whole=_whole(whole, itself, k), mean_cost_eur=mean)
    return CountTable(
        "measures", _frame("measures", raw, helpers=("total", "whole", "n_cost")), _keys("measures"),
        (Measure("n", share_of="whole"), Measure("n_cost")),
        margins=(Margin(("status",), {"status": ALL}),),
        rates={"share": ("n", "total")}, dependents={"mean_cost_eur": ("n_cost", "n")}, helpers=("total", "whole", "n_cost"),
    )  # fmt: skip


def exits(raw: pd.DataFrame, k: int) -> CountTable:
    """One exit and one risk a person."""
    total = raw[raw["exit"] == ALL].set_index("leave_risk")["n"]
    raw = raw.assign(total=raw["leave_risk"].map(total))
    raw = raw.assign(whole=_whole(raw["total"], raw["exit"] == ALL, k))
    return CountTable(
        "exits", _frame("exits", raw, helpers=("total", "whole")), _keys("exits"), (Measure("n", share_of="whole"),),
        margins=(Margin(("exit",), {"exit": ALL}), Margin(("leave_risk",), {"leave_risk": ALL})),
        rates={"share": ("n", "total")}, helpers=("total", "whole"),
    )  # fmt: skip


def situations(raw: pd.DataFrame, k: int) -> CountTable:
    """The modalities of a dimension hold the same persons at the stage and at their first report."""
    total = raw.groupby(["stage", "dimension"])["n"].transform("sum")
    raw = raw.assign(total=total, whole=_whole(total, total < 0, k))
    return CountTable(
        "situations", _frame("situations", raw, helpers=("total", "whole")), _keys("situations"),
        (Measure("n", share_of="whole"), Measure("n_initial", share_of="whole")),
        margins=(Margin(("modality",), None),),
        rates={"share": ("n", "total")}, helpers=("total", "whole"),
    )  # fmt: skip


def departments(raw: pd.DataFrame, k: int) -> CountTable:
    """Participants are among the persons on long leave."""
    persons = raw["persons_on_long_leave"]
    raw = raw.assign(whole=_whole(persons, ~raw["designated"], k))
    return CountTable(
        "departments", _frame("departments", raw, helpers=("whole",)), _keys("departments"),
        (Measure("persons_on_long_leave"), Measure("participants", share_of="whole")),
        rates={"share": ("participants", "persons_on_long_leave")}, helpers=("whole",),
    )  # fmt: skip


ACTIVITY_TABLES: dict[str, Callable[[pd.DataFrame, int], CountTable]] = {
    "platform_activity": platform_activity,
    "participant_profile": participant_profile,
    "referral_sources": referral_sources,
    "delays": delays,
    "exits": exits,
    "situations": situations,
    "departments": departments,
}
"""Tables whose description needs nothing but their rows."""
