"""What Nexthink is known to have accepted from each sync, by key and field, and what is open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import polars as pl
from sqlalchemy import Engine, Select, and_, case, delete, func, or_, select
from sqlalchemy.sql.elements import ColumnElement

from connectors.errors import DataRefusedError
from connectors.ledger.bulk import MOMENT, fetch, upsert
from connectors.ledger.enrichment_tables import NOT_ACKNOWLEDGED, enriched
from connectors.ledger.tables import total

KNOWN: Final[Mapping[str, Any]] = {
    "key": pl.String,
    "identity": pl.String,
    "field": pl.String,
    "value": pl.String,
    "acknowledged_at": MOMENT,
    "open_value": pl.String,
    "state": pl.String,
    "code": pl.String,
    "attempts": pl.Int64,
    "tried_at": MOMENT,
    "retry_at": MOMENT,
    "mapping": pl.String,
    "plan_id": pl.String,
    "stood": pl.String,
    "stood_by": pl.String,
}
# Keys in one statement: SQLite allows 32,766 parameters, and writing them out takes time.
_KEYS_AT_ONCE: Final = 5_000


class ValueState(StrEnum):
    """What is known about a field of an object.

    - acknowledged: Nexthink has `value`; nothing is open.
    - open: `open_value` is about to be sent, or was sent and may or may not have been accepted.
      Also the fields of an object that was refused because of another field.
    - unknown: Nexthink does not know the object, or reading back showed what stood there before: it
      has no value of ours, `value` is null, and `open_value` is tried again at `retry_at`.
    - rejected: `open_value` itself was refused; `value`, if any, is still there.
    - theirs: others have set another value than `open_value`, which was not sent or was replaced.
    - same: others have set `open_value`, so there is nothing to send, and nothing of ours to empty.
    """

    ACKNOWLEDGED = "acknowledged"
    OPEN = "open"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    THEIRS = "theirs"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class EnrichedCounts:
    """Counts of a sync: keys with any row, keys with an acknowledged value, rows by state."""

    keys: int = 0
    keys_with_value: int = 0
    rows: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Values of one field that are not acknowledged: their state, code, and number."""

    field: str
    state: str
    code: str | None
    values: int


class Enriched:
    """The known rows of one tenant: frames of the columns `KNOWN`, ordered by key and field.

    Keys are compared bytewise. A range is `after` < key <= `up_to`; None leaves that end open.
    """

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine = engine
        self._tenant = tenant

    def read(
        self, sync: str, after: str | None = None, up_to: str | None = None, *, settled: bool = True
    ) -> pl.DataFrame:
        """Return the rows of a range; unless `settled`, only those not acknowledged."""
        return self._fetch(self._columns().where(*self._within(sync, after, up_to, settled)))

    def read_keys(self, sync: str, keys: pl.Series) -> pl.DataFrame:
        """Return the rows of some keys."""
        ordered = keys.sort().to_list()
        frames = []
        for start in range(0, len(ordered), _KEYS_AT_ONCE):
            these = enriched.c.key.in_(ordered[start : start + _KEYS_AT_ONCE])
            frames.append(self._fetch(self._columns().where(self._of(sync), these)))
        return pl.concat(frames) if frames else pl.DataFrame(schema=dict(KNOWN))

    def key_at(
        self, sync: str, after: str | None, up_to: str | None, rows: int, *, settled: bool = True
    ) -> str | None:
        """Return the key that is `rows` rows further on in a range, None past its end.

        Reading a range in parts, up to one such key after another, bounds memory.
        """
        query = (
            select(enriched.c.key)
            .where(*self._within(sync, after, up_to, settled))
            .order_by(enriched.c.key)
            .offset(rows)
            .limit(1)
        )
        with self._engine.connect() as connection:
            found: str | None = connection.scalar(query)
        return found

    def save(self, sync: str, rows: pl.DataFrame) -> None:
        """Insert or replace rows (columns `KNOWN`, each key and field once) in one transaction.

        Raises:
            DataRefusedError: a row lacks its key, or holds what the database cannot store.
            UnavailableError: the ledger cannot be used.
        """
        whole = rows.select(pl.col(name).cast(dtype) for name, dtype in KNOWN.items())
        needed = ("key", "identity", "field", "state", "attempts")
        if any(whole[name].has_nulls() for name in needed):
            raise DataRefusedError(f"{sync}: rows for the ledger lack one of {', '.join(needed)}")
        owned = whole.select(
            pl.lit(self._tenant).alias("tenant"), pl.lit(sync).alias("sync"), pl.all()
        )
        with self._engine.begin() as connection:
            upsert(connection, enriched, owned)

    def forget(self, sync: str) -> int:
        """Drop what is known about a sync, so that it starts over; return the number of rows."""
        with self._engine.begin() as connection:
            return connection.execute(delete(enriched).where(self._of(sync))).rowcount

    def counts(self, sync: str) -> EnrichedCounts:
        """Return the numbers of keys and rows; reads all rows of the sync."""
        has_value = func.max(case((enriched.c.value != "", 1), else_=0)).label("has_value")
        by_key = (
            select(enriched.c.key, has_value).where(self._of(sync)).group_by(enriched.c.key)
        ).subquery()
        keys = select(func.count(), total(by_key.c.has_value)).select_from(by_key)
        by_state = (
            select(enriched.c.state, func.count().label("rows"))
            .where(self._of(sync))
            .group_by(enriched.c.state)
            .order_by(enriched.c.state)
        )
        with self._engine.connect() as connection:
            known, with_value = connection.execute(keys).one()
            states = {row.state: row.rows for row in connection.execute(by_state)}
        return EnrichedCounts(known, with_value, states)

    def left_over(self, sync: str) -> list[LeftOver]:
        """Return what is not acknowledged, by field, state and code; reads only such rows."""
        by = (enriched.c.field, enriched.c.state, enriched.c.code)
        query = (
            select(*by, func.count()).where(*self._within(sync, None, None, False)).group_by(*by)
        )
        with self._engine.connect() as connection:
            return [LeftOver(*row) for row in connection.execute(query.order_by(*by))]

    def held_keys(self, sync: str) -> int:
        """Return the number of keys with a value, ours or of others; reads all rows of the sync."""
        of_others = enriched.c.state.in_([ValueState.THEIRS.value, ValueState.SAME.value])
        query = select(func.count(enriched.c.key.distinct())).where(
            self._of(sync), or_(enriched.c.value != "", of_others)
        )
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def acknowledged(self, sync: str, field: str) -> int:
        """Return how many values of a field are acknowledged; reads all rows of the sync."""
        is_so = enriched.c.state == ValueState.ACKNOWLEDGED.value
        query = select(func.count()).where(self._of(sync), enriched.c.field == field, is_so)
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def _columns(self) -> Select[Any]:
        columns = [enriched.c[name] for name in KNOWN]
        return select(*columns).order_by(enriched.c.key, enriched.c.field)

    def _fetch(self, query: Select[Any]) -> pl.DataFrame:
        with self._engine.connect() as connection:
            return fetch(connection, query)

    def _within(
        self, sync: str, after: str | None, up_to: str | None, settled: bool
    ) -> Sequence[ColumnElement[bool]]:
        found: list[Any] = [self._of(sync)]
        if after is not None:
            found.append(enriched.c.key > after)
        if up_to is not None:
            found.append(enriched.c.key <= up_to)
        if not settled:
            found.append(NOT_ACKNOWLEDGED)
        return found

    def _of(self, sync: str) -> ColumnElement[bool]:
        return and_(enriched.c.tenant == self._tenant, enriched.c.sync == sync)
