"""How each published table hangs together: what counts persons, what adds up, what rests on what.

A `CountTable` is built from a raw table of the restricted zone. Sums are declared only where they hold for the true
figures; a reader who knows a sum that is not declared here is a hole, so each declaration says why it holds.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.disclosure.tables import CountTable, Link, Margin, Measure, Pool, RowSum, Rules, round_counts
from pipeline.tables.codes import ALLOWANCE_PARTS, OUTSIDE_ARTICLE_56
from pipeline.tables.model import ARROW, Role
from pipeline.tables.published import RELEASE, SUPPRESSED, published

Key = tuple[str, ...]
PRESET = "reason"
ALL = "all"
NOT_KNOWN = ("unknown", "not_given")
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


def _denominators(raw: pd.DataFrame, keys: tuple[str, ...], codes: dict[str, str]) -> dict[Key, Key]:
    """Key of each row -> key of the row that holds the persons it is a share of: the same with these codes."""
    rows = raw[list(keys)].astype(str)
    return dict(
        zip(
            rows.itertuples(index=False, name=None),
            rows.assign(**codes).itertuples(index=False, name=None),
            strict=True,
        )
    )


def _empty(raw: pd.DataFrame, keys: tuple[str, ...], somebody: pd.Series) -> frozenset[Key]:
    """Keys of the rows of what is not known, where that is so of nobody."""
    rows = raw.loc[raw["modality"].isin(NOT_KNOWN) & ~somebody, list(keys)].astype(str)
    return frozenset(rows.itertuples(index=False, name=None))


def impact(raw: pd.DataFrame) -> CountTable:
    """Effects. A share says how many persons it stands for and how many not: both are held to k in both arms."""
    raw = raw.copy()
    share = raw["unit"] == "share"
    for part, value, persons in (
        ("positive_treated", "value_treated", "n_treated"),
        ("positive_comparison", "value_comparison", "n_comparison"),
    ):
        raw[part] = (raw[value] * raw[persons]).round().where(share) if value in raw else None
    both, parts = ("n_treated", "n_comparison"), ("positive_treated", "positive_comparison")
    links = tuple(_strata_links(raw))
    return CountTable(
        "impact", _frame("impact", raw, helpers=parts, preset=True), _keys("impact"),
        (*(Measure(name) for name in both), *(Measure(p, share_of=n) for p, n in zip(parts, both, strict=True))),
        links=links, dependents=dict.fromkeys(_estimates("impact"), (*both, *parts)), helpers=parts,
        behind=(*both, *parts), preset=PRESET,
    )  # fmt: skip


def _strata_links(raw: pd.DataFrame) -> Iterator[Link]:
    """A set belongs to one stratum of each kind: where a kind's strata hold everyone, they add up to the whole.

    So do its comparisons where matching keeps to strata, and whoever has an outcome among them.
    """
    context = ["estimand", "outcome", "horizon_months"]
    for group, rows in raw.groupby(context, sort=True):
        key = tuple(str(value) for value in (group if isinstance(group, tuple) else (group,)))
        for measure in ("n_treated", "n_comparison", "positive_treated", "positive_comparison"):
            whole = rows.loc[rows["stratum_type"] == ALL, measure].sum()
            for kind, strata in rows[rows["stratum_type"] != ALL].groupby("stratum_type", sort=True):
                if strata[measure].notna().all() and strata[measure].sum() == whole:
                    yield Link(
                        ((*key, ALL, ALL), measure),
                        tuple(((*key, str(kind), str(stratum)), measure) for stratum in strata["stratum"]),
                    )


def curve(name: str, raw: pd.DataFrame, k: int) -> CountTable:
    """Weekly curves: a point moves only where at least k persons of the arm have changed since the last one shown.

    Expects `n_arm` (persons of the arm) and, for `on_leave_curve`, `n_persons` followed in the week. The persons still
    at risk are the same whatever the event: they are held on their own, and shown where an event's share is not.
    """
    raw = raw.copy().reset_index(drop=True)
    values = {
        "return_to_work_curve": ("cumulative_incidence",),
        "on_leave_curve": ("share_on_leave", "share_part_time"),
    }[name]
    followed = {"return_to_work_curve": "at_risk", "on_leave_curve": "n_persons"}[name]
    groups = [key for key in _keys(name) if key != "week"]
    for column in (followed, "ci_low", "ci_high", *values):
        raw[column] = pd.to_numeric(raw[column]) if column in raw else np.nan
    # Persons of the arm in each state and in none: figures of two releases differ by nobody or by k in each of them.
    states = tuple(f"n_{value}" for value in values)
    for state, value in zip(states, values, strict=True):
        raw[state] = (raw[value] * raw["n_arm"]).round()
    raw["n_other"] = raw["n_arm"] - raw[list(states)].sum(axis=1)
    raw["n_told"] = 0
    held = [*values, "ci_low", "ci_high", "n_arm", *states, "n_other"]
    written = [*held, followed, "n_told"]
    for _, rows in raw.sort_values("week").groupby(groups, sort=True):
        listed = rows.to_dict("records")
        _hold(listed, values, followed, held, k)
        raw.loc[rows.index, written] = pd.DataFrame(listed, index=rows.index)[written]
    behind = (followed, "n_arm", *states, "n_other")
    helpers = tuple(column for column in (*behind, "n_told") if column not in published(name).names)
    return CountTable(
        name, _frame(name, raw, helpers=helpers, preset=True), _keys(name), (Measure(followed), Measure("n_told")),
        dependents=dict.fromkeys(_estimates(name), (followed, "n_told")), behind=behind, helpers=helpers, preset=PRESET,
    )  # fmt: skip


def _hold(points: list[dict[Any, Any]], values: tuple[str, ...], followed: str, columns: list[str], k: int) -> None:
    """Walk along one curve, week after week, holding each point until k persons have moved; changes the points.

    A share is unsafe while it stands for 1 to k-1 persons, or leaves as few out: masked until it does not. `n_told`,
    the persons a point tells of, is then nobody.
    """
    shown: dict[str, Any] | None = None
    still: float | None = None
    for point in points:
        if pd.notna(point[PRESET]):
            continue
        persons, base = point[followed], float(point["n_arm"])
        if still is None or abs(persons - still) >= k:
            still = persons
        point[followed] = still
        counts = [float(point[column]) * base for column in values]
        # Persons of the arm the curve no longer follows have no say in the complement.
        if (
            not (persons >= k and all(np.isfinite(counts)))
            or 0 < base - counts[0] < k
            or any(0 < count < k for count in counts)
        ):
            continue
        point["n_told"] = still
        if shown is not None and max(abs(point[column] - shown[column]) * base for column in values) < k:
            point.update(shown)
            continue
        shown = {column: point[column] for column in columns}


def savings(raw: pd.DataFrame, rules: Rules, base: int) -> CountTable:
    """Euros: masked too where few persons have any, or one makes most of an amount.

    Expects `n_comparison` and `n_entered`, persons behind every figure; `n_paid_treated` and `n_paid_comparison`,
    persons with the euros that a perimeter is told apart by (empty where that is everyone); `largest_share`, of one
    person in these euros; and `others_over_largest`, what all but the two largest hold over the largest. The parts of
    the allowances add up to them: they take the fewest persons and the largest share among them, so that they are
    masked, held and opened together, and none is told by the others. Totals stand on the persons as they are published:
    exact ones would tell how many they are.
    """
    raw = raw.copy()
    helpers = ("n_comparison", "n_entered", "n_paid_treated", "n_paid_comparison")
    parts = raw["perimeter"].isin(ALLOWANCE_PARTS).to_numpy()
    together = raw[parts].groupby(["estimand", "horizon_months"])
    for name in ("n_paid_treated", "n_paid_comparison"):
        raw.loc[parts, name] = together[name].transform("min")
    raw.loc[parts, "largest_share"] = together["largest_share"].transform("max")
    raw.loc[parts, "others_over_largest"] = together["others_over_largest"].transform("min")
    dominated = (raw["largest_share"] > rules.dominance) | (raw["others_over_largest"] < rules.p / 100)
    # The persons of a row are those of others too, and told: its euros tell of nobody where one makes most of them.
    raw["n_told"] = raw["n_persons"].mask(dominated, 0)
    known = raw["n_persons"].notna().to_numpy()
    shown = np.full(len(raw), np.nan)
    shown[known] = round_counts(raw.loc[known, "n_persons"].to_numpy(np.int64), base, rules.k)
    for amount in ("gross", "cost", "net"):
        raw[f"{amount}_total_eur"] = raw[f"{amount}_eur_per_person"] * shown
    behind = ("n_persons", *helpers)
    measures, unwritten = (*behind, "n_told"), (*helpers, "n_told")
    return CountTable(
        "savings", _frame("savings", raw, helpers=unwritten, preset=True), _keys("savings"),
        tuple(Measure(name) for name in measures),
        dependents=dict.fromkeys(_estimates("savings"), measures), behind=behind, helpers=unwritten, preset=PRESET,
    )  # fmt: skip


def estimates(name: str, raw: pd.DataFrame) -> CountTable:
    """Tables of estimates that rest on the persons of an arm: `balance`, `power`, `sensitivity`, `placebo`."""
    helpers = tuple(c for c in ("n_treated", "n_comparison") if c in raw and c not in published(name).names)
    measures = tuple(c for c in ("n_treated", "n_comparison") if c in raw)
    dependents = dict.fromkeys(_estimates(name), measures) if measures else {}
    return CountTable(
        name, _frame(name, raw, helpers=helpers, preset=True), _keys(name), tuple(Measure(c) for c in measures),
        dependents=dependents, behind=measures, helpers=helpers, preset=PRESET,
    )  # fmt: skip


def balance_groups(raw: pd.DataFrame) -> CountTable:
    """Balance of départements and strata, by their least alike covariate.

    Without numbers of persons: beside those of `impact`, which leave out whoever is not followed to the horizon, they
    would tell how few these are. To a hundredth: in a small group the exact difference of two shares would tell their
    denominators.
    """
    columns = list(_estimates("balance_groups"))
    made = estimates("balance_groups", raw.assign(**raw[columns].astype("float64").round(2)))
    return replace(made, labels={"smd_covariate": "smd_largest", "verdict": "smd_largest"})


def flow(raw: pd.DataFrame, k: int) -> CountTable:
    """Attrition. Reasons that lost fewer than k persons are told together, so that the chain stays readable."""
    arms = [_pool(rows, k) for _, rows in raw.groupby(["estimand", "arm"], sort=True)]
    pooled = pd.concat(arms, ignore_index=True) if arms else raw
    links = []
    for _, rows in pooled.groupby(["estimand", "arm"], sort=False):
        listed = list(rows[list(_keys("flow"))].astype(str).itertuples(index=False, name=None))
        links += [Link((before, "n_leaving"), ((after, "n_entering"),)) for before, after in itertools.pairwise(listed)]
    counts = ("n_entering", "n_lost", "n_leaving")
    return CountTable(
        "flow", _frame("flow", pooled), _keys("flow"), tuple(Measure(c) for c in counts),
        row_sums=(RowSum("n_entering", ("n_lost", "n_leaving")),), links=tuple(links), behind=counts,
    )  # fmt: skip


def _pool(rows: pd.DataFrame, k: int) -> pd.DataFrame:
    """One arm's losses in order; within each step the reasons that lost fewer than k persons become `other_reasons`."""
    found, left = [], int(rows["n_entering"].iloc[0])
    for step, part in rows.groupby("step", sort=False):
        lost = {str(reason): int(n) for reason, n in zip(part["reason"], part["n_lost"].tolist(), strict=True) if n}
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
    """A person has one case, so milestones add up over platforms and quarters; its reports recur over quarters."""
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
    keys, somebody = _keys("participant_profile"), raw.groupby(["variable", "modality"])["n"].transform("sum") > 0
    return CountTable(
        "participant_profile", _frame("participant_profile", raw, helpers=("total", "whole")), keys,
        (Measure("n", share_of="whole"),),
        margins=(
            Margin(("platform_id",), {"platform_id": ALL}),
            Margin(("variable", "modality"), {"variable": ALL, "modality": ALL}, within=("variable",)),
        ),
        rates={"share": ("n", "total")},
        wholes=_denominators(raw, keys, {"variable": ALL, "modality": ALL}), empty=_empty(raw, keys, somebody),
        pool=Pool("modality", "other_modalities"), helpers=("total", "whole"),
    )  # fmt: skip


def referral_sources(raw: pd.DataFrame, k: int) -> CountTable:
    """One source and one quarter a person."""
    total = raw[raw["source"] == ALL].set_index("quarter")["n"]
    raw = raw.assign(
        total=raw["quarter"].map(total),
        outside_article_56=raw["source"].isin(OUTSIDE_ARTICLE_56).astype("boolean").mask(raw["source"] == ALL),
    )
    raw = raw.assign(whole=_whole(raw["total"], raw["source"] == ALL, k))
    return CountTable(
        "referral_sources", _frame("referral_sources", raw, helpers=("total", "whole")), _keys("referral_sources"),
        (Measure("n", share_of="whole"),),
        margins=(Margin(("source",), {"source": ALL}), Margin(("quarter",), {"quarter": ALL})),
        rates={"share": ("n", "total")}, wholes=_denominators(raw, _keys("referral_sources"), {"source": ALL}),
        pool=Pool("source", "other_sources"), helpers=("total", "whole"),
    )  # fmt: skip


def delays(raw: pd.DataFrame, k: int) -> CountTable:
    """Quantiles rest on the persons with both dates."""
    return CountTable(
        "delays", _frame("delays", raw), _keys("delays"), (Measure("n"),),
        dependents=dict.fromkeys(("p25", "median", "p75"), ("n",)),
    )  # fmt: skip


def measures(raw: pd.DataFrame, k: int) -> CountTable:
    """A person has one status for each measure; a person has several measures, so measures do not add up; costs do.

    Expects the persons with a cost, their cost, and the largest and second largest of one person. Costs are cells: a
    mean tells its cost to whoever knows how many have one.
    """
    itself, everyone = raw["status"] == ALL, raw["measure"] == ALL
    total = raw["measure"].map(raw[itself].set_index("measure")["n"])
    persons = int(raw.loc[everyone & itself, "n"].sum())
    some = raw["n_cost"] > 0
    # Persons without the measure: what its total leaves out of everyone.
    without = (persons - raw["n"]).where(itself & ~everyone)
    raw = raw.assign(
        total=total, whole=_whole(total, itself, k), n_without=without,
        mean_cost_eur=(raw["total_cost"] / raw["n_cost"]).where(some),
        **{f"{name}_cost": (raw[f"{name}_cost"] * 100).round().where(some) for name in ("total", "largest", "second")},
    )  # fmt: skip
    keys = _keys("measures")
    costs = ("total_cost", "largest_cost", "second_cost")
    helpers = ("total", "whole", "n_cost", "n_without", *costs)
    used = raw.loc[itself & ~everyone, "measure"].astype(str).tolist()
    priced = raw.loc[itself & ~everyone & some, "measure"].astype(str)
    paid = tuple(((measure, ALL), "total_cost") for measure in priced)
    return CountTable(
        "measures", _frame("measures", raw, helpers=helpers), keys,
        (
            Measure("n", share_of="whole"), Measure("n_cost"), Measure("n_without"),
            Measure("total_cost", persons="n_cost", largest="largest_cost", second="second_cost"),
        ),
        margins=(Margin(("status",), {"status": ALL}, measures=("n", "n_cost", "total_cost")),),
        links=(
            *(Link(((ALL, ALL), "n"), (((m, ALL), "n"), ((m, ALL), "n_without"))) for m in used),
            *([Link(((ALL, ALL), "total_cost"), paid)] if paid else []),
        ),
        rates={"share": ("n", "total")},
        wholes=_denominators(raw[~itself], keys, {"status": ALL})
        | _denominators(raw[itself], keys, {"measure": ALL}),
        dependents={"mean_cost_eur": ("total_cost", "n_cost", "n")}, helpers=helpers,
    )  # fmt: skip


def exits(raw: pd.DataFrame, k: int) -> CountTable:
    """One exit and one risk a person."""
    total = raw[raw["exit"] == ALL].set_index("leave_risk")["n"]
    raw = raw.assign(total=raw["leave_risk"].map(total))
    raw = raw.assign(whole=_whole(raw["total"], raw["exit"] == ALL, k))
    return CountTable(
        "exits", _frame("exits", raw, helpers=("total", "whole")), _keys("exits"), (Measure("n", share_of="whole"),),
        margins=(Margin(("exit",), {"exit": ALL}), Margin(("leave_risk",), {"leave_risk": ALL})),
        rates={"share": ("n", "total")}, wholes=_denominators(raw, _keys("exits"), {"exit": ALL}),
        pool=Pool("exit", "other_exits"), helpers=("total", "whole"),
    )  # fmt: skip


def situations(raw: pd.DataFrame, k: int) -> CountTable:
    """The modalities of a dimension hold the same persons at the stage and at their first report."""
    total = raw.groupby(["stage", "dimension"])["n"].transform("sum")
    keys = _keys("situations")
    empty = _empty(raw, keys, (raw["n"] > 0) | (raw["n_initial"] > 0))
    # All rows take the total of one: held in some rows and not in others it would be two figures.
    denominators = {key: link.total[0] for link in _total_of_shares(raw, empty) for key, _ in link.parts}
    raw = raw.assign(total=total, whole=_whole(total, total < 0, k))
    return CountTable(
        "situations", _frame("situations", raw, helpers=("total", "whole")), keys,
        (Measure("n", share_of="whole"), Measure("n_initial", share_of="whole"), Measure("total")),
        margins=(Margin(("modality",), None, measures=("n", "n_initial")),),
        links=tuple(_total_of_shares(raw, empty)), empty=empty,
        rates={"share": ("n", "total")}, denominators=denominators, helpers=("total", "whole"),
    )  # fmt: skip


def _total_of_shares(raw: pd.DataFrame, empty: frozenset[Key]) -> Iterator[Link]:
    """The total of a stage has no row, but every share tells it."""
    keys = _keys("situations")
    for _, rows in raw.sort_values(list(keys)).groupby(["stage", "dimension"], sort=True):
        listed = [key for key in rows[list(keys)].astype(str).itertuples(index=False, name=None) if key not in empty]
        for measure in ("n", "n_initial"):
            yield Link((listed[0], "total"), tuple((key, measure) for key in listed))


def departments(raw: pd.DataFrame, k: int) -> CountTable:
    """Participants are among the persons on long leave."""
    persons = raw["persons_on_long_leave"]
    raw = raw.assign(whole=_whole(persons, ~raw["designated"], k))
    return CountTable(
        "departments", _frame("departments", raw, helpers=("whole",)), _keys("departments"),
        (Measure("persons_on_long_leave"), Measure("participants", share_of="whole")),
        rates={"share": ("participants", "persons_on_long_leave")}, helpers=("whole",),
    )  # fmt: skip


def leaves(raw: pd.DataFrame, k: int, dominance: float) -> CountTable:
    """Shares and means of leaves, safe by the persons behind them. A person has one age band.

    Durations lie one inside the other: the persons who reach one and not the next are the rest of its count, and are
    protected like one. From one release to the next a row moves with its persons and its leaves, and with all of them.
    """
    everyone = raw["variable"] == ALL
    totals = {f"total_{name}": raw["year"].map(raw[everyone].set_index("year")[name]) for name in ("n", "n_leaves")}
    dominated = raw["largest_days"].fillna(0) > dominance * raw["total_days"].fillna(0)
    # Whole percent and whole days: orders of magnitude, in which one leave does not show.
    raw = raw.assign(**totals, share=raw["share"].round(2), mean_days=raw["mean_days"].where(~dominated).round())
    lasting = raw[raw["variable"] == "duration"]
    lasting = lasting.assign(days=lasting["modality"].str.rstrip("+").astype(int)).sort_values(["year", "days"])
    shorter = lasting.groupby("year", sort=True)["n"].shift().reindex(raw.index)
    raw = raw.assign(whole=_whole(shorter.fillna(raw["total_n"]), everyone, k))
    keys, helpers = _keys("leaves"), ("n_leaves", *totals, "whole")
    empty = _empty(raw, keys, raw["n"] > 0)
    return CountTable(
        "leaves", _frame("leaves", raw, helpers=helpers), keys, (Measure("n", share_of="whole"),),
        links=tuple(_persons_by_age(raw, empty)), dependents=dict.fromkeys(_estimates("leaves"), ("n",)),
        empty=empty, behind=("n", "n_leaves", *totals), helpers=helpers,
    )  # fmt: skip


def _persons_by_age(raw: pd.DataFrame, empty: frozenset[Key]) -> Iterator[Link]:
    """Age bands hold every person of a year once; durations do not add up."""
    for year, rows in raw[raw["variable"] == "age_band"].groupby("year", sort=True):
        bands = sorted((str(year), "age_band", str(modality)) for modality in rows["modality"])
        yield Link(((str(year), ALL, ALL), "n"), tuple((key, "n") for key in bands if key not in empty))


def uptake(counted: dict[str, int]) -> CountTable:
    """Exposed persons and those accompanied, whose share is printed beside the tables: not a published table itself."""
    counts = ("n_accompanied", "n_treated")
    frame = pa.table(
        {"estimand": ["ITT"], **{name: [counted[name]] for name in counts}, "share": pa.array([None], pa.float64())}
    )
    return CountTable(
        "uptake", frame, ("estimand",), (Measure("n_accompanied", share_of="n_treated"), Measure("n_treated")),
        rates={"share": ("n_accompanied", "n_treated")}, behind=counts,
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
