"""Promise: no identifier past the pseudonymisation border, no small group past the disclosure border.

Evidence is gathered from the files themselves, by code that shares nothing with the steps that wrote them. Figures are
counts: a check that finds an identifier must not show it.
"""

import re
import unicodedata
from collections import Counter
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

from assets.anonymise import anonymised
from assets.cohort import cohort
from assets.leave import leaves
from assets.matching import matches
from assets.outcomes import effects, outcomes
from assets.pseudonymise import pseudonymised
from assets.pseudonymise import texts as masked_texts
from pipeline import database
from pipeline.database import Connection
from pipeline.home import Home
from pipeline.orchestration import reports
from pipeline.orchestration.partitions import MONTHS
from pipeline.orchestration.promises import Evidence, judge
from pipeline.orchestration.reports import tables_of
from pipeline.orchestration.resources import PdpHome
from pipeline.run import Run
from pipeline.tables.inputs import INPUTS
from pipeline.tables.model import Role, Sensitivity, Type
from pipeline.tables.published import PUBLISHED, published

IDENTIFYING = (Sensitivity.DIRECT, Sensitivity.FREE_TEXT)
IDENTIFIERS = {name for table in INPUTS for name in table.with_sensitivity(*IDENTIFYING)}
SHORTEST = 10
"""Identifiers shorter than this (names, towns) are also words: the column rule stands against those."""
STATE = "state_12m"
"""The microdata's sensitive attribute for l-diversity (privacy design)."""

# Sex, year, month (13 to 99 are civil-registry fictions), département with Corsica, commune and order, then the key.
# Letters around it make it something else: a pseudonym in hexadecimal has runs of 13 digits by chance.
NIR = r"(?:^|[^0-9A-Z])([1-478][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{6})([0-9]{2})?(?:[^0-9A-Z]|$)"


def parquet_files(home: Home, release: str, step: str) -> list[Path]:
    """Every file that a step has written for a release; a table written in parts has several."""
    return sorted(path for path in (home.work(release) / step).rglob("*.parquet") if path.is_file())


def identifier_columns(path: Path) -> list[str]:
    """Columns that bear the name of a direct identifier or of a free text."""
    return [name for name in pq.read_schema(path).names if name in IDENTIFIERS]


def nir_condition(value: str) -> str:
    """SQL: a text holds a social-security number, spaced or not: 15 characters with a right key, or 13 without key."""
    text = f"upper({value})"
    for _ in range(2):  # one pass leaves every other gap between single digits
        text = f"regexp_replace({text}, '([0-9AB])[ .-]+([0-9])', '\\1\\2', 'g')"
    number = f"regexp_extract({text}, '{NIR}', 1)"
    key = f"TRY_CAST(regexp_extract({text}, '{NIR}', 2) AS INTEGER)"
    digits = f"TRY_CAST(replace(replace({number}, '2A', '19'), '2B', '18') AS BIGINT)"
    return f"({number} <> '' AND ({key} IS NULL OR {key} = 97 - {digits} % 97))"


def delivered_identifiers(connection: Connection, home: Home) -> None:
    """Table `identifiers`: every direct identifier ever delivered that is long enough to be one by itself."""
    connection.execute("CREATE OR REPLACE TEMP TABLE identifiers (value VARCHAR)")
    for table in INPUTS:
        names = [c.name for c in table if c.sensitivity is Sensitivity.DIRECT and c.type is Type.TEXT]
        paths = sorted((home.restricted / "validated" / table.name).glob("*.parquet"))
        for name in names if paths else []:
            connection.execute(
                f"INSERT INTO identifiers SELECT DISTINCT {name} FROM {database.parquet(paths)} "
                f"WHERE length({name}) >= {SHORTEST}"
            )


def texts(path: Path) -> list[str]:
    """Text columns of a file."""
    schema = pq.read_schema(path)
    return [f.name for f in schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]


def no_identifier(run: Run, step: str) -> Evidence:
    """Direct identifiers in what a step wrote: by column name, by shape, and by value."""
    faults, scanned = [], 0
    declared = {table.name: table for table in tables_of(step)}
    paths = parquet_files(run.home, run.release, step)
    with database.connect(run.home.scratch) as connection:
        delivered_identifiers(connection, run.home)
        for path in paths:
            name = (path.parent if path.parent.suffix == ".parquet" else path).stem
            faults += [f"{name}.{column} is a direct identifier" for column in identifier_columns(path)]
            if name in declared:
                faults += [
                    f"{name}.{c} is marked {c.sensitivity}" for c in declared[name] if c.sensitivity in IDENTIFYING
                ]
            for column in texts(path):
                scanned += 1
                row = connection.execute(f"""
                    SELECT count(*) FILTER (WHERE {nir_condition("v")}),
                           count(*) FILTER (WHERE v IN (SELECT value FROM identifiers))
                    FROM (SELECT DISTINCT "{column}" AS v FROM {database.parquet(path)}
                          WHERE length("{column}") >= {SHORTEST})""").fetchone()
                shaped, delivered = row or (0, 0)
                if shaped:
                    faults.append(f"{name}.{column}: {shaped} values have the shape of a social-security number")
                if delivered:
                    faults.append(f"{name}.{column}: {delivered} values are identifiers of the deliveries")
    if not paths:
        faults.append(f"step {step} has left no file to look at")
    return Evidence(faults, {"files": len(paths), "text columns": scanned})


def _plain(text: str) -> str:
    """Lower case, no accent, one space between runs of letters or digits."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(c if c.isalnum() else " " for c in letters if not unicodedata.combining(c))
    return f" {' '.join(kept.split())} "


def _survives(text: str, record: dict[str, object]) -> str | None:
    """The first column of a record whose value stands in a masked text: whole, or by its longest word for a name."""
    plain = _plain(re.sub(r"\[[^\]\n]{1,20}\]", "|", text))
    digits = re.sub(r"[^0-9]", "", plain)
    for column, value in record.items():
        said = _plain("" if value is None else str(value))
        if column in ("nir", "telephone"):
            number = re.sub(r"[^0-9]", "", said)
            if len(number) >= SHORTEST - 1 and number[-13:][:9] in digits:
                return column
        elif column == "date_naissance":
            year, month, day = (*said.split(), "", "", "")[:3]
            if year and (day + month + year in digits or year + month + day in digits):
                return column
        elif column == "email":
            if value and said in plain:
                return column
        elif words := [word for word in said.split() if word not in ("dr", "docteur", "pr", "professeur", "m", "mme")]:
            named = f" {' '.join(words)} " in plain
            if named or (column != "employeur" and len(word := max(words, key=len)) >= 4 and f" {word} " in plain):
                return column
    return None


def no_record_identifier(run: Run) -> Evidence:
    """Masked texts that hold an identifier of their own record, counted by column."""
    path = run.home.artefact(run.release, "text", "masked_texts")
    if not pq.read_metadata(path).num_rows:
        return Evidence(figures={"texts": 0})
    from pipeline.identity.step import narratives

    with database.connect(run.home.scratch) as connection:
        narratives(connection, run)
        rows = connection.execute(
            f"SELECT * EXCLUDE (report_number, delivery, narrative, spans) FROM {database.parquet(path)} "
            "JOIN narratives USING (report_number)"
        )
        columns = [name for name, *_ in rows.description or ()]
        found: Counter[str] = Counter()
        seen = 0
        while batch := rows.fetchmany(10_000):
            for row in batch:
                record = dict(zip(columns, row, strict=True))
                seen += 1
                if column := _survives(record.pop("masked_text"), record):
                    found[column] += 1
        written = database.count(connection, database.parquet(path))
    faults = [
        f"masked_texts: {count} texts hold the {column} of their record" for column, count in sorted(found.items())
    ]
    faults += [f"masked_texts: {written - seen} texts belong to no report"] if written != seen else []
    return Evidence(faults, {"texts": seen})


def small_counts(run: Run) -> Evidence:
    """Published counts of persons: empty, or at least k."""
    faults, cells, least = [], 0, run.protocol.disclosure.k
    for table in PUBLISHED:
        path = run.home.artefact(run.release, "anonymise", table.name)
        names = table.with_role(Role.COUNT)
        if not names or not path.exists():
            continue
        found = pq.read_table(path, columns=list(names))
        for name in names:
            values = found[name].drop_null().to_pylist()
            cells += len(values)
            if small := sum(value < least for value in values):
                faults.append(f"{table.name}.{name}: {small} counts under {least}")
    faults += reports.failures(run.home, run.release, "anonymise", "privacy").values()
    return Evidence(faults, {"counts": cells})


def microdata_classes(run: Run) -> Evidence:
    """Microdata: every combination of quasi-identifiers has at least k persons and l states."""
    rule, table = run.protocol.disclosure, published("microdata")
    path = run.home.artefact(run.release, "anonymise", table.name)
    quasi = ", ".join(table.with_sensitivity(Sensitivity.QUASI))
    with database.connect(run.home.scratch) as connection:
        row = connection.execute(
            f"""
            SELECT count(*), count(*) FILTER (WHERE n < $k), count(*) FILTER (WHERE states < $l), coalesce(sum(n), 0)
            FROM (SELECT count(*) AS n, count(DISTINCT coalesce({STATE}, '')) AS states
                  FROM {database.parquet(path)} GROUP BY {quasi})""",
            {"k": rule.k, "l": rule.l},
        ).fetchone()
    classes, small, alike, persons = row or (0, 0, 0, 0)
    faults = [f"{small} classes of fewer than {rule.k} persons"] if small else []
    faults += [f"{alike} classes with fewer than {rule.l} states"] if alike else []
    return Evidence(faults, {"persons": int(persons), "classes": classes})


def _no_identifier(asset: dg.AssetsDefinition, step: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=asset,
        name="no_identifier",
        blocking=True,
        partitions_def=MONTHS,
        description="No direct identifier: neither by column, nor by shape, nor by value.",
    )
    def found(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
        def look(run: Run) -> Evidence:
            seen = no_identifier(run, step)
            said = reports.failures(run.home, run.release, step, "privacy").values()
            return Evidence([*seen.faults, *said], seen.figures)

        return judge(context, pdp, look)

    return found


pseudonymised_no_identifier = _no_identifier(pseudonymised, "pseudonymise")
texts_no_identifier = _no_identifier(masked_texts, "text")
leaves_no_identifier = _no_identifier(leaves, "leave")
cohort_no_identifier = _no_identifier(cohort, "cohort")
matches_no_identifier = _no_identifier(matches, "matching")
outcomes_no_identifier = _no_identifier(outcomes, "outcomes")
effects_no_identifier = _no_identifier(effects, "effects")
anonymised_no_identifier = _no_identifier(anonymised, "anonymise")


@dg.asset_check(
    asset=masked_texts,
    name="no_record_identifier",
    blocking=True,
    partitions_def=MONTHS,
    description="No masked text holds an identifier of its own record: name, number or address.",
)
def no_identifier_of_the_record(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
    """Blocking: what the record says is nowhere in the text."""
    return judge(context, pdp, no_record_identifier)


@dg.asset_check(
    asset=anonymised,
    name="small_counts",
    blocking=True,
    partitions_def=MONTHS,
    description="Every count of persons is empty or at least k.",
)
def counts_at_least_k(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
    """Blocking: no small group leaves."""
    return judge(context, pdp, small_counts)


@dg.asset_check(
    asset=anonymised,
    name="microdata_classes",
    blocking=True,
    partitions_def=MONTHS,
    description="Every microdata class holds at least k persons and l outcome states.",
)
def classes_at_least_k(context: dg.AssetCheckExecutionContext, pdp: PdpHome) -> dg.AssetCheckResult:
    """Blocking: nobody can be told apart."""
    return judge(context, pdp, microdata_classes)
