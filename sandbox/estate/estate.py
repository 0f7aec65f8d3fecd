"""The whole estate as a source of rows for the query language."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl

from sandbox.estate import catalogue, effects
from sandbox.estate.devices import Fleet
from sandbox.estate.event_rows import EventRows, EventScan
from sandbox.estate.events import EventMaker, Weights
from sandbox.estate.fed import fed_rows
from sandbox.estate.feed import Feed, NoFeed
from sandbox.estate.installed import installed_packages
from sandbox.estate.objects import EstateObjects
from sandbox.estate.overlay import NoOverlay, Overlay
from sandbox.estate.presence import Presence
from sandbox.estate.stock import make_stock
from sandbox.model.kinds import DATETIME, DTYPES
from sandbox.model.tables import Origin, Table
from sandbox.nql.timeframe import Frame
from sandbox.options import SandboxOptions


class Estate:
    """Everything the tenant knows, at any moment."""

    def __init__(
        self,
        options: SandboxOptions,
        started: datetime,
        overlay: Overlay | None = None,
        feed: Feed | None = None,
        presence: Presence | None = None,
    ) -> None:
        """Generate the inventories; events are generated on demand."""
        # Anchored at midnight, so that a restart on the same day shows the same estate.
        anchor = started.replace(hour=0, minute=0, second=0, microsecond=0)
        self._retention = timedelta(days=options.retention)
        self._fine_retention = timedelta(days=options.fine_days)
        self._seed = options.seed
        self._feed = feed or NoFeed()
        self._presence = presence or Presence()
        stock = make_stock(self._seed, options.devices, anchor)
        self._fleet = stock.fleet
        self._products = stock.products
        self._objects = EstateObjects(
            self._seed,
            stock.frames,
            anchor,
            overlay or NoOverlay(),
            self._feed,
            options.mac_address_field,
            self._presence,
        )
        self._events = self._event_rows(options, self._fleet, stock.programs, anchor)

    def keep_for(self, retention: timedelta) -> None:
        """Keep data for another time from now on; what is older is gone, or is there again."""
        self._retention = retention
        self._fine_retention = min(self._fine_retention, retention)

    def pieces(
        self,
        table: Table,
        columns: tuple[str, ...],
        frame: Frame,
        now: datetime,
        *,
        newest: bool | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield the visible rows of a time frame in pieces: at least one, which may be empty."""
        yield pl.DataFrame(schema={path: _dtype(table, path) for path in columns})
        kept = self._kept(table, frame, now)
        match table.origin:
            case Origin.OBJECTS:
                yield self._inventory(table, columns, kept, now).select(columns)
            case Origin.EVENTS:
                objects = self._linked(table, columns, now)
                cleaned = effects.cleaned(self._feed, table, self._fleet.frame, now)
                request = EventScan(table, columns, kept, now, newest, objects, cleaned)
                yield from self._events.pieces(request)
            case Origin.NESTED:
                nested = effects.relieved(
                    self._feed, self._objects.nested(table.name), self._fleet.frame, now
                )
                rows = self._of_seen(nested, kept, now)
                yield self._gathered(table, rows, self._linked(table, columns, now), columns)
            case Origin.INSTALLED:
                objects = self._linked(table, columns, now)
                for block in self._installed():
                    rows = self._of_seen(block, kept, now)
                    yield self._gathered(table, rows, objects, columns)
            case Origin.FEED:
                objects = self._linked(
                    table, (*columns, *(f"{link}.uid" for link in table.links)), now
                )
                fed = self._feed.rows(table.path, now)
                rows = fed_rows(fed, table, columns, kept, objects, newest=newest)
                yield self._gathered(table, rows, objects, columns)

    def _kept(self, table: Table, frame: Frame, now: datetime) -> Frame:
        if table.is_open_ended:
            return frame.narrowed(None, now)
        fine = table.is_limited and not frame.daily
        length = table.kept_longer or (self._fine_retention if fine else self._retention)
        return frame.narrowed(now - length, now)

    def _inventory(
        self, table: Table, columns: tuple[str, ...], frame: Frame, now: datetime
    ) -> pl.DataFrame:
        whole = self._objects.at(table.prefix, now, columns)
        if f"#{table.prefix}" in columns:
            whole = whole.with_columns(pl.int_range(pl.len()).alias(f"#{table.prefix}"))
        if table.prefix == "device" and (gone := self._presence.gone(now)):
            whole = whole.filter(~pl.col("device.uid").is_in(gone))
        if not table.time:
            return whole
        return whole.filter(_within(table.time, frame))

    def _of_seen(self, rows: pl.DataFrame, frame: Frame, now: datetime) -> pl.DataFrame:
        """Return the rows of devices seen within the frame; queries of devices filter alike."""
        devices = self._objects.at("device", now, ())
        is_there = ~pl.col("device.uid").is_in(self._presence.gone(now))
        seen = devices.select(_within("device.last_seen", frame) & is_there).to_series()
        return rows.filter(seen.gather(rows["#device"]))

    def _linked(
        self, table: Table, columns: tuple[str, ...], now: datetime
    ) -> dict[str, pl.DataFrame]:
        """Return the objects whose columns are requested."""
        owners = {table.owner(path) for path in columns if not path.startswith("#")} - {""}
        return {owner: self._objects.at(owner, now, columns) for owner in owners}

    @staticmethod
    def _gathered(
        table: Table, rows: pl.DataFrame, objects: dict[str, pl.DataFrame], columns: tuple[str, ...]
    ) -> pl.DataFrame:
        made = []
        for path in columns:
            if path in rows.columns:
                made.append(rows[path])
            else:
                owner = table.owner(path)
                made.append(objects[owner][path].gather(rows[f"#{owner}"]).alias(path))
        return pl.DataFrame(made)

    def _installed(self) -> Iterator[pl.DataFrame]:
        programs = [catalogue.PROGRAMS[i] for i in self._products]
        apple = [p.platform == "macOS" for p in programs]
        return installed_packages(self._seed, self._fleet, self._products, apple)

    def _event_rows(
        self, options: SandboxOptions, fleet: Fleet, programs: Sequence[int], anchor: datetime
    ) -> EventRows:
        names = [catalogue.PROGRAMS[i].application for i in programs]
        known = list(catalogue.APPLICATIONS)
        application = pl.Series([known.index(name) if name else None for name in names])
        history = (anchor - timedelta(days=options.days)).date()
        web = [0.0] * len(known) + [weight for *_, weight in catalogue.WEB_APPLICATIONS]
        monitors = [1.0] * len(catalogue.MONITORS)
        weights: dict[str, Weights] = {
            "binary": _by_platform(programs),
            "package": _by_platform(self._products),
            "application": (web, web),
            "alert.monitor": (monitors, monitors),
            "ai.tool": _evenly(len(catalogue.AI_TOOLS)),
            "application.guide": _evenly(len(catalogue.GUIDES)),
            "software_metering.events": _metered(),
        }
        maker = EventMaker(options.seed, fleet, programs, weights, options.late_share)
        return EventRows(maker, application, history, ZoneInfo(options.time_zone))


def _evenly(count: int) -> Weights:
    return [1.0] * count, [1.0] * count


def _metered() -> Weights:
    """Return weights of the applications that have meters: all but browsers, on their platform."""
    metered = [p for p in catalogue.PROGRAMS if p.category != "Browser"]
    web = [1.0] * len(catalogue.WEB_APPLICATIONS)

    def on(platform: str) -> list[float]:
        there = {p.application for p in metered if p.platform == platform}
        return [float(name in there) for name in catalogue.APPLICATIONS] + web

    return on("Windows"), on("macOS")


def _by_platform(programs: Sequence[int]) -> Weights:
    """Return weights that split a program's weight among its versions, on its own platform."""
    chosen = [catalogue.PROGRAMS[i] for i in programs]
    shares = [(p.platform == "macOS", p.weight / len(p.versions)) for p in chosen]
    return [0.0 if mac else w for mac, w in shares], [w if mac else 0.0 for mac, w in shares]


def _within(path: str, frame: Frame) -> pl.Expr:
    first, last = (pl.lit(t, dtype=DATETIME) for t in (frame.start, frame.end))
    return pl.col(path).is_between(first, last)


def _dtype(table: Table, path: str) -> pl.DataType:
    return pl.Int64() if path.startswith("#") else DTYPES[table.columns[path].kind]
