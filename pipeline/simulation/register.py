"""Identities and the register of the insured: who is called what, and which row each delivery carries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.simulation.columns import mixed, nirs, pseudonyms, text_column
from pipeline.simulation.config import first_day, month_of
from pipeline.simulation.names import FEMALE_NAMES, MALE_NAMES, SURNAMES
from pipeline.simulation.population import MISSING, NEVER, SECTORS, SIZES
from pipeline.simulation.streams import generator
from pipeline.simulation.world import World

OPEN_DATE = -135140
"""1600-01-01, the SNDS sentinel, in days since 1970."""
TWIN_SHARE = 0.0012
NEW_PSEUDONYM_SHARE = 0.01
"""Share of insured whose BEN_NIR_PSA changes once while data are delivered."""


@dataclass(frozen=True, slots=True)
class Identities:
    """Identifiers of the insured, shape (N,) or (N, width) of ASCII codes.

    Attributes:
        nir: social-security number with key, (N, 15).
        stable: BEN_IDT_ANO, (N, 17).
        pseudonym: BEN_NIR_PSA, (N, 17).
        new_pseudonym: the one that replaces it, (N, 17).
        switch_month: month from which it does, since 1970, or `NEVER`.
        rank: BEN_RNG_GEM.
        surname, first_name: positions in the lists of names (the latter in that of the person's sex).
        sex_code: BEN_SEX_COD as the register has it.
    """

    nir: np.ndarray
    stable: np.ndarray
    pseudonym: np.ndarray
    new_pseudonym: np.ndarray
    switch_month: np.ndarray
    rank: np.ndarray
    surname: np.ndarray
    first_name: np.ndarray
    sex_code: np.ndarray

    def pseudonyms_in(self, person: np.ndarray, month: np.ndarray) -> np.ndarray:
        """Pseudonym in force in given delivery months; uint8 (R, 17)."""
        new = month >= self.switch_month[person]
        current: np.ndarray = np.where(new[:, None], self.new_pseudonym[person], self.pseudonym[person])
        return current


def draw_identities(world: World) -> Identities:
    """Draw who is called what.

    Args:
        world: a world.

    Returns:
        Distinct numbers and pseudonyms; twins share a pseudonym and differ by rank.
    """
    rng = generator(world.config.seed, "identities")
    people, n = world.people, world.people.count
    codes = world.territory.codes.astype(np.int64)
    elsewhere = np.array([*range(1, 20), *range(21, 96), 971, 972, 973, 974, 976, 201, 202])
    draw = rng.random(n)
    place = np.where(draw < 0.68, codes[people.home], np.where(draw < 0.9, rng.choice(elsewhere, n), 99))
    # Corsica had one number, 20, until 1976.
    place = np.where(((place == 201) | (place == 202)) & (people.birth_year < 1976), 20, place)
    group = ((people.sex.astype(np.int64) * 100 + people.birth_year % 100) * 13 + people.birth_month) * 1000 + place
    order, volume = birth_orders(group)
    commune = np.where(place == 99, rng.integers(101, 420, n), rng.integers(1, 400, n))
    commune += volume * 400

    number = np.arange(n)
    twin = np.zeros(n, dtype=bool)
    twin[1::2] = rng.random(n // 2) < TWIN_SHARE / 2
    twin &= np.concatenate([[False], people.sex[1:] == people.sex[:-1]]) if n > 1 else twin
    owner = np.where(twin, number - 1, number)
    switches = (rng.random(n) < NEW_PSEUDONYM_SHARE) & ~twin & ~np.append(twin[1:], False)
    months = np.arange(world.config.first_delivery + 1, world.config.last_delivery + 1)
    switch_month = np.where(switches & (len(months) > 0), rng.choice(months, n) if len(months) else NEVER, NEVER)
    unknown_sex = rng.random(n)
    return Identities(
        nir=nirs(people.sex, people.birth_year.astype(np.int64), people.birth_month, place, commune, order),
        stable=pseudonyms("I", mixed(world.config.seed, "stable", number)),
        pseudonym=pseudonyms("P", mixed(world.config.seed, "pseudonym", owner)),
        new_pseudonym=pseudonyms("P", mixed(world.config.seed, "pseudonym", number + n)),
        switch_month=switch_month.astype(np.int32),
        rank=np.where(twin, 2, 1).astype(np.int64),
        surname=rng.integers(0, len(SURNAMES), n),
        first_name=np.where(
            people.sex == 1, rng.integers(0, len(MALE_NAMES), n), rng.integers(0, len(FEMALE_NAMES), n)
        ),
        sex_code=np.where(unknown_sex < 0.001, 0, np.where(unknown_sex < 0.002, 9, people.sex)),
    )


def birth_orders(group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks in the register of births that no two members of a group share.

    Args:
        group: number of the sex, month and place of birth of each person, int64 (N,).

    Returns:
        Rank 1..999, and how many times the group has filled a register before; int64 (N,).
    """
    by_group = np.argsort(group, kind="stable")
    ordered = group[by_group]
    rank = np.empty(len(group), dtype=np.int64)
    rank[by_group] = np.arange(len(group)) - np.searchsorted(ordered, ordered)
    # 38 is prime to 999: every rank is met once before one comes back.
    return (rank * 38 + group % 991) % 999 + 1, rank // 999


def department_codes(world: World, person: np.ndarray, month: np.ndarray) -> np.ndarray:
    """BEN_RES_DPT of persons in given months, text; `099` or `999` where the register does not know it."""
    known = world.territory.codes[world.people.residence(person, month)]
    unknown = np.where(person % 2 == 0, "099", "999")
    shown: np.ndarray = np.where(world.people.known_residence[person], known, unknown)
    return shown


def first_names(world: World, identities: Identities, person: np.ndarray) -> np.ndarray:
    """First names of persons; text, same shape."""
    male, female = np.array(MALE_NAMES), np.array(FEMALE_NAMES)
    rank = identities.first_name[person]
    names: np.ndarray = np.where(
        world.people.sex[person] == 1, male[np.minimum(rank, len(male) - 1)], female[np.minimum(rank, len(female) - 1)]
    )
    return names


@dataclass(frozen=True, slots=True)
class RegisterRows:
    """Which person gets a row in which delivery, sorted by month then person."""

    month: np.ndarray
    person: np.ndarray


def register_rows(world: World, identities: Identities) -> RegisterRows:
    """Everyone in the first delivery, then only those whose row changes.

    Args:
        world: a world.
        identities: its identifiers.

    Returns:
        Distinct pairs of month (since 1970) and position.
    """
    config, people, fates = world.config, world.people, world.observed.fates
    everyone = np.arange(people.count, dtype=np.int64)
    changes = [(np.full(people.count, config.first_delivery, dtype=np.int64), everyone)]
    days = (
        long_illness_start(world),
        np.where(people.ald_end < NEVER, people.ald_end, NEVER),
        fates.death,
        fates.retirement,
        fates.invalidity,
    )
    for day in days:
        known = (day > first_day(config.first_delivery)) & (day <= config.last_known_day)
        changes.append((month_of(day[known]).astype(np.int64), everyone[known]))
    for month in (people.move_month, identities.switch_month):
        known = (month > config.first_delivery) & (month <= config.last_delivery)
        changes.append((month[known].astype(np.int64), everyone[known]))
    address = np.unique(
        np.concatenate([m for m, _ in changes]) * people.count + np.concatenate([p for _, p in changes])
    )
    return RegisterRows(month=address // people.count, person=address % people.count)


def long_illness_start(world: World) -> np.ndarray:
    """First day in the long-term illness scheme, known beforehand or entered during a leave; int32 (N,)."""
    entered = world.observed.fates.long_illness
    start: np.ndarray = np.minimum(world.people.ald_start, entered).astype(np.int32)
    return start


def beneficiaires(world: World, identities: Identities, month: int, person: np.ndarray) -> pa.Table:
    """The register rows of one delivery, facts known by its last day.

    Args:
        world: a world.
        identities: its identifiers.
        month: delivery, months since 1970.
        person: positions of the rows, in order.

    Returns:
        Table `beneficiaires` of the input contract.
    """
    people, fates = world.people, world.observed.fates
    until = first_day(month + 1) - 1
    months = np.full(len(person), month)

    def date(days: np.ndarray, known: np.ndarray) -> pa.Array:
        return pa.array(days.astype(np.int32), mask=~known, type=pa.date32())

    start = long_illness_start(world)[person]
    in_scheme = start <= until
    ended = in_scheme & (people.ald_end[person] <= until) & (start == people.ald_start[person])
    dead = fates.death[person] <= until
    blank = mixed(world.config.seed, "blanks", person)
    alive_as_sentinel = (blank & np.uint64(1)) == 0

    def missing(shift: int, share: float) -> np.ndarray:
        result: np.ndarray = ((blank >> np.uint64(shift)) & np.uint64(1023)).astype(np.float64) < share * 1024
        return result

    invalid = fates.invalidity[person] <= until
    pseudonym = identities.pseudonyms_in(person, months)
    size = people.size[person]
    return pa.table(
        {
            "nir": text_column(identities.nir[person]),
            "nom": pa.array(np.array(SURNAMES)[identities.surname[person]], type=pa.string()),
            "prenom": pa.array(first_names(world, identities, person), type=pa.string()),
            "BEN_NIR_PSA": text_column(pseudonym),
            "BEN_RNG_GEM": pa.array(identities.rank[person], type=pa.int16()),
            "BEN_IDT_ANO": text_column(identities.stable[person]),
            "BEN_SEX_COD": pa.array(identities.sex_code[person], type=pa.int16()),
            "BEN_NAI_ANN": pa.array(
                np.where(people.known_birth[person], people.birth_year[person], 1600), type=pa.int16()
            ),
            "BEN_RES_DPT": pa.array(department_codes(world, person, months), type=pa.string()),
            "BEN_DCD_DTE": date(np.where(dead, fates.death[person], OPEN_DATE), dead | alive_as_sentinel),
            "RGM_COD": pa.array(people.scheme[person], type=pa.int16()),
            "csp": pa.array(people.social_class[person], mask=missing(1, 0.05), type=pa.int16()),
            "ape": pa.array(SECTORS[people.sector[person]], mask=missing(11, 0.04), type=pa.string()),
            "taille_entreprise": pa.array(
                np.array(SIZES)[np.maximum(size, 0)], mask=(size == MISSING) | missing(21, 0.05), type=pa.string()
            ),
            "salaire_ref": pa.array(people.wage[person], mask=missing(31, 0.02), type=pa.float64()),
            "ald_debut": date(start, in_scheme),
            "ald_fin": date(
                np.where(ended, people.ald_end[person], OPEN_DATE), in_scheme & (ended | alive_as_sentinel)
            ),
            "invalidite_cat": pa.array(fates.invalidity_category[person], mask=~invalid, type=pa.int16()),
            "invalidite_debut": date(fates.invalidity[person], invalid),
            "retraite_debut": date(fates.retirement[person], fates.retirement[person] <= until),
        }
    )
