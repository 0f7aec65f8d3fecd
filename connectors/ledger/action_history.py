"""How often an action was requested before, and with what result, for a person who approves it."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, and_, func, select

from connectors.ledger.action_requests import RequestState
from connectors.ledger.action_tables import action_requests, action_targets

# The tenant has not shown a status of the target yet.
NOT_YET: Final = "not_yet"


@dataclass(frozen=True, slots=True)
class Before:
    """Accepted requests of an action: how many, for how many targets, when, and their outcomes."""

    requests: int = 0
    targets: int = 0
    first: datetime | None = None
    last: datetime | None = None
    outcomes: dict[str, int] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it for JSON."""
        moments = {name: getattr(self, name) for name in ("first", "last")}
        return asdict(self) | {name: at and at.isoformat() for name, at in moments.items()}


class ActionHistory:
    """What one tenant's journal knows of earlier requests."""

    def __init__(self, engine: Engine, tenant: str) -> None:
        self._engine = engine
        self._tenant = tenant

    def of(self, kind: str, action_id: str) -> Before:
        """Return what the tenant has accepted of an action so far, by this ledger."""
        table = action_requests.c
        accepted = and_(
            table.tenant == self._tenant,
            table.kind == kind,
            table.action_id == action_id,
            table.state == RequestState.REQUESTED.value,
        )
        counts = select(func.count(), func.min(table.sent_at), func.max(table.sent_at))
        status = func.coalesce(action_targets.c.status, NOT_YET)
        outcomes = (
            select(status, func.count())
            .join_from(
                action_requests, action_targets, table.intent_id == action_targets.c.intent_id
            )
            .where(accepted, action_targets.c.code.is_(None))
            .group_by(status)
            .order_by(status)
        )
        with self._engine.connect() as connection:
            requests, first, last = connection.execute(
                counts.select_from(action_requests).where(accepted)
            ).one()
            found = {str(name): int(count) for name, count in connection.execute(outcomes)}
        return Before(int(requests), sum(found.values()), first, last, found)
