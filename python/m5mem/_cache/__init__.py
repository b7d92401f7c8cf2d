"""The decorator `cached`, and what stands behind it: one computation for all who wait, and policies for an outage."""

from .decorator import cached

__all__ = ["cached"]
