"""Requests that a person or a flow sends directly, without a plan; they are journalled too.

Intent first, effect second, as with plans: while it is unknown whether a request was done, its
targets are not sent the same action again. There is no cool-down here, and no approval.
"""

import logging
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeVar, assert_never

import polars as pl

from connectors.clock import utc_now
from connectors.errors import DataRefusedError, PartlyDoneError, PipelineError, UsageError
from connectors.ledger import Ledger
from connectors.ledger.action_requests import ActionRequest, RequestState, TargetBatch
from connectors.nexthink.acting.answers import (
    Accepted,
    CampaignAnswer,
    DeletionAnswer,
    RemoteActionAnswer,
    WorkflowAnswer,
)
from connectors.nexthink.acting.devices import DeviceDeletionRequest
from connectors.nexthink.acting.intents import new_intent
from connectors.nexthink.acting.limits import UUID
from connectors.nexthink.acting.requests import WorkflowIdsRequest, WorkflowRequest
from connectors.nexthink.client import NexthinkClient
from connectors.settings.installation import load_settings
from connectors.settings.tenants import load_tenant
from tasks.act.deletion.answers import REFUSALS, SCHEDULED, statuses_of
from tasks.act.interrupted import sent_before
from tasks.act.lookup import settle_left
from tasks.act.person import person_here
from tasks.act.raw_requests import Answer, Request, key_of, sender_of, with_intent
from tasks.act.raw_targets import targets_of, without
from tasks.act.run import take_action
from tasks.act.send import send_once
from tasks.runs.counted import counted_client

logger = logging.getLogger(__name__)

T = TypeVar("T")

_NOT_SENT: Final = "the command ended before it was sent"


@dataclass(frozen=True, slots=True)
class Sent:
    """One request and how it ended, with the answer if the tenant accepted it."""

    record: ActionRequest
    request: Request
    answer: Answer | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the tenant accepted it."""
        return self.record.state == RequestState.REQUESTED.value

    @property
    def users(self) -> list[CampaignAnswer]:
        """The tenant's answer for each user of a campaign; empty for other requests."""
        answers = self.answer if isinstance(self.answer, tuple) else ()
        return [each for each in answers if isinstance(each, CampaignAnswer)]

    @property
    def refused(self) -> int:
        """How many users of a campaign, or devices of a deletion, the answer leaves out."""
        if isinstance(self.request, DeviceDeletionRequest):
            return sum(status in REFUSALS for status in self._statuses.values())
        return sum(each.request_id is None for each in self.users)

    @property
    def reached(self) -> int | None:
        """How many targets the answer confirms; None where the API does not say.

        A campaign's answer names users, a deletion's devices, a workflow's has one execution for
        each target that was found, a remote action's has neither.
        """
        match self.answer:
            case WorkflowAnswer():
                return len(self.answer.execution_ids) or None
            case tuple():
                return len(self.users) - self.refused if self.users else 1
            case DeletionAnswer():
                return sum(status == SCHEDULED for status in self._statuses.values())
            case Accepted():
                return self.record.targets
            case RemoteActionAnswer():
                return None
            case None:
                return 0
            case _:
                assert_never(self.answer)

    @property
    def _statuses(self) -> dict[str, str]:
        """What the answer says of the devices to be deleted."""
        if isinstance(self.request, DeviceDeletionRequest) and isinstance(
            self.answer, DeletionAnswer
        ):
            return statuses_of(self.request, self.answer)
        return {}

    @property
    def unconfirmed(self) -> int:
        """How many targets of an accepted request the answer says nothing about.

        How devices and users of one workflow are paired is not known: those count as confirmed.
        """
        of_both = isinstance(self.request, WorkflowRequest | WorkflowIdsRequest) and bool(
            self.request.devices and self.request.users
        )
        if self.answer is None or self.reached is None or of_both:
            return 0
        return max(self.record.targets - self.refused - self.reached, 0)


@dataclass(frozen=True, slots=True)
class RawReport:
    """The outcome of requests of one action; `error` is what ended them early.

    `already_sent` counts targets that were left out because an interrupted command had them.
    """

    kind: str
    action_id: str
    sent: tuple[Sent, ...]
    error: PipelineError | None = None
    already_sent: int = 0

    def raise_unless_complete(self) -> None:
        """Raise unless the tenant accepted all requests and all targets.

        Raises:
            PartlyDoneError: only some requests, or some targets of one, were accepted.
            DataRefusedError: the tenant accepted none of the users.
            PipelineError: nothing was accepted; the client's own error.
        """
        taken = [each for each in self.sent if each.is_taken]
        if self.error and not taken:
            raise self.error
        targets = sum(each.record.targets for each in self.sent)
        unconfirmed = sum(each.unconfirmed for each in taken)
        reached = sum(each.record.targets - each.refused for each in taken) - unconfirmed
        if self.error:
            raise PartlyDoneError(
                f"{self.action_id}: {len(taken)} of {len(self.sent)} requests were taken, for "
                f"{reached:,} of {targets:,} targets; then: {self.error}"
            )
        if not reached and not unconfirmed:
            raise DataRefusedError(
                f"{self.action_id}: nobody was reached, the tenant refuses all {targets:,} targets"
            )
        if reached < targets:
            more = f", {unconfirmed:,} not in the answer" if unconfirmed else ""
            raise PartlyDoneError(
                f"{self.action_id}: {reached:,} of {targets:,} targets were taken, "
                f"{targets - reached - unconfirmed:,} refused{more}"
            )


@contextmanager
def opened(tenant: str | None) -> Iterator[tuple[NexthinkClient, Ledger]]:
    """Open client and ledger of a tenant, by the settings."""
    settings = load_settings()
    with counted_client(settings, load_tenant(settings, tenant)) as opened:
        yield opened


def send_raw(client: NexthinkClient, ledger: Ledger, requests: Sequence[Request]) -> RawReport:
    """Send requests of one action, one after the other, until one is not accepted.

    Targets that the same command had sent before it was interrupted are left out: see
    `interrupted.sent_before`.

    Args:
        client: of the tenant.
        ledger: of the tenant; holds the journal.
        requests: of one kind and id.

    Raises:
        HeldError: another run is sending the action, or it is unknown for some targets whether it
            was done; nothing was sent.
        UsageError: the requests belong to several actions, or a reason is too long.
    """
    requests = _by_nql_id(client, requests)
    keys = {key_of(request) for request in requests}
    if len(keys) != 1:
        raise UsageError("send requests of one action at a time: one kind, one id")
    (key,) = keys
    wanted = pl.concat([targets_of(request)["target"] for request in requests])
    with take_action(ledger, key, str(uuid.uuid4())) as lease:
        settle_left(ledger, key)
        already = sent_before(ledger, key, wanted, utc_now())
        rest = [each for request in requests if (each := without(request, already))]
        intents = [(new_intent(ledger.identity.own), request) for request in rest]
        named = [(intent_id, with_intent(request, intent_id)) for intent_id, request in intents]
        batches = [TargetBatch(intent_id, targets_of(request)) for intent_id, request in named]
        ledger.actions.begin_raw(*key, batches, person_here().asker)
        answers: dict[str, Answer] = {}
        error: PipelineError | None = None
        try:
            for intent_id, request in named:
                lease.check()
                send_once(ledger, intent_id, sender_of(client, request, intent_id, answers))
        except PipelineError as fault:
            error = _with_intent_id(fault, ledger, intent_id)
        except BaseException:
            left = ledger.actions.get(intent_id)
            if left and left.state == RequestState.UNKNOWN.value:
                logger.warning("request %s may have been done: nxp act status", intent_id)
            raise
        finally:
            for intent_id, _ in named:
                ledger.actions.give_up(intent_id, _NOT_SENT)
    sent = tuple(
        Sent(record, request, answers.get(intent_id))
        for intent_id, request in named
        if (record := ledger.actions.get(intent_id))
    )
    return RawReport(*key, sent, error, len(already))


def split(targets: Sequence[T], most: int) -> list[Sequence[T]]:
    """Divide targets into parts that each fit into one request."""
    return [targets[at : at + most] for at in range(0, len(targets), most)] or [targets]


def _by_nql_id(client: NexthinkClient, requests: Sequence[Request]) -> list[Request]:
    """Return requests with workflows under their NQL ids, by which the journal knows them."""
    ids: dict[str, str] = {}
    found: list[Request] = []
    for request in requests:
        if isinstance(request, WorkflowRequest | WorkflowIdsRequest):
            given = request.workflow_id
            if UUID.fullmatch(given) and given not in ids:
                ids[given] = client.workflows.details(given).nql_id
            found.append(replace(request, workflow_id=ids.get(given, given)))
        else:
            found.append(request)
    return found


def _with_intent_id(error: PipelineError, ledger: Ledger, intent_id: str) -> PipelineError:
    found = ledger.actions.get(intent_id)
    if found is None or found.state != RequestState.UNKNOWN.value:
        return error
    return error.retold(f"{error}; the journal has it as {intent_id}: nxp act resolve")
