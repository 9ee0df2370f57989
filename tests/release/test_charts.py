"""The charts put each figure where it belongs on their axis, and leave out what is masked."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.release.charts import Gap, love_plot

SVG = "{http://www.w3.org/2000/svg}"
GAPS = (Gap("age", 0.21, 0.012, 0.1), Gap("days", -0.16, -0.04, 0.05), Gap("wage", 0.02, 0.11, 0.1))


def drawn(panels: dict[str, tuple[Gap, ...]]) -> ElementTree.Element:
    return ElementTree.fromstring(str(love_plot(panels)))  # noqa: S314  our own text


def circles(svg: ElementTree.Element, hollow: bool) -> list[tuple[float, float]]:
    """Centre of each circle but that of the legend, which comes last."""
    found = [c for c in svg.iter(f"{SVG}circle") if (c.get("fill") == "#fff") == hollow]
    return [(float(c.get("cx", "nan")), float(c.get("cy", "nan"))) for c in found][:-1]


def dashed(svg: ElementTree.Element) -> list[float]:
    return [float(line.get("x1", "nan")) for line in svg.iter(f"{SVG}line") if line.get("stroke-dasharray")][:-1]


def labels(svg: ElementTree.Element) -> list[str]:
    return [text.text or "" for text in svg.iter(f"{SVG}text") if text.get("text-anchor") == "end"][:-1]


def test_the_covariate_farthest_apart_before_matching_comes_first_and_strict_ones_are_bold():
    svg = drawn({"ITT": GAPS})
    assert labels(svg) == ["age", "days", "wage"]
    assert [t.text for t in svg.iter(f"{SVG}text") if t.get("font-weight")] == ["days", "ITT"]


@given(st.lists(st.tuples(st.floats(-2, 2), st.floats(-2, 2)), min_size=1, max_size=30))
def test_a_point_lies_left_of_a_limit_just_where_the_distance_is_under_it(pairs):
    gaps = tuple(Gap(f"covariate {i}", before, after, 0.1) for i, (before, after) in enumerate(pairs))
    svg = drawn({"ITT": gaps})
    (limit,) = dashed(svg)
    shown = [pairs[i] for i in sorted(range(len(pairs)), key=lambda i: (-abs(pairs[i][0]), f"covariate {i}"))]
    for hollow, place in ((True, 0), (False, 1)):
        points = circles(svg, hollow)
        assert len(points) == len(pairs)
        for (x, _), pair in zip(points, shown, strict=True):
            if abs(abs(pair[place]) - 0.1) > 0.01:
                assert (x < limit) == (abs(pair[place]) < 0.1)


def test_both_panels_share_the_lines_of_their_covariates():
    svg = drawn({"ITT": GAPS, "ATT": (Gap("wage", 0.3, 0.05, 0.1),)})
    assert labels(svg) == ["wage", "age", "days"]
    *first, wage = (y for _, y in circles(svg, hollow=False))
    assert first.count(wage) == 1 and len(set(first)) == 3  # the wage of both groups on one line
    assert len(dashed(svg)) == 4


def test_a_masked_distance_is_not_drawn_and_with_none_left_there_is_no_chart():
    svg = drawn({"ITT": (*GAPS, Gap("masked", None, None, 0.1), Gap("new", None, 0.03, 0.1))})
    assert "masked" not in labels(svg)
    assert len(circles(svg, hollow=True)) == 3
    assert len(circles(svg, hollow=False)) == 4
    assert love_plot({"ITT": (Gap("masked", None, None, 0.1),), "ATT": ()}) == ""


@pytest.mark.parametrize("text", ["<script>", 'a"b', "a & b"])
def test_what_is_printed_is_escaped(text):
    svg = drawn({text: (Gap(text, 0.1, 0.0, 0.1),)})
    assert labels(svg) == [text]
    assert not re.search("<script>", str(love_plot({text: (Gap(text, 0.1, 0.0, 0.1),)})))
