"""All rows of a table, page by page, even if access rules hide rows and others change during it.

Paged by the last sys_id seen: with offsets, rows that change while they are read are lost or come
twice. The instance applies the limit first and its access rules afterwards, so a short or empty
page is not the end: the count of matching rows shows where the end is.
"""

import re
from collections.abc import Generator, Sequence

from connectors.errors import AccessError, DataRefusedError
from connectors.sources.servicenow.table import Page, Row, ServiceNowTable
from connectors.sources.servicenow_query import joined

SYS_ID = "sys_id"
USUAL_ID = re.compile(r"[0-9a-f]{32}")


class Paging:
    """One pass over the matching rows; `total` is their number at the start.

    Args:
        source: the source's name, for errors.
        table: where the rows are.
        query: what the rows match.
        fields: what to request; sys_id is among them.
        page_rows: rows per request.
    """

    def __init__(
        self, source: str, table: ServiceNowTable, query: str, fields: Sequence[str], page_rows: int
    ) -> None:
        self.total = 0
        self.seen = 0
        self.is_missing_rows = False
        self._source = source
        self._table = table
        self._query = query
        self._fields = tuple(fields)
        self._page_rows = page_rows

    def pages(self) -> Generator[list[Row], None, None]:
        """Yield the rows in the order of their sys_id."""
        last, offset = "", 0
        page = self._fetch(last, offset)
        self.total = page.total
        while True:
            expected = max(0, min(self._page_rows, page.total - offset))
            if len(page.rows) < expected and not self.is_missing_rows:
                # Try once more: a row may be deleted after the instance counted and before it read.
                page = self._fetch(last, offset)
                expected = max(0, min(self._page_rows, page.total - offset))
                self.is_missing_rows = len(page.rows) < expected
            if page.rows:
                self._check(page.rows, last)
                self.seen += len(page.rows)
                yield page.rows
                last = page.rows[-1][SYS_ID] or ""
            if self._is_end(page, offset):
                return
            # A page whose rows are all hidden has no last id to continue from.
            offset = 0 if page.rows else offset + self._page_rows
            page = self._fetch(last, offset)

    def _is_end(self, page: Page, offset: int) -> bool:
        remaining = page.total - offset
        return remaining <= self._page_rows and len(page.rows) in (0, max(0, remaining))

    def _fetch(self, last: str, offset: int) -> Page:
        query = joined(self._query, last and f"{SYS_ID}>{last}", f"ORDERBY{SYS_ID}")
        return self._table.page(query, self._fields, self._page_rows, offset)

    def _check(self, rows: list[Row], last: str) -> None:
        """Check that a page is what was asked for: an instance may ignore parts of a query."""
        for row in rows:
            if missing := [name for name in self._fields if name not in row]:
                raise AccessError(
                    f"source {self._source}: some rows lack {', '.join(missing)}: give the "
                    "account the right to read these fields in all rows"
                )
        ids = [row[SYS_ID] or "" for row in rows]
        usual = [each for each in (last, *ids) if USUAL_ID.fullmatch(each)]
        if last in ids or len(set(ids)) < len(ids) or sorted(usual) != usual:
            raise DataRefusedError(
                f"source {self._source}: the instance ignores the condition or the order on "
                "sys_id: rows would be lost"
            )
