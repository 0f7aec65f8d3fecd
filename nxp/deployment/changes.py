"""What `nxp deploy` has to do: planned first and done afterwards, so a dry run shows the same."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from uuid import UUID

from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.client.schemas.schedules import CronSchedule
from prefect.events.schemas.automations import Automation, AutomationCore
from prefect.workers.process import ProcessWorker
from pydantic import SecretStr

from nxp.deployment.automations import AutomationEntry, Ids, resolve
from nxp.deployment.comparison import automation_differences, differences, paused_schedules
from nxp.deployment.files import OURS, Deployment
from nxp.deployment.server import WEBHOOK, Found


class Verb(StrEnum):
    """What is done with something on the server."""

    CREATE = "created"
    CHANGE = "changed"
    LEAVE = "left"
    REMOVE = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing on the server, what is done with it, and why; `do` does it."""

    verb: Verb
    kind: str
    name: str
    about: str = field(default="", kw_only=True)
    do: Callable[[], object] = field(default=lambda: None, repr=False, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedState:
    """What the files and the settings ask for. `resume` undoes what was switched by hand."""

    deployments: Sequence[Deployment]
    automations: Sequence[AutomationEntry]
    alert_url: str | None = None
    resume: bool = False


def pools_and_deployments(
    client: SyncPrefectClient, found: Found, wanted: WantedState
) -> Iterator[Change]:
    """Yield the changes to work pools and deployments: to create, change or remove them."""
    for pool in dict.fromkeys(each.entry.work_pool.name for each in wanted.deployments):
        yield _pool(client, found, pool)
    for deployment in wanted.deployments:
        yield _deployment(client, deployment, found, wanted)
    gone = found.ours.keys() - {each.name for each in wanted.deployments}
    for name in sorted(gone):
        yield Change(
            Verb.REMOVE,
            "deployment",
            name,
            about="no longer in the file",
            do=partial(client.delete_deployment, found.deployments[name].id),
        )


def alerts(client: SyncPrefectClient, found: Found, wanted: WantedState) -> Iterator[Change]:
    """Yield the change to the webhook that alerts are sent to."""
    url = wanted.alert_url
    if url and found.webhook is None:
        yield Change(Verb.CREATE, "webhook", WEBHOOK, do=lambda: _save(url))
    elif url and found.webhook_url != url:
        yield Change(Verb.CHANGE, "webhook", WEBHOOK, about="address", do=lambda: _save(url))
    elif url:
        yield Change(Verb.LEAVE, "webhook", WEBHOOK)
    elif (webhook := found.webhook) is not None:
        yield Change(
            Verb.REMOVE,
            "webhook",
            WEBHOOK,
            about="NXP_ALERT_URL is not set",
            do=lambda: client.delete_block_document(webhook),
        )


def automations(
    client: SyncPrefectClient, found: Found, wanted: WantedState, webhook: UUID | None
) -> Iterator[Change]:
    """Yield the changes to automations, which refer to deployments and webhook by their ids."""
    known = dict.fromkeys((each.name for each in wanted.deployments), UUID(int=0))
    ids = Ids(webhook, known | {name: each.id for name, each in found.deployments.items()})
    kept = set()
    for entry in wanted.automations:
        core = resolve(entry, ids)
        if core:
            kept.add(core.name)
            yield _automation(client, core, found.automations.get(core.name), wanted)
    for name, automation in sorted(found.automations.items()):
        if OURS in automation.tags and name not in kept:
            about = "no longer in the file" if wanted.alert_url else "it has nothing to do"
            yield Change(
                Verb.REMOVE,
                "automation",
                name,
                about=about,
                do=partial(client.delete_automation, automation.id),
            )


def _pool(client: SyncPrefectClient, found: Found, name: str) -> Change:
    pool = found.pools.get(name)
    if pool is None:
        new = WorkPoolCreate(
            name=name,
            type=ProcessWorker.type,
            base_job_template=ProcessWorker.get_default_base_job_template(),
        )
        return Change(Verb.CREATE, "work pool", name, do=lambda: client.create_work_pool(new))
    return Change(Verb.LEAVE, "work pool", name, about="paused" if pool.is_paused else "")


def _deployment(
    client: SyncPrefectClient,
    deployment: Deployment,
    found: Found,
    wanted: WantedState,
) -> Change:
    known = found.deployments.get(deployment.name)

    def apply() -> object:
        return _write(client, deployment, set() if wanted.resume else paused, wanted)

    if known is None:
        paused = _paused_before(deployment, found)
        about = "its schedule starts paused, as what it replaces" if paused else ""
        return Change(Verb.CREATE, "deployment", deployment.name, about=about, do=apply)
    paused = set(paused_schedules(known))
    different = differences(deployment, known)
    if wanted.resume and (paused or known.paused):
        different.append("paused schedules")
    if different:
        about = ", ".join(different)
        return Change(Verb.CHANGE, "deployment", deployment.name, about=about, do=apply)
    about = "its schedule is paused" if paused else ""
    return Change(Verb.LEAVE, "deployment", deployment.name, about=about)


def _paused_before(deployment: Deployment, found: Found) -> set[str]:
    """Return the schedules to start paused: all, where somebody had paused what is replaced."""
    replaced = [found.deployments.get(name) for name in deployment.entry.replaces]
    if not any(each and paused_schedules(each) for each in replaced):
        return set()
    return {each.slug for each in deployment.entry.schedules}


def _write(
    client: SyncPrefectClient, deployment: Deployment, paused: set[str], wanted: WantedState
) -> object:
    """Create or replace the deployment; a paused schedule stays paused."""
    entry, limit = deployment.entry, deployment.entry.concurrency_limit
    strategy = ConcurrencyLimitStrategy(limit.collision_strategy) if limit else None
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
        paused=False if wanted.resume else None,
        schedules=[
            DeploymentScheduleCreate(
                slug=each.slug,
                schedule=CronSchedule(cron=each.cron, timezone=each.timezone),
                active=each.active and each.slug not in paused,
            )
            for each in entry.schedules
        ],
    )


def _automation(
    client: SyncPrefectClient, core: AutomationCore, known: Automation | None, wanted: WantedState
) -> Change:
    if known is None:
        return Change(
            Verb.CREATE,
            "automation",
            core.name,
            about="" if core.enabled else "switched off",
            do=lambda: client.create_automation(core),
        )
    different = automation_differences(core, known)
    switched = known.enabled != core.enabled
    if switched and wanted.resume:
        different.append("enabled")
    elif switched:
        core = core.model_copy(update={"enabled": known.enabled})
    if different:
        return Change(
            Verb.CHANGE,
            "automation",
            core.name,
            about=", ".join(different),
            do=lambda: client.update_automation(known.id, core),
        )
    state = "on" if known.enabled else "off"
    about = f"switched {state} by hand" if switched else ""
    return Change(Verb.LEAVE, "automation", core.name, about=about)


def _save(url: str) -> object:
    """Save the address in a block; chats accept JSON."""
    block = Webhook(
        method="POST",
        url=SecretStr(url),
        headers={"Content-Type": "application/json"},
    )
    return block.save(WEBHOOK, overwrite=True)
