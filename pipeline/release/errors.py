"""The one error of this package."""

from __future__ import annotations


class ReleaseError(RuntimeError):
    """A release cannot be written or switched in; the message says why and holds no personal value."""
