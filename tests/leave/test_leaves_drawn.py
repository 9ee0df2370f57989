"""The drawing of `docs/leaves.md` shows what the SQL makes of the lines it shows."""

from __future__ import annotations

import re
from pathlib import Path

from pipeline import database
from tests.study.worlds import FOLLOW_UP_END, LAST_FLOW, Row, World, line

DRAWING = (Path(__file__).resolve().parents[2] / "docs" / "drawings" / "leaves.svg").read_text(encoding="utf-8")


def drawn(kind: str) -> list[str]:
    return re.findall(rf' data-{kind}="([^"]*)"', DRAWING)


def delivered(text: str) -> Row:
    found = re.fullmatch(r"(\d) (-?)(\d{4}) (\S+)\.\.(\S+)", text)
    assert found is not None, text
    row = line(int(found[1]), found[4], found[5], int(found[3]))
    back = {name: -row[name] for name in ("days_paid", "quantity", "amount")}
    return row | back if found[2] else row


def test_the_leaves_drawn_are_those_that_the_lines_drawn_make() -> None:
    with database.connect() as connection:
        World().lines(*map(delivered, drawn("line"))).open(connection)
        found = connection.sql("FROM leave_spells ORDER BY person, spell_number").to_arrow_table().to_pylist()
    assert drawn("leave") == [
        f"{row['person']} {row['risk']} {row['start_date']} {row['first_paid_day']} {row['part_time_from'] or '-'} "
        f"{row['end_date']} {'open' if row['censored'] else 'closed'}"
        for row in found
    ]
    said = [f"{found[0]['days']} days", *(day.isoformat() for day in (FOLLOW_UP_END, LAST_FLOW))]
    assert [words for words in said if words not in re.sub("<[^>]*>", " ", DRAWING)] == []
