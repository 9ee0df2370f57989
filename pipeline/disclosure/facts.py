"""What the release says about itself beside its tables: handed over by the disclosure step, printed as given.

Everything here is published (manifest, audit). Nothing may say more of a person than the tables do: the step that fills
it has passed each figure through the same disclosure control.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.disclosure.system import Cell, Equality
from pipeline.disclosure.tables import CountTable, Link, Margin, Measure, Pool, RowSum


class FactsError(RuntimeError):
    """The record cannot be read; the message says which part."""


TOLERATED = 0.1
"""Widths of the confidence interval by which the microdata's headline may be off and still be called faithful."""


class _Facts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fidelity(_Facts):
    """Certificate of the microdata: the headline computed from the published file alone, beside the restricted one.

    All figures in days; empty, with a reason, when the headline itself is withheld or there is no microdata yet. The
    published file is *faithful* when its headline is within `TOLERATED` of the restricted one: a release says so, or
    says that it is not and by how much.
    """

    restricted: float | None = None
    published: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    reason: str = ""

    @property
    def distance(self) -> float | None:
        """Distance of the two effects in widths of the confidence interval; None when it cannot be said."""
        if None in (self.restricted, self.published, self.ci_low, self.ci_high):
            return None
        width = float(self.ci_high or 0) - float(self.ci_low or 0)
        return abs(float(self.published or 0) - float(self.restricted or 0)) / width if width > 0 else None

    @property
    def faithful(self) -> bool | None:
        """Whether the distance is tolerated; None when it cannot be said."""
        return None if self.distance is None else self.distance <= TOLERATED


class Microdata(_Facts):
    """How the microdata were anonymised.

    Attributes:
        t: largest distance of a class's distribution of states to that of the whole file, in [0, 1]; reported only.
        suppressed: persons published with `*` in every quasi-identifier.
        loss: mean share of the domain lost per cell, in [0, 1].
        hierarchies: column -> leaf -> path up to `*`: published, since attackers are assumed to know them.
        level_shares: column -> share of persons at each level, the leaf first.
    """

    t: float | None = None
    suppressed: int = 0
    loss: float | None = None
    hierarchies: dict[str, dict[str, list[str]]] = Field(default_factory=dict)
    level_shares: dict[str, list[float]] = Field(default_factory=dict)


class Attack(_Facts):
    """One measured attack, the control that shows it has teeth, and what could be guessed without the release.

    Attributes:
        criterion: `singling_out`, `linkability` or `inference` (opinion 05/2014 of the Article 29 working party).
        name: what the attacker knows and does, in French.
        attempts: number of attempts.
        success: share of attempts that succeed, with its interval.
        control: share of success of the same attack on data without the protection; None when not measured.
        baseline: share of success of a guess without the release; None where nobody could guess.
        beyond: the attacker knows more than the rules protect against: measured to be known, not held to anything.
        limit: largest success that the rules allow; None where they promise nothing and the figure is to be judged.
    """

    criterion: str
    name: str
    attempts: int
    success: float
    ci_low: float
    ci_high: float
    control: float | None = None
    baseline: float | None = None
    beyond: bool = False
    limit: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the attack succeeds no more than the rules allow."""
        return self.limit is None or self.success <= self.limit

    @property
    def gain(self) -> tuple[float, float, float] | None:
        """Success beyond a guess, (attack - guess) / (1 - guess), with its interval (Giomi et al. 2023, eq. 2)."""
        if self.baseline is None or self.baseline >= 1:
            return None
        low, gained, high = (
            (s - self.baseline) / (1 - self.baseline) for s in (self.ci_low, self.success, self.ci_high)
        )
        return gained, low, high

    @property
    def has_teeth(self) -> bool:
        """Whether the same attack succeeds on unprotected data: if not, its failing here proves nothing."""
        return self.control is not None and self.control > (self.baseline or 0.0)


class Risk(_Facts):
    """Probability that a row is rightly matched to a person (Dankar and El Emam 2010; El Emam 2013).

    Prosecutor: the person is known to be in the file. Journalist: known only to be in the population it was drawn from.
    Marketer: as many persons as possible are matched at once.

    Attributes:
        above: share of the rows whose prosecutor risk is above 1/k.
        prosecutor: largest probability over the rows, 1 over the smallest class.
        prosecutor_mean: its mean over the rows (classes over rows).
        candidates: largest probability when the classes that may be the same person's are taken together.
        journalist: largest probability over the rows, 1 over the fewest persons of the population who fit; None
            without the population.
        marketer: expected share of the rows matched rightly against the population; None without it.
    """

    above: float
    prosecutor: float
    prosecutor_mean: float
    candidates: float
    journalist: float | None = None
    marketer: float | None = None


class Sums(_Facts):
    """The sums that readers know to hold in a published table, so that the audit can try to undo its masks.

    Attributes:
        keys: columns that name a row.
        measures: column -> (published column it is a part of, column of persons of an amount), either may be None.
        margins: (columns summed over, codes of the total or None, columns within, measures or None = all).
        row_sums: (total, parts) within each row.
        links: (key of the total's row, measure, parts as (key, measure)).
        pool: (column, code) of rows that tell others together.
        pooled: (key of such a row, keys of the rows it tells, which are not published).
    """

    keys: tuple[str, ...]
    measures: dict[str, tuple[str | None, str | None]]
    margins: tuple[tuple[tuple[str, ...], dict[str, str] | None, tuple[str, ...], tuple[str, ...] | None], ...] = ()
    row_sums: tuple[tuple[str, tuple[str, ...]], ...] = ()
    links: tuple[tuple[tuple[str, ...], str, tuple[tuple[tuple[str, ...], str], ...]], ...] = ()
    pool: tuple[str, str] | None = None
    pooled: tuple[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]], ...] = ()

    @classmethod
    def of(cls, table: CountTable) -> Sums:
        """What a table's own protection took into account; helpers that are not published are left out."""
        helpers = set(table.helpers)
        return cls(
            keys=table.keys,
            measures={
                m.column: (None if m.share_of in helpers else m.share_of, m.persons)
                for m in table.measures
                if m.column not in helpers
            },
            margins=tuple(
                (
                    m.over,
                    None if m.total is None else dict(m.total),
                    m.within,
                    None if m.measures is None else tuple(name for name in m.measures if name not in helpers),
                )
                for m in table.margins
            ),
            row_sums=tuple((s.total, s.parts) for s in table.row_sums if helpers.isdisjoint((s.total, *s.parts))),
            links=tuple(
                (*link.total, link.parts)
                for link in table.links
                if helpers.isdisjoint(measure for _, measure in (link.total, *link.parts))
            ),
            pool=None if table.pool is None else (table.pool.over, table.pool.code),
            pooled=tuple((table.published_key(key), members) for key, members in table.pooled.items()),
        )

    def count_table(self, name: str, published: pa.Table) -> CountTable:
        """The published rows with these sums, ready for `disclosure.suppression.recoverable`."""
        return CountTable(
            name=name,
            frame=self._with_masked_rows(published),
            keys=self.keys,
            measures=tuple(Measure(column, *wholes) for column, wholes in self.measures.items()),
            margins=tuple(Margin(*margin) for margin in self.margins),
            row_sums=tuple(RowSum(*row_sum) for row_sum in self.row_sums),
            links=tuple(Link((key, measure), parts) for key, measure, parts in self.links),
            pool=None if self.pool is None else Pool(*self.pool),
            pooled=dict(self.pooled),
        )

    def _with_masked_rows(self, published: pa.Table) -> pa.Table:
        """The rows that others tell together are not published: readers know that they are there, and masked."""
        members = [dict(zip(self.keys, key, strict=True)) for _, listed in self.pooled for key in listed]
        if not members:
            return published
        columns = {
            name: pa.array([row[name] for row in members], pa.string()).cast(published.schema.field(name).type)
            for name in self.keys
        }
        columns["suppressed"] = pa.array([True] * len(members))
        columns["suppression_reason"] = pa.array(["primary"] * len(members))
        rows = pa.table(columns)
        return pa.concat_tables([published, rows], promote_options="default")


class Between(_Facts):
    """A sum that readers know to hold between published tables (see `system.Equality`).

    Attributes:
        total, parts: (table, key of the row, measure).
        because: why it holds, in English.
    """

    total: Cell
    parts: tuple[Cell, ...]
    because: str

    @classmethod
    def of(cls, equalities: Iterable[Equality], tables: Sequence[CountTable]) -> tuple[Between, ...]:
        """Those that hold, without the ones that name a helper, which is not published."""
        helpers = {(table.name, helper) for table in tables for helper in table.helpers}
        return tuple(
            cls(total=each.total, parts=each.parts, because=each.because)
            for each in equalities
            if helpers.isdisjoint((table, measure) for table, _, measure in (each.total, *each.parts))
        )

    @property
    def equality(self) -> Equality:
        """For `system.system_of`."""
        return Equality(self.total, self.parts, self.because)


class Deduction(_Facts):
    """What a reader who solves the linear programmes of all published tables can deduce of masked counts.

    Attributes:
        counts: masked counts of persons that were looked at.
        groups: groups of masked parts of one shown total.
        exact: counts whose interval is known to the unit.
        certified: other counts, with two whole solutions far enough apart: their interval is at least that wide.
        open: counts and groups that are neither proven safe nor deduced.
        contradicted: counts of which nothing follows, since earlier figures that stand around contradict the sums.
        exposed: counts and groups that can be deduced too closely; none in a release that is published.
        narrowest: whole numbers that the interval of every count holds at least; None without any masked count.
        programmes: linear programmes solved.
        releases: earlier releases compared with.
        changes: figures and groups whose change since an earlier release was bounded.
        exposed_changes: those whose change is bounded to 1..k-1 persons, and is truly of as many.
        open_changes: those of which neither is proven.
    """

    counts: int = 0
    groups: int = 0
    exact: int = 0
    certified: int = 0
    open: int = 0
    contradicted: int = 0
    exposed: int = 0
    narrowest: int | None = None
    programmes: int = 0
    releases: int = 0
    changes: int = 0
    exposed_changes: int = 0
    open_changes: int = 0


class ReleaseFacts(_Facts):
    """Everything a release prints that is not in its tables.

    Attributes:
        inputs: delivery -> file -> HMAC of its content under the home's key.
        key_id: version of the pseudonymisation key.
        seeds: name -> seed of every source of randomness.
        uptake: share of the exposed that are accompanied, from rounded published counts; None when it cannot be said.
        fidelity: certificate of the microdata.
        microdata: how the microdata were anonymised; None when the release holds none yet.
        suppression: table -> reason -> number of counts masked for it.
        sums: table -> sums readers know to hold in it (`Sums.of`); the audit tries to undo the masks with them.
        between: sums that readers know to hold between tables (`Between.of`).
        deduction: what follows for masked counts and for changes; filled when the release is written.
        ledger: French sentences: what was compared with earlier releases, and the verdict.
        attacks: measured attacks.
        risk: probabilities of a right match; None without microdata.
        held: table -> number of cells that keep the value of an earlier release.
        disappeared: group in French -> share of its persons in masked cells or suppressed rows.
        generalised: characteristic in French -> share of its persons whose row does not show it exactly.
        withdrawn_since: a person behind this already published month has been erased since: it is left alone.
    """

    inputs: dict[str, dict[str, str]]
    key_id: str
    seeds: dict[str, int]
    uptake: float | None = None
    fidelity: Fidelity = Fidelity()
    microdata: Microdata | None = None
    suppression: dict[str, dict[str, int]] = Field(default_factory=dict)
    sums: dict[str, Sums] = Field(default_factory=dict)
    between: tuple[Between, ...] = ()
    deduction: Deduction | None = None
    ledger: tuple[str, ...] = ()
    attacks: tuple[Attack, ...] = ()
    risk: Risk | None = None
    held: dict[str, int] = Field(default_factory=dict)
    disappeared: dict[str, float] = Field(default_factory=dict)
    generalised: dict[str, float] = Field(default_factory=dict)
    withdrawn_since: bool = False

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(self.model_dump_json(indent=1), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> ReleaseFacts:
        """Read what `save` wrote.

        Raises:
            FactsError: the file is missing or is not such a record.
        """
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise FactsError(f"{path.name}: cannot be read ({error.strerror}); run the step `anonymise`") from None
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise FactsError(f"{path.name}: {where}: {error.errors()[0]['msg']}") from None
