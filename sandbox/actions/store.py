"""The action requests that the tenant has accepted, from the API and from its console."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sandbox.actions.batches import ANSWER, FATES, ExecutionTarget, RequestTerms, batch
from sandbox.actions.executions import Executions
from sandbox.actions.options import ActingOptions
from sandbox.actions.workflows import WORKFLOWS
from sandbox.clock import TenantClock
from sandbox.directory import Directory

# A guess: the expiry of a request that sets none; a week is the maximum.
DEFAULT_EXPIRY_MINUTES = 10_080

Pair = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Execution:
    """One target of a request: a device, a user, both or neither."""

    id: str
    device: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class AcceptedRequest:
    """An accepted request, as received."""

    id: str
    # remote_action, workflow, campaign or event (a workflow was resumed)
    kind: str
    nql_id: str
    created_at: datetime
    executions: tuple[Execution, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    expires_in_minutes: int | None = None
    source: str | None = None
    reason: str | None = None
    reference: str | None = None
    # `api`, or `manual` from the console
    trigger_method: str = "api"


class ActionStore:
    """Keeps the requests in order of arrival and creates their executions."""

    def __init__(
        self,
        seed: int,
        options: ActingOptions,
        clock: TenantClock,
        directory: Directory,
        executions: Executions,
    ) -> None:
        """Start empty; `options` may be replaced, which affects later requests."""
        self.requests: list[AcceptedRequest] = []
        self.options = options
        self._seed = seed
        self._clock = clock
        self._directory = directory
        self._executions = executions
        self._lock = threading.Lock()
        self._waiting: dict[str, str] = {}
        self._turns: Counter[tuple[str, str]] = Counter()
        self._fates: dict[str, str] = {}

    def decree(self, target: str, fate: str) -> None:
        """Set the outcome of a device (its collector's id) or a SID in later requests.

        It happens at once, except `expired`, which happens when the request expires. `agreed`,
        `disagreed` and `answer:WORDS` are answers.
        """
        if fate not in FATES and not fate.startswith(ANSWER):
            raise ValueError(f"{fate!r} is not one of {', '.join(FATES)}")
        self._fates[target.lower()] = fate

    def accept(
        self, kind: str, nql_id: str, targets: Iterable[Pair], **details: object
    ) -> AcceptedRequest:
        """Record a request: one execution for each (device, user)."""
        executions = tuple(Execution(str(uuid.uuid4()), *target) for target in targets)
        return self._remember(kind, nql_id, [executions], **details)[0]

    def send(self, nql_id: str, sids: Iterable[str], **details: object) -> list[AcceptedRequest]:
        """Record a campaign: one request for each user."""
        each = [(Execution(str(uuid.uuid4()), None, sid),) for sid in sids]
        return self._remember("campaign", nql_id, each, **details)

    def by_console(
        self,
        kind: str,
        nql_id: str,
        *,
        devices: Sequence[str] = (),
        users: Sequence[str] = (),
        parameters: Mapping[str, str] | None = None,
    ) -> list[AcceptedRequest]:
        """Start a remote_action, workflow or campaign from the console, even if the API may not."""
        if nql_id not in (self._executions.ids(kind) or ()):
            raise ValueError(f"there is no {kind} with the id {nql_id!r}")
        details = {"parameters": parameters or {}, "trigger_method": "manual"}
        if kind == "campaign":
            return self.send(nql_id, users, **details)
        return [self.accept(kind, nql_id, paired(devices, users), **details)]

    def resume(
        self,
        nql_id: str,
        execution: str,
        parameters: Mapping[str, str],
        source: str | None = None,
    ) -> str | None:
        """Resume an execution and return the id of the request, or None if it does not wait."""
        with self._lock:
            if self._waiting.get(execution) != nql_id:
                return None
            del self._waiting[execution]
        self._executions.resume(execution, self._clock.now())
        details = {"parameters": parameters, "reference": execution, "source": source}
        event = self._request("event", nql_id, (), **details)
        with self._lock:
            self.requests.append(event)
        return event.id

    def _remember(
        self,
        kind: str,
        nql_id: str,
        groups: Sequence[tuple[Execution, ...]],
        **details: object,
    ) -> list[AcceptedRequest]:
        moment = self._clock.now()
        requests = [
            self._request(kind, nql_id, group, created_at=moment, **details) for group in groups
        ]
        if not requests:
            return []
        with self._lock:
            targets = self._targets(requests)
            fates = dict(self._fates)
        rows = batch(self._seed, self.options, fates, _asked(requests[0]), targets)
        with self._lock:
            self._executions.add(kind, rows)
            self.requests += requests
            if kind == "workflow" and WORKFLOWS[nql_id].waits_for_event:
                self._waiting |= {each.id: nql_id for r in requests for each in r.executions}
        return requests

    def _request(
        self, kind: str, nql_id: str, executions: tuple[Execution, ...], **details: object
    ) -> AcceptedRequest:
        given = {"created_at": self._clock.now()} | details
        return AcceptedRequest(
            str(uuid.uuid4()),
            kind,
            nql_id,
            executions=executions,
            **given,  # type: ignore[arg-type] # its fields, by name
        )

    def _targets(self, requests: Sequence[AcceptedRequest]) -> list[ExecutionTarget]:
        """Return the known targets, each with how often it had this action before."""
        found = []
        for request in requests:
            for execution in request.executions:
                target = self._known(request.id, execution, request.nql_id)
                if target is not None:
                    found.append(target)
        return found

    def _known(self, request: str, execution: Execution, nql_id: str) -> ExecutionTarget | None:
        device = execution.device.lower() if execution.device is not None else None
        uid = platform = None
        if device is not None:
            uids = self._directory.find("device", "collector.uid", device)
            if not uids:
                return None
            uid = uids[0]
            platform = self._directory.value("device", uid, "operating_system.platform")
        if execution.user is not None and not self._directory.find("user", "sid", execution.user):
            return None
        key = (nql_id, f"{device}|{execution.user}")
        turn = self._turns[key]
        self._turns[key] += 1
        return ExecutionTarget(request, execution.id, device, execution.user, uid, platform, turn)


def paired(devices: Sequence[str], users: Sequence[str]) -> list[Pair]:
    """Return one (device, user) for each execution; without both there is one, for neither.

    A guess: in a workflow about both, devices and users are paired in order.
    """
    count = max(len(devices), len(users))
    if not count:
        return [(None, None)]
    return [
        (devices[i] if i < len(devices) else None, users[i] if i < len(users) else None)
        for i in range(count)
    ]


def _asked(request: AcceptedRequest) -> RequestTerms:
    return RequestTerms(
        request.kind,
        request.nql_id,
        request.created_at,
        request.expires_in_minutes or DEFAULT_EXPIRY_MINUTES,
        request.parameters,
        request.trigger_method,
        request.source,
        request.reason,
        request.reference,
    )
