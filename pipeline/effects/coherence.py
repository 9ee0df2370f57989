"""The two estimands held against each other.

If all a platform changes went through those it accompanies, and the accompanied were anyone, the effect on all the
insured (ITT) would be the share accompanied times the effect on them (ATT). The distance is selection into
accompaniment and what a platform changes for the others; it withholds nothing.

The same assumption turns the ITT into an effect on those accompanied because a platform was there (Wald ratio: Imbens &
Angrist 1994; nobody in a comparison département is accompanied, so that it is also the effect on the accompanied). It
is told only where enough are accompanied: a ratio to a small share is neither stable nor well covered.

Both share the départements left out with the effects they are made of.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pipeline.database import Connection
from pipeline.effects.analysis import Analysis
from pipeline.effects.difference import matched_difference
from pipeline.effects.jackknife import Estimate, combined, contrast
from pipeline.effects.sample import BoolArray
from pipeline.protocol import Protocol


@dataclass(frozen=True)
class Uptake:
    """Who of the treated of the ITT was accompanied within the primary horizon.

    Attributes:
        n_treated: treated persons with a complete horizon.
        n_accompanied: those accompanied.
        share: over the matched sets with a complete horizon, with its replicates.
    """

    n_treated: int
    n_accompanied: int
    share: Estimate


def accompanied(connection: Connection, protocol: Protocol, itt: Analysis) -> BoolArray:
    """bool[n]: members accompanied within the primary horizon: first contact before its end, and agreement."""
    connection.register("members", itt.members.select(["member", "person", "time_zero"]))
    listed = connection.execute(
        "SELECT DISTINCT m.member FROM members AS m JOIN reports AS r USING (person) JOIN agreed_cases "
        "USING (person, case_number) WHERE r.first_contact_date < m.time_zero + CAST($days AS INTEGER)",
        {"days": protocol.study.primary_horizon_days},
    ).fetchall()
    marked: BoolArray = np.isin(itt.members["member"].to_numpy(), [member for (member,) in listed])
    return marked


def uptake(connection: Connection, protocol: Protocol, itt: Analysis) -> Uptake:
    """Share of the treated accompanied within the primary horizon."""
    marked = accompanied(connection, protocol, itt)
    complete = itt.horizons[protocol.study.primary_horizon_months].complete
    treated = itt.sample.treated & complete
    rule = protocol.inference
    share = matched_difference(
        itt.sample, (marked & itt.sample.treated).astype(np.float64), complete,
        level=rule.level, minimum_clusters=rule.minimum_departments,
    ).estimate  # fmt: skip
    return Uptake(int(treated.sum()), int((marked & treated).sum()), share)


def coherence(itt: Estimate, att: Estimate, share: Estimate, *, minimum_clusters: int = 3) -> tuple[Estimate, Estimate]:
    """What the ITT would be if all went through the accompanied (share × ATT), and the ITT less that."""
    through = combined(share, att, np.multiply, minimum_clusters=minimum_clusters)
    return through, contrast(itt, through, minimum_clusters=minimum_clusters)


def complier_effect(
    itt: Estimate, share: Estimate, *, minimum_uptake: float, minimum_clusters: int = 3
) -> Estimate | None:
    """The ITT per person accompanied (Wald ratio), None below the least share accompanied."""
    if math.isnan(share.value) or share.value < minimum_uptake or share.value <= 0:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        return combined(itt, share, np.divide, minimum_clusters=minimum_clusters)
