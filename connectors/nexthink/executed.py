"""Answers of `execute`, proven to be whole: neither cut at its limit of rows nor broken off."""

from typing import Final

import httpx

from connectors.errors import (
    DataRefusedError,
    IncompleteResultError,
    ResultTruncatedError,
    UnavailableError,
)
from connectors.http.exchanges import exchange_of
from connectors.nexthink.api import setting_of
from connectors.nexthink.results.error_page import begins_a_page

# Above this many rows `execute` silently leaves out the rest.
EXECUTE_ROW_LIMIT: Final = 1000


def check_row_limit(
    query_id: str, rows: int, row_limit: int | None, response: httpx.Response
) -> None:
    """Raise unless fewer rows came than execute may have cut off; None as the limit allows all.

    Raises:
        ResultTruncatedError: there may be more rows.
    """
    # More rows than the limit are refused too: the tenant's own limit is then another, unknown one.
    if row_limit is not None and rows >= row_limit:
        raise ResultTruncatedError(
            f"{query_id} returned {rows} rows, and execute silently cuts at {row_limit}: "
            "use an export, or narrow the query",
            exchange=exchange_of(response.request, response),
        )


def csv_text(response: httpx.Response) -> str:
    """Return the CSV text of an answer, proven to be whole.

    Raises:
        UnavailableError: the answer is not CSV: a proxy may have answered.
        DataRefusedError: it is not UTF-8.
        IncompleteResultError: it breaks off.
    """
    exchange = exchange_of(response.request, response)
    if not response.headers.get("content-type", "").lower().startswith("text/csv"):
        raise UnavailableError(
            f"{response.request.url.host} does not answer in CSV: "
            f"a proxy may answer in its place, check {setting_of(response)}",
            exchange=exchange,
        )
    try:
        text = response.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataRefusedError("the answer is not UTF-8 text", exchange=exchange) from None
    if begins_a_page(response.content):
        raise UnavailableError(
            f"{response.request.url.host} answers with a page instead of CSV: try again later, and "
            "check proxies if it comes again",
            exchange=exchange,
        )
    if text.count('"') % 2:
        raise IncompleteResultError("the answer breaks off in a quoted field", exchange=exchange)
    return text


def count_rows(text: str) -> int:
    """Return the number of records below the header; newlines inside quotes end no record."""
    unquoted = text.split('"')[::2]
    ends = sum(part.count("\n") for part in unquoted)
    is_last_open = bool(text) and not text.endswith("\n")
    return max(0, ends + is_last_open - 1)
