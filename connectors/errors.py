"""Every error a user can meet, grouped by what the caller should do about it.

PipelineError                   exit 1
├── UsageError                  exit 2   correct the call
│   └── SqlError                         correct the statement
├── ConfigurationError          exit 3   fix the settings, the catalogue or the machine
│   ├── UnknownQueryError                paste the saved query into Nexthink
│   └── StorageError                     free space, or allow writing
├── AccessError                 exit 4   fix the credential or its permissions
│   ├── CredentialRefusedError           correct the credential: no other request will do better
│   └── NotAllowedError                  ask a person whom the action's YAML allows to run it
├── UnavailableError            exit 5   try again later; finished work is kept
│   ├── UnreachableError                 check the network: nothing answers at this address
│   ├── LimitReachedError                try again after `not_before`
│   ├── UnknownExportError               export again: the tenant does not know the export
│   ├── ResultsExpiredError              export again: the tenant returns no working result URL
│   ├── NotSentError                     an action has not left this machine: send it again
│   └── UnknownOutcomeError              an action may have been done: never resend, read back
├── DataRefusedError            exit 6   look at the data: nothing was published
│   ├── IncompleteResultError            a result was cut short in transfer
│   ├── ResultTruncatedError             the tenant cut a result at a row limit
│   ├── ExportFailedError                the tenant reports that the query failed
│   └── ActionRefusedError               the tenant refused an action: nothing was done
├── PartlyDoneError             exit 7   look at what was left out
│   └── NothingDoneError                 everybody that a person named was left out
├── HeldError                   exit 8   another run holds it
└── StaleError                  exit 8   plan again: what the plan was made from has changed
    └── NotApprovedError                 a person rejected the plan, or nobody has answered

An error from HTTP carries its `Exchange` as evidence: never a body, a token or a query string,
since these may contain people's data or grant access. Of a refusal's body it has the code and the
message, without what may be a value (`connectors/nexthink/refusal.py`).

A request that acts on devices and people ends in one of four ways: an answer; nothing was done, and
the request or what it needs has to be fixed (ActionRefusedError, AccessError); nothing was done,
and it may be sent again unchanged (LimitReachedError, NotSentError); nobody knows
(UnknownOutcomeError, or the process ended during the request).
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Exchange:
    """The parts of an HTTP exchange that may be shown.

    `status` is None without an answer; `said` is what the tenant says of a refusal, without values.
    """

    method: str
    path: str
    status: int | None = None
    request_id: str | None = None
    said: str | None = None

    def __str__(self) -> str:
        answer = "no answer" if self.status is None else f"HTTP {self.status}"
        request_id = f", request id {self.request_id}" if self.request_id else ""
        said = f"; the tenant says: {self.said}" if self.said else ""
        return f"{self.method} {self.path}: {answer}{request_id}{said}"


class PipelineError(Exception):
    """Base of all errors: `message` says in one line what happened and what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, exchange: Exchange | None = None) -> None:
        self.message = message
        self.exchange = exchange
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} ({self.exchange})" if self.exchange else self.message

    def retold(self, message: str) -> Self:
        """Return an error of the same class with a new message, which includes the exchange."""
        reworded = copy(self)
        reworded.message, reworded.exchange = message, None
        return reworded


class UsageError(PipelineError):
    """The call is wrong: unknown dataset, reversed dates, a bound that is not on a step."""

    exit_code = 2


class SqlError(UsageError):
    """A statement is wrong; `excerpt` shows where: its line, and a caret below."""

    def __init__(self, message: str, *, excerpt: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.excerpt = excerpt


class ConfigurationError(PipelineError):
    """Settings, catalogue or machine need fixing; `problems` lists everything found."""

    exit_code = 3

    def __init__(
        self,
        message: str,
        *,
        problems: tuple[str, ...] = (),
        exchange: Exchange | None = None,
    ) -> None:
        self.problems = problems
        listed = message if not problems else f"{message}: {'; '.join(problems)}"
        super().__init__(listed, exchange=exchange)


class UnknownQueryError(ConfigurationError):
    """The tenant has no saved query of this id, or refuses the request for it."""


class StorageError(ConfigurationError):
    """The state folder or the lake cannot be written: permissions, or a full disk."""


class AccessError(PipelineError):
    """The tenant refuses the credential, or the credential lacks the API's permission."""

    exit_code = 4


class CredentialRefusedError(AccessError):
    """The tenant issues no token for the credential."""


class NotAllowedError(AccessError):
    """An action's YAML says who may run it, and this person is not among them."""


class UnavailableError(PipelineError):
    """The tenant cannot be reached or does not answer in time; work already done is kept."""

    exit_code = 5


class UnreachableError(UnavailableError):
    """No connection to the tenant or to its files, also when it was tried again."""


class LimitReachedError(UnavailableError):
    """A rate or daily limit; `not_before` (UTC) is when the tenant allows the next try."""

    def __init__(
        self,
        message: str,
        *,
        not_before: datetime | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.not_before = not_before
        super().__init__(message, exchange=exchange)


class UnknownExportError(UnavailableError):
    """The tenant does not know the export id, or no longer does."""


class ResultsExpiredError(UnavailableError):
    """The result file cannot be fetched, even with a URL that the tenant has just returned."""


class NotSentError(UnavailableError):
    """A request that acts never left this machine, or was rejected unread: nothing was done."""


class UnknownOutcomeError(UnavailableError):
    """A request that acts may have been done: its answer was lost or is inconclusive."""


class DataRefusedError(PipelineError):
    """The data broke a rule; none of it was published."""

    exit_code = 6


class IncompleteResultError(DataRefusedError):
    """A result file ended early: short body, unfinished frame, or a cut last record."""


class ResultTruncatedError(DataRefusedError):
    """The tenant cut the result at a row limit (HTTP 206, or execute's silent limit)."""


class ExportFailedError(DataRefusedError):
    """The tenant ended the export with status ERROR."""


class ActionRefusedError(DataRefusedError):
    """The tenant refuses a request that acts: nothing was done; `code` is its reason, if any."""

    def __init__(
        self, message: str, *, code: str | None = None, exchange: Exchange | None = None
    ) -> None:
        self.code = code
        super().__init__(message, exchange=exchange)


class PartlyDoneError(PipelineError):
    """Some of the work was done and saved, some was left out; `report`, if any, says what.

    The error carries the report because a failed flow returns nothing.
    """

    exit_code = 7

    def __init__(
        self,
        message: str,
        *,
        report: Mapping[str, Any] | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.report = report
        super().__init__(message, exchange=exchange)


class NothingDoneError(PartlyDoneError):
    """A person named the targets of an action, and all of them were left out for a reason."""


class HeldError(PipelineError):
    """Another run holds what this one needs."""

    exit_code = 8


class StaleError(PipelineError):
    """A plan that no longer fits what it was made from, or that nobody has approved."""

    exit_code = 8


class NotApprovedError(StaleError):
    """A plan that a person rejected, or that nobody has answered."""
