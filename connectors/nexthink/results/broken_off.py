"""How one try of a download ends early: whether another one may get further, and after how long."""

from datetime import datetime
from typing import Final

import httpx

from connectors.errors import Exchange, PipelineError, ResultsExpiredError, UnavailableError
from connectors.http.exchanges import exchange_of
from connectors.http.policy import LONGEST_WAIT, SERVER_ERRORS, limit_reached, retry_after

_BUSY: Final = frozenset({408, 429})
# Answers of a signed URL that has expired or whose file is deleted; 400 is S3's ExpiredToken.
_URL_REFUSED: Final = frozenset({400, 401, 403, 404, 410})


class BrokenOffError(Exception):
    """A try ended early; `error` is raised if no other try gets further."""

    def __init__(
        self,
        error: PipelineError,
        *,
        wait: float = 0.0,
        is_url_refused: bool = False,
        is_other_file: bool = False,
        is_slow: bool = False,
    ) -> None:
        super().__init__()
        self.error = error
        self.wait = wait
        self.is_url_refused = is_url_refused
        self.is_other_file = is_other_file
        self.is_slow = is_slow


def refusal(response: httpx.Response, now: datetime) -> Exception:
    """Return the error of an answer without any part of the file."""
    status = response.status_code
    if status in _URL_REFUSED:
        expired = ResultsExpiredError(
            "the result file's URL is refused, even a new one: export again",
            exchange=evidence_of(response),
        )
        return BrokenOffError(expired, is_url_refused=True)
    wait = ((retry_after(response.headers, now) or now) - now).total_seconds()
    host = response.request.url.host
    error = limit_reached(response.request, response, now) or UnavailableError(
        f"{host} does not deliver the result file: try again later",
        exchange=evidence_of(response),
    )
    if status not in _BUSY and status not in SERVER_ERRORS:
        return error
    return error if wait > LONGEST_WAIT.total_seconds() else BrokenOffError(error, wait=wait)


def cut_short(response: httpx.Response) -> UnavailableError:
    """Return the error of an answer that ended, or that continues another file."""
    return UnavailableError(
        f"{response.request.url.host} delivered only part of the result file: try again later",
        exchange=evidence_of(response),
    )


def evidence_of(response: httpx.Response) -> Exchange:
    """Return what an error may show of an exchange with the file store."""
    return exchange_of(response.request, response)
