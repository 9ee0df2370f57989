"""Rules that published figures keep among themselves, judged on the published tables alone.

Each rule yields one sentence per thing that breaks it, naming table and key, never a value. Figures of rows that stand
from an earlier release agree within their row but not with other rows: what ties rows together is judged between rows
of this release only (`_current`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure.attack import sums_of, unrounded
from pipeline.disclosure.facts import Sums
from pipeline.disclosure.system import Cell, Equality
from pipeline.effects.jackknife import Estimate
from pipeline.effects.sensitivity import e_value_of_difference
from pipeline.leave import national
from pipeline.tables import codes
from pipeline.tables.codes import ALLOWANCE_PARTS, OUTSIDE_ARTICLE_56
from pipeline.tables.model import Role, Table
from pipeline.tables.published import PUBLISHED, published, suppressible

Frame = pd.DataFrame
ALL = "all"
REASONS = frozenset(code.code for code in codes.SUPPRESSION)
TOLD_TOGETHER = "other_sources"
CLOSE = 1e-9
"""Relative distance up to which two figures are the same: they are stored as they were computed."""


class Figures:
    """The tables of a release, as data frames, and which of their rows are of this release."""

    def __init__(self, tables: Mapping[str, pa.Table], held: Mapping[str, int]) -> None:
        self.tables = tables
        self.frames: dict[str, Frame] = {
            name: tables[name].to_pandas() for name in tables if name not in ("dictionary", "microdata")
        }
        self.held = held

    def __getitem__(self, name: str) -> Frame:
        return self.frames[name]

    def shows(self, name: str, columns: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Bool `(rows, columns)`: cells that are not empty."""
        table = self.tables[name]
        flags = [pc.is_valid(table[column]).to_numpy() for column in columns]
        return np.column_stack(flags) if flags else np.zeros((table.num_rows, 0), np.bool_)

    def current(self, name: str) -> Frame:
        """Rows none of whose figures stands from an earlier release."""
        frame = self.frames[name]
        if not self.held.get(name, 0):
            return frame
        of_now: Frame = frame[frame["suppression_reason"].isna()]
        return of_now


def _named(declared: Table, rows: Frame) -> Iterator[str]:
    for row in rows[[*declared.key[1:]]].astype(str).itertuples(index=False):
        yield f"{declared.name} ({', '.join(row)})"


def _broken(name: str, rows: Frame, wrong: Any, said: str) -> Iterator[str]:
    """A sentence for each row where `wrong` holds."""
    flags = np.asarray(wrong, np.bool_)
    if flags.any():
        for where in _named(published(name), rows[flags]):
            yield f"{where}: {said}"


def _differ(one: pd.Series, other: pd.Series) -> pd.Series:
    """Where two known figures are not the same."""
    first, second = one.astype(np.float64), other.astype(np.float64)
    return (first - second).abs() > CLOSE * np.maximum(1.0, np.maximum(first.abs(), second.abs()))


# ---- figures by themselves

LEAST = {"e_value": 1.0, "e_value_bound": 1.0, "treated_departments": 1.0} | dict.fromkeys(
    (
        "outcome_sd", "smd_largest", "smd_strict_largest", "minimum_detectable_effect", "variance_ratio_after",
        "variance_ratio_before", "variance_ratio_smallest", "variance_ratio_largest", "mean_cost_eur", "p25", "median",
        "p75", "cost_eur_per_person", "cost_total_eur", "mean_days",
    ),
    0.0,
)  # fmt: skip
"""Least value of figures that have one."""
TO_A_HUNDREDTH = {
    "balance_groups": ("smd_largest", "smd_strict_largest", "ks_largest", "variance_ratio_smallest",
                       "variance_ratio_largest"),
    "leaves": ("share",),
    "disclosure": ("share_persons_masked",),
}  # fmt: skip
WHOLE = {"leaves": ("mean_days",), "impact": ("treated_departments",)}


def ranges(release: Figures) -> Iterator[str]:
    """Shares and probabilities lie in [0, 1], other figures above their least value, in the digits promised."""
    for declared in PUBLISHED:
        if declared.name not in release.frames:
            continue
        frame = release[declared.name]
        for column in declared:
            values = pd.to_numeric(frame[column.name], errors="coerce") if column.type.value == "decimal" else None
            if values is None:
                continue
            # The limits of an interval of a share are not cut at 0 and 1.
            if column.unit == "share" and not column.name.startswith("ci_") and column.name != "difference":
                yield from _broken(declared.name, frame, (values < 0) | (values > 1), f"{column.name} is not a share")
            if column.name in LEAST:
                wrong = values < LEAST[column.name]
                yield from _broken(declared.name, frame, wrong, f"{column.name} is under its least value")
            digits = 2 if column.name in TO_A_HUNDREDTH.get(declared.name, ()) else None
            digits = 0 if column.name in WHOLE.get(declared.name, ()) else digits
            if digits is not None:
                wrong = _differ(values, values.round(digits))
                yield from _broken(declared.name, frame, wrong, f"{column.name} has more digits than promised")
    shares = release["impact"][release["impact"]["unit"] == "share"]
    for name in ("value_treated", "value_comparison"):
        yield from _broken("impact", shares, (shares[name] < 0) | (shares[name] > 1), f"{name} is not a share")


# ---- intervals

INTERVALS = (
    ("impact", "difference", "ci_low", "ci_high"),
    ("impact", "difference", "individual_ci_low", "individual_ci_high"),
    ("return_to_work_curve", "cumulative_incidence", "ci_low", "ci_high"),
    ("on_leave_curve", "share_on_leave", "ci_low", "ci_high"),
    ("savings", "gross_eur_per_person", "gross_ci_low", "gross_ci_high"),
    ("savings", "net_eur_per_person", "net_ci_low", "net_ci_high"),
    ("sensitivity", "difference", "ci_low", "ci_high"),
    ("placebo", "difference", "ci_low", "ci_high"),
)


def intervals(release: Figures) -> Iterator[str]:
    """An interval holds its estimate, in its middle (all are an estimate give or take t standard errors).

    Those of curves are cut at 0 and 1: one that ends there has its estimate inside, and not in its middle.
    """
    for name, middle, low, high in INTERVALS:
        frame = release[name]
        known = frame[middle].notna()
        alone = frame[low].isna() != frame[high].isna()
        yield from _broken(name, frame, alone, f"{low} without {high}, or the other way round")
        yield from _broken(name, frame, ~known & frame[low].notna(), f"an interval without {middle}")
        wrong = (frame[low] > frame[middle]) | (frame[high] < frame[middle])
        yield from _broken(name, frame, wrong, f"{low} to {high} does not hold {middle}")
        middle_of = (frame[low] + frame[high]) / 2
        scale = np.maximum(1.0, np.maximum(frame[low].abs(), frame[high].abs()))
        # An estimate of exactly 0 or 1 has no spread, and an interval of no width.
        cut = name.endswith("_curve") & (
            ((frame[low] <= 0) & (frame[middle] > 0)) | ((frame[high] >= 1) & (frame[middle] < 1))
        )
        wrong = ((middle_of - frame[middle]).abs() > 1e-6 * scale) & ~wrong & ~cut
        yield from _broken(name, frame, wrong, f"{middle} is not the middle of {low} to {high}")
    cost = release["savings"]
    least, most = cost["cost_per_day_ci_low"], cost["cost_per_day_ci_high"]
    wrong = (least > cost["cost_eur_per_day_avoided"]) | (most < cost["cost_eur_per_day_avoided"]) | (least > most)
    yield from _broken("savings", cost, wrong, "cost_per_day_ci_low to cost_per_day_ci_high does not hold its figure")


# ---- figures made of others in their row


def effects(release: Figures) -> Iterator[str]:
    """Differences, E-values and euros follow from the figures beside them."""
    impact = release["impact"]
    wrong = _differ(impact["value_treated"] - impact["value_comparison"], impact["difference"])
    yield from _broken("impact", impact, wrong, "difference is not value_treated minus value_comparison")
    for figure, place in (("e_value", "point"), ("e_value_bound", "bound")):
        again = pd.Series([getattr(_e_value(row), place) for row in impact.to_dict("records")], impact.index)
        yield from _broken("impact", impact, _differ(again, impact[figure]), f"{figure} is not that of the difference")
    headline = impact[impact["is_headline"]]
    main = headline[["estimand", "outcome", "stratum_type", "stratum"]].to_numpy().tolist()
    if len(impact) and main != [["ITT", "days_on_leave", ALL, ALL]]:
        yield "impact: the headline is not one row, ITT, days_on_leave, all"
    yield from _savings(release["savings"])
    curve = release["on_leave_curve"]
    wrong = curve["share_part_time"] > curve["share_on_leave"] + CLOSE
    yield from _broken("on_leave_curve", curve, wrong, "share_part_time is above share_on_leave")
    delays = release["delays"]
    wrong = (delays["p25"] > delays["median"]) | (delays["median"] > delays["p75"])
    yield from _broken("delays", delays, wrong, "quartiles are out of order")
    groups = release["balance_groups"]
    wrong = groups["smd_strict_largest"] > groups["smd_largest"]
    yield from _broken("balance_groups", groups, wrong, "smd_strict_largest is above smd_largest")
    wrong = groups["variance_ratio_smallest"] > groups["variance_ratio_largest"]
    yield from _broken("balance_groups", groups, wrong, "variance ratios are out of order")
    yield from _labels(release)


def _e_value(row: Mapping[Any, Any]) -> Any:
    nan = float("nan")
    value, low, high, sd = (
        nan if pd.isna(row[name]) else float(row[name]) for name in ("difference", "ci_low", "ci_high", "outcome_sd")
    )
    return e_value_of_difference(Estimate(value, nan, low, high, nan), sd)


def _savings(savings: Frame) -> Iterator[str]:
    for amount in ("gross", "cost", "net"):
        made = savings[f"{amount}_eur_per_person"] * savings["n_persons"]
        wrong = _differ(made, savings[f"{amount}_total_eur"])
        yield from _broken("savings", savings, wrong, f"{amount}_total_eur is not the amount per person x n_persons")
    for figure, made, said in (
        ("net_eur_per_person", savings["gross_eur_per_person"] - savings["cost_eur_per_person"], "gross minus cost"),
        ("cost_eur_per_day_avoided", savings["cost_eur_per_person"] / savings["days_avoided_per_person"],
         "cost over days avoided"),
    ):  # fmt: skip
        yield from _broken("savings", savings, _differ(made, savings[figure]) & savings[figure].notna(),
                           f"{figure} is not {said}")  # fmt: skip
    likely, net = savings["probability_net_positive"], savings["net_eur_per_person"]
    wrong = ((likely > 0.5) & (net < 0)) | ((likely < 0.5) & (net > 0))
    yield from _broken("savings", savings, wrong, "probability_net_positive is on the other side of one half")


def _labels(release: Figures) -> Iterator[str]:
    """Columns beside the figures that follow from the key or from this code."""
    sources = release["referral_sources"]
    # Small sources told together may be of both kinds.
    given = sources[sources["outside_article_56"].notna() & (sources["source"] != TOLD_TOGETHER)]
    wrong = given["outside_article_56"].astype(bool) != given["source"].isin(OUTSIDE_ARTICLE_56)
    yield from _broken("referral_sources", given, wrong, "outside_article_56 is not that of the source")
    leaves = release["leaves"]
    for measure in (national.SHARE, national.MEAN_DAYS):
        known = [
            national.figure(variable, modality, measure)
            for variable, modality in zip(leaves["variable"], leaves["modality"], strict=True)
        ]
        listed = pd.Series([np.nan if figure is None else figure.value for figure in known], leaves.index, np.float64)
        shown = leaves[f"national_{measure}"].astype(np.float64)
        yield from _broken("leaves", leaves, _differ(listed, shown) | (shown.notna() & listed.isna()),
                           f"national_{measure} is not the national figure")  # fmt: skip


# ---- rates


def rates(release: Figures, base: int) -> Iterator[str]:
    """A share is its published count over its published total."""
    profile, sources, exits, measures, places = (
        release[name] for name in ("participant_profile", "referral_sources", "exits", "measures", "departments")
    )
    everyone = measures[(measures["measure"] == ALL) & (measures["status"] == ALL)]["n"]
    persons = everyone.iloc[0] if len(everyone) else np.nan
    for name, frame, top, bottom in (
        ("participant_profile", profile, "n", _total(profile, "platform_id", profile["variable"] == ALL)),
        ("referral_sources", sources, "n", _total(sources, "quarter", sources["source"] == ALL)),
        ("exits", exits, "n", _total(exits, "leave_risk", exits["exit"] == ALL)),
        ("measures", measures, "n",
         _total(measures, "measure", measures["status"] == ALL).where(measures["status"] != ALL, persons)),
        ("departments", places, "participants", places["persons_on_long_leave"]),
    ):  # fmt: skip
        made = frame[top] / bottom
        wrong = _differ(made, frame["share"]) | (frame["share"].notna() & made.isna())
        yield from _broken(name, frame, wrong, f"share is not {top} over its total")
    shown = release["situations"][release["situations"][["n", "share"]].notna().all(axis=1)]
    total = shown["n"] / shown["share"]
    # The total has no row: every share of a dimension must tell the same one, itself a rounded count.
    first = total.groupby([shown["stage"], shown["dimension"]]).transform("first")
    wrong = _differ(total, first) | _differ(total, base * (total / base).round())
    yield from _broken("situations", shown, wrong, "share is not n over the total of its stage and dimension")
    quality = release["data_quality"]
    made = (quality["rows_quarantined"] + quality["rows_flagged"].fillna(0)) / quality["rows_read"]
    yield from _broken("data_quality", quality, _differ(made, quality["rate"]), "rate is not rows over rows read")


def _total(frame: Frame, by: str, whole: pd.Series) -> pd.Series:
    totals = frame[whole].drop_duplicates(by).set_index(by)["n"]
    return frame[by].map(totals).astype(np.float64)


# ---- rows among themselves


def curves(release: Figures, weeks: int) -> Iterator[str]:
    """A curve of events only rises, whoever is followed only falls, events together hold no more than everyone."""
    name = "return_to_work_curve"
    events = release.current(name).sort_values(["estimand", "arm", "event", "week"])
    by = [events[column] for column in ("estimand", "arm", "event")]
    known = events[events["cumulative_incidence"].notna()]
    falls = known.groupby([known[c] for c in ("estimand", "arm", "event")])["cumulative_incidence"].diff() < -CLOSE
    yield from _broken(name, known, falls, "cumulative_incidence falls")
    followed = events.groupby(by)["at_risk"].transform(lambda n: n.astype(np.float64).ffill().diff())
    yield from _broken(name, events, followed > 0, "at_risk rises")
    together = known.groupby(["estimand", "arm", "week"])["cumulative_incidence"].transform("sum")
    yield from _broken(name, known, together > 1 + CLOSE, "the events of the week hold more than everyone")
    for each in (name, "on_leave_curve"):
        frame = release[each]
        wrong = (frame["week"] < 0) | (frame["week"] > weeks)
        yield from _broken(each, frame, wrong, "the week is past the end of the curves")
        keys = [column for column in published(each).key[1:] if column != "week"]
        every = frame.groupby(keys)["week"].agg(["min", "max", "size"])
        gaps = every[(every["min"] != 0) | (every["size"] != every["max"] + 1)]
        yield from (f"{each} ({', '.join(map(str, key))}): a week is missing" for key in gaps.index)


def across(release: Figures, horizon: int) -> Iterator[str]:
    """Figures that two tables, or two rows, both tell."""
    impact = release.current("impact")
    whole = impact[(impact["stratum_type"] == ALL) & (impact["stratum"] == ALL)]
    whole = whole.set_index(["estimand", "outcome", "horizon_months"])
    power = release.current("power")
    listed = pd.MultiIndex.from_frame(power[["estimand", "outcome", "horizon_months"]])
    same = pd.Series(whole["n_treated"].reindex(listed).to_numpy(), power.index)
    yield from _broken("power", power, _differ(power["n_treated"], same), "n_treated is not that of impact")
    savings = release.current("savings")
    for figure, outcome, rows in (
        ("days_avoided_per_person", "days_on_leave", savings),
        ("gross_eur_per_person", "allowance_eur", savings[savings["perimeter"] == "allowances"]),
    ):
        listed = pd.MultiIndex.from_frame(rows.assign(outcome=outcome)[["estimand", "outcome", "horizon_months"]])
        made = pd.Series(-whole["difference"].reindex(listed).to_numpy(np.float64), rows.index)
        yield from _broken("savings", rows, _differ(rows[figure], made), f"{figure} is not the effect of impact")
    parts = savings[savings["perimeter"].isin(ALLOWANCE_PARTS)]
    added = parts.groupby(["estimand", "horizon_months"])["gross_eur_per_person"].agg(["sum", "count"])
    complete = added[added["count"] == len(ALLOWANCE_PARTS)]["sum"]
    rows = savings[savings["perimeter"] == "allowances"]
    made = pd.Series(
        complete.reindex(pd.MultiIndex.from_frame(rows[["estimand", "horizon_months"]])).to_numpy(np.float64),
        rows.index,
    )
    yield from _broken("savings", rows, _differ(rows["gross_eur_per_person"], made), "the parts do not add up to it")
    headline = release["impact"][release["impact"]["is_headline"]]
    if len(headline) and int(headline["horizon_months"].iloc[0]) != horizon:
        yield "impact: the headline is not at the protocol's horizon"


def sums(
    release: Figures, declared: Mapping[str, Sums], between: Sequence[Equality], base: int, k: int
) -> Iterator[str]:
    """What is published of a sum fits together, within a table and between tables, rounding taken into account."""
    known: dict[Cell, tuple[float, float]] = {}
    found: list[tuple[Cell, tuple[Cell, ...]]] = []
    for name, sums_known in declared.items():
        if not sums_known.measures:
            continue
        table = sums_known.count_table(name, release.tables[name])
        current, cells = set(release.current(name).index), []
        for place, row in enumerate(table.frame.to_pylist()):
            key = tuple(str(row[column]) for column in table.keys)
            for measure in table.measures:
                if measure.persons is not None or measure.column not in row:
                    continue
                cells.append((key, measure.column))
                if place in current and (value := row[measure.column]) is not None:
                    known[name, key, measure.column] = unrounded(int(value), base, k)
        found += [((name, *each.total), tuple((name, *part) for part in each.parts)) for each in sums_of(table, cells)]
    found += [(each.total, each.parts) for each in between]
    masked = (0.0, np.inf)  # or from an earlier release
    for total, parts in found:
        low, high = known.get(total, masked)
        bounds = [known.get(part, masked) for part in parts]
        if sum(least for least, _ in bounds) > high or sum(most for _, most in bounds) < low:
            yield f"{total[0]} ({', '.join(total[1])}): {total[2]} is not the sum of its parts"


# ---- masking and its account

RESTS_ON = {"situations": ("n",)}
"""Where an estimate rests on some of the counts of its row alone; elsewhere on all of them."""


def masked(release: Figures) -> Iterator[str]:
    """A row says that something of it is masked, and why, just where it is; no estimate outlives its counts."""
    for declared in PUBLISHED:
        if not suppressible(declared):
            continue
        name, frame = declared.name, release[declared.name]
        counts, estimates = declared.with_role(Role.COUNT), declared.with_role(Role.ESTIMATE)
        counted, estimated = release.shows(name, counts), release.shows(name, estimates)
        marked, reason = frame["suppressed"].to_numpy(np.bool_), frame["suppression_reason"]
        anything = counted.any(axis=1) | estimated.any(axis=1)
        if counts and estimates:
            behind = release.shows(name, RESTS_ON.get(name, counts)).all(axis=1)
            wrong = ~behind & estimated.any(axis=1)
            yield from _broken(name, frame, wrong, "an estimate is shown though a count it rests on is masked")
        for wrong, said in (
            (marked & ~reason.isin(REASONS), "suppressed without a known reason"),
            (marked & counted.all(axis=1) & estimated.all(axis=1), "marked suppressed and shows every figure"),
            # `increment` without suppression: the value of the earlier publication stands.
            (~marked & reason.notna() & (reason != "increment"), "gives a reason and is not suppressed"),
            (~marked & ~counted.all(axis=1), "has an empty count that is not marked suppressed"),
            (marked & reason.isin(("gate", "placebo")) & anything, "a figure is shown though the row is withheld"),
        ):
            yield from _broken(name, frame, wrong, said)


def account(release: Figures) -> Iterator[str]:
    """`disclosure` counts what the tables show: cells = shown + masked, the smallest count, one row a table."""
    said = {row["published_table"]: row for row in release.tables["disclosure"].to_pylist()}
    expected = {declared.name: declared for declared in PUBLISHED if suppressible(declared)}
    for name in sorted(set(expected) ^ set(said)):
        yield f"disclosure ({name}): the table has no row, or the row no table"
    for name in sorted(set(expected) & set(said)):
        row, frame = said[name], release[name]
        shown = release.shows(name, expected[name].with_role(Role.COUNT, Role.ESTIMATE))
        empty = (~shown).sum(axis=1)
        first, second = row["suppressed_primary"], row["suppressed_secondary"]
        if row["cells"] - first - second != shown.sum():
            yield f"disclosure ({name}): cells are not those shown and those masked"
        of_reason = empty[(frame["suppression_reason"] == "secondary").to_numpy(np.bool_)].sum()
        if min(first, second) < 0 or second > of_reason or first + second > empty.sum():
            yield f"disclosure ({name}): more cells are said to be masked than are empty"
        if row["share_persons_masked"] > 0 and not empty[frame["suppressed"].to_numpy(np.bool_)].sum():
            yield f"disclosure ({name}): persons are said to be masked and no cell is"


# ---- microdata


def microdata(rows: pa.Table, horizon_days: int, days_base: int) -> Iterator[str]:
    """Rows that the study cannot have made: weights that do not balance, days that fall, an arm out of place."""
    frame = rows.to_pandas()
    if frame.empty:
        return
    weight = frame["weight"]
    if (weight <= 0).any() or (weight - weight.round(6)).abs().max() > CLOSE:
        yield "microdata: a weight is not above zero or has more than six digits"
    sums_ = frame.groupby(["index_quarter", "arm"])["weight"].sum().unstack()
    sizes = frame.groupby("index_quarter").size()
    if (sums_.isna().any(axis=1) | (sums_.max(axis=1) - sums_.min(axis=1) > 1e-6 * sizes)).any():
        yield "microdata: the weights of the two arms of a quarter do not add up to the same"
    if frame.groupby("arm")["territory"].nunique().max() > 1 or frame.groupby("territory")["arm"].nunique().max() > 1:
        yield "microdata: arm and territory do not say the same"
    if not frame["index_quarter"].str.fullmatch(r"\d{4}-Q[1-4]").all():
        yield "microdata: a quarter is not written YYYY-Qn"
    six, year = frame["days_on_leave_6m"], frame["days_on_leave_12m"]
    if (six > year).any() or (six < 0).any() or (year > horizon_days + days_base).any():
        yield "microdata: days on leave fall, are negative or are past the horizon"
    if (frame["returned_6m"].fillna(False).astype(bool) & ~frame["returned_12m"].fillna(True).astype(bool)).any():
        yield "microdata: a return within six months is not one within twelve"
    if (frame["allowance_eur_12m"] < 0).any():
        yield "microdata: negative euros"
