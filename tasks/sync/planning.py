"""What plans of a sync are made with and judged by: its places, its fields, the moment."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from connectors.lake import Lake
from connectors.ledger import Ledger
from connectors.syncs import SyncSpecification
from tasks.sync.diff import Fields


@dataclass(frozen=True, slots=True)
class Planning:
    """A sync, where its plans lie, and the present moment.

    Args:
        specification: the sync.
        ledger: the tenant's.
        lake: the tenant's.
        scratch: a local folder, for copies of plans that lie in a bucket.
        now: when this is.
    """

    specification: SyncSpecification
    ledger: Ledger
    lake: Lake
    scratch: Path
    now: datetime
    fields: Fields = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", fields_of(self.specification))

    @property
    def fingerprint(self) -> str:
        """Tell the sync from others, and from itself before an edit."""
        return self.specification.fingerprint

    @property
    def sync(self) -> str:
        """Name the sync."""
        return self.specification.sync

    @property
    def identification(self) -> str:
        """Give the API's name of what identifies the objects."""
        return self.specification.identification.name


def fields_of(specification: SyncSpecification) -> Fields:
    """Give a sync's fields: a fingerprint of each mapping, and which can be emptied.

    A refused value waits until the fingerprint changes.
    """
    api_fields = specification.api_fields
    return Fields(
        {name: mapping.fingerprint for name, mapping in specification.fields.items()},
        frozenset(name for name, known in api_fields.items() if known.clear is not None),
    )
