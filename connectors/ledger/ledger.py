"""The ledger of a tenant: its runs and units, and the parts that keep the rest."""

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

from sqlalchemy import Engine

from connectors.clock import utc_now
from connectors.ledger.action_plans import ActionPlans
from connectors.ledger.doubts import Doubts
from connectors.ledger.downloads import Downloads
from connectors.ledger.engine import connect
from connectors.ledger.holding import Holding
from connectors.ledger.identity import Identity
from connectors.ledger.journal import Journal
from connectors.ledger.limits import TenantLimits
from connectors.ledger.marks import Marks
from connectors.ledger.orphans import Orphans
from connectors.ledger.plans import Plans
from connectors.ledger.run_records import RunRecords
from connectors.ledger.syncs import Syncs
from connectors.ledger.unit_records import UnitRecords

if TYPE_CHECKING:
    from connectors.ledger.absences import Absences
    from connectors.ledger.actions import Actions
    from connectors.ledger.enriched import Enriched


class Ledger(RunRecords, UnitRecords):
    """The ledger of one tenant, safe for threads and processes; every call is one transaction."""

    def __init__(
        self, engine: Engine, tenant: str, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock
        self._holding = Holding(engine, tenant, clock)
        self.identity = Identity(engine, clock)
        self.journal = Journal(engine, tenant)
        self.downloads = Downloads(engine, tenant, clock)
        self.marks = Marks(engine, tenant, clock)
        self.limits = TenantLimits(engine, tenant, clock)
        self.doubts = Doubts(engine, tenant, clock)
        self.syncs = Syncs(engine, tenant)
        self.plans = Plans(engine, tenant, clock)
        self.orphans = Orphans(engine, tenant)
        self.action_plans = ActionPlans(engine, tenant, clock)

    # The next three handle frames: only callers that use them import Polars.

    @cached_property
    def enriched(self) -> "Enriched":
        """What Nexthink is known to have taken from each sync."""
        from connectors.ledger.enriched import Enriched  # noqa: PLC0415 - only for syncs and actions

        return Enriched(self._engine, self._tenant)

    @cached_property
    def absences(self) -> "Absences":
        """Which keys of each sync its sources no longer have."""
        from connectors.ledger.absences import Absences  # noqa: PLC0415 - only for syncs and actions

        return Absences(self._engine, self._tenant)

    @cached_property
    def actions(self) -> "Actions":
        """The journal of requests to the tenant."""
        from connectors.ledger.actions import Actions  # noqa: PLC0415 - only for syncs and actions

        return Actions(self._engine, self._tenant, self._clock, self.action_plans)

    @property
    def tenant(self) -> str:
        """The tenant's name."""
        return self._tenant

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def open_ledger(url: str, tenant: str, clock: Callable[[], datetime] = utc_now) -> Ledger:
    """Return the ledger, connected; its tables are created or upgraded first.

    Raises:
        ConfigurationError: the ledger cannot be reached, or is newer than this program.
    """
    return Ledger(connect(url), tenant, clock)
