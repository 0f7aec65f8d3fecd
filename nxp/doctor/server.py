"""The checks of the Prefect server: its version, its agreement with the files, workers, runs."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import get_current_settings

from connectors.actions import ActionSpecification
from connectors.counting import first_of
from connectors.errors import ConfigurationError, UnavailableError
from connectors.settings.installation import Settings
from nxp.deployment.automations import AutomationEntry, Ids, resolve
from nxp.deployment.comparison import automation_differences, differences, paused_schedules
from nxp.deployment.files import OURS, Deployment
from nxp.deployment.server import ServerInventory, connected, look
from nxp.deployment.switches import SwitchRequest
from nxp.doctor.acting import look_at_acting
from nxp.doctor.clock import look_at_clock
from nxp.doctor.finding import Finding, fail, ok, warn

DRIFTED = ConfigurationError.exit_code
AWAY = UnavailableError.exit_code
DEPLOY = "nxp deploy"
# The same as in the automations.
STUCK_AFTER = timedelta(minutes=15)
LONG_RUN = timedelta(hours=24)
HEARTBEATS = 3
MOST = 200
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Expected:
    """What the files have, and which part of it the operator has deployed."""

    deployments: Sequence[Deployment]
    automations: Sequence[AutomationEntry]
    asked: SwitchRequest


def look_at_server(
    settings: Settings,
    expected: Expected | None,
    actions: Mapping[str, ActionSpecification],
    clock: Callable[[], datetime],
) -> Iterator[Finding]:
    """Compare a Prefect server with the files, unless they are broken, and check its runs."""
    url = os.environ["PREFECT_API_URL"]
    with connected() as client:
        yield from _version(client)
        whose = "the Prefect server"
        yield from look_at_clock("clock", f"{url}/health", whose=whose, clock=clock)
        found = look(client)
        yield from look_at_acting(found, actions)
        if not found.ours:
            what = "nothing is deployed yet: nothing is scheduled, and no alert is sent"
            yield fail("deployments", what, do=DEPLOY, code=DRIFTED)
            return
        if expected:
            yield from _compare(client, settings, found, expected)
        yield from _runs(client, clock())


def _compare(
    client: SyncPrefectClient, settings: Settings, found: ServerInventory, expected: Expected
) -> Iterator[Finding]:
    covers = expected.asked.covers
    deployments = [each for each in expected.deployments if covers(each.name)]
    automations = [each for each in expected.automations if covers(each.name)]
    for pool in dict.fromkeys(each.entry.work_pool.name for each in deployments):
        yield from _pool(client, found, pool)
    yield from _deployments(found, deployments)
    yield from _left_over(found, {each.name for each in expected.deployments})
    yield from _alerts(settings, found)
    yield from _automations(settings, found, automations)
    yield from _heartbeat(expected.automations)


def _version(client: SyncPrefectClient) -> Iterator[Finding]:
    answer = client.request("GET", "/admin/version")
    answer.raise_for_status()
    version = answer.json()
    if version != prefect.__version__:
        yield fail(
            "server",
            f"it is Prefect {version}, this machine has {prefect.__version__}",
            do="bring both to the version of requirements.lock, the server first",
            code=DRIFTED,
        )
    else:
        yield ok("server", f"reached, Prefect {version}")


def _pool(client: SyncPrefectClient, found: ServerInventory, name: str) -> Iterator[Finding]:
    pool = found.pools.get(name)
    if pool is None:
        yield fail("work pool", f"there is no work pool {name}", do=DEPLOY, code=DRIFTED)
        return
    if pool.is_paused:
        do = f"prefect work-pool resume {name}"
        yield fail("work pool", f"{name} is paused: no run starts", do=do, code=AWAY)
    workers = client.read_workers_for_work_pool(name)
    online = [worker for worker in workers if worker.status is WorkerStatus.ONLINE]
    if online:
        yield ok("workers", f"{len(online)} poll {name}")
    else:
        do = f"nxp worker {name}"
        yield fail("workers", f"no live worker polls {name}", do=do, code=AWAY)


def _deployments(found: ServerInventory, wanted: Sequence[Deployment]) -> Iterator[Finding]:
    missing = [each.name for each in wanted if each.name not in found.deployments]
    yield from _missing("deployments", missing)
    wrong = len(missing)
    for deployment in wanted:
        known = found.deployments.get(deployment.name)
        if known and (different := differences(deployment, known)):
            wrong += 1
            what = f"{deployment.name} differs from the file: {', '.join(different)}"
            do = f"{DEPLOY}, or copy the change into the file"
            yield fail("deployments", what, do=do, code=DRIFTED)
        for slug in _paused(deployment, known):
            do = "resume it in the UI, or all of them with nxp deploy --resume"
            yield warn("schedules", f"{slug} of {deployment.name} is paused", do=do)
    if not wrong:
        yield ok("deployments", f"{len(wanted)} match the file")


def _left_over(found: ServerInventory, names: set[str]) -> Iterator[Finding]:
    for name in sorted(found.ours.keys() - names):
        yield warn("deployments", f"{name} is on the server but in no file", do=DEPLOY)


def _paused(deployment: Deployment, known: DeploymentResponse | None) -> list[str]:
    """Return the schedules that the file has active and that a person paused."""
    active = {each.slug for each in deployment.entry.schedules if each.active}
    return [slug for slug in paused_schedules(known) if slug in active] if known else []


def _missing(check: str, names: Sequence[str]) -> Iterator[Finding]:
    """Yield one failure for all that is missing."""
    if len(names) == 1:
        yield fail(check, f"{names[0]} is missing on the server", do=DEPLOY, code=DRIFTED)
    elif names:
        what = f"{len(names)} are missing on the server: {first_of(names, SHOWN)}"
        yield fail(check, what, do=DEPLOY, code=DRIFTED)


def _alerts(settings: Settings, found: ServerInventory) -> Iterator[Finding]:
    if settings.alert_url is None:
        do = "set NXP_ALERT_URL, then nxp deploy"
        yield warn("alerts", "failures are reported to nobody", do=do)
    elif found.webhook_url != settings.alert_url.get_secret_value():
        what = "the webhook on the server is not NXP_ALERT_URL"
        yield fail("alerts", what, do=DEPLOY, code=DRIFTED)


def _automations(
    settings: Settings, found: ServerInventory, wanted: Sequence[AutomationEntry]
) -> Iterator[Finding]:
    webhook = found.webhook if settings.alert_url else None
    ids = Ids(webhook, {name: each.id for name, each in found.deployments.items()})
    wrong, missing = 0, []
    for entry in wanted:
        # A missing deployment has been reported already.
        core = None if entry.run and entry.run not in ids.deployments else resolve(entry, ids)
        if core is None:
            continue
        known = found.automations.get(entry.name)
        if known is None:
            missing.append(entry.name)
        elif different := automation_differences(core, known):
            wrong += 1
            how = f"differs from the file: {', '.join(different)}"
            yield fail("automations", f"{entry.name} {how}", do=DEPLOY, code=DRIFTED)
        elif known.enabled != core.enabled:
            what = f"{entry.name} was switched {'on' if known.enabled else 'off'} by hand"
            yield warn("automations", what, do="find out why")
    yield from _missing("automations", missing)
    if not wrong and not missing:
        yield ok("automations", "they match the file")


def _heartbeat(wanted: Sequence[AutomationEntry]) -> Iterator[Finding]:
    """Check that a run counts as dead only after it missed several heartbeats."""
    beat = get_current_settings().flows.heartbeat_frequency
    window = next((each.trigger["within"] for each in wanted if each.name == "nxp-zombies"), 0)
    if beat is None or window < HEARTBEATS * beat:
        yield warn(
            "automations",
            f"runs send a heartbeat every {beat} s, and count as dead after {window} s",
            do=f"set PREFECT_FLOWS_HEARTBEAT_FREQUENCY to {window // HEARTBEATS} s at most",
        )


def _runs(client: SyncPrefectClient, now: datetime) -> Iterator[Finding]:
    late = _read(client, FlowRunFilterState(name=FlowRunFilterStateName(any_=["Late"])))
    if late:
        what = f"{len(late)} runs are late: {_some(late)}"
        yield warn("runs", what, do="start more workers, or raise the pool's limit")
    stuck = _older(client, now, STUCK_AFTER, StateType.PENDING, StateType.CANCELLING)
    if stuck:
        what = f"{len(stuck)} runs are stuck: {_some(stuck)}"
        do = "their worker is gone: prefect flow-run delete ID, or set them to Crashed in the UI"
        yield fail("runs", what, do=do, code=AWAY)
    long = _older(client, now, LONG_RUN, StateType.RUNNING)
    if long:
        hours = LONG_RUN // timedelta(hours=1)
        what = f"{len(long)} runs have been running for more than {hours} hours: {_some(long)}"
        yield warn("runs", what, do="nxp runs shows whether they still run, by the ledger")
    if not late and not stuck and not long:
        yield ok("runs", "none is late or stuck")


def _older(
    client: SyncPrefectClient, now: datetime, age: timedelta, *types: StateType
) -> list[FlowRun]:
    found = _read(client, FlowRunFilterState(type=FlowRunFilterStateType(any_=list(types))))
    return [run for run in found if run.state and now - run.state.timestamp > age]


def _read(client: SyncPrefectClient, state: FlowRunFilterState) -> list[FlowRun]:
    """Return runs of our deployments in a state, oldest first."""
    ours = DeploymentFilter(tags=DeploymentFilterTags(all_=[OURS]))
    return client.read_flow_runs(
        deployment_filter=ours,
        flow_run_filter=FlowRunFilter(state=state),
        sort=FlowRunSort.EXPECTED_START_TIME_ASC,
        limit=MOST,
    )


def _some(runs: list[FlowRun]) -> str:
    return first_of([run.name for run in runs], SHOWN)
