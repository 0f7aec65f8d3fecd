"""Preparing Prefect for a command: its home, its server, silence on the terminal.

Call `prepare` before anything imports prefect: it reads its settings on import.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from connectors.errors import StorageError, UnavailableError
from connectors.settings.installation import Settings, prepare_home
from nxp.processes import find

SERVER_RECORD = "server.json"
SERVER_ANSWERS_SECONDS = 10
MB = 1_000_000
# Its fresh database takes 5 MB with the log, and the run's spool is beside it.
SPACE_OF_A_SERVER = 16 * MB
# What Prefect's error says, which has no type of its own.
NOT_STARTED = "ephemeral Prefect API server"


@contextmanager
def prefect_ready(settings: Settings) -> Iterator[None]:
    """Make flows runnable here: on PREFECT_API_URL, the kept server, or a temporary one.

    Two temporary servers on one home trip over each other's database, so the second command at
    the same time gets a home of its own, which is removed afterwards.
    """
    prepare(settings)
    if url := os.environ.get("PREFECT_API_URL"):
        check_answers(url)
        yield
        return
    home = Path(os.environ["PREFECT_HOME"])
    check_space(settings.home)
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = FileLock(home / "temporary-server.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        own = tempfile.mkdtemp(prefix="prefect-", dir=settings.home)
        os.environ["PREFECT_HOME"] = own
        try:
            with server_started():
                yield
        finally:
            shutil.rmtree(own, ignore_errors=True)
        return
    # Outside the `try` above: a time-out of another lock, within the flow, is not about this one.
    try:
        _stop_orphans(home)
        with server_started():
            yield
    finally:
        lock.release()


def run_shown(
    settings: Settings,
    stages: int,
    start: Callable[[], None],
    show: Callable[[dict[str, Any]], None],
) -> None:
    """Run a flow with its progress, and show its reports, also where it ends in an error.

    Args:
        settings: of the installation.
        stages: how many the run has at the most.
        start: calls the flow; it imports it first.
        show: prints a report.
    """
    from nxp.progress import shown  # noqa: PLC0415 - not for --help
    from tasks.runs.reported import hearing  # noqa: PLC0415

    reports: list[dict[str, Any]] = []
    try:
        with prefect_ready(settings), shown(stages), hearing(reports.append):
            start()
    finally:
        for report in reports:
            show(report)


def check_space(home: Path, least: int = SPACE_OF_A_SERVER, what: str = "a run") -> None:
    """Make sure that a server has room: without, Prefect waits two minutes for a temporary one.

    Raises:
        StorageError: the disk is full, or nearly.
    """
    disk = shutil.disk_usage(home)
    # Some file systems say nothing of their size.
    if disk.total and disk.free < least:
        raise StorageError(
            f"NXP_HOME: the disk of {home} has {disk.free // MB} MB left, {what} needs "
            f"{least // MB} MB at least: free some space, or choose another folder"
        )


@contextmanager
def server_started() -> Iterator[None]:
    """Tell a temporary server that did not start from a bug.

    Raises:
        UnavailableError: it did not answer in time; nothing was begun.
    """
    try:
        yield
    except RuntimeError as error:
        if NOT_STARTED not in str(error):
            raise
        raise UnavailableError(
            "the temporary Prefect server did not start in time, nothing was begun: run again "
            "when the machine is less busy, or keep one (nxp server start)"
        ) from None


def knows_server() -> bool:
    """Tell whether there is a server to ask, after `prepare`."""
    return bool(os.environ.get("PREFECT_API_URL"))


def check_answers(url: str | None = None) -> None:
    """Tell a server that is gone from a bug, before anything is begun.

    Raises:
        UnavailableError: nothing answers there, or no server is known.
    """
    import httpx  # noqa: PLC0415 - 0.1 s, only before a flow

    url = url or os.environ.get("PREFECT_API_URL")
    if url is None:
        raise UnavailableError(
            "no Prefect server is known: keep one (nxp server start), or set PREFECT_API_URL"
        )
    try:
        httpx.get(f"{url}/health", timeout=SERVER_ANSWERS_SECONDS)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise UnavailableError(
            f"no Prefect server answers at PREFECT_API_URL ({url}): start it (nxp server start), "
            "or unset PREFECT_API_URL"
        ) from None


def _stop_orphans(home: Path) -> None:
    """Stop temporary servers on this home whose command was killed; we hold the home's lock."""
    for process in psutil.process_iter():
        try:
            if _is_orphan(process, home):
                process.terminate()
                process.wait(SERVER_ANSWERS_SECONDS)
        except psutil.Error:
            continue


def _is_orphan(process: psutil.Process, home: Path) -> bool:
    is_server = any(word.startswith("prefect.server") for word in process.cmdline())
    return is_server and process.ppid() == 1 and process.environ().get("PREFECT_HOME") == str(home)


def prepare(settings: Settings, environ: MutableMapping[str, str] | None = None) -> None:
    """Set the variables that Prefect reads on import, where the user has not set them."""
    if "prefect" in sys.modules:
        raise AssertionError("prefect was imported before its settings were made")
    environ = os.environ if environ is None else environ
    home = prepare_home(settings)
    defaults = {
        "PREFECT_HOME": str(home / "prefect"),
        # Both are needed to keep the server from sending telemetry.
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
        # Creating a fresh database overruns the default of 20 s on a small machine.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "connectors,tasks",
        # Errors are printed by the command, once, as one line; the run's log has the rest.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_CLI_PROMPT": "false",
    }
    for name, value in defaults.items():
        environ.setdefault(name, value)
    if "PREFECT_API_URL" not in environ and (url := running_server(settings)):
        environ["PREFECT_API_URL"] = url


def running_server(settings: Settings) -> str | None:
    """Give the API URL of the server that `nxp server start` keeps, if it runs."""
    record = read_server(settings)
    return record["api_url"] if record else None


def read_server(settings: Settings) -> dict[str, str] | None:
    """Read which server is kept here; None when there is none or its process is gone."""
    try:
        record: dict[str, str] = json.loads((settings.home / SERVER_RECORD).read_text("utf-8"))
        return record if find(int(record["pid"]), float(record["started"])) else None
    except (OSError, ValueError, KeyError):
        return None
