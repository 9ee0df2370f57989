"""What the road measures on the observed path is, to the cent, what the truth says of it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipeline import database
from pipeline.deliveries.step import ingest
from pipeline.home import Home, Landing
from pipeline.identity.step import pseudonymise
from pipeline.leave.step import rebuild_leaves, window_path
from pipeline.leave.window import Window
from pipeline.protocol import Protocol
from pipeline.run import Run
from pipeline.simulation import WorldConfig, draw_world, true_effects, write_deliveries
from pipeline.simulation.config import HORIZONS
from pipeline.study.cohort import candidates
from pipeline.study.step import calendar, events_of, open_study, outcomes_of


@pytest.mark.slow
def test_the_study_measures_the_observed_path_exactly(tmp_path: Path) -> None:
    world = draw_world(WorldConfig(persons=5_000, effect="strong", departments=12, designated=8, seed=4))
    write_deliveries(world, tmp_path / "landing")
    detail = true_effects(world)["detail"]
    run = Run(Home(tmp_path / "home").prepare(), Landing(tmp_path / "landing"), Protocol.load(), "2024-06")
    for step in (ingest, pseudonymise, rebuild_leaves):
        step(run)
    with database.connect(run.home.scratch) as connection:
        open_study(connection, run.home, run.release)
        dates = calendar(connection, run.protocol, Window.load(window_path(run.home, run.release)))
        for estimand in ("ITT", "ATT"):
            units = candidates(connection, run.protocol, dates, estimand).units
            treated = units.filter(pc.equal(units["arm"], "treated"))
            members = pa.table(
                {
                    "member": pa.array(range(len(treated)), type=pa.int64()),
                    **{name: treated[name] for name in ("person", "time_zero", "wage", "status")},
                }
            )
            events = events_of(connection, run.protocol, dates, members).to_pandas().set_index("member")
            for months, horizon in HORIZONS.items():
                measured = outcomes_of(connection, run.protocol, dates, members, horizon).to_pandas()
                measured = measured[measured["complete"]]
                truth = {name: cell[months] for name, cell in detail[estimand]["complete_horizon"].items()}
                assert len(measured) == truth["days_on_leave"]["n"]
                assert len(measured) > 20
                figures = {
                    "days_on_leave": measured["days_on_leave"].mean(),
                    "days_full_leave": (measured["days_on_leave"] - measured["days_part_time"]).mean(),
                }
                for name, figure in figures.items():
                    assert figure == pytest.approx(truth[name]["with_programme"], abs=1e-6), (estimand, months, name)
                # Rights used before the first delivery are in no line: one person's exhaustion may not be seen.
                known = events[events["followed_days"] >= horizon]
                assert len(known) == truth["sustained_return_to_work"]["n"]
                expected = truth["sustained_return_to_work"]["with_programme"] * len(known)
                assert (known["return_day"] < horizon).sum() == pytest.approx(expected, abs=1.01)
                # Lines are rounded to the cent, and so are the pieces cut at a horizon's end.
                assert measured["allowance_eur"].mean() == pytest.approx(
                    truth["allowance_eur"]["with_programme"], abs=0.05
                )
