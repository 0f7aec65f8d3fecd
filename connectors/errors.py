"""Every error a user can meet, grouped by what the caller should do about it.

PipelineError                   exit 1
├── UsageError                  exit 2   call again, corrected
├── ConfigurationError          exit 3   mend the settings, the catalogue or the machine
│   ├── UnknownQueryError                paste the saved query into Nexthink
│   └── StorageError                     free space, or give write access
├── AccessError                 exit 4   mend the credential or its permissions
├── UnavailableError            exit 5   try again later, the work is kept
│   ├── LimitReachedError                try again after `not_before`
│   ├── UnknownExportError               export again: the tenant does not know the export
│   ├── ResultsExpiredError              export again: the tenant gives no working result URL
│   ├── NotSentError                     an action has not left this machine: send it again
│   └── UnknownOutcomeError              an action may have been done: never again, read back
├── DataRefusedError            exit 6   look at the data: nothing was published
│   ├── IncompleteResultError            a result that was cut short in transfer
│   ├── ResultTruncatedError             a result that the tenant cut at a row limit
│   ├── ExportFailedError                the tenant says that the query failed
│   └── ActionRefusedError               the tenant says no to an action: nothing was done
├── PartlyDoneError             exit 7   look at what was left out
├── HeldError                   exit 8   somebody else holds it
└── StaleError                  exit 8   look again: what it was made from has moved on
    └── NotApprovedError                 a person said no, or nobody has answered

An error from HTTP carries its `Exchange` as evidence: never a body, a token or a query string,
since these may hold people's data or give access.

A request that acts on devices and people ends in one of five ways: an answer; nothing was done, and
the request or what it needs has to be mended (ActionRefusedError, AccessError); nothing was done,
and it may be sent again as it is (LimitReachedError, NotSentError); nobody knows
(UnknownOutcomeError, and whatever ends the process meanwhile).
"""

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self


@dataclass(frozen=True, slots=True)
class Exchange:
    """What may be told of one HTTP exchange: `path` is redacted, `status` None without answer."""

    method: str
    path: str
    status: int | None = None
    request_id: str | None = None

    def __str__(self) -> str:
        answer = "no answer" if self.status is None else f"HTTP {self.status}"
        request_id = f", request id {self.request_id}" if self.request_id else ""
        return f"{self.method} {self.path}: {answer}{request_id}"


class PipelineError(Exception):
    """Base of all errors: `message` is one line that says what happened and what to do next."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, exchange: Exchange | None = None) -> None:
        self.message = message
        self.exchange = exchange
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} ({self.exchange})" if self.exchange else self.message

    def retold(self, message: str) -> Self:
        """Give an error of the same kind in other words, which tell of the exchange themselves."""
        told = copy(self)
        told.message, told.exchange = message, None
        return told


class UsageError(PipelineError):
    """The call's words are off: unknown dataset, reversed dates, a bound off the step."""

    exit_code = 2


class ConfigurationError(PipelineError):
    """Settings, catalogue or machine need mending; `problems` lists all that was found."""

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


class UnavailableError(PipelineError):
    """The tenant cannot be reached or does not answer in time; what was begun is kept."""

    exit_code = 5


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
    """The result file stays out of reach, even by a URL the tenant has just given."""


class NotSentError(UnavailableError):
    """A request that acts has not left this machine, or was turned away unread: not done."""


class UnknownOutcomeError(UnavailableError):
    """A request that acts may have been done: its answer was lost, or says neither yes nor no."""


class DataRefusedError(PipelineError):
    """The data broke a rule; nothing of it was published."""

    exit_code = 6


class IncompleteResultError(DataRefusedError):
    """A result file ended early: short body, unfinished frame, or a cut last record."""


class ResultTruncatedError(DataRefusedError):
    """The tenant cut the result at a row limit (HTTP 206, or execute's silent limit)."""


class ExportFailedError(DataRefusedError):
    """The tenant ended the export with status ERROR."""


class ActionRefusedError(DataRefusedError):
    """The tenant refuses a request that acts: nothing was done; `code` is its reason, if told."""

    def __init__(
        self, message: str, *, code: str | None = None, exchange: Exchange | None = None
    ) -> None:
        self.code = code
        super().__init__(message, exchange=exchange)


class PartlyDoneError(PipelineError):
    """Some of the work was done and saved, some was left out; `report` says what, if there is one.

    It goes with the error since a flow that fails returns nothing.
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


class HeldError(PipelineError):
    """Held by another run."""

    exit_code = 8


class StaleError(PipelineError):
    """A plan that was made from what is no longer so, or that nobody has approved."""

    exit_code = 8


class NotApprovedError(StaleError):
    """A plan to which a person said no, or to which nobody has said anything."""
