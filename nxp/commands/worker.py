"""`nxp worker`: a Prefect worker that lets its flow runs end when it is told to stop.

Prefect's own worker kills them at once, and their state stays Running. So they are told first,
while the worker is held so that it begins no other, and end or checkpoint within NXP_STOP_SECONDS.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import Annotated, Final

import psutil
from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.settings.installation import load_settings
from nxp.engine import prepare
from nxp.output import say

# Beside the limit of a run's work: to tell the ledger and Prefect, and to go.
FAREWELL_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.2
# Of linux/prctl.h.
PR_SET_PDEATHSIG: Final = 1
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def worker(
    pool: str = "nexthink",
    *,
    name: Annotated[str | None, Parameter(help="The worker's name in Prefect.")] = None,
    limit: Annotated[int | None, Parameter(help="How many flow runs at once.")] = None,
    with_healthcheck: Annotated[
        bool, Parameter(negative="", help="Answer /health at PREFECT_WORKER_WEBSERVER_HOST, _PORT.")
    ] = False,
) -> int:
    """Run a worker of the work pool POOL until SIGTERM, then let its flow runs end."""
    settings = load_settings()
    environ = dict(os.environ)
    environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    prepare(settings, environ)
    if "PREFECT_API_URL" not in environ:
        raise UsageError("PREFECT_API_URL is not set: a worker needs a server (nxp server start)")
    words = ["--pool", pool, *(["--name", name] if name else [])]
    words += ["--limit", str(limit)] if limit else []
    words += ["--with-healthcheck"] if with_healthcheck else []
    told: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        told.append(number)

    for number in SIGNALS:
        signal.signal(number, note)
    # A session of its own: Ctrl-C at the terminal is for us to pass on.
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, the user's words
        [sys.executable, "-m", "prefect", "worker", "start", *words],
        env=environ,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, and no thread runs yet
    )
    while process.poll() is None and not told:
        time.sleep(POLL_SECONDS)
    if process.poll() is not None:
        return process.returncode
    _stop(psutil.Process(process.pid), told, settings.stop_seconds + FAREWELL_SECONDS)
    process.wait()
    return 128 + told[0]


def _die_with_parent() -> None:
    """Let Prefect's worker be killed where this process is: nobody could stop it afterwards."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(running: psutil.Process, told: list[int], seconds: float) -> None:
    """Tell flow runs to end, wait for them, and then tell the worker; at once when told again."""
    with suppress(psutil.NoSuchProcess):
        running.suspend()
        runs = running.children(recursive=True)
        say(f"stopping: {len(runs)} flow runs may end within {seconds:g} s; again to stop at once")
        for each in runs:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        deadline = time.monotonic() + seconds
        while any(_lives(each) for each in runs) and len(told) == 1:
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        running.terminate()
        running.resume()


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        # Nobody has waited for it while the worker is held.
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
