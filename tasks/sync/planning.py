"""What plans of a sync are made from and checked against: its places, its fields, the moment."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from connectors.lake import Lake
from connectors.ledger import Ledger
from connectors.syncs import SyncSpecification
from tasks.sync.diff import Fields


@dataclass(frozen=True, slots=True)
class Planning:
    """A sync, where its plans are kept, and the present moment.

    Args:
        specification: the sync.
        ledger: the tenant's ledger.
        lake: the tenant's lake.
        scratch: a local folder, for copies of plans that are in a bucket.
        now: the present moment.
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
        """What distinguishes the sync from others, and from itself before an edit."""
        return self.specification.fingerprint

    @property
    def sync(self) -> str:
        """The sync's name."""
        return self.specification.sync

    @property
    def identification(self) -> str:
        """What identifies the objects, as the ledger keeps it."""
        return self.specification.identification.kept


def fields_of(specification: SyncSpecification) -> Fields:
    """Return a sync's fields: a fingerprint of each mapping, and which can be emptied.

    A refused value waits until the fingerprint changes.
    """
    api_fields = specification.api_fields
    return Fields(
        {name: mapping.fingerprint for name, mapping in specification.fields.items()},
        frozenset(name for name, known in api_fields.items() if known.clear is not None),
    )
