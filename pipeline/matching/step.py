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

from pipeline.matching.balance import BalanceTable, balance_by_group
from pipeline.matching.gate import GateFinding, GateRule, GateVerdict, gate
from pipeline.matching.propensity import PropensityError
from pipeline.matching.result import UnmatchedReason
from pipeline.matching.units import Design, Matched, eligible, match_units
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.study.covariates import STRICT
from pipeline.study.step import COHORT, ESTIMANDS, FLOW_COLUMNS, MATCHING
from pipeline.tables.intermediate import MEMBERS


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
