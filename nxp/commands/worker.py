"""`nxp worker`: a Prefect worker that lets its flow runs end when it is told to stop.

Prefect's own worker kills them at once, and their state stays Running. So they are told first,
while the worker is held so that it begins no other, and end or checkpoint within NXP_STOP_SECONDS.
"""

import os
import signal
import subprocess
import sys
import time
from types import FrameType
from typing import Annotated, Final

import psutil
from cyclopts import Parameter

from connectors.errors import UsageError
from connectors.settings import load_settings
from nxp.engine import prepare
from nxp.output import say
from nxp.processes import FAREWELL_SECONDS, let_runs_end

POLL_SECONDS: Final = 0.2
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def worker(
    pool: str = "nexthink",
    *,
    name: Annotated[str | None, Parameter(help="The worker's name in Prefect.")] = None,
    limit: Annotated[int | None, Parameter(help="How many flow runs at once.")] = None,
    with_healthcheck: Annotated[
        bool, Parameter(negative="", help="Answer at /health, on PREFECT_WORKER_WEBSERVER_PORT.")
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
    )
    while process.poll() is None and not told:
        time.sleep(POLL_SECONDS)
    if process.poll() is not None:
        return process.returncode
    seconds = settings.stop_seconds + FAREWELL_SECONDS
    say(f"stopping: flow runs may end within {seconds:g} s; again to stop at once")
    let_runs_end(psutil.Process(process.pid), seconds, lambda: len(told) > 1)
    process.wait()
    return 128 + told[0]
