"""The requests to act that the tenant has accepted. What becomes of them over time belongs here."""

import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.clock import TenantClock


@dataclass(frozen=True, slots=True)
class Execution:
    """One target of a request: a device, a user, both or neither."""

    id: str
    device: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """An accepted request, as it was made."""

    id: str
    # remote_action, workflow, campaign or event (a workflow told to go on)
    kind: str
    nql_id: str
    created_at: datetime
    executions: tuple[Execution, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    expires_in_minutes: int | None = None
    source: str | None = None
    reason: str | None = None
    reference: str | None = None


class ActionStore:
    """Keeps the requests in the order in which they came."""

    def __init__(self, clock: TenantClock) -> None:
        """Begin without any."""
        self.requests: list[ActionRequest] = []
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, str] = {}

    def accept(
        self,
        kind: str,
        nql_id: str,
        targets: Sequence[tuple[str | None, str | None]],
        *,
        waits: bool = False,
        **details: object,
    ) -> ActionRequest:
        """Remember a request: one execution for each (device, user)."""
        executions = tuple(Execution(str(uuid.uuid4()), *target) for target in targets)
        request = ActionRequest(
            str(uuid.uuid4()),
            kind,
            nql_id,
            self._clock.now(),
            executions,
            **details,  # type: ignore[arg-type]
        )
        with self._lock:
            self.requests.append(request)
            if waits:
                self._waiting |= {each.id: nql_id for each in executions}
        return request

    def resume(self, nql_id: str, execution: str, parameters: Mapping[str, str]) -> str | None:
        """Let a waiting execution go on and return the id of the request, None if it does not."""
        with self._lock:
            if self._waiting.get(execution) != nql_id:
                return None
            del self._waiting[execution]
        return self.accept("event", nql_id, [], parameters=parameters, reference=execution).id
