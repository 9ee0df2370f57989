"""Re-check a release from its own files alone: what `pdp audit` runs, and what every release passes before its switch.

One function per rule, each returning a sentence per thing that breaks it. Nothing here reads the restricted zone; what
the rules need (k, l, rounding base, hierarchies) is in the release's own manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import database
from pipeline.disclosure import persons
from pipeline.disclosure import verify as microdata_verify
from pipeline.disclosure.bounds import Floats, Progress
from pipeline.disclosure.deduction import Deduced, Reading, deduce, deduce_changes
from pipeline.disclosure.facts import Between, Deduction, Fidelity, Sums
from pipeline.disclosure.kept import reading_of
from pipeline.disclosure.suppression import recoverable_all
from pipeline.disclosure.system import Cell, Equality
from pipeline.disclosure.tables import CountTable
from pipeline.protocol import Protocol
from pipeline.release import french, rules
from pipeline.release.rules import CLOSE, Figures
from pipeline.release.version import code_version
from pipeline.tables import descriptor
from pipeline.tables.model import SQL, Role, Sensitivity, Table
from pipeline.tables.published import PUBLISHED, suppressible

REQUIRED_FILES = ("impact.duckdb", "synthese.html", "audit.html", "audit.json", "datapackage.json", "manifest.json")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One rule of the audit: whether it holds and one sentence that says what was seen.

    Attributes:
        rule: short English name.
        passed: whether it holds.
        detail: one English sentence: the measured figure, or the first things that break the rule.
        detail_fr: the same in French when the rule holds (a release that breaks one has no audit document).
    """

    rule: str
    passed: bool
    detail: str
    detail_fr: str = ""


@dataclass(frozen=True, slots=True)
class Parameters:
    """What the rules need of a manifest: k, l, rounding and the hierarchies of the microdata."""

    release: str
    k: int
    l: int  # noqa: E741  the criterion's name
    rounding_base: int
    days_rounding: int
    euros_rounding: int
    hierarchies: Mapping[str, Mapping[str, list[str]]]
    rows: Mapping[str, int]
    sums: Mapping[str, Sums]
    held: Mapping[str, int]
    horizon_months: int
    horizon_days: int
    curve_weeks: int
    fidelity: Mapping[str, Any]
    microdata: Mapping[str, Any] | None
    protocol: Mapping[str, Any]
    between: tuple[Equality, ...]
    code_version: str

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Parameters:
        """Read from a manifest; KeyError or TypeError when it is not one."""
        protocol = manifest["protocol"]["parameters"]
        disclosure, study = protocol["disclosure"], protocol["study"]
        horizon = study["primary_horizon_months"]
        return cls(
            release=manifest["release"],
            k=disclosure["k"],
            l=disclosure["l"],
            rounding_base=disclosure["rounding_base"],
            days_rounding=disclosure["days_rounding"],
            euros_rounding=disclosure["euros_rounding"],
            hierarchies=(manifest["microdata"] or {}).get("hierarchies", {}),
            rows=manifest["rows"],
            sums={name: Sums.model_validate(sums) for name, sums in manifest["sums"].items()},
            held=manifest["held"],
            horizon_months=horizon,
            horizon_days=study["horizons_days"][str(horizon)],
            curve_weeks=protocol["inference"]["curve_weeks"],
            fidelity=manifest["fidelity"],
            microdata=manifest["microdata"],
            protocol=protocol,
            # Releases of earlier versions say nothing of sums between tables.
            between=tuple(Between.model_validate(each).equality for each in manifest.get("between", ())),
            code_version=manifest["code_version"],
        )


@dataclass(slots=True)
class _Seen:
    """What a rule saw: sentences on what breaks it, and the figure to print when nothing does."""

    problems: list[str] = field(default_factory=list)
    figure: str = ""
    figure_fr: str = ""


Tables = Mapping[str, pa.Table]


def verify(folder: Path, progress: Progress | None = None) -> list[Verdict]:
    """Every rule on a release folder.

    Args:
        folder: `<home>/published/release=YYYY-MM` or a copy of it.
        progress: told (masked counts settled, all of them): the part that takes time.

    Returns:
        A verdict per rule. A release without a readable manifest gets one failed verdict: nothing else can be judged.
    """
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        parameters = Parameters.of(manifest)
    except (OSError, ValueError, KeyError, TypeError):
        return [Verdict("manifest", False, "manifest.json is missing or is not the manifest of a release")]
    tables = _read(folder)
    judged = _content(tables, folder, parameters, progress)
    return [
        _judge("manifest", lambda: _manifest(manifest)),
        _judge("files", lambda: _files(folder, manifest)),
        *judged,
        _judge("attacks", lambda: _attacks(folder, tables, parameters, judged)),
        _judge("documents", lambda: _documents(folder, manifest, tables, judged)),
    ]


def content(folder: Path, parameters: Parameters, deduced: Deduced | None = None) -> list[Verdict]:
    """The rules on the tables, the database and the descriptor: what can be judged before the documents are written.

    Args:
        folder: of the release.
        parameters: of its manifest.
        deduced: what can be deduced of the masked counts, where that is at hand.
    """
    return _content(_read(folder), folder, parameters, deduced=deduced)


def _content(
    tables: Tables | None, folder: Path, parameters: Parameters, progress: Progress | None = None, *,
    deduced: Deduced | None = None,
) -> list[Verdict]:  # fmt: skip
    if tables is None:
        return [Verdict("tables", False, "a table's Parquet file cannot be read")]
    first = _judge("tables", lambda: _tables(tables, parameters))
    if not first.passed:
        return [first]
    release = Figures(tables, parameters.held)
    return [
        first,
        _judge("dictionary", lambda: _dictionary(tables, folder, parameters)),
        _judge("database", lambda: _database(tables, folder, parameters.code_version == code_version())),
        _judge("codes", lambda: _codes(tables)),
        _judge("k", lambda: _smallest_count(tables, parameters)),
        _judge("suppression", lambda: _suppression(release)),
        _judge("subtraction", lambda: _subtraction(tables, parameters, progress, deduced)),
        _judge("rounding", lambda: _rounding(tables, parameters)),
        _judge("sums", lambda: _sums(release, parameters)),
        _judge("figures", lambda: _figures(release, parameters)),
        _judge("disclosure", lambda: _disclosure(release)),
        _judge("microdata", lambda: _microdata(tables["microdata"], parameters)),
        _judge("certificate", lambda: _certificate(tables, parameters)),
        _judge("accounting", lambda: _accounting(tables["data_quality"])),
    ]


def _read(folder: Path) -> dict[str, pa.Table] | None:
    """The tables of a release; None when one cannot be read."""
    try:
        return {
            table.name: pq.read_table(folder / "tables" / f"{table.name}.parquet", partitioning=None)
            for table in PUBLISHED
            if (folder / "tables" / f"{table.name}.parquet").is_file()
        }
    except (OSError, pa.ArrowException):
        return None


def hashes(folder: Path) -> dict[str, str]:
    """Hash of each table's file and of their descriptor: what the audit prints, so that a signature binds them."""
    paths = [folder / "datapackage.json", *sorted((folder / "tables").glob("*.parquet"))]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths if path.is_file()}


def sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _judge(rule: str, check: Callable[[], _Seen]) -> Verdict:
    try:
        seen = check()
    except Exception as error:
        # Whatever a spoilt file provokes, a rule that cannot be judged is a rule that does not hold.
        return Verdict(rule, False, f"cannot be judged: {type(error).__name__}")
    if not seen.problems:
        return Verdict(rule, True, seen.figure, seen.figure_fr)
    more = f" (and {len(seen.problems) - 3} more)" if len(seen.problems) > 3 else ""
    return Verdict(rule, False, "; ".join(seen.problems[:3]) + more)


def _manifest(manifest: Mapping[str, Any]) -> _Seen:
    seen = _Seen(figure="manifest complete; the protocol's hash is that of its parameters",
                 figure_fr="manifeste complet ; l'empreinte du protocole est celle de ses paramètres")  # fmt: skip
    needed = ("release", "code_version", "protocol", "inputs", "files", "rows", "key_id", "seeds", "fidelity", "sums",
              "held", "uptake", "microdata", "libraries")  # fmt: skip
    seen.problems += [f"manifest.json has no `{name}`" for name in needed if name not in manifest]
    if more := set(manifest) - {*needed, "between"}:
        seen.problems.append(f"manifest.json has {len(more)} entries that no release has")
    canonical = json.dumps(manifest["protocol"]["parameters"], sort_keys=True, separators=(",", ":"))
    if hashlib.sha256(canonical.encode()).hexdigest() != manifest["protocol"]["sha256"]:
        seen.problems.append("the protocol's hash is not that of the parameters printed beside it")
    parameters = manifest["protocol"]["parameters"]
    if manifest["seeds"] != {"matching": parameters["matching"]["seed"], **parameters["seeds"]}:
        seen.problems.append("the seeds are not those of the protocol")
    if manifest["uptake"] is not None and not 0 <= manifest["uptake"] <= 1:
        seen.problems.append("the share accompanied is not a share")
    return seen


def _files(folder: Path, manifest: Mapping[str, Any]) -> _Seen:
    expected: Mapping[str, str] = manifest["files"]
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    seen = _Seen()
    seen.problems += [f"{name} is missing" for name in sorted({*expected, *REQUIRED_FILES} - found)]
    seen.problems += [f"{name} is not in the manifest" for name in sorted(found - {*expected, "manifest.json"})]
    seen.problems += [
        f"{name} is not the file that was published (its hash differs)"
        for name, expected_hash in sorted(expected.items())
        if name in found and sha256(folder / name) != expected_hash
    ]
    seen.figure = f"{len(expected)} files, each with the hash of the manifest"
    seen.figure_fr = f"{len(expected)} fichiers, chacun conforme à son empreinte"
    return seen


def _tables(tables: Tables, parameters: Parameters) -> _Seen:
    seen = _Seen()
    for declared in PUBLISHED:
        table = tables.get(declared.name)
        if table is None:
            seen.problems.append(f"table {declared.name} is missing")
            continue
        if not table.schema.equals(declared.schema):
            seen.problems.append(f"table {declared.name} has other columns or types than declared")
            continue
        if table.schema.metadata:
            seen.problems.append(f"the file of {declared.name} holds metadata beside its columns")
        if parameters.code_version == code_version() and not table.schema.equals(declared.schema, check_metadata=True):
            seen.problems.append(f"table {declared.name} describes its columns otherwise than declared")
        if table.num_rows != parameters.rows.get(declared.name):
            seen.problems.append(f"table {declared.name} has another number of rows than the manifest says")
        if pc.any(pc.not_equal(table["release"], parameters.release)).as_py():
            seen.problems.append(f"table {declared.name} holds rows of another release")
        empty = [column.name for column in declared if not column.nullable and table[column.name].null_count]
        seen.problems += [f"{declared.name}.{name} is empty on some rows" for name in empty]
        keys = list(declared.key)
        if keys and table.select(keys).group_by(keys).aggregate([]).num_rows != table.num_rows:
            seen.problems.append(f"table {declared.name} has two rows with one key")
    seen.figure = f"{len(PUBLISHED)} tables with their declared columns, types and keys"
    seen.figure_fr = f"{len(PUBLISHED)} tables, avec les colonnes, les types et les clés déclarés"
    return seen


def _dictionary(tables: Tables, folder: Path, parameters: Parameters) -> _Seen:
    package = json.loads((folder / "datapackage.json").read_text(encoding="utf-8"))
    seen = _Seen()
    # A release made by another version is held to its own descriptor; one of this version to the registry as well.
    same_code = parameters.code_version == code_version()
    if same_code and package != descriptor.datapackage(parameters.release):
        seen.problems.append("datapackage.json does not describe the declared tables")
    described = {
        (resource["name"], f["name"]): (f["label_fr"], f["label_en"], f["unit"])
        for resource in package["resources"]
        for f in resource["schema"]["fields"]
    }
    rows = {
        (row["table_name"], row["column_name"]): (row["label_fr"], row["label_en"], row["unit"] or "")
        for row in tables["dictionary"].to_pylist()
    }
    present = {(name, column) for name, table in tables.items() for column in table.column_names}
    for where, keys in (("datapackage.json", set(described)), ("the dictionary", set(rows))):
        seen.problems += [f"{table}.{column} is not in {where}" for table, column in sorted(present - keys)]
        seen.problems += [f"{where} names {t}.{c}, which does not exist" for t, c in sorted(keys - present)]
    seen.problems += [
        f"{table}.{column}: the dictionary and datapackage.json disagree"
        for (table, column), labels in sorted(rows.items())
        if (table, column) in described and described[table, column] != labels
    ]
    if same_code and not tables["dictionary"].equals(
        descriptor.dictionary(parameters.release).sort_by(_ascending("dictionary"))
    ):
        seen.problems.append("the dictionary is not the one of the declared tables")
    seen.figure = f"{len(present)} columns described in French and English"
    seen.figure_fr = f"{len(present)} colonnes décrites en français et en anglais"
    return seen


def _ascending(name: str) -> list[tuple[str, str]]:
    declared = next(table for table in PUBLISHED if table.name == name)
    return [(key, "ascending") for key in declared.key]


def _database(tables: Tables, folder: Path, same_code: bool) -> _Seen:
    seen = _Seen()
    with database.connect() as connection:
        connection.execute(f"ATTACH {database.quoted(folder / 'impact.duckdb')} AS release (READ_ONLY)")
        stored = {
            (table, column): (kind, comment)
            for table, column, kind, comment in connection.execute(
                "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
                "WHERE database_name = 'release' AND NOT internal"
            ).fetchall()
        }
        known = {table.name for table in PUBLISHED}
        for what in ("view", "function", "type", "sequence"):
            own = "" if what == "sequence" else "AND NOT internal"
            listing = f"SELECT database_name FROM duckdb_{what}s() WHERE database_name = 'release' {own}"
            if connection.execute(listing).fetchall():
                seen.problems.append(f"impact.duckdb holds a {what} beside its tables")
        seen.problems += [f"impact.duckdb holds {name}" for name in sorted({table for table, _ in stored} - known)]
        for declared in PUBLISHED:
            columns = [column for table, column in stored if table == declared.name]
            if sorted(columns) != sorted(declared.names):
                seen.problems.append(f"impact.duckdb: {declared.name} is missing or has other columns")
                continue
            said = {column: stored[declared.name, column][1] for column in columns}
            if said != descriptor.comment_of_columns(declared) and same_code:
                seen.problems.append(f"impact.duckdb: {declared.name} has other comments than the dictionary")
            if not all(said.values()):
                seen.problems.append(f"impact.duckdb: {declared.name} has a column without comment")
            if any(stored[declared.name, column.name][0] != SQL[column.type] for column in declared):
                seen.problems.append(f"impact.duckdb: {declared.name} has other types than declared")
            names = ", ".join(f'"{name}"' for name in declared.names)
            inside = f'SELECT {names} FROM release."{declared.name}"'
            # Rows are stored in the order of the Parquet file: another order is another file.
            if not connection.sql(inside).to_arrow_table().cast(declared.schema).equals(tables[declared.name]):
                seen.problems.append(f"impact.duckdb: {declared.name} does not hold what its Parquet file holds")
        connection.execute("DETACH release")
    seen.figure = "impact.duckdb holds the same rows as the Parquet files, every column with its comment"
    seen.figure_fr = "impact.duckdb contient les mêmes lignes que les fichiers Parquet, chaque colonne commentée"
    return seen


def _codes(tables: Tables) -> _Seen:
    seen, columns = _Seen(), 0
    for declared in PUBLISHED:
        for column in declared:
            pattern = descriptor.accepted(column)
            if pattern is None:
                continue
            columns += 1
            unknown = [
                value
                for value in pc.unique(tables[declared.name][column.name]).to_pylist()
                if value is not None and not pattern.fullmatch(value)
            ]
            if unknown:
                seen.problems.append(f"{declared.name}.{column.name}: {len(unknown)} codes outside the closed list")
    seen.figure = f"{columns} coded columns hold codes of their closed list alone"
    seen.figure_fr = f"{columns} colonnes codées ne contiennent que des codes de leur liste"
    return seen


def _counts(tables: Tables) -> list[tuple[Table, str, pa.ChunkedArray]]:
    return [
        (declared, name, tables[declared.name][name])
        for declared in PUBLISHED
        for name in declared.with_role(Role.COUNT)
    ]


def smallest_counts(tables: Tables) -> dict[str, int]:
    """Table -> its smallest published count of persons; tables without any are left out."""
    smallest: dict[str, int] = {}
    for declared, _, values in _counts(tables):
        least = pc.min(values).as_py()
        if least is not None:
            smallest[declared.name] = min(least, smallest.get(declared.name, least))
    return smallest


def _smallest_count(tables: Tables, parameters: Parameters) -> _Seen:
    smallest = smallest_counts(tables)
    seen = _Seen(
        [f"{name} publishes a count of {least}, under {parameters.k}"
         for name, least in smallest.items() if least < parameters.k]
    )  # fmt: skip
    announced = {row["published_table"]: row["smallest_published_count"] for row in tables["disclosure"].to_pylist()}
    seen.problems += [
        f"disclosure announces another smallest count than {name} holds"
        for name, said in announced.items()
        if name in smallest and said != smallest[name]
    ]
    least = min(smallest.values(), default=None)
    seen.figure = (
        "no count is published" if least is None else f"smallest published count: {least} (k = {parameters.k})"
    )
    seen.figure_fr = (
        "aucun effectif publié" if least is None else f"plus petit effectif publié : {least} (k = {parameters.k})"
    )
    return seen


def _suppression(release: Figures) -> _Seen:
    seen, hidden = _Seen(list(rules.masked(release))), 0
    for declared in filter(suppressible, PUBLISHED):
        hidden += int(release[declared.name]["suppressed"].sum())
    seen.figure = f"{hidden} rows suppressed, each with its reason; every empty count is marked"
    seen.figure_fr = (
        f"lignes masquées : {french.number(hidden)}, chacune avec sa raison ; tout effectif vide est signalé"
    )
    return seen


def _declared(tables: Tables, parameters: Parameters) -> list[CountTable]:
    return [sums.count_table(name, tables[name]) for name, sums in sorted(parameters.sums.items()) if sums.measures]


def _reading(tables: Tables, parameters: Parameters) -> Reading:
    return Reading.of_release(tables, parameters.sums, parameters.between, parameters.k, parameters.rounding_base)


def deduction(
    tables: Tables,
    parameters: Parameters,
    kept: Mapping[str, Path],
    moved: Callable[[str, Sequence[Cell]], Floats],
) -> tuple[Deduced, Deduction]:
    """What a reader deduces of masked counts, and of changes since the releases he kept.

    Args:
        tables: of the release.
        parameters: of its manifest.
        kept: earlier release -> its folder.
        moved: by how much cells truly moved since a release. The reader takes a figure that repeats an earlier one to
            be k-1 persons off at most; it can be more, where the row moved as a whole, and he is wrong.

    Returns:
        The former in full, and both as the audit tells them.
    """
    now = _reading(tables, parameters)
    found = deduce(now)
    changes = [deduce_changes(now, reading_of(folder), moved=partial(moved, month)) for month, folder in kept.items()]
    return found, Deduction(
        counts=found.counts, groups=found.groups, exact=found.exact, certified=found.certified, open=found.open,
        contradicted=found.contradicted, exposed=len(found.exposed), narrowest=found.narrowest,
        programmes=found.programmes, releases=len(changes), changes=sum(each.looked for each in changes),
        exposed_changes=sum(len(each.exposed) for each in changes), open_changes=sum(each.open for each in changes),
    )  # fmt: skip


def _subtraction(tables: Tables, parameters: Parameters, progress: Progress | None, found: Deduced | None) -> _Seen:
    seen = _Seen()
    declared = _declared(tables, parameters)
    if not declared:
        seen.figure, seen.figure_fr = "no sum is declared between cells", "aucune somme n'est déclarée entre les cases"
        return seen
    told = set(recoverable_all(declared, parameters.between, k=parameters.k))
    for name, key, measure in sorted(told):
        seen.problems.append(f"{name} ({', '.join(key)}): the masked {measure} can be computed from other cells")
    found = found or deduce(_reading(tables, parameters), progress=progress)
    for cells in found.exposed:
        if not told.issuperset(cells):
            named = " with ".join(f"{name} ({', '.join(key)}) {measure}" for name, key, measure in cells)
            seen.problems.append(f"{named}: masked, and told closely by the other cells")
    # Not proven is not refuted: how many is said, and the step that knows the true figures has judged them.
    seen.figure = (
        f"linear programming: {found.counts} masked counts, each may hold at least {found.narrowest} values "
        f"({found.exact} to the unit, {found.certified} certified, {found.open} not proven, "
        f"{found.contradicted} among figures that contradict the sums)"
        if found.counts
        else "no masked count"
    )
    seen.figure_fr = (
        f"programmation linéaire : effectifs masqués : {french.number(found.counts)}, chacun peut prendre au moins "
        f"{found.narrowest} valeurs (à l'unité : {french.number(found.exact)} ; attestés par deux solutions : "
        f"{french.number(found.certified)} ; non démontrés : {french.number(found.open)} ; parmi des chiffres qui "
        f"contredisent les sommes : {french.number(found.contradicted)})"
        if found.counts
        else "aucun effectif masqué"
    )
    return seen


def _rounding(tables: Tables, parameters: Parameters) -> _Seen:
    base = parameters.rounding_base
    seen = _Seen()
    for declared, name, values in _counts(tables):
        if any(value % base for value in values.drop_null().to_pylist()):
            seen.problems.append(f"{declared.name}.{name} holds a count that is not a multiple of {base}")
    seen.figure = f"published counts are multiples of {base}"
    seen.figure_fr = f"les effectifs publiés sont des multiples de {base}"
    return seen


def _sums(release: Figures, parameters: Parameters) -> _Seen:
    base, k = parameters.rounding_base, parameters.k
    seen = _Seen([*rules.sums(release, parameters.sums, parameters.between, base, k), *rules.rates(release, base)])
    seen.figure = "totals hold their parts within rounding; shares are published counts over published totals"
    seen.figure_fr = (
        "chaque total contient ses parts, à l'arrondi près ; chaque part est un effectif publié sur un total publié"
    )
    return seen


def _figures(release: Figures, parameters: Parameters) -> _Seen:
    seen = _Seen()
    for problems in (
        rules.ranges(release), rules.intervals(release), rules.effects(release),
        rules.curves(release, parameters.curve_weeks), rules.across(release, parameters.horizon_months),
    ):  # fmt: skip
        seen.problems += problems
    seen.figure = "intervals hold their estimate, curves of events rise, derived figures follow from those beside them"
    seen.figure_fr = (
        "les intervalles contiennent leur estimation, les courbes d'événements montent, les chiffres déduits découlent "
        "de leurs voisins"
    )
    return seen


def _disclosure(release: Figures) -> _Seen:
    seen = _Seen(list(rules.account(release)))
    told = release["disclosure"]
    hidden = int(told["suppressed_primary"].sum() + told["suppressed_secondary"].sum())
    seen.figure = f"{int(told['cells'].sum())} cells, {hidden} masked: the account is that of the tables"
    seen.figure_fr = (
        f"cases : {french.number(int(told['cells'].sum()))}, dont masquées : {french.number(hidden)} ; le compte est "
        "celui des tables"
    )
    return seen


def quasi_identifiers(microdata: Table) -> tuple[str, ...]:
    """Columns by which a person could be known, as declared in the registry."""
    return microdata.with_sensitivity(Sensitivity.QUASI)


def microdata_figures(table: pa.Table, parameters: Parameters) -> microdata_verify.Verdict:
    """k, l and t measured on the published rows, by code that shares nothing with the one that made them."""
    declared = next(published for published in PUBLISHED if published.name == "microdata")
    columns = table.to_pydict()
    hierarchies = {
        # A quarter or an arm is never generalised: its hierarchy is the value itself, or masked.
        name: parameters.hierarchies.get(name) or {value: [value, "*"] for value in sorted(set(columns[name]))}
        for name in quasi_identifiers(declared)
    }
    return microdata_verify.verify(
        columns, hierarchies=hierarchies, k=parameters.k, sensitive={"state_12m": parameters.l}
    )


def _microdata(table: pa.Table, parameters: Parameters) -> _Seen:
    measured = microdata_figures(table, parameters)
    seen = _Seen([*measured.failures, *rules.microdata(table, parameters.horizon_days, parameters.days_rounding)])
    for base, names in (
        (parameters.days_rounding, ("days_on_leave_6m", "days_on_leave_12m")),
        (parameters.euros_rounding, ("allowance_eur_12m",)),
    ):
        for name in names:
            if any(value % base for value in pc.unique(table[name]).drop_null().to_pylist()):
                seen.problems.append(f"microdata.{name} is not rounded to {base}")
    if not measured.rows:
        seen.figure, seen.figure_fr = "no microdata yet", "pas encore de microdonnées"
        return seen
    distinct, t = measured.distinct["state_12m"], measured.t_closeness["state_12m"]
    seen.figure = (
        f"{measured.rows} persons, smallest class {measured.smallest_class} (k = {parameters.k}), "
        f"at least {distinct} states in a class (l = {parameters.l}), t = {t:.2f} (reported)"
    )
    seen.figure_fr = (
        f"{french.quantity(measured.rows, 'personne', 'personnes')}, plus petite classe : "
        f"{measured.smallest_class} (k = {parameters.k}), "
        f"au moins {distinct} situations par classe (l = {parameters.l}), "
        f"t = {french.number(t, 2)} (indicatif)"
    )
    return seen


def _certificate(tables: Tables, parameters: Parameters) -> _Seen:
    """What the manifest says of the microdata is measured again on the rows."""
    rows, said = tables["microdata"], parameters.microdata
    fidelity = Fidelity.model_validate(
        {name: value for name, value in parameters.fidelity.items() if name in Fidelity.model_fields}
    )
    seen = _Seen()
    if (said is None) != (not rows.num_rows):
        seen.problems.append("the manifest tells of microdata and there are none, or the other way round")
    if said is not None and rows.num_rows:
        loss, shares = persons.utility(rows, Protocol.model_validate(parameters.protocol))
        closeness = microdata_figures(rows, parameters).t_closeness["state_12m"]
        for name, again in (("loss", loss), ("t", closeness), ("suppressed", persons.all_masked(rows))):
            if abs(said[name] - again) > CLOSE:
                seen.problems.append(f"the manifest's {name} is not that of the microdata")
        if {name: [round(s, 9) for s in levels] for name, levels in said["level_shares"].items()} != {
            name: [round(s, 9) for s in levels] for name, levels in shares.items()
        }:
            seen.problems.append("the manifest's shares by level are not those of the microdata")
    seen.problems += _fidelity(fidelity, tables)
    told = parameters.fidelity
    if (fidelity.distance, fidelity.faithful) != (told["distance_in_intervals"], told["faithful"]):
        seen.problems.append("the certificate's distance or verdict is not that of its figures")
    seen.figure = "no certificate yet" if fidelity.distance is None else (
        f"headline from the published rows at {fidelity.distance:.3f} interval widths of the restricted one"
    )  # fmt: skip
    seen.figure_fr = "pas encore de certificat" if fidelity.distance is None else (
        f"effet principal recalculé sur les lignes publiées, à {french.number(fidelity.distance, 3)} largeur "
        "d'intervalle de l'effet restreint"
    )  # fmt: skip
    return seen


def _fidelity(fidelity: Fidelity, tables: Tables) -> Iterator[str]:
    if fidelity.restricted is None:
        if not fidelity.reason:
            yield "the certificate is empty without a reason"
        return
    again = persons.headline(tables["microdata"])
    if again is None or fidelity.published is None or abs(again - fidelity.published) > CLOSE * max(1, abs(again)):
        yield "the certificate's effect is not that of the published rows"
    (row,) = tables["impact"].filter(tables["impact"]["is_headline"]).to_pylist()
    if (fidelity.restricted, fidelity.ci_low, fidelity.ci_high) != (row["difference"], row["ci_low"], row["ci_high"]):
        yield "the certificate's restricted effect is not the published headline"


def _accounting(table: pa.Table) -> _Seen:
    seen, read = _Seen(), 0
    totals: dict[tuple[str, str], int] = {}
    by_rule: dict[tuple[str, str], int] = {}
    for row in table.to_pylist():
        where = (row["delivery"], row["input_table"])
        if row["rows_read"] != row["rows_accepted"] + row["rows_quarantined"] + row["rows_duplicate"]:
            seen.problems.append(
                f"{where[0]} {where[1]} ({row['rule']}): rows read are not accepted + quarantined + duplicate"
            )
        if row["rule"] == "all":
            totals[where] = row["rows_quarantined"]
            read += row["rows_read"]
        else:
            by_rule[where] = by_rule.get(where, 0) + row["rows_quarantined"]
    seen.problems += [
        f"{delivery} {name}: rows quarantined by rule do not add up to the total"
        for (delivery, name), total in totals.items()
        if by_rule.get((delivery, name), 0) != total
    ]
    seen.problems += [f"{d} {n}: no total over the rules" for d, n in sorted(set(by_rule) - set(totals))]
    seen.figure = f"{read} rows read, all accounted for"
    seen.figure_fr = (
        f"{french.quantity(read, 'ligne lue', 'lignes lues')}, accepté + écarté + double = lu pour chaque table"
    )
    return seen


def _attacks(folder: Path, tables: Tables | None, parameters: Parameters, judged: list[Verdict]) -> _Seen:
    from pipeline.release import documents  # it reads this module

    seen = _Seen()
    if tables is None or not all(verdict.passed for verdict in judged):
        seen.problems.append("not repeated: the tables break a rule of their own")
    else:
        seen.problems += documents.attacks(folder, tables, parameters)
    seen.figure = "attacks repeated on the published files give the figures of the audit; none beats its rule"
    seen.figure_fr = "les attaques refaites sur les fichiers publiés donnent les chiffres de l'audit"
    return seen


def _documents(folder: Path, manifest: Mapping[str, Any], tables: Tables | None, judged: list[Verdict]) -> _Seen:
    from pipeline.release import documents  # it reads this module

    seen = _Seen(list(documents.outside(folder)))
    if tables is None or not all(verdict.passed for verdict in judged):
        seen.problems.append("not compared: the tables break a rule of their own")
    else:
        seen.problems += documents.agree(folder, manifest, tables, judged)
    same = manifest["code_version"] == code_version()
    seen.figure = (
        "synthese.html, audit.json and audit.html are those of the tables and load nothing from outside themselves"
        if same
        else "documents load nothing from outside themselves; another version wrote them, they are not written again"
    )
    seen.figure_fr = "les documents sont ceux des tables et ne chargent rien de l'extérieur"
    return seen
