"""All rows of a table, page by page, whatever access rules hide and others change meanwhile.

Paged by the last sys_id seen: with offsets, rows that change while they are read are lost or come
twice. The instance applies the limit first and its access rules after it, so a short or an empty
page is not the end: the count of matching rows says where that is.
"""

import re
from collections.abc import Generator, Sequence

from connectors.errors import AccessError, DataRefusedError
from connectors.sources.servicenow.query import joined
from connectors.sources.servicenow.table import Page, Row, Table

SYS_ID = "sys_id"
USUAL_ID = re.compile(r"[0-9a-f]{32}")


class Paging:
    """One pass over the rows that match; `total` is their number at its beginning.

    Args:
        source: the source's name, for errors.
        table: where the rows are.
        query: what they match.
        fields: what to ask for; sys_id is among them.
        page_rows: rows of one request.
    """

    def __init__(
        self, source: str, table: Table, query: str, fields: Sequence[str], page_rows: int
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
        """Give the rows in the order of their sys_id."""
        last, offset = "", 0
        page = self._fetch(last, offset)
        self.total = page.total
        while True:
            expected = max(0, min(self._page_rows, page.total - offset))
            if len(page.rows) < expected and not self.is_missing_rows:
                # Once more: a row may have gone between the instance's counting and its reading.
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
            # Of a page whose rows are all hidden there is no last id to go on from.
            offset = 0 if page.rows else offset + self._page_rows
            page = self._fetch(last, offset)

    def _is_end(self, page: Page, offset: int) -> bool:
        remaining = page.total - offset
        return remaining <= self._page_rows and len(page.rows) in (0, max(0, remaining))

    def _fetch(self, last: str, offset: int) -> Page:
        query = joined(self._query, last and f"{SYS_ID}>{last}", f"ORDERBY{SYS_ID}")
        return self._table.page(query, self._fields, self._page_rows, offset)

    def _check(self, rows: list[Row], last: str) -> None:
        """Hold a page against what was asked for, since an instance ignores what it likes."""
        for row in rows:
            if missing := [name for name in self._fields if name not in row]:
                raise AccessError(
                    f"source {self._source}: some rows come without {', '.join(missing)}: give the "
                    "account the right to read these fields in all rows"
                )
        ids = [row[SYS_ID] or "" for row in rows]
        usual = [each for each in (last, *ids) if USUAL_ID.fullmatch(each)]
        if last in ids or len(set(ids)) < len(ids) or sorted(usual) != usual:
            raise DataRefusedError(
                f"source {self._source}: the instance ignores the condition or the order on "
                "sys_id: rows would be lost"
            )
