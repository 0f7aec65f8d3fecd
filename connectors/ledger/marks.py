"""Progress: watermarks, and back-fills in progress."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Engine, Table, and_, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.tables import DROPPED, backfills, total, units, watermarks


@dataclass(frozen=True, slots=True)
class Watermark:
    """The scheduled export has landed everything in [starts_at, position)."""

    starts_at: datetime
    position: datetime
    moved_at: datetime


@dataclass(frozen=True, slots=True)
class Backfill:
    """A back-fill of all windows in a span of time; those landed since `begun_at` are done."""

    starts_at: datetime
    ends_at: datetime
    step: timedelta
    begun_at: datetime


@dataclass(frozen=True, slots=True)
class Extent:
    """What a dataset has landed: how much, up to where, when last; and its newest error.

    `empty` units have landed without rows.
    """

    units: int = 0
    rows: int = 0
    landed_to: datetime | None = None
    landed_at: datetime | None = None
    empty: int = 0
    last_error: str | None = None


class Marks:
    """Watermarks, back-fills and extents of one tenant."""

    def __init__(self, engine: Engine, tenant: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock

    def watermark(self, dataset: str) -> Watermark | None:
        """Return a dataset's watermark, None before the first scheduled export."""
        with self._engine.connect() as connection:
            row = connection.execute(
                select(watermarks).where(self._of(watermarks, dataset))
            ).one_or_none()
        return None if row is None else Watermark(row.starts_at, row.position, row.moved_at)

    def set_watermark(self, dataset: str, starts_at: datetime, position: datetime) -> None:
        """Set a dataset's watermark; only the scheduled export and `nxp state reset` do this."""
        row = {
            "tenant": self._tenant,
            "dataset": dataset,
            "starts_at": starts_at,
            "position": position,
            "moved_at": self._clock(),
        }
        with self._engine.begin() as connection:
            connection.execute(delete(watermarks).where(self._of(watermarks, dataset)))
            connection.execute(watermarks.insert().values(row))

    def forget_watermark(self, dataset: str) -> None:
        """Delete a watermark, so that the next scheduled export begins like the first one."""
        with self._engine.begin() as connection:
            connection.execute(delete(watermarks).where(self._of(watermarks, dataset)))

    def watermarks(self) -> dict[str, datetime]:
        """Return the position of every dataset's watermark."""
        query = select(watermarks.c.dataset, watermarks.c.position).where(
            watermarks.c.tenant == self._tenant
        )
        with self._engine.connect() as connection:
            return {row.dataset: row.position for row in connection.execute(query)}

    def extents(self) -> dict[str, Extent]:
        """Return what every dataset has landed, without units past retention."""
        mine = units.c.tenant == self._tenant
        landed = (
            select(
                units.c.dataset,
                func.count(),
                total(units.c.rows_landed),
                func.max(units.c.ends_at),
                func.max(units.c.landed_at),
                func.count().filter(units.c.rows_landed == 0),
            )
            .where(mine, units.c.landed_at.is_not(None), units.c.state != DROPPED)
            .group_by(units.c.dataset)
        )
        failed = select(units.c.dataset, units.c.last_error).where(
            mine, units.c.last_error.is_not(None)
        )
        with self._engine.connect() as connection:
            rows = connection.execute(landed).all()
            # In time order, so that the newest error is kept.
            late = connection.execute(failed.order_by(units.c.starts_at))
            errors = {row.dataset: row.last_error for row in late}
        found = {dataset: Extent(*sums) for dataset, *sums in rows}
        return {
            name: replace(found.get(name, Extent()), last_error=errors.get(name))
            for name in found.keys() | errors.keys()
        }

    def begin_backfill(
        self, dataset: str, starts_at: datetime, ends_at: datetime, step: timedelta
    ) -> Backfill:
        """Record and return a back-fill of everything, or return the same one, if interrupted."""
        seconds = int(step.total_seconds())
        begun_at = self._clock()
        row = {
            "tenant": self._tenant,
            "dataset": dataset,
            "starts_at": starts_at,
            "ends_at": ends_at,
            "step": seconds,
            "begun_at": begun_at,
        }
        same = self._is(dataset, starts_at, ends_at, seconds)
        if found := self._backfills(same):
            return found[0]
        try:
            with self._engine.begin() as connection:
                connection.execute(backfills.insert().values(row))
        except IntegrityError:
            # Another process has begun the same one at the same moment.
            return self._backfills(same)[0]
        return Backfill(starts_at, ends_at, step, begun_at)

    def find_backfill(
        self, dataset: str, starts_at: datetime, ends_at: datetime, step: timedelta
    ) -> Backfill | None:
        """Return a back-fill of everything that was begun and has not ended, None without one."""
        found = self._backfills(self._is(dataset, starts_at, ends_at, int(step.total_seconds())))
        return found[0] if found else None

    def finish_backfill(self, dataset: str, backfill: Backfill) -> None:
        """Forget a back-fill that has ended."""
        seconds = int(backfill.step.total_seconds())
        done = self._is(dataset, backfill.starts_at, backfill.ends_at, seconds)
        with self._engine.begin() as connection:
            connection.execute(delete(backfills).where(done))

    def backfills(self, dataset: str) -> list[Backfill]:
        """Return a dataset's back-fills that were begun and have not ended."""
        return self._backfills(self._of(backfills, dataset))

    def _backfills(self, where: ColumnElement[bool]) -> list[Backfill]:
        query = select(backfills).where(where).order_by(backfills.c.begun_at)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [
            Backfill(row.starts_at, row.ends_at, timedelta(seconds=row.step), row.begun_at)
            for row in rows
        ]

    def _of(self, table: Table, dataset: str) -> ColumnElement[bool]:
        return and_(table.c.tenant == self._tenant, table.c.dataset == dataset)

    def _is(
        self, dataset: str, starts_at: datetime, ends_at: datetime, seconds: int
    ) -> ColumnElement[bool]:
        return and_(
            self._of(backfills, dataset),
            backfills.c.starts_at == starts_at,
            backfills.c.ends_at == ends_at,
            backfills.c.step == seconds,
        )
