"""The journal of acting: every request to the tenant, written before it is sent.

    intent ──▶ sending ──▶ requested          the tenant has accepted it
       │          ├──────▶ refused            the tenant has answered that it has not
       │          ├──────▶ intent             it has not left this machine
       │          └──────▶ unknown ─▶ requested   seen when reading back
       │                      └────▶ not_seen ─▶ requested, not_sent   resolved by a person
       └──────▶ not_sent                      given up before it was sent, also by a person

A request that reached `sending` and has no known answer may have had its effect, also after a kill.
A target of an unsettled request is in no other request of the same action. A process that moves a
request holds the lease of its action (`lease_name`).
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, Select, and_, func, or_, select

from connectors.errors import HeldError, StaleError
from connectors.ledger.action_history import ActionHistory
from connectors.ledger.action_moves import RequestMoves, requested_at
from connectors.ledger.action_plans import ActionPlanRecord, ActionPlans
from connectors.ledger.action_requests import (
    NOBODY,
    SEEN,
    TARGETS,
    UNSETTLED,
    ActionRequest,
    Requester,
    RequestState,
    TargetBatch,
)
from connectors.ledger.action_tables import action_requests, action_targets
from connectors.ledger.bulk import fetch, upsert


def lease_name(kind: str, action_id: str) -> str:
    """Return the name of the lease held while requests of an action are sent or looked up."""
    return f"act {kind} {action_id}"


class Actions(RequestMoves):
    """The requests of one tenant. Every call is one transaction."""

    def __init__(
        self, engine: Engine, tenant: str, clock: Callable[[], datetime], plans: ActionPlans
    ) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock
        self._plans = plans
        self.history = ActionHistory(engine, tenant)

    def version(self, kind: str, action_id: str) -> int:
        """Return the number of journalled requests of an action; a plan is made for that number."""
        with self._engine.connect() as connection:
            return self._version(connection, kind, action_id)

    def begin(
        self, plan: ActionPlanRecord, batches: Sequence[TargetBatch], asker: Requester = NOBODY
    ) -> None:
        """Journal all requests of a plan as intents, unless the plan has already begun.

        Raises:
            StaleError: the same action was requested since the plan was made, or the plan is
                declined or stale.
        """
        with self._engine.begin() as connection:
            version = self._version(connection, plan.kind, plan.action_id)
            if not self._plans.begin(connection, plan.plan_id):
                # It may have been declined in the meantime.
                self._plans.make_sure_begun(connection, plan.plan_id)
                return
            if version != plan.version:
                raise StaleError(
                    f"{plan.action}: {plan.action_id} was requested since plan {plan.plan_id} was "
                    "made: plan again; nothing was sent"
                )
            for ordinal, batch in enumerate(batches):
                request = ActionRequest(
                    batch.intent_id,
                    plan.kind,
                    plan.action_id,
                    batch.targets.height,
                    plan_id=plan.plan_id,
                    action=plan.action,
                    ordinal=ordinal,
                    **asdict(asker),
                )
                self._insert(connection, request, batch.targets)

    def begin_raw(
        self, kind: str, action_id: str, batches: Sequence[TargetBatch], asker: Requester = NOBODY
    ) -> None:
        """Journal the requests of a raw command as intents.

        Raises:
            HeldError: targets are in a request of the same action that is not settled.
        """
        wanted = pl.concat([batch.targets["target"] for batch in batches])
        with self._engine.begin() as connection:
            unsettled = fetch(connection, self._unsettled(kind, action_id))
            held = unsettled.filter(pl.col("target").is_in(wanted.implode()))
            if held.height:
                raise HeldError(
                    f"{held['target'].n_unique():,} targets are in a request of {action_id} "
                    f"whose outcome is unknown (request {held['intent_id'][0]}): see "
                    "nxp act status and nxp act resolve; nothing was sent"
                )
            # The requests of one command are known by their common moment.
            now = self._clock()
            for ordinal, batch in enumerate(batches):
                targets = batch.targets.height
                request = ActionRequest(
                    batch.intent_id,
                    kind,
                    action_id,
                    targets,
                    ordinal=ordinal,
                    created_at=now,
                    **asdict(asker),
                )
                self._insert(connection, request, batch.targets)

    def targets(self, *, intent_id: str | None = None, plan_id: str | None = None) -> pl.DataFrame:
        """Return the targets of a request or a plan: intent_id, state, TARGETS and SEEN."""
        query = self._joined(*(action_targets.c[name] for name in SEEN if name not in TARGETS))
        if intent_id is not None:
            query = query.where(action_requests.c.intent_id == intent_id)
        if plan_id is not None:
            query = query.where(action_requests.c.plan_id == plan_id)
        with self._engine.connect() as connection:
            return fetch(connection, query)

    def recent(self, kind: str, action_id: str, since: datetime) -> pl.DataFrame:
        """Return targets requested since a moment, and those of unsettled requests of any age.

        Returns:
            intent_id, state, target, device, person, action, requested_at (when it was sent),
            status, status_at, answers; without targets that the tenant left out of a request.
        """
        table = action_requests.c
        unsettled = table.state.in_([state.value for state in UNSETTLED])
        taken = and_(
            table.state == RequestState.REQUESTED.value,
            requested_at >= since,
            action_targets.c.code.is_(None),
        )
        columns = (table.action, requested_at.label("requested_at"))
        shown = (action_targets.c[name] for name in ("status", "status_at", "answers"))
        query = self._joined(*columns, *shown).where(
            table.kind == kind, table.action_id == action_id, or_(unsettled, taken)
        )
        with self._engine.connect() as connection:
            return fetch(connection, query)

    def save_seen(self, seen: pl.DataFrame) -> None:
        """Save what was read back about targets: `intent_id`, `target`, other columns of SEEN."""
        with self._engine.begin() as connection:
            self._save(connection, seen)

    def request_ids(self, kind: str, action_id: str) -> pl.Series:
        """Return the tenant's ids of all our requests of an action."""
        table = action_requests.c
        mine = and_(table.kind == kind, table.action_id == action_id)
        of_requests = select(table.request_id).where(table.tenant == self._tenant, mine)
        of_targets = (
            select(action_targets.c.request_id)
            .join_from(
                action_targets, action_requests, table.intent_id == action_targets.c.intent_id
            )
            .where(table.tenant == self._tenant, mine)
        )
        with self._engine.connect() as connection:
            found = [fetch(connection, query) for query in (of_requests, of_targets)]
        return pl.concat(found)["request_id"].drop_nulls().unique()

    def _insert(
        self, connection: Connection, request: ActionRequest, targets: pl.DataFrame
    ) -> None:
        row = {**asdict(request), "tenant": self._tenant}
        row["created_at"] = request.created_at or self._clock()
        connection.execute(action_requests.insert().values(row))
        typed = targets.select(pl.col(name).cast(dtype) for name, dtype in TARGETS.items())
        owned = typed.select(pl.lit(request.intent_id).alias("intent_id"), pl.all())
        upsert(connection, action_targets, owned)

    def _unsettled(self, kind: str, action_id: str) -> Select[Any]:
        table = action_requests.c
        return self._joined().where(
            table.kind == kind,
            table.action_id == action_id,
            table.state.in_([state.value for state in UNSETTLED]),
        )

    def _joined(self, *more: Any) -> Select[Any]:
        table = action_requests.c
        return (
            select(table.intent_id, table.state, *(action_targets.c[name] for name in TARGETS))
            .add_columns(*more)
            .join_from(
                action_requests, action_targets, table.intent_id == action_targets.c.intent_id
            )
            .where(table.tenant == self._tenant)
        )

    def _version(self, connection: Connection, kind: str, action_id: str) -> int:
        table = action_requests.c
        mine = (table.tenant == self._tenant, table.kind == kind, table.action_id == action_id)
        query = select(func.count()).select_from(action_requests).where(*mine)
        return int(connection.scalar(query) or 0)
