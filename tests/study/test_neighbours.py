"""Which départements touch which."""

from __future__ import annotations

import csv

from pipeline.study.neighbours import FILE, neighbours

MAINLAND = {f"{number:03d}" for number in range(1, 96) if number != 20}


def pairs() -> list[tuple[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return [(row["department_code"], row["neighbour_code"]) for row in csv.DictReader(file)]


def test_each_pair_is_there_once_in_order_and_of_known_codes():
    listed = pairs()
    assert listed == sorted(set(listed))
    assert all(a < b for a, b in listed)
    assert {code for pair in listed for code in pair} == MAINLAND | {"201", "202"}


def test_touching_is_mutual():
    for code in MAINLAND | {"201", "202"}:
        assert all(code in neighbours([other]) for other in neighbours([code]))
        assert code not in neighbours([code])


def test_the_mainland_is_one_piece_and_corsica_another():
    reached = {"001"}
    while more := neighbours(reached) - reached:
        reached |= more
    assert reached == MAINLAND
    assert neighbours(["201"]) == {"202"}


def test_no_more_pairs_than_a_map_can_have():
    assert len(pairs()) <= 3 * len(MAINLAND) - 6  # Euler: a planar map


def test_what_everyone_knows():
    assert neighbours(["075"]) == {"092", "093", "094"}
    assert neighbours(["029"]) == {"022", "056"}
    assert neighbours(["059"]) == {"002", "062", "080"}
    assert neighbours(["066"]) == {"009", "011"}
    assert neighbours(["069"]) == {"001", "038", "042", "071"}
    assert neighbours(["974", "971", "unknown"]) == frozenset()
    assert neighbours(["029", "035"]) == {"022", "056", "044", "049", "050", "053"}
