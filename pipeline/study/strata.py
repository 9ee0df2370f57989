"""Strata that are shown apart: characteristics before time zero, and the strata that exist whoever is in them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.protocol import Protocol
from pipeline.study.covariates import band_label, bands
from pipeline.tables import codes

ALL, DEPARTMENT = "all", "department"
"""Kinds of strata beside those of `strata_of`: everyone, and the treated of one département."""


def strata_of(units: pa.Table, protocol: Protocol) -> dict[str, np.ndarray]:
    """Stratum of each unit, by its own characteristics before time zero.

    Args:
        units: rows of the table `units`, n of them.
        protocol: the study protocol (bands).

    Returns:
        Kind of stratum -> str[n], in the order in which they are published.
    """
    study = protocol.study
    age = bands(units["age"].to_numpy().astype(np.int64), study.age_bands)
    elapsed = bands(pc.fill_null(units["elapsed"], 0).to_numpy().astype(np.int64), study.elapsed_bands)
    ald = units["ald"].to_numpy(zero_copy_only=False)
    risk = units["risk"].to_numpy(zero_copy_only=False)
    return {
        "risk": risk,
        "status": units["status"].to_numpy(zero_copy_only=False),
        "sex": units["sex"].to_numpy(zero_copy_only=False),
        "age_band": np.array([band_label(i, study.age_bands) for i in age], dtype=object),
        "cause": np.where(risk == "sickness", np.where(ald, "sickness_ald", "sickness"), "work_injury").astype(object),
        "elapsed_band": np.array([band_label(i, study.elapsed_bands) for i in elapsed], dtype=object),
    }


def expected_strata(protocol: Protocol, estimand: str) -> dict[str, tuple[str, ...]]:
    """Strata that are always published, whoever is in them: presence must not depend on the data."""
    study = protocol.study
    listed = {
        "risk": ("sickness", "work_injury"),
        "status": tuple(code.code for code in codes.STATUS if code.code != "*"),
        "sex": ("male", "female"),
        "age_band": tuple(band_label(i, study.age_bands) for i in range(len(study.age_bands))),
        "cause": tuple(code.code for code in codes.CAUSE if code.code != "*"),
        "elapsed_band": tuple(band_label(i, study.elapsed_bands) for i in range(len(study.elapsed_bands))),
    }
    if estimand == "ITT":  # time zero is the same elapsed day for everyone
        listed["elapsed_band"] = (
            band_label(int(bands(np.array([study.trigger_days]), study.elapsed_bands)[0]), study.elapsed_bands),
        )
    return listed
