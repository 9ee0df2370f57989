"""Prosecutor, journalist and marketer risk of the published rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa

from pipeline.disclosure.attackers.linkage import generalised
from pipeline.disclosure.attackers.rows import PLACE, QUASI_IDENTIFIERS, lines_of
from pipeline.disclosure.attackers.tally import Paths, tally
from pipeline.disclosure.facts import Risk

DIGITS = 4
"""Figures that rest on the population, which is restricted, are rounded."""


def risk(rows: pa.Table, population: pd.DataFrame | None, paths: Paths, k: int) -> Risk:
    """The probabilities of a right match.

    With f the persons of a row's class in the file and F those of the population who fit it: prosecutor 1/f; journalist
    1/F at its largest, since the attacker does not know who was drawn; marketer the mean over the rows of 1/F (sum over
    the classes of f/F, over the rows). Dankar and El Emam, A method for evaluating marketer re-identification risk,
    2010; El Emam, Guide to the De-Identification of Personal Health Information, 2013, chapter 16.

    Args:
        rows: published microdata, at least one row.
        population: exact quasi-identifiers of everyone the file was drawn from, a row a person; None where not at hand.
        paths: hierarchies, as published.
        k: least persons of a class.
    """
    lines, persons, _ = lines_of(rows, QUASI_IDENTIFIERS)
    fits = tally(lines, lines, persons[:, None], paths=generalised(paths), exact=PLACE)[:, 0]
    journalist = marketer = None
    if population is not None and len(population):
        listed = population.value_counts(list(QUASI_IDENTIFIERS), sort=False, dropna=False).reset_index(name="persons")
        weights = listed["persons"].to_numpy(np.int64)[:, None]
        # Who is in the file is in the population, also where it was corrected since.
        whole = np.maximum(tally(lines, listed, weights, paths=generalised(paths), exact=PLACE)[:, 0], persons)
        journalist = round(1 / float(whole.min()), DIGITS)
        marketer = round(float((persons / whole).sum()) / rows.num_rows, DIGITS)
    return Risk(
        above=float(persons[persons < k].sum()) / rows.num_rows,
        prosecutor=1 / float(persons.min()),
        prosecutor_mean=len(persons) / rows.num_rows,
        candidates=1 / float(fits.min()),
        journalist=journalist,
        marketer=marketer,
    )
