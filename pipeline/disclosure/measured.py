"""The differencing attack carried out on the tables about to leave, beside the same attack on true counts.

Figures handed over are about cells; the attacks on the microdata are in `attackers`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure import ledger
from pipeline.disclosure.attack import Claim, attack_newest
from pipeline.disclosure.attackers.measure import measure as measured
from pipeline.disclosure.facts import Attack
from pipeline.disclosure.system import Cell as SystemCell
from pipeline.disclosure.system import Floats
from pipeline.disclosure.tables import CountTable
from pipeline.tables.published import published

Release = tuple[str, pa.Table]
"""Month, its cells (schema `ledger.CELLS`)."""
Group = tuple[str, str, tuple[tuple[tuple[str, ...], str], ...]]
"""Earlier release of a change (or empty), table, cells."""

TOLD_TOGETHER = "other_modalities"
GROUPS = ("sex", "age_band", "leave_risk")
"""Characteristics by which the audit says who disappears."""


def differencing(described: Sequence[CountTable], releases: Sequence[Release], k: int, base: int) -> Attack | None:
    """Subtract parts from totals and each release from the later ones, to bound a group of fewer than k persons.

    A success is a claim on a group that truly holds 1 to k-1 persons; an attempt is a small cell, a small change of a
    cell since an earlier release, or any further group truly found. The control is the same attack on true counts.

    Args:
        described: the tables with their sums.
        releases: every release, the one about to be published last.
        k: least persons.
        base: rounding base.

    Returns:
        The measure; None where no group is that small.
    """
    true = [(month, counted(cells)) for month, cells in releases]
    wanted = _small_groups(true, k)

    def found(column: str, rounding: int) -> set[Group]:
        seen = [(month, ledger.tables_of(described, cells, column)) for month, cells in releases]
        claims = attack_newest(seen, k, base=rounding)
        return {_group(claim) for claim in claims if is_true(claim, dict(true), k)}

    protected, control = found("value", base), found("counted", 1)
    if not wanted | protected:
        return None
    return measured(
        "singling_out",
        "Retrouver un groupe de moins de k personnes par différence entre cases et entre publications "
        f"({len(releases)} comparées)",
        len(wanted | protected), len(protected), control=len(control) / max(len(wanted | control), 1), limit=0.0,
    )  # fmt: skip


def counted(cells: pa.Table) -> dict[tuple[str, str, str], int]:
    """True count of each cell: (table, key, measure) -> persons."""
    counts = cells.filter(pc.is_valid(cells["counted"]))
    names = zip(*(counts[name].to_pylist() for name in ("table", "key", "measure")), strict=True)
    return dict(zip(names, counts["counted"].to_pylist(), strict=True))


def _small_groups(true: Sequence[tuple[str, Mapping[tuple[str, str, str], int]]], k: int) -> set[Group]:
    *earlier, (_, now) = true
    small: set[Group] = set()
    for since, then in [("", None), *earlier]:
        for cell, count in now.items():
            before = 0 if then is None else then.get(cell)
            if before is not None and 0 < abs(count - before) < k:
                table, key, measure = cell
                small.add((since, table, ((tuple(json.loads(key)), measure),)))
    return small


def _group(claim: Claim) -> Group:
    return claim.since, claim.table, tuple(sorted(claim.cells))


def is_true(claim: Claim, true: Mapping[str, Mapping[tuple[str, str, str], int]], k: int) -> bool:
    """Whether the group of a claim truly holds, or moved by, 1 to k-1 persons.

    Args:
        claim: of an attacker.
        true: release -> `counted`.
        k: least persons.
    """
    cells = [(claim.table, key, measure) for key, measure in claim.cells]
    return is_few(cells, true[claim.release], true[claim.since] if claim.since else None, k)


def is_few(
    cells: Iterable[SystemCell],
    now: Mapping[tuple[str, str, str], int],
    then: Mapping[tuple[str, str, str], int] | None,
    k: int,
) -> bool:
    """Whether these cells truly hold, together, 1 to k-1 persons, or moved by as many.

    Args:
        cells: (table, key of the row, measure).
        now: `counted` of the release.
        then: of the earlier one, for a change.
        k: least persons.
    """
    return bool(0 < abs(moved(cells, now, then).sum()) < k)


def moved(
    cells: Iterable[SystemCell],
    now: Mapping[tuple[str, str, str], int],
    then: Mapping[tuple[str, str, str], int] | None,
) -> Floats:
    """By how many persons each of these cells moved since an earlier release, float64 `(cells,)`; NaN = not known.

    Args:
        cells: (table, key of the row, measure).
        now: `counted` of the release.
        then: of the earlier one; None = from nobody.
    """
    names = [(table, json.dumps(list(key), ensure_ascii=False), measure) for table, key, measure in cells]
    before = dict.fromkeys(names, 0) if then is None else then
    return np.array([now.get(name, np.nan) - before.get(name, np.nan) for name in names], np.float64)


def disappeared(profile: pa.Table) -> dict[str, float]:
    """Share of the accompanied persons of each group who are in masked cells of their platform.

    From the published table alone: what is not shown at a platform, or is told together with other groups, is what the
    group's total leaves over.

    Args:
        profile: `participant_profile`, as published.

    Returns:
        `variable : modality` in French -> share, 1 where the group's own total is masked.
    """
    frame = profile.select(["platform_id", "variable", "modality", "n"]).to_pandas()
    label = _labels("participant_profile")
    platforms = frame.loc[frame["platform_id"] != "all", "platform_id"].nunique()
    shares = {}
    for variable in GROUPS:
        mine = frame[frame["variable"] == variable]
        for modality, rows in mine.groupby("modality", sort=True):
            if modality == TOLD_TOGETHER:
                continue
            total = rows.loc[rows["platform_id"] == "all", "n"]
            parts = rows.loc[rows["platform_id"] != "all", "n"]
            if total.isna().all():
                share = 1.0
            else:
                masked = parts.isna().any() or len(parts) < platforms
                share = max(0.0, 1 - float(parts.sum()) / float(total.iloc[0])) if masked else 0.0
            shares[f"{label('variable', variable)} : {label('modality', str(modality))}"] = share
    return shares


def _labels(table: str) -> Callable[[str, str], str]:
    declared = {c.name: {code.code: code.label_fr for code in c.codes or ()} for c in published(table)}
    return lambda column, code: declared[column].get(code, code)
