"""What the ledger knows about one unit, and whether its rows can be relied on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connectors.ledger.leases import Holder


class Doubt(StrEnum):
    """Why a landed window may lack rows that there once were.

    `partial`: the tenant had forgotten the beginning of it. `unproven`: it had no rows, at an age
    at which the tenant may have forgotten them.
    """

    PARTIAL = "partial"
    UNPROVEN = "unproven"


@dataclass(frozen=True, slots=True)
class UnitRecord:
    """What the ledger knows about one unit (a window, or a snapshot's slot).

    `complete_from` is the instant from which a partial window has all its rows.
    """

    unit: str
    starts_at: datetime
    ends_at: datetime
    state: str
    run_id: str | None
    landed_at: datetime | None
    rows_landed: int | None
    not_before: datetime | None
    last_error: str | None
    exported_at: datetime | None
    calls: int | None
    failed_at: datetime | None = None
    holder: str | None = None
    held_until: datetime | None = None
    doubt: Doubt | None = None
    complete_from: datetime | None = None
    accepted_at: datetime | None = None

    def is_held(self, now: datetime) -> bool:
        """Return whether a run that is not known to be gone holds it."""
        if self.holder is None or self.held_until is None or self.held_until < now:
            return False
        return not Holder.parse(self.holder).is_known_dead()

    @property
    def is_doubtful(self) -> bool:
        """Whether it has landed, may lack rows, and nobody has accepted that."""
        return self.doubt is not None and self.accepted_at is None

    @property
    def shown(self) -> str:
        """Its state, for people: `partial` or `unproven` instead of `landed` where that applies."""
        return self.doubt.value if self.doubt and self.is_doubtful else self.state
