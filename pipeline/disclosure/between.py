"""Sums that hold between the published tables: persons who are counted in two of them.

Each is declared with the reason why it holds. `always` says that it follows from how the tables are counted; the others
follow from how platforms report (a report dates its first contact, an exit has a reason) and are used wherever they
hold of the true figures, since a reader who sees them hold in one place will try them in another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from pipeline.disclosure.system import Cell, Equality
from pipeline.disclosure.tables import CountTable
from pipeline.tables.published import RELEASE, published

ALL = "all"
EVERYONE_FOLLOWED = ("days_on_leave", "days_on_leave_change", "days_full_leave", "allowance_eur")
"""Outcomes that payment lines tell of everyone followed to the horizon."""
NESTED_STRATA = {
    ("risk", "sickness"): (("cause", "sickness"), ("cause", "sickness_ald")),
    ("risk", "work_injury"): (("cause", "work_injury"),),
}
"""(stratum type, stratum) -> strata that it is made of: a cause is a risk, long-term illness told apart."""
INITIAL = "initial"
PRIMARY_HORIZON = "12"


def equalities(tables: Sequence[CountTable]) -> list[Equality]:
    """Every sum between the tables of a release, whether it holds or not (see `system.holding`).

    Args:
        tables: as described by `disclosure.described`.
    """
    frames = {table.name: table.frame.to_pandas() for table in tables}
    found = [*_participants(frames), *_situations(frames), *_effects(frames)]
    return list(dict.fromkeys(found))


def _same(one: Cell, other: Cell, because: str, *, always: bool = False) -> Equality:
    return Equality(one, (other,), because, always)


def _activity(platform: str, quarter: str, measure: str) -> Cell:
    return "platform_activity", (platform, quarter), measure


def _profile(platform: str, variable: str = ALL, modality: str = ALL) -> Cell:
    return "participant_profile", (platform, variable, modality), "n"


def _participants(frames: Mapping[str, pd.DataFrame]) -> Iterator[Equality]:
    """Accompanied persons, counted once each, by platform, source, exit, delay and département."""
    activity, profile = frames.get("platform_activity"), frames.get("participant_profile")
    platforms = [] if activity is None else sorted(set(activity["platform_id"]))
    for platform in platforms:
        agreed = _activity(platform, ALL, "agreements")
        yield _same(agreed, _profile(platform), "participants are the persons who agreed")
        yield Equality(
            _activity(platform, ALL, "contacts"), (agreed, _activity(platform, ALL, "refusals")),
            "whoever is contacted agrees or refuses", always=False,
        )  # fmt: skip
        yield _same(
            _activity(platform, ALL, "referrals"), _activity(platform, ALL, "contacts"),
            "whoever is referred is contacted",
        )  # fmt: skip
        yield _same(_activity(platform, ALL, "reports"), agreed, "every participant has a report")
    sources = frames.get("referral_sources")
    if sources is not None:
        for quarter in sorted(set(sources["quarter"])):
            yield Equality(
                _activity(ALL, quarter, "referrals"),
                (("referral_sources", (ALL, quarter), "n"), _activity(ALL, quarter, "refusals")),
                "whoever is referred takes part or refuses", always=False,
            )  # fmt: skip
        for source in sorted(set(sources["source"])):
            variable = "referral_source" if source != ALL else ALL
            yield _same(
                ("referral_sources", (source, ALL), "n"), _profile(ALL, variable, source),
                "every participant has a source and a date of referral",
            )  # fmt: skip
    closed: Cell = ("exits", (ALL, ALL), "n")
    yield _same(_activity(ALL, ALL, "exits"), closed, "an exit has a date and a reason")
    whole, diagnosed, planned = _profile(ALL), _activity(ALL, ALL, "diagnoses"), _activity(ALL, ALL, "plans")
    for step, cell, because in (
        ("referral_to_first_contact", ("referral_sources", (ALL, ALL), "n"), "a referral is followed by a contact"),
        ("first_contact_to_agreement", whole, "every participant was contacted and agreed"),
        ("agreement_to_diagnosis", diagnosed, "every diagnosis follows an agreement"),
        ("diagnosis_to_plan", planned, "every plan follows a diagnosis"),
        ("first_contact_to_exit", closed, "every exit follows a contact"),
    ):
        yield _same(("delays", (step,), "n"), cell, because)
    if profile is not None and (flow := frames.get("flow")) is not None:
        treated = flow[(flow["estimand"] == "ATT") & (flow["arm"] == "treated")]
        for key in _keys(treated.head(1), "flow"):
            yield _same(("flow", key, "n_entering"), whole, "the accompanied are the participants")


def _situations(frames: Mapping[str, pd.DataFrame]) -> Iterator[Equality]:
    """One person has one modality of each dimension, at one report."""
    totals: dict[str, Cell] = {}
    for key in sorted(_keys(frames.get("situations"), "situations")):
        stage = key[0]
        if stage == INITIAL:
            yield _same(
                ("situations", key, "n"), ("situations", key, "n_initial"), "the first report compared with itself",
                always=True,
            )  # fmt: skip
        total: Cell = ("situations", key, "total")
        if totals.setdefault(stage, total) != total:
            yield _same(totals[stage], total, "a report speaks of every dimension", always=True)


def _effects(frames: Mapping[str, pd.DataFrame]) -> Iterator[Equality]:
    """Matched persons, counted again beside every figure that rests on them."""
    for key in _keys(frames.get("impact"), "impact"):
        estimand, outcome, horizon, *stratum = key
        for arm in ("n_treated", "n_comparison"):
            if outcome in EVERYONE_FOLLOWED[1:]:
                yield _same(
                    ("impact", (estimand, EVERYONE_FOLLOWED[0], horizon, *stratum), arm), ("impact", key, arm),
                    "payment lines tell this outcome of everyone followed",
                )  # fmt: skip
            inner = NESTED_STRATA.get((stratum[0], stratum[1]), ())
            if inner:
                yield Equality(
                    ("impact", key, arm), tuple(("impact", (*key[:3], *each), arm) for each in inner),
                    "a cause is a risk, long-term illness told apart", always=False,
                )  # fmt: skip
    for key in _keys(frames.get("power"), "power"):
        yield _same(
            ("power", key, "n_treated"), ("impact", (*key, ALL, ALL), "n_treated"),
            "power is that of the effect beside it",
        )  # fmt: skip
    for key in _keys(frames.get("savings"), "savings"):
        yield _same(
            ("impact", (key[0], "allowance_eur", key[2], ALL, ALL), "n_treated"), ("savings", key, "n_persons"),
            "savings rest on the effect on allowances",
        )  # fmt: skip
    last = {key[:2]: key for key in _keys(frames.get("flow"), "flow")}
    for (estimand, arm), key in sorted(last.items()):
        effect = (estimand, EVERYONE_FOLLOWED[0], PRIMARY_HORIZON, ALL, ALL)
        yield _same(
            ("flow", key, "n_leaving"), ("impact", effect, f"n_{arm}"),
            "who is left is compared at the headline's horizon",
        )  # fmt: skip
    starts: dict[tuple[str, ...], Cell] = {}
    for key in sorted(_keys(frames.get("return_to_work_curve"), "return_to_work_curve")):
        cell: Cell = ("return_to_work_curve", key, "at_risk")
        if starts.setdefault(key[:3], cell) != cell:
            yield _same(starts[key[:3]], cell, "the events of an arm are followed in the same persons")


def _keys(frame: pd.DataFrame | None, name: str) -> list[tuple[str, ...]]:
    """Keys of the rows of a published table, in their order."""
    if frame is None:
        return []
    columns = (frame[key].astype(str) for key in published(name).key if key != RELEASE.name)
    return list(zip(*columns, strict=True))
