"""What a write is, and what is remembered of a request."""

from dataclasses import dataclass
from datetime import datetime

from sandbox.enrichment.fields import EnrichableField, Value


@dataclass(frozen=True, slots=True)
class Write:
    """One value for one object; None clears."""

    uid: str
    field: EnrichableField
    value: Value


@dataclass(frozen=True, slots=True)
class Received:
    """An answered request, recorded for tests, without its values."""

    at: datetime
    domain: str
    objects: int
    refused: int
