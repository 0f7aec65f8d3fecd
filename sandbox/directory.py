"""Finds devices, users, binaries and packages by the names that the write APIs accept."""

import threading
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

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


@dataclass(frozen=True, slots=True)
class Spelling:
    """What does not make two names different."""

    ignore_case: bool = False
    ignore_blanks: bool = False
    ignore_nfc: bool = False

    def key(self, name: str) -> str:
        """Return a name as it is compared."""
        if self.ignore_nfc:
            name = unicodedata.normalize("NFC", name)
        if self.ignore_blanks:
            name = name.strip()
        return name.casefold() if self.ignore_case else name


EXACT: Final = Spelling()


@dataclass(slots=True)
class _Index:
    """The objects of one entity: their uids by the values of each identifying field."""

    made: datetime
    frame: pl.DataFrame
    by_field: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    values: dict[str, dict[str, str | None]] = field(default_factory=dict)


class Directory:
    """Looks objects up in the inventory as queries see it."""

    def __init__(self, engine: Engine, clock: TenantClock, spelling: Spelling = EXACT) -> None:
        """Read nothing yet; `spelling` says which values are found."""
        self._spelling = spelling
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
            return index.by_field[name].get(self._spelling.key(value), [])

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
                found[self._spelling.key(value)].append(each)
        return dict(found)
