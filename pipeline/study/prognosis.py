"""The prognostic score: expected days on leave in the year after time zero, learnt where there is no platform.

Fitted in comparison départements only and cross-fitted, so that no one's score is learnt from one's own outcome
(Hansen 2008, Biometrika 95:481; Leacy & Stuart 2014). A linear model: the score ranks units, it predicts nobody.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression
from threadpoolctl import threadpool_limits

FloatArray = NDArray[np.float64]


class PrognosisError(ValueError):
    """Too few comparison persons with a complete year to learn from."""


def prognostic_scores(
    learning: FloatArray, outcome: FloatArray, learning_person: NDArray[np.int64],
    units: FloatArray, unit_person: NDArray[np.int64], folds: int,
) -> FloatArray:  # fmt: skip
    """Expected days on leave of each unit.

    The fold of a person is its number modulo `folds`; persons are numbered by a keyed hash. Everyone, learnt from or
    not, gets the score of the model fitted without its fold: a mean of models for those who were not learnt from would
    vary less than the scores of the others, and set the arms apart where there is nothing between them.

    Args:
        learning: float64[m, p], covariates of comparison persons with a complete year.
        outcome: float64[m], their days on leave.
        learning_person: int64[m].
        units: float64[n, p].
        unit_person: int64[n].
        folds: number of folds, at least 2.

    Returns:
        float64[n], days.

    Raises:
        PrognosisError: a fold has fewer persons than twice the covariates.
    """
    fold = learning_person % folds
    scores = np.empty((folds, units.shape[0]))
    with threadpool_limits(limits=1):
        for number in range(folds):
            others = fold != number
            if others.sum() < 2 * learning.shape[1]:
                raise PrognosisError(
                    f"{int(others.sum())} comparison persons with a complete year are too few for "
                    f"{learning.shape[1]} covariates"
                )
            order = np.lexsort((outcome[others], learning_person[others]))
            model = LinearRegression().fit(learning[others][order], outcome[others][order])
            scores[number] = model.predict(units)
    own: FloatArray = scores[unit_person % folds, np.arange(units.shape[0])]
    return own
