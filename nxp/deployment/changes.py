"""What `nxp deploy` has to do: planned first and done afterwards, so a dry run shows the same."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.responses import DeploymentResponse
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.workers.process import ProcessWorker
from pydantic import SecretStr

from connectors.errors import UsageError
from nxp.deployment.automations import AutomationEntry, Ids, resolve
from nxp.deployment.comparison import active_schedules, automation_differences, differences
from nxp.deployment.files import OURS, Deployment
from nxp.deployment.server import WEBHOOK, ServerInventory
from nxp.deployment.switches import SwitchRequest, replaced, switches


class Verb(StrEnum):
    """What is done with something on the server."""

    CREATE = "created"
    CHANGE = "changed"
    LEAVE = "left"
    REMOVE = "removed"


@dataclass(frozen=True, slots=True)
class ServerChange:
    """One thing on the server, what is done with it, and why; `do` does it.

    `ends` says what an operator has active and is switched off; it is shown before it is done.
    `datasets`: those whose schedules made it.
    """

    verb: Verb
    kind: str
    name: str
    about: str = field(default="", kw_only=True)
    ends: str = field(default="", kw_only=True)
    datasets: tuple[str, ...] = field(default=(), kw_only=True)
    do: Callable[[], object] = field(default=lambda: None, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedState:
    """What the files, the settings and the operator ask for."""

    deployments: Sequence[Deployment]
    automations: Sequence[AutomationEntry]
    alert_url: str | None = None
    asked: SwitchRequest = field(default_factory=SwitchRequest)

    @property
    def chosen(self) -> list[Deployment]:
        """The deployments to look at."""
        return [each for each in self.deployments if self.asked.covers(each.name)]


def pools_and_deployments(
    client: SyncPrefectClient, found: ServerInventory, wanted: WantedState
) -> Iterator[ServerChange]:
    """Yield the changes to work pools and deployments: to create, change or remove them."""
    for pool in dict.fromkeys(each.entry.work_pool.name for each in wanted.chosen):
        yield _pool(client, found, pool)
    gone = found.ours.keys() - {each.name for each in wanted.deployments}
    for deployment in wanted.chosen:
        yield _deployment(client, deployment, found, wanted, gone)
    taken = {name for each in wanted.chosen for name in replaced(each, found, gone)} & gone
    _check_taken(taken, found, wanted, gone)
    for name in sorted(name for name in gone if wanted.asked.covers(name) or name in taken):
        known = found.deployments[name]
        # What becomes of the schedule of a replaced one is said by the one that replaces it.
        ends = "" if name in taken else ", ".join(active_schedules(known).values())
        yield ServerChange(
            Verb.REMOVE,
            "deployment",
            name,
            about="no longer in the file",
            ends=f"{name}, active at {ends}: it is no longer in the file" if ends else "",
            do=partial(client.delete_deployment, known.id),
        )


def _check_taken(
    taken: set[str], found: ServerInventory, wanted: WantedState, gone: Collection[str]
) -> None:
    """Raise if `--only` would remove what a deployment that it leaves out takes over too.

    Raises:
        UsageError: it names the deployment to add.
    """
    for each in wanted.deployments:
        if not wanted.asked.covers(each.name):
            for name in taken & set(replaced(each, found, gone)):
                raise UsageError(
                    f"{name} is replaced by {each.name} too: add --only {each.entry.name}"
                )


def alerts(
    client: SyncPrefectClient, found: ServerInventory, wanted: WantedState
) -> Iterator[ServerChange]:
    """Yield the change to the webhook that alerts are sent to."""
    url = wanted.alert_url
    if url and found.webhook is None:
        yield ServerChange(Verb.CREATE, "webhook", WEBHOOK, do=lambda: _save(url))
    elif url and found.webhook_url != url:
        yield ServerChange(Verb.CHANGE, "webhook", WEBHOOK, about="address", do=lambda: _save(url))
    elif url:
        yield ServerChange(Verb.LEAVE, "webhook", WEBHOOK)
    elif (webhook := found.webhook) is not None:
        yield ServerChange(
            Verb.REMOVE,
            "webhook",
            WEBHOOK,
            about="NXP_ALERT_URL is not set",
            do=lambda: client.delete_block_document(webhook),
        )


def automations(
    client: SyncPrefectClient, found: ServerInventory, wanted: WantedState, webhook: UUID | None
) -> Iterator[ServerChange]:
    """Yield the changes to automations, which refer to deployments and webhook by their ids."""
    known = dict.fromkeys((each.name for each in wanted.chosen), UUID(int=0))
    ids = Ids(webhook, known | {name: each.id for name, each in found.deployments.items()})
    kept = set()
    for entry in wanted.automations:
        if not wanted.asked.covers(entry.name):
            continue
        if entry.run and entry.run not in ids.deployments:
            raise UsageError(
                f"{entry.name} runs {entry.run}, which is not deployed: add it to --only"
            )
        core = resolve(entry, ids)
        if core:
            kept.add(core.name)
            yield _automation(client, core, found.automations.get(core.name), wanted)
    for name, automation in sorted(found.automations.items()):
        if OURS in automation.tags and name not in kept and wanted.asked.covers(name):
            about = "no longer in the file" if wanted.alert_url else "it has nothing to do"
            yield ServerChange(
                Verb.REMOVE,
                "automation",
                name,
                about=about,
                do=partial(client.delete_automation, automation.id),
            )


def _pool(client: SyncPrefectClient, found: ServerInventory, name: str) -> ServerChange:
    pool = found.pools.get(name)
    if pool is None:
        new = WorkPoolCreate(
            name=name,
            type=ProcessWorker.type,
            base_job_template=ProcessWorker.get_default_base_job_template(),
        )
        return ServerChange(Verb.CREATE, "work pool", name, do=lambda: client.create_work_pool(new))
    return ServerChange(Verb.LEAVE, "work pool", name, about="paused" if pool.is_paused else "")


def _deployment(
    client: SyncPrefectClient,
    deployment: Deployment,
    found: ServerInventory,
    wanted: WantedState,
    gone: Collection[str],
) -> ServerChange:
    known = found.deployments.get(deployment.name)
    after = switches(deployment, known, found, wanted.asked, gone)
    datasets = deployment.made_from
    different = differences(deployment, known) if known else []
    if known and after.is_changed:
        different.append("schedules switched " + ("on" if after.on else "off"))
    elif known and known.paused and wanted.asked.resume:
        different.append("paused")
    verb = Verb.CREATE if known is None else Verb.CHANGE if different else Verb.LEAVE
    ends = ""
    if after.ended:
        name = deployment.entry.name
        when = ", ".join(after.ended)
        ends = f"{deployment.name}, active at {when}: --activate {name} keeps it active"
    about = ", ".join(different) or after.about
    if verb is Verb.LEAVE:
        # What is inactive in the file is as it should be: nothing to show at each deploy.
        about = about if after.is_paused else ""
        return ServerChange(verb, "deployment", deployment.name, about=about, datasets=datasets)
    write = partial(_write, client, deployment, known, after.on, wanted.asked)
    return ServerChange(
        verb,
        "deployment",
        deployment.name,
        about=about,
        ends=ends,
        datasets=datasets,
        do=write,
    )


def _write(
    client: SyncPrefectClient,
    deployment: Deployment,
    known: DeploymentResponse | None,
    on: frozenset[str],
    asked: SwitchRequest,
) -> object:
    """Create or replace the deployment, with these schedules active."""
    entry, limit = deployment.entry, deployment.entry.concurrency_limit
    strategy = ConcurrencyLimitStrategy(limit.collision_strategy) if limit else None
    is_resumed = asked.resume or (known and known.paused and on)
    return client.create_deployment(
        flow_id=client.create_flow_from_name(deployment.flow),
        name=entry.name,
        description=entry.description,
        entrypoint=entry.entrypoint,
        tags=deployment.tags,
        parameters=entry.parameters,
        parameter_openapi_schema=deployment.form,
        enforce_parameter_schema=True,
        work_pool_name=entry.work_pool.name,
        job_variables=entry.work_pool.job_variables,
        concurrency_limit=limit.limit if limit else None,
        concurrency_options=ConcurrencyOptions(collision_strategy=strategy) if strategy else None,
        pull_steps=[],
        paused=False if is_resumed else None,
        schedules=[
            DeploymentScheduleCreate(
                slug=each.slug,
                schedule=each.schedule,
                active=each.slug in on,
            )
            for each in entry.schedules
        ],
    )


def _automation(
    client: SyncPrefectClient, core: AutomationCore, known: Automation | None, wanted: WantedState
) -> ServerChange:
    if known is None:
        return ServerChange(
            Verb.CREATE,
            "automation",
            core.name,
            about="" if core.enabled else "switched off",
            do=lambda: client.create_automation(core),
        )
    different = automation_differences(core, known)
    switched = known.enabled != core.enabled
    if switched and wanted.asked.resume:
        different.append("enabled")
    elif switched:
        core = core.model_copy(update={"enabled": known.enabled})
    if different:
        return ServerChange(
            Verb.CHANGE,
            "automation",
            core.name,
            about=", ".join(different),
            do=lambda: client.update_automation(known.id, core),
        )
    state = "on" if known.enabled else "off"
    about = f"switched {state} by hand" if switched else ""
    return ServerChange(Verb.LEAVE, "automation", core.name, about=about)


def _save(url: str) -> object:
    """Save the address in a block; chats accept JSON."""
    block = Webhook(
        method="POST",
        url=SecretStr(url),
        headers={"Content-Type": "application/json"},
    )
    return block.save(WEBHOOK, overwrite=True)
