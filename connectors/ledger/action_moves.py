"""Moving requests of actions from state to state; `connectors.ledger.actions` has the picture."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, Engine, Row, and_, func, select, update
from sqlalchemy.sql.elements import ColumnElement

from connectors.errors import HeldError, UsageError
from connectors.ledger.action_requests import SEEN, UNSETTLED, ActionRequest, RequestState
from connectors.ledger.action_tables import action_requests, action_targets
from connectors.ledger.bulk import upsert

# A request of a paced or interrupted plan is sent long after it was journalled.
requested_at = func.coalesce(action_requests.c.sent_at, action_requests.c.created_at)


class RequestMoves:
    """The requests of one tenant and their states; a part of the journal."""

    _engine: Engine
    _tenant: str
    _clock: Callable[[], datetime]

    def get(self, intent_id: str) -> ActionRequest | None:
        """Return one request, None if there is no such request."""
        found = self.requests(intent_id=intent_id)
        return found[0] if found else None

    def requests(
        self,
        *,
        intent_id: str | None = None,
        plan_id: str | None = None,
        action: tuple[str, str] | None = None,
        states: Iterable[RequestState] = (),
        since: datetime | None = None,
        limit: int | None = None,
    ) -> list[ActionRequest]:
        """Return requests, oldest first: of an intent, a plan, a (kind, action id), in some states.

        With `since`, only those sent (or, if unsent, journalled) since then; with `limit`, only
        that many of the newest.
        """
        table = action_requests.c
        query = select(action_requests).where(table.tenant == self._tenant)
        if intent_id is not None:
            query = query.where(table.intent_id == intent_id)
        if plan_id is not None:
            query = query.where(table.plan_id == plan_id)
        if action is not None:
            query = query.where(table.kind == action[0], table.action_id == action[1])
        if since is not None:
            query = query.where(requested_at >= since)
        if wanted := [state.value for state in states]:
            query = query.where(table.state.in_(wanted))
        newest = query.order_by(
            table.created_at.desc(), table.ordinal.desc(), table.intent_id.desc()
        )
        with self._engine.connect() as connection:
            found = [_request(row) for row in connection.execute(newest.limit(limit))]
        return found[::-1]

    def sending(self, intent_id: str) -> None:
        """Record that a request is being sent; called last, right before it is.

        Raises:
            HeldError: another process has moved it.
        """
        if not self._move(intent_id, (RequestState.INTENT,), RequestState.SENDING, sent=True):
            raise HeldError(f"request {intent_id} was taken by another run: nothing was sent")

    def requested(
        self, intent_id: str, request_id: str | None, seen: pl.DataFrame | None = None
    ) -> None:
        """Record that the tenant accepted a request, and what it reports of targets (part of SEEN).

        Evidence overrides a person's verdict, so a request in any state but intent can get here.
        """
        may_be = [state for state in RequestState if state is not RequestState.INTENT]
        taken = RequestState.REQUESTED
        with self._engine.begin() as connection:
            self._change(connection, intent_id, may_be, taken, request_id=request_id)
            if seen is not None:
                self._save(connection, seen.with_columns(intent_id=pl.lit(intent_id)))

    def reached_nobody(self, intent_id: str, code: str, seen: pl.DataFrame) -> None:
        """Record an answer that refuses each target of a request (part of SEEN)."""
        with self._engine.begin() as connection:
            self._change(
                connection, intent_id, (RequestState.SENDING,), RequestState.REFUSED, code=code
            )
            self._save(connection, seen.with_columns(intent_id=pl.lit(intent_id)))

    def refused(self, intent_id: str, code: str | None) -> None:
        """Record the tenant's answer that it does not accept a request."""
        self._move(intent_id, (RequestState.SENDING,), RequestState.REFUSED, code=code)

    def not_left(self, intent_id: str) -> None:
        """Record that a request has not left this machine, or was turned away unread."""
        self._move(intent_id, (RequestState.SENDING,), RequestState.INTENT, sent_at=None)

    def unknown(self, intent_id: str) -> None:
        """Record that it is unknown whether the tenant accepted a request."""
        self._move(intent_id, (RequestState.SENDING,), RequestState.UNKNOWN)

    def not_seen(self, intent_id: str) -> None:
        """Record that a request of unknown outcome was not seen within the time for it."""
        self._move(intent_id, (RequestState.UNKNOWN,), RequestState.NOT_SEEN)

    def give_up(self, intent_id: str, why: str) -> None:
        """Record that a request was never sent and never will be."""
        self._move(intent_id, (RequestState.INTENT,), RequestState.NOT_SENT, why=why)

    def resolve(self, intent_id: str, *, sent: bool, why: str) -> None:
        """Record what a person has found out about a request of unknown outcome.

        An intent can be resolved too, as not sent: then it never will be.

        Raises:
            UsageError: its outcome is known.
        """
        state = RequestState.REQUESTED if sent else RequestState.NOT_SENT
        open_states = [RequestState.UNKNOWN, RequestState.NOT_SEEN]
        if not sent:
            open_states.append(RequestState.INTENT)
        if not self._move(intent_id, open_states, state, why=why):
            found = self.get(intent_id)
            reason = f"it is {found.state}" if found else "there is no such request"
            raise UsageError(f"request {intent_id} has nothing to resolve: {reason}")

    def doubt(self, kind: str, action_id: str) -> int:
        """Mark requests that a dead process was sending as unknown; return how many.

        Call it under the action's lease: then no process that was sending is alive.
        """
        table = action_requests.c
        mine = and_(
            table.tenant == self._tenant,
            table.kind == kind,
            table.action_id == action_id,
            table.state == RequestState.SENDING.value,
        )
        with self._engine.begin() as connection:
            doubted = update(action_requests).where(mine).values(state=RequestState.UNKNOWN.value)
            return connection.execute(doubted).rowcount

    def _save(self, connection: Connection, seen: pl.DataFrame) -> None:
        typed = seen.select(
            "intent_id", *(pl.col(name).cast(SEEN[name]) for name in seen.columns if name in SEEN)
        )
        upsert(connection, action_targets, typed)

    def _move(
        self,
        intent_id: str,
        states: Sequence[RequestState],
        to: RequestState,
        *,
        sent: bool = False,
        **values: Any,
    ) -> bool:
        if sent:
            values["sent_at"] = self._clock()
        with self._engine.begin() as connection:
            return self._change(connection, intent_id, states, to, **values)

    def _change(
        self,
        connection: Connection,
        intent_id: str,
        states: Sequence[RequestState],
        to: RequestState,
        **values: Any,
    ) -> bool:
        if to not in UNSETTLED:
            values["settled_at"] = self._clock()
        mine = and_(
            self._is(intent_id), action_requests.c.state.in_([state.value for state in states])
        )
        changed = update(action_requests).where(mine).values(state=to.value, **values)
        return connection.execute(changed).rowcount == 1

    def _is(self, intent_id: str) -> ColumnElement[bool]:
        return and_(
            action_requests.c.tenant == self._tenant, action_requests.c.intent_id == intent_id
        )


def _request(row: Row[Any]) -> ActionRequest:
    names = (each.name for each in fields(ActionRequest))
    return ActionRequest(**{name: getattr(row, name) for name in names})
