"""Plans of syncs: what was planned from what, how far it is applied, what a person accepted."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, delete, select, update
from sqlalchemy.sql.elements import ColumnElement

from connectors.errors import StaleError, UsageError
from connectors.ledger.enrichment_tables import absences, enriched, plans, syncs


class PlanState(StrEnum):
    """The state of a plan; a stale one is never applied or resumed."""

    PLANNED = "planned"
    APPLYING = "applying"
    APPLIED = "applied"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """One plan.

    Attributes:
        location: the file's path within the tenant's part of the lake.
        version: what the sync's version has to be for the plan to be applied.
        summary: counts and findings, as made by tasks.sync.plan.
        cursors: the sync's cursors once the plan is applied; None leaves them unchanged.
        keys: the keys of a full pull, None for any other plan.
        begun_to: the last key of the last chunk that was begun.
        settled_to: the last key of the last chunk whose outcomes are all saved.
        accepted: by guard, a person's reason to let the plan pass.
    """

    plan_id: str
    sync: str
    sha256: str
    location: str
    created_at: datetime
    version: int
    identification: str
    specification: str
    summary: Mapping[str, Any]
    cursors: Mapping[str, Any] | None = None
    keys: int | None = None
    state: str = PlanState.PLANNED.value
    begun_to: str | None = field(default=None, repr=False)
    settled_to: str | None = field(default=None, repr=False)
    begun_at: datetime | None = None
    finished_at: datetime | None = None
    accepted: Mapping[str, str] = field(default_factory=dict)


class Plans:
    """The plans of one tenant. A run that applies one holds the sync's lease."""

    def __init__(self, engine: Engine, tenant: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock

    def add(self, record: PlanRecord) -> None:
        """Record a plan whose file is in place."""
        row = {**asdict(record), "tenant": self._tenant}
        with self._engine.begin() as connection:
            connection.execute(plans.insert().values(row))

    def get(self, plan_id: str) -> PlanRecord | None:
        """Return a plan, None if there is no such plan."""
        with self._engine.connect() as connection:
            row = connection.execute(select(plans).where(self._is(plan_id))).one_or_none()
        return None if row is None else _record(row)

    def of(self, sync: str, *, state: PlanState | None = None, limit: int = 20) -> list[PlanRecord]:
        """Return a sync's plans, newest first."""
        query = select(plans).where(plans.c.tenant == self._tenant, plans.c.sync == sync)
        if state:
            query = query.where(plans.c.state == state.value)
        query = query.order_by(plans.c.created_at.desc(), plans.c.plan_id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def begun_since(self, sync: str, instant: datetime) -> list[PlanRecord]:
        """Return a sync's plans that were begun at an instant or later, newest first."""
        query = (
            select(plans)
            .where(plans.c.tenant == self._tenant, plans.c.sync == sync)
            .where(plans.c.begun_at >= instant)
            .order_by(plans.c.begun_at.desc(), plans.c.version.desc())
        )
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query)]

    def last_begun(self, sync: str) -> PlanRecord | None:
        """Return the plan that was begun last, None if none was."""
        query = (
            select(plans)
            .where(plans.c.tenant == self._tenant, plans.c.sync == sync)
            .where(plans.c.begun_at.is_not(None))
            .order_by(plans.c.begun_at.desc(), plans.c.version.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _record(row)

    def last_full(self, sync: str) -> PlanRecord | None:
        """Return the newest applied plan of a full pull, None if there is none."""
        query = (
            select(plans)
            .where(plans.c.tenant == self._tenant, plans.c.sync == sync)
            .where(plans.c.state == PlanState.APPLIED.value, plans.c["keys"].is_not(None))
            .order_by(plans.c.created_at.desc(), plans.c.version.desc())
            .limit(1)
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else _record(row)

    def accept(self, plan_id: str, guards: Mapping[str, str]) -> None:
        """Record a person's reasons to let the plan pass guards."""
        with self._engine.begin() as connection:
            accepted = connection.scalar(select(plans.c.accepted).where(self._is(plan_id))) or {}
            changed = {**accepted, **guards}
            connection.execute(update(plans).where(self._is(plan_id)).values(accepted=changed))

    def start(self, plan_id: str) -> PlanRecord:
        """Begin or resume applying a plan, and return it; an applied plan is returned unchanged.

        The sync's version increases, so that every other plan is stale from now on. If the sync
        used to identify its objects in another way, what is known about them is dropped.

        Raises:
            StaleError: another plan has begun since this one was made.
            UsageError: there is no such plan.
        """
        with self._engine.begin() as connection:
            row = connection.execute(select(plans).where(self._is(plan_id))).one_or_none()
            if row is None:
                raise UsageError(f"there is no plan {plan_id}: nxp plan makes one")
            if row.state == PlanState.APPLIED.value:
                return _record(row)
            self._advance(connection, row)
        return self._known(plan_id)

    def begin(self, plan_id: str, up_to: str) -> None:
        """Record that the keys up to this one may be sent from now on."""
        self._set(plan_id, begun_to=up_to)

    def settle(self, plan_id: str, up_to: str) -> None:
        """Record that the outcomes of all keys up to this one are saved."""
        self._set(plan_id, settled_to=up_to)

    def finish(self, plan_id: str) -> None:
        """Record that a plan is applied, and make its cursors the sync's."""
        plan = self._known(plan_id)
        values: dict[str, Any] = {"specification": plan.specification}
        if plan.cursors is not None:
            values["cursors"] = plan.cursors
        if plan.keys is not None:
            values |= {"keys": plan.keys, "full_at": plan.created_at}
        done = {"state": PlanState.APPLIED.value, "finished_at": self._clock()}
        with self._engine.begin() as connection:
            mine = and_(self._is(plan_id), plans.c.state == PlanState.APPLYING.value)
            if connection.execute(update(plans).where(mine).values(done)).rowcount:
                connection.execute(update(syncs).where(self._of(plan.sync)).values(values))

    def drop_before(self, sync: str, instant: datetime) -> int:
        """Drop plans made before an instant, except one being applied; return how many."""
        old = and_(
            plans.c.tenant == self._tenant,
            plans.c.sync == sync,
            plans.c.created_at < instant,
            plans.c.state != PlanState.APPLYING.value,
        )
        with self._engine.begin() as connection:
            return connection.execute(delete(plans).where(old)).rowcount

    def _advance(self, connection: Connection, row: Row[Any]) -> None:
        """Make a plan the one being applied, and all other unfinished ones stale."""
        sync = and_(self._of(row.sync), syncs.c.version == row.version)
        before = connection.scalar(select(syncs.c.identification).where(self._of(row.sync)))
        moved = {"version": row.version + 1, "identification": row.identification}
        is_stale = row.state == PlanState.STALE.value
        if is_stale or not connection.execute(update(syncs).where(sync).values(moved)).rowcount:
            raise _stale(row)
        if before is not None and before != row.identification:
            for table in (enriched, absences):
                known = and_(table.c.tenant == self._tenant, table.c.sync == row.sync)
                connection.execute(delete(table).where(known))
        unfinished = (PlanState.PLANNED.value, PlanState.APPLYING.value)
        others = and_(
            plans.c.tenant == self._tenant,
            plans.c.sync == row.sync,
            plans.c.plan_id != row.plan_id,
            plans.c.state.in_(unfinished),
        )
        connection.execute(update(plans).where(others).values(state=PlanState.STALE.value))
        begun = {
            "state": PlanState.APPLYING.value,
            "version": row.version + 1,
            "begun_at": row.begun_at or self._clock(),
        }
        connection.execute(update(plans).where(self._is(row.plan_id)).values(begun))

    def _known(self, plan_id: str) -> PlanRecord:
        found = self.get(plan_id)
        if found is None:
            raise UsageError(f"there is no plan {plan_id}: nxp plan makes one")
        return found

    def _set(self, plan_id: str, **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(plans).where(self._is(plan_id)).values(values))

    def _is(self, plan_id: str) -> ColumnElement[bool]:
        return and_(plans.c.tenant == self._tenant, plans.c.plan_id == plan_id)

    def _of(self, sync: str) -> ColumnElement[bool]:
        return and_(syncs.c.tenant == self._tenant, syncs.c.sync == sync)


def _stale(row: Row[Any]) -> StaleError:
    return StaleError(
        f"{row.sync}: another plan was begun since {row.plan_id} was made: plan again; nothing sent"
    )


def _record(row: Row[Any]) -> PlanRecord:
    return PlanRecord(**{each.name: getattr(row, each.name) for each in fields(PlanRecord)})
