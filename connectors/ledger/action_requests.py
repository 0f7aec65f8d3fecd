"""What the journal of acting holds of a request, and whom it is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import polars as pl

from connectors.ledger.bulk import MOMENT

# Who a request is for. `target` is the canonical key, see tasks.act.targets.
TARGETS: Final[Mapping[str, Any]] = {"target": pl.String, "device": pl.String, "person": pl.String}
# What reading back, or the answer itself, says of targets.
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
    """How far a request is, see the module."""

    INTENT = "intent"
    SENDING = "sending"
    REQUESTED = "requested"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_SEEN = "not_seen"
    NOT_SENT = "not_sent"


# Something may still come of them, or has and is not known.
UNSETTLED: Final = (
    RequestState.INTENT,
    RequestState.SENDING,
    RequestState.UNKNOWN,
    RequestState.NOT_SEEN,
)


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """One request: `targets` is their number; `plan_id` and `action` are None for a raw one."""

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


@dataclass(frozen=True, slots=True)
class Batch:
    """The targets of one request to be: a frame of `TARGETS`, each target once."""

    intent_id: str
    targets: pl.DataFrame
