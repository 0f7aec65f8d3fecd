"""Runs saved queries against the estate: the only way from a query id to rows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from time import perf_counter
from zoneinfo import ZoneInfo

import polars as pl

from nql.errors import NqlError
from nql.parser import parse
from sandbox.estate.estate import Estate
from sandbox.estate.feed import DeviceEffect, Feed, LogEntry, NoFeed, QueryLog
from sandbox.estate.overlay import NoOverlay, Overlay
from sandbox.estate.presence import Presence
from sandbox.nql.errors import NqlTypeError
from sandbox.nql.evaluator import Pieces, evaluate
from sandbox.nql.plan import Join, QueryPlan, Reduce
from sandbox.nql.resolver import parameters_of, resolve
from sandbox.nql.scope import Vocabulary
from sandbox.nql.timeframe import Frame, frame_of, refuse_beyond
from sandbox.options import SandboxOptions
from sandbox.queries import SavedQueries

# For event queries without a time frame: the vendor's pages do not say what applies.
DEFAULT_FRAME = timedelta(hours=24)
# How long samples of 30 seconds are kept, which virtual sessions have.
FINEST_KEPT = timedelta(days=2)
_FOREVER = timedelta(days=36500)
# A saved query is read at least twice for each export.
_parsed = lru_cache(maxsize=128)(parse)


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """A query ready to run: its plan, its time frames and the moment it is evaluated for."""

    plan: QueryPlan
    frame: Frame
    now: datetime
    # The frame of each `with` or `include`, in order.
    joined: tuple[Frame, ...] = ()


@dataclass(slots=True)
class RunNote:
    """What the caller reports about a run that is being recorded."""

    rows: int | None = None


class Engine:
    """Answers saved queries."""

    def __init__(
        self,
        options: SandboxOptions,
        queries: SavedQueries,
        started: datetime,
        overlay: Overlay | None = None,
        feed: Feed | None = None,
        presence: Presence | None = None,
    ) -> None:
        """Build the estate.

        `overlay` holds what enrichment has set, `feed` the executions of actions and the answers,
        `presence` which devices were deleted or came online.
        """
        self._options = options
        self._queries = queries
        self._zone = ZoneInfo(options.time_zone)
        self._overlay = overlay or NoOverlay()
        self._feed = _WithLog(feed or NoFeed(), QueryLog())
        self._estate = Estate(options, started, self._overlay, self._feed, presence)
        self._vocabulary = Vocabulary(
            self._custom_fields, self._feed.ids, not options.strict_enumerations
        )

    def keep_for(self, retention: timedelta) -> None:
        """Keep data for another time from now on, as if an administrator had changed it."""
        self._estate.keep_for(retention)

    def missing_parameters(self, text: str, parameters: Mapping[str, str]) -> set[str]:
        """Return the parameters of a query that have no value."""
        return parameters_of(_parsed(text)) - set(parameters)

    def prepare(self, text: str, parameters: Mapping[str, str], now: datetime) -> PreparedQuery:
        """Return a query ready to run, or raise the NqlError that says why it cannot."""
        query = _parsed(text)
        plan = resolve(query, text, parameters, self._zone, self._vocabulary)
        frame = self._frame(plan, now)
        joined = tuple(self._frame(join, now) for join in plan.joins)
        _refuse_fine_groups(plan, frame)
        return PreparedQuery(plan, frame, now, joined)

    def rows(self, prepared: PreparedQuery) -> Pieces:
        """Yield the result in pieces, at least one."""
        return evaluate(prepared.plan, self._estate, prepared.frame, prepared.now, prepared.joined)

    def record(self, entry: LogEntry) -> None:
        """Record a run, for `platform.nql_api_logs`."""
        self._feed.log.add(entry)

    def begin_log(self, earlier: Callable[[], Iterable[LogEntry]]) -> None:
        """Let that log begin with runs from before, which are made when it is first read."""
        self._feed.log.begin_with(earlier)

    @contextmanager
    def recorded(self, query_id: str, kind: str, now: datetime) -> Iterator["RunNote"]:
        """Record a run when it ends, successfully or not; the caller sets how many rows it had."""
        run, started = RunNote(), perf_counter()
        status, details = "failure", None
        try:
            yield run
            status = "success"
        except NqlError as error:
            details = str(error)
            raise
        finally:
            length = round(perf_counter() - started, 6)
            self.record(LogEntry(now, query_id, kind, status, run.rows, length, details))

    def _custom_fields(self, entity: str) -> frozenset[str]:
        known = self._options.custom_fields_of(entity) | self._overlay.custom_fields(entity)
        mac = self._options.mac_address_field
        return known | {mac} if mac and entity == "device" else known

    def _frame(self, asked: QueryPlan | Join, now: datetime) -> Frame:
        table, selection = asked.table, asked.selection
        if selection is not None:
            frame = frame_of(selection, now, self._zone)
        else:
            bounded = table.is_event and not table.is_open_ended
            frame = Frame(now - (DEFAULT_FRAME if bounded else _FOREVER), now)
        if table.is_limited:
            refuse_beyond(frame, self._options.reach_limit)
        if asked.is_finest:
            # Never daily samples, whatever the unit of the frame.
            frame = replace(frame, daily=False).narrowed(now - FINEST_KEPT, None)
        return frame


class _WithLog:
    """A feed, plus the log that the engine keeps itself."""

    def __init__(self, feed: Feed, log: QueryLog) -> None:
        self._feed = feed
        self.log = log

    def rows(self, table: str, now: datetime) -> pl.DataFrame | None:
        """Return the rows of a table."""
        if table == "platform.nql_api_logs":
            return self.log.frame()
        return self._feed.rows(table, now)

    def ids(self, namespace: str) -> frozenset[str] | None:
        """Return the ids that dynamic tables may name."""
        return self._feed.ids(namespace)

    def effects(self, effect: DeviceEffect, now: datetime) -> pl.DataFrame:
        """Return the devices that an effect happened to."""
        return self._feed.effects(effect, now)


def _refuse_fine_groups(plan: QueryPlan, frame: Frame) -> None:
    """Raise if time is grouped more finely than the daily samples that are grouped."""
    if not (frame.daily and plan.table.samples):
        return
    for stage in plan.stages:
        if isinstance(stage, Reduce) and stage.bucket and not stage.bucket.length.endswith("d"):
            message = "a time frame in days has daily samples: group by 1d, or ask for hours"
            raise NqlTypeError(message)
