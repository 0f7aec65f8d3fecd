"""Units whose rows may be incomplete because the tenant forgets: in doubt, accepted, or expired."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, update

from connectors.ledger.tables import EXPIRED, units
from connectors.ledger.units import Doubt


class Doubts:
    """What is in doubt about one tenant's units."""

    def __init__(self, engine: Engine, tenant: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock

    def set(self, dataset: str, names: Sequence[str], doubt: Doubt | None) -> None:
        """Set or clear the doubt about landed units."""
        self._update(dataset, names, {"doubt": doubt})

    def accept(self, dataset: str, names: Sequence[str], why: str) -> None:
        """Record that a person accepts units as they landed."""
        self._update(dataset, names, {"accepted_at": self._clock(), "accepted_why": why})

    def mark_expired(self, dataset: str, names: Sequence[str]) -> None:
        """Record that units never landed and that no row of theirs can come any more."""
        self._update(dataset, names, {"state": EXPIRED}, landed=False)

    def _update(
        self, dataset: str, names: Sequence[str], values: dict[str, Any], *, landed: bool = True
    ) -> None:
        mine = update(units).where(
            units.c.tenant == self._tenant,
            units.c.dataset == dataset,
            units.c.landed_at.is_not(None) if landed else units.c.landed_at.is_(None),
        )
        with self._engine.begin() as connection:
            for name in names:
                connection.execute(mine.where(units.c.unit == name).values(values))
