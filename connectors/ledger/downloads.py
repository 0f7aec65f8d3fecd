"""Records of downloaded results: the API does not say how many an export has."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, and_, delete, select

from connectors.ledger.tables import downloads

# Longer than any tenant keeps an export.
KEPT: Final = timedelta(days=90)


class Downloads:
    """The number of records of each downloaded export of one tenant."""

    def __init__(self, engine: Engine, tenant: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock

    def record(self, export_id: str, rows: int) -> None:
        """Record how many rows the result of an export has; forget those of old exports."""
        now = self._clock()
        table = downloads.c
        replaced = (table.export_id == export_id) | (table.fetched_at < now - KEPT)
        row = {"tenant": self._tenant, "export_id": export_id, "rows": rows, "fetched_at": now}
        with self._engine.begin() as connection:
            connection.execute(
                delete(downloads).where(and_(table.tenant == self._tenant, replaced))
            )
            connection.execute(downloads.insert().values(row))

    def rows(self, export_id: str) -> int | None:
        """Return how many rows the result of an export has, None if it was never downloaded."""
        query = select(downloads.c.rows).where(
            downloads.c.tenant == self._tenant, downloads.c.export_id == export_id
        )
        with self._engine.connect() as connection:
            found = connection.scalar(query)
        return None if found is None else int(found)
