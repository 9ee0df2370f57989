"""The balance of one estimand: of everyone, of the treated of each département and of each published stratum.

Everyone and the départements are what the gate judges: the effect is estimated over all, and its interval leaves out
one département after the other. The other strata are shown and do not decide: no effect of theirs is a headline, and
matching is exact on all of them but the age band, which may give way by one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.matching.balance import BalanceTable, balance_by_group
from pipeline.matching.gate import GateRule, GateVerdict, Status, gate
from pipeline.matching.problem import Bool
from pipeline.matching.units import Matched
from pipeline.protocol import Protocol
from pipeline.study.strata import ALL, DEPARTMENT, expected_strata, strata_of

Stratum = tuple[str, str]
"""Kind of stratum, stratum."""
WHOLE: Stratum = (ALL, ALL)
SUMMARY = (
    "estimand", "stratum_type", "stratum", "n_treated", "n_comparison", "smd_largest", "smd_covariate",
    "smd_strict_largest", "ks_largest", "variance_ratio_smallest", "variance_ratio_largest", "verdict",
)  # fmt: skip
"""Columns of `StratifiedBalance.summary`."""


@dataclass(frozen=True, eq=False)
class StratifiedBalance:
    """The balance of one estimand.

    Attributes:
        estimand: ITT or ATT.
        tables: balance of everyone (`WHOLE`), of each département with a treated unit, of each expected stratum.
        n_comparison: distinct persons among the matched comparison units of each of them.
    """

    estimand: str
    tables: dict[Stratum, BalanceTable]
    n_comparison: dict[Stratum, int]

    @classmethod
    def of(cls, matched: Matched, protocol: Protocol, estimand: str) -> StratifiedBalance:
        """Measure a matching; a stratum is that of the treated unit, whose controls follow it.

        Args:
            matched: the matching.
            protocol: the study protocol (strata).
            estimand: ITT or ATT.
        """
        units = matched.units.filter(pa.array(matched.treated))
        department = units["department_code"].to_numpy(zero_copy_only=False).astype(str)
        groups: dict[Stratum, Bool] = {WHOLE: np.ones(len(units), dtype=np.bool_)}
        groups |= {(DEPARTMENT, str(code)): department == code for code in np.unique(department)}
        held = strata_of(units, protocol)
        groups |= {
            (kind, stratum): held[kind] == stratum
            for kind, listed in expected_strata(protocol, estimand).items()
            for stratum in listed
        }
        tables = balance_by_group(matched.covariates, matched.names, matched.treated, matched.result, groups)
        pairs = matched.result.pairs
        person = matched.units["person"].to_numpy()[~matched.treated][pairs.control]
        n_comparison = {key: len(np.unique(person[members[pairs.treated]])) for key, members in groups.items()}
        return cls(estimand, tables, n_comparison)

    @property
    def whole(self) -> BalanceTable:
        """Balance of everyone."""
        return self.tables[WHOLE]

    @property
    def departments(self) -> tuple[str, ...]:
        """Départements with a treated unit, ascending."""
        return tuple(stratum for kind, stratum in self.tables if kind == DEPARTMENT)

    def judge(self, rule: GateRule) -> GateVerdict:
        """The gate's verdict on everyone and on each of `departments`, whose positions its findings name."""
        by_group = {number: self.tables[DEPARTMENT, code] for number, code in enumerate(self.departments)}
        return gate(self.whole, rule=rule, by_group=by_group)

    def details(self) -> pd.DataFrame:
        """Every statistic of every stratum and covariate: one row each, columns those of `CovariateBalance`."""
        return pd.DataFrame(
            {
                "estimand": self.estimand, "stratum_type": kind, "stratum": stratum,
                "n_treated": table.n_treated, "n_treated_matched": table.n_treated_matched,
                "n_comparison": self.n_comparison[kind, stratum],
                "ess_treated": table.ess_treated, "ess_control": table.ess_control, **asdict(row),
            }
            for (kind, stratum), table in self.tables.items()
            for row in table.rows
        )  # fmt: skip

    def summary(self, rule: GateRule, verdict: GateVerdict) -> pd.DataFrame:
        """The worst of each statistic over the covariates, one row per stratum; NaN where nobody is matched.

        Args:
            rule: the gate's limits (which covariates are held to the stricter one).
            verdict: what `judge` found.

        Returns:
            Columns `SUMMARY`. `n_treated` counts matched persons; `smd_*` are absolute; `verdict` is the worst finding
            on the stratum, empty where the gate does not judge.
        """
        judged = self._verdicts(verdict)
        rows = [
            (
                self.estimand,
                *key,
                table.n_treated_matched,
                self.n_comparison[key],
                *_worst(table, rule),
                judged.get(key),
            )
            for key, table in self.tables.items()
        ]
        return pd.DataFrame(rows, columns=list(SUMMARY))

    def _verdicts(self, verdict: GateVerdict) -> dict[Stratum, Status]:
        keys: dict[int | None, Stratum] = {None: WHOLE}
        keys |= {number: (DEPARTMENT, code) for number, code in enumerate(self.departments)}
        found: dict[Stratum, Status] = dict.fromkeys(keys.values(), "pass")
        for finding in sorted(verdict.findings, key=lambda finding: finding.status == "fail"):
            found[keys[finding.group]] = finding.status
        return found


def _worst(table: BalanceTable, rule: GateRule) -> tuple[float, str | None, float, float, float, float]:
    """Largest |SMD|, its covariate, largest among the strict ones, largest KS, smallest and largest variance ratio."""
    smd = {row.covariate: abs(row.smd_after) for row in table.rows if not np.isnan(row.smd_after)}
    # The first by name where several are as far apart.
    where = min(smd, key=lambda name: (-smd[name], name), default=None)
    strict = [value for name, value in smd.items() if name in rule.strict]
    ks = [row.ks_after for row in table.rows if not np.isnan(row.ks_after)]
    ratio = [row.variance_ratio_after for row in table.rows if not np.isnan(row.variance_ratio_after)]
    nothing = float("nan")
    return (
        smd[where] if where else nothing, where, max(strict, default=nothing), max(ks, default=nothing),
        min(ratio, default=nothing), max(ratio, default=nothing),
    )  # fmt: skip


def published_balance(table: BalanceTable, rule: GateRule, estimand: str) -> pd.DataFrame:
    """Rows of the table `balance`: everyone, one covariate a row."""
    return pd.DataFrame(
        {
            "estimand": estimand, "covariate": row.covariate, "smd_before": row.smd_before, "smd_after": row.smd_after,
            "variance_ratio_after": row.variance_ratio_after, "ks_after": row.ks_after,
            "variance_ratio_before": row.variance_ratio_before, "ks_before": row.ks_before,
            "smd_limit": rule.smd_limit(row.covariate), "n_treated": table.n_treated_matched,
        }
        for row in table.rows
    )  # fmt: skip
