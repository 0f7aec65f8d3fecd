"""What plans of a sync are made with and judged by: places, the moment, hashes of its words."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from connectors.lake import Lake
from connectors.ledger import Ledger
from connectors.nexthink.fields import check_field
from connectors.syncs.specification import SyncSpecification
from tasks.sync.diff import Fields

_DIGITS: Final = 32


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
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", fields_of(self.specification))
        object.__setattr__(self, "fingerprint", _fingerprint(self.specification.model_dump()))

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
    object_type = specification.identification.name.partition("/")[0]
    return Fields(
        {
            name: _fingerprint(mapping.model_dump())
            for name, mapping in specification.fields.items()
        },
        frozenset(
            name
            for name in specification.fields
            if check_field(object_type, name).clear is not None
        ),
    )


def _fingerprint(words: Mapping[str, Any]) -> str:
    text = json.dumps(words, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
