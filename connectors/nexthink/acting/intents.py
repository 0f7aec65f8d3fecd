"""Ids of requests that act: unique, and with the id of the ledger that journals them.

An id is a UUID of version 8, whose layout is its maker's: random, and the ledger's id as its last
12 digits. A remote action's reason begins with it, so that every ledger sees in the tenant's
executions whose request they belong to. Ids of earlier releases are of version 4 and name none.
"""

import re
import uuid
from typing import Final

from connectors.nexthink.acting.limits import INTENT_PREFIX

_LEDGER_BITS: Final = 48
_HEX: Final = "[0-9a-fA-F]"
# As a pattern for Polars too: the first group is the intent's id, the second the ledger's.
LEDGER_IN_REASON: Final = (
    rf"^\s*{re.escape(INTENT_PREFIX)}"
    rf"({_HEX}{{8}}-{_HEX}{{4}}-8{_HEX}{{3}}-[89abAB]{_HEX}{{3}}-({_HEX}{{12}}))"
)


def new_intent(ledger_id: str) -> str:
    """Return a new id of a request that is journalled in a ledger."""
    # Version and variant stay where version 4 has them.
    drawn = uuid.uuid4().int & ~((1 << _LEDGER_BITS) - 1) & ~(0xF << 76)
    return str(uuid.UUID(int=drawn | 8 << 76 | int(ledger_id, 16)))
