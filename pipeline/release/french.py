"""French as it is printed: numbers, plurals, months, intervals in words, spaces that do not break.

Source of the typography: Imprimerie nationale, Lexique des règles typographiques (narrow no-break space before `;!?`
and between thousands, no-break space before `:` and `%` and inside « »; decimal comma).
"""

from __future__ import annotations

import re

from markupsafe import Markup

NBSP, NARROW, MINUS, APOSTROPHE = "\u00a0", "\u202f", "\u2212", "\u2019"
MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
    "décembre",
)  # fmt: skip
NOT_PUBLISHED = "n.p."
"""Printed for a masked figure."""


def number(value: float | None, digits: int = 0) -> str:
    """A number with a decimal comma and narrow spaces between thousands; `n.p.` when it is masked."""
    if value is None:
        return NOT_PUBLISHED
    text = f"{abs(value):,.{digits}f}".replace(",", NARROW).replace(".", ",")
    # A figure that rounds to zero has no sign.
    negative = value < 0 and any(character not in f"0,{NARROW}" for character in text)
    return f"{MINUS}{text}" if negative else text


def quantity(value: float | None, one: str, many: str, digits: int = 0) -> str:
    """A number and its noun: the plural starts at 2 in French (`1,9 jour`, `2 jours`), as printed."""
    if value is None:
        return f"{NOT_PUBLISHED}{NBSP}{many}"
    return f"{number(value, digits)}{NBSP}{one if abs(round(value, digits)) < 2 else many}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share in [0, 1] as a percentage."""
    return NOT_PUBLISHED if share is None else f"{number(100 * share, digits)}{NBSP}%"


def euros(value: float | None) -> str:
    """Whole euros."""
    return NOT_PUBLISHED if value is None else f"{number(value)}{NBSP}€"


def month(release: str) -> str:
    """`2024-06` as `juin 2024`."""
    year, number_of_month = release.split("-")
    return f"{MONTHS[int(number_of_month) - 1]}{NBSP}{year}"


def joined(parts: list[str]) -> str:
    """An enumeration: `a, b et c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} et {parts[-1]}" if parts else ""


def magnitude(value: float, digits: int) -> str:
    """Size of a figure that is not zero: one too small to print is `moins de 0,1`."""
    if round(abs(value), digits) > 0 or value == 0:
        return number(abs(value), digits)
    return f"moins de {number(10**-digits, digits)}"


def noun(value: float, digits: int, one: str, many: str) -> str:
    """Singular under 2, as printed."""
    return one if abs(round(value, digits)) < 2 else many


def change(value: float, one: str, many: str, digits: int = 1) -> str:
    """A difference in words: `2,1 jours de moins`, `0,4 point de plus`."""
    if round(value, digits) == 0:
        return f"moins de {number(10**-digits, digits)}{NBSP}{one} d'écart"
    direction = "de moins" if value < 0 else "de plus"
    return f"{number(abs(value), digits)}{NBSP}{noun(value, digits, one, many)} {direction}"


def concludes(low: float, high: float) -> bool:
    """Whether an interval leaves zero out."""
    return low > 0 or high < 0


def interval(low: float, high: float, one: str, many: str, digits: int = 1) -> str:
    """An interval in words: `entre 2,1 et 8,3 jours de moins`, or from one side of zero to the other."""
    if concludes(low, high):
        near, far = sorted((low, high), key=abs)
        direction = "de moins" if high < 0 else "de plus"
        counted = f"{magnitude(far, digits)}{NBSP}{noun(far, digits, one, many)}"
        return f"entre {magnitude(near, digits)} et {counted} {direction}"
    return (
        f"entre {magnitude(low, digits)}{NBSP}{noun(low, digits, one, many)} de moins "
        f"et {magnitude(high, digits)}{NBSP}{noun(high, digits, one, many)} de plus"
    )


def money_interval(low: float, high: float) -> str:
    """A net saving in words: a saving, an extra cost, or from one to the other."""
    if low > 0:
        return f"une économie nette comprise entre {euros(low)} et {euros(high)} par personne"
    if high < 0:
        return f"un surcoût net compris entre {euros(-high)} et {euros(-low)} par personne"
    return f"entre un surcoût de {euros(abs(low))} et une économie de {euros(abs(high))} par personne"


def typographic(html: str) -> Markup:
    """Put the spaces and apostrophes of French typography in HTML whose attributes use double quotes.

    Only text that is already safe HTML must be given: nothing is escaped here.
    """
    text = re.sub(r"(?<=\w)(?:'|&#39;)(?=[\w«&])", APOSTROPHE, html)
    text = re.sub(r" ([;!?])", NARROW + r"\1", text)
    text = re.sub(r" ([:»%€])", NBSP + r"\1", text)
    return Markup(text.replace("« ", "«" + NBSP))  # noqa: S704  only ever given a rendered, escaped template
