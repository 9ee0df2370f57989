"""The charts of the synthesis and of the audit, drawn as SVG text: nothing to load, sharp in print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class Gap:
    """How far apart two groups are on one covariate, in standard deviations; None where it is masked."""

    label: str
    before: float | None
    after: float | None
    limit: float


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


def love_plot(panels: Mapping[str, Sequence[Gap]]) -> Markup:
    """Distances between the groups before matching (hollow) and after (filled), one line per covariate, limits dashed.

    The panels stand side by side and share their lines, farthest apart before matching first. Covariates held to the
    strictest of several limits are in bold. The form is that of Love (2004), as in R's cobalt.

    Args:
        panels: title -> its covariates; a covariate is known by its label.

    Returns:
        The drawing; empty when no distance is known.
    """
    known = {
        title: {gap.label: gap for gap in gaps if gap.before is not None or gap.after is not None}
        for title, gaps in panels.items()
    }
    known = {title: gaps for title, gaps in known.items() if gaps}
    every = [gap for gaps in known.values() for gap in gaps.values()]
    if not every:
        return Markup("")
    start: dict[str, float] = {}
    for gap in every:
        start[gap.label] = max(start.get(gap.label, 0.0), abs(gap.before or 0.0))
    labels = sorted(start, key=lambda label: (-start[label], label))
    limits = sorted({gap.limit for gap in every})
    strict = {gap.label for gap in every if len(limits) > 1 and gap.limit == limits[0]}
    last = 1.06 * max(*limits, *(abs(value or 0.0) for gap in every for value in (gap.before, gap.after)))
    width, left, between, row_height, top = 620.0, 196.0, 16.0, 11.0, 30.0
    panel = (width - left - 6 - between * (len(known) - 1)) / len(known)
    bottom = top + row_height * len(labels)
    height = bottom + 40
    parts = [
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        'aria-label="Écarts entre les groupes comparés, avant et après appariement, en écarts-types" '
        'xmlns="http://www.w3.org/2000/svg" font-size="8">'
    ]
    for index, label in enumerate(labels):
        y = top + row_height * (index + 0.5)
        weight = ' font-weight="700"' if label in strict else ""
        parts.append(
            f'<text x="{left - 7:.1f}" y="{y + 2.8:.1f}" text-anchor="end" fill="{INK}"{weight}>{escape(label)}</text>'
            f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{width - 6:.1f}" y2="{y:.1f}" stroke="{GRID}" '
            'stroke-width="0.5"/>'
        )
    step = _nice_step(last, 5)
    for number_of_panel, (title, gaps) in enumerate(known.items()):
        origin = left + number_of_panel * (panel + between)

        def x(value: float, origin: float = origin) -> float:
            return origin + abs(value) / last * panel

        parts.append(
            f'<text x="{origin:.1f}" y="9" fill="{INK}" font-size="9" font-weight="700">{escape(title)}</text>'
            f'<line x1="{origin:.1f}" y1="{top:.1f}" x2="{origin:.1f}" y2="{bottom:.1f}" stroke="{INK}"/>'
        )
        parts += [
            f'<text x="{x(tick * step):.1f}" y="{bottom + 10:.1f}" text-anchor="middle" fill="{INK}">'
            f"{number(tick * step, 2 if step < 0.1 else 1)}</text>"
            for tick in range(int(last / step) + 1)
        ]
        parts += [
            f'<line x1="{x(limit):.1f}" y1="{top - 3:.1f}" x2="{x(limit):.1f}" y2="{bottom:.1f}" '
            f'stroke="{COMPARISON}" stroke-dasharray="3 2.5"/><text x="{x(limit):.1f}" y="{top - 5:.1f}" '
            f'text-anchor="middle" fill="{COMPARISON}" font-size="7.5">{number(limit, 2)}</text>'
            for limit in limits
        ]
        for index, label in enumerate(labels):
            y = top + row_height * (index + 0.5)
            if label not in gaps:
                continue
            before, after = gaps[label].before, gaps[label].after
            if before is not None:
                parts.append(
                    f'<circle cx="{x(before):.1f}" cy="{y:.1f}" r="2.8" fill="#fff" stroke="{TREATED}" '
                    'stroke-width="1.1"/>'
                )
            if after is not None:
                parts.append(f'<circle cx="{x(after):.1f}" cy="{y:.1f}" r="2.5" fill="{TREATED}"/>')
    y = height - 9
    parts.append(
        f'<circle cx="{left + 4:.1f}" cy="{y - 3:.1f}" r="2.8" fill="#fff" stroke="{TREATED}" stroke-width="1.1"/>'
        f'<text x="{left + 11:.1f}" y="{y:.1f}" fill="{INK}">avant appariement</text>'
        f'<circle cx="{left + 96:.1f}" cy="{y - 3:.1f}" r="2.5" fill="{TREATED}"/>'
        f'<text x="{left + 103:.1f}" y="{y:.1f}" fill="{INK}">après appariement</text>'
        f'<line x1="{left + 184:.1f}" y1="{y - 3:.1f}" x2="{left + 202:.1f}" y2="{y - 3:.1f}" stroke="{COMPARISON}" '
        f'stroke-dasharray="3 2.5"/><text x="{left + 206:.1f}" y="{y:.1f}" fill="{INK}">limite</text>'
        f'<text x="{width - 6:.1f}" y="{bottom + 21:.1f}" text-anchor="end" fill="{INK}" font-size="7.5">'
        "écart absolu, en écarts-types</text></svg>"
    )
    return Markup("".join(parts))  # noqa: S704  every text put in is escaped above
