"""The gate before outcomes are read: are the matched arms alike enough to be compared at all?

A limit exceeded by no more than chance alone would produce *warns*; beyond that it *fails*. "Chance alone" is a
family-wise bound: if treated and matched controls were independent draws from one distribution, with probability
``confidence`` none of the statistics of the family would pass its bound (Bonferroni; Dunn 1961, JASA 56:52). The whole
sample is one family; all groups (départements) together are another.

Bounds, with n the effective (Kish) sizes after matching, α = (1 − confidence) / number of statistics in the family:

- SMD: t(1 − α/2; f) · s · √(1/n_treated + 1/n_control), the two-sample t bound, s the SD within the arms of the whole
  matched sample in SMD units and f its degrees of freedom (Hedges & Olkin 1985, Statistical Methods for Meta-Analysis,
  ch. 5, at a true difference of 0). A group borrows s: a few persons do not know their own.
- SMD of a binary covariate that few hold (or few do not): the exact distribution of the difference of two binomial
  shares of the sizes n and the share p of the whole matched sample, for one holder among twenty persons is already a
  large SMD and no rare event; the t bound would call it impossible.
- KS: K⁻¹(α) · √((n_treated + n_control) / (n_treated · n_control)), K the Kolmogorov distribution (Smirnov 1948, Annals
  of Mathematical Statistics 19:279), effective sizes for weighted samples (Monahan 2011, Numerical Methods of
  Statistics, ch. 12). Conservative for discrete covariates.
- Variance ratio: exp(z(1 − α/2) · √(e_treated + e_control)) with e = (κ − (n − 3)/n) / (n − 1), the variance of a log
  variance at kurtosis κ (Bonett 2006, Computational Statistics & Data Analysis 50:775; kurtosis pooled over both arms
  as in Layard 1973): prior days and wages have long tails, and the F distribution would be far too narrow. The log of
  a variance is near normal only from some size on: in an arm of fewer than 30, where all may have had no leave at all,
  chance can reach any ratio.
- Share matched: the smallest share that a binomial with the required share gives with probability above α.

Matched arms resemble each other more than independent ones, so the bounds are wide and the warning is the milder
verdict than it should be at most. An exceedance inside the noise is not evidence of balance (Imai, King & Stuart 2008,
JRSS A 171:481): that is why it warns and does not pass.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special, stats

from pipeline.matching.balance import BalanceTable, CovariateBalance

Status = Literal["pass", "warn", "fail"]
FEWEST_FOR_NORMAL = 1_000
"""Expected holders in each arm from which a difference of shares is near enough to normal, far out in its tails."""
SMALLEST_FOR_VARIANCE = 30
"""Effective size of an arm below which its variance tells nothing against chance."""


@dataclass(frozen=True)
class GateRule:
    """Limits of the gate; the defaults are the study's.

    Attributes:
        smd: Every |SMD| after matching stays below it.
        strict_smd: The limit for the covariates named in ``strict`` (prior days, prognostic score).
        strict: Their names.
        variance_ratio: Smallest and largest allowed ratio of variances (continuous covariates).
        ks: Every Kolmogorov–Smirnov distance stays below it.
        share_matched: Smallest share of treated units matched.
        confidence: Family-wise confidence of the noise bounds.
    """

    smd: float = 0.1
    strict_smd: float = 0.05
    strict: frozenset[str] = frozenset()
    variance_ratio: tuple[float, float] = (0.5, 2.0)
    ks: float = 0.1
    share_matched: float = 0.9
    confidence: float = 0.95

    def smd_limit(self, covariate: str) -> float:
        """The |SMD| limit of one covariate."""
        return self.strict_smd if covariate in self.strict else self.smd


@dataclass(frozen=True)
class GateFinding:
    """One limit exceeded.

    Attributes:
        group: The group (département) concerned, None for the whole sample.
        covariate: The covariate, None for the share matched.
        statistic: ``smd``, ``variance_ratio``, ``ks`` or ``share_matched``.
        value: What was found; NaN when it cannot be computed.
        limit: What was allowed.
        noise_bound: How far chance alone may go, on the side of the value.
        status: ``warn`` within the bound, ``fail`` beyond it.
    """

    group: int | None
    covariate: str | None
    statistic: Literal["smd", "variance_ratio", "ks", "share_matched"]
    value: float
    limit: float
    noise_bound: float
    status: Literal["warn", "fail"]


@dataclass(frozen=True)
class GateVerdict:
    """The worst of the findings, and all of them (whole sample first, then groups, in table order)."""

    status: Status
    findings: tuple[GateFinding, ...]

    def summary(self) -> str:
        """The verdict in a sentence, then a line per finding."""
        lines = [f"Balance gate: {self.status} ({len(self.findings)} limits exceeded)."]
        for finding in self.findings:
            where = "" if finding.group is None else f" in group {finding.group}"
            what = finding.statistic if finding.covariate is None else f"{finding.statistic} of {finding.covariate}"
            lines.append(
                f"  {finding.status}: {what}{where} = {finding.value:.4g}, limit {finding.limit:.4g}, "
                f"chance alone reaches {finding.noise_bound:.4g}"
            )
        return "\n".join(lines)


def gate(
    balance: BalanceTable,
    *,
    rule: GateRule | None = None,
    by_group: Mapping[int, BalanceTable] | None = None,
) -> GateVerdict:
    """Judge a matched sample, and each of its groups.

    Args:
        balance: Balance of the whole sample.
        rule: The limits; the study's defaults when None.
        by_group: Balance by group (`balance.balance_by_group`), or None.

    Returns:
        The verdict.

    Raises:
        ValueError: When ``rule.strict`` names a covariate the table does not have, or the table is empty.
    """
    limits = GateRule() if rule is None else rule
    known = {row.covariate for row in balance.rows}
    if not known:
        raise ValueError("the balance table has no covariate: there is nothing to judge.")
    if not limits.strict <= known:
        raise ValueError(f"strict covariates without a balance row: {', '.join(sorted(limits.strict - known))}.")
    findings = _judge_family([(None, balance)], limits)
    if by_group:
        findings += _judge_family(list(by_group.items()), limits)
    statuses = {finding.status for finding in findings}
    status: Status = "fail" if "fail" in statuses else "warn" if "warn" in statuses else "pass"
    return GateVerdict(status, tuple(findings))


def smd_noise(alpha: float, ess_treated: float, ess_control: float, spread: float, freedom: float) -> float:
    """Bound on |SMD| under equal distributions, two-sided at ``alpha``; infinite where the spread is not known."""
    if min(ess_treated, ess_control, freedom) <= 0 or np.isnan(spread):
        return float("inf")
    return float(special.stdtrit(freedom, 1 - alpha / 2) * spread * np.sqrt(1 / ess_treated + 1 / ess_control))


def share_difference_noise(alpha: float, ess_treated: float, ess_control: float, share: float) -> float:
    """Bound on the difference of two shares under equal distributions: exceeded with probability ``alpha`` at most.

    Args:
        alpha: Two-sided level.
        ess_treated: Effective size of the treated arm; both sizes are rounded to persons.
        ess_control: Effective size of the control arm.
        share: Share in the population both arms are drawn from.

    Returns:
        The smallest bound d with P(|X/n - Y/m| > d) <= alpha, X and Y binomial.
    """
    sizes = [max(1, round(size)) for size in (ess_treated, ess_control)]
    held, weight = [], []
    for size in sizes:
        # What is left out on either side weighs less than a billionth of alpha.
        low, high = stats.binom.ppf(alpha * 1e-9, size, share), stats.binom.isf(alpha * 1e-9, size, share)
        count = np.arange(max(low - 1, 0), min(high + 1, size) + 1)
        held.append(count / size)
        weight.append(stats.binom.pmf(count, size, share))
    gap = np.abs(held[0][:, None] - held[1][None, :]).ravel()
    order = np.argsort(-gap, kind="stable")
    beyond = np.cumsum((weight[0][:, None] * weight[1][None, :]).ravel()[order])
    return float(gap[order[np.searchsorted(beyond, alpha, side="right")]])


def ks_noise(alpha: float, ess_treated: float, ess_control: float) -> float:
    """Bound on the Kolmogorov–Smirnov distance under equal distributions, at most 1."""
    if min(ess_treated, ess_control) <= 0:
        return 1.0
    return float(min(1.0, special.kolmogi(alpha) * np.sqrt(1 / ess_treated + 1 / ess_control)))


def variance_ratio_noise(alpha: float, ess_treated: float, ess_control: float, kurtosis: float) -> float:
    """Largest variance ratio under equal distributions, two-sided at ``alpha`` (its inverse is the smallest)."""
    if min(ess_treated, ess_control) < SMALLEST_FOR_VARIANCE or np.isnan(kurtosis):
        return float("inf")
    variance = sum((kurtosis - (n - 3) / n) / (n - 1) for n in (ess_treated, ess_control))
    return float(np.exp(special.ndtri(1 - alpha / 2) * np.sqrt(variance)))


def share_noise(alpha: float, n_treated: int, share: float) -> float:
    """The ``alpha`` quantile of the share matched among n units, each matched with probability ``share`` (binomial)."""
    reached = special.bdtr(np.arange(n_treated + 1), n_treated, share)
    return float(np.searchsorted(reached, alpha)) / n_treated


def _judge_family(tables: Sequence[tuple[int | None, BalanceTable]], rule: GateRule) -> list[GateFinding]:
    n_statistics = sum(1 + sum(2 if row.binary else 3 for row in table.rows) for _, table in tables)
    alpha = (1 - rule.confidence) / n_statistics
    return [finding for group, table in tables for finding in _judge_table(group, table, rule, alpha)]


def _judge_table(group: int | None, table: BalanceTable, rule: GateRule, alpha: float) -> list[GateFinding]:
    findings: list[GateFinding] = []
    if table.share_matched < rule.share_matched:
        noise = share_noise(alpha, table.n_treated, rule.share_matched)
        # A group of which nobody is matched has no comparison at all, however small it is.
        within = table.n_treated_matched > 0 and table.share_matched >= noise
        findings.append(
            GateFinding(group, None, "share_matched", table.share_matched, rule.share_matched, noise, _status(within))
        )
    if table.n_treated_matched:
        for row in table.rows:
            findings += _judge_row(group, table, row, rule, alpha)
    return findings


def _judge_row(
    group: int | None, table: BalanceTable, row: CovariateBalance, rule: GateRule, alpha: float
) -> list[GateFinding]:
    findings: list[GateFinding] = []
    sizes = (table.ess_treated, table.ess_control)
    limit = rule.smd_limit(row.covariate)
    if not abs(row.smd_after) < limit:
        noise = _smd_noise_of(row, alpha, sizes, table.freedom)
        # A bound on counts is often reached exactly: rounding must not decide.
        within = abs(row.smd_after) <= noise * (1 + 1e-9)
        findings.append(GateFinding(group, row.covariate, "smd", row.smd_after, limit, noise, _status(within)))
    if not row.binary:
        low, high = rule.variance_ratio
        ratio = row.variance_ratio_after
        if not low <= ratio <= high:
            noise = variance_ratio_noise(alpha, *sizes, row.kurtosis)
            # One unit has no variance: nothing can be said, which is a warning and not an imbalance.
            within = bool(np.isnan(ratio) or 1 / noise <= ratio <= noise)
            limit, noise = (low, 1 / noise) if ratio < low else (high, noise)
            findings.append(GateFinding(group, row.covariate, "variance_ratio", ratio, limit, noise, _status(within)))
    if not row.ks_after < rule.ks:
        noise = ks_noise(alpha, *sizes)
        within = row.ks_after <= noise
        findings.append(GateFinding(group, row.covariate, "ks", row.ks_after, rule.ks, noise, _status(within)))
    return findings


def _smd_noise_of(row: CovariateBalance, alpha: float, sizes: tuple[float, float], freedom: float) -> float:
    rarer = min(row.share, 1 - row.share) if row.binary else float("nan")
    if min(sizes) > 0 and 0 < rarer * min(sizes) < FEWEST_FOR_NORMAL:
        return share_difference_noise(alpha, *sizes, row.share) * abs(row.smd_of_share)
    return smd_noise(alpha, *sizes, row.spread, freedom)


def _status(within_noise: bool) -> Literal["warn", "fail"]:
    return "warn" if within_noise else "fail"
