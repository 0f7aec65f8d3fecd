"""The Prefect server's part: reached, of our version, and as the files say; workers and runs."""

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import prefect
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType, WorkerStatus
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import get_current_settings

from connectors.errors import ConfigurationError, UnavailableError
from connectors.settings.installation import Settings
from nxp.deployment.automations import Entry, Ids, resolve
from nxp.deployment.comparison import automation_differences, differences, paused_schedules
from nxp.deployment.files import OURS, Deployment
from nxp.deployment.server import Found, connected, look
from nxp.doctor.clock import look_at_clock
from nxp.doctor.finding import Finding, fail, ok, warn

DRIFTED = ConfigurationError.exit_code
AWAY = UnavailableError.exit_code
DEPLOY = "nxp deploy"
# As the automations have it.
STUCK_AFTER = timedelta(minutes=15)
LONG_RUN = timedelta(hours=24)
HEARTBEATS = 3
MOST = 200
SHOWN = 5


def look_at_server(
    settings: Settings,
    deployments: Sequence[Deployment],
    automations: Sequence[Entry],
    clock: Callable[[], datetime],
) -> Iterator[Finding]:
    """Compare a Prefect server with the files, and look at its workers and runs."""
    url = os.environ["PREFECT_API_URL"]
    with connected() as client:
        yield from _version(client)
        yield from look_at_clock("clock", f"{url}/health", "the Prefect server", clock)
        found = look(client)
        for pool in dict.fromkeys(each.entry.work_pool.name for each in deployments):
            yield from _pool(client, found, pool)
        yield from _deployments(found, deployments)
        yield from _alerts(settings, found)
        yield from _automations(settings, found, automations)
        yield from _heartbeat(automations)
        yield from _runs(client, clock())


def _version(client: SyncPrefectClient) -> Iterator[Finding]:
    answer = client.request("GET", "/admin/version")
    answer.raise_for_status()
    version = answer.json()
    if version != prefect.__version__:
        yield fail(
            "server",
            f"it is Prefect {version}, here is {prefect.__version__}",
            "bring both to the version of requirements.lock, the server first",
            DRIFTED,
        )
    else:
        yield ok("server", f"reached, Prefect {version}")


def _pool(client: SyncPrefectClient, found: Found, name: str) -> Iterator[Finding]:
    pool = found.pools.get(name)
    if pool is None:
        yield fail("work pool", f"there is no work pool {name}", DEPLOY, DRIFTED)
        return
    if pool.is_paused:
        do = f"prefect work-pool resume {name}"
        yield fail("work pool", f"{name} is paused: no run is taken", do, AWAY)
    workers = client.read_workers_for_work_pool(name)
    online = [worker for worker in workers if worker.status is WorkerStatus.ONLINE]
    if online:
        yield ok("workers", f"{len(online)} poll {name}")
    else:
        do = f"nxp worker {name}"
        yield fail("workers", f"no live worker polls {name}", do, AWAY)


def _deployments(found: Found, wanted: Sequence[Deployment]) -> Iterator[Finding]:
    wrong = 0
    for deployment in wanted:
        known = found.deployments.get(deployment.name)
        if known is None:
            told, do = f"{deployment.name} is missing on the server", DEPLOY
        elif different := differences(deployment, known):
            told = f"{deployment.name} differs from the file: {', '.join(different)}"
            do = f"{DEPLOY}, or bring the change into the file"
        else:
            continue
        wrong += 1
        yield fail("deployments", told, do, DRIFTED)
    names = {each.name for each in wanted}
    for name in sorted(found.ours.keys() - names):
        yield warn("deployments", f"{name} is on the server and in no file", DEPLOY)
    for name, each in sorted(found.ours.items()):
        for slug in paused_schedules(each):
            do = "resume it in the UI, or all of them: nxp deploy --resume"
            yield warn("schedules", f"{slug} of {name} is paused", do)
    if not wrong:
        yield ok("deployments", f"{len(wanted)} are as the file says")


def _alerts(settings: Settings, found: Found) -> Iterator[Finding]:
    if settings.alert_url is None:
        yield warn("alerts", "nobody is told of failures", "set NXP_ALERT_URL, and nxp deploy")
    elif found.webhook_url != settings.alert_url.get_secret_value():
        yield fail("alerts", "the webhook on the server is not NXP_ALERT_URL", DEPLOY, DRIFTED)


def _automations(settings: Settings, found: Found, wanted: Sequence[Entry]) -> Iterator[Finding]:
    webhook = found.webhook if settings.alert_url else None
    ids = Ids(webhook, {name: each.id for name, each in found.deployments.items()})
    wrong = 0
    for entry in wanted:
        # A deployment that is missing is told already.
        core = None if entry.run and entry.run not in ids.deployments else resolve(entry, ids)
        if core is None:
            continue
        known = found.automations.get(entry.name)
        if known is None or (different := automation_differences(core, known)):
            wrong += 1
            how = f"differs from the file: {', '.join(different)}" if known else "is missing"
            yield fail("automations", f"{entry.name} {how}", DEPLOY, DRIFTED)
        elif known.enabled != core.enabled:
            state = "on" if known.enabled else "off"
            yield warn("automations", f"{entry.name} was switched {state} by hand", "see why")
    if not wrong:
        yield ok("automations", "as the file says")


def _heartbeat(wanted: Sequence[Entry]) -> Iterator[Finding]:
    """See that a run counts as dead only after it missed several signs of life."""
    beat = get_current_settings().flows.heartbeat_frequency
    window = next((each.trigger["within"] for each in wanted if each.name == "nxp-zombies"), 0)
    if beat is None or window < HEARTBEATS * beat:
        yield warn(
            "automations",
            f"runs beat every {beat} s, and count as dead after {window} s",
            f"set PREFECT_FLOWS_HEARTBEAT_FREQUENCY to {window // HEARTBEATS} s at most",
        )


def _runs(client: SyncPrefectClient, now: datetime) -> Iterator[Finding]:
    late = _read(client, FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"])))
    if late:
        told = f"{len(late)} runs are late: {_some(late)}"
        yield warn("runs", told, "start a worker, or more of them; raise the pool's limit")
    stuck = _older(client, now, STUCK_AFTER, StateType.PENDING, StateType.CANCELLING)
    if stuck:
        told = f"{len(stuck)} runs are stuck: {_some(stuck)}"
        do = "their worker is gone: prefect flow-run delete ID, or set them to Crashed in the UI"
        yield fail("runs", told, do, AWAY)
    long = _older(client, now, LONG_RUN, StateType.RUNNING)
    if long:
        hours = LONG_RUN // timedelta(hours=1)
        told = f"{len(long)} runs have been running for more than {hours} hours: {_some(long)}"
        yield warn("runs", told, "see nxp runs whether they are; the ledger knows")
    if not late and not stuck and not long:
        yield ok("runs", "none is late or stuck")


def _older(
    client: SyncPrefectClient, now: datetime, age: timedelta, *types: StateType
) -> list[FlowRun]:
    found = _read(client, FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))))
    return [run for run in found if run.state and now - run.state.timestamp > age]


def _read(client: SyncPrefectClient, state: FlowRunFilterState) -> list[FlowRun]:
    """Read runs of our deployments in a state, the oldest first."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[OURS]))
    return client.read_flow_runs(
        deployment_filter=ours,
        flow_run_filter=FlowRunFilter(state=state),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=MOST,
    )


def _some(runs: list[FlowRun]) -> str:
    more = len(runs) - SHOWN
    return ", ".join(run.name for run in runs[:SHOWN]) + (f" and {more} more" if more > 0 else "")
