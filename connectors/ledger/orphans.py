"""Values of syncs that nobody maintains any more: found, and handed to another sync."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, and_, delete, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from connectors.ledger.enrichment_tables import absences, enriched, plans, syncs


@dataclass(frozen=True, slots=True)
class HeldValues:
    """How many values of a sync Nexthink holds, or may hold, by field."""

    sync: str
    fields: Mapping[str, int]

    @property
    def values(self) -> int:
        """The number of all values."""
        return sum(self.fields.values())


class Orphans:
    """The values of one tenant's syncs, whether or not the catalogue still has the syncs."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine = engine
        self._tenant = tenant

    def syncs(self) -> list[str]:
        """Return the names of all syncs that were ever planned."""
        query = select(syncs.c.sync).where(syncs.c.tenant == self._tenant).order_by(syncs.c.sync)
        with self._engine.connect() as connection:
            return list(connection.scalars(query))

    def held(self, sync: str, mapped: Collection[str] = ()) -> HeldValues:
        """Return what Nexthink holds of a sync in fields other than these; reads all its rows."""
        is_held = or_(
            func.coalesce(enriched.c.value, "") != "",
            and_(enriched.c.state == "open", func.coalesce(enriched.c.open_value, "") != ""),
        )
        query = (
            select(enriched.c.field, func.count())
            .where(self._of(enriched, sync), is_held)
            .group_by(enriched.c.field)
            .order_by(enriched.c.field)
        )
        with self._engine.connect() as connection:
            found = dict(row._tuple() for row in connection.execute(query))  # noqa: SLF001 - SQLAlchemy's public name
        return HeldValues(sync, {name: n for name, n in found.items() if name not in mapped})

    def fields(self, sync: str) -> list[str]:
        """Return the fields that a sync has ever sent."""
        query = select(enriched.c.field).where(self._of(enriched, sync)).distinct()
        with self._engine.connect() as connection:
            return sorted(connection.scalars(query))

    def adopt(self, old: str, new: str) -> int:
        """Make the known values of a sync those of another, and return how many.

        Where both have sent a field of an object, the new sync's own row stays. What the new one
        has met as a value of others is the old one's. Plans of the old one become stale. Call it
        under the leases of both.
        """
        mine, before = enriched.alias(), enriched.alias()
        known = (
            select(before.c.key)
            .where(before.c.tenant == self._tenant, before.c.sync == old)
            .where(before.c.key == enriched.c.key, before.c.field == enriched.c.field)
            .exists()
        )
        met = enriched.c.state.in_(["theirs", "same"])
        both = (
            select(mine.c.key)
            .where(mine.c.tenant == self._tenant, mine.c.sync == new)
            .where(mine.c.key == enriched.c.key, mine.c.field == enriched.c.field)
            .exists()
        )
        with self._engine.begin() as connection:
            connection.execute(delete(enriched).where(self._of(enriched, new), met, known))
            connection.execute(delete(enriched).where(self._of(enriched, old), both))
            moved = update(enriched).where(self._of(enriched, old)).values(sync=new)
            count = connection.execute(moved).rowcount
            connection.execute(delete(absences).where(self._of(absences, old)))
            stale = update(plans).where(self._of(plans, old), plans.c.state != "applied")
            connection.execute(stale.values(state="stale"))
            self._inherit(connection, old, new)
        return count

    def forget(self, sync: str) -> None:
        """Forget a sync once Nexthink no longer holds any value of it."""
        with self._engine.begin() as connection:
            for table in (enriched, absences, syncs):
                connection.execute(delete(table).where(self._of(table, sync)))

    def _inherit(self, connection: Connection, old: str, new: str) -> None:
        """Give the new sync the number of keys that guards measure by, unless it has its own."""
        before = connection.execute(select(syncs).where(self._of(syncs, old))).one_or_none()
        if before is not None:
            is_new = and_(self._of(syncs, new), syncs.c["keys"].is_(None))
            connection.execute(update(syncs).where(is_new).values(keys=before._mapping["keys"]))  # noqa: SLF001 - SQLAlchemy's public name
            identified = and_(self._of(syncs, new), syncs.c.identification.is_(None))
            values = {"identification": before.identification}
            connection.execute(update(syncs).where(identified).values(values))
        connection.execute(delete(syncs).where(self._of(syncs, old)))

    def _of(self, table: Any, sync: str) -> ColumnElement[bool]:
        return and_(table.c.tenant == self._tenant, table.c.sync == sync)
