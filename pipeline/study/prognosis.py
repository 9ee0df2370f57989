"""The prognostic score: expected days on leave in the year after time zero, learnt where there is no platform.

Fitted in comparison départements only and cross-fitted, so that no one's score is learnt from one's own outcome
(Hansen 2008, Biometrika 95:481; Leacy & Stuart 2014). A linear model: the score ranks units, it predicts nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

from pipeline.study.covariates import matrix, means

FloatArray = NDArray[np.float64]
CHUNK = 500_000
"""Units scored at a time: their covariates as numbers take 200 MB."""


class PrognosisError(ValueError):
    """Too few comparison persons with a complete year to learn from."""


@dataclass(frozen=True, slots=True)
class Prognosis:
    """A model per fold of persons, each learnt without it.

    The fold of a person is its number modulo the number of folds; persons are numbered by a keyed hash. Everyone,
    learnt from or not, gets the score of the model fitted without its fold: a mean of models for those who were not
    learnt from would vary less than the scores of the others, and set the arms apart where nothing lies between them.

    Attributes:
        models: one fitted model per fold.
        fill: what a missing covariate counts as.
    """

    models: tuple[LinearRegression, ...]
    fill: Mapping[str, float]

    @classmethod
    def learn(cls, units: pa.Table, outcome: FloatArray, folds: int) -> Prognosis:
        """Fit on units whose outcome is known.

        Args:
            units: comparison persons with a complete year, columns of the table `units`; shape (m, any).
            outcome: float64[m], their days on leave.
            folds: number of folds, at least 2.

        Raises:
            PrognosisError: a fold has fewer persons than twice the covariates.
        """
        fill = means(units)
        numbers, names = matrix(units, prognosis=False, fill=fill)
        person = units["person"].to_numpy()
        order = np.lexsort((outcome, person))
        numbers, outcome, fold = numbers[order], outcome[order], person[order] % folds
        models = []
        with threadpool_limits(limits=1):
            for number in range(folds):
                others = fold != number
                if others.sum() < 2 * len(names):
                    raise PrognosisError(
                        f"{int(others.sum())} comparison persons with a complete year are too few for "
                        f"{len(names)} covariates"
                    )
                models.append(LinearRegression(copy_X=False).fit(numbers[others], outcome[others]))
        return cls(tuple(models), fill)

    def scores(self, units: pa.Table) -> FloatArray:
        """Expected days on leave of each unit: float64[n]."""
        found = np.empty(len(units))
        for first in range(0, len(units), CHUNK):
            part = units.slice(first, CHUNK)
            numbers, _ = matrix(part, prognosis=False, fill=self.fill)
            fold = part["person"].to_numpy() % len(self.models)
            with threadpool_limits(limits=1):
                each = np.stack([model.predict(numbers) for model in self.models])
            found[first : first + len(part)] = each[fold, np.arange(len(part))]
        return found
