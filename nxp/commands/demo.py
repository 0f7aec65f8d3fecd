"""`nxp demo`: the main job on the sandbox, from an export to the first query of its rows."""

import atexit
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.errors import UnavailableError
from connectors.extras import install, is_installed
from connectors.settings.installation import Settings, load_settings
from nxp.commands.server import start_server, stop_server
from nxp.engine import keep_logs_off, prefect_ready, running_server
from nxp.interpreter import module_command
from nxp.landing import print_report
from nxp.output import say
from nxp.progress import shown

LOOKS = (
    (
        "SELECT device_name, operating_system, hardware_type, last_seen_at FROM devices "
        "ORDER BY last_seen_at DESC LIMIT 5"
    ),
    (
        "SELECT binary_name, count(DISTINCT device_uid) AS devices, round(sum(cpu_seconds)) AS "
        "cpu_seconds FROM execution_events GROUP BY ALL ORDER BY cpu_seconds DESC LIMIT 5"
    ),
)
NEXT = """
Try next:
  nxp sql "SELECT hardware_type, count(*) AS devices FROM devices GROUP BY ALL"
  nxp datasets                      what the catalogue has, and how far each dataset is
  nxp runs                          what ran
  nxp datasets devices --nql        the saved query to paste into a real Nexthink
  nxp sandbox                       run a stand-in tenant; it prints the variables to set, then
  nxp export crashes                … in another terminal, land more from it
  nxp server start                  run a Prefect server, so that runs show in its pages"""
INSTALL = f"                                    (first: {install('server')})"


def demo() -> None:
    """Export a snapshot and a window from a stand-in tenant, and query the rows that landed."""
    began = time.monotonic()
    settings = load_settings()
    is_flow = settings.prefect is not False and is_installed("prefect")
    servers = "; and a Prefect server" if is_flow else ""
    say(f"1. a stand-in tenant: 500 devices, 14 days of events{servers}")
    with (
        served(settings) if is_flow else nullcontext() as server,
        stand_in(("--devices", "500", "--days", "14")) as tenant,
    ):
        os.environ.update(environment(tenant))
        what = "the flow nql-export" if is_flow else "an export"
        say(f"2. {what}, for a snapshot and for yesterday's window")
        with shown():
            reports = _flows(settings, server) if server else _stories()
    say("3. what is in the lake")
    _look(reports)
    say(NEXT if is_flow else f"{NEXT}\n{INSTALL}")
    say(f"\ndone in {time.monotonic() - began:.0f} s")


@contextmanager
def stand_in(options: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Serve a stand-in tenant from a process of its own; yield how to reach it."""
    command = module_command("nxp", "sandbox", "--json", *options)
    with subprocess.Popen(  # noqa: S603 - our own interpreter
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise UnavailableError("the sandbox did not start: run nxp sandbox to see why")
            yield json.loads(line)
        finally:
            process.terminate()


def environment(tenant: dict[str, str]) -> dict[str, str]:
    """Return the variables that point nxp at a sandbox."""
    names = ("instance", "region", "client_id", "client_secret", "api_url", "login_url")
    return {f"NEXTHINK_{name.upper()}": tenant[name] for name in names} | {
        "NEXTHINK_TIME_ZONE": tenant.get("time_zone", "UTC")
    }


def _flows(settings: Settings, server: Callable[[], str]) -> list[dict[str, Any]]:
    os.environ["PREFECT_API_URL"] = server()
    with prefect_ready(settings):
        from flows.export import nql_export  # noqa: PLC0415 - prefect, 2 s

        return [
            nql_export("devices", accept_shrink=True),
            nql_export("execution_events", *_yesterday(), accept_shrink=True),
        ]


def _stories() -> list[dict[str, Any]]:
    from tasks.land.asked import Asked  # noqa: PLC0415 - polars and httpx, after the sandbox
    from tasks.stories.export import export_dataset  # noqa: PLC0415

    asked = (
        Asked("devices", accept_shrink=True),
        Asked("execution_events", *_yesterday(), accept_shrink=True),
    )
    keep_logs_off()
    return [export_dataset(each).plain() for each in asked]


def _yesterday() -> tuple[str, str]:
    """Return the dates of a window; without, a later demo would first fill the weeks since."""
    today = datetime.now(UTC).date()
    return str(today - timedelta(days=1)), str(today)


@contextmanager
def served(settings: Settings) -> Iterator[Callable[[], str]]:
    """Start a Prefect server while other things start, for as long as this process lives.

    One that was kept before is used, and stays.

    Yields:
        A function that waits for the server and returns its API URL.
    """
    if url := os.environ.get("PREFECT_API_URL") or running_server(settings):
        yield lambda: url
        return
    with ThreadPoolExecutor(1, "server") as pool:
        starting = pool.submit(start_server, settings)
        # Registered before Prefect's own, so called after them: they send it the last logs.
        atexit.register(stop_server, settings)
        yield lambda: starting.result()["api_url"]


def _look(reports: list[dict[str, Any]]) -> None:
    for report, look in zip(reports, LOOKS, strict=True):
        print_report(report)
        say(f'\n$ nxp sql "{look}"')
        sys.stdout.flush()
        ended = subprocess.run(module_command("nxp", "sql", look), check=False)  # noqa: S603 - our own command
        if ended.returncode:
            # It has said why.
            raise SystemExit(ended.returncode)
        say()
