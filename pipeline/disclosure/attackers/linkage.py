"""Whose row is it: one file against the microdata, the microdata against the tables, a release against the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure.attack import unrounded
from pipeline.disclosure.attackers.measure import measure
from pipeline.disclosure.attackers.rows import GENERALISED, PLACE, QUASI_IDENTIFIERS, lines_of
from pipeline.disclosure.attackers.tally import Paths, leaves_under, tally
from pipeline.disclosure.facts import Attack

CRITERION = "linkability"
ALL, STRATA = "all", ("sex", "age_band", "status", "cause")
"""Kinds of strata of `impact` that are columns of the microdata too."""


def generalised(paths: Paths) -> Paths:
    """The hierarchies of the columns that are generalised."""
    return {name: paths[name] for name in GENERALISED}


def singling_out(rows: pa.Table, raw: pa.Table | None, paths: Paths, k: int) -> Attack:
    """Look for persons whom fewer than k published rows can be (prosecutor: the person is known to be in the file).

    Args:
        rows: published microdata, at least one row.
        raw: the rows before generalisation; None where they are not at hand.
        paths: hierarchies, as published.
        k: least candidates.
    """

    def alone(table: pa.Table) -> float:
        lines, persons, _ = lines_of(table, QUASI_IDENTIFIERS)
        found = tally(lines, lines, persons[:, None], paths=generalised(paths), exact=PLACE)[:, 0]
        return float(persons[found < k].sum())

    return measure(
        "singling_out",
        "Isoler une personne des microdonnées par ses quasi-identifiants, parmi moins de k lignes compatibles",
        rows.num_rows, alone(rows), control=share_of(alone, raw), limit=0.0,
    )  # fmt: skip


def share_of(attack: Callable[[pa.Table], float], raw: pa.Table | None) -> float | None:
    """Share of unprotected rows that fall to an attack; None without such rows."""
    return float(attack(raw)) / raw.num_rows if raw is not None and raw.num_rows else None


def from_a_file(
    name: str,
    rows: pa.Table,
    raw: pa.Table | None,
    paths: Paths,
    base: int,
    *,
    known: Sequence[str] = (),
    beyond: bool = False,
    limit: float | None = None,
) -> Attack | None:
    """Link each person of a file with exact quasi-identifiers and the quarter to one row, drawn among those that fit.

    A draw among c rows is right once in c: successes are expected ones. The guess without the quasi-identifiers of the
    release draws among the rows of the quarter and arm.

    Args:
        name: what the file is, in French.
        rows: published microdata.
        raw: the rows before generalisation: the attacker's file; None where they are not at hand.
        paths: hierarchies, as published.
        base: rounding base of the number of attempts, which rests on restricted rows.
        known: columns of the rows that the file holds too, as exactly as they are published.
        beyond: see `Attack`.
        limit: see `Attack`.

    Returns:
        None without raw rows (a base of them, rounded).
    """
    listed = 0 if raw is None else raw.num_rows
    attempts = base * round(listed / base)
    if raw is None or not attempts or not rows.num_rows:
        return None
    targets, wanted, _ = lines_of(raw, (*QUASI_IDENTIFIERS, *known))

    def rightly(table: pa.Table, columns: Paths, exact: Sequence[str]) -> float:
        lines, persons, _ = lines_of(table, (*QUASI_IDENTIFIERS, *known))
        found = tally(targets, lines, persons[:, None], paths=columns, exact=exact)[:, 0]
        # Rows published before some persons were erased or corrected fit nobody: no success.
        return float((wanted[found > 0] / found[found > 0]).sum()) / listed

    every = (*PLACE, *GENERALISED, *known)
    return measure(
        CRITERION, name, attempts, attempts * rightly(rows, generalised(paths), (*PLACE, *known)),
        control=rightly(raw, {}, every), baseline=rightly(rows, {}, PLACE), beyond=beyond, limit=limit, restricted=True,
    )  # fmt: skip


def over_releases(rows: pa.Table, before: pa.Table, again: pa.Table | None, paths: Paths, k: int) -> Attack | None:
    """Follow persons from an earlier release to this one: two versions of a row leave fewer candidates than each.

    A success is a row of the earlier release that this one does not repeat as it was. The control looks at the same
    quarters, anonymised again: persons whose candidates in the one version and in the other are fewer than k together.

    Args:
        rows: published microdata.
        before: those of an earlier release.
        again: persons with `PLACE` and two versions of each generalised column beside them (`…_1`, `…_2`); None where
            raw rows are not at hand.
        paths: hierarchies, as published.
        k: least candidates.

    Returns:
        None where the earlier release has no rows.
    """
    if not before.num_rows:
        return None
    columns = [name for name in rows.column_names if name in before.column_names and name != "release"]
    then, now = (table.select(columns).to_pandas().value_counts(sort=False, dropna=False) for table in (before, rows))
    kept = then.combine(now.reindex(then.index).fillna(0), min)
    return measure(
        CRITERION, "Suivre une personne d'une publication à l'autre par deux versions de sa ligne",
        before.num_rows, before.num_rows - float(kept.sum()), limit=0.0,
        control=None if again is None or not again.num_rows else _crossed(again, paths, k),
    )  # fmt: skip


def _crossed(again: pa.Table, paths: Paths, k: int) -> float:
    """Share of the persons whom fewer than k others share both versions with."""
    both = [*PLACE, *(f"{name}_{number}" for name in GENERALISED for number in "12")]
    _, persons, of = lines_of(again, both)
    return float((persons[of] < k).mean())


def with_tables(
    rows: pa.Table, impact: pa.Table, paths: Paths, k: int, base: int, *, true: tuple[pa.Table, pa.Table] | None
) -> Attack | None:
    """Subtract the rows of a stratum from the persons that `impact` says are behind its effect, arm by arm.

    Everyone in the microdata is behind the effect, which also has those of quarters that are not complete yet. No rule
    stands against it where these are few: the audit tells how often it succeeds, and has no limit for it. The
    attacker claims a difference that is surely of 1 to k-1 persons, rounding and hierarchies known; he takes a figure
    that stands from an earlier release for a new one, so that only a claim that exact figures bear out is a success.

    Args:
        rows: published microdata.
        impact: rows of the published table with the headline's estimand, outcome and horizon.
        paths: hierarchies, as published.
        k: least persons.
        base: rounding base.
        true: (exact rows of the same quarters, `impact` with exact counts), which are the control too; None where not
            at hand: every claim then counts.

    Returns:
        None where nothing can be subtracted.
    """

    def small(table: pa.Table, effects: pa.Table, rounding: int) -> dict[tuple[str, str, str], bool]:
        found = {}
        for arm, column in (("treated", "n_treated"), ("comparison", "n_comparison")):
            mine = table.filter(pc.equal(table["arm"], arm)).to_pandas()
            for effect in effects.to_pylist():
                kind, stratum = effect["stratum_type"], effect["stratum"]
                if effect[column] is None or kind not in (ALL, *STRATA):
                    continue
                low, high = unrounded(effect[column], rounding, k)
                surely, possibly = _rows_of(mine, kind, stratum, paths)
                found[column, kind, stratum] = low - possibly >= 1 and high - surely < k
        return found

    claimed = small(rows, impact, base)
    if not claimed:
        return None
    exact = {} if true is None else small(*true, 1)
    return measure(
        CRITERION, "Retrancher les lignes des microdonnées des effectifs de la table des effets, strate par strate, "
        "pour isoler moins de k personnes", len(claimed),
        sum(claim and exact.get(group, True) for group, claim in claimed.items()),
        control=sum(exact.values()) / len(exact) if exact else None,
    )  # fmt: skip


def _rows_of(rows: pd.DataFrame, kind: str, stratum: str, paths: Paths) -> tuple[int, int]:
    """Rows that are surely, and rows that may be, of a stratum."""
    if kind == ALL:
        return len(rows), len(rows)
    under = leaves_under(paths[kind])
    counts = [(under.get(str(value), {str(value)}), int(n)) for value, n in rows[kind].value_counts().items()]
    return sum(n for leaves, n in counts if leaves == {stratum}), sum(n for leaves, n in counts if stratum in leaves)
