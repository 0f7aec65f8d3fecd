"""One table over HTTP: a page of rows, their total number, and what refusals mean."""

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from connectors.clock import utc_now
from connectors.errors import (
    AccessError,
    ConfigurationError,
    DataRefusedError,
    PipelineError,
    UnavailableError,
)
from connectors.http.client import RetryTransport, build_client, unreachable
from connectors.http.exchanges import exchange_of
from connectors.http.policy import Retry, limit_reached
from connectors.http.proxies import SystemProxies
from connectors.sources.connection import Connection
from connectors.sources.servicenow.auth import HTTP_FAULTS, OK, UNAUTHORIZED, InstanceCredentials
from connectors.sources.texts import as_text

BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
# Version 1 answers 404 where nothing matches.
PATH = "/api/now/v2/table/"
# What an instance adds, with status 200, to an answer that it cuts short when time is up.
NUMBER = re.compile(r"[0-9]{1,18}")
CUT_SHORT = b'"status":"failure"'

Row = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, and how many rows the query matches in total, including hidden ones."""

    rows: list[Row]
    total: int


class ServiceNowTable:
    """A table of an instance, read with one credential.

    Args:
        source: the source's name, for errors.
        table: the table's name.
        connection: the instance and the account that reads it.
        transport: carries the requests instead of the network; closed with the table.
        clock: returns the current time, with zone.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        source: str,
        table: str,
        connection: Connection,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._source = source
        self._table = table
        self._connection = connection
        self._clock = clock
        origin = connection.url.get_secret_value()
        carrier = RetryTransport(transport or SystemProxies(), clock=clock, sleep=sleep)
        self._login = build_client(carrier, origin=origin)
        self._http = build_client(carrier, origin=origin, auth=self._auth())

    def page(self, query: str, fields: Sequence[str], limit: int, offset: int = 0) -> Page:
        """Return some rows with the values as stored: date-times in UTC.

        Raises:
            PipelineError: its kind says what to do.
        """
        asked = {
            "sysparm_query": query,
            "sysparm_fields": ",".join(fields),
            "sysparm_limit": str(limit),
            "sysparm_offset": str(offset),
            "sysparm_display_value": "false",
            "sysparm_exclude_reference_link": "true",
            "sysparm_suppress_pagination_header": "true",
        }
        response = self._get(asked)
        if response.status_code != OK:
            raise self._failure(response)
        return self._read(response)

    def close(self) -> None:
        """Close the connections."""
        self._login.close()
        self._http.close()

    def _auth(self) -> httpx.Auth:
        known = self._connection
        if known.has("client_id"):
            return InstanceCredentials(self._source, known, self._login, self._clock)
        return httpx.BasicAuth(known.user, known.password.get_secret_value())

    def _get(self, asked: dict[str, str]) -> httpx.Response:
        request = self._http.build_request(
            "GET", f"{PATH}{self._table}", params=asked, extensions={"retry": Retry.READ}
        )
        try:
            return self._http.send(request)
        except HTTP_FAULTS as fault:
            advice = f"check the network and {self._connection.variable('url')}"
            raise unreachable(fault, request, advice=advice) from None

    def _read(self, response: httpx.Response) -> Page:
        answer = self._decoded(response)
        total = response.headers.get("x-total-count", "")
        if not NUMBER.fullmatch(total):
            raise UnavailableError(
                f"source {self._source}: the answer lacks the number of rows (X-Total-Count), so "
                "their end cannot be determined: a proxy may have removed the header",
                exchange=exchange_of(response.request, response),
            )
        try:
            rows = [{name: _text(value) for name, value in row.items()} for row in answer["result"]]
        except (AttributeError, KeyError, TypeError):
            raise DataRefusedError(
                f"source {self._source}: {response.url.host} answers in a shape that the Table API "
                "does not have",
                exchange=exchange_of(response.request, response),
            ) from None
        return Page(rows, int(total))

    def _decoded(self, response: httpx.Response) -> Any:
        try:
            answer = json.loads(response.content)
        except (ValueError, RecursionError):
            if CUT_SHORT in response.content.replace(b" ", b""):
                raise self._cut_short(response) from None
            raise UnavailableError(
                f"source {self._source}: {response.url.host} does not answer in JSON: it may be "
                "asleep or under maintenance, or a proxy answers in its place",
                exchange=exchange_of(response.request, response),
            ) from None
        if isinstance(answer, dict) and "error" in answer:
            raise self._cut_short(response)
        return answer

    def _cut_short(self, response: httpx.Response) -> UnavailableError:
        return UnavailableError(
            f"source {self._source}: the instance cut its answer short, as it does when a "
            "request's time is up: set a smaller page_rows, or try again later",
            exchange=exchange_of(response.request, response),
        )

    def _failure(self, response: httpx.Response) -> PipelineError:
        """Return what an answer without rows means, without its text, which may quote a query."""
        exchange = exchange_of(response.request, response)
        if limit := limit_reached(response.request, response, self._clock()):
            return limit
        kind, reason = self._meaning(response.status_code)
        return kind(f"source {self._source}: {reason}", exchange=exchange)

    def _meaning(self, status: int) -> tuple[type[PipelineError], str]:
        known = self._connection
        if status == UNAUTHORIZED:
            return AccessError, (
                f"the instance refuses the credential: check the variables {known.variable('*')}, "
                "and that the account is active"
            )
        if status == FORBIDDEN:
            return AccessError, (
                f"the account may not read the table {self._table}: give it a role that may"
            )
        if status in (BAD_REQUEST, NOT_FOUND):
            return ConfigurationError, f"the instance has no table {self._table}"
        return UnavailableError, (
            "the answer is not from a working ServiceNow instance: try again later, or "
            f"check {known.variable('url')}"
        )


def _text(value: Any) -> str | None:
    """Return a value as text; a reference that comes as an object becomes its id."""
    return as_text(value["value"] if isinstance(value, dict) and "value" in value else value)
