"""A ServiceNow table as a source: checked, then pulled in full, by changes, or only its keys.

Changes are selected by sys_updated_on, up to the newest row by the instance's own clock. A row
that changes while it is read drops out of that window and comes with the next pull.
"""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pyarrow as pa

from connectors.clock import utc_now
from connectors.errors import AccessError, ConfigurationError, DataRefusedError
from connectors.sources.connection import Connection
from connectors.sources.cursor import (
    IN_FUTURE,
    UNREADABLE,
    Cursor,
    Known,
    fingerprint,
    kept_cursor,
)
from connectors.sources.servicenow.paging import SYS_ID, Paging
from connectors.sources.servicenow.table import Page, Row, ServiceNowTable
from connectors.sources.servicenow_query import conditions, field_of, ignored, joined
from connectors.sources.source import Batches, Completeness, Pull, PullOutcome, Source
from connectors.sources.specification import ServiceNowSpecification
from connectors.sources.texts import text_batch

log = logging.getLogger(__name__)

UPDATED = "sys_updated_on"
WRITTEN = "%Y-%m-%d %H:%M:%S"
# Rows that are searched for the fields, or for the newest change; some may be hidden.
SAMPLE_ROWS = 100


@dataclass(frozen=True, slots=True)
class _Span:
    """The range of sys_updated_on that a pull covers; without `since`, all of it."""

    since: str
    until: str
    recent: str

    @property
    def query(self) -> str:
        """The range as conditions of a query."""
        if not self.since:
            return ""
        return f"{UPDATED}>={self.since}^{UPDATED}<={self.until}"

    def holds(self, row: Row) -> bool:
        """Return whether a row is in the range."""
        return not self.since or self.since <= (row[UPDATED] or "") <= self.until


class ServiceNowSource(Source):
    """A table of an instance.

    Args:
        name: the source's name in the sync.
        specification: what to read.
        connection: the instance and the account that reads it.
        transport: carries the requests instead of the network.
        clock: returns the current time, with zone.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        name: str,
        specification: ServiceNowSpecification,
        connection: Connection,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.name = name
        self._of = specification
        self._table = ServiceNowTable(
            name, specification.table, connection, transport, clock, sleep
        )
        # A cursor is good for one instance only.
        self._mark = fingerprint(specification, connection.url.get_secret_value())
        self._is_checked = False

    def check(self) -> tuple[str, ...]:
        """Request some rows with all fields, including those of the query and the key."""
        asked = conditions(self._of.query)
        needed = dict.fromkeys((*self._own_fields(), *self._of.key, *map(field_of, asked)))
        page = self._sample(tuple(needed))
        if page.rows:
            shown = set().union(*page.rows)
            self._require([name for name in needed if name not in shown])
            self._require_query(asked)
        elif page.total:
            raise AccessError(
                f"source {self.name}: access rules hide all {page.total:,} rows of "
                f"{self._of.table}: give the account a role that may read them"
            )
        else:
            log.info("source %s: the table is empty, so its fields cannot be checked", self.name)
        self._is_checked = True
        return self._of.fields

    def pull(self, since: str | None = None) -> Pull:
        """Read all rows, or those that changed since a cursor."""
        self._check_once()
        cursor, unusable = kept_cursor(since if self._of.incremental else None, self._mark)
        return Pull(self._of.fields, self._pulled(cursor, unusable))

    def keys(self) -> Pull:
        """Read the key of every row."""
        self._check_once()
        return Pull(self._of.key, self._scanned())

    def close(self) -> None:
        """Close the connections."""
        self._table.close()

    def _check_once(self) -> None:
        if not self._is_checked:
            self.check()

    def _own_fields(self) -> tuple[str, ...]:
        system = (SYS_ID, UPDATED) if self._of.incremental else (SYS_ID,)
        return tuple(dict.fromkeys((*system, *self._of.fields)))

    def _sample(self, fields: tuple[str, ...]) -> Page:
        """Return some rows: matching ones, or any if none match."""
        page = self._table.page(self._of.query, fields, SAMPLE_ROWS)
        return page if page.total else self._table.page("", fields, SAMPLE_ROWS)

    def _require(self, missing: list[str]) -> None:
        if missing:
            raise ConfigurationError(
                f"source {self.name}: {self._of.table} has no such fields, or the account may not "
                f"read them: {', '.join(missing)}"
            )

    def _require_query(self, asked: list[str]) -> None:
        def count(query: str) -> int:
            return self._table.page(query, (SYS_ID,), 1).total

        if found := ignored(asked, count):
            raise ConfigurationError(
                f"source {self.name}: the instance ignores the query's condition on "
                f"{', '.join(found)}: correct its operator or value"
            )

    def _pulled(self, cursor: Cursor | None, unusable: str | None) -> Batches:
        newest = self._newest() if self._of.incremental else ""
        if cursor and (unusable := _unusable(cursor, newest, self._of.overlap)):
            cursor = None
        span = self._span(cursor, newest)
        known = Known(cursor.known if cursor else ())
        paging = self._paging(span.query, self._own_fields())
        for rows in paging.pages():
            self._require_span(span, rows)
            yield from self._batch(self._of.fields, self._new(rows, span, known))
        until = span.until or (cursor.until if cursor else "")
        kept = Cursor(self._mark, until, frozenset(known.found)).write() if until else None
        return PullOutcome(_completeness(paging, is_full=cursor is None), kept, unusable)

    def _scanned(self) -> Batches:
        paging = self._paging("", tuple(dict.fromkeys((SYS_ID, *self._of.key))))
        for rows in paging.pages():
            yield from self._batch(self._of.key, rows)
        if paging.is_missing_rows:
            raise DataRefusedError(
                f"source {self.name}: access rules hide about {paging.total - paging.seen:,} of "
                f"{paging.total:,} rows, so it is unknown which are absent: give the account a "
                "role that may read them, or exclude them in the query"
            )
        return PullOutcome(Completeness.COMPLETE)

    def _paging(self, query: str, fields: tuple[str, ...]) -> Paging:
        query = joined(self._of.query, query)
        return Paging(self.name, self._table, query, fields, self._of.page_rows)

    def _span(self, cursor: Cursor | None, newest: str) -> _Span:
        """Return what to cover: from just before the cursor up to the newest row, both fixed."""
        if not self._of.incremental:
            return _Span("", "", "")
        until = max(newest, cursor.until if cursor else "")
        since = _earlier(cursor.until, self._of.overlap) if cursor else ""
        return _Span(since, until, _earlier(until, self._of.overlap) if until else "")

    def _newest(self) -> str:
        query = joined(self._of.query, f"ORDERBYDESC{UPDATED}")
        page = self._table.page(query, (UPDATED,), SAMPLE_ROWS)
        return max((row.get(UPDATED) or "" for row in page.rows), default="")

    def _require_span(self, span: _Span, rows: list[Row]) -> None:
        if not all(span.holds(row) for row in rows):
            raise DataRefusedError(
                f"source {self.name}: the instance returns rows that changed outside the requested "
                "time: set the account's time zone to GMT"
            )

    def _new(self, rows: list[Row], span: _Span, known: Known) -> Iterator[Row]:
        fields = self._own_fields()
        for row in rows:
            is_recent = bool(span.recent) and (row[UPDATED] or "") >= span.recent
            if known.is_new([row[name] for name in fields], is_recent=is_recent):
                yield row

    @staticmethod
    def _batch(
        fields: tuple[str, ...], rows: "Iterator[Row] | list[Row]"
    ) -> Iterator[pa.RecordBatch]:
        if listed := list(rows):
            yield text_batch(fields, [[row[name] for row in listed] for name in fields])


def _completeness(paging: Paging, *, is_full: bool) -> Completeness:
    if not is_full:
        return Completeness.CHANGES
    return Completeness.VISIBLE if paging.is_missing_rows else Completeness.COMPLETE


def _earlier(written: str, by: timedelta) -> str:
    return (datetime.strptime(written, WRITTEN) - by).strftime(WRITTEN)  # noqa: DTZ007 - all UTC


def _unusable(cursor: Cursor, newest: str, overlap: timedelta) -> str | None:
    """Return why the next pull cannot start at a cursor, None if it can."""
    try:
        earlier = _earlier(cursor.until, overlap)
    except (ValueError, OverflowError):
        return UNREADABLE
    return IN_FUTURE if newest and newest < earlier else None
