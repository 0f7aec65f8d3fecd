"""How a command runs a story: in its own process, or as a flow if there is a Prefect server.

Ledger, reports, leases, exit codes and output are the same either way. Only the flow imports
Prefect, which takes seconds. Call `prepare` before that: Prefect reads its settings on import.
"""

import json
import logging
import os
import shutil
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from connectors.errors import ConfigurationError, StorageError, UnavailableError
from connectors.extras import install, is_installed, require
from connectors.logs import OURS, is_unreported
from connectors.settings.installation import Settings, prepare_home
from nxp import server_access
from nxp.output import is_json_asked, say, say_last

R = TypeVar("R")

SERVER_RECORD = "server.json"
SERVER_ANSWERS_SECONDS = 10
MB = 1_000_000
# A fresh database takes 5 MB with its log, and runs have their spool in the same place.
SPACE_OF_A_SERVER = 16 * MB
# A file in NXP_HOME that means: the hint about Prefect has been shown.
HINT_SHOWN = "prefect-hint-shown"
HINT = "ran without Prefect; after nxp server start, runs also show in its pages"
# Where Prefect is not installed.
HINT_TO_INSTALL = f"{HINT}; first: {install('server')}"


def run_here(
    settings: Settings, prefect: bool | None, story: Callable[[], R], flow: Callable[[], R]
) -> R:
    """Run a story in this process, or its flow if there is a Prefect server.

    Args:
        settings: of the installation.
        prefect: --prefect or --no-prefect; None leaves it to NXP_PREFECT, otherwise to whether a
            server is known.
        story: imports and calls the story.
        flow: imports and calls the flow.

    Raises:
        UnavailableError: the server does not answer; the story is then not run either.
    """
    if uses_prefect(settings, prefect):
        with prefect_ready(settings):
            from nxp.flow_call import call_flow  # noqa: PLC0415 - only before a flow

            return call_flow(flow)
    keep_logs_off()
    result = story()
    _hint(settings)
    return result


def keep_logs_off() -> None:
    """Keep a story's log lines off stderr, but for warnings that no report has.

    The command prints an error itself, as one line.
    """
    for logger in map(logging.getLogger, OURS):
        if not any(isinstance(handler, _Unreported) for handler in logger.handlers):
            logger.addHandler(_Unreported())


class _Unreported(logging.Handler):
    """Prints warnings that no report has; where the log is JSON, the log has them."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a warning as one line on stderr."""
        if is_unreported(record) and not is_json_asked():
            say(f"warning: {record.getMessage()}")


def run_reported(
    settings: Settings,
    prefect: bool | None,
    *,
    stages: int,
    story: Callable[[], object],
    flow: Callable[[], object],
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Run a story with its progress, and show its reports even if it ends in an error.

    Args:
        settings: of the installation.
        prefect: as for `run_here`.
        stages: how many the run has at most.
        story: imports and calls the story.
        flow: imports and calls the flow.
        show: prints a report.
    """
    from nxp.progress import shown  # noqa: PLC0415 - not for --help
    from tasks.runs.progress import hearing  # noqa: PLC0415

    reports: list[dict[str, Any]] = []
    try:
        with shown(stages), hearing(reports.append):
            run_here(settings, prefect, story, flow)
    finally:
        for report in reports:
            show(report)


def uses_prefect(settings: Settings, prefect: bool | None) -> bool:
    """Return whether a command runs as a flow.

    Raises:
        UnavailableError: it should, but no server is known.
        ConfigurationError: it should, but Prefect is not installed.
    """
    wanted = settings.prefect if prefect is None else prefect
    if wanted is False:
        return False
    is_known = knows_server() or running_server(settings) is not None
    if (wanted or is_known) and not is_installed("prefect"):
        # Not a plain run instead: it would be missing from the server without anybody noticing.
        raise ConfigurationError(
            "this command is to run on a Prefect server, but Prefect is not installed: "
            f"{install('server')}, or add --no-prefect"
        )
    if wanted and not is_known:
        raise _no_server()
    return is_known


def require_prefect(settings: Settings, prefect: bool | None, what: str) -> None:
    """Raise unless the command runs as a flow, which `what` needs.

    Raises:
        UnavailableError: it does not.
        ConfigurationError: Prefect is not installed.
    """
    require("prefect", what)
    if not uses_prefect(settings, prefect):
        raise UnavailableError(
            f"{what} needs Prefect: start a server (nxp server start), or set PREFECT_API_URL"
        )


@contextmanager
def prefect_ready(settings: Settings) -> Iterator[None]:
    """Make flows runnable on the server of PREFECT_API_URL, or the one that runs here.

    Raises:
        UnavailableError: it does not answer.
    """
    prepare(settings)
    check_answers()
    yield


def check_space(home: Path, least: int = SPACE_OF_A_SERVER, what: str = "a Prefect server") -> None:
    """Raise unless there is room for a server, which would otherwise fail without a reason.

    Raises:
        StorageError: the disk is full, or nearly.
    """
    disk = shutil.disk_usage(home)
    # Some file systems do not report their size.
    if disk.total and disk.free < least:
        raise StorageError(
            f"NXP_HOME: the disk of {home} has {disk.free // MB} MB left, {what} needs "
            f"at least {least // MB} MB: free some space, or choose another folder"
        )


def knows_server() -> bool:
    """Return whether PREFECT_API_URL names a server; `prepare` sets it for one that runs here."""
    return bool(os.environ.get("PREFECT_API_URL"))


def check_answers() -> None:
    """Raise unless the server answers; called before anything is begun.

    Raises:
        UnavailableError: nothing answers there, or no server is known.
    """
    import httpx  # noqa: PLC0415 - 0.1 s, only before a flow

    from connectors.http.certificates import trusted  # noqa: PLC0415 - only for a server

    url = os.environ.get("PREFECT_API_URL")
    if not url:
        raise _no_server()
    try:
        httpx.get(f"{url}/health", timeout=SERVER_ANSWERS_SECONDS, verify=trusted())
    except (httpx.HTTPError, httpx.InvalidURL):
        raise UnavailableError(
            f"no Prefect server answers at PREFECT_API_URL ({url}): start it (nxp server start), "
            "or unset PREFECT_API_URL"
        ) from None


def prepare(settings: Settings, environ: MutableMapping[str, str] | None = None) -> None:
    """Set the variables that Prefect reads when it is imported, unless the user has set them."""
    if "prefect" in sys.modules:
        raise AssertionError("prefect was imported before its settings were set")
    environ = os.environ if environ is None else environ
    home = prepare_home(settings)
    defaults = {
        "PREFECT_HOME": str(home / "prefect"),
        # Both are needed to keep the server from sending telemetry.
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # Without a server runs are plain; a temporary server takes 14 s to start.
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "connectors,tasks",
        # The command prints an error itself, once, as one line; the run's log has the rest.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        # What its threads say of a server that has gone is not the user's concern.
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
    }
    for name, value in defaults.items():
        environ.setdefault(name, value)
    record = read_server(settings)
    server_access.use(record, environ)
    if record and environ.get("PREFECT_API_URL") == record["api_url"]:
        # This many tries take a quarter of a minute. A server of this machine that does not answer
        # by then has ended; one elsewhere may be restarting, and is asked for a minute.
        environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "3")


def running_server(settings: Settings) -> str | None:
    """Return the API URL of the server that `nxp server start` started, if it is running."""
    record = read_server(settings)
    return record["api_url"] if record else None


def read_server(settings: Settings) -> dict[str, str] | None:
    """Return the record of the server started here; None if there is none or it has ended."""
    try:
        record: dict[str, str] = json.loads((settings.home / SERVER_RECORD).read_text("utf-8"))
        pid, started = int(record["pid"]), float(record["started"])
    except (OSError, ValueError, KeyError):
        return None
    from nxp.processes import find  # noqa: PLC0415 - psutil, only if a server was started

    return record if find(pid, started) else None


def _no_server() -> UnavailableError:
    return UnavailableError(
        "no Prefect server is known: start one (nxp server start), or set PREFECT_API_URL"
    )


def _hint(settings: Settings) -> None:
    """Print once, as the command's last line, how to see runs in Prefect."""
    shown = settings.home / HINT_SHOWN
    if is_json_asked() or settings.prefect is False or shown.exists():
        return
    # Not every run has needed the folder.
    prepare_home(settings)
    shown.touch()
    say_last(HINT if is_installed("prefect") else HINT_TO_INSTALL)
