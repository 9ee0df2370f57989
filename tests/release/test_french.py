"""Figures read as correct French, and words never say more than the interval does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.release import french

THIN, HARD = "\u202f", "\u00a0"
bounds = st.floats(min_value=-10_000, max_value=10_000).filter(lambda x: x != 0)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234567, 0, f"1{THIN}234{THIN}567"),
        (-5.74, 1, "\u22125,7"),
        (-0.04, 1, "0,0"),
        (0.5, 2, "0,50"),
        (None, 1, "n.p."),
    ],
)
def test_numbers_have_a_decimal_comma_thin_spaces_and_no_negative_zero(value, digits, text):
    assert french.number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 0, f"0{HARD}jour"),
        (1, 0, f"1{HARD}jour"),
        (1.94, 1, f"1,9{HARD}jour"),
        (1.96, 1, f"2,0{HARD}jours"),
        (2, 0, f"2{HARD}jours"),
        (-3, 0, f"\u22123{HARD}jours"),
    ],
)
def test_the_plural_starts_at_two_as_printed(value, digits, text):
    assert french.quantity(value, "jour", "jours", digits) == text


def test_months_are_named():
    assert french.month("2024-06") == f"juin{HARD}2024"
    assert french.month("2025-08") == f"août{HARD}2025"


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (-9.3, -2.1, "entre 2,1 et 9,3 jours de moins"),
        (2.1, 9.3, "entre 2,1 et 9,3 jours de plus"),
        (-1.2, 2.6, "entre 1,2 jour de moins et 2,6 jours de plus"),
        (-3.0, -0.02, "entre moins de 0,1 et 3,0 jours de moins"),
        (-0.02, 4.0, "entre moins de 0,1 jour de moins et 4,0 jours de plus"),
        (-1.4, -0.3, "entre 0,3 et 1,4 jour de moins"),
    ],
)
def test_intervals_are_said_in_words(low, high, text):
    assert french.interval(low, high, "jour", "jours").replace(HARD, " ") == text


@given(bounds, bounds)
def test_an_interval_that_holds_zero_never_reads_as_an_effect(one, other):
    low, high = sorted((one, other))
    words = french.interval(low, high, "jour", "jours")
    assert french.concludes(low, high) == (low > 0 or high < 0)
    says_less, says_more = "de moins" in words.removeprefix("entre moins de 0,1"), "de plus" in words
    if low < 0 < high:
        assert says_less and says_more
    elif high < 0:
        assert not says_more
    else:
        assert says_more and words.count("de plus") == 1


@given(bounds, bounds)
def test_a_saving_is_a_saving_and_a_cost_is_a_cost(one, other):
    low, high = sorted((one, other))
    words = french.money_interval(low, high)
    assert ("surcoût" in words) == (low < 0)
    assert ("économie" in words) == (high > 0)
    assert "\u2212" not in words


def test_spaces_do_not_break_before_double_punctuation():
    text = french.typographic('<p class="a">l\'effet : 5 % ; « rien » ! d&#39;ici</p>')
    assert text == (f'<p class="a">l\u2019effet{HARD}: 5{HARD}%{THIN}; «{HARD}rien{HARD}»{THIN}! d\u2019ici</p>')


def test_enumerations_end_with_et():
    assert french.joined(["a"]) == "a"
    assert french.joined(["a", "b", "c"]) == "a, b et c"
