"""Finds devices, users, binaries and packages by the names that the write APIs accept."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from nql.errors import NqlError
from sandbox.clock import TenantClock
from sandbox.engine import Engine

# The set of objects changes from day to day, not from request to request.
_KEPT = timedelta(minutes=5)
_QUERIES = {
    "device": "devices | list uid, name, collector.uid, operating_system.platform, last_seen",
    "user": "users | list uid, sid, upn, last_seen",
    "binary": "binaries | list uid",
    "package": "packages | list uid",
}


@dataclass(slots=True)
class _Index:
    """The objects of one entity: their uids by the values of each identifying field."""

    made: datetime
    frame: pl.DataFrame
    by_field: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    values: dict[str, dict[str, str | None]] = field(default_factory=dict)


class Directory:
    """Looks objects up in the inventory as queries see it."""

    def __init__(self, engine: Engine, clock: TenantClock, *, ignore_case: bool = False) -> None:
        """Read nothing yet; with `ignore_case`, values are found in any case."""
        self._ignore_case = ignore_case
        self._engine = engine
        self._clock = clock
        self._lock = threading.Lock()
        self._indexes: dict[str, _Index] = {}

    def find(self, entity: str, name: str, value: str) -> list[str]:
        """Return the uids of the objects whose field has a value, most recently seen first."""
        with self._lock:
            index = self._index(entity)
            if name not in index.by_field:
                index.by_field[name] = self._uids_by(index.frame, f"{entity}.{name}")
            return index.by_field[name].get(self._key(value), [])

    def uids(self, entity: str) -> list[str]:
        """Return the uids of all objects of a kind, in their order in the inventory."""
        with self._lock:
            return self._index(entity).frame[f"{entity}.uid"].drop_nulls().to_list()

    def value(self, entity: str, uid: str, name: str) -> str | None:
        """Return a field of an object, for instance the collector's id of a device."""
        with self._lock:
            index = self._index(entity)
            if name not in index.values:
                pairs = index.frame.select(f"{entity}.uid", f"{entity}.{name}")
                index.values[name] = dict(pairs.iter_rows())
            return index.values[name].get(uid)

    def _index(self, entity: str) -> _Index:
        now = self._clock.now()
        index = self._indexes.get(entity)
        if index is None or now - index.made > _KEPT:
            index = _Index(now, self._read(entity, now))
            self._indexes[entity] = index
        return index

    def _read(self, entity: str, now: datetime) -> pl.DataFrame:
        try:
            prepared = self._engine.prepare(_QUERIES[entity], {}, now)
        except NqlError:
            # The tenant has no table of this kind, so no objects either.
            return pl.DataFrame(schema={f"{entity}.uid": pl.String})
        frame = pl.concat(self._engine.rows(prepared))
        seen = f"{entity}.last_seen"
        return frame.sort(seen, descending=True) if seen in frame.columns else frame

    def _uids_by(self, frame: pl.DataFrame, column: str) -> dict[str, list[str]]:
        found: defaultdict[str, list[str]] = defaultdict(list)
        uid = frame.columns[0]
        for value, each in frame.select(value=column, uid=uid).iter_rows():
            if value is not None:
                found[self._key(value)].append(each)
        return dict(found)

    def _key(self, value: str) -> str:
        return value.casefold() if self._ignore_case else value
