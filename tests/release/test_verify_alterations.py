"""A forger alters one thing of a published release and signs every hash again: each alteration breaks a rule.

The alterations are generated over every table and kind of rule. What a forger can change without breaking any rule is
listed in docs/security.md and is not here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from test_verify import Rows, alter, failures, sign_again

from pipeline.release import rules
from pipeline.tables.model import Role, Table
from pipeline.tables.published import PUBLISHED, suppressible

Change = Callable[[Rows], Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Alteration:
    """What is changed in a table, and the rule that must say so."""

    name: str
    table: str
    change: Change
    rule: str


def one(name: str, change: Change, rule: str, table: str = "") -> Alteration:
    """An alteration named after its table, `table: what` or `table.column: what`."""
    return Alteration(name, table or re.split(r"[.:]", name)[0], change, rule)


def shown(rows: Rows, *names: str) -> Row:
    return next(row for row in rows if all(row[name] is not None for name in names))


def setting(name: str, to: Callable[[Any], Any], *also: str) -> Change:
    """Change one figure of the first row that shows it."""

    def change(rows: Rows) -> None:
        row = shown(rows, name, *also)
        row[name] = to(row[name])

    return change


def where(rows: Rows, **wanted: Any) -> Row:
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


def shows(table: Table) -> Callable[[Rows], Row]:
    """The first row of a table with a figure."""
    figures = table.with_role(Role.COUNT, Role.ESTIMATE)
    return lambda rows: next(row for row in rows if any(row[name] is not None for name in figures))


def emptied(table: Table) -> Change:
    figures = table.with_role(Role.COUNT, Role.ESTIMATE)

    def change(rows: Rows) -> None:
        row = shows(table)(rows)
        row[next(name for name in figures if row[name] is not None)] = None

    return change


def generated() -> Iterator[Alteration]:
    """The same alterations of every table."""
    for table in PUBLISHED:
        first = shows(table)
        for count in table.with_role(Role.COUNT)[:1]:
            yield one(f"{table.name}: a count under k", setting(count, lambda n: 10), "k")
            yield one(f"{table.name}: a count off the base", setting(count, lambda n: n + 1), "rounding")
        if suppressible(table):
            unexplained = {"suppressed": True, "suppression_reason": None}
            withheld = {"suppressed": True, "suppression_reason": "gate"}
            yield one(f"{table.name}: masked without a reason", lambda r, u=unexplained: r[0].update(u), "suppression")
            yield one(f"{table.name}: withheld and shown", lambda r, f=first, w=withheld: f(r).update(w), "suppression")
            yield one(f"{table.name}: a row taken out", lambda rows, f=first: rows.remove(f(rows)), "disclosure")
            yield one(f"{table.name}: a figure emptied", emptied(table), "disclosure")
        if table.key:
            yield one(f"{table.name}: a key twice", lambda rows: rows.append(dict(rows[0])), "tables")
        yield one(f"{table.name}: a row of another month", lambda rows: rows[0].update(release="2023-01"), "tables")
        column = next((c.name for c in table if c.codes is not None and not c.nullable), None)
        if column is not None:
            yield one(f"{table.name}.{column}: another code", setting(column, lambda _: "somewhere"), "codes")


def beyond(middle: str, low: str) -> Change:
    def change(rows: Rows) -> None:
        row = shown(rows, middle, low)
        row[low] = row[middle] + 0.5

    return change


def intervals() -> Iterator[Alteration]:
    for table, middle, low, high in rules.INTERVALS:
        yield one(f"{table}.{low}: an interval that does not hold {middle}", beyond(middle, low), "figures")
        yield one(f"{table}.{high}: a longer interval", setting(high, lambda v: v + 0.25, middle), "figures")


SHARES = {
    "impact": ("randomisation_p",),
    "return_to_work_curve": ("cumulative_incidence",),
    "balance": ("ks_before", "ks_after"),
    "on_leave_curve": ("share_on_leave", "share_part_time"),
    "savings": ("probability_net_positive",),
    "balance_groups": ("ks_largest",),
    "leaves": ("share",),
}
RATES = ("participant_profile", "referral_sources", "exits", "measures", "departments", "situations")
PARTS = {
    "platform_activity": ("referrals", {"platform_id": "PDP94", "quarter": "2023-Q1"}),
    "participant_profile": ("n", {"variable": "sex", "modality": "female"}),
    "referral_sources": ("n", {"source": "social_service"}),
    "exits": ("n", {"exit": "adapted_post"}),
    "measures": ("n", {"status": "carried_out"}),
    "flow": ("n_lost", {"step": "eligible"}),
}


def more(name: str, wanted: Row) -> Change:
    def change(rows: Rows) -> None:
        where(rows, **wanted)[name] += 40

    return change


def ratios() -> Iterator[Alteration]:
    for table, columns in SHARES.items():
        for name in columns:
            yield one(f"{table}.{name}: a share above 1", setting(name, lambda _: 1.5), "figures")
    for table in RATES:
        yield one(f"{table}: a share that is not its ratio", setting("share", lambda s: s * 0.9), "sums")
    for table, (name, row) in PARTS.items():
        yield one(f"{table}: a part that breaks its total", more(name, row), "sums")


def longer(rows: Rows, **row: Any) -> None:
    rows.append({**rows[0], **row})


def split_class(rows: Rows) -> None:
    """Ten of a class of fifteen get another status: two classes under k."""
    one = [r for r in rows if (r["sex"], r["arm"], r["index_quarter"]) == ("male", "treated", "2022-Q1")]
    for row in one[:10]:
        row["status"] = "self_employed"


def taken_out_of_a_class(rows: Rows) -> None:
    rows.remove(where(rows, arm="treated", sex="male", index_quarter="2022-Q1"))


def hidden(rows: Rows) -> None:
    for row in rows:
        if row["sex"] == "male":
            row["sex"] = "*"


def other_states(rows: Rows) -> None:
    for row in rows:
        if row["sex"] == "female" and row["state_12m"] == "invalidity":
            row["state_12m"] = "full_leave" if row["days_on_leave_12m"] < 100 else "invalidity"


ONE_BY_ONE = [
    one("impact: a difference that is not one", setting("value_treated", lambda v: v + 1), "figures"),
    one("impact: another E-value", setting("e_value", lambda v: v + 0.1), "figures"),
    one("impact: an E-value under 1", setting("e_value_bound", lambda v: 0.5), "figures"),
    one("impact: half a département", setting("treated_departments", lambda v: 11.5), "figures"),
    one("impact: two headlines", lambda rows: where(rows, is_headline=False).update(is_headline=True), "figures"),
    one("impact: no headline", lambda rows: where(rows, is_headline=True).update(is_headline=False), "figures"),
    one(
        "impact: a share above 1",
        lambda rows: where(rows, outcome="employed").update(value_treated=1.2, value_comparison=1.193),
        "figures",
    ),
    Alteration(
        "curve: an incidence that falls",
        "return_to_work_curve",
        lambda rows: where(rows, week=60).update(cumulative_incidence=0.0, ci_low=0.0, ci_high=0.0),
        "figures",
    ),
    Alteration(
        "curve: events above everyone",
        "return_to_work_curve",
        lambda rows: where(rows, week=104).update(cumulative_incidence=0.95, ci_low=0.95, ci_high=0.95),
        "figures",
    ),
    Alteration(
        "curve: persons at risk who come back",
        "return_to_work_curve",
        lambda rows: where(rows, week=60).update(at_risk=3900),
        "figures",
    ),
    Alteration(
        "curve: a week taken out of the middle",
        "on_leave_curve",
        lambda rows: rows.remove(where(rows, week=50)),
        "figures",
    ),
    Alteration("curve: a week after the end", "on_leave_curve", lambda rows: longer(rows, week=140), "figures"),
    Alteration(
        "curve: more part-time than leave",
        "on_leave_curve",
        setting("share_part_time", lambda s: 0.999 + s),
        "figures",
    ),
    one("savings: a total that is not the product", setting("gross_total_eur", lambda v: v + 100), "figures"),
    one("savings: net that is not gross minus cost", setting("cost_eur_per_person", lambda v: v - 10), "figures"),
    one("savings: another cost per day", setting("cost_eur_per_day_avoided", lambda v: v + 1), "figures"),
    one("savings: days that are not the effect", setting("days_avoided_per_person", lambda v: v + 1), "figures"),
    one("savings: a cost outside its interval", setting("cost_per_day_ci_high", lambda v: 11.0), "figures"),
    one("savings: a probability on the other side", setting("probability_net_positive", lambda v: 0.1), "figures"),
    one(
        "savings: parts that do not add up",
        lambda rows: [
            where(rows, perimeter="sickness_allowances").update(
                gross_eur_per_person=160.0, gross_total_eur=160.0 * 4180, gross_ci_low=49.0, gross_ci_high=271.0
            )
        ],
        "figures",
    ),
    one("power: other persons than the effect", setting("n_treated", lambda n: n + 50), "figures"),
    one("power: a negative detectable effect", setting("minimum_detectable_effect", lambda v: -v), "figures"),
    one("delays: quartiles out of order", setting("p25", lambda v: 400.0), "figures"),
    one("balance_groups: a third digit", setting("smd_largest", lambda v: v + 0.001), "figures"),
    one("balance_groups: the strict above all", setting("smd_strict_largest", lambda v: 0.9), "figures"),
    one("balance_groups: ratios out of order", setting("variance_ratio_largest", lambda v: 0.5), "figures"),
    one("leaves: a share to a thousandth", setting("share", lambda v: v + 0.001), "figures"),
    one("leaves: days that are not whole", setting("mean_days", lambda v: v + 0.5), "figures"),
    one("leaves: another national figure", setting("national_mean_days", lambda v: v + 1), "figures"),
    one(
        "referral_sources: an origin of article 56 said outside it",
        lambda rows: where(rows, source="social_service").update(outside_article_56=True),
        "figures",
    ),
    one(
        "departments: a share of a masked count",
        lambda rows: where(rows, department_code="067").update(share=0.2),
        "suppression",
    ),
    one("situations: a masked share shown", lambda rows: where(rows, n_initial=None).update(n=None), "suppression"),
    one(
        "platform_activity: a masked cell filled",
        lambda rows: where(rows, withdrawals=None, platform_id="PDP94", quarter="all").update(withdrawals=30),
        "disclosure",
    ),
    one(
        "exits: a row added",
        lambda rows: longer(rows, exit="dismissal_unfitness", n=30, share=30 / 290),
        "disclosure",
    ),
    one("disclosure: fewer cells", setting("cells", lambda n: n - 1), "disclosure"),
    one("disclosure: more masked", setting("suppressed_primary", lambda n: n + 1), "disclosure"),
    one(
        "disclosure: secondary where there is none",
        lambda rows: rows[0].update(cells=rows[0]["cells"] + 1, suppressed_secondary=1),
        "disclosure",
    ),
    one("disclosure: another smallest count", setting("smallest_published_count", lambda n: n + 5), "k"),
    one("disclosure: a table left out", lambda rows: rows.pop(), "disclosure"),
    one(
        "disclosure: persons masked without a cell",
        lambda rows: where(rows, published_table="delays").update(share_persons_masked=0.2),
        "disclosure",
    ),
    one("disclosure: a share to a thousandth", setting("share_persons_masked", lambda _: 0.001), "figures"),
    one(
        "data_quality: rows that nobody accounts for",
        lambda rows: rows[0].update(rows_accepted=rows[0]["rows_accepted"] - 1),
        "accounting",
    ),
    one(
        "data_quality: a rule that does not add up",
        lambda rows: where(rows, rule="negative_duration").update(
            rows_quarantined=90, rows_accepted=99_908, rate=90 / 100_000
        ),
        "accounting",
    ),
    one("data_quality: another rate", setting("rate", lambda r: r / 2 + 0.001), "sums"),
    one("dictionary: another label", lambda rows: rows[0].update(label_fr="autre"), "dictionary"),
    one("dictionary: a column left out", lambda rows: rows.pop(), "dictionary"),
    one("microdata: a class split under k", split_class, "microdata"),
    one("microdata: a person taken out", taken_out_of_a_class, "microdata"),
    one("microdata: a person added", lambda rows: rows.append(dict(rows[0])), "microdata"),
    one("microdata: days to the day", setting("days_on_leave_12m", lambda d: d + 1), "microdata"),
    one("microdata: euros to the euro", setting("allowance_eur_12m", lambda e: e + 1), "microdata"),
    one(
        "microdata: fewer days in a year than in half",
        lambda rows: where(rows, days_on_leave_6m=70).update(days_on_leave_12m=5),
        "microdata",
    ),
    one("microdata: days past the horizon", setting("days_on_leave_12m", lambda d: 500), "microdata"),
    one("microdata: another weight", setting("weight", lambda w: 2.0), "microdata"),
    one("microdata: a weight of seven digits", setting("weight", lambda w: 1.0000001), "microdata"),
    one(
        "microdata: an arm without its territory",
        lambda rows: [r.update(territory="designated") for r in rows if r["arm"] == "comparison"],
        "microdata",
    ),
    one(
        "microdata: a value outside its hierarchy",
        lambda rows: [r.update(cause="*") for r in rows if r["sex"] == "male"],
        "certificate",
    ),
    one("microdata: a column generalised further", hidden, "certificate"),
    one("microdata: other outcomes in a class", other_states, "certificate"),
    one(
        "microdata: another effect",
        lambda rows: [r.update(days_on_leave_12m=r["days_on_leave_12m"] + 5) for r in rows if r["arm"] == "treated"],
        "certificate",
    ),
    one(
        "microdata: returns that are undone",
        lambda rows: where(rows, returned_6m=True).update(returned_12m=False),
        "microdata",
    ),
]
STRIDE = 8
"""Of the alterations that are the same on every table, one in so many is tried: each takes a third of a second."""
EVERY = [*ONE_BY_ONE, *intervals(), *ratios(), *list(generated())[::STRIDE]]


@pytest.mark.parametrize("alteration", EVERY, ids=lambda alteration: alteration.name)
def test_a_signed_alteration_of_a_table_breaks_its_rule(release_copy: Path, alteration: Alteration) -> None:
    alter(release_copy, alteration.table, alteration.change)
    found = failures(release_copy)
    assert alteration.rule in found
    assert "files" not in found and "database" not in found


def edit(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / name
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def said(folder: Path, name: str, words: str, others: str) -> None:
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert words in text
    path.write_text(text.replace(words, others, 1), encoding="utf-8")


def attack(criterion: int, number: int, **changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(
        folder, "audit.json", lambda told: told["criteria"][criterion]["attacks"][number].update(changes)
    )


def manifest(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder, "manifest.json", lambda told: told.update(changes))


def other_unit(package: dict[str, Any]) -> None:
    package["resources"][0]["schema"]["fields"][3]["unit"] = "m"


def other_k(content: dict[str, Any]) -> None:
    content["protocol"]["parameters"]["disclosure"]["k"] = 5


ELSEWHERE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "the synthesis tells another effect": (lambda f: said(f, "synthese.html", "212,4", "202,4"), "documents"),
    "the synthesis tells another count": (lambda f: said(f, "synthese.html", "4\u202f180", "5\u202f180"), "documents"),
    "the audit page tells another smallest class": (lambda f: said(f, "audit.html", "15", "19"), "documents"),
    "the audit page tells another verdict": (lambda f: said(f, "audit.html", ">conforme<", ">parfait<"), "documents"),
    "audit.json tells another smallest class": (
        lambda f: edit(f, "audit.json", lambda told: told["measured"].update(smallest_class=40)), "documents",
    ),
    "audit.json tells another k": (
        lambda f: edit(f, "audit.json", lambda told: told["parameters"].update(k=5)), "documents",
    ),
    "audit.json tells fewer masked rows": (
        lambda f: edit(f, "audit.json", lambda told: told["suppressed_rows"].pop("departments")), "documents",
    ),
    "audit.json tells other hashes": (
        lambda f: edit(f, "audit.json", lambda told: told["hashes"].update({"tables/impact.parquet": "0" * 64})),
        "documents",
    ),
    "audit.json tells that nobody disappears": (
        lambda f: edit(f, "audit.json", lambda told: told["disappeared"].update({"sexe : femme": 0.9})), "documents",
    ),
    "an attack that succeeds less": (attack(2, 1, success=0.01), "attacks"),
    "an attack with more attempts": (attack(0, 0, attempts=10_000), "attacks"),
    "an attack left out": (
        lambda f: edit(f, "audit.json", lambda told: told["criteria"][0].update(attacks=[])), "attacks",
    ),
    "an attack that beats its rule": (attack(2, 0, success=0.2), "attacks"),
    "another prosecutor risk": (
        lambda f: edit(f, "audit.json", lambda told: told["risk"].update(prosecutor=0.001)), "attacks",
    ),
    "a table missing in the descriptor": (
        lambda f: edit(f, "datapackage.json", lambda told: told["resources"].pop()), "dictionary",
    ),
    "another unit in the descriptor": (lambda f: edit(f, "datapackage.json", other_unit), "dictionary"),
    "other seeds": (lambda f: edit(f, "manifest.json", lambda told: told["seeds"].update(matching=1)), "manifest"),
    "another protocol hash": (
        lambda f: edit(f, "manifest.json", lambda told: told["protocol"].update(sha256="0" * 64)), "manifest",
    ),
    "other parameters": (lambda f: edit(f, "manifest.json", other_k), "manifest"),
    "a share accompanied over 1": (manifest(uptake=1.2), "manifest"),
    "another share accompanied": (manifest(uptake=0.4), "documents"),
    "another loss of the microdata": (
        lambda f: edit(f, "manifest.json", lambda told: told["microdata"].update(loss=0.01)), "certificate",
    ),
    "other levels of the microdata": (
        lambda f: edit(f, "manifest.json", lambda told: told["microdata"]["level_shares"].update(sex=[1.0, 0.0])),
        "certificate",
    ),
    "another restricted effect in the certificate": (
        lambda f: edit(f, "manifest.json", lambda told: told["fidelity"].update(restricted=-5.1)), "certificate",
    ),
    "a certificate nearer than its figures": (
        lambda f: edit(f, "manifest.json", lambda told: told["fidelity"].update(distance_in_intervals=0.001)),
        "certificate",
    ),
    "fewer cells held than the audit says": (
        manifest(held={"delays": 3}), "documents",
    ),
    "no account of what was held": (lambda f: edit(f, "manifest.json", lambda told: told.pop("held")), "manifest"),
    "another code version": (
        manifest(code_version="0.1.0+000000000000"), "documents",
    ),
    "a comment of the database taken away": (
        lambda f: in_database(f, "COMMENT ON COLUMN delays.median IS NULL"), "database",
    ),
    "a row more in the database": (
        lambda f: in_database(f, "INSERT INTO delays SELECT * FROM delays LIMIT 1"), "database",
    ),
    "another type in the database": (
        lambda f: in_database(f, "ALTER TABLE delays ALTER n TYPE INTEGER"), "database",
    ),
    "a table missing in the database": (lambda f: in_database(f, "DROP TABLE delays"), "database"),
}  # fmt: skip


def in_database(folder: Path, statement: str) -> None:
    with duckdb.connect(str(folder / "impact.duckdb")) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_signed_alteration_of_a_document_breaks_its_rule(release_copy: Path, name: str) -> None:
    change, rule = ELSEWHERE[name]
    change(release_copy)
    sign_again(release_copy)
    found = failures(release_copy)
    assert rule in found and "files" not in found


def test_alterations_reach_every_table_and_every_rule_on_tables() -> None:
    assert {alteration.table for alteration in EVERY} == {table.name for table in PUBLISHED}
    assert {alteration.rule for alteration in EVERY} | {rule for _, rule in ELSEWHERE.values()} == {
        "manifest", "tables", "dictionary", "database", "codes", "k", "suppression", "rounding", "sums", "figures",
        "disclosure", "microdata", "certificate", "accounting", "attacks", "documents",
    }  # fmt: skip
    assert len({alteration.name for alteration in EVERY}) == len(EVERY) >= 60
