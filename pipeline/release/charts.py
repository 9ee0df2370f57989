"""The two charts of the synthesis, drawn as SVG text: nothing to load, sharp in print."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from pipeline.release.french import number, percent

TREATED, COMPARISON, INK, GRID = "#1b4f8f", "#b3541e", "#333a45", "#d5dae1"


@dataclass(frozen=True, slots=True)
class Interval:
    """One row of the interval chart, in days."""

    label: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm: (week, share or None where masked), in order of weeks."""

    label: str
    points: Sequence[tuple[int, float | None]]


def _nice_step(span: float, most: int = 6) -> float:
    """Smallest of 1, 2, 5 × 10^n that cuts a span in at most that many steps."""
    step = 10.0**-6
    while True:
        for factor in (1, 2, 5):
            if span / (step * factor) <= most:
                return step * factor
        step *= 10


def interval_chart(rows: Sequence[Interval], unit: str) -> Markup:
    """Effects with their intervals on one axis, zero marked; empty when there is no row."""
    if not rows:
        return Markup("")
    low, high = min(0.0, *(row.low for row in rows)), max(0.0, *(row.high for row in rows))
    margin = 0.06 * (high - low or 1)
    low, high = low - margin, high + margin
    width, left, right, row_height, top = 360.0, 92.0, 8.0, 24.0, 14.0
    height = top + row_height * len(rows) + 30

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * (width - left - right)

    bottom = top + row_height * len(rows)
    parts = [
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="Effets et intervalles, en {escape(unit)}" '
        'xmlns="http://www.w3.org/2000/svg" font-size="9">'
    ]
    step = _nice_step(high - low)
    tick = -(-low // step) * step
    while tick <= high:
        # Ticks are multiples of the step: rounding removes what additions left.
        at = round(tick / step) * step
        parts.append(
            f'<line x1="{x(at):.1f}" y1="{top - 4:.1f}" x2="{x(at):.1f}" y2="{bottom:.1f}" stroke="{GRID}"/>'
            f'<text x="{x(at):.1f}" y="{bottom + 11:.1f}" text-anchor="middle" fill="{INK}">'
            f"{number(at, 0 if step >= 1 else 1)}</text>"
        )
        tick += step
    parts.append(
        f'<line x1="{x(0):.1f}" y1="{top - 6:.1f}" x2="{x(0):.1f}" y2="{bottom:.1f}" stroke="{INK}" '
        f'stroke-width="1.2"/><text x="{x(0):.1f}" y="{top - 7:.1f}" text-anchor="middle" fill="{INK}" font-size="8">'
        "aucun effet</text>"
    )
    for index, row in enumerate(rows):
        y = top + row_height * (index + 0.5)
        parts.append(
            f'<text x="{left - 6:.1f}" y="{y + 3:.1f}" text-anchor="end" fill="{INK}">{escape(row.label)}</text>'
            f'<line x1="{x(row.low):.1f}" y1="{y:.1f}" x2="{x(row.high):.1f}" y2="{y:.1f}" stroke="{TREATED}" '
            f'stroke-width="5" stroke-opacity="0.35" stroke-linecap="round"/>'
            f'<circle cx="{x(row.value):.1f}" cy="{y:.1f}" r="4" fill="{TREATED}"/>'
        )
    parts.append(
        f'<text x="{width - right:.1f}" y="{height - 7:.1f}" text-anchor="end" fill="{INK}" font-size="8">'
        f"{escape(unit)}</text></svg>"
    )
    return Markup("".join(parts))  # noqa: S704  every text put in is escaped above


def curve_chart(treated: Curve, comparison: Curve) -> Markup:
    """Share on leave, week after week, in both arms; empty when neither has a published point."""
    curves = ((treated, TREATED, ""), (comparison, COMPARISON, ' stroke-dasharray="5 3"'))
    known = [point for curve, _, _ in curves for point in curve.points if point[1] is not None]
    if not known:
        return Markup("")
    width, height, left, right, top, foot = 360.0, 158.0, 34.0, 8.0, 8.0, 40.0
    last = max(week for week, _ in known) or 1
    ceiling = min(1.0, -(-max(share or 0.0 for _, share in known) * 5 // 1) / 5) or 0.2

    def x(week: float) -> float:
        return left + week / last * (width - left - right)

    def y(share: float) -> float:
        return height - foot - share / ceiling * (height - foot - top)

    parts = [
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        'aria-label="Part des personnes en arrêt, semaine après semaine" '
        'xmlns="http://www.w3.org/2000/svg" font-size="9">'
    ]
    for step in range(round(ceiling * 5) + 1):
        share = step / 5
        parts.append(
            f'<line x1="{left}" y1="{y(share):.1f}" x2="{width - right}" y2="{y(share):.1f}" stroke="{GRID}"/>'
            f'<text x="{left - 4}" y="{y(share) + 3:.1f}" text-anchor="end" fill="{INK}">{percent(share)}</text>'
        )
    every = next(step for step in (2, 4, 13, 26, 52) if last / step <= 9 or step == 52)
    parts += [
        f'<text x="{x(week):.1f}" y="{height - foot + 12:.1f}" text-anchor="middle" fill="{INK}">{week}</text>'
        for week in range(0, last + 1, every)
    ]
    for curve, colour, dash in curves:
        path, pen = "", "M"
        for week, value in curve.points:
            if value is None:
                pen = "M"
                continue
            path += f"{pen}{x(week):.1f} {y(value):.1f}"
            pen = "L"
        parts.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.8"{dash}/>')
    for index, (curve, colour, dash) in enumerate(curves):
        at = left + index * 160
        parts.append(
            f'<line x1="{at:.1f}" y1="{height - 9:.1f}" x2="{at + 18:.1f}" y2="{height - 9:.1f}" stroke="{colour}" '
            f'stroke-width="1.8"{dash}/><text x="{at + 22:.1f}" y="{height - 6:.1f}" fill="{INK}">{escape(curve.label)}'
            "</text>"
        )
    parts.append(
        f'<text x="{width - right:.1f}" y="{height - foot + 22:.1f}" text-anchor="end" fill="{INK}" font-size="8">'
        "semaines après l&#39;inclusion</text></svg>"
    )
    return Markup("".join(parts))  # noqa: S704  every text put in is escaped above
