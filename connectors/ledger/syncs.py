"""The state of each sync: its version, its cursors, its last full pull."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, and_, delete, null, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.enrichment_tables import syncs


@dataclass(frozen=True, slots=True)
class SyncRecord:
    """What the ledger knows about one sync: nearly nothing before it was first applied.

    Attributes:
        version: increased by every plan that begins to be applied.
        identification: what identifies the objects of the known rows.
        specification: hash of the last applied specification.
        cursors: by source, where the next incremental pull continues.
        full_at: when the plan of the last applied full pull was made.
        keys: how many keys that pull had.
        read_at: when what the tenant holds was last read.
        is_damaged: whether the cursors cannot be read; they then count as none.
    """

    version: int = 0
    identification: str | None = None
    specification: str | None = None
    cursors: Mapping[str, Any] | None = None
    full_at: datetime | None = None
    keys: int | None = None
    read_at: datetime | None = None
    is_damaged: bool = False


class Syncs:
    """The records of one tenant's syncs; plans write them (connectors.ledger.plans)."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine = engine
        self._tenant = tenant

    def read(self, sync: str) -> SyncRecord:
        """Return a sync's record."""
        is_damaged = False
        with self._engine.connect() as connection:
            try:
                row = connection.execute(select(syncs).where(self._is(sync))).one_or_none()
            except ValueError:
                is_damaged = True
                without = [column for column in syncs.c if column is not syncs.c.cursors]
                readable = select(*without, null().label("cursors")).where(self._is(sync))
                row = connection.execute(readable).one_or_none()
        if row is None:
            return SyncRecord()
        return SyncRecord(
            is_damaged=is_damaged,
            version=row.version,
            identification=row.identification,
            specification=row.specification,
            cursors=row.cursors,
            full_at=row.full_at,
            keys=row.keys,
            read_at=row.read_at,
        )

    def ensure(self, sync: str) -> SyncRecord:
        """Record a sync, unless it is known; return its record."""
        row = {"tenant": self._tenant, "sync": sync, "version": 0}
        try:
            with self._engine.begin() as connection:
                known = connection.execute(select(syncs.c.version).where(self._is(sync))).first()
                if known is None:
                    connection.execute(syncs.insert().values(row))
        except IntegrityError:
            # Another process has recorded it at the same moment.
            pass
        return self.read(sync)

    def mark_read(self, sync: str, at: datetime) -> None:
        """Record when what the tenant holds was last read."""
        with self._engine.begin() as connection:
            connection.execute(update(syncs).where(self._is(sync)).values(read_at=at))

    def forget(self, sync: str) -> None:
        """Drop the record, so that the next pull is a full one."""
        with self._engine.begin() as connection:
            connection.execute(delete(syncs).where(self._is(sync)))

    def _is(self, sync: str) -> ColumnElement[bool]:
        return and_(syncs.c.tenant == self._tenant, syncs.c.sync == sync)
