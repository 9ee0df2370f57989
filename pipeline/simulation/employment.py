"""Employment at each month's end, for insured with a long or repeated leave and a sample of the others.

An insured who is never on leave for long can be in no arm of the study: carrying all of them would multiply the rows
without adding anything that is measured. The choice looks at the leaves of both worlds, so that it says nothing of the
programme.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.simulation.allowance import appears
from pipeline.simulation.columns import text_column
from pipeline.simulation.config import first_day, month_text
from pipeline.simulation.paths import HIRED, NEW_EMPLOYER
from pipeline.simulation.payment_lines import employers
from pipeline.simulation.population import CONTRACTS, SELF_EMPLOYED_CONTRACT
from pipeline.simulation.register import Identities
from pipeline.simulation.streams import generator
from pipeline.simulation.world import World

LONG_LEAVE_DAYS, REPEATED_LEAVES = 28, 3
"""A leave of so many days, or so many leaves over the whole time, puts a person in the register."""
SAMPLE_SHARE = 0.05
"""Share of the others that is carried too."""
CODES = np.array([f"{code:03d}" for code in range(100)])


def followed(world: World) -> np.ndarray:
    """Positions of the insured whose employment is delivered, increasing."""
    n = world.people.count
    chosen = generator(world.config.seed, "employment").random(n) < SAMPLE_SHARE
    since = first_day(world.config.first_delivery) - 365
    for paths in (world.observed, world.without):
        leaves = paths.leaves
        shown = appears(leaves) & (leaves.end >= since) & (leaves.start <= world.config.last_known_day)
        long = shown & (leaves.end - leaves.start + 1 >= LONG_LEAVE_DAYS)
        chosen[leaves.person[long]] = True
        chosen |= np.bincount(leaves.person[shown], minlength=n) >= REPEATED_LEAVES
    return np.flatnonzero(chosen)


@dataclass(frozen=True, slots=True)
class MonthEnd:
    """What one delivery says of employment at the end of the month before it, shape (P,).

    Attributes:
        delivery: months since 1970; the month told is the one before.
        person: positions, increasing.
        at_work: bool.
        salaried: bool, at work for an employer.
        rank: int64, employment events so far.
        same_employer: bool, at work for the same employer as the month before.
        termination: int64, DSN code of the month's loss of work, 0 without.
        is_first: nothing is known of the month before.
    """

    delivery: int
    person: np.ndarray
    at_work: np.ndarray
    salaried: np.ndarray
    rank: np.ndarray
    same_employer: np.ndarray
    termination: np.ndarray
    is_first: bool


def month_ends(world: World) -> Iterator[MonthEnd]:
    """Employment as each delivery tells it, in the order of deliveries.

    Args:
        world: a world.
    """
    config, people, jobs, fates = world.config, world.people, world.observed.jobs, world.observed.fates
    carried = followed(world)
    by_day = np.argsort(jobs.day, kind="stable")
    days = jobs.day[by_day]
    employed = np.ones(people.count, dtype=bool)
    rank = np.zeros(people.count, dtype=np.int64)
    lost = np.zeros(people.count, dtype=np.int64)
    self_employed = people.contract == SELF_EMPLOYED_CONTRACT
    gone = np.minimum(fates.death, fates.retirement)
    done = 0
    for delivery in range(config.first_delivery - 1, config.last_delivery + 1):
        month = delivery - 1
        until = first_day(delivery) - 1
        employed_before, rank_before = employed.copy(), rank.copy()
        upto = int(np.searchsorted(days, until, side="right"))
        lost[:] = 0
        # A person has several events in a month now and then: the last one stands, so they are taken in day order.
        person, code = jobs.person[by_day[done:upto]], jobs.code[by_day[done:upto]]
        works = (code == HIRED) | (code == NEW_EMPLOYER)
        employed[person] = works
        lost[person] = np.where(works, 0, code)
        np.add.at(rank, person, 1)
        done = upto
        if delivery < config.first_delivery:
            continue
        # The month in which a person leaves work for good is the last one with a row.
        who = carried[gone[carried] >= first_day(month)]
        at_work = employed[who]
        salaried = at_work & ~self_employed[who]
        yield MonthEnd(
            delivery=delivery,
            person=who,
            at_work=at_work,
            salaried=salaried,
            rank=rank[who],
            same_employer=employed_before[who] & (rank[who] == rank_before[who]),
            termination=np.where(at_work | self_employed[who], 0, lost[who]),
            is_first=delivery == config.first_delivery,
        )


def emploi_mensuel(world: World, identities: Identities) -> Iterator[tuple[int, pa.Table]]:
    """The employment table of each delivery, in order; each holds the month before it.

    Args:
        world: a world.
        identities: its identifiers.

    Yields:
        Delivery month (since 1970) and table `emploi_mensuel` of the input contract.
    """
    people, contract_names = world.people, pa.array(CONTRACTS, type=pa.string())
    for told in month_ends(world):
        who, at_work = told.person, told.at_work
        yield (
            told.delivery,
            pa.table(
                {
                    "nir": text_column(identities.nir[who]),
                    "mois": pa.array(np.full(len(who), month_text(told.delivery - 1)), type=pa.string()),
                    "en_emploi": pa.array(at_work, type=pa.bool_()),
                    "siret": text_column(employers(world, who, told.rank), told.salaried),
                    "nature_contrat": contract_names.take(
                        pa.array(people.contract[who].astype(np.int32), mask=~at_work, type=pa.int32())
                    ),
                    "quotite": pa.array(people.working_time[who].astype(np.int16), mask=~at_work, type=pa.int16()),
                    "meme_employeur": pa.array(
                        told.same_employer, mask=~told.salaried | told.is_first, type=pa.bool_()
                    ),
                    "motif_rupture": pa.array(
                        CODES[np.minimum(told.termination, 99)], mask=told.termination == 0, type=pa.string()
                    ),
                }
            ),
        )
