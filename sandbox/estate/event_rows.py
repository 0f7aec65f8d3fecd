"""Event tables in pieces: which rows a query may see, and the objects they link to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sandbox.estate.daily import to_daily
from sandbox.estate.effects import relieve
from sandbox.estate.events import SLOT_US, EventMaker
from sandbox.estate.inventory import micros
from sandbox.estate.shapes import SHAPES, Rhythm
from sandbox.model.tables import Table
from sandbox.nql.timeframe import Frame
from sandbox.nql.values import add_day

# So that there are whole weeks, however few days of other events there are.
_MORE_WEEKS = timedelta(weeks=3)
# Rows of a piece: with linked texts, a few tens of megabytes are in memory at a time.
PIECE = 131_072


@dataclass(frozen=True, slots=True)
class EventScan:
    """What one query reads from an event table."""

    table: Table
    columns: tuple[str, ...]
    frame: Frame
    now: datetime
    # None if any order will do, otherwise whether the newest come first.
    newest: bool | None
    # By the prefix of their columns.
    objects: Mapping[str, pl.DataFrame]
    # When each device's disk was cleaned up, in microseconds; None if the query shows no disks.
    cleaned: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The rows of one chunk that a query may see."""

    day: date
    block: int
    rows: NDArray[np.int64]


class EventRows:
    """Reads the event tables of an estate."""

    def __init__(
        self, maker: EventMaker, application: pl.Series, history: date, zone: ZoneInfo
    ) -> None:
        """Keep the event generator, the application of each binary and the first day of history."""
        self._maker = maker
        self._application = application
        self._history = history
        self._zone = zone

    def pieces(self, request: EventScan) -> Iterator[pl.DataFrame]:
        """Yield what a query may see, piece by piece."""
        daily = request.frame.daily and request.table.samples
        for base in self._daily(request) if daily else self._exact(request):
            yield self._linked(request, base)

    def _exact(self, request: EventScan) -> Iterator[pl.DataFrame]:
        weekly = SHAPES[request.table.path].rhythm is Rhythm.WEEKLY
        history = self._history - _MORE_WEEKS if weekly else self._history
        for day in self._days(request.frame, history, newest=bool(request.newest)):
            chunks = self._chunks(request, day, request.frame)
            groups: Iterable[pl.DataFrame]
            if request.newest is None or len(chunks) <= 1:
                parts = (part for chunk in chunks for part in _cut(chunk, request.newest))
                groups = (self._base(request, part) for part in parts)
            else:
                groups = self._by_slot(request, chunks)
            for piece in groups:
                if request.newest is None:
                    yield piece
                else:
                    time = request.table.time
                    yield piece.sort(time, descending=request.newest, maintain_order=True)

    def _daily(self, request: EventScan) -> Iterator[pl.DataFrame]:
        """Yield one sample for each local day of the frame."""
        midnights = list(_midnights(request.frame, self._zone))
        for start in reversed(midnights) if request.newest else midnights:
            end = add_day(start, self._zone)
            part = Frame(start, end - timedelta(microseconds=1))
            frame = request.frame.narrowed(part.start, None)
            if frame.start > start:
                # A daily sample is dated at midnight: it is left out if that is outside the frame.
                continue
            for block in range(self._maker.blocks):
                bases = [
                    self._base(request, chunk)
                    for day in self._days(part, self._history, newest=False)
                    for chunk in self._chunks(request, day, part, (block,))
                ]
                if bases:
                    yield to_daily(pl.concat(bases), request.table, start, end)

    @staticmethod
    def _days(frame: Frame, history: date, *, newest: bool) -> list[date]:
        first = max(frame.start.astimezone(UTC).date(), history)
        count = (frame.end.astimezone(UTC).date() - first).days + 1
        days = [first + timedelta(days=n) for n in range(count)]
        return days[::-1] if newest else days

    def _chunks(
        self, request: EventScan, day: date, frame: Frame, blocks: tuple[int, ...] | None = None
    ) -> list[_Chunk]:
        every = range(self._maker.blocks) if blocks is None else blocks
        chunks = (_Chunk(day, block, self._visible(request, day, block, frame)) for block in every)
        return [chunk for chunk in chunks if len(chunk.rows)]

    def _visible(
        self, request: EventScan, day: date, block: int, frame: Frame
    ) -> NDArray[np.int64]:
        """Return the positions in a chunk of the rows in a time frame that have arrived by now."""
        name, now = request.table.path, micros(request.now)
        start = self._maker.keys(name, day, block).start
        low = int(np.searchsorted(start, micros(frame.start), side="left"))
        high = int(np.searchsorted(start, micros(min(frame.end, request.now)), side="right"))
        rows = np.arange(low, max(low, high))
        # A sample is complete, and so visible, once its bucket has ended.
        shown = start[rows] + (SLOT_US if request.table.samples else 0)
        if self._maker.has_late:
            shown = shown + self._maker.delay(name, day, block)[rows]
        return rows[shown <= now]

    def _by_slot(self, request: EventScan, chunks: list[_Chunk]) -> Iterator[pl.DataFrame]:
        """Yield a day's chunks merged by quarters of an hour, so that linked pieces stay small.

        The day itself is generated once, before: the cache could not hold it for a large estate.
        """
        bases = [self._base(request, chunk) for chunk in chunks]
        slots = [
            self._maker.keys(request.table.path, chunk.day, chunk.block).start[chunk.rows]
            // SLOT_US
            for chunk in chunks
        ]
        present = np.unique(np.concatenate([np.unique(slot) for slot in slots]))
        for slot in present[::-1] if request.newest else present:
            group = []
            for base, of_rows in zip(bases, slots, strict=True):
                low, high = np.searchsorted(of_rows, (slot, slot + 1))
                if high > low:
                    group.append(base.slice(low, high - low))
            yield pl.concat(group)

    def _base(self, request: EventScan, chunk: _Chunk) -> pl.DataFrame:
        """Return the events' own columns, and the rows of the linked objects."""
        table = request.table
        name = table.path
        keys = self._maker.keys(name, chunk.day, chunk.block)
        own = [
            self._maker.column(name, chunk.day, chunk.block, path.removeprefix(f"{table.prefix}."))
            .gather(chunk.rows)
            .alias(path)
            for path in request.columns
            if not path.startswith("#") and not table.owner(path)
        ]
        if request.cleaned is not None:
            own = self._relieved(request, chunk, own, request.cleaned)
        every = {"device": keys.device, "user": keys.user, SHAPES[name].link: keys.link}
        links = [
            pl.Series(f"#{link}", rows[chunk.rows])
            for link, rows in every.items()
            if link in table.links
        ]
        return pl.DataFrame(own + links)

    def _relieved(
        self,
        request: EventScan,
        chunk: _Chunk,
        own: list[pl.Series],
        cleaned: NDArray[np.int64],
    ) -> list[pl.Series]:
        """Return the columns with more free space in samples after the disk was cleaned up."""
        name = request.table.path
        keys = self._maker.keys(name, chunk.day, chunk.block)
        since = keys.start[chunk.rows] >= cleaned[keys.device[chunk.rows]]
        if not since.any():
            return own
        capacity = self._maker.column(name, chunk.day, chunk.block, "system_drive_capacity")
        return [
            relieve(column, request.table.prefix, capacity.gather(chunk.rows), pl.Series(since))
            for column in own
        ]

    def _linked(self, request: EventScan, base: pl.DataFrame) -> pl.DataFrame:
        """Return the piece with the columns of linked objects added."""
        if "#application" not in base.columns and "#binary" in base.columns:
            application = self._application.gather(base["#binary"])
            base = base.with_columns(application.alias("#application"))
        columns = []
        for path in request.columns:
            if path in base.columns:
                rows = base[path]
                columns.append(rows.cast(pl.Int64) if path.startswith("#") else rows)
                continue
            owner = request.table.owner(path)
            columns.append(request.objects[owner][path].gather(base[f"#{owner}"]).alias(path))
        return pl.DataFrame(columns)


def _cut(chunk: _Chunk, newest: bool | None) -> list[_Chunk]:
    parts = [
        _Chunk(chunk.day, chunk.block, chunk.rows[low : low + PIECE])
        for low in range(0, len(chunk.rows), PIECE)
    ]
    return parts[::-1] if newest else parts


def _midnights(frame: Frame, zone: ZoneInfo) -> Iterator[datetime]:
    local = frame.start.astimezone(zone)
    start = datetime(local.year, local.month, local.day, tzinfo=zone).astimezone(UTC)
    while start <= frame.end:
        yield start
        start = add_day(start, zone)
