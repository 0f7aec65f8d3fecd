"""Prefect's worker as `nxp worker` runs it: how often it polls, and what it starts for a run."""

import asyncio
import gc
import json
import os
import runpy
import subprocess
import sys
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import httpx
import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_WORKER_PREFETCH_SECONDS, PREFECT_WORKER_QUERY_SECONDS
from prefect.workers import process
from prefect.workers.base import BaseWorker

from nxp import pool
from nxp.__main__ import COLLECT_AFTER

ENGINE = f"{sys.executable} -P -m nxp.flow_run"
# What Prefect's engine imports before it runs a flow, and the flow.
IMPORTED = """
import json, sys
import prefect.flow_engine, prefect._internal.metrics, flows.export
print(json.dumps(sorted(sys.modules)))
"""
UNUSED = frozenset(
    {
        "alembic",
        "cyclopts",
        "fastapi",
        "obstore",
        "pandas",
        "prefect.deployments",
        "prefect.runner",
        "prefect.server",
        "prefect.workers",
        "psutil",
        "pyarrow.dataset",
    }
)


def started(deployment: dict[str, Any], command: str | None = None, **env: str) -> str | None:
    """Return the command for a run of a deployment."""
    job = pool.Job(command=command, env=dict(env))
    made = DeploymentResponse(name="d", flow_id=uuid4(), **deployment)
    job.prepare_for_flow_run(FlowRun(flow_id=uuid4()), made)
    # Prefect replaces a command that is not configured with its own two processes.
    given = job.command if job._command_configured else None
    assert (job.env.get("PREFECT__FLOW_ENTRYPOINT") is not None) == (given == ENGINE)
    return given


def test_an_installed_flow_gets_its_engine_directly() -> None:
    assert started({"entrypoint": "flows.export.nql_export"}) == ENGINE
    assert started({"entrypoint": "flows.export.nql_export", "pull_steps": []}) == ENGINE


@pytest.mark.parametrize(
    "deployment",
    [
        {"entrypoint": "flows/export.py:nql_export"},
        {"entrypoint": None},
        {"entrypoint": "flows.export.nql_export", "pull_steps": [{"git": {}}]},
    ],
)
def test_code_that_is_fetched_goes_prefects_way(deployment: dict[str, Any]) -> None:
    assert started(deployment) is None


def test_a_command_of_the_pool_or_the_deployment_stays() -> None:
    assert started({"entrypoint": "flows.export.nql_export"}, "mine") == "mine"


def test_settings_of_prefect_that_a_deployment_makes_go_prefects_way() -> None:
    # Otherwise the worker's own settings would win over them.
    deployment = {"entrypoint": "flows.export.nql_export"}
    assert started(deployment, PREFECT_LOGGING_LEVEL="DEBUG") is None
    assert started(deployment, NXP_MEMORY_MB="500") == ENGINE


def test_the_worker_takes_the_place_of_prefects() -> None:
    assert BaseWorker.get_worker_class_from_type("process") is pool.ProcessWorker
    assert pool.ProcessWorker.get_default_base_job_template() == (
        process.ProcessWorker.get_default_base_job_template()
    )


class Polls:
    """Prefect's polls: they fail first, and note how many run at once."""

    def __init__(self) -> None:
        """Begin without any."""
        self.count = self.at_once = self.most_at_once = 0
        self.several = asyncio.Event()

    async def __call__(self) -> list[FlowRun]:
        """Poll once."""
        self.count += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self.count == 5:
            self.several.set()
        if self.count <= 2:
            raise httpx.ConnectError("the server restarts")
        return []


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> Polls:
    """Without a server: what Prefect's worker does at its setup and for a poll is left out."""
    polls = Polls()
    monkeypatch.delenv(pool.INTERVAL, raising=False)
    monkeypatch.setattr(pool, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(process.ProcessWorker, "setup", AsyncMock())
    monkeypatch.setattr(process.ProcessWorker, "teardown", AsyncMock())
    monkeypatch.setattr(
        process.ProcessWorker,
        "get_and_submit_flow_runs",
        polls,
    )
    return polls


async def turns(count: int) -> None:
    """Let other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_the_worker_polls_in_between_also_after_failures(polls: Polls) -> None:
    async def run() -> int:
        worker = pool.ProcessWorker("nexthink")
        await worker.setup()
        await polls.several.wait()
        await asyncio.gather(*(worker.get_and_submit_flow_runs() for _ in range(5)))
        await worker.teardown()
        ended = polls.count
        await turns(20)
        return polls.count - ended

    assert asyncio.run(asyncio.wait_for(run(), 10)) == 0
    assert polls.most_at_once == 1


def test_an_interval_of_the_operator_is_the_only_one(
    polls: Polls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(pool.INTERVAL, "30")

    async def run() -> None:
        worker = pool.ProcessWorker("nexthink")
        await worker.setup()
        await turns(20)
        await worker.teardown()

    asyncio.run(run())
    assert polls.count == 0


def test_prefects_interval_stays_as_it_is() -> None:
    # Its worker exits after twelve failed polls in a row, and with it all its runs.
    assert PREFECT_WORKER_QUERY_SECONDS.value() == 10
    # A run that is scheduled ahead has its process started, and all imported, that long before.
    assert PREFECT_WORKER_PREFETCH_SECONDS.value() == 10


def test_the_engine_of_a_run_is_started_lightly(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    kept = gc.get_threshold()
    found: list[tuple[object, ...]] = []

    def run(name: str, **_: Any) -> None:
        ran.append(name)
        variables = ("OPENBLAS_NUM_THREADS", "PYDANTIC_DISABLE_PLUGINS")
        found.append((gc.get_threshold()[0], *map(os.environ.get, variables)))

    for name in ("OPENBLAS_NUM_THREADS", "PYDANTIC_DISABLE_PLUGINS"):
        # Set and deleted, so that it is restored afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    module = runpy.run_module
    monkeypatch.setattr(runpy, "run_module", run)
    try:
        module("nxp.flow_run", run_name="__main__")
    finally:
        gc.set_threshold(*kept)
    assert ran == ["prefect.engine"]
    assert found == [(COLLECT_AFTER, "1", "__all__")]


def test_a_run_imports_nothing_of_prefects_server_or_runner() -> None:
    found = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(json.loads(found.stdout))
    assert not names & UNUSED
    assert len(names) <= 1800
