"""The territory: départements, which of them open a platform and when, and what differs between them for good.

Départements differ in how long leaves last, how often they start, how easily work is lost and found, and in a trend of
their own: two insured of one département are more alike than two of different ones, so that the département is the
unit over which an honest interval must be taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.simulation.config import WorldConfig, first_day
from pipeline.simulation.streams import generator

NOT_DESIGNATED = np.int32(2**31 - 1)
"""Opening day of a département that never opens a platform."""
DESIGNATED = (
    ("094", 140, 0), ("039", 26, 0), ("059", 260, 1), ("006", 110, 1), ("035", 108, 3), ("067", 115, 3),
    ("080", 57, 4), ("033", 163, 4), ("974", 86, 5), ("019", 24, 6), ("202", 18, 6), ("054", 73, 7),
    ("042", 76, 8), ("014", 69, 9),
)  # fmt: skip
"""SNDS département, weight (about its inhabitants, ten thousands), months from the start to its opening; in order."""
COMPARISON = (
    ("069", 188), ("093", 166), ("044", 144), ("076", 125), ("038", 128), ("034", 119), ("083", 109), ("057", 105),
    ("029", 92), ("060", 83), ("049", 82), ("045", 68), ("063", 66), ("001", 66), ("037", 61), ("051", 57),
    ("002", 53), ("025", 54), ("021", 53), ("011", 37), ("016", 35), ("971", 38), ("201", 16), ("005", 14),
    ("023", 12), ("048", 8), ("062", 146), ("078", 145), ("031", 143), ("013", 206), ("072", 56), ("086", 44),
    ("087", 37), ("024", 41), ("040", 42), ("064", 69), ("065", 23), ("070", 23), ("088", 36),
)  # fmt: skip
PLATFORM_MONTHS = 24
"""Legal length of the experiment in a département, months."""
SD_DURATION, SD_INCIDENCE, SD_JOBS, SD_UPTAKE, SD_TREND = 0.07, 0.09, 0.22, 0.25, 0.02
"""Standard deviations between départements, on the log scale (the trend: per year)."""


@dataclass(frozen=True, slots=True)
class Territory:
    """The départements of a world, one array position each.

    Attributes:
        codes: SNDS codes, text of shape (D,).
        weights: share of the population, shape (D,), sums to 1.
        opening: day the platform opens, int32 (D,); `NOT_DESIGNATED` where there is none.
        closing: last day of the platform, int32 (D,).
        designation: day of designation, int32 (D,).
        duration: log hazard of ending a leave, relative to the mean, float64 (D,).
        incidence: log rate of starting a leave, relative to the mean.
        jobs: log odds of losing work (and minus those of finding it), relative to the mean.
        uptake: log intensity with which the platform detects, relative to the mean.
        trend: drift of `duration` per year.
    """

    codes: np.ndarray
    weights: np.ndarray
    opening: np.ndarray
    closing: np.ndarray
    designation: np.ndarray
    duration: np.ndarray
    incidence: np.ndarray
    jobs: np.ndarray
    uptake: np.ndarray
    trend: np.ndarray

    @property
    def designated(self) -> np.ndarray:
        """Boolean (D,): the département has a row in the register of platforms."""
        has_platform: np.ndarray = self.opening != NOT_DESIGNATED
        return has_platform

    @property
    def earliest_opening(self) -> int:
        """Day the first platform of all opens."""
        return int(self.opening.min())


def draw_territory(config: WorldConfig) -> Territory:
    """Draw the départements of a world.

    Args:
        config: the world asked for.

    Returns:
        Designated départements first, then the comparison ones.
    """
    rng = generator(config.seed, "territory")
    designated = DESIGNATED[: min(config.designated, len(DESIGNATED))]
    comparison = COMPARISON[: config.departments - len(designated)]
    count = len(designated) + len(comparison)
    weights = np.array([d[1] for d in designated] + [c[1] for c in comparison], dtype=np.float64)
    opening = np.full(count, NOT_DESIGNATED, dtype=np.int32)
    closing = opening.copy()
    designation = opening.copy()
    for i, (_, _, offset) in enumerate(designated):
        month = config.start_month + offset
        opening[i] = first_day(month)
        closing[i] = first_day(month + PLATFORM_MONTHS) - 1
        designation[i] = first_day(month - 3) + 14
    effects = {
        name: rng.normal(0.0, sd, count)
        for name, sd in (
            ("duration", SD_DURATION),
            ("incidence", SD_INCIDENCE),
            ("jobs", SD_JOBS),
            ("uptake", SD_UPTAKE),
            ("trend", SD_TREND),
        )
    }
    return Territory(
        codes=np.array([d[0] for d in designated] + [c[0] for c in comparison]),
        weights=weights / weights.sum(),
        opening=opening,
        closing=closing,
        designation=designation,
        **effects,
    )
