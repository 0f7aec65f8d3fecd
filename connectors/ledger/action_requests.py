"""What the journal of acting records about a request and its targets."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import polars as pl

from connectors.ledger.bulk import MOMENT

# The targets of a request. `target` is the canonical key, see tasks.act.targets.
TARGETS: Final[Mapping[str, Any]] = {"target": pl.String, "device": pl.String, "person": pl.String}
# What the answer, or reading back later, reports about targets.
SEEN: Final[Mapping[str, Any]] = {
    "target": pl.String,
    "request_id": pl.String,
    "execution_id": pl.String,
    "code": pl.String,
    "status": pl.String,
    "details": pl.String,
    "answers": pl.String,
    "status_at": MOMENT,
}


class RequestState(StrEnum):
    """The state of a request, see connectors.ledger.actions."""

    INTENT = "intent"
    SENDING = "sending"
    REQUESTED = "requested"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_SEEN = "not_seen"
    NOT_SENT = "not_sent"


# These may still be sent, or may have had an effect that is not known.
UNSETTLED: Final = (
    RequestState.INTENT,
    RequestState.SENDING,
    RequestState.UNKNOWN,
    RequestState.NOT_SEEN,
)


class HowKnown(StrEnum):
    """How it is known who a person is: by the operating system, or only by what was typed."""

    VERIFIED = "verified"
    CLAIMED = "claimed"


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asked for a plan or a request.

    Attributes:
        asked_by: a name; None if no person asked, as for a schedule.
        asked_how: how it is known, a value of HowKnown.
        run_by: the operating system's account of the process.
    """

    asked_by: str | None = None
    asked_how: str | None = None
    run_by: str | None = None


NOBODY: Final = Requester()


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """One request; `targets` is their number. A raw command's has no `plan_id` and no `action`."""

    intent_id: str
    kind: str
    action_id: str
    targets: int
    plan_id: str | None = None
    action: str | None = None
    ordinal: int = 0
    state: str = RequestState.INTENT.value
    request_id: str | None = None
    code: str | None = None
    created_at: datetime | None = None
    sent_at: datetime | None = None
    settled_at: datetime | None = None
    why: str | None = None
    asked_by: str | None = None
    asked_how: str | None = None
    run_by: str | None = None


@dataclass(frozen=True, slots=True)
class TargetBatch:
    """The targets of one future request: a frame of `TARGETS`, each target once."""

    intent_id: str
    targets: pl.DataFrame
