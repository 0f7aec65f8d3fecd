"""What overrides the estate: values set by enrichment, and the custom fields it declares."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

OverlayValue = str | int | datetime | None


class Overlay(Protocol):
    """Values that are read at query time, so that a value set a moment ago is already visible."""

    def values(self, entity: str, field: str) -> Mapping[str, OverlayValue]:
        """Return uid -> value for a field such as `virtualization.region` or `#cost_center`.

        None means that the value was cleared; objects that are not listed keep their own.
        """
        ...

    def custom_fields(self, entity: str) -> frozenset[str]:
        """Return the custom fields of a kind of object, each with its `#`."""
        ...


class NoOverlay:
    """An overlay that changes nothing."""

    def values(self, entity: str, field: str) -> Mapping[str, OverlayValue]:  # noqa: ARG002 - nothing to show
        """Return nothing."""
        return {}

    def custom_fields(self, entity: str) -> frozenset[str]:  # noqa: ARG002 - nothing to show
        """Return nothing."""
        return frozenset()
