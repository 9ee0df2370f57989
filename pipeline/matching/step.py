"""The step `matching`: who is compared with whom, and whether the comparison may be read at all.

No outcome is opened here: the files of the step `outcomes` do not exist yet, and they are computed for matched members
alone. The gate's verdict is written before any of them is.
"""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.matching.gate import GateFinding, GateRule
from pipeline.matching.groups import SUMMARY, StratifiedBalance, published_balance
from pipeline.matching.propensity import PropensityError
from pipeline.matching.result import UnmatchedReason
from pipeline.matching.units import Design, Matched, eligible, score_units
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.study.covariates import STRICT
from pipeline.study.step import COHORT, ESTIMANDS, FLOW_COLUMNS, MATCHING
from pipeline.tables.intermediate import MEMBERS

SHOWN = ["estimand", "covariate", "smd_before", "smd_after", "smd_limit", "variance_ratio_after", "ks_after"]
"""Columns of the balance that the step's report shows."""


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


def match(run: Run) -> StepReport:
    """Match both estimands; write who is in which set, who was lost, the balance and the gate's verdicts.

    Files: `members`, `flow`, `balance` (everyone), `balance_groups` (every statistic of every département and stratum),
    `balance_summary` (their worst ones), `gate`.
    """
    units = pq.read_table(run.home.artefact(run.release, COHORT, "units"))
    report = StepReport()
    members, balances, flows, verdicts = [], [], [], {}
    details, summaries, rule = [], [], gate_rule(run.protocol)
    for number, estimand in enumerate(ESTIMANDS):
        run.progress("matching", number, len(ESTIMANDS))
        mine = eligible(units, estimand)
        try:
            scored = score_units(mine, run.protocol)
        except PropensityError as error:
            verdicts[estimand] = {"status": "fail", "sentences": [f"no comparison is possible: {error}"]}
            report.failures[f"balance:{estimand}"] = f"{estimand}: no comparison is possible: {error}"
            continue
        matched = scored.match(Design.of(run.protocol.matching), run.protocol.matching.minimum_candidates)
        balance = StratifiedBalance.of(matched, run.protocol, estimand)
        verdict = balance.judge(rule)
        sentences = [_sentence(finding, balance.departments) for finding in verdict.findings]
        verdicts[estimand] = {"status": verdict.status, "sentences": sentences}
        if verdict.status == "fail":
            worst = [s for s, f in zip(sentences, verdict.findings, strict=True) if f.status == "fail"]
            report.failures[f"balance:{estimand}"] = f"{estimand}: {'; '.join(worst[:4])}"
        members.append(matched.members(estimand))
        balances.append(published_balance(balance.whole, rule, estimand))
        details.append(balance.details())
        summaries.append(balance.summary(rule, verdict))
        flows.append(_matching_flow(matched, mine, estimand))
        report.figures[f"{estimand} gate"] = verdict.status
        own = sum(bool(department.columns) for department in scored.departments)
        report.figures[f"{estimand} départements on a score of their own"] = f"{own} of {len(scored.departments)}"
        report.figures[f"{estimand} treated matched"] = f"{matched.result.share_matched:.1%}"
        report.figures[f"{estimand} effective controls"] = round(matched.result.effective_sample_size, 1)
    whole = pa.concat_tables(members) if members else MEMBERS.schema.empty_table()
    home, release = run.home, run.release
    pq.write_table(whole, home.artefact(release, MATCHING, "members"), compression="zstd")
    frames = {
        "balance": pd.concat(balances, ignore_index=True) if balances else pd.DataFrame(),
        "balance_groups": pd.concat(details, ignore_index=True) if details else pd.DataFrame(),
        "balance_summary": pd.concat(summaries, ignore_index=True)
        if summaries
        else pd.DataFrame(columns=list(SUMMARY)),
        "flow": pd.concat(flows, ignore_index=True) if flows else pd.DataFrame(),
    }
    for name, frame in frames.items():
        frame.to_parquet(home.artefact(release, MATCHING, name))
    home.artefact(release, MATCHING, "gate", "json").write_text(json.dumps(verdicts, indent=1), encoding="utf-8")
    report.rows["members"] = len(whole)
    report.tables |= {
        "Balance": frames["balance"].reindex(columns=SHOWN),
        "Groups farthest apart": _farthest(frames["balance_summary"]),
        "Matching": frames["flow"],
    }
    return report


def _farthest(summary: pd.DataFrame) -> pd.DataFrame:
    """The ten départements and strata farthest apart."""
    return summary.sort_values("smd_largest", ascending=False, kind="stable").drop(columns="n_comparison").head(10)


def _sentence(finding: GateFinding, departments: tuple[str, ...]) -> str:
    where = "" if finding.group is None else f" in département {departments[finding.group]}"
    what = finding.statistic if finding.covariate is None else f"{finding.statistic} of {finding.covariate}"
    return (
        f"{what}{where} is {finding.value:.3f}, limit {finding.limit:.3f}, "
        f"chance reaches {finding.noise_bound:.3f}: {finding.status}"
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
