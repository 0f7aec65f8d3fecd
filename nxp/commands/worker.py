"""`nxp worker`: a Prefect worker that lets its flow runs end when it is asked to stop.

Prefect's own worker kills them at once, and their state stays Running. Here the worker (`nxp.pool`)
is suspended first, so that it starts no other run; then its flow runs are asked to stop, and finish
or checkpoint within NXP_STOP_SECONDS.
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
from connectors.extras import require
from connectors.project import VARIABLE, find_project
from connectors.settings.installation import load_settings
from nxp.engine import prepare
from nxp.interpreter import module_command
from nxp.options import Whole
from nxp.output import say

# In addition to the time a run has to stop: to write to the ledger and Prefect, and to exit.
FAREWELL_SECONDS: Final = 15.0
POLL_SECONDS: Final = 0.2
# From linux/prctl.h.
PR_SET_PDEATHSIG: Final = 1
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def worker(
    pool: Annotated[str, Parameter(help="A work pool of Prefect.")] = "nexthink",
    *,
    name: Annotated[str | None, Parameter(help="The worker's name in Prefect.")] = None,
    limit: Annotated[Whole | None, Parameter(help="How many flow runs may run at once.")] = None,
    with_healthcheck: Annotated[
        bool, Parameter(negative="", help="Answer /health at PREFECT_WORKER_WEBSERVER_HOST, _PORT.")
    ] = False,
) -> int:
    """Run a worker of the work pool POOL until SIGTERM, then let its flow runs end."""
    settings = load_settings()
    require("prefect", "nxp worker")
    environ = dict(os.environ)
    if project := find_project():
        # Flow runs have a temporary folder of their own, from which it is not found.
        environ[VARIABLE] = str(project.root)
    environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    prepare(settings, environ)
    if "PREFECT_API_URL" not in environ:
        raise UsageError("PREFECT_API_URL is not set: a worker needs a server (nxp server start)")
    words = ["--pool", pool, *(["--name", name] if name else [])]
    words += ["--limit", str(limit)] if limit else []
    words += ["--with-healthcheck"] if with_healthcheck else []
    signals: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        signals.append(number)

    for number in SIGNALS:
        signal.signal(number, note)
    # In a session of its own, so that Ctrl-C reaches only this process, which passes it on.
    process = subprocess.Popen(  # noqa: S603 - our own interpreter, the user's words
        module_command("nxp.pool", "worker", "start", *words),
        env=environ,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, and no thread runs yet
    )
    while process.poll() is None and not signals:
        time.sleep(POLL_SECONDS)
    if process.poll() is not None:
        return process.returncode
    _stop(psutil.Process(process.pid), signals, settings.stop_seconds + FAREWELL_SECONDS)
    process.wait()
    return 128 + signals[0]


def _die_with_parent() -> None:
    """Have Prefect's worker killed with this process: afterwards nothing could stop it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop(running: psutil.Process, signals: list[int], seconds: float) -> None:
    """Stop flow runs, wait for them, then stop the worker; a second signal ends the wait."""
    with suppress(psutil.NoSuchProcess):
        running.suspend()
        runs = running.children(recursive=True)
        say(
            f"stopping: {len(runs)} flow runs have {seconds:g} s to end; "
            "interrupt again to stop at once"
        )
        for each in runs:
            with suppress(psutil.NoSuchProcess):
                each.terminate()
        deadline = time.monotonic() + seconds
        while any(_lives(each) for each in runs) and len(signals) == 1:
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_SECONDS)
        running.terminate()
        running.resume()


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        # An ended run stays a zombie while the suspended worker cannot reap it.
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
