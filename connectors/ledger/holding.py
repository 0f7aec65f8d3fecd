"""Taking units for a run: leases in the ledger, and takeover from holders that are gone."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, and_, or_, select, update
from sqlalchemy.exc import IntegrityError

from connectors.errors import HeldError
from connectors.ledger.leases import (
    LEASE_TIME,
    RENEWALS_PER_LEASE,
    Holder,
    Lease,
    held_message,
)
from connectors.ledger.tables import units

logger = logging.getLogger(__name__)


class Holding:
    """Who holds which unit of one tenant."""

    def __init__(self, engine: Engine, tenant: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock

    def lease(
        self, dataset: str, unit: str, starts_at: datetime, ends_at: datetime, run_id: str
    ) -> Lease:
        """Return a lease on the unit for this run; a dead or silent holder is replaced.

        Raises:
            HeldError: another run holds it; the message says which, and until when.
        """
        holder = Holder.of_this_process(run_id)
        self.ensure_unit(dataset, unit, starts_at, ends_at)
        if not self._take(dataset, unit, holder):
            raise HeldError(self._who(dataset, unit))
        if other := self._overlapping(dataset, unit, starts_at, ends_at):
            self._give_back(dataset, unit, holder)
            raise HeldError(self._who(dataset, other))
        return Lease(
            unit=f"{dataset} {unit}",
            holder=holder,
            renew=lambda: self._renew(dataset, unit, holder),
            give_back=lambda: self._give_back(dataset, unit, holder),
            interval=LEASE_TIME.total_seconds() / RENEWALS_PER_LEASE,
        )

    def give_back(self, run_id: str) -> None:
        """Give back all that a run of this process holds; its threads that still run lose it."""
        holder = str(Holder.of_this_process(run_id))
        mine = update(units).where(units.c.tenant == self._tenant, units.c.holder == holder)
        with self._engine.begin() as connection:
            connection.execute(mine.values(holder=None, held_until=None))

    def living_runs(self) -> set[str]:
        """Return the ids of the runs that hold a unit with a lease that has not lapsed."""
        held = select(units.c.holder).where(
            units.c.tenant == self._tenant, units.c.held_until >= self._clock()
        )
        with self._engine.connect() as connection:
            return {Holder.parse(holder).run_id for holder in connection.scalars(held) if holder}

    def lapsed(self) -> list[str]:
        """Return the units whose holder has neither renewed its lease nor given it back."""
        held = (
            select(units.c.dataset, units.c.unit)
            .where(units.c.tenant == self._tenant, units.c.holder.is_not(None))
            .where(units.c.held_until < self._clock())
            .order_by(units.c.dataset, units.c.unit)
        )
        with self._engine.connect() as connection:
            return [f"{row.dataset} {row.unit}" for row in connection.execute(held)]

    def ensure_unit(self, dataset: str, unit: str, starts_at: datetime, ends_at: datetime) -> None:
        """Record a unit as pending, unless it is known."""
        known = select(units.c.unit).where(self._is(dataset, unit))
        with self._engine.connect() as connection:
            if connection.scalar(known) is not None:
                return
        row = self.new(dataset, unit, starts_at, ends_at)
        try:
            with self._engine.begin() as connection:
                connection.execute(units.insert().values(row))
        except IntegrityError:
            logger.debug("%s %s was recorded by another run in the meantime", dataset, unit)

    def _take(self, dataset: str, unit: str, holder: Holder) -> bool:
        now = self._clock()
        free = or_(units.c.holder.is_(None), units.c.held_until < now)
        with self._engine.connect() as connection:
            current = connection.scalar(select(units.c.holder).where(self._is(dataset, unit)))
        if current is not None and Holder.parse(current).is_known_dead():
            # Compared by value, so that of two runs that see the dead holder only one takes over.
            free = or_(free, units.c.holder == current)
        take = update(units).where(self._is(dataset, unit), free)
        with self._engine.begin() as connection:
            taken = connection.execute(take.values(holder=str(holder), held_until=now + LEASE_TIME))
        return taken.rowcount == 1

    def _overlapping(
        self, dataset: str, unit: str, starts_at: datetime, ends_at: datetime
    ) -> str | None:
        """Return a held unit with another name in the same time (another step, a merged window)."""
        held = select(units.c.unit, units.c.holder).where(
            units.c.tenant == self._tenant,
            units.c.dataset == dataset,
            units.c.unit != unit,
            units.c.starts_at < ends_at,
            units.c.ends_at > starts_at,
            units.c.held_until >= self._clock(),
        )
        with self._engine.connect() as connection:
            found = connection.execute(held).all()
        alive = [row.unit for row in found if not Holder.parse(row.holder).is_known_dead()]
        return alive[0] if alive else None

    def _renew(self, dataset: str, unit: str, holder: Holder) -> bool:
        mine = update(units).where(self._is(dataset, unit), units.c.holder == str(holder))
        with self._engine.begin() as connection:
            renewed = connection.execute(mine.values(held_until=self._clock() + LEASE_TIME))
        return renewed.rowcount == 1

    def _give_back(self, dataset: str, unit: str, holder: Holder) -> None:
        mine = update(units).where(self._is(dataset, unit), units.c.holder == str(holder))
        with self._engine.begin() as connection:
            connection.execute(mine.values(holder=None, held_until=None))

    def _who(self, dataset: str, unit: str) -> str:
        query = select(units.c.holder, units.c.held_until).where(self._is(dataset, unit))
        with self._engine.connect() as connection:
            row = connection.execute(query).one()
        if row.holder is None:
            return f"{dataset} {unit} was held by another run a moment ago: try again"
        return held_message(dataset, unit, Holder.parse(row.holder), row.held_until)

    def new(
        self, dataset: str, unit: str, starts_at: datetime, ends_at: datetime
    ) -> dict[str, Any]:
        """Return the row of a unit about which nothing is known yet."""
        return {
            "tenant": self._tenant,
            "dataset": dataset,
            "unit": unit,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "state": "pending",
        }

    def _is(self, dataset: str, unit: str) -> Any:
        return and_(
            units.c.tenant == self._tenant, units.c.dataset == dataset, units.c.unit == unit
        )
