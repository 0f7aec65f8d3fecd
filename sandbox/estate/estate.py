"""The whole estate as a source of rows for the query language."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from sandbox.estate import catalogue
from sandbox.estate.devices import make_fleet
from sandbox.estate.event_rows import EventRows, Request
from sandbox.estate.events import EventMaker
from sandbox.estate.inventory import make_applications, make_binaries, make_users
from sandbox.model.kinds import DATETIME, DTYPES
from sandbox.model.tables import INVENTORIES, Table
from sandbox.nql.timeframe import Frame
from sandbox.options import SandboxOptions

# The rest of the users have several devices or share one.
USERS_PER_DEVICE = 0.85


class Estate:
    """Everything the tenant knows, as of any moment."""

    def __init__(self, options: SandboxOptions, started: datetime) -> None:
        """Make the inventories; events wait until they are asked for."""
        # Anchored at midnight: a restart on the same day shows the same estate.
        self._anchor = started.replace(hour=0, minute=0, second=0, microsecond=0)
        self._retention = timedelta(days=options.retention)
        seed, devices = options.seed, options.devices
        users = make_users(seed, 1 + round(devices * USERS_PER_DEVICE), self._anchor)
        binaries, programs = make_binaries(seed, self._anchor)
        fleet = make_fleet(seed, devices, users, self._anchor)
        self._objects = {
            "device": fleet.frame,
            "user": users,
            "binary": binaries,
            "application": make_applications(seed),
        }
        names = [catalogue.PROGRAMS[i].application for i in programs]
        known = list(catalogue.APPLICATIONS)
        application = pl.Series([known.index(name) if name else None for name in names])
        history = (self._anchor - timedelta(days=options.days)).date()
        maker = EventMaker(seed, fleet, programs, users.height, options.late_share)
        self._events = EventRows(maker, application, history, ZoneInfo(options.time_zone))

    def pieces(
        self,
        table: Table,
        columns: tuple[str, ...],
        frame: Frame,
        now: datetime,
        *,
        newest: bool | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of a frame that are visible now, in pieces; at least one, maybe empty."""
        yield pl.DataFrame(schema={path: DTYPES[table.columns[path].kind] for path in columns})
        kept = frame.narrowed(now - self._retention, now)
        if not table.is_event:
            yield self._inventory(table, kept, now).select(columns)
            return
        objects = {
            entity: self._objects_at(entity, now)
            for entity in INVENTORIES
            if any(path.startswith(f"{entity}.") for path in columns)
        }
        yield from self._events.pieces(Request(table, columns, kept, now, newest, objects))

    def _inventory(self, table: Table, frame: Frame, now: datetime) -> pl.DataFrame:
        whole = self._objects_at(table.entity, now)
        if not table.time:
            return whole
        seen = pl.col(table.time)
        return whole.filter(seen >= _literal(frame.start), seen <= _literal(frame.end))

    def _objects_at(self, entity: str, now: datetime) -> pl.DataFrame:
        """Return the objects of a kind, with the fields that depend on the moment."""
        frame = self._objects[entity]
        if entity == "application":
            return frame
        seen = pl.col(f"{entity}.last_seen")
        # An active object was seen within five minutes: its collector is never far behind.
        latest = _literal(now).dt.truncate("5m")
        if entity == "device":
            last = pl.coalesce("device.stale_since", latest)
        else:
            days = pl.col(f"{entity}.stale_days")
            stale = _literal(self._anchor) - pl.duration(days=days)
            last = pl.when(days > 0).then(stale).otherwise(latest)
        frame = frame.with_columns(last.cast(DATETIME).alias(f"{entity}.last_seen"))
        if entity == "binary":
            return frame
        since = (_literal(now) - seen).dt.total_days()
        return frame.with_columns(since.alias(f"{entity}.days_since_last_seen"))


def _literal(instant: datetime) -> pl.Expr:
    return pl.lit(instant, dtype=DATETIME)
