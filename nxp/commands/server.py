"""`nxp server`: one local Prefect server with its data in NXP_HOME, on a free port."""

import json
import os
import sys
import time
from pathlib import Path

import psutil
from filelock import FileLock

from connectors import private
from connectors.errors import UnavailableError
from connectors.extras import require
from connectors.settings.installation import Settings, load_settings, prepare_home
from nxp import server_access
from nxp.engine import SERVER_RECORD, check_space, prepare, read_server
from nxp.interpreter import module_command
from nxp.options import Json
from nxp.output import print_json, say
from nxp.processes import LOOPBACK, free_port, is_answering, started_at
from nxp.processes import start as start_process
from nxp.processes import stop as stop_processes

START_SECONDS = 120
STOP_SECONDS = 20


def start(*, as_json: Json = False) -> None:
    """Start the server unless it runs, and print its API URL for PREFECT_API_URL."""
    settings = load_settings()
    require("prefect", "nxp server")
    prepare_home(settings)
    check_space(settings.home)
    if read_server(settings) is None:
        say("starting a Prefect server (the first start takes a while) …")
    record = start_server(settings)
    if as_json:
        print_json(record)
    else:
        print(record["api_url"])


def start_server(settings: Settings) -> dict[str, str]:
    """Start the server unless it runs, and return its record: URL, process, start time.

    Raises:
        UnavailableError: it did not start.
    """
    with FileLock(prepare_home(settings) / "server.lock"):
        return read_server(settings) or _start(settings)


def stop() -> None:
    """Stop the server."""
    say("stopped" if stop_server(load_settings()) else "no server runs here")


def stop_server(settings: Settings) -> bool:
    """Stop the server that is kept here; return whether there was one."""
    record = read_server(settings)
    if record is None:
        return False
    stop_processes([psutil.Process(int(record["pid"]))], seconds=STOP_SECONDS, leader=True)
    (settings.home / SERVER_RECORD).unlink(missing_ok=True)
    return True


def status(*, as_json: Json = False) -> int:
    """Print the server's address if it runs; exit code 5 if it does not."""
    record = read_server(load_settings())
    healthy = record is not None and is_answering(f"{record['api_url']}/health")
    if as_json:
        print_json({"running": healthy, **(record or {})})
    elif record and healthy:
        print(record["api_url"])
        sys.stdout.flush()
        for line in server_access.how_to_open(record):
            say(line)
    else:
        say("no server runs here: start it with nxp server start")
    return 0 if healthy else UnavailableError.exit_code


def _start(settings: Settings) -> dict[str, str]:
    environ = server_access.least(os.environ)
    prepare(settings, environ)
    secret = server_access.protect(settings, environ)
    port = free_port()
    url = f"http://{LOOPBACK}:{port}/api"
    # The pages of the UI call this URL.
    environ["PREFECT_API_URL"] = url
    command = module_command("prefect", "server", "start")
    log = settings.home / "server.log"
    process = start_process(
        [*command, "--host", LOOPBACK, "--port", str(port)], log=log, environ=environ
    )
    try:
        _await_health(process, url, log)
    except BaseException:
        # Also on Ctrl-C: this server is not recorded yet, so nothing could stop it later.
        process.terminate()
        raise
    record = {"api_url": url, "pid": str(process.pid), "started": str(started_at(process.pid))}
    if secret:
        record["auth_file"] = str(secret)
    private.write(settings.home / SERVER_RECORD, json.dumps(record))
    return record


def _await_health(process: psutil.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_answering(f"{url}/health"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise UnavailableError(f"the Prefect server did not start: see {log}")
        time.sleep(0.3)
