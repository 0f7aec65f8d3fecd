"""The parts of the stack: how each is started, and how to tell that it answers."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from nxp import server_access
from nxp.interpreter import module_command
from nxp.processes import LOOPBACK, Account, is_answering, is_free
from nxp.stack import postgres
from nxp.stack.record import Stack

POSTGRES, STORE, SANDBOX, SERVER, WORKER = "postgres", "object-store", "sandbox", "server", "worker"
POOL = "nexthink"
BUCKET = "lake"
# In the environment of everything the stack starts, including flow runs, so that `down` finds it.
MARK = "NXP_STACK_PART"
# The API, login, results and ServiceNow.
SANDBOX_PORTS = 4
# Not taken from the caller's shell: credentials of a real tenant must not reach the stack.
NOT_OURS = ("NEXTHINK_", "NXP_SOURCE_", "AWS_", "AZURE_", "PREFECT_API_", "PREFECT_PROFILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPart:
    """One process of the stack."""

    name: str
    address: str
    command: Sequence[str]
    environ: Mapping[str, str]
    is_ready: Callable[[], bool]
    output: Path | None = None
    account: Account | None = None
    folder: Path | None = None


def worker_names(stack: Stack) -> list[str]:
    """Return the names of the workers that should run."""
    return [f"{WORKER}-{number}" for number in range(1, stack.options.workers + 1)]


def stages(stack: Stack) -> tuple[tuple[str, ...], ...]:
    """Return the names of all parts in starting order; the parts of one stage start together."""
    return ((POSTGRES, STORE, SANDBOX), (SERVER,), tuple(worker_names(stack)))


def make_part(stack: Stack, name: str) -> StackPart:
    """Return the part of this name."""
    if name.startswith(WORKER):
        return _worker(stack, name)
    makers = {POSTGRES: _postgres, STORE: _store, SANDBOX: _sandbox, SERVER: _server}
    return makers[name](stack)


def exports(stack: Stack) -> dict[str, str]:
    """Return the variables that point nxp, Prefect and the workers at the stack."""
    tenant = stack.tenant
    names = ("instance", "region", "client_id", "client_secret", "api_url", "login_url")
    found = {
        "NXP_HOME": str(stack.home),
        "NXP_CATALOG": str(stack.catalog),
        "NXP_LAKE": f"s3://{BUCKET}/nxp",
        "NXP_LEDGER_URL": postgres.url(stack, "ledger", "psycopg"),
        "NXP_DATABASE_URL": postgres.url(stack, "landing"),
        "AWS_ENDPOINT_URL": _at(stack, STORE),
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "stack",
        "AWS_SECRET_ACCESS_KEY": stack.secrets.object_store,
        **{f"NEXTHINK_{name.upper()}": str(tenant[name]) for name in names},
        "NEXTHINK_TIME_ZONE": str(tenant["time_zone"]),
        "NXP_SOURCE_CMDB_URL": str(tenant["servicenow_url"]),
        "NXP_SOURCE_CMDB_USER": str(tenant["servicenow_user"]),
        "NXP_SOURCE_CMDB_PASSWORD": str(tenant["servicenow_password"]),
        "NXP_SOURCE_HR_URL": postgres.url(stack, "hr"),
        "PREFECT_HOME": str(stack.home / "prefect"),
        "PREFECT_API_URL": api_url(stack),
        "PREFECT_API_AUTH_STRING": stack.secrets.api,
    }
    return found | _unproxied()


def api_url(stack: Stack) -> str:
    """Return the address of Prefect's API; its pages are at the same address without the path."""
    return f"{_at(stack, SERVER)}/api"


def base_environ(stack: Stack, name: str) -> dict[str, str]:
    """Return the environment of any part: the shell's, without variables that point elsewhere."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(NOT_OURS)}
    return {
        **inherited,
        **_unproxied(),
        "PREFECT_HOME": str(stack.home / "prefect"),
        # Both are needed to keep Prefect from sending telemetry.
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLI_PROMPT": "false",
        MARK: f"{stack.folder}:{name}",
    }


def client_environ(stack: Stack, name: str) -> dict[str, str]:
    """Return the environment of a process that runs flows or calls the server."""
    extra = {"PREFECT_LOGGING_EXTRA_LOGGERS": "connectors,tasks"}
    return base_environ(stack, name) | exports(stack) | extra


def ask(stack: Stack, method: str, path: str, body: Any) -> Any:
    """Call Prefect's API as `nxp`; return its JSON, or None if it refuses or does not answer."""
    import httpx  # noqa: PLC0415 - 0.1 s, not for --help

    user, _, password = stack.secrets.api.partition(":")
    try:
        answer = httpx.request(
            method,
            f"{api_url(stack)}/{path}",
            json=body,
            auth=(user, password),
            timeout=20,
            trust_env=False,
        )
    except httpx.HTTPError:
        return None
    return answer.json() if answer.is_success else None


def _postgres(stack: Stack) -> StackPart:
    return StackPart(
        name=POSTGRES,
        address=f"{LOOPBACK}:{stack.ports[POSTGRES]}",
        command=postgres.command(stack),
        environ={"PATH": os.environ.get("PATH", ""), MARK: f"{stack.folder}:{POSTGRES}"},
        is_ready=lambda: postgres.is_ready(stack),
        account=postgres.account(),
        folder=postgres.data(stack),
    )


def _store(stack: Stack) -> StackPart:
    port = str(stack.ports[STORE])
    kept = str(stack.folder / "objects.db")
    words = ("nxp.stack.object_store", "--port", port, "--file", kept, "--bucket", BUCKET)
    return StackPart(
        name=STORE,
        address=_at(stack, STORE),
        command=module_command(*words),
        environ=base_environ(stack, STORE),
        is_ready=lambda: is_answering(f"{_at(stack, STORE)}/{BUCKET}?list-type=2&max-keys=1"),
    )


def _sandbox(stack: Stack) -> StackPart:
    tenant, options = stack.folder / "sandbox.json", stack.options
    words = ("nxp", "sandbox", "--json", "--port", str(stack.ports[SANDBOX]))
    sizes = ("--devices", str(options.devices), "--days", str(options.days))
    people = ("--hr-out", str(stack.folder / "hr"), "--hr-form", "sql")
    environ = base_environ(stack, SANDBOX) | {"NXP_CATALOG": str(stack.catalog)}

    def is_ready() -> bool:
        try:
            stack.tenant = json.loads(tenant.read_text("utf-8"))
        except (OSError, ValueError):
            return False
        return not is_free(stack.ports[SANDBOX])

    return StackPart(
        name=SANDBOX,
        address=_at(stack, SANDBOX),
        command=module_command(*words, *sizes, *people, *options.sandbox),
        environ=environ,
        is_ready=is_ready,
        output=tenant,
    )


def _server(stack: Stack) -> StackPart:
    port = str(stack.ports[SERVER])
    environ = server_access.least(base_environ(stack, SERVER)) | {
        MARK: f"{stack.folder}:{SERVER}",
        # The pages of the UI call this URL.
        "PREFECT_API_URL": api_url(stack),
        "PREFECT_SERVER_API_AUTH_STRING": stack.secrets.api,
        # The server's own services are clients of its API.
        "PREFECT_API_AUTH_STRING": stack.secrets.api,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": postgres.url(stack, "prefect", "asyncpg"),
    }
    words = ("prefect", "server", "start", "--host", LOOPBACK, "--port", port)
    return StackPart(
        name=SERVER,
        address=_at(stack, SERVER),
        command=module_command(*words),
        environ=environ,
        is_ready=lambda: is_answering(f"{api_url(stack)}/health"),
    )


def _worker(stack: Stack, name: str) -> StackPart:
    environ = client_environ(stack, name) | {
        "PREFECT_WORKER_WEBSERVER_HOST": LOOPBACK,
        "PREFECT_WORKER_WEBSERVER_PORT": str(stack.ports[name]),
    }
    words = ("nxp", "worker", POOL, "--name", name)
    options = ("--limit", str(stack.options.worker_limit), "--with-healthcheck")
    return StackPart(
        name=name,
        address=_at(stack, name),
        command=module_command(*words, *options),
        environ=environ,
        is_ready=lambda: is_answering(f"{_at(stack, name)}/health") and _has_polled(stack, name),
    )


def _has_polled(stack: Stack, name: str) -> bool:
    """Return whether a worker has polled the server since its process began."""
    if name not in stack.begun:
        return False
    heartbeats = [
        datetime.fromisoformat(worker["last_heartbeat_time"]).timestamp()
        for worker in ask(stack, "POST", f"work_pools/{POOL}/workers/filter", {}) or ()
        if worker["name"] == name and worker["last_heartbeat_time"]
    ]
    return any(moment >= stack.begun[name].started for moment in heartbeats)


def _at(stack: Stack, part: str) -> str:
    return f"http://{LOOPBACK}:{stack.ports[part]}"


def _unproxied() -> dict[str, str]:
    """Return variables that keep requests to this machine away from a company's proxy."""
    kept = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return {}
    names = [name for name in kept.split(",") if name]
    joined = ",".join(dict.fromkeys([*names, LOOPBACK, "localhost"]))
    return {"NO_PROXY": joined, "no_proxy": joined}
