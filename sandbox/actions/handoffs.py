"""Conversations that were handed off to Spark."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Handoff:
    """One accepted request, as received."""

    at: datetime
    upn: str
    time_zone: str | None
    parts: tuple[Mapping[str, Any], ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
