"""Reading and writing the ledger: runs, units and leases."""

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Engine, Row, and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from connectors.clock import utc_now
from connectors.ledger.action_plans import ActionPlans
from connectors.ledger.doubts import Doubts
from connectors.ledger.downloads import Downloads
from connectors.ledger.engine import connect
from connectors.ledger.holding import Holding
from connectors.ledger.identity import Identity
from connectors.ledger.journal import Journal
from connectors.ledger.leases import Holder, Lease
from connectors.ledger.limits import TenantLimits
from connectors.ledger.marks import Marks
from connectors.ledger.orphans import Orphans
from connectors.ledger.plans import Plans
from connectors.ledger.syncs import Syncs
from connectors.ledger.tables import DROPPED, runs, total, units
from connectors.ledger.units import Doubt, UnitRecord

if TYPE_CHECKING:
    from connectors.ledger.absences import Absences
    from connectors.ledger.actions import Actions
    from connectors.ledger.enriched import Enriched

logger = logging.getLogger(__name__)

# A run of another machine, or of this one before it was rebooted, that began this long ago and
# holds no unit is over: the files it staged contain rows, and have to be removed.
SILENCE = timedelta(days=1)


class Ledger:
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
        from connectors.ledger.enriched import Enriched  # noqa: PLC0415

        return Enriched(self._engine, self._tenant)

    @cached_property
    def absences(self) -> "Absences":
        """Which keys of each sync its sources no longer have."""
        from connectors.ledger.absences import Absences  # noqa: PLC0415

        return Absences(self._engine, self._tenant)

    @cached_property
    def actions(self) -> "Actions":
        """The journal of requests to the tenant."""
        from connectors.ledger.actions import Actions  # noqa: PLC0415

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

    # Runs ---------------------------------------------------------------------------------------

    def begin_run(self, run_id: str, dataset: str, trigger: str) -> None:
        """Record that a run has begun; `trigger` says why, such as scheduled or back-fill."""
        row = {
            "run_id": run_id,
            "tenant": self._tenant,
            "dataset": dataset,
            "trigger": trigger,
            "state": "running",
            "holder": str(Holder.of_this_process(run_id)),
            "started_at": self._clock(),
        }
        with self._engine.begin() as connection:
            connection.execute(runs.insert().values(row))

    def finish_run(self, run_id: str, state: str, report: dict[str, Any]) -> None:
        """Record how a run ended, with its report."""
        values = {
            "state": state,
            "finished_at": self._clock(),
            "units": report["units"],
            "rows_landed": report["rows_landed"],
            "rows_rejected": report["rows_rejected"],
            "error": report["error"],
            "report": report,
        }
        with self._engine.begin() as connection:
            connection.execute(update(runs).where(runs.c.run_id == run_id).values(values))

    def abandon_run(self, run_id: str, state: str) -> bool:
        """Record that a run ended without a report, unless it has one; count its landed units."""
        return self._abandon([run_id], state) > 0

    def close_interrupted_runs(self) -> list[str]:
        """Mark runs whose process is gone as interrupted; return their ids for cleaning up."""
        query = select(runs.c.run_id, runs.c.holder, runs.c.started_at).where(
            runs.c.tenant == self._tenant, runs.c.state == "running"
        )
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        living = self._holding.living_runs() if found else set()
        gone = [
            row.run_id
            for row in found
            if self._is_gone(Holder.parse(row.holder), row.started_at, living)
        ]
        if gone:
            self._abandon(gone, "interrupted")
        return gone

    def _abandon(self, run_ids: Sequence[str], state: str) -> int:
        landed = select(func.count()).where(units.c.run_id == runs.c.run_id)
        rows = select(total(units.c.rows_landed))
        rows = rows.where(units.c.run_id == runs.c.run_id)
        values = {
            "state": state,
            "finished_at": self._clock(),
            "units": landed.scalar_subquery(),
            "rows_landed": rows.scalar_subquery(),
        }
        left = update(runs).where(runs.c.run_id.in_(run_ids), runs.c.state == "running")
        with self._engine.begin() as connection:
            return connection.execute(left.values(values)).rowcount

    def runs(self, dataset: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
        """Return runs, newest first; one whose process is gone is shown as interrupted."""
        query = select(runs).where(runs.c.tenant == self._tenant)
        if dataset:
            query = query.where(runs.c.dataset == dataset)
        query = query.order_by(runs.c.started_at.desc(), runs.c.run_id).limit(limit)
        with self._engine.connect() as connection:
            found = [dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001
        living = self._holding.living_runs()
        for run in found:
            holder = Holder.parse(run.pop("holder"))
            if run["state"] == "running" and self._is_gone(holder, run["started_at"], living):
                run["state"] = "interrupted"
            # Kept in the report only; null for runs of earlier releases and of other kinds.
            run["rows_filtered"] = (run["report"] or {}).get("rows_filtered")
        return found

    def began(self, run_ids: Collection[str]) -> dict[str, datetime]:
        """Return when runs began, by their ids."""
        query = select(runs.c.run_id, runs.c.started_at).where(runs.c.tenant == self._tenant)
        with self._engine.connect() as connection:
            found = connection.execute(query).all()
        return {row.run_id: row.started_at for row in found if row.run_id in run_ids}

    def _is_gone(self, holder: Holder, started_at: datetime, living: set[str]) -> bool:
        """Return whether a run's process is gone.

        On another machine this is assumed if the run is old and holds nothing.
        """
        if holder.is_near():
            return holder.is_known_dead()
        return holder.run_id not in living and started_at < self._clock() - SILENCE

    # Units --------------------------------------------------------------------------------------

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

    def calls_since(self, instant: datetime) -> int:
        """Return the number of requests to the tenant that landings since an instant needed."""
        query = select(total(units.c.calls)).where(
            units.c.tenant == self._tenant, units.c.landed_at >= instant
        )
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def lease(
        self, dataset: str, unit: str, starts_at: datetime, ends_at: datetime, run_id: str
    ) -> Lease:
        """Return a lease on the unit for this run; a dead or silent holder is replaced.

        Raises:
            HeldError: another run holds it; the message says which, and until when.
        """
        return self._holding.lease(dataset, unit, starts_at, ends_at, run_id)

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


def open_ledger(url: str, tenant: str, clock: Callable[[], datetime] = utc_now) -> Ledger:
    """Return the ledger, connected; its tables are created or upgraded first.

    Raises:
        ConfigurationError: the ledger cannot be reached, or is newer than this program.
    """
    return Ledger(connect(url), tenant, clock)


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
