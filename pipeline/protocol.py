"""The study protocol as one typed model, read from `protocol.toml`.

A reader finds every study decision here and nowhere else. The values are in the file alone: no model below has a
default, so that a parameter left out of the file is an error and not a silent choice.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

DEFAULT_PATH = Path(__file__).resolve().parent.parent / "protocol.toml"


class ProtocolError(ValueError):
    """The protocol file cannot be used; the message says which parameter and why."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Days = Annotated[int, Field(ge=0)]
Months = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Subgroup = Literal["risk", "status", "sex", "age_50", "ald", "employer_size"]


class Study(_Section):
    """Who is eligible, when the clock starts, how long it runs (design: eligibility, time zero, outcomes)."""

    trigger_days: Days = Field(description="ITT time zero: elapsed days on leave")
    prolonged_days: Days = Field(description="consecutive days that make a leave prolonged")
    frequent_leaves: int = Field(ge=1, description="leaves in 12 months, this one included, that make them frequent")
    frequent_days: Days = Field(description="cumulated days in 12 months that make leaves frequent")
    history_months: Months = Field(description="months of payment lines before time zero")
    sustained_return_days: Days = Field(description="days without allowance, with employment")
    payment_lag_months: Months = Field(description="follow-up ends at least this long before the last payment flow")
    horizons_days: dict[int, int] = Field(description="horizon in months -> days after time zero")
    primary_horizon_months: int = Field(description="horizon of the headline")
    minimum_age: int = Field(ge=0, description="age in the year the leave starts")
    age_bands: list[int] = Field(min_length=2, description="lower bounds, years")
    elapsed_bands: list[int] = Field(min_length=2, description="lower bounds, days on leave at time zero")

    @model_validator(mode="after")
    def _consistent(self) -> Study:
        if self.primary_horizon_months not in self.horizons_days:
            raise ValueError("primary_horizon_months is not one of horizons_days")
        for name in ("age_bands", "elapsed_bands"):
            bounds = getattr(self, name)
            if bounds != sorted(set(bounds)):
                raise ValueError(f"{name} must increase")
        return self

    @property
    def primary_horizon_days(self) -> int:
        """Days after time zero of the headline."""
        return self.horizons_days[self.primary_horizon_months]


class Leave(_Section):
    """From payment lines to leave spells (SNDS documentation; `gap_days` is this project's convention)."""

    gap_days: Days
    sickness_waiting_days: Days
    completeness: Share = Field(description="share of a month's lines that must have arrived for it to be used")
    rights_days: Days
    rights_window_days: Days = Field(description="three rolling years, in which rights are counted")
    ald_rights_days: Days = Field(description="three years date to date: the longest leave that is paid")
    maximum_tolerance_eur: float = Field(ge=0, description="euros a day above the legal maximum that are not flagged")


class Matching(_Section):
    """Risk sets and nearest neighbours."""

    ratio: int = Field(ge=1)
    caliper_sd: float = Field(gt=0)
    minimum_candidates: int = Field(ge=1)
    risk_window_short_days: Days
    risk_window_long_days: Days
    risk_window_switch_days: Days
    events_per_column: int = Field(ge=1, description="treated of a département for each column of its own score")
    score_learners: int = Field(ge=1, description="comparison units a score is fitted on, at most")
    prognosis_folds: int = Field(ge=2)
    prognosis_learners: int = Field(ge=1, description="comparison persons the prognosis is learnt from, at most")
    seed: int


class Gate(_Section):
    """What the balance must meet before any outcome is read."""

    smd: float = Field(gt=0)
    smd_strict: float = Field(gt=0)
    variance_ratio_low: float = Field(gt=0, lt=1)
    variance_ratio_high: float = Field(gt=1)
    ks: float = Field(gt=0)
    share_matched: Share
    noise_level: Share


class Inference(_Section):
    """Intervals, tests and curves."""

    level: Share
    minimum_departments: int = Field(ge=2)
    minimum_departments_p_value: int = Field(ge=2)
    minimum_uptake: Share
    placebo_level: Share
    power: Share
    placebo_shift_months: Months
    refusal_test: bool = Field(description="whether those who refused are played as if accompanied")
    refusal_minimum_persons: int = Field(ge=1, description="fewer of them carry no test")
    subgroups: list[Subgroup] = Field(max_length=8, description="halves whose effects are compared (interactions)")
    curve_weeks: int = Field(ge=1)
    curve_minimum_share: Share

    @model_validator(mode="after")
    def _consistent(self) -> Inference:
        if len(set(self.subgroups)) < len(self.subgroups):
            raise ValueError("one of subgroups is there twice")
        return self


class Savings(_Section):
    """Prices that the payment lines do not carry."""

    invalidity_share_category_1: Share
    invalidity_share_category_2: Share
    invalidity_share_category_3: Share
    tariff_year: int = Field(ge=2018, description="year whose rules of 1 January price both arms (ceilings.csv)")


class Disclosure(_Section):
    """What may be published (safe harbour of 11: ATIH/ScanSanté, CASD)."""

    k: int = Field(ge=2)
    l: int = Field(ge=1)  # noqa: E741  the criterion's name
    rounding_base: int = Field(ge=1)
    dominance_share: Share
    p_percent: float = Field(ge=0, le=100)
    days_rounding: int = Field(ge=1)
    euros_rounding: int = Field(ge=1)


class Quality(_Section):
    """When a delivery is too dirty to go on."""

    maximum_quarantined_share: Share
    small_table_rows: int = Field(ge=0)


class Text(_Section):
    """De-identification of free text: limits, and word lists beside the project's own (docs/free-text.md)."""

    maximum_characters: int = Field(ge=1, le=100_000, description="a longer text is withheld unread")
    maximum_seconds: float = Field(gt=0, description="a text that took longer is withheld")
    vocabulary: list[str] = Field(description="files of words that may be read by anybody")
    first_names: list[str] = Field(description="files of first names")
    surnames: list[str] = Field(description="files of surnames")
    towns: list[str] = Field(description="files of communes")
    model: str = Field(description="folder of a spaCy model that adds spans; empty: none")


class Seeds(_Section):
    """Every source of randomness outside the matching's own seed."""

    placebo_departments: int
    randomisation: int


class Protocol(_Section):
    """Every study decision."""

    study: Study
    leave: Leave
    matching: Matching
    gate: Gate
    inference: Inference
    savings: Savings
    disclosure: Disclosure
    quality: Quality
    text: Text
    seeds: Seeds

    @classmethod
    def load(cls, path: Path | None = None) -> Protocol:
        """Read a protocol file (default: the project's).

        Raises:
            ProtocolError: the file is missing, is not TOML, or a parameter is missing, unknown or out of range.
        """
        path = path or DEFAULT_PATH
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except OSError as error:
            raise ProtocolError(f"{path}: cannot be read ({error.strerror}); give a file with --protocol") from None
        except tomllib.TOMLDecodeError as error:
            raise ProtocolError(f"{path}: not TOML: {error}") from None
        except UnicodeDecodeError:
            raise ProtocolError(f"{path}: not TOML: it is not UTF-8") from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ProtocolError(f"{path}: parameter {where or '(whole file)'}: {first['msg']}") from None

    @property
    def sha256(self) -> str:
        """Hash of the decisions: the same for two files that differ in comments or order alone."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()
