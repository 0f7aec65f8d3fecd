"""The ledger's units: what has landed, failed, or waits, and who is at it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, Row, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from connectors.ledger.holding import Holding
from connectors.ledger.journal import Journal
from connectors.ledger.leases import Lease
from connectors.ledger.limits import TenantLimits
from connectors.ledger.tables import DROPPED, units
from connectors.ledger.units import Doubt, UnitRecord

# Where a lease has no window: any that never changes will do.
_TIMELESS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=1))


class UnitRecords:
    """The units of one tenant; a part of its ledger."""

    _engine: Engine
    _tenant: str
    _clock: Callable[[], datetime]
    _holding: Holding
    journal: Journal
    limits: TenantLimits

    def unit(self, dataset: str, unit: str) -> UnitRecord | None:
        """Return one unit, None if it was never tried."""
        with self._engine.connect() as connection:
            row = connection.execute(select(units).where(self._is(dataset, unit))).one_or_none()
        return None if row is None else _record(row)

    def units(
        self, dataset: str, starts_at: datetime | None = None, ends_at: datetime | None = None
    ) -> list[UnitRecord]:
        """Return a dataset's units in time order; with bounds, those that lie within them."""
        query = (
            select(units)
            .where(units.c.tenant == self._tenant, units.c.dataset == dataset)
            .order_by(units.c.starts_at, units.c.unit)
        )
        if starts_at and ends_at:
            query = query.where(units.c.starts_at >= starts_at, units.c.ends_at <= ends_at)
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def plan_units(self, dataset: str, planned: Sequence[tuple[str, datetime, datetime]]) -> None:
        """Record units (name, start, end) as pending, unless they are known."""
        known = {record.unit for record in self.units(dataset)}
        rows = [
            self._holding.new(dataset, name, starts_at, ends_at)
            for name, starts_at, ends_at in planned
            if name not in known
        ]
        if not rows:
            return
        try:
            with self._engine.begin() as connection:
                connection.execute(units.insert(), rows)
        except IntegrityError:
            for row in rows:
                self._holding.ensure_unit(dataset, row["unit"], row["starts_at"], row["ends_at"])

    def mark_landed(
        self,
        dataset: str,
        unit: str,
        run_id: str,
        rows: int,
        exported_at: datetime,
        calls: int = 0,
        *,
        doubt: Doubt | None = None,
        complete_from: datetime | None = None,
    ) -> None:
        """Record a published unit: the last step, once everything is in place.

        What a person has accepted about it stays accepted as long as the doubt is the same.
        """
        values: dict[str, Any] = {
            "state": "landed",
            "run_id": run_id,
            "rows_landed": rows,
            "landed_at": self._clock(),
            "exported_at": exported_at,
            "calls": calls,
            "not_before": None,
            "last_error": None,
            "doubt": doubt,
            "complete_from": complete_from,
        }
        mine = update(units).where(self._is(dataset, unit))
        with self._engine.begin() as connection:
            other = mine.where(or_(units.c.doubt.is_(None), units.c.doubt != (doubt or "")))
            connection.execute(other.values(accepted_at=None, accepted_why=None))
            connection.execute(mine.values(values))
            self.journal.forget(dataset, unit, connection)

    def mark_replayed(
        self, dataset: str, unit: str, run_id: str, rows: int, exported_at: datetime
    ) -> None:
        """Record that rejected rows of a unit's own export were added; it was not exported again.

        So `landed_at` stays: from it, schedules and back-fills see what they still have to export.
        """
        values = {"run_id": run_id, "rows_landed": rows, "exported_at": exported_at}
        with self._engine.begin() as connection:
            connection.execute(update(units).where(self._is(dataset, unit)).values(values))

    def mark_failed(
        self,
        dataset: str,
        unit: str,
        error: str,
        *,
        state: str = "failed",
        not_before: datetime | None = None,
    ) -> None:
        """Record why a unit did not land; `pending` if trying again later may help.

        A unit that had landed before stays landed.
        """
        mine = update(units).where(self._is(dataset, unit))
        with self._engine.begin() as connection:
            failed = {"last_error": error, "not_before": not_before, "failed_at": self._clock()}
            connection.execute(mine.values(failed))
            connection.execute(mine.where(units.c.state != "landed").values(state=state))

    def mark_dropped(
        self, dataset: str, horizon: datetime, before: datetime, *, keep_newest: bool = False
    ) -> None:
        """Record that units that ended by `horizon` are past retention and have no rows any more.

        They stay recorded as once landed, so that nothing lands them again unasked.

        Args:
            dataset: the dataset.
            horizon: units that ended at this instant or before were dropped.
            before: when the drop began; units that have landed since are left alone.
            keep_newest: whether the newest landed unit was kept (snapshots).
        """
        landed = and_(
            units.c.tenant == self._tenant, units.c.dataset == dataset, units.c.state == "landed"
        )
        gone = [landed, units.c.ends_at <= horizon, units.c.landed_at < before]
        with self._engine.begin() as connection:
            if keep_newest:
                newest = connection.scalar(select(func.max(units.c.starts_at)).where(landed))
                gone.append(units.c.starts_at < newest)
            connection.execute(update(units).where(*gone).values(state=DROPPED, rows_landed=None))

    def forget_failures(self, dataset: str) -> None:
        """Drop errors, waiting times and journalled exports of a dataset's units.

        Also the tenant's limit, so that it may be asked again at once.
        """
        self.limits.forget()
        mine = update(units).where(units.c.tenant == self._tenant, units.c.dataset == dataset)
        with self._engine.begin() as connection:
            connection.execute(mine.values(last_error=None, not_before=None))
            connection.execute(mine.where(units.c.state == "failed").values(state="pending"))
            self.journal.forget(dataset, None, connection)

    def forget_landed(self, dataset: str, names: Sequence[str]) -> None:
        """Forget that units have landed: they are pending again."""
        values = dict.fromkeys(("run_id", "landed_at", "rows_landed", "exported_at", "calls"))
        mine = update(units).where(units.c.tenant == self._tenant, units.c.dataset == dataset)
        with self._engine.begin() as connection:
            for name in names:
                lost = mine.where(units.c.unit == name, units.c.state == "landed")
                connection.execute(lost.values(values | {"state": "pending"}))

    def lease(
        self, dataset: str, unit: str, starts_at: datetime, ends_at: datetime, run_id: str
    ) -> Lease:
        """Return a lease on the unit for this run; a dead or silent holder is replaced.

        Raises:
            HeldError: another run holds it; the message says which, and until when.
        """
        return self._holding.lease(dataset, unit, starts_at, ends_at, run_id)

    def lease_timeless(self, name: str, work: str, run_id: str) -> Lease:
        """Return a lease on work that has no window: sending for a sync, or for an action.

        Raises:
            HeldError: as `lease`.
        """
        return self.lease(name, work, *_TIMELESS, run_id)

    def give_back(self, run_id: str) -> None:
        """Release all leases of a run of this process whose threads can no longer do so."""
        self._holding.give_back(run_id)

    def lapsed_leases(self) -> list[str]:
        """Return the units (dataset and unit) held by a run that no longer renews its lease."""
        return self._holding.lapsed()

    def _is(self, dataset: str, unit: str) -> Any:
        return and_(
            units.c.tenant == self._tenant, units.c.dataset == dataset, units.c.unit == unit
        )


def _record(row: Row[Any]) -> UnitRecord:
    return UnitRecord(
        unit=row.unit,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        state=row.state,
        run_id=row.run_id,
        landed_at=row.landed_at,
        rows_landed=row.rows_landed,
        not_before=row.not_before,
        last_error=row.last_error,
        exported_at=row.exported_at,
        calls=row.calls,
        failed_at=row.failed_at,
        holder=row.holder,
        held_until=row.held_until,
        doubt=Doubt(row.doubt) if row.doubt else None,
        complete_from=row.complete_from,
        accepted_at=row.accepted_at,
    )
