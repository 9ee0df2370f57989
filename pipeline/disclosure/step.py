"""The step `anonymise`, the border that no person crosses: raw tables in, safe tables and facts out.

Everything is computed against the ledger as it stood before this month. The ledger itself is written only once the
release is published (`commit`), from files this step leaves aside.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import database
from pipeline.deliveries.intake import Intake
from pipeline.deliveries.step import STEP as INGEST
from pipeline.disclosure import described, ledger, measured, persons, pools, successive
from pipeline.disclosure.attackers import gather
from pipeline.disclosure.between import equalities
from pipeline.disclosure.described import GENERATED
from pipeline.disclosure.facts import Attack, Between, Fidelity, Microdata, ReleaseFacts, Sums
from pipeline.disclosure.kept import reading_of
from pipeline.disclosure.system import Cell, Floats, holding
from pipeline.disclosure.tables import CountTable, Rules
from pipeline.disclosure.verify import verify
from pipeline.effects.analysis import Analysis
from pipeline.effects.step import STEP as EFFECTS
from pipeline.effects.step import open_estimand
from pipeline.home import Home
from pipeline.identity import keys
from pipeline.identity.erase import Tombstones
from pipeline.identity.step import paths as pseudonymised
from pipeline.leave.comparison import LEAVES
from pipeline.leave.plausibility import FLAGGED_ROWS, quality_with_flags
from pipeline.leave.step import STEP as LEAVE
from pipeline.matching.passage import passages
from pipeline.protocol import Protocol
from pipeline.run import Run, StepReport
from pipeline.study.activity.tables import activity
from pipeline.study.states import member_states, states_on
from pipeline.study.step import COHORT, MATCHING, OUTCOMES_STEP, Calendar
from pipeline.tables.intermediate import TEXT_COUNTS
from pipeline.tables.model import Role
from pipeline.tables.published import PUBLISHED, RELEASE, published
from pipeline.text.step import STEP as TEXT
from pipeline.text.step import quality_with_texts

STEP = "anonymise"
PENDING = "ledger_cells"
BLOCKS = "ledger_blocks"
EXACT = ("data_quality",)
NOT_COUNTED = ("microdata", "dictionary", "disclosure", *EXACT)
"""Tables without cells of persons: files, columns, cells, and rows protected by generalisation."""


class LedgerMissingError(RuntimeError):
    """An earlier release is published but its cells are not in the ledger."""


def anonymise(run: Run) -> StepReport:
    """Write every published table but `dictionary`, safe, and `facts.json`.

    Raises:
        LedgerMissingError: an earlier release was published and never recorded.
        DisclosureError: a masked cell could be computed whatever else is masked.
    """
    home, release, protocol = run.home, run.release, run.protocol
    _refuse_gaps(home, release)
    report = StepReport()
    counted = _described(run)
    previous = ledger.previous_cells(home.ledger, release)
    earlier = [month for month in ledger.recorded_releases(home.ledger) if month < release]
    history = [(month, ledger.release_cells(home.ledger, month)) for month in earlier]
    rule = protocol.disclosure
    run.progress("protecting tables", 0, 1)
    tied = holding(counted, equalities(counted))
    rules = rules_of(protocol)
    made = successive.publish_all(
        [*counted, described.uptake(_gathered(run)["uptake"])], previous, rules, base=rule.rounding_base,
        equalities=tied, history=history,
        # A release that is no longer published is known by its cells alone.
        kept={m: reading_of(home.release(m)) for m in earlier if home.release(m).is_dir()},
    )  # fmt: skip
    *tables, uptake = made
    run.progress("protecting tables", 1, 1)
    safe = {each.truth.name: each.table for each in tables}
    sums = {each.truth.name: Sums.of(each.truth) for each in tables}
    truth = [each.truth for each in tables]
    held = sum(each.held for each in tables)
    recorded = pa.concat_tables([each.cells for each in made])
    accompanied = uptake.table["share"][0].as_py()
    quality = quality_with_texts(
        quality_with_flags(
            pq.read_table(home.artefact(release, INGEST, "data_quality")),
            pq.read_table(home.artefact(release, LEAVE, FLAGGED_ROWS)),
        ),
        pq.read_table(home.artefact(release, TEXT, TEXT_COUNTS.name)),
    )
    microdata, facts_of_rows, known = _microdata(run, report)
    releases = [*history, (release, recorded)]
    run.progress("attacking the tables", 0, 1)
    found = measured.differencing(truth, releases, protocol.disclosure.k, protocol.disclosure.rounding_base)
    run.progress("attacking the tables", 1, 1)
    safe |= {"data_quality": quality, "microdata": microdata}
    attacks: list[Attack] = []
    risk = None
    if facts_of_rows is not None:
        effects = next(table for table in truth if table.name == "impact")
        attacks, risk = gather.attacks(run, microdata, safe, effects, facts_of_rows.hierarchies, accompanied, known)
    written = [replace(table, frame=table.frame.filter(pa.array(table.written_rows()))) for table in truth]
    safe["disclosure"] = _disclosure(written, safe, protocol)
    for name, table in safe.items():
        declared = published(name)
        whole = (
            table
            if RELEASE.name in table.column_names
            else table.append_column(RELEASE.name, pa.array([release] * len(table), pa.string()))
        )
        pq.write_table(whole.select(declared.names), home.artefact(release, STEP, name), compression="zstd")
        report.rows[name] = len(table)
    log = pa.concat_tables([each.log for each in tables])
    pq.write_table(log, home.artefact(release, STEP, "suppression_log"), compression="zstd")
    pq.write_table(recorded, home.artefact(release, STEP, PENDING), compression="zstd")
    facts = _facts(run, sums, safe, facts_of_rows).model_copy(
        update={
            "suppression": _by_reason(log),
            "uptake": accompanied,
            "between": Between.of(tied, truth),
            "ledger": _compared(protocol, len(earlier), held),
            "attacks": tuple(attack for attack in (found, *attacks) if attack is not None),
            "risk": risk,
            "generalised": gather.generalised(microdata, known, protocol.disclosure.k) if known else {},
            "held": {each.truth.name: each.held for each in tables},
            "disappeared": measured.disappeared(safe["participant_profile"]),
        }
    )
    facts.save(home.artefact(release, STEP, "facts", "json"))
    report.figures |= {"cells held at their earlier value": held} | {
        f"{attack.criterion}: share of attempts that succeed ({number})": attack.success
        for number, attack in enumerate(facts.attacks, start=1)
    }
    report.tables["Suppression by table"] = safe["disclosure"].to_pandas()
    report.failures |= _promises(safe, protocol)
    return report


def rules_of(protocol: Protocol) -> Rules:
    """When a cell is unsafe: a zero says of everyone in the group that they did not, and is no exception."""
    rule = protocol.disclosure
    return Rules(rule.k, mask_zero=True, dominance=rule.dominance_share, p=rule.p_percent)


def moved_since(run: Run) -> Callable[[str, Sequence[Cell]], Floats]:
    """By how much cells of the release about to be published truly moved since an earlier one (month, cells).

    Rows that are told together are named as they are published. NaN where a release does not know a cell.
    """

    def moved(since: str, cells: Sequence[Cell]) -> Floats:
        now = _true_counts(pq.read_table(run.home.artefact(run.release, STEP, PENDING)))
        then = _true_counts(ledger.release_cells(run.home.ledger, since))
        return measured.moved(cells, now, then)

    return moved


def _true_counts(cells: pa.Table) -> dict[tuple[str, str, str], int]:
    return pools.as_published(measured.counted(cells))


def _refuse_gaps(home: Home, release: str) -> None:
    recorded = {path.stem.removeprefix("release=") for path in (home.ledger / "cells").glob("release=*.parquet")}
    for month in home.releases():
        if month < release and month not in recorded:
            raise LedgerMissingError(
                f"release {month} is published but not in the ledger; run it again first: pdp run --release {month}"
            )


def _described(run: Run) -> list[CountTable]:
    """Every table that counts persons, with the sums readers know, from the raw tables of the earlier steps."""
    home, release, rule = run.home, run.release, run.protocol.disclosure
    raw = {
        name: pd.read_parquet(home.artefact(release, EFFECTS, name))
        for name in (
            "impact",
            "return_to_work_curve",
            "on_leave_curve",
            "savings",
            "balance",
            "balance_groups",
            "power",
            "sensitivity",
            "placebo",
        )
    }
    with database.connect(home.scratch) as connection:
        counts = activity(connection, home, release, run.protocol)
    for name in ("return_to_work_curve", "on_leave_curve"):
        raw[name] = raw[name].assign(n_arm=_arm_size(raw[name], name))
    attrition = pd.concat(
        [pd.read_parquet(home.artefact(release, step, "flow")) for step in (COHORT, MATCHING, OUTCOMES_STEP)],
        ignore_index=True,
    )
    tables = [
        described.impact(raw["impact"]),
        described.curve("return_to_work_curve", raw["return_to_work_curve"], rule.k),
        described.curve("on_leave_curve", raw["on_leave_curve"], rule.k),
        described.savings(raw["savings"], rules_of(run.protocol), rule.rounding_base),
        *(described.estimates(name, raw[name]) for name in ("balance", "power", "sensitivity", "placebo")),
        described.balance_groups(raw["balance_groups"]),
        described.flow(attrition, rule.k),
        described.measures(counts["measures"], rule.k),
        described.leaves(pd.read_parquet(home.artefact(release, LEAVE, LEAVES)), rule.k, rule.dominance_share),
    ]
    return tables + [build(counts[name], rule.k) for name, build in described.ACTIVITY_TABLES.items()]


def _arm_size(raw: pd.DataFrame, name: str) -> pd.Series:
    """Persons of the arm at week 0, for every row of its curve."""
    followed = "at_risk" if name == "return_to_work_curve" else "n_persons"
    if followed not in raw:
        return pd.Series([0] * len(raw), index=raw.index)
    first = raw[raw["week"] == 0].groupby(["estimand", "arm"])[followed].max()
    listed = pd.MultiIndex.from_frame(raw[["estimand", "arm"]])
    return pd.Series(first.reindex(listed).fillna(0).to_numpy(), index=raw.index)


def _microdata(run: Run, report: StepReport) -> tuple[pa.Table, Microdata | None, gather.Restricted | None]:
    """Frozen quarters repeated, newly complete ones anonymised; and what attacks on them are checked against."""
    home, release, protocol = run.home, run.release, run.protocol
    declared = published("microdata")
    empty = declared.schema.empty_table().drop_columns([RELEASE.name])
    allowed = passages(home.artefact(release, MATCHING, "gate", "json"))
    held = _gathered(run)["held"]
    frozen = ledger.frozen_blocks(home.ledger, before=release)
    blocks: dict[str, pa.Table] = dict(frozen)
    found: Analysis | None = None
    rows: pa.Table | None = None
    if "ITT" in allowed and "ITT" not in held:  # whoever has outcomes by arm has the effect
        found = open_estimand(run, allowed["ITT"])
    if found is not None and found.members.num_rows:
        dates = Calendar.load(home.artefact(release, COHORT, "calendar", "json"))
        wanted = persons.complete_quarters(found, protocol, dates.follow_up_end)
        state = persons.published_states(states_on(member_states(run, "ITT"), protocol.study.primary_horizon_days))
        rows = persons.frame(found, _pseudonyms(home, release, found), protocol, state)
        for quarter in wanted:
            if quarter not in blocks:
                blocks[quarter] = persons.anonymise_quarter(rows, quarter, protocol).table
    fresh = {quarter: table for quarter, table in blocks.items() if quarter not in frozen}
    for stale in home.artefact(release, BLOCKS, "x").parent.glob("quarter=*.parquet"):
        stale.unlink()
    for quarter, table in fresh.items():
        pq.write_table(table, home.artefact(release, BLOCKS, f"quarter={quarter}"), compression="zstd")
    whole = pa.concat_tables([empty, *(blocks[q].cast(empty.schema) for q in sorted(blocks))])
    if not whole.num_rows:
        return whole, None, None
    paths = {
        name: {leaf: list(path) for leaf, path in h.paths.items()} for name, h in persons.hierarchies(protocol).items()
    }
    for name in ("index_quarter", "arm"):
        paths[name] = {value: [value, "*"] for value in sorted(set(whole[name].to_pylist()))}
    checked = verify(
        whole.to_pydict(),
        hierarchies=paths,
        k=protocol.disclosure.k,
        sensitive={persons.SENSITIVE: protocol.disclosure.l},
    )
    report.figures |= {
        "microdata rows": checked.rows, "smallest microdata class": checked.smallest_class,
        "quarters frozen before": len(frozen), "quarters anonymised now": len(fresh),
    }  # fmt: skip
    if not checked.passed:
        report.failures["privacy:microdata"] = "; ".join(checked.failures)
    loss, shares = persons.utility(whole, protocol)
    facts = Microdata(
        t=checked.t_closeness[persons.SENSITIVE],
        suppressed=persons.all_masked(whole),
        loss=loss,
        hierarchies=paths,
        level_shares=shares,
    )
    known = None
    if found is not None and rows is not None:
        rows = rows.filter(pc.is_in(rows["index_quarter"], pc.unique(whole["index_quarter"])))
        known = gather.restricted(run, found, _pseudonyms(home, release, found), rows)
    return whole, facts, known


def _fidelity(microdata: pa.Table, impact: pa.Table) -> Fidelity:
    """The headline from the published rows beside the restricted one, as the ledger lets it out in `impact`."""
    if not microdata.num_rows:
        return Fidelity(reason="no_microdata")
    (row,) = impact.filter(impact["is_headline"]).to_pylist()
    if any(row[name] is None for name in ("difference", "ci_low", "ci_high")):
        return Fidelity(reason="headline_withheld")
    return Fidelity(
        restricted=row["difference"],
        published=persons.headline(microdata),
        ci_low=row["ci_low"],
        ci_high=row["ci_high"],
    )


def _by_reason(log: pa.Table) -> dict[str, dict[str, int]]:
    """Table -> reason -> cells of the suppression log."""
    found: dict[str, dict[str, int]] = {}
    for row in log.group_by(["table", "reason"]).aggregate([([], "count_all")]).sort_by("table").to_pylist():
        found.setdefault(row["table"], {})[row["reason"]] = row["count_all"]
    return {name: dict(sorted(reasons.items())) for name, reasons in found.items()}


def _pseudonyms(home: Home, release: str, found: Analysis) -> pa.ChunkedArray:
    table = pq.read_table(pseudonymised(home, release)["persons"], columns=["person", "person_id"])
    position = np.searchsorted(table["person"].to_numpy(), found.members["person"].to_numpy())
    return table["person_id"].take(pa.array(position))


def _disclosure(counted: Sequence[CountTable], safe: dict[str, pa.Table], protocol: Protocol) -> pa.Table:
    """Cells masked in each table, by reason; cells, not persons: exact."""
    truth = {table.name: table for table in counted}
    rows = []
    for declared in PUBLISHED:
        if declared.name in NOT_COUNTED:
            continue
        table = safe[declared.name]
        values = [name for name in declared.with_role(Role.COUNT, Role.ESTIMATE) if name in table.column_names]
        empty = {name: pc.is_null(table[name]).to_numpy(zero_copy_only=False) for name in values}
        exists = {name: _exists(truth[declared.name], name) for name in values}
        reason = table["suppression_reason"].to_numpy(zero_copy_only=False)
        counts = [name for name in declared.with_role(Role.COUNT) if name in table.column_names]
        smallest = [v for name in counts for v in table[name].to_pylist() if v]
        persons_behind = sum(float(np.nansum(_true(truth[declared.name], name))) for name in counts)
        masked_persons = sum(
            float(np.nansum(np.where(empty[name], _true(truth[declared.name], name), 0))) for name in counts
        )
        rows.append(
            {
                "published_table": declared.name,
                "cells": sum(int(exists[name].sum()) for name in values),
                "suppressed_primary": sum(int((empty[n] & exists[n] & (reason != "secondary")).sum()) for n in values),
                "suppressed_secondary": sum(
                    int((empty[n] & exists[n] & (reason == "secondary")).sum()) for n in values
                ),
                # To a hundredth: the exact share would tell how many persons the masked cells hold.
                "share_persons_masked": round(masked_persons / persons_behind, 2) if persons_behind else 0.0,
                "smallest_published_count": min(smallest, default=None),
            }
        )
    schema = pa.schema([f for f in published("disclosure").schema if f.name not in GENERATED])
    return pa.Table.from_pylist(rows, schema.remove_metadata())


def _true(table: CountTable, name: str) -> np.ndarray:
    return np.asarray(table.frame[name].to_pandas().to_numpy(dtype=np.float64, na_value=np.nan))


def _exists(table: CountTable, name: str) -> np.ndarray:
    """Cells that could have been published: a figure that exists, or a row the caller withheld."""
    there = ~np.isnan(_true(table, name)) if name not in table.rates else np.ones(len(table.frame), dtype=bool)
    if table.preset:
        there |= table.frame[table.preset].is_valid().to_numpy(zero_copy_only=False)
    return there


def _facts(run: Run, sums: dict[str, Sums], safe: dict[str, pa.Table], microdata: Microdata | None) -> ReleaseFacts:
    home, release, protocol = run.home, run.release, run.protocol
    key = keys.current(home)
    inputs = {}
    for month in run.landing.deliveries(release):
        intake = Intake.load(home.intake(month))
        if intake:
            inputs[month] = {
                name: key.digest(keys.Purpose.INPUT_HASH, sha) for name, sha in sorted(intake.files.items())
            }
    return ReleaseFacts(
        inputs=inputs,
        key_id=key.id,
        seeds={"matching": protocol.matching.seed, **protocol.seeds.model_dump()},
        fidelity=_fidelity(safe["microdata"], safe["impact"]),
        microdata=microdata,
        sums=sums,
        withdrawn_since=bool(Tombstones.load(home).digests) and release in home.releases(),
    )


def _compared(protocol: Protocol, earlier: int, held: int) -> tuple[str, ...]:
    if not earlier:
        return ("Première publication : aucune comparaison avec un mois antérieur.",)
    return (
        f"Chaque case a été comparée à sa dernière publication (mois antérieurs au registre : {earlier}) : elle ne "
        f"change que si au moins {protocol.disclosure.k} personnes l'ont rejointe ou quittée, et si les cases qui "
        "changent dans une même somme n'isolent pas moins de personnes.",
        f"Cases maintenues à leur valeur antérieure : {held}.",
    )


def _gathered(run: Run) -> dict[str, Any]:
    """What the estimates say besides their tables."""
    read: dict[str, Any] = json.loads(
        run.home.artefact(run.release, EFFECTS, "facts", "json").read_text(encoding="utf-8")
    )
    return read


def _promises(safe: dict[str, pa.Table], protocol: Protocol) -> dict[str, str]:
    """A last look at what is about to leave: no count under k."""
    broken = {}
    for name, table in safe.items():
        for column in published(name).with_role(Role.COUNT):
            number = pc.sum(pc.less(table[column], protocol.disclosure.k)).as_py() or 0
            if number:
                broken[f"privacy:{name}.{column}"] = f"{name}.{column}: {number} counts under {protocol.disclosure.k}"
    return broken


def commit(home: Home, release: str) -> None:
    """Write the ledger of a release that has just been published; again with the same release does nothing."""
    ledger.record_cells(home.ledger, release, pq.read_table(home.artefact(release, STEP, PENDING)))
    folder = home.artefact(release, BLOCKS, "x").parent
    for path in sorted(folder.glob("quarter=*.parquet")):
        ledger.freeze_block(
            home.ledger, path.stem.removeprefix("quarter="), pq.read_table(path, partitioning=None), release
        )
