"""Prefect's process worker, made to start runs sooner. `nxp worker` runs it.

Prefect's own worker polls every 10 s. For each run it starts a process that imports Prefect to
prepare a folder with the flow's code; the engine then replaces that process and imports Prefect
again. The worker here also polls in between, and starts the engine directly if the flow is
installed, because then there is nothing to prepare. Flows whose code is fetched for each run are
started in Prefect's way. The figures are in docs/performance.md.

Usage: python -m nxp.pool WORDS, as python -m prefect WORDS.
"""

import asyncio
import os
import warnings
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import httpx
from prefect.cli import app
from prefect.client.schemas.objects import Flow, FlowRun, WorkPool
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectException
from prefect.utilities.processutils import command_to_string
from prefect.workers import process

from connectors.logs import write_plainly
from nxp.interpreter import module_command

# If the operator has set it, the worker polls at this interval only.
INTERVAL: Final = "PREFECT_WORKER_QUERY_SECONDS"
# Prefect's own interval stays at 10 s. Its worker exits after twelve failed polls in a row, which
# ends its runs, and its /health fails after thirty intervals without a poll: with 1 s, a server
# that restarts would be enough for both.
POLL_SECONDS: Final = 1.0
COMMAND: Final = command_to_string(module_command("nxp.flow_run"))


class Job(process.ProcessJobConfiguration):
    """What is started for a flow run."""

    def prepare_for_flow_run(
        self,
        flow_run: FlowRun,
        deployment: DeploymentResponse | None = None,
        flow: Flow | None = None,
        work_pool: WorkPool | None = None,
        worker_name: str | None = None,
        worker_id: UUID | None = None,
    ) -> None:
        """Set the command, unless the pool or the deployment has set one."""
        direct = self.command is None and deployment is not None and is_installed(deployment)
        # Prefect lets the worker's own settings win over those of a run whose command is set.
        direct = direct and not any(name.startswith("PREFECT_") for name in self.env)
        if direct:
            self.command = COMMAND
        super().prepare_for_flow_run(
            flow_run, deployment, flow, work_pool, worker_name, worker_id=worker_id
        )
        if direct and deployment is not None:
            # As Prefect's preparing process does; otherwise the engine asks the server for it.
            self.env["PREFECT__FLOW_ENTRYPOINT"] = deployment.entrypoint


def is_installed(deployment: DeploymentResponse) -> bool:
    """Return whether a deployment names its flow by module, with nothing to fetch before."""
    # The other form is path/of/file.py:function.
    entrypoint = deployment.entrypoint or ":"
    return ":" not in entrypoint and not deployment.pull_steps


with warnings.catch_warnings():
    # Prefect warns that this class takes the place of its own, as it should.
    warnings.simplefilter("ignore")

    class ProcessWorker(process.ProcessWorker):
        """The worker of pools of the type process; without a name it is named by its class."""

        job_configuration = Job

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            """Take what Prefect's worker takes."""
            super().__init__(*args, **kwargs)
            self._poll_lock = asyncio.Lock()
            self._polling: asyncio.Task[None] | None = None

        async def setup(self) -> None:
            """Start polling in between, after everything else is set up."""
            await super().setup()
            if INTERVAL not in os.environ:
                self._polling = asyncio.create_task(self._poll())

        async def teardown(self, *exc_info: Any) -> None:
            """Stop polling before the client is closed."""
            if self._polling:
                self._polling.cancel()
            await super().teardown(*exc_info)

        async def get_and_submit_flow_runs(self) -> list[FlowRun]:
            """Poll once; two polls at the same time would submit the same runs."""
            async with self._poll_lock:
                return await super().get_and_submit_flow_runs()

        async def _poll(self) -> None:
            while True:
                await asyncio.sleep(POLL_SECONDS)
                # Prefect's own polls count and report failures.
                with suppress(httpx.HTTPError, PrefectException):
                    await self.get_and_submit_flow_runs()


if __name__ == "__main__":
    write_plainly()
    app()
