"""What a tenant was asked in the last 24 hours: exports, executes and calls, counted by the minute.

A minute counts until it is over since 24 hours, so that no count is ever too low.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from itertools import accumulate
from typing import Final, TypeAlias

from sqlalchemy import Connection, and_, delete, select, update
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.tables import requests_made

DAY: Final = timedelta(hours=24)
MINUTE: Final = timedelta(minutes=1)
# What was taken in the week before shows whether a tenant takes more than on a single day.
KEPT: Final = timedelta(days=8)

# A large limit is not left unused for commands that nobody may type.
MOST_KEPT: Final = 50

# The minute in which requests were made, and how many.
Counted: TypeAlias = tuple[datetime, int]


class CallKind(StrEnum):
    """What is counted: exports started, queries run at once, and calls of any kind."""

    EXPORTS = "exports"
    EXECUTES = "executes"
    CALLS = "calls"


# What people call each kind.
NAMES: Final = {
    CallKind.EXPORTS: "exports",
    CallKind.EXECUTES: "queries run at once",
    CallKind.CALLS: "API calls",
}
# The vendor advises to stay under this many in 24 hours; beyond it a warning is logged.
ADVISED: Final = {CallKind.EXPORTS: 24, CallKind.EXECUTES: 1_000}
# Reported once, for small queries; used only where a figure is needed and no limit is set.
REPORTED_CALLS: Final = 50_000


class Asker(IntEnum):
    """Who asks, the one who comes first first."""

    PERSON = 0
    SCHEDULE = 1
    READ = 2
    OUTCOME = 3
    DIFF = 4

    def kept(self, limit: int) -> int:
        """Return how many requests of a limit are kept for those who come before.

        An eighth of the limit for each step of the order, but no more than a few commands need;
        one request is left for everybody.
        """
        return min(self.value * max(1, min(limit // 8, MOST_KEPT)), limit - 1)


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of one tenant; each method is part of the caller's transaction."""

    tenant: str

    def used(self, connection: Connection, kind: CallKind, now: datetime) -> Sequence[Counted]:
        """Return the requests of the last 24 hours, oldest first."""
        return self._since(connection, kind, now - DAY - MINUTE)

    def most(self, connection: Connection, kind: CallKind, now: datetime) -> int:
        """Return the largest number of requests in any 24 hours of the last 8 days."""
        counted = self._since(connection, kind, now - KEPT)
        until = list(accumulate((number for _, number in counted), initial=0))
        most = first = 0
        for last, (minute, _) in enumerate(counted):
            while counted[first][0] <= minute - DAY:
                first += 1
            most = max(most, until[last + 1] - until[first])
        return most

    def add(self, connection: Connection, kind: CallKind, number: int, now: datetime) -> None:
        """Count requests that are about to be sent."""
        minute = now.replace(second=0, microsecond=0)
        here = requests_made.c.minute == minute
        more = {"number": requests_made.c.number + number}
        if connection.execute(
            update(requests_made).where(self._of(kind), here).values(more)
        ).rowcount:
            return
        row = {"tenant": self.tenant, "kind": kind, "minute": minute, "number": number}
        connection.execute(requests_made.insert().values(row))
        old = requests_made.c.minute < now - KEPT
        connection.execute(delete(requests_made).where(self._of(kind), old))

    def give_back(
        self, connection: Connection, kind: CallKind, number: int, taken: datetime
    ) -> None:
        """Uncount requests that were not sent, or that started nothing."""
        minute = taken.replace(second=0, microsecond=0)
        here = and_(requests_made.c.minute == minute, requests_made.c.number >= number)
        fewer = {"number": requests_made.c.number - number}
        connection.execute(update(requests_made).where(self._of(kind), here).values(fewer))

    def _since(
        self, connection: Connection, kind: CallKind, instant: datetime
    ) -> Sequence[Counted]:
        query = (
            select(requests_made.c.minute, requests_made.c.number)
            .where(self._of(kind), requests_made.c.minute > instant, requests_made.c.number > 0)
            .order_by(requests_made.c.minute)
        )
        return [(minute, number) for minute, number in connection.execute(query)]

    def _of(self, kind: CallKind) -> ColumnElement[bool]:
        return and_(requests_made.c.tenant == self.tenant, requests_made.c.kind == kind)


def total_of(counted: Iterable[Counted]) -> int:
    """Return the number of requests."""
    return sum(number for _, number in counted)


def free_at(used: Sequence[Counted], allowed: int) -> datetime:
    """Return when so few of the requests still count that one more is within `allowed`."""
    left = total_of(used)
    for minute, number in used:
        left -= number
        if left < allowed:
            return minute + MINUTE + DAY
    raise ValueError("nothing is used, so one more is allowed")
