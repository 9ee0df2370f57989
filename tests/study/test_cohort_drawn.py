"""The drawing of `docs/cohort.md` shows who is at risk on the elapsed day of the person accompanied."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.compute as pc

from pipeline import database
from pipeline.matching.risk_sets import EXACT
from pipeline.study.cohort import candidates
from tests.study.worlds import PROTOCOL, World, after, day

DRAWING = (Path(__file__).resolve().parents[2] / "docs" / "drawings" / "cohort.svg").read_text(encoding="utf-8")
HERE, ELSEWHERE = "001", "059"


def test_those_drawn_at_risk_are_of_the_risk_set_of_the_accompanied_and_the_others_are_not() -> None:
    world = World()
    platform = world.platform(HERE)
    drawn = [dict(re.findall(r'(data-[a-z-]+)="([^"]*)"', row)) for row in re.findall("<g data-leave[^>]*>", DRAWING)]
    treated = drawn[0]
    for person, leave in enumerate(drawn, start=1):
        start, days = leave["data-leave"].split()
        world.person(person, HERE if leave is treated else ELSEWHERE, employer_size="1_9")
        world.leave(person, start, int(days))
        if "data-contact" in leave:
            world.case(person, platform, after(start, int(leave["data-contact"])))
        for change, department, size in (("data-register", ELSEWHERE, "250_plus"), ("data-moves", HERE, "1_9")):
            if change in leave:
                first = after(start, int(leave[change]))
                assert first.day == 1  # of the month in which the register's row is delivered
                world.register(person, department, valid_from=f"{first:%Y-%m}", employer_size=size)
    with database.connect() as connection:
        units = candidates(connection, PROTOCOL, world.open(connection), "ATT").units
    (one,) = units.filter(pc.and_(pc.equal(units["person"], 1), pc.equal(units["arm"], "treated"))).to_pylist()
    assert one["elapsed"] == int(treated["data-contact"])
    assert one["time_zero"] == after(day(treated["data-leave"].split()[0]), one["elapsed"])
    assert one["time_zero"].isoformat() in DRAWING
    assert "start_quarter" in EXACT
    at_risk = {
        unit["person"]: unit["employer_size"]
        for unit in units.to_pylist()
        if unit["arm"] == "comparison"
        and unit["start_quarter"] == one["start_quarter"]
        and unit["risk_from"] <= one["elapsed"] <= unit["risk_until"]
    }
    said = {person for person, leave in enumerate(drawn, start=1) if leave["data-at-risk"] == "yes"}
    assert {1, *at_risk} == said
    assert at_risk[next(p for p, leave in enumerate(drawn, start=1) if "data-register" in leave)] == "250_plus"
