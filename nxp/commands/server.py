"""`nxp server`: one local Prefect server, kept in NXP_HOME, on a free port of this machine."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
from filelock import FileLock

from connectors.errors import UnavailableError
from connectors.settings import Settings, load_settings, prepare_home
from nxp.engine import SERVER_RECORD, prepare, read_server
from nxp.options import Json
from nxp.output import print_json, say

START_SECONDS = 120
STOP_SECONDS = 20


def start(*, as_json: Json = False) -> None:
    """Start the server unless it runs; prints its API URL for PREFECT_API_URL."""
    settings = load_settings()
    with FileLock(prepare_home(settings) / "server.lock"):
        record = read_server(settings) or _start(settings)
    if as_json:
        print_json(record)
    else:
        print(record["api_url"])


def stop() -> None:
    """Stop the server."""
    settings = load_settings()
    record = read_server(settings)
    if record is None:
        say("no server runs here")
        return
    process = psutil.Process(int(record["pid"]))
    family = [process, *process.children(recursive=True)]
    process.terminate()
    _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for survivor in left:
        survivor.kill()
    (settings.home / SERVER_RECORD).unlink(missing_ok=True)
    say("stopped")


def status(*, as_json: Json = False) -> int:
    """Say whether the server runs; exit code 5 when it does not."""
    record = read_server(load_settings())
    healthy = record is not None and _is_healthy(record["api_url"])
    if as_json:
        print_json({"running": healthy, **(record or {})})
    elif record and healthy:
        print(record["api_url"])
    else:
        say("no server runs here: nxp server start")
    return 0 if healthy else UnavailableError.exit_code


def _start(settings: Settings) -> dict[str, str]:
    environ = dict(os.environ)
    environ.pop("PREFECT_API_URL", None)
    prepare(settings, environ)
    environ.pop("PREFECT_API_URL", None)
    port = _free_port()
    url = f"http://127.0.0.1:{port}/api"
    # The pages of the UI call this URL.
    environ["PREFECT_API_URL"] = url
    command = [sys.executable, "-m", "prefect", "server", "start"]
    log = settings.home / "server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, fixed words
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environ,
            start_new_session=True,
        )
    say("starting a Prefect server (the first start takes a while) …")
    try:
        _await_health(process, url, log)
    except BaseException:
        # Also on Ctrl-C: nobody would know of this server.
        process.terminate()
        raise
    started = psutil.Process(process.pid).create_time()
    record = {"api_url": url, "pid": str(process.pid), "started": str(started)}
    (settings.home / SERVER_RECORD).write_text(json.dumps(record), "utf-8")
    return record


def _await_health(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_healthy(url):
        if process.poll() is not None or time.monotonic() > deadline:
            raise UnavailableError(f"the Prefect server did not start: see {log}")
        time.sleep(0.3)


def _is_healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
