"""What the published microdata may say instead of a person's own value: the generalisation of each quasi-identifier.

Declared once, beside the closed lists whose codes it groups. A value belongs to exactly one group at each level; what
no group names keeps its own name. Attackers are assumed to know all of it: a release's manifest lists the paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.tables import codes
from pipeline.tables.model import Code

MASKED = "*"


class GeneralisationError(ValueError):
    """A generalisation does not give each value exactly one path, or uses a code that its closed list lacks."""


@dataclass(frozen=True)
class Generalisation:
    """The coarser values of one column.

    Attributes:
        codes: the closed list of the column: values as observed, groups, and `*`.
        levels: from the narrowest to the widest: group -> the values or groups of the level before that it holds. The
            last level, `*`, is understood.

    Raises:
        GeneralisationError: if a value is in two groups of a level, a group holds what the level before does not, or
            a name is not on the closed list.
    """

    codes: tuple[Code, ...]
    levels: tuple[Mapping[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        listed = {code.code for code in self.codes}
        if not {MASKED, *(name for level in self.levels for name in level)} <= listed:
            raise GeneralisationError("a group is not on the closed list of its column")
        held = set(self.leaves)
        for level in self.levels:
            members = [value for group in level.values() for value in group]
            if len(members) != len(set(members)):
                raise GeneralisationError("a value is in two groups of one level")
            if not set(members) <= held:
                raise GeneralisationError("a group holds what the level before does not")
            held = (held - set(members)) | set(level)

    @property
    def leaves(self) -> tuple[str, ...]:
        """Values as observed: the codes that are neither a group nor `*`."""
        groups = {MASKED, *(name for level in self.levels for name in level)}
        return tuple(code.code for code in self.codes if code.code not in groups)

    def paths(self) -> dict[str, tuple[str, ...]]:
        """Value as observed -> `(value, wider, ..., "*")`, all of one length."""
        found = {}
        for leaf in self.leaves:
            path = [leaf]
            for level in self.levels:
                path.append(next((group for group, held in level.items() if path[-1] in held), path[-1]))
            found[leaf] = (*path, MASKED)
        return found


MICRODATA: Mapping[str, Generalisation] = {
    "sex": Generalisation(codes.PUBLISHED_SEX),
    "age_band": Generalisation(
        codes.AGE_BAND, ({"18-39": ("18-29", "30-39"), "40+": ("40-49", "50-57", "58+")},)
    ),
    "territory": Generalisation(codes.TERRITORY),
    "status": Generalisation(codes.STATUS),
    "sector": Generalisation(
        codes.SECTOR,
        ({
            "production": ("agriculture", "industry", "construction"),
            "services": ("trade_transport", "business_services", "public_services", "other_services"),
        },),
    ),
    "cause": Generalisation(codes.CAUSE),
}  # fmt: skip
"""Quasi-identifiers of `microdata` that may be generalised; quarter and arm stay as they are."""
