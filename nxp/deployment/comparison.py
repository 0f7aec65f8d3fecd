"""The differences between the server and the files."""

from typing import Any

from prefect.client.schemas.objects import DeploymentSchedule
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.events.schemas.automations import AutomationCore

from connectors.catalogue.specification import describe
from nxp.deployment.files import Deployment

# The server's own fields, and what a person may switch by hand.
NOT_COMPARED = {"id", "created", "updated", "enabled", "owner_resource"}


def differences(wanted: Deployment, found: DeploymentResponse) -> list[str]:
    """Return what differs in a deployment; paused schedules do not count as a difference."""
    return _different(_wanted(wanted), _found(found))


def automation_differences(wanted: AutomationCore, found: AutomationCore) -> list[str]:
    """Return what differs in an automation; being switched on or off is not a difference."""
    return _different(_automation(wanted), _automation(found))


def paused_schedules(found: DeploymentResponse) -> list[str]:
    """Return a deployment's paused schedules: all of them if the deployment itself is paused."""
    return [slug_of(each) for each in found.schedules if found.paused or not each.active]


def active_schedules(found: DeploymentResponse) -> dict[str, str]:
    """Return a deployment's active schedules as text, by slug: none if it is paused itself."""
    if found.paused:
        return {}
    return {slug_of(each): timing(each) for each in found.schedules if each.active}


def slug_of(schedule: DeploymentSchedule) -> str:
    """Return what names a schedule within its deployment."""
    return schedule.slug or "unnamed"


def timing(schedule: DeploymentSchedule) -> str:
    """Return when a schedule runs, as its own fields say it."""
    match schedule.schedule:
        case CronSchedule(cron=cron, timezone=zone):
            return f"{cron} {zone or 'UTC'}"
        case IntervalSchedule(interval=interval):
            return f"every {describe(interval)}"
        case other:
            return str(getattr(other, "rrule", "by no schedule"))


def _different(wanted: dict[str, Any], found: dict[str, Any]) -> list[str]:
    return [name for name, value in wanted.items() if found[name] != value]


def _automation(each: AutomationCore) -> dict[str, Any]:
    plain = each.model_dump(mode="json", exclude=NOT_COMPARED)
    return {name: _unordered(value) for name, value in plain.items()}


def _unordered(value: Any) -> Any:
    """Return a value with its sets, which are lists in JSON, in one order."""
    match value:
        case dict():
            return {key: _unordered(item) for key, item in value.items() if key != "id"}
        case list() if all(isinstance(item, str) for item in value):
            return sorted(value)
        case list():
            return [_unordered(item) for item in value]
        case _:
            return value


def _wanted(deployment: Deployment) -> dict[str, Any]:
    entry = deployment.entry
    limit = entry.concurrency_limit
    return {
        "entrypoint": entry.entrypoint,
        "description": entry.description,
        "tags": sorted(deployment.tags),
        "parameters": entry.parameters,
        "work pool": entry.work_pool.name,
        "job variables": entry.work_pool.job_variables,
        "limit": limit and limit.limit,
        "collision strategy": limit and limit.collision_strategy,
        "schedules": {each.slug: _times(each.schedule) for each in entry.schedules},
        "form": deployment.form,
    }


def _found(deployment: DeploymentResponse) -> dict[str, Any]:
    limit, options = deployment.global_concurrency_limit, deployment.concurrency_options
    return {
        "entrypoint": deployment.entrypoint,
        "description": deployment.description,
        "tags": sorted(deployment.tags),
        "parameters": deployment.parameters,
        "work pool": deployment.work_pool_name,
        "job variables": deployment.job_variables,
        "limit": limit and limit.limit,
        "collision strategy": limit and options and options.collision_strategy.value,
        "schedules": {each.slug: _times(each.schedule) for each in deployment.schedules},
        "form": deployment.parameter_openapi_schema,
    }


def _times(schedule: object) -> tuple[Any, ...] | None:
    match schedule:
        case CronSchedule(cron=cron, timezone=zone):
            return cron, zone
        case IntervalSchedule(interval=interval, anchor_date=anchor, timezone=zone):
            return interval, anchor, zone
        case _:
            return None
