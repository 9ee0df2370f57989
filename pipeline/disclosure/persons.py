"""The published microdata: one row per person of the ITT cohort, generalised within its quarter and arm.

A quarter of entrants is anonymised once, when the year after the last possible time zero is observed; later releases
repeat its rows. The quarter is that of the start of the leave, on which matched sets are exact: a set is never split.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.disclosure.hierarchy import Hierarchy, HierarchyError
from pipeline.disclosure.microdata import AnonymisedMicrodata, anonymise
from pipeline.effects.analysis import Analysis
from pipeline.protocol import Protocol
from pipeline.study.covariates import band_label
from pipeline.study.states import CENSORED
from pipeline.study.strata import strata_of
from pipeline.tables.generalisation import MICRODATA
from pipeline.tables.published import RELEASE, published

SENSITIVE = "state_12m"


def hierarchies(protocol: Protocol) -> dict[str, Hierarchy]:
    """Generalisation paths of the quasi-identifiers, as the registry of the tables declares them.

    Raises:
        HierarchyError: if the protocol's age bands are not those that the registry generalises.
    """
    declared = {name: Hierarchy(generalisation.paths()) for name, generalisation in MICRODATA.items()}
    bands = protocol.study.age_bands
    if not {band_label(i, bands) for i in range(len(bands))} <= set(declared["age_band"].leaves):
        raise HierarchyError("the protocol has an age band that the microdata's generalisation does not know")
    return declared


@dataclass(frozen=True, slots=True)
class Block:
    """One quarter of entrants, both arms.

    Attributes:
        quarter: `YYYY-Qn`, of the start of the leave.
        table: published rows without `release`; empty when a rule could not be met.
        parts: the figures of each arm's anonymisation.
    """

    quarter: str
    table: pa.Table
    parts: tuple[AnonymisedMicrodata, ...]


def complete_quarters(found: Analysis, protocol: Protocol, follow_up_end: dt.date) -> list[str]:
    """Quarters whose every possible entrant has been followed for the primary horizon.

    A return is known `sustained_return_days` after its first day, which may be the day of the horizon itself, whose
    state is told: a quarter is frozen for good, so it waits for that too.
    """
    quarters = sorted(set(found.units["start_quarter"].to_pylist()))
    study = protocol.study
    days = study.trigger_days + study.primary_horizon_days + study.sustained_return_days
    return [q for q in quarters if _quarter_end(q) + dt.timedelta(days=days) <= follow_up_end]


def _quarter_end(quarter: str) -> dt.date:
    year, number = int(quarter[:4]), int(quarter[-1])
    following = dt.date(year + (number == 4), 1 if number == 4 else 3 * number + 1, 1)
    return following - dt.timedelta(days=1)


def frame(found: Analysis, person_id: pa.ChunkedArray, protocol: Protocol, twelve_month_state: np.ndarray) -> pa.Table:
    """Microdata before generalisation, one row per person in a set whose year is complete.

    A comparison person may serve treated persons of several départements, always from the same day on: its row weighs
    what its memberships weigh together.

    Args:
        found: the ITT analysis.
        person_id: pseudonym of each member, to break ties.
        protocol: roundings.
        twelve_month_state: str[n], state at the primary horizon.
    """
    six, year = (found.horizons[m] for m in (6, protocol.study.primary_horizon_months))
    strata, disclosure = strata_of(found.units, protocol), protocol.disclosure
    person = found.sample.person_code
    weight = np.bincount(person, weights=found.sample.weights(eligible=year.complete))[person]
    once = np.zeros(len(person), dtype=np.bool_)
    once[np.unique(person, return_index=True)[1]] = True
    treated = found.sample.treated
    sector = pc.fill_null(found.units["sector"], "unknown")
    rows = pa.table(
        {
            "person_id": person_id,
            "index_quarter": found.units["start_quarter"],
            "arm": found.members["arm"],
            "weight": pa.array(np.round(weight, 6)),
            "sex": pa.array(strata["sex"], pa.string()),
            "age_band": pa.array(strata["age_band"], pa.string()),
            "territory": pa.array(np.where(treated, "designated", "not_designated"), pa.string()),
            "status": pa.array(strata["status"], pa.string()),
            "sector": sector,
            "cause": pa.array(strata["cause"], pa.string()),
            "days_on_leave_6m": _to(six.outcomes["days_on_leave"], disclosure.days_rounding),
            "days_on_leave_12m": _to(year.outcomes["days_on_leave"], disclosure.days_rounding),
            "returned_6m": _known(six.outcomes["sustained_return_to_work"]),
            "returned_12m": _known(year.outcomes["sustained_return_to_work"]),
            "state_12m": pa.array(twelve_month_state, pa.string()),
            "allowance_eur_12m": _to(year.outcomes["allowance_eur"], disclosure.euros_rounding),
        }
    )
    return rows.filter(pa.array(once & (weight > 0)))


def _known(values: np.ndarray) -> pa.Array:
    """Whether a 0/1 value is 1; empty where it is not known yet."""
    return pa.array(values > 0, mask=np.isnan(values))


def _to(values: np.ndarray, base: int) -> pa.Array:
    """Nearest multiple of the base, halves up."""
    return pa.array((np.floor(values / base + 0.5) * base).astype(np.int64))


def published_states(state: np.ndarray) -> np.ndarray:
    """States as they are published, from those on the day of the primary horizon (`states_on`).

    There is no CRPE among them: too few persons for k and l, and known of the accompanied alone, whom it would mark.
    Follow-up that has ended says nothing: unknown, in no quarter that is complete.

    Args:
        state: str[n].
    """
    published_: np.ndarray = np.where(state == CENSORED, "unknown", state)
    return published_


def anonymise_quarter(rows: pa.Table, quarter: str, protocol: Protocol) -> Block:
    """Generalise one quarter of entrants, each arm by itself: the arm says the territory, which stays exact."""
    columns = [name for name in published("microdata").names if name != RELEASE.name]
    parts, tables = [], []
    for arm in ("treated", "comparison"):
        mine = rows.filter(pc.and_(pc.equal(rows["index_quarter"], quarter), pc.equal(rows["arm"], arm)))
        part = anonymise(
            mine, quasi_identifiers={n: h for n, h in hierarchies(protocol).items() if n != "territory"},
            k=protocol.disclosure.k, sensitive={SENSITIVE: protocol.disclosure.l}, key="person_id",
        )  # fmt: skip
        parts.append(part)
        tables.append(part.table.select(columns))
    whole = pa.concat_tables(tables)
    # One arm without the other would not be a comparison: a quarter is released whole or not at all.
    return Block(quarter, whole.slice(0, 0) if any(part.refused for part in parts) else whole, tuple(parts))


def utility(table: pa.Table, protocol: Protocol) -> tuple[float, dict[str, list[float]]]:
    """What generalisation cost, from the published rows alone, over every quarter.

    Args:
        table: published rows, at least one.
        protocol: the age bands.

    Returns:
        Mean share of the domain lost per generalised cell, in [0, 1] (`*` = 1); and column -> share of persons at each
        level, the leaf first. `territory` is never generalised and is left out.
    """
    losses, levels = [], {}
    for name, hierarchy in hierarchies(protocol).items():
        if name == "territory":
            continue
        lost, level = {}, {}
        for number in reversed(range(hierarchy.levels)):  # a name met at two levels says no more than its leaf
            held: dict[str, int] = {}
            for path in hierarchy.paths.values():
                held[path[number]] = held.get(path[number], 0) + 1
            for value, leaves in held.items():
                level[value], lost[value] = number, (leaves - 1) / max(len(hierarchy.leaves) - 1, 1)
        values = table[name].to_pylist()
        losses.append(np.mean([lost[value] for value in values]))
        counted = np.bincount([level[value] for value in values], minlength=hierarchy.levels)
        levels[name] = [float(share) for share in counted / len(values)]
    return float(np.mean(losses)), levels


def all_masked(table: pa.Table) -> int:
    """Persons published with `*` in every quasi-identifier that is generalised."""
    masked = np.ones(table.num_rows, dtype=np.bool_)
    for name in ("sex", "age_band", "status", "sector", "cause"):
        masked &= pc.equal(table[name], "*").to_numpy(zero_copy_only=False)
    return int(masked.sum())


def headline(table: pa.Table) -> float | None:
    """The headline from the published file alone: weighted mean days of the treated minus the comparison."""
    weight, days = (table[name].to_numpy().astype(np.float64) for name in ("weight", "days_on_leave_12m"))
    treated = pc.equal(table["arm"], "treated").to_numpy(zero_copy_only=False)
    if not weight[treated].sum() or not weight[~treated].sum():
        return None
    means = [float(np.average(days[arm], weights=weight[arm])) for arm in (treated, ~treated)]
    return means[0] - means[1]
