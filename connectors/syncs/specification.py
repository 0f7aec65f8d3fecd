"""One sync of the catalogue: sources, the SELECT over them, and what goes into which fields."""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from connectors.catalogue import DAY, Specification
from connectors.catalogue.specification import Duration
from connectors.nexthink.encoding import DEFAULT_BYTES, DEFAULT_OBJECTS
from connectors.nexthink.enrichment import MOST_OBJECTS
from connectors.nexthink.fields import LONGEST_TEXT
from connectors.sources import Sources

SYNC_PATTERN = "^[a-z][a-z0-9_]*$"


class SyncMode(StrEnum):
    """What no value means: upsert leaves the field alone, mirror empties what this sync has set."""

    UPSERT = "upsert"
    MIRROR = "mirror"


class EmptyText(StrEnum):
    """What an empty text means: no value, or that the field is to be emptied."""

    NULL = "null"
    KEEP = "keep"


class Normalisation(StrEnum):
    """A step that a text goes through before it is compared and sent."""

    TRIM = "trim"
    COLLAPSE = "collapse"
    UPPER = "upper"
    LOWER = "lower"
    NFC = "nfc"


class Identification(Specification):
    """What identifies an object: the API's name of it, and the select's column that holds it.

    With an inventory the column is None: the inventory gives the identity.
    """

    name: str
    column: str | None = None


class InventorySpecification(Specification):
    """The landed dataset in which identities are looked up.

    Attributes:
        dataset: a snapshot dataset of the catalogue.
        match: landed column by column of the select; all of them have to agree.
        identity: the landed column that identifies.
        max_age: how old the snapshot may be.
    """

    dataset: str
    match: dict[str, str] = Field(min_length=1)
    identity: str
    max_age: Duration = DAY


class FieldMapping(Specification):
    """Where the value of one field comes from, and what is made of it.

    Attributes:
        column: of the select; without it the last part of the field's name, without `#`.
        empty: what an empty text means.
        clear_when: a SQL condition over the select's columns on which the field is emptied.
        normalise: steps, in this order.
        longest: the longest text, in characters.
        values: what is sent for a text of the source; others are rejects.
    """

    column: str | None = None
    empty: EmptyText = EmptyText.NULL
    clear_when: str | None = None
    normalise: tuple[Normalisation, ...] = ()
    longest: int = Field(default=LONGEST_TEXT, ge=1)
    values: dict[str, str | int] = Field(default_factory=dict)


class Guards(Specification):
    """Shares, from 0 to 1, above which nothing is sent without a person's word."""

    shrink: float = Field(default=0.2, ge=0, le=1)
    changes: float = Field(default=0.5, ge=0, le=1)
    clears: float = Field(default=0.1, ge=0, le=1)


class PushSpecification(Specification):
    """How much goes into a request, how many are under way, how many start in a minute."""

    objects: int = Field(default=DEFAULT_OBJECTS, ge=1, le=MOST_OBJECTS)
    bytes: int = Field(default=DEFAULT_BYTES, ge=1)
    concurrency: int = Field(default=2, ge=1, le=16)
    per_minute: float | None = Field(default=None, gt=0)


class VerifySpecification(Specification):
    """The saved query that reads the fields back, and how long after the push it is asked."""

    query_id: str
    after: Duration = timedelta(minutes=5)


class SyncSpecification(Specification):
    """What of which sources is sent to which fields: one file of deployments/syncs."""

    sync: str = Field(pattern=SYNC_PATTERN)
    domain: str = Field(min_length=1)
    mode: SyncMode = SyncMode.UPSERT
    sources: Sources
    sql: str = Field(min_length=1)
    identification: Identification
    inventory: InventorySpecification | None = None
    fields: dict[str, FieldMapping] = Field(min_length=1)
    full_every: Duration = DAY
    guards: Guards = Guards()
    max_reject_share: float = Field(default=0.05, ge=0, le=1)
    push: PushSpecification = PushSpecification()
    verify: VerifySpecification | None = None
