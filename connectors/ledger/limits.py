"""A tenant's limits, shared by all processes on its ledger: waiting times, calls, exports at once.

Each change first locks the tenant's only row, so that processes count one after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, Row, and_, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.leases import LEASE_TIME, RENEWALS_PER_LEASE, Holder, Lease
from connectors.ledger.tables import export_slots, limits

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CallsTaken:
    """The number of calls that a process may make, the first at `starts_at`.

    With 0 calls the day's budget is used up, and the next day begins at `starts_at`.
    """

    calls: int
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """How many exports may run at once, at the tenant and by one worker; None is no limit."""

    per_tenant: int | None = None
    per_worker: int | None = None
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """What a slot is for: the export of a unit, or of a piece of it."""

    dataset: str
    unit: str
    piece: str = ""


class TenantLimits:
    """The limits of one tenant."""

    def __init__(self, engine: Engine, tenant: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock
        self._is_there = False

    def limited_until(self) -> datetime | None:
        """Return the time before which the tenant must not be asked, None if it has passed."""
        query = select(limits.c.limited_until).where(self._mine)
        with self._engine.connect() as connection:
            until: datetime | None = connection.scalar(query)
        return until if until and until > self._clock() else None

    def limit_until(self, moment: datetime) -> None:
        """Record the time that the tenant named; of two such times the later one counts."""
        self._ensure()
        earlier = limits.c.limited_until.is_(None) | (limits.c.limited_until < moment)
        with self._engine.begin() as connection:
            connection.execute(
                update(limits).where(self._mine, earlier).values(limited_until=moment)
            )

    def forget(self) -> None:
        """Allow requests to the tenant again, whatever time it named."""
        with self._engine.begin() as connection:
            connection.execute(update(limits).where(self._mine).values(limited_until=None))

    # Calls --------------------------------------------------------------------------------------

    def take_calls(self, calls: int, per_second: float | None, per_day: int) -> CallsTaken:
        """Take calls from the tenant's budget and return them; fewer if the day has no more."""
        self._ensure()
        with self._engine.begin() as connection:
            row = self._locked(connection)
            now = self._clock()
            today = now.replace(hour=0, minute=0, second=0, microsecond=0)
            used = row.calls if row.day == today else 0
            given = min(calls, per_day - used)
            if given <= 0:
                return CallsTaken(0, today + DAY)
            starts_at = max(now, row.free_at or now) if per_second else now
            values = {"day": today, "calls": used + given}
            if per_second:
                values["free_at"] = starts_at + timedelta(seconds=given / per_second)
            connection.execute(update(limits).where(self._mine).values(values))
        return CallsTaken(given, starts_at)

    def return_calls(self, calls: int, taken_at: datetime) -> None:
        """Put calls that were taken that day but not made back into the budget."""
        today = taken_at.replace(hour=0, minute=0, second=0, microsecond=0)
        back = update(limits).where(self._mine, limits.c.day == today, limits.c.calls >= calls)
        with self._engine.begin() as connection:
            connection.execute(back.values(calls=limits.c.calls - calls))

    def calls_today(self) -> int:
        """Return the calls of today (UTC) by all processes, including those taken but not made."""
        today = self._clock().replace(hour=0, minute=0, second=0, microsecond=0)
        query = select(limits.c.calls).where(self._mine, limits.c.day == today)
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    # Exports ------------------------------------------------------------------------------------

    def take_slot(self, slot: Slot, run_id: str, allowed: ExportLimits) -> Lease | None:
        """Return a lease on a slot for a running export, None while others hold all slots.

        The slot of a dead run's export is taken over by the run that resumes that export, which
        holds its unit, so the tenant never has more exports than slots. Other slots lapse.
        """
        # First without the lock: processes that wait must not block those that work.
        with self._engine.connect() as connection:
            if not self._is_free(connection, slot, allowed):
                return None
        self._ensure()
        holder = Holder.of_this_process(run_id)
        with self._engine.begin() as connection:
            self._locked(connection)
            if not self._is_free(connection, slot, allowed):
                return None
            lapsed = export_slots.c.held_until < self._clock()
            of_tenant = export_slots.c.tenant == self._tenant
            gone = delete(export_slots).where(of_tenant & lapsed | self._of(slot))
            connection.execute(gone)
            row = {
                "tenant": self._tenant,
                "dataset": slot.dataset,
                "unit": slot.unit,
                "piece": slot.piece,
                "holder": str(holder),
                "worker": allowed.worker,
                "held_until": self._clock() + LEASE_TIME,
            }
            connection.execute(export_slots.insert().values(row))
        return Lease(
            unit=f"{slot.dataset} {slot.unit} (export)",
            holder=holder,
            renew=lambda: self._renew(slot, holder),
            give_back=lambda: self.free(slot, str(holder)),
            interval=LEASE_TIME.total_seconds() / RENEWALS_PER_LEASE,
        )

    def orphans(self) -> list[tuple[Slot, str]]:
        """Return slots, not lapsed yet, whose process is known to be gone, with their holders."""
        held = select(export_slots).where(
            export_slots.c.tenant == self._tenant, export_slots.c.held_until >= self._clock()
        )
        with self._engine.connect() as connection:
            rows = connection.execute(held).all()
        return [
            (Slot(row.dataset, row.unit, row.piece), row.holder)
            for row in rows
            if Holder.parse(row.holder).is_known_dead()
        ]

    def free(self, slot: Slot, holder: str) -> None:
        """Release the slot of a holder whose export has ended."""
        mine = delete(export_slots).where(self._of(slot), export_slots.c.holder == holder)
        with self._engine.begin() as connection:
            connection.execute(mine)

    def _is_free(self, connection: Connection, slot: Slot, allowed: ExportLimits) -> bool:
        held = select(export_slots).where(
            export_slots.c.tenant == self._tenant, export_slots.c.held_until >= self._clock()
        )
        others = [
            row
            for row in connection.execute(held)
            if (row.dataset, row.unit, row.piece) != (slot.dataset, slot.unit, slot.piece)
        ]
        of_worker = sum(row.worker == allowed.worker for row in others)
        return not (
            (allowed.per_tenant is not None and len(others) >= allowed.per_tenant)
            or (allowed.per_worker is not None and of_worker >= allowed.per_worker)
        )

    def _renew(self, slot: Slot, holder: Holder) -> bool:
        mine = update(export_slots).where(self._of(slot), export_slots.c.holder == str(holder))
        with self._engine.begin() as connection:
            renewed = connection.execute(mine.values(held_until=self._clock() + LEASE_TIME))
        return renewed.rowcount == 1

    # The row ------------------------------------------------------------------------------------

    @property
    def _mine(self) -> ColumnElement[bool]:
        return limits.c.tenant == self._tenant

    def _of(self, slot: Slot) -> ColumnElement[bool]:
        return and_(
            export_slots.c.tenant == self._tenant,
            export_slots.c.dataset == slot.dataset,
            export_slots.c.unit == slot.unit,
            export_slots.c.piece == slot.piece,
        )

    def _locked(self, connection: Connection) -> Row[tuple[object, ...]]:
        """Return the row, locked until the transaction ends: by a write, as in any database."""
        connection.execute(update(limits).where(self._mine).values(calls=limits.c.calls))
        return connection.execute(select(limits).where(self._mine)).one()

    def _ensure(self) -> None:
        if self._is_there:
            return
        with self._engine.connect() as connection:
            known = connection.scalar(select(limits.c.tenant).where(self._mine))
        if known is None:
            try:
                with self._engine.begin() as connection:
                    connection.execute(limits.insert().values(tenant=self._tenant, calls=0))
            except IntegrityError:
                # Another process has created it at the same moment.
                pass
        self._is_there = True
