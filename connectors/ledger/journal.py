"""The journal of exports: an id is recorded before it is polled, so that no export is lost."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, and_, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.tables import export_times, exports


@dataclass(frozen=True, slots=True)
class JournalledExport:
    """An export begun at the tenant. `query` identifies what was requested."""

    export_id: str
    query: str
    started_at: datetime


class Journal:
    """The exports of one tenant that were begun and have not landed, by unit and piece."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine = engine
        self._tenant = tenant

    def read(self, dataset: str, unit: str, piece: str = "") -> JournalledExport | None:
        """Return the export begun for a piece of a unit; the piece `""` is the whole unit."""
        with self._engine.connect() as connection:
            row = connection.execute(
                select(exports).where(self._is(dataset, unit, piece))
            ).one_or_none()
        return None if row is None else JournalledExport(row.export_id, row.query, row.started_at)

    def write(self, dataset: str, unit: str, export: JournalledExport, piece: str = "") -> None:
        """Record an export, as soon as the tenant has returned its id; one per piece."""
        row = {
            "tenant": self._tenant,
            "dataset": dataset,
            "unit": unit,
            "piece": piece,
            "export_id": export.export_id,
            "query": export.query,
            "started_at": export.started_at,
        }
        with self._engine.begin() as connection:
            connection.execute(delete(exports).where(self._is(dataset, unit, piece)))
            connection.execute(exports.insert().values(row))

    def forget(
        self,
        dataset: str,
        unit: str | None,
        connection: Connection | None = None,
        piece: str | None = None,
    ) -> None:
        """Drop the exports of a dataset, of one unit, or of one piece of it."""
        if connection is None:
            with self._engine.begin() as own:
                self.forget(dataset, unit, own, piece)
            return
        connection.execute(delete(exports).where(self._is(dataset, unit, piece)))

    def usual_seconds(self, dataset: str) -> float | None:
        """Return how long the last exports of a dataset took; None if that is not known."""
        query = select(export_times.c.seconds).where(self._time_of(dataset))
        with self._engine.connect() as connection:
            found: float | None = connection.scalar(query)
        return found

    def took(self, dataset: str, seconds: float) -> None:
        """Record how long an export took; the ones before it count half as much."""
        later = (export_times.c.seconds + seconds) / 2
        known = update(export_times).where(self._time_of(dataset)).values(seconds=later)
        with self._engine.begin() as connection:
            if connection.execute(known).rowcount:
                return
        row = {"tenant": self._tenant, "dataset": dataset, "seconds": seconds}
        # Another process may have recorded one at the same moment: either is as good.
        with suppress(IntegrityError), self._engine.begin() as connection:
            connection.execute(export_times.insert().values(row))

    def _time_of(self, dataset: str) -> ColumnElement[bool]:
        return and_(export_times.c.tenant == self._tenant, export_times.c.dataset == dataset)

    def count(self, dataset: str) -> int:
        """Return the number of exports of a dataset that were begun and have not landed."""
        query = select(func.count()).where(self._is(dataset, None, None))
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def _is(self, dataset: str, unit: str | None, piece: str | None) -> ColumnElement[bool]:
        terms = [exports.c.tenant == self._tenant, exports.c.dataset == dataset]
        if unit is not None:
            terms.append(exports.c.unit == unit)
        if piece is not None:
            terms.append(exports.c.piece == piece)
        return and_(*terms)
