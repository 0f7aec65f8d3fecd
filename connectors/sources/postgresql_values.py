"""Values of PostgreSQL that Python cannot hold, recognised instead of misread: times, JSON.

PostgreSQL knows `infinity`, years before 1 and after 9999, and the hour 24. The driver raises an
error for most of them, without the row, and reads an infinite interval as none at all.
"""

from functools import cache
from typing import Any, Final

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.pq import Format
from psycopg.types.string import TextLoader

from connectors.sources.texts import Beyond

TYPES: Final = ("date", "timestamp", "timestamptz", "time", "timetz", "interval")


def keep_json(connection: Any, _record: Any = None) -> None:
    """Make a connection of psycopg return JSON as it is written: Python's floats round numbers."""
    for name in ("json", "jsonb"):
        connection.adapters.register_loader(name, TextLoader)


def recognise_times(connection: Any, _record: Any = None) -> None:
    """Make a connection of psycopg return `Beyond` for times that Python does not have."""
    for name in TYPES:
        oid = psycopg.adapters.types[name].oid
        known = connection.adapters.get_loader(oid, Format.TEXT)
        if known is not None and not issubclass(known, _Recognising):
            connection.adapters.register_loader(name, _recognising(known))


class _Recognising(Loader):
    inner: Any

    def __init__(self, oid: int, context: Any = None) -> None:
        super().__init__(oid, context)
        self._inner = self.inner(oid, context)

    def load(self, data: Buffer) -> Any:
        """Return the value, or its text."""
        text = bytes(data)
        if text.endswith(b"infinity"):
            return Beyond(text.decode())
        try:
            return self._inner.load(data)
        except (psycopg.DataError, OverflowError, ValueError):
            return Beyond(text.decode())


@cache
def _recognising(known: Any) -> type[_Recognising]:
    return type("Recognising", (_Recognising,), {"inner": known})
