"""The step `matching`: who is compared with whom, and whether the comparison may be read at all.

No outcome is opened here: the files of the step `outcomes` do not exist yet, and they are computed for matched members
alone. The gate's verdict is written before any of them is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.matching.balance import BalanceTable, balance_by_group, balance_table
from pipeline.matching.gate import GateFinding, GateRule, GateVerdict, gate
from pipeline.matching.nearest import match_with_relaxation
from pipeline.matching.problem import caliper_width
from pipeline.matching.propensity import PropensityError, logit_scores
from pipeline.matching.result import MatchResult, UnmatchedReason
from pipeline.protocol import Matching, Protocol
from pipeline.run import Run, StepReport
from pipeline.study.covariates import NUMBERS, PROGNOSIS, STRICT, bands, matrix
from pipeline.study.step import COHORT, ESTIMANDS, FLOW_COLUMNS, MATCHING
from pipeline.tables.intermediate import MEMBERS

Int = NDArray[np.int64]
EXACT = ("risk", "ald", "sex", "status", "start_quarter", "elapsed_band")
"""Never given up; the age band and the sector give way where candidates are too few."""


@dataclass(frozen=True, slots=True)
class Design:
    """How units are compared; the protocol's by default, varied by the specification curve.

    Attributes:
        ratio: controls per treated.
        caliper_sd: in standard deviations of the logit, None for no caliper.
        replacement: whether a control may serve several treated of one trial.
    """

    ratio: int
    caliper_sd: float | None
    replacement: bool = False

    @classmethod
    def of(cls, rule: Matching) -> Design:
        """The protocol's design."""
        return cls(rule.ratio, rule.caliper_sd)


@dataclass(frozen=True, slots=True)
class Matched:
    """A matching of study units with what balance needs.

    Attributes:
        units: eligible units, treated and comparison, ordered by unit.
        treated: bool[n].
        covariates: float64[n, p] and their names.
        result: who was matched to whom; positions are within each arm, in unit order.
        logit: float64[n], propensity score.
        times_at_risk: float64[n], treated of its stratum each comparison unit could be compared with, its weight in the
            score's model; 1 for the treated.
    """

    units: pa.Table
    treated: NDArray[np.bool_]
    covariates: NDArray[np.float64]
    names: list[str]
    result: MatchResult
    logit: NDArray[np.float64]
    times_at_risk: NDArray[np.float64]

    @property
    def balance(self) -> BalanceTable:
        """Balance of the whole sample."""
        return balance_table(self.covariates, self.names, self.treated, self.result.stacked_weights(self.treated))

    def members(self, estimand: str) -> pa.Table:
        """Rows of the table `members`: the treated of each set, then its controls, with their time zero."""
        pairs, units = self.result.pairs, self.units
        row_treated, row_control = np.flatnonzero(self.treated), np.flatnonzero(~self.treated)
        first, position = np.unique(pairs.set_id, return_index=True)
        row = np.concatenate([row_treated[pairs.treated[position]], row_control[pairs.control]])
        set_id = np.concatenate([first, pairs.set_id])
        of_treated = np.concatenate([row_treated[pairs.treated[position]], row_treated[pairs.treated]])
        in_treated_arm = np.arange(len(row)) < len(first)
        order = np.lexsort((row, ~in_treated_arm, set_id))
        row, set_id, of_treated, arm = row[order], set_id[order], of_treated[order], in_treated_arm[order]
        # Two leaves of one person can be at risk on the same elapsed day: the person counts once in a set.
        person = units["person"].to_numpy()[row]
        _, once = np.unique(np.stack([set_id, person]), axis=1, return_index=True)
        kept = np.sort(once)
        row, set_id, of_treated, arm = row[kept], set_id[kept], of_treated[kept], arm[kept]
        taken = units.take(pa.array(row))
        # A control's clock starts at the same elapsed day of its own leave as its treated's.
        start = taken["start_date"].to_numpy()
        elapsed = units["elapsed"].take(pa.array(of_treated)).to_numpy().astype("timedelta64[D]")
        level = np.zeros(len(row_treated), dtype=np.int64)
        level[:] = self.result.level
        position_of = np.cumsum(self.treated) - 1
        return pa.table(
            {
                "estimand": pa.array([estimand] * len(row), pa.string()),
                "member": pa.array(np.arange(len(row))),
                "set_id": pa.array(set_id),
                "arm": pa.array(np.where(arm, "treated", "comparison")),
                "person": taken["person"],
                "unit": taken["unit"],
                "department_code": taken["department_code"],
                "time_zero": pa.array((start + elapsed).astype("datetime64[D]"), pa.date32()),
                "level": pa.array(level[position_of[of_treated]]),
                "wage": taken["wage"],
                "days_before": taken["days_before"],
            }
        ).cast(MEMBERS.schema)


def eligible(units: pa.Table, estimand: str) -> pa.Table:
    """Units of one estimand, ordered by unit."""
    return units.filter(pc.equal(units["estimand"], estimand)).sort_by("unit")


def elapsed_cell(elapsed: Int, rule: Matching) -> Int:
    """Cell of elapsed days whose treated share one pool of controls: ±3 days below 180, ±7 beyond (protocol)."""
    short, long = 2 * rule.risk_window_short_days + 1, 2 * rule.risk_window_long_days + 1
    switch = rule.risk_window_switch_days
    below = elapsed // short
    return np.where(elapsed < switch, below, switch // short + 1 + (elapsed - switch) // long).astype(np.int64)


def _codes(units: pa.Table, names: tuple[str, ...]) -> Int:
    """One integer per distinct combination of columns; a missing value is a value of its own."""
    combined = np.zeros(len(units), dtype=np.int64)
    for name in names:
        column = units[name].combine_chunks()
        code = pc.dictionary_encode(column, null_encoding="encode").indices.to_numpy(zero_copy_only=False)
        combined = np.unique(combined * (int(code.max(initial=0)) + 1) + code, return_inverse=True)[1].astype(np.int64)
    return combined


def match_units(units: pa.Table, protocol: Protocol, design: Design) -> Matched:
    """Match the eligible units of one estimand.

    Args:
        units: rows of one estimand, as `eligible` gives them.
        protocol: the study protocol.
        design: how to compare.

    Raises:
        PropensityError: an arm is empty or the covariates tell the arms apart.
    """
    treated = pc.equal(units["arm"], "treated").to_numpy(zero_copy_only=False)
    if not treated.any() or treated.all():
        raise PropensityError(f"{int(treated.sum())} treated and {int((~treated).sum())} comparison units")
    units = by_elapsed_band(units, protocol.study.elapsed_bands)
    treated = pc.equal(units["arm"], "treated").to_numpy(zero_copy_only=False)
    elapsed = pc.fill_null(units["elapsed"], 0).to_numpy()
    risk_from, risk_until = units["risk_from"].to_numpy(), units["risk_until"].to_numpy()
    at_risk = _times_at_risk(_codes(units, EXACT), treated, elapsed, risk_from, risk_until)
    keep = np.flatnonzero(treated | (at_risk > 0))
    units, treated, elapsed = units.take(pa.array(keep)), treated[keep], elapsed[keep]
    risk_from, risk_until, at_risk = risk_from[keep], risk_until[keep], np.where(treated, 1, at_risk[keep])
    covariates, names = matrix(units, prognosis=True)
    model, model_names = _with_time(covariates, names, units, treated, elapsed)
    strata, stratum_names = stratum_columns(units)
    model, model_names = np.hstack([model, strata]), [*model_names, *stratum_names]
    logit = logit_scores(model, treated, at_risk.astype(np.float64), names=model_names, separated="drop").logit
    age_band = bands(units["age"].to_numpy(zero_copy_only=False).astype(np.int64), protocol.study.age_bands)
    aged = units.append_column("age_band", pa.array(age_band))
    levels = [_codes(aged, (*EXACT, "sector", "age_band")), _codes(aged, (*EXACT, "age_band")), _codes(aged, EXACT)]
    key = (units["unit"].to_numpy() * len(protocol.study.elapsed_bands) + units["elapsed_band"].to_numpy()).astype(
        np.uint64
    )
    quarter = _codes(units, ("start_quarter", "elapsed_band"))
    cell = elapsed_cell(elapsed, protocol.matching)
    trial = quarter * (int(cell.max()) + 1) + cell
    result = match_with_relaxation(
        logit[treated],
        logit[~treated],
        strata_treated=[ids[treated] for ids in levels],
        strata_control=[ids[~treated] for ids in levels],
        minimum_candidates=protocol.matching.minimum_candidates,
        caliper=None if design.caliper_sd is None else caliper_width(logit, design.caliper_sd),
        ratio=design.ratio,
        replacement=design.replacement,
        tie_treated=key[treated],
        tie_control=key[~treated],
        risk_from=risk_from[~treated],
        risk_until=risk_until[~treated],
        elapsed=elapsed[treated],
        trial_treated=trial[treated],
        band_treated=age_band[treated],
        band_control=age_band[~treated],
        band_slack=(None, None, 1),
    )
    return Matched(units, treated, covariates, names, result, logit, at_risk.astype(np.float64))


def shared_strata(units: pa.Table, treated: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[n]: units whose exact stratum holds somebody of either arm; `units` as `Matched` has them."""
    stratum = _codes(units, EXACT)
    found: NDArray[np.bool_] = np.isin(stratum, np.intersect1d(stratum[treated], stratum[~treated]))
    return found


def by_elapsed_band(units: pa.Table, lower: list[int]) -> pa.Table:
    """Each comparison unit once per elapsed band in which it is at risk and somebody treated is, each treated once.

    The accompanied are reached at different elapsed days, and who is reached late differs from who is reached early:
    the score and the exact strata are those of the band.

    Args:
        units: eligible units of one estimand.
        lower: lower bounds of the bands, days.

    Returns:
        The units with a column `elapsed_band` (index of the band), `risk_from` and `risk_until` cut to it for the
        comparison; treated and comparison rows by band, then unit.
    """
    treated = pc.equal(units["arm"], "treated").to_numpy(zero_copy_only=False)
    elapsed = bands(pc.fill_null(units["elapsed"], 0).to_numpy().astype(np.int64), lower)
    risk_from, risk_until = units["risk_from"].to_numpy(), units["risk_until"].to_numpy()
    upper = [*(bound - 1 for bound in lower[1:]), np.iinfo(np.int32).max]
    rows, band, first, last = [], [], [], []
    for number in np.unique(elapsed[treated]).tolist():
        low, high = np.maximum(risk_from, lower[number]), np.minimum(risk_until, upper[number])
        held = np.flatnonzero(np.where(treated, elapsed == number, low <= high))
        rows.append(held)
        band.append(np.full(len(held), number, dtype=np.int64))
        first.append(low[held])
        last.append(high[held])
    found = units.take(pa.array(np.concatenate(rows)))
    for name, values in (("risk_from", first), ("risk_until", last)):
        found = found.set_column(found.schema.get_field_index(name), name, pa.array(np.concatenate(values), pa.int64()))
    return found.append_column("elapsed_band", pa.array(np.concatenate(band)))


def _with_time(
    covariates: NDArray[np.float64], names: list[str], units: pa.Table, treated: NDArray[np.bool_], elapsed: Int
) -> tuple[NDArray[np.float64], list[str]]:
    """The model's columns: covariates may weigh differently as the leave goes on and as the programme goes on.

    Who is reached late in a leave differs from who is reached early; and once platforms have been open for a while,
    those with long earlier leaves have been reached in one of them. The elapsed day enters as the logarithm of the mean
    day of the band's treated, the calendar as the rank of the quarter in which the leave started: the same for both
    arms.
    """
    band = np.unique(units["elapsed_band"].to_numpy(), return_inverse=True)[1]
    mean = np.bincount(band[treated], weights=elapsed[treated]) / np.bincount(band[treated])
    listed = np.unique(units["start_quarter"].to_numpy(zero_copy_only=False).astype(str))
    rank = np.searchsorted(listed, units["start_quarter"].to_numpy(zero_copy_only=False).astype(str))
    varying = [number for number, name in enumerate(names) if name in NUMBERS or name == PROGNOSIS]
    columns, labels = [covariates], list(names)
    for label, clock in (("elapsed", np.log1p(mean)[band]), ("quarter", rank.astype(np.float64))):
        if clock.max() > clock.min():
            centred = (clock - (clock.min() + clock.max()) / 2)[:, None]
            columns += [centred, covariates[:, varying] * centred]
            labels += [label, *(f"{names[number]} x {label}" for number in varying)]
    return np.hstack(columns), labels


def stratum_columns(units: pa.Table) -> tuple[NDArray[np.float64], list[str]]:
    """Indicators of what pairs agree on exactly: the score ranks persons within strata, so its model knows the strata.

    Left out, differences between strata (long-term illness goes with long earlier leaves) would pass for differences
    within them, and the covariates would not be balanced where pairs are made.
    """
    columns, labels = [np.empty((len(units), 0))], []
    for name in (*EXACT, "sector"):
        values = units[name].to_numpy(zero_copy_only=False).astype(str)
        for value in np.unique(values)[1:].tolist():  # the first is the reference
            columns.append((values == value).astype(np.float64)[:, None])
            labels.append(f"{name}: {value}")
    return np.hstack(columns), labels


def _times_at_risk(stratum: Int, treated: NDArray[np.bool_], elapsed: Int, risk_from: Int, risk_until: Int) -> Int:
    """How many treated of its stratum each unit could be compared with: its weight in the propensity model.

    A leave is at risk at many elapsed days; weighted so, the comparison units stand for the risk sets and not for
    leaves as such. Zero: the unit can be nobody's control.
    """
    order = np.lexsort((elapsed[treated], stratum[treated]))
    keys = stratum[treated][order] * 100_000 + elapsed[treated][order]
    low = np.searchsorted(keys, stratum * 100_000 + np.maximum(risk_from, 0), side="left")
    high = np.searchsorted(keys, stratum * 100_000 + np.maximum(risk_until, -1), side="right")
    counted: Int = np.maximum(high - low, 0).astype(np.int64)
    return counted


def gate_rule(protocol: Protocol) -> GateRule:
    """The gate's limits from the protocol."""
    rule = protocol.gate
    return GateRule(
        smd=rule.smd,
        strict_smd=rule.smd_strict,
        strict=frozenset(STRICT),
        variance_ratio=(rule.variance_ratio_low, rule.variance_ratio_high),
        ks=rule.ks,
        share_matched=rule.share_matched,
        confidence=rule.noise_level,
    )


def judge(matched: Matched, protocol: Protocol) -> tuple[GateVerdict, tuple[str, ...]]:
    """The gate's verdict, overall and per treated département, and the département codes its groups stand for."""
    codes = (
        matched.units["department_code"].filter(pa.array(matched.treated)).to_numpy(zero_copy_only=False).astype(str)
    )
    listed, group = np.unique(codes, return_inverse=True)
    by_group = balance_by_group(
        matched.covariates, matched.names, matched.treated, matched.result, group.astype(np.int64)
    )
    verdict = gate(matched.balance, rule=gate_rule(protocol), by_group=by_group)
    return verdict, tuple(listed)


def match(run: Run) -> StepReport:
    """Match both estimands; write `members`, `balance`, `matching` (who was lost) and the gate's verdicts."""
    units = pq.read_table(run.home.artefact(run.release, COHORT, "units"))
    report = StepReport()
    members, balances, flows, verdicts = [], [], [], {}
    for number, estimand in enumerate(ESTIMANDS):
        run.progress("matching", number, len(ESTIMANDS))
        mine = eligible(units, estimand)
        try:
            matched = match_units(mine, run.protocol, Design.of(run.protocol.matching))
        except PropensityError as error:
            verdicts[estimand] = {"status": "fail", "sentences": [f"no comparison is possible: {error}"]}
            report.failures[f"balance:{estimand}"] = f"{estimand}: no comparison is possible: {error}"
            continue
        verdict, departments = judge(matched, run.protocol)
        sentences = [_sentence(finding, departments) for finding in verdict.findings]
        verdicts[estimand] = {"status": verdict.status, "sentences": sentences}
        if verdict.status == "fail":
            worst = [s for s, f in zip(sentences, verdict.findings, strict=True) if f.status == "fail"]
            report.failures[f"balance:{estimand}"] = f"{estimand}: {'; '.join(worst[:4])}"
        members.append(matched.members(estimand))
        balances.append(_balance_frame(matched.balance, estimand))
        flows.append(_matching_flow(matched, mine, estimand))
        report.figures[f"{estimand} gate"] = verdict.status
        report.figures[f"{estimand} treated matched"] = f"{matched.result.share_matched:.1%}"
        report.figures[f"{estimand} effective controls"] = round(matched.result.effective_sample_size, 1)
    whole = pa.concat_tables(members) if members else MEMBERS.schema.empty_table()
    home, release = run.home, run.release
    pq.write_table(whole, home.artefact(release, MATCHING, "members"), compression="zstd")
    balance = pd.concat(balances, ignore_index=True) if balances else pd.DataFrame()
    flow = pd.concat(flows, ignore_index=True) if flows else pd.DataFrame()
    balance.to_parquet(home.artefact(release, MATCHING, "balance"))
    flow.to_parquet(home.artefact(release, MATCHING, "flow"))
    home.artefact(release, MATCHING, "gate", "json").write_text(json.dumps(verdicts, indent=1), encoding="utf-8")
    report.rows["members"] = len(whole)
    report.tables |= {"Balance": balance, "Matching": flow}
    return report


def _sentence(finding: GateFinding, departments: tuple[str, ...]) -> str:
    where = "" if finding.group is None else f" in département {departments[finding.group]}"
    what = finding.statistic if finding.covariate is None else f"{finding.statistic} of {finding.covariate}"
    return (
        f"{what}{where} is {finding.value:.3f}, limit {finding.limit:.3f}, "
        f"chance reaches {finding.noise_bound:.3f}: {finding.status}"
    )


def _balance_frame(table: BalanceTable, estimand: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "estimand": estimand,
            "covariate": [row.covariate for row in table.rows],
            "smd_before": [row.smd_before for row in table.rows],
            "smd_after": [row.smd_after for row in table.rows],
            "variance_ratio_after": [row.variance_ratio_after for row in table.rows],
            "ks_after": [row.ks_after for row in table.rows],
            "n_treated": table.n_treated_matched,
        }
    )


def _matching_flow(matched: Matched, units: pa.Table, estimand: str) -> pd.DataFrame:
    """Persons lost at the matching by reason, per arm; joins up with the cohort's flow."""
    result, rows = matched.result, []
    person = matched.units["person"].to_numpy()
    everyone = units["person"].to_numpy()
    arm_of = pc.equal(units["arm"], "treated").to_numpy(zero_copy_only=False)
    left = len(np.unique(everyone[arm_of]))
    # Each treated person is one unit.
    for reason in UnmatchedReason:
        n = int((result.reason == reason).sum())
        rows.append((estimand, "treated", "matching", reason.label, left, n, left - n))
        left -= n
    rows.append((estimand, "treated", "matched", "all", left, 0, left))
    before = len(np.unique(everyone[~arm_of]))
    after = len(np.unique(person[~matched.treated][np.unique(result.pairs.control)]))
    rows.append((estimand, "comparison", "matching", "not_needed", before, before - after, after))
    rows.append((estimand, "comparison", "matched", "all", after, 0, after))
    return pd.DataFrame(rows, columns=list(FLOW_COLUMNS))
