"""Calling a flow so that the command ends as documented even if Prefect's server goes away.

The work does not need the server: the ledger has what was done. Prefect's engine does, to record
the state of the flow run: without it, it raises an error of its own in place of the story's result,
its error, or the signal that stopped it.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

from connectors.errors import PipelineError, UnavailableError
from nxp.output import say
from tasks.runs.recorded import FlowEnd, ends_noted

R = TypeVar("R")

ANSWERS_SECONDS = 2.0
TERMINATED = 143
# Processes whose server went away, and which must not wait for it when they end.
_AWAY: list[str] = []


def call_flow(flow: Callable[[], R]) -> R:
    """Call a flow, and return or raise what its story did, even if that could not be recorded.

    Raises:
        PipelineError: the story's error.
        UnavailableError: the server stopped answering before the story had ended.
        SystemExit, KeyboardInterrupt: the signal that stopped it.
    """
    # Prefect's threads would write to stderr that they do not reach the server.
    logging.raiseExceptions = False
    with ends_noted() as end:
        try:
            return flow()
        except Exception as error:
            if isinstance(error, PipelineError) or not _is_of_prefect(error):
                raise
            return _ended(end, error)
        finally:
            _notice()


def leave_if_away(code: int) -> None:
    """End this process at once if the server has gone: Prefect's threads would wait for minutes."""
    if not _AWAY:
        return
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _ended(end: "FlowEnd", error: Exception) -> R:  # type: ignore[type-var] # what the story would have returned
    """Return or raise how the story ended, which Prefect could not record."""
    causes = list(_chain(error))
    for cause in causes:
        _raise_signal(cause)
    stopped = next((cause for cause in causes if isinstance(cause, PipelineError)), end.error)
    if stopped is None and not end.is_over:
        raise UnavailableError(
            f"the Prefect server stopped answering ({_url()}) before the run had ended: nxp runs "
            "shows what was done; start the server again (nxp server start) and repeat the command"
        ) from None
    say(
        f"the Prefect server stopped answering ({_url()}): it shows this run as running; nxp runs "
        "has how it ended"
    )
    if stopped is not None:
        raise stopped from None
    result: R = end.result
    return result


def _raise_signal(cause: BaseException) -> None:
    from prefect.exceptions import TerminationSignal  # noqa: PLC0415 - imported by the flow

    if isinstance(cause, KeyboardInterrupt):
        raise KeyboardInterrupt from None
    if isinstance(cause, SystemExit | TerminationSignal):
        _terminate()


def _terminate() -> NoReturn:
    raise SystemExit(TERMINATED) from None


def _is_of_prefect(error: Exception) -> bool:
    """Return whether Prefect could not reach its server, or got no answer that it understands."""
    import httpx  # noqa: PLC0415 - imported by the flow
    from prefect.exceptions import PrefectException  # noqa: PLC0415

    # What it raises if the server is away when a flow starts.
    is_start = isinstance(error, RuntimeError) and "Failed to reach API" in str(error)
    return is_start or isinstance(error, httpx.HTTPError | PrefectException)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield what an error was raised from, or during."""
    following = error.__cause__ or error.__context__
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


def _notice() -> None:
    """Note whether the server has gone."""
    import httpx  # noqa: PLC0415 - imported by the flow

    from connectors.http.certificates import trusted  # noqa: PLC0415 - only for a server

    try:
        httpx.get(f"{_url()}/health", timeout=ANSWERS_SECONDS, verify=trusted())
    except (httpx.ConnectError, httpx.RemoteProtocolError, httpx.ReadError):
        _AWAY.append(_url())
    except httpx.HTTPError:
        # Slow, not gone.
        return


def _url() -> str:
    return os.environ.get("PREFECT_API_URL", "")
