"""What a value may be generalised to: one path per leaf, from the value itself up to `*`.

A hierarchy is plain data (`as_paths`), so that the audit can read it from a release's own manifest. Attackers are
assumed to know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

TOP = "*"
"""The most general value of every hierarchy: says nothing about the person."""


class HierarchyError(ValueError):
    """A hierarchy is not a sequence of coarser and coarser partitions of its leaves, or a value is not among them."""


@dataclass(frozen=True)
class Hierarchy:
    """Generalisation paths of one quasi-identifier.

    Attributes:
        paths: leaf value -> its path `(leaf, wider, ..., "*")`; all paths have the same length (the number of levels,
            level 0 being the leaf). The leaves are the *domain*: the loss of a cell is
            (leaves under the published value - 1) / (leaves - 1).

    Raises:
        HierarchyError: if a path does not start at its leaf or end at `*`; if lengths differ; if a level splits what
            the level below holds together; if a level does not coarsen the one below; or if one name stands for two
            different sets of leaves (a reader could not tell what is published).
    """

    paths: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not self.paths:
            raise HierarchyError("a hierarchy needs at least one leaf")
        frozen = {leaf: tuple(path) for leaf, path in self.paths.items()}
        object.__setattr__(self, "paths", frozen)
        lengths = {len(path) for path in frozen.values()}
        if len(lengths) != 1 or min(lengths) < 2:
            raise HierarchyError("all paths must have the same length, of at least two levels")
        for leaf, path in frozen.items():
            if path[0] != leaf or path[-1] != TOP:
                raise HierarchyError("each path must start at its leaf and end at `*`")
        if TOP in frozen:
            raise HierarchyError("`*` cannot be a leaf")
        for level in range(1, self.levels):
            parent: dict[str, str] = {}
            for path in frozen.values():
                if parent.setdefault(path[level - 1], path[level]) != path[level]:
                    raise HierarchyError(f"level {level} splits a value of level {level - 1}")
            if len(set(parent.values())) >= len(parent) and len(frozen) > 1:
                raise HierarchyError(f"level {level} does not coarsen level {level - 1}")
        under: dict[str, frozenset[str]] = {}
        for level in range(self.levels):
            here: dict[str, set[str]] = {}
            for leaf, path in frozen.items():
                here.setdefault(path[level], set()).add(leaf)
            for name, leaves in here.items():
                if under.setdefault(name, frozenset(leaves)) != frozenset(leaves):
                    raise HierarchyError("one name stands for two different sets of leaves")

    @property
    def levels(self) -> int:
        """Number of levels, the leaf (0) and `*` included."""
        return len(next(iter(self.paths.values())))

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The domain, sorted."""
        return tuple(sorted(self.paths))

    @classmethod
    def from_rows(cls, rows: Sequence[Sequence[str]]) -> Hierarchy:
        """Build from rows `[leaf, wider, ..., "*"]`, one per leaf.

        Raises:
            HierarchyError: if a leaf has two rows, or the rows are not a hierarchy.
        """
        paths: dict[str, tuple[str, ...]] = {}
        for row in rows:
            if row[0] in paths:
                raise HierarchyError("a leaf value has more than one path")
            paths[row[0]] = tuple(row)
        return cls(paths)

    @classmethod
    def flat(cls, leaves: Sequence[str]) -> Hierarchy:
        """Two levels only: the value itself, or `*`."""
        return cls.from_rows([(leaf, TOP) for leaf in leaves])

    def as_paths(self) -> dict[str, list[str]]:
        """The same as JSON-able data, sorted by leaf: what `disclosure.verify` and a manifest take."""
        return {leaf: list(self.paths[leaf]) for leaf in self.leaves}
