"""A tenant's limits, shared by all processes on its ledger: waiting times, calls, exports at once.

Each change first locks the tenant's only row, so that processes count one after the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, Row, and_, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.counters import DAY, Asker, CallKind, Counted, Counters, free_at, total_of
from connectors.ledger.leases import LEASE_TIME, RENEWALS_PER_LEASE, Holder, Lease
from connectors.ledger.tables import export_slots, limits

# The date of a 429 may differ by this much from when our oldest request is a day old.
SAME_DATE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Allowance:
    """The number of requests that a process may make, the first at `starts_at`.

    With 0 requests the limit is used up, and the next one is free at `starts_at`. `used` of the
    `limit` were made in the 24 hours before; `kept` are kept for those who come first. The limit
    `is_learned` if no setting but the tenant has set it.
    """

    number: int
    starts_at: datetime
    used: int
    limit: int | None = None
    kept: int = 0
    is_learned: bool = False


# The columns of each kind. What may be sent of calls holds for the other kinds too.
_UNTIL = {
    CallKind.CALLS: "limited_until",
    CallKind.EXPORTS: "exports_until",
    CallKind.EXECUTES: "executes_until",
}
_KNOWN = {CallKind.EXPORTS: "exports_known", CallKind.EXECUTES: "executes_known"}


@dataclass(frozen=True, slots=True)
class ExportLimits:
    """How many exports may run at once, at the tenant and by one worker; None means no limit."""

    per_tenant: int | None = None
    per_worker: int | None = None
    worker: str = ""


@dataclass(frozen=True, slots=True)
class ExportSlot:
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
        self._counters = Counters(tenant)
        self._is_there = False

    def limited_until(self, kind: CallKind = CallKind.CALLS) -> datetime | None:
        """Return the time before which the tenant must not be asked, None if it has passed."""
        return self.waits().get(kind)

    def waits(self) -> Mapping[CallKind, datetime]:
        """Return until when no request of a kind may be sent, for kinds that have to wait."""
        with self._engine.connect() as connection:
            row = connection.execute(select(limits).where(self._mine)).one_or_none()
        if row is None:
            return {}
        now = self._clock()
        named = {kind: getattr(row, _UNTIL[kind]) for kind in CallKind}
        all_kinds = named[CallKind.CALLS] or now
        until = {kind: max(all_kinds, moment or now) for kind, moment in named.items()}
        return {kind: moment for kind, moment in until.items() if moment > now}

    def limit_until(self, moment: datetime, kind: CallKind = CallKind.CALLS) -> None:
        """Record the time that the tenant named; of two such times the later one counts.

        For exports and executes: if that is when our oldest one is a day old, then what we have
        made is what the tenant takes in 24 hours.
        """
        self._ensure()
        with self._engine.begin() as connection:
            row = self._locked(connection)
            before: datetime | None = getattr(row, _UNTIL[kind])
            values: dict[str, object] = {_UNTIL[kind]: max(before or moment, moment)}
            used = self._counters.used(connection, kind, self._clock())
            if kind in _KNOWN and used and abs(used[0][0] + DAY - moment) <= SAME_DATE:
                values[_KNOWN[kind]] = self._counters.most(connection, kind, self._clock())
            connection.execute(update(limits).where(self._mine).values(values))

    def forget(self) -> None:
        """Allow requests to the tenant again, whatever it has answered."""
        values = dict.fromkeys((*_UNTIL.values(), *_KNOWN.values()))
        with self._engine.begin() as connection:
            connection.execute(update(limits).where(self._mine).values(values))

    def take(
        self,
        kind: CallKind,
        number: int = 1,
        *,
        limit: int | None = None,
        asker: Asker = Asker.PERSON,
        per_second: float | None = None,
    ) -> Allowance:
        """Count requests that are about to be sent; fewer, or none, if the limit is used up.

        Args:
            kind: what is asked.
            number: how many requests.
            limit: how many were allowed in 24 hours; None allows what the tenant is known to take.
            asker: who asks; some of a limit is kept for those who come first.
            per_second: how many may be made in a second.
        """
        self._ensure()
        with self._engine.begin() as connection:
            row = self._locked(connection)
            now = self._clock()
            known: int | None = getattr(row, _KNOWN[kind]) if kind in _KNOWN else None
            bound = known if limit is None else limit
            counted = self._counters.used(connection, kind, now)
            used = total_of(counted)
            kept = 0 if bound is None else asker.kept(bound)
            given = number if bound is None else min(number, bound - kept - used)
            is_learned = limit is None and bound is not None
            if bound is not None and given <= 0:
                free = free_at(counted, bound - kept)
                return Allowance(0, free, used, bound, kept, is_learned)
            starts_at = max(now, row.free_at or now) if per_second else now
            if per_second:
                next_at = starts_at + timedelta(seconds=given / per_second)
                connection.execute(update(limits).where(self._mine).values(free_at=next_at))
            self._counters.add(connection, kind, given, now)
        return Allowance(given, starts_at, used, bound, kept, is_learned)

    def give_back(self, kind: CallKind, number: int, taken_at: datetime) -> None:
        """Uncount requests that were taken but not made, or that the tenant refused."""
        with self._engine.begin() as connection:
            self._counters.give_back(connection, kind, number, taken_at)

    def counted(self, kind: CallKind) -> Sequence[Counted]:
        """Return the requests of the last 24 hours by all processes, by the minute."""
        with self._engine.connect() as connection:
            return self._counters.used(connection, kind, self._clock())

    def made(self, kind: CallKind) -> int:
        """Return how many requests `counted` has; those taken but not made are included."""
        return total_of(self.counted(kind))

    def calls_today(self) -> int:
        """Return the calls of the last 24 hours by all processes, taken ones included."""
        return self.made(CallKind.CALLS)

    def known(self, kind: CallKind) -> int | None:
        """Return how many requests the tenant takes in 24 hours, None if it has not shown that."""
        if kind not in _KNOWN:
            return None
        with self._engine.connect() as connection:
            found: int | None = connection.scalar(select(limits.c[_KNOWN[kind]]).where(self._mine))
        return found

    def take_slot(self, slot: ExportSlot, run_id: str, allowed: ExportLimits) -> Lease | None:
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

    def orphans(self) -> list[tuple[ExportSlot, str]]:
        """Return slots, not lapsed yet, whose process is known to be gone, with their holders."""
        held = select(export_slots).where(
            export_slots.c.tenant == self._tenant, export_slots.c.held_until >= self._clock()
        )
        with self._engine.connect() as connection:
            rows = connection.execute(held).all()
        return [
            (ExportSlot(row.dataset, row.unit, row.piece), row.holder)
            for row in rows
            if Holder.parse(row.holder).is_known_dead()
        ]

    def free(self, slot: ExportSlot, holder: str) -> None:
        """Release the slot of a holder whose export has ended."""
        mine = delete(export_slots).where(self._of(slot), export_slots.c.holder == holder)
        with self._engine.begin() as connection:
            connection.execute(mine)

    def _is_free(self, connection: Connection, slot: ExportSlot, allowed: ExportLimits) -> bool:
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

    def _renew(self, slot: ExportSlot, holder: Holder) -> bool:
        mine = update(export_slots).where(self._of(slot), export_slots.c.holder == str(holder))
        with self._engine.begin() as connection:
            renewed = connection.execute(mine.values(held_until=self._clock() + LEASE_TIME))
        return renewed.rowcount == 1

    @property
    def _mine(self) -> ColumnElement[bool]:
        return limits.c.tenant == self._tenant

    def _of(self, slot: ExportSlot) -> ColumnElement[bool]:
        return and_(
            export_slots.c.tenant == self._tenant,
            export_slots.c.dataset == slot.dataset,
            export_slots.c.unit == slot.unit,
            export_slots.c.piece == slot.piece,
        )

    def _locked(self, connection: Connection) -> Row[tuple[object, ...]]:
        """Return the row, locked until the transaction ends: by a write, as in any database."""
        connection.execute(update(limits).where(self._mine).values(free_at=limits.c.free_at))
        return connection.execute(select(limits).where(self._mine)).one()

    def _ensure(self) -> None:
        if self._is_there:
            return
        with self._engine.connect() as connection:
            known = connection.scalar(select(limits.c.tenant).where(self._mine))
        if known is None:
            try:
                with self._engine.begin() as connection:
                    connection.execute(limits.insert().values(tenant=self._tenant))
            except IntegrityError:
                # Another process has created it at the same moment.
                pass
        self._is_there = True
