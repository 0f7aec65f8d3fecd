"""Keys that a sync knows and its sources lack, and for how many complete scans in a row."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Engine, and_, delete, func, select
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.bulk import MOMENT, fetch, upsert
from connectors.ledger.enrichment_tables import absences

COLUMNS = ("key", "scans", "since")


class Absences:
    """The absent keys of one tenant's syncs. Only complete pulls may be recorded here."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine = engine
        self._tenant = tenant

    def read(self, sync: str, after: str | None = None, up_to: str | None = None) -> pl.DataFrame:
        """Return key, scans and since of a range, ordered by key."""
        query = select(*(absences.c[name] for name in COLUMNS)).order_by(absences.c.key)
        with self._engine.connect() as connection:
            return fetch(connection, query.where(*self._within(sync, after, up_to)))

    def count(self, sync: str) -> int:
        """Return the number of absent keys."""
        query = select(func.count()).select_from(absences).where(self._of(sync))
        with self._engine.connect() as connection:
            return int(connection.scalar(query) or 0)

    def record(self, sync: str, absent: pl.Series, moment: datetime) -> None:
        """Record a complete scan that did not find these keys; all other keys are present."""
        keys = absent.alias("key").to_frame().unique()
        known = self.read(sync)
        counted = keys.join(known, on="key", how="left").select(
            pl.lit(self._tenant).alias("tenant"),
            pl.lit(sync).alias("sync"),
            "key",
            (pl.col("scans").fill_null(0) + 1).alias("scans"),
            pl.col("since").fill_null(pl.lit(moment, MOMENT)),
        )
        with self._engine.begin() as connection:
            connection.execute(delete(absences).where(self._of(sync)))
            upsert(connection, absences, counted)

    def forget(self, sync: str) -> None:
        """Drop all absences of a sync."""
        with self._engine.begin() as connection:
            connection.execute(delete(absences).where(self._of(sync)))

    def _within(
        self, sync: str, after: str | None, up_to: str | None
    ) -> Sequence[ColumnElement[bool]]:
        found: list[Any] = [self._of(sync)]
        if after is not None:
            found.append(absences.c.key > after)
        if up_to is not None:
            found.append(absences.c.key <= up_to)
        return found

    def _of(self, sync: str) -> ColumnElement[bool]:
        return and_(absences.c.tenant == self._tenant, absences.c.sync == sync)
