"""Identifiers look like the real ones: keys, check digits, distinctness."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.simulation.columns import mixed, nirs, pseudonyms, sirets, text_column
from pipeline.simulation.register import birth_orders

PLACES = [*range(1, 20), 20, *range(21, 96), 99, 201, 202, *range(971, 977)]


@given(
    sex=st.integers(1, 2),
    year=st.integers(1930, 2005),
    month=st.integers(1, 12),
    place=st.sampled_from(PLACES),
    commune=st.integers(1, 999),
    order=st.integers(1, 999),
)
def test_a_number_carries_its_key(sex: int, year: int, month: int, place: int, commune: int, order: int) -> None:
    row = nirs(*(np.array([value]) for value in (sex, year, month, place, commune, order)))
    nir = row.tobytes().decode()
    assert len(nir) == 15
    assert nir.startswith(f"{sex}{year % 100:02d}{month:02d}")
    number = int(nir[:13].replace("2A", "19").replace("2B", "18"))
    assert 97 - number % 97 == int(nir[13:])


def test_corsica_and_overseas_are_written_as_insee_does() -> None:
    place = np.array([201, 202, 974, 99])
    ones = np.ones(4, dtype=int)
    rows = nirs(ones, 1980 * ones, ones, place, 123 * ones, ones)
    assert [row.tobytes().decode()[5:10] for row in rows] == ["2A123", "2B123", "97423", "99123"]


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
def test_a_siret_passes_the_luhn_check(numbers: list[int]) -> None:
    for row in sirets(np.array(numbers, dtype=np.uint64)):
        text = row.tobytes().decode()
        assert len(text) == 14
        total = 0
        for rank, digit in enumerate(reversed(text)):
            value = int(digit) * (2 if rank % 2 else 1)
            total += value - 9 if value > 9 else value
        assert total % 10 == 0


def test_pseudonyms_never_collide() -> None:
    rows = pseudonyms("P", mixed(1, "pseudonym", np.arange(50_000)))
    texts = text_column(rows).to_pylist()
    assert len(set(texts)) == 50_000
    assert all(len(text) == 17 and text[0] == "P" for text in texts[:100])


def test_a_column_keeps_its_empty_values() -> None:
    rows = np.array([[65, 66], [67, 68]], dtype=np.uint8)
    assert text_column(rows, np.array([True, False])).to_pylist() == ["AB", None]


def test_two_births_of_the_same_month_and_place_have_different_ranks() -> None:
    group = np.repeat(np.arange(3), [1_500, 999, 10])
    order, volume = birth_orders(group)
    assert order.min() >= 1
    assert order.max() <= 999
    assert len(set(zip(group.tolist(), order.tolist(), volume.tolist(), strict=True))) == len(group)
