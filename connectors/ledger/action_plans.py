"""Plans of actions: who will be acted on, who approved it, how far it has got."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, select, update
from sqlalchemy.sql.elements import ColumnElement

from connectors.errors import StaleError, UsageError
from connectors.ledger.action_tables import action_plans


class ActionPlanState(StrEnum):
    """The state of a plan. Only a planned or approved one can begin, and each begins once.

    - planned: made, and not judged yet.
    - approved, declined: a person's verdict.
    - running: its requests are journalled; some may have been sent.
    - finished: every request was sent, or is known not to have been.
    - stale: what it was made from has changed since.
    """

    PLANNED = "planned"
    APPROVED = "approved"
    DECLINED = "declined"
    RUNNING = "running"
    FINISHED = "finished"
    STALE = "stale"


READY = (ActionPlanState.PLANNED.value, ActionPlanState.APPROVED.value)


@dataclass(frozen=True, slots=True)
class ActionPlanRecord:
    """One plan.

    Attributes:
        action: the name of its YAML file.
        kind: remote_action, campaign or workflow.
        action_id: the tenant's id of the action.
        location: the file's path within the tenant's part of the lake.
        specification: fingerprint of the YAML file.
        version: how many requests of the action were journalled when the plan was made.
        summary: counts, made by tasks.act.plan; nothing about a single target.
        asked_by, asked_how, run_by: who asked for it, see Asker.
    """

    plan_id: str
    action: str
    kind: str
    action_id: str
    sha256: str
    location: str
    created_at: datetime
    specification: str
    version: int
    summary: Mapping[str, Any]
    state: str = ActionPlanState.PLANNED.value
    approved_by: str | None = None
    approved_why: str | None = None
    ticket: str | None = None
    approved_at: datetime | None = None
    begun_at: datetime | None = None
    finished_at: datetime | None = None
    asked_by: str | None = None
    asked_how: str | None = None
    run_by: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A person's verdict on a plan, with the name, which open source Prefect does not know."""

    who: str
    why: str
    ticket: str | None = None


class ActionPlans:
    """The plans of one tenant's actions."""

    def __init__(self, engine: Engine, tenant: str, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._tenant = tenant
        self._clock = clock

    def add(self, record: ActionPlanRecord) -> None:
        """Record a plan whose file is in place."""
        row = {**asdict(record), "tenant": self._tenant}
        with self._engine.begin() as connection:
            connection.execute(action_plans.insert().values(row))

    def get(self, plan_id: str) -> ActionPlanRecord | None:
        """Return a plan, None if there is no such plan."""
        with self._engine.connect() as connection:
            row = connection.execute(select(action_plans).where(self._is(plan_id))).one_or_none()
        return None if row is None else _record(row)

    def of(
        self, action: str, *, state: ActionPlanState | None = None, limit: int = 20
    ) -> list[ActionPlanRecord]:
        """Return the plans of an action, newest first."""
        query = select(action_plans).where(
            action_plans.c.tenant == self._tenant, action_plans.c.action == action
        )
        if state:
            query = query.where(action_plans.c.state == state.value)
        newest = action_plans.c.created_at.desc(), action_plans.c.plan_id.desc()
        with self._engine.connect() as connection:
            return [
                _record(row) for row in connection.execute(query.order_by(*newest).limit(limit))
            ]

    def since(self, moment: datetime) -> list[ActionPlanRecord]:
        """Return the plans of all actions that were made since a moment, oldest first."""
        query = select(action_plans).where(
            action_plans.c.tenant == self._tenant, action_plans.c.created_at >= moment
        )
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(action_plans.c.created_at))
            return [_record(row) for row in rows]

    def judge(self, plan_id: str, verdict: Verdict, *, approved: bool) -> None:
        """Record a person's verdict on a plan that has not begun; the last verdict counts.

        Its ticket, if it has one, replaces the plan's.

        Raises:
            UsageError: there is no such plan, or it has begun or is stale.
        """
        state = ActionPlanState.APPROVED if approved else ActionPlanState.DECLINED
        values: dict[str, Any] = {
            "state": state.value,
            "approved_by": verdict.who,
            "approved_why": verdict.why,
            "approved_at": self._clock(),
        }
        if verdict.ticket:
            values["ticket"] = verdict.ticket
        can_be_judged = (*READY, ActionPlanState.DECLINED.value)
        if not self._move(plan_id, can_be_judged, values):
            found = self.get(plan_id)
            reason = f"it is {found.state}" if found else "there is no such plan"
            raise UsageError(f"plan {plan_id} cannot be approved or declined: {reason}")

    def begin(self, connection: Connection, plan_id: str) -> bool:
        """Start a plan in the transaction that journals its requests; return whether this did."""
        values = {"state": ActionPlanState.RUNNING.value, "begun_at": self._clock()}
        ready = and_(self._is(plan_id), action_plans.c.state.in_(READY))
        begun = connection.execute(update(action_plans).where(ready).values(values))
        return begun.rowcount == 1

    def make_sure_begun(self, connection: Connection, plan_id: str) -> None:
        """Raise unless a plan is running or finished.

        Raises:
            StaleError: it is neither.
        """
        query = select(action_plans.c.state).where(self._is(plan_id))
        state = connection.scalar(query)
        if state not in (ActionPlanState.RUNNING.value, ActionPlanState.FINISHED.value):
            raise StaleError(
                f"plan {plan_id} is {state or 'unknown'}: plan again; nothing was sent"
            )

    def finish(self, plan_id: str) -> None:
        """Record that nothing of a plan remains to be sent."""
        values = {"state": ActionPlanState.FINISHED.value, "finished_at": self._clock()}
        self._move(plan_id, (ActionPlanState.RUNNING.value,), values)

    def outdate(self, plan_id: str) -> None:
        """Record that a plan is stale, unless it has begun."""
        self._move(plan_id, READY, {"state": ActionPlanState.STALE.value})

    def _move(self, plan_id: str, states: tuple[str, ...], values: Mapping[str, Any]) -> bool:
        mine = and_(self._is(plan_id), action_plans.c.state.in_(states))
        with self._engine.begin() as connection:
            moved = connection.execute(update(action_plans).where(mine).values(**values))
        return moved.rowcount == 1

    def _is(self, plan_id: str) -> ColumnElement[bool]:
        return and_(action_plans.c.tenant == self._tenant, action_plans.c.plan_id == plan_id)


def _record(row: Row[Any]) -> ActionPlanRecord:
    names = (each.name for each in fields(ActionPlanRecord))
    return ActionPlanRecord(**{name: getattr(row, name) for name in names})
